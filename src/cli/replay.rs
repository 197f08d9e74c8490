//! `overspill replay`: logs in, alerts and decisions out.

mod files;
pub(super) mod inputs;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use overspill_connectors::{Account, Ledger};
use overspill_dataflow::{Job, Layout, Mode, Output, Progress, Settings, Socket, Stats};
use overspill_event::{Alert, Decision};
use overspill_golike::duration;
use overspill_golike::time::{Time, parse_rfc3339};

use super::args::{Color, ContentArgs, Format, InputArgs, ReplayArgs};
use super::{Exit, print, tell};
use crate::content::{self, Engine};
use crate::processes::{self, Cluster, Role, Worker};
use crate::report::progress::{InputBytes, Meter};
use crate::report::term::{Paint, Style, safe};
use crate::report::{human, input, machine};
use crate::signals;
use crate::wire::{self, Input, Run};
use files::Files;
use inputs::Inputs;

/// What a replay gave.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Alerts that stand, in order.
    pub alerts: Vec<Alert>,
    /// Their decisions, in order.
    pub decisions: Vec<Decision>,
    /// Counters.
    pub stats: Stats,
    /// What became of the inputs.
    pub input: Account,
    /// How long it took.
    pub elapsed: Duration,
    /// It ended before its inputs did, because somebody asked it to.
    pub is_interrupted: bool,
}

pub(super) fn run(args: &ReplayArgs, format: Format, color: Color) -> Result<Exit> {
    let err = Style::of(&std::io::stderr(), color);
    let settings = settings(args)?;
    let inputs = Inputs::find(&args.paths, &args.input, &args.rows, settings.now)?;
    inputs.check(args.processes)?;
    if args.input.log_type.is_none() {
        bail!("--type is missing: which log is it? For example --type nginx, --type syslog");
    }
    if let Some(index) = args.child {
        return child(args, settings, &inputs, index);
    }
    let files = Files::open(args, format)?;
    let ledger = Arc::new(Ledger::default());
    ledger.count(&inputs.pruned());
    let engine = content::load(&args.content)?;
    report_content(&engine, &err);
    let is_refused = args.content.strict && !engine.refused.is_empty();
    let (layout, mut children) = match Cluster::form(args)?.role {
        Role::Parent { sockets, children } => (layout(args, 0, sockets), children),
        Role::Alone | Role::Child { .. } => (Layout::Threads(args.workers.max(1)), Vec::new()),
    };
    let stop = Arc::clone(&settings.stop);
    signals::stop_then_end(&stop)?;
    let run = Run {
        plan: Arc::new(engine.plan),
        settings,
        layout,
        inputs: partitions(args, &inputs, 0, &ledger),
        recorder: None,
        warnings: engine.runtime,
        progress: Arc::new(Progress::default()),
        bytes: Arc::new(InputBytes::default()),
    };
    run.bytes
        .total
        .store(inputs.total_bytes(), Ordering::Relaxed);
    let meter = (format == Format::Human).then(|| meter(args, &run, err));
    let started = now();
    let mut outcome = replay(run, &mut children)?;
    outcome.elapsed = started.elapsed();
    drop(meter);
    outcome.input = ledger.account();
    for child in &mut children {
        let counted = child.finish()?;
        outcome.stats.add(&counted.stats);
        outcome.input.add(counted.input);
    }
    // What is left is writing: from here on the first signal ends it.
    outcome.is_interrupted = stop.swap(true, Ordering::Relaxed);
    for error in &outcome.stats.read_errors {
        tell(&format!("error: {}\n", safe(error)));
    }
    tell(&input::dead_letters(
        &outcome.input,
        &outcome.stats.read_errors,
    ));
    let takes_stdout = files.takes_stdout();
    files.write(&outcome)?;
    if takes_stdout {
        tell(&report(args, &outcome, &err));
    } else {
        show(args, &outcome, format, color)?;
    }
    Ok(if outcome.is_interrupted {
        Exit::Interrupted
    } else if !outcome.stats.read_errors.is_empty() || outcome.input.counts.dead_letters > 0 {
        Exit::Failed
    } else if is_refused {
        Exit::Refused
    } else {
        Exit::Done
    })
}

fn now() -> Instant {
    Instant::now()
}

fn layout(args: &ReplayArgs, index: usize, sockets: Vec<Option<Box<dyn Socket>>>) -> Layout {
    Layout::Process {
        threads: args.workers.max(1),
        index,
        sockets,
    }
}

/// A process that only works: its counters go to the parent.
fn child(args: &ReplayArgs, settings: Settings, inputs: &Inputs, index: usize) -> Result<Exit> {
    let ledger = Arc::new(Ledger::default());
    let engine = content::load(&args.content)?;
    let Role::Child { sockets, .. } = Cluster::form(args)?.role else {
        bail!("--child is for processes that overspill itself starts");
    };
    signals::only_stop(&settings.stop)?;
    processes::obey(Arc::clone(&settings.stop))?;
    let run = Run {
        plan: Arc::new(engine.plan),
        settings,
        layout: layout(args, index, sockets),
        inputs: partitions(args, inputs, index, &ledger),
        recorder: None,
        warnings: engine.runtime,
        progress: Arc::new(Progress::default()),
        bytes: Arc::new(InputBytes::default()),
    };
    let stats = run.run(|_output| Ok(()))?;
    let input = ledger.account();
    let counted = processes::Counted { stats, input };
    print(&format!("{}\n", serde_json::to_string(&counted)?))?;
    Ok(Exit::Done)
}

fn meter(args: &ReplayArgs, run: &Run, style: Style) -> Meter {
    let label = match args.paths.as_slice() {
        [one] => one.clone(),
        [] => args.input.dsn.clone().unwrap_or_default(),
        many => format!("{} inputs", many.len()),
    };
    let (progress, bytes) = (Arc::clone(&run.progress), Arc::clone(&run.bytes));
    Meter::start(
        label,
        style,
        progress,
        bytes,
        Arc::clone(&run.settings.stop),
    )
}

fn replay(run: Run, children: &mut [Worker]) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let take = |output| {
        if let Output::Alert { alert, diff, .. } = output {
            if diff > 0 {
                outcome.alerts.push(*alert);
            } else if let Some(at) = outcome
                .alerts
                .iter()
                .rposition(|known| known.uuid == alert.uuid)
            {
                outcome.alerts.remove(at);
            }
        }
        Ok(())
    };
    let stats = run.run_until(take, || children.iter_mut().for_each(Worker::stop))?;
    outcome.decisions = outcome
        .alerts
        .iter()
        .flat_map(|alert| &alert.decisions)
        .cloned()
        .collect();
    outcome.stats = stats;
    Ok(outcome)
}

/// The settings that the flags spell.
fn settings(args: &ReplayArgs) -> Result<Settings> {
    let mut settings = wire::settings(moment(args.now.as_deref())?);
    settings.lateness_ns = duration::parse(&args.lateness)
        .ok()
        .filter(|ns| *ns >= 0)
        .with_context(|| format!("--lateness: {:?} is no duration; try 2s", args.lateness))?;
    settings.buckets_max = args.buckets_max.max(1);
    if args.speculative {
        settings.mode = Mode::Speculative;
    }
    Ok(settings)
}

/// The time that dates without a year refer to.
pub(super) fn moment(text: Option<&str>) -> Result<Time> {
    match text {
        Some(text) => parse_rfc3339(text.as_bytes()).with_context(|| {
            format!("--now: {text:?} is no RFC 3339 time; try 2026-03-10T06:00:00Z")
        }),
        None => {
            #[expect(
                clippy::disallowed_methods,
                reason = "the edge: from here on time is a value"
            )]
            let since = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap_or(Duration::ZERO);
            Ok(Time::from_unix_ns(
                i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
            ))
        }
    }
}

/// The partitions that process `index` reads.
fn partitions(
    args: &ReplayArgs,
    inputs: &Inputs,
    index: usize,
    ledger: &Arc<Ledger>,
) -> Vec<Input> {
    let labels = labels(&args.input);
    let workers = args.workers.max(1);
    let total = workers * args.processes.max(1);
    let is_ours = |id: u32| Job::worker_of(id, total) / workers == index;
    inputs.partitions(&labels, ledger, is_ours)
}

/// Labels of the lines, sorted by name.
pub(super) fn labels(input: &InputArgs) -> Vec<(String, String)> {
    let mut labels: Vec<(String, String)> = Vec::new();
    for label in input.labels.iter().flat_map(|labels| labels.split(',')) {
        if let Some((name, value)) = label.split_once('=').or_else(|| label.split_once(':')) {
            labels.push((name.to_owned(), value.to_owned()));
        }
    }
    labels.extend(
        input
            .log_type
            .iter()
            .map(|log_type| ("type".to_owned(), log_type.clone())),
    );
    labels.sort();
    labels
}

/// Says what was refused, once, before the work begins.
pub(super) fn report_content(engine: &Engine, err: &Style) {
    for text in &engine.refused {
        tell(&format!("{text}\n"));
    }
    for text in &engine.warnings {
        tell(&format!("{}\n", err.paint(Paint::Yellow, text)));
    }
    if !engine.refused.is_empty() {
        tell(&format!(
            "  {} of {} items were refused; the others run. `overspill config check` shows all.\n",
            engine.refused.len(),
            engine.n_items
        ));
    }
}

fn show(args: &ReplayArgs, outcome: &Outcome, format: Format, color: Color) -> Result<()> {
    let Outcome {
        alerts,
        decisions,
        stats,
        is_interrupted,
        ..
    } = outcome;
    if *is_interrupted && format != Format::Human {
        tell(&format!("{INTERRUPTED_TEXT}\n"));
    }
    match format {
        Format::Json => {
            let mut out = std::io::BufWriter::new(std::io::stdout().lock());
            machine::json(
                alerts,
                decisions,
                stats,
                &outcome.input,
                *is_interrupted,
                &mut out,
            )?;
            Ok(out.flush()?)
        }
        Format::Raw => print(&machine::csv(alerts)),
        Format::Human => print(&report(
            args,
            outcome,
            &Style::of(&std::io::stdout(), color),
        )),
    }
}

/// What an interrupted replay says.
const INTERRUPTED_TEXT: &str = "interrupted: this is the result of what was read until then";

/// The result for people.
fn report(args: &ReplayArgs, outcome: &Outcome, style: &Style) -> String {
    let Outcome {
        alerts,
        decisions,
        stats,
        ..
    } = outcome;
    let mut out = String::new();
    if alerts.is_empty() {
        out.push_str(&human::nothing(
            stats,
            args.input.log_type.as_deref(),
            style,
        ));
    } else {
        out.push_str(&human::alerts(alerts, style));
        if !decisions.is_empty() {
            out.push('\n');
            out.push_str(&human::decisions(decisions, style));
        }
    }
    out.push('\n');
    if outcome.is_interrupted {
        out.push_str(&style.paint(Paint::Yellow, &format!("  {INTERRUPTED_TEXT}")));
        out.push('\n');
    }
    out.push_str(&human::summary(
        stats,
        alerts.len(),
        decisions.len(),
        outcome.elapsed.as_secs_f64(),
    ));
    out.push_str(&input::summary(&outcome.input, style));
    out.push_str(&human::troubles(stats, style));
    if args.unparsed {
        out.push_str(&human::unparsed(stats, style));
    }
    if args.metrics {
        out.push_str(&human::metrics(stats, style));
    }
    if !decisions.is_empty() {
        out.push_str("  Nothing was enforced.\n");
    }
    out
}

/// What a content argument names, for messages.
#[must_use]
pub fn content_name(content: &ContentArgs) -> String {
    match (&content.hub, &content.config) {
        (Some(hub), _) => hub.display().to_string(),
        (None, Some(config)) => config.display().to_string(),
        (None, None) => "the built-in library".to_owned(),
    }
}
