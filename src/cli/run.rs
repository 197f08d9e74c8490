//! `overspill run`: logs that are followed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use overspill_dataflow::{Mode, Plan};
use overspill_decision::wire;
use overspill_event::Alert;
use overspill_golike::duration;
use overspill_golike::time::Time;
use overspill_scenarios::{ConfigPaths, Prometheus, config_paths};

use super::args::{Color, Format, RunArgs};
use super::replay::{content_name, moment, report_content};
use super::{Exit, print, tell};
use crate::content::{self, Engine};
use crate::live::metrics::{Listen, Meters};
use crate::live::{self, Config, Word, sources};
use crate::report::human::grouped;
use crate::report::term::{Paint, Style, safe};
use crate::signals;

/// Where state is kept by root.
const STATE_OF_ROOT: &str = "/var/lib/overspill";

pub(super) fn run(args: &RunArgs, format: Format, color: Color) -> Result<Exit> {
    let err = Style::of(&std::io::stderr(), color);
    let state = state_dir(args)?;
    let (acquis, acquis_dir) = acquisition_paths(args)?;
    let found = sources::load(acquis.as_deref(), acquis_dir.as_deref(), &state)?;
    for text in &found.refused {
        tell(&format!("{}\n", safe(text)));
    }
    for text in &found.warnings {
        tell(&format!("{}\n", err.paint(Paint::Yellow, &safe(text))));
    }
    if found.acquisitions.is_empty() {
        bail!("nothing to read: no acquisition is usable (--acquis FILE, --acquis-dir DIR)");
    }
    let engine = content::load(&args.content)?;
    report_content(&engine, &err);
    let is_refused = !engine.refused.is_empty() || !found.refused.is_empty();
    if args.content.strict && is_refused {
        return Ok(Exit::Refused);
    }
    let config = config(args, &state, found.acquisitions, engine)?;
    signals::stop_then_end(&config.settings.stop)?;
    let stop = Arc::clone(&config.settings.stop);
    if format == Format::Human {
        tell(&banner(args, &config));
    }
    let out = Style::of(&std::io::stdout(), color);
    let mut shown = Ok(());
    let ended = live::run(config, |word| {
        if shown.is_ok() {
            shown = show(&word, format, &out, &err);
        }
        if shown.is_err() {
            // Nobody reads what the job says: as an interrupt.
            stop.store(true, Ordering::SeqCst);
        }
    })?;
    shown?;
    if format == Format::Human {
        let (lines, alerts) = (grouped(ended.lines), grouped(ended.alerts));
        tell(&format!("  {lines} lines, {alerts} alerts\n"));
    }
    Ok(Exit::Done)
}

fn time(text: &str, flag: &str) -> Result<i64> {
    duration::parse(text)
        .ok()
        .filter(|ns| *ns >= 0)
        .with_context(|| format!("{flag}: {text:?} is no duration; try 2s"))
}

fn config(
    args: &RunArgs,
    state: &Path,
    acquisitions: Vec<overspill_connectors::acquis::Acquisition>,
    engine: Engine,
) -> Result<Config> {
    let mut settings = crate::wire::settings(moment(None)?);
    settings.mode = Mode::Speculative;
    settings.lateness_ns = time(&args.lateness, "--lateness")?;
    settings.idle_ns = time(&args.idle, "--idle")?.max(settings.lateness_ns);
    settings.buckets_max = args.buckets_max.max(1);
    let every_ns = time(&args.checkpoint_every, "--checkpoint-every")?;
    let checkpoints = match (&args.checkpoints, args.no_checkpoints) {
        (_, true) => None,
        (Some(address), _) => Some(address.clone()),
        (None, _) => Some(state.join("checkpoints").display().to_string()),
    };
    if checkpoints.is_some() {
        std::fs::create_dir_all(state).with_context(|| format!("--state {}", state.display()))?;
    }
    Ok(Config {
        content: identity(&engine.plan),
        plan: Arc::new(engine.plan),
        settings,
        workers: args.workers.max(1),
        acquisitions,
        node: args.node.clone().unwrap_or_else(host_name),
        checkpoints,
        every: Duration::from_nanos(u64::try_from(every_ns).unwrap_or(0)),
        alerts: args.alerts.clone(),
        warnings: engine.runtime,
        listen: listen(args)?,
        meters: Meters::new(),
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

fn state_dir(args: &RunArgs) -> Result<PathBuf> {
    if let Some(state) = &args.state {
        return Ok(state.clone());
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

fn paths(config: &Path) -> Result<ConfigPaths> {
    config_paths(config).map_err(|findings| {
        let texts: Vec<String> = findings.iter().map(|finding| finding.render()).collect();
        anyhow::anyhow!("{}", texts.join("\n"))
    })
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
        address,
        is_required: args.listen.is_some(),
        is_full: prometheus.is_full(),
    }))
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
    let checkpoints = config.checkpoints.as_deref().unwrap_or("none");
    let sources: Vec<&str> = config
        .acquisitions
        .iter()
        .map(|acquisition| acquisition.id.as_str())
        .collect();
    format!(
        "overspill {}  1 process, {workers}  checkpoints {checkpoints}\n\
         sources    {}\n\
         content    {} scenarios from {}\n",
        env!("CARGO_PKG_VERSION"),
        safe(&sources.join("  ")),
        config.content.len(),
        content_name(&args.content),
    )
}

fn show(word: &Word, format: Format, out: &Style, err: &Style) -> Result<()> {
    match word {
        Word::Resumed {
            number,
            upto_ns,
            n_partitions,
        } => {
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
            let text = format!("warning: {text}");
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
