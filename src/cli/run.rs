//! `overspill run`: logs that are followed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use overspill_connectors::limit::{Limits, Shared};
use overspill_connectors::source::system_clock;
use overspill_dataflow::{Mode, Plan};
use overspill_decision::{SafeList, wire};
use overspill_event::Alert;
use overspill_golike::duration;
use overspill_golike::time::Time;
use overspill_peers::supervise::Ended;
use overspill_peers::supervise::child::{die_with_supervisor, exit_on_panic};
use overspill_scenarios::{ConfigPaths, Prometheus, config_paths};
use overspill_telemetry::{SpanExporter, SpanValue};

use super::args::{ClusterArgs, Color, Format, LogFormat, RunArgs};
use super::cluster::{is_follower, is_supervisor, member};
use super::lapi::api_beside;
use super::reload::Next;
use super::replay::{content_name, moment, report_content};
use super::{Exit, defaults, log_as, print, tell};
use crate::addresses;
use crate::content::{self, Engine};
use crate::decisions;
use crate::fleet;
use crate::lapi::Api;
use crate::live::metrics::{Listen, Meters, Tracer};
use crate::live::sources::{self, Reading};
use crate::live::{self, Config, Word, control, places};
use crate::report::human::grouped;
use crate::report::term::{Paint, Style, safe};
use crate::signals;
use crate::wire::{BUCKETS_MAX, chain};

/// Said where no acquisition is left.
const NOTHING_TO_READ: &str =
    "nothing to read: no acquisition is usable (--acquis FILE, --acquis-dir DIR)";
/// Where state is kept by root.
const STATE_OF_ROOT: &str = "/var/lib/overspill";

pub(super) fn run(args: &RunArgs, format: Format, color: Color) -> Result<Exit> {
    let args = &defaults::fill(args)?;
    log_as(args.log_format);
    let err = match args.log_format {
        LogFormat::Text => Style::of(&std::io::stderr(), color),
        LogFormat::Json => Style::plain(80),
    };
    if is_supervisor(&args.cluster) {
        return supervise(args);
    }
    // First of all, while there is one thread.
    let is_supervised = die_with_supervisor().map_err(|error| anyhow!(chain(&error)))?;
    // One that comes while the content is compiled is not the end.
    let hangup = Arc::new(AtomicBool::new(false));
    signals::reload(&hangup)?;
    let config = match prepare(args, &err) {
        // Those of one machine have all the same, and nobody else has more.
        Ok(Prepared::Ready(config)) if is_supervised && config.acquisitions.is_empty() => {
            return Ok(Exit::Configuration);
        }
        Ok(Prepared::Ready(config)) => *config,
        Ok(Prepared::Refused) => return Ok(Exit::Refused),
        // Nor would it help to be started again.
        Err(error) if is_supervised => {
            tell(&format!("error: {error:#}\n"));
            return Ok(Exit::Configuration);
        }
        Err(error) => return Err(error),
    };
    let index = config.cluster.as_ref().map(|cluster| cluster.index);
    let stop = Arc::clone(&config.settings.stop);
    if is_supervised {
        signals::only_stop(&stop)?;
    } else {
        signals::stop_then_end(&stop)?;
    }
    if index.is_some() {
        // The others would wait for this one.
        exit_on_panic();
    }
    let next = Arc::new(Next::default());
    next.watch(args, &config, hangup)?;
    if format == Format::Human && !is_follower(&args.cluster) {
        tell(&banner(args, &config));
    }
    let out = Style::of(&std::io::stdout(), color);
    let mut shown = Ok(());
    let api = api_beside(args, &config)?;
    if let Some(api) = &api
        && format == Format::Human
    {
        tell(&api.banner()?);
    }
    let ended = until_the_end(config, &next, api.as_ref(), tracer(args)?, |word| {
        if shown.is_ok() {
            shown = show(&word, index, format, &out, &err);
        }
        if shown.is_err() {
            // Nobody reads what the job says: as an interrupt.
            stop.store(true, Ordering::SeqCst);
        }
    })?;
    shown?;
    if format == Format::Human {
        let (lines, alerts) = (grouped(ended.lines), grouped(ended.alerts));
        let text = match index {
            None | Some(0) => format!("  {lines} lines, {alerts} alerts\n"),
            Some(index) => format!("  process {index}: {lines} lines\n"),
        };
        tell(&text);
    }
    Ok(Exit::Done)
}

/// Runs the job, and again with other content whenever there is some.
fn until_the_end(
    mut config: Config,
    next: &Next,
    api: Option<&Arc<Api>>,
    tracer: Tracer,
    mut hear: impl FnMut(Word),
) -> Result<live::Ended> {
    let tracer = Arc::new(tracer);
    loop {
        config.meters = Meters::new(&tracer, api.map(Arc::clone));
        config.api = api.map(Arc::clone);
        if let Some(api) = api {
            api.set_policy(config.plan.policy.clone());
        }
        let ended = live::run(config, &mut hear)?;
        match next.take().filter(|_| ended.again) {
            Some(other) => config = other,
            None => return Ok(ended),
        }
    }
}

/// What sends spans, if they are wanted.
fn tracer(args: &RunArgs) -> Result<Tracer> {
    let Some(endpoint) = &args.traces else {
        return Ok(Tracer::default());
    };
    let text = |text: &str| SpanValue::Text(text.to_owned());
    let process = args.cluster.process.unwrap_or(0);
    let resource = vec![
        ("service.name", text("overspill")),
        ("service.version", text(env!("CARGO_PKG_VERSION"))),
        (
            "host.name",
            text(&args.node.clone().unwrap_or_else(host_name)),
        ),
        (
            "overspill.process",
            SpanValue::Number(i64::try_from(process).unwrap_or(-1)),
        ),
    ];
    let exporter = SpanExporter::start(endpoint, resource).context("--traces")?;
    Ok(Tracer::new(exporter, system_clock()))
}

/// Starts the processes, and starts them again.
fn supervise(args: &RunArgs) -> Result<Exit> {
    let n = args.cluster.processes.unwrap_or(1).max(1);
    let ended = fleet::run(n, &mut |text| {
        tell(&format!("supervisor {text}\n"));
    })?;
    Ok(match ended {
        Ended::Done | Ended::Stopped => Exit::Done,
        Ended::Configuration { .. } => Exit::Configuration,
    })
}

/// What the flags and files come to.
pub(super) enum Prepared {
    Ready(Box<Config>),
    /// Something was refused, and `--strict` was given.
    Refused,
}

pub(super) fn prepare(args: &RunArgs, err: &Style) -> Result<Prepared> {
    let state = state_dir(args.state.as_deref())?;
    let (acquis, acquis_dir) = acquisition_paths(args)?;
    let engine = content::load(&args.content)?;
    let reading = Reading {
        state_dir: &state,
        services: &engine.plan.services,
        tenants: tenants(args)?,
    };
    let found = sources::load(acquis.as_deref(), acquis_dir.as_deref(), &reading)?;
    // One process of a machine says it for all.
    let is_heard = !is_follower(&args.cluster);
    if is_heard {
        for text in &found.refused {
            tell(&format!("{}\n", safe(text)));
        }
        for text in &found.warnings {
            tell(&format!("{}\n", err.paint(Paint::Yellow, &safe(text))));
        }
    }
    if is_heard {
        report_content(&engine, err);
    }
    if found.acquisitions.is_empty() {
        // One of several machines may be there to count.
        if args.cluster.peers.is_none() {
            bail!("{NOTHING_TO_READ}");
        }
        tell(&format!(
            "{}\n",
            err.paint(Paint::Yellow, &format!("warning: {NOTHING_TO_READ}"))
        ));
    }
    let is_refused = !engine.refused.is_empty() || !found.refused.is_empty();
    if args.content.strict && is_refused {
        return Ok(Prepared::Refused);
    }
    let refused = [&found.refused[..], &engine.refused[..]].concat();
    let mut config = config(args, &state, found.acquisitions, engine)?;
    config.refused = refused;
    Ok(Prepared::Ready(Box::new(config)))
}

fn time(text: Option<&str>, flag: &str) -> Result<i64> {
    let text = text.unwrap_or_default();
    duration::parse(text)
        .ok()
        .filter(|ns| *ns >= 0)
        .with_context(|| format!("{flag}: {text:?} is no duration; try 2s"))
}

fn config(
    args: &RunArgs,
    state: &Path,
    acquisitions: Vec<overspill_connectors::acquis::Acquisition>,
    mut engine: Engine,
) -> Result<Config> {
    // A replay is the same on every machine; what is enforced must not hit this one.
    engine.plan.policy.safe = SafeList::new(&addresses::own());
    let mut settings = crate::wire::settings(moment(None)?);
    settings.mode = Mode::Speculative;
    settings.lateness_ns = time(args.lateness.as_deref(), "--lateness")?;
    settings.idle_ns = time(args.idle.as_deref(), "--idle")?.max(settings.lateness_ns);
    settings.buckets_max = args.buckets_max.unwrap_or(BUCKETS_MAX).max(1);
    places::check(&args.alerts)?;
    if let Some(address) = &args.control {
        control::check(address).with_context(|| format!("--control {address}"))?;
    }
    let skew_ns = time(args.skew.as_deref(), "--skew")?;
    let every_ns = time(args.checkpoint_every.as_deref(), "--checkpoint-every")?;
    let checkpoints = match (&args.checkpoints, args.no_checkpoints) {
        (_, true) => None,
        (Some(address), _) => Some(address.clone()),
        (None, _) => Some(state.join("checkpoints").display().to_string()),
    };
    if checkpoints.is_some() {
        std::fs::create_dir_all(state).with_context(|| format!("--state {}", state.display()))?;
    }
    let decisions = checkpoints.as_ref().map(|_| decisions::directory(state));
    Ok(Config {
        content: identity(&engine.plan),
        digest: engine.digest,
        plan: Arc::new(engine.plan),
        settings,
        workers: args.workers.unwrap_or(1).max(1),
        skew: Duration::from_nanos(u64::try_from(skew_ns).unwrap_or(0)),
        acquisitions,
        node: args.node.clone().unwrap_or_else(host_name),
        checkpoints,
        every: Duration::from_nanos(u64::try_from(every_ns).unwrap_or(0)),
        alerts: args.alerts.clone(),
        decisions,
        api: None,
        warnings: engine.runtime,
        cluster: member(&args.cluster, engine.digest)?,
        reload: Arc::default(),
        listen: listen(args)?,
        meters: Meters::new(&Arc::default(), None),
        refused: Vec::new(),
    })
}

/// What runs: each scenario with what its buckets are known by.
fn identity(plan: &Plan) -> Vec<String> {
    plan.rules
        .scenarios()
        .iter()
        .map(|scenario| format!("{} {:016x}", scenario.name, scenario.bucket.fingerprint))
        .collect()
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}

/// Where state is kept: what `--state` says, or the usual directory.
pub(super) fn state_dir(state: Option<&Path>) -> Result<PathBuf> {
    if let Some(state) = state {
        return Ok(state.to_owned());
    }
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let is_root = home.as_deref() == Some(Path::new("/root"));
    if is_root && base.is_none() {
        return Ok(PathBuf::from(STATE_OF_ROOT));
    }
    base.or(home.map(|home| home.join(".local/state")))
        .map(|base| base.join("overspill"))
        .context("no home directory: where is state to be kept? --state DIR says")
}

pub(super) fn paths(config: &Path) -> Result<ConfigPaths> {
    config_paths(config).map_err(|findings| {
        let texts: Vec<String> = findings.iter().map(|finding| finding.render()).collect();
        anyhow!("{}", texts.join("\n"))
    })
}

/// What the sources of each tenant may read together in this process.
fn tenants(args: &RunArgs) -> Result<BTreeMap<String, Shared>> {
    let Some(config) = &args.content.config else {
        return Ok(BTreeMap::new());
    };
    let tenants = paths(config)?.job.tenants.into_iter();
    let shared = tenants.map(|(name, rates)| {
        let limits = Limits {
            lines: rates.lines,
            bytes: rates.bytes,
        };
        (name, Shared::new(limits))
    });
    Ok(shared.collect())
}

/// Where metrics are answered: the flag before what the configuration says.
fn listen(args: &RunArgs) -> Result<Option<Listen>> {
    let prometheus = match &args.content.config {
        Some(config) => paths(config)?.prometheus,
        None => Prometheus::default(),
    };
    let address = match args.listen.as_deref() {
        Some("none") => None,
        Some(address) => Some(address.to_owned()),
        None => prometheus.address(),
    };
    Ok(address.map(|address| Listen {
        address: next_port(&address, &args.cluster),
        is_required: args.listen.is_some(),
        is_full: prometheus.is_full(),
    }))
}

/// The address of one of several processes that a supervisor has started with the same flags.
fn next_port(address: &str, cluster: &ClusterArgs) -> String {
    let index = cluster.process.filter(|_| cluster.processes.is_some());
    let Some((host, port)) = address.rsplit_once(':') else {
        return address.to_owned();
    };
    match (port.parse::<usize>(), index) {
        (Ok(port), Some(index)) if port > 0 => format!("{host}:{}", port + index),
        _ => address.to_owned(),
    }
}

/// The acquisition file and directory: flags before what the configuration names.
fn acquisition_paths(args: &RunArgs) -> Result<(Option<PathBuf>, Option<PathBuf>)> {
    if args.acquis.is_some() || args.acquis_dir.is_some() {
        return Ok((args.acquis.clone(), args.acquis_dir.clone()));
    }
    let Some(config) = &args.content.config else {
        bail!("what is to be read? --acquis FILE, or --config FILE that names one");
    };
    let paths = paths(config)?;
    let usual = paths.config_dir.join("acquis.yaml");
    let path = paths
        .acquisition_path
        .or_else(|| Some(usual).filter(|path| paths.acquisition_dir.is_none() && path.exists()));
    Ok((path, paths.acquisition_dir))
}

fn banner(args: &RunArgs, config: &Config) -> String {
    let workers = match config.workers {
        1 => "1 worker".to_owned(),
        n => format!("{n} workers"),
    };
    let processes = match config.cluster.as_ref().map(|cluster| cluster.spec.n()) {
        None => "1 process".to_owned(),
        Some(n) => format!("{n} processes"),
    };
    let checkpoints = config.checkpoints.as_deref().unwrap_or("none");
    let sources: Vec<&str> = config
        .acquisitions
        .iter()
        .map(|acquisition| acquisition.id.as_str())
        .collect();
    format!(
        "overspill {}  {processes}, {workers}  checkpoints {checkpoints}\n\
         sources    {}\n\
         content    {} scenarios from {}\n",
        env!("CARGO_PKG_VERSION"),
        safe(&sources.join("  ")),
        config.content.len(),
        content_name(&args.content),
    )
}

fn show(word: &Word, index: Option<usize>, format: Format, out: &Style, err: &Style) -> Result<()> {
    match word {
        Word::Resumed {
            number,
            upto_ns,
            n_partitions,
        } => {
            if index.is_some_and(|index| index > 0) {
                return Ok(());
            }
            let at = Time::from_unix_ns(*upto_ns);
            tell(&format!(
                "resumed    checkpoint {number} as of {}, {n_partitions} partitions\n",
                rfc3339(at)
            ));
            Ok(())
        }
        Word::Listening(address) => {
            tell(&format!("metrics    http://{address}/metrics\n"));
            Ok(())
        }
        Word::Trouble(text) => {
            let text = match index {
                Some(index) => format!("warning: process {index}: {text}"),
                None => format!("warning: {text}"),
            };
            tell(&format!("{}\n", err.paint(Paint::Yellow, &safe(&text))));
            Ok(())
        }
        Word::Alert(alert, diff) if format == Format::Json => {
            let mut line = Vec::new();
            if *diff > 0 {
                wire::append_alert_line(alert, &mut line);
            } else {
                line = format!("{}\n", serde_json::json!({ "withdrawn": alert.uuid })).into_bytes();
            }
            print(&String::from_utf8_lossy(&line))
        }
        Word::Alert(alert, diff) => print(&alert_lines(alert, *diff, out)),
    }
}

fn rfc3339(time: Time) -> String {
    let mut text = Vec::new();
    overspill_golike::time::append_rfc3339_nano(&time, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// One line a decision, or one for an alert that leads to none.
fn alert_lines(alert: &Alert, diff: i64, style: &Style) -> String {
    let events = match alert.events_count {
        1 => "1 event".to_owned(),
        n => format!("{n} events"),
    };
    let at = alert.stop_at.get(11..19).unwrap_or(&alert.stop_at);
    let scenario = safe(&alert.scenario);
    if diff < 0 {
        return format!(
            "{at}  withdrawn  {}  {scenario}\n",
            safe(&alert.source.value)
        );
    }
    if alert.decisions.is_empty() {
        let value = safe(&alert.source.value);
        return format!("{at}  alert  {value}  {scenario}  {events}\n");
    }
    let line = |decision: &overspill_event::Decision| {
        let kind = style.paint(Paint::Red, &safe(&decision.kind));
        let (duration, value) = (safe(&decision.duration), safe(&decision.value));
        format!("{at}  {kind} {duration}  {value}  {scenario}  {events}\n")
    };
    alert.decisions.iter().map(line).collect()
}
