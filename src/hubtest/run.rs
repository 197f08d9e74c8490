//! Running tests: content, log, assertions, verdict.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use overspill_connectors::Source;
use overspill_connectors::file::FileSource;
use overspill_connectors::lines::LINE_BYTES_MAX;
use overspill_dataflow::record::Recorder;
use overspill_dataflow::{Layout, Output, Plan, Progress};
use overspill_event::{Event, Origin};
use overspill_golike::time::Time;
use overspill_scenarios::OVERRIDES;
use overspill_scenarios::{Hub, ItemKind};

use super::asserts::{self, File, Line};
use super::autogen;
use super::case::Case;
use super::record::{NodeResult, TestRecorder};
use super::results;
use crate::content::{self, Engine};
use crate::report::progress::InputBytes;
use crate::wire::{self, Input, Run};

/// Instant that tests take for now: the hub's own tests assert dates without a year to be in 2026.
pub const NOW: &str = "2026-08-22T12:00:00Z";

/// How a test went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every assertion that counts holds.
    Passed {
        /// False lines that CrowdSec does not count either.
        not_counted: Vec<String>,
    },
    /// Some do not.
    Failed {
        /// What is wrong, a line each.
        why: Vec<String>,
    },
    /// It could not be run.
    Error {
        /// Why.
        why: String,
    },
}

/// A test and how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Name of the test.
    pub name: String,
    /// How it went.
    pub verdict: Verdict,
}

/// What a run of a test's log gave.
pub struct Ran {
    /// Every top-level node, in order.
    pub nodes: Vec<NodeResult>,
    /// Overflows that are not clean-up, in order; whitelisted ones too.
    pub overflows: Vec<Arc<Event>>,
}

/// Runs tests side by side, `jobs` at a time; reports come in the order of names.
#[must_use]
pub fn run_all(hub: &Hub, names: &[String], workers: usize, jobs: usize) -> Vec<Report> {
    let next = AtomicUsize::new(0);
    let reports: Mutex<Vec<Option<Report>>> = Mutex::new(vec![None; names.len()]);
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, names.len().max(1)) {
            scope.spawn(|| {
                while let Some((at, name)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    names.get(at).map(|name| (at, name))
                } {
                    let report = run_one(hub, name, workers);
                    reports.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(report);
                }
            });
        }
    });
    let reports = reports.into_inner().unwrap_or_else(PoisonError::into_inner);
    reports.into_iter().flatten().collect()
}

/// Runs one test.
#[must_use]
pub fn run_one(hub: &Hub, name: &str, workers: usize) -> Report {
    let verdict = match verdict(hub, name, workers) {
        Ok(verdict) => verdict,
        Err(error) => Verdict::Error {
            why: format!("{error:#}"),
        },
    };
    Report {
        name: name.to_owned(),
        verdict,
    }
}

fn verdict(hub: &Hub, name: &str, workers: usize) -> Result<Verdict> {
    let case = Case::load(hub.root(), name)?;
    let ran = run_case(hub, &case, workers)?;
    let mut lines = Vec::new();
    if !case.config.ignore_parsers {
        let text = assertions(&case, "parser.assert", || autogen::parser(&ran.nodes))?;
        if results::stages(&ran.nodes).len() < 2 {
            bail!("no parser found: no line reached any node");
        }
        lines.extend(asserts::check(
            &text,
            File::Parser,
            &results::parser_results(&ran.nodes),
        ));
    }
    if case.has(ItemKind::Scenarios) {
        let text = assertions(&case, "scenario.assert", || {
            autogen::scenario(&ran.overflows)
        })?;
        let results = results::scenario_results(&ran.overflows);
        lines.extend(asserts::check(&text, File::Scenario, &results));
    }
    let mut why = Vec::new();
    let mut not_counted = Vec::new();
    for line in lines {
        match line {
            Line::Passed => {}
            Line::Failed { text, actual } => why.push(format!("{text}   (is {actual})")),
            Line::NotCounted { text } => not_counted.push(text),
            Line::Error { text, error } => why.push(format!("{text}   (error: {error})")),
        }
    }
    Ok(if why.is_empty() {
        Verdict::Passed { not_counted }
    } else {
        Verdict::Failed { why }
    })
}

/// An assertion file. When it is missing or empty, what it could say is in the error.
fn assertions(case: &Case, file: &str, generated: impl Fn() -> String) -> Result<String> {
    let text = fs::read_to_string(case.dir.join(file)).unwrap_or_default();
    if text.trim().is_empty() {
        bail!(
            "{file} is missing or empty; what holds now:\n{}",
            generated()
        );
    }
    Ok(text)
}

/// Loads what a test needs and runs its log.
///
/// # Errors
/// When an item is missing or refused, or the log cannot be read.
pub fn run_case(hub: &Hub, case: &Case, workers: usize) -> Result<Ran> {
    let mut overflows = Vec::new();
    let recorder = run_with(
        hub,
        case,
        workers,
        |_| Arc::new(TestRecorder::default()),
        |event| {
            overflows.push(Arc::new(event));
        },
    )?;
    Ok(Ran {
        nodes: recorder.nodes(),
        overflows,
    })
}

/// Runs a test's log with a recorder of the caller's.
///
/// # Errors
/// As [`run_case`].
pub fn run_recorded<R: Recorder + 'static>(
    hub: &Hub,
    case: &Case,
    workers: usize,
    recorder: impl FnOnce(&Arc<Plan>) -> Arc<R>,
) -> Result<Arc<R>> {
    run_with(hub, case, workers, recorder, |_event| {})
}

fn run_with<R: Recorder + 'static>(
    hub: &Hub,
    case: &Case,
    workers: usize,
    recorder: impl FnOnce(&Arc<Plan>) -> Arc<R>,
    mut overflow: impl FnMut(Event),
) -> Result<Arc<R>> {
    let log = case.log();
    let meta = fs::metadata(&log).with_context(|| format!("log {}", log.display()))?;
    if meta.len() == 0 {
        bail!("log {} is empty", log.display());
    }
    let engine = engine(hub, case)?;
    let plan = Arc::new(engine.plan);
    let recorder = recorder(&plan);
    let mut settings = wire::settings(now());
    // The log is replayed as CrowdSec does it: only an event of the same key ends a bucket.
    settings.grace_ns = i64::MAX;
    settings.gives_overflows = true;
    let run = Run {
        plan: Arc::clone(&plan),
        settings,
        layout: Layout::Threads(workers.max(1)),
        inputs: vec![input(case, &log)],
        recorder: Some(Arc::<R>::clone(&recorder)),
        warnings: engine.runtime,
        progress: Arc::new(Progress::default()),
        bytes: Arc::new(InputBytes::default()),
    };
    let stats = run.run(|output| {
        if let Output::Overflow(record) = output {
            let mut event = Event::decode(&plan.schema, &record.event)?;
            event.overflow = Some(record.overflow);
            overflow(event);
        }
        Ok(())
    })?;
    if let Some(error) = stats.read_errors.first() {
        bail!("{error}");
    }
    Ok(recorder)
}

fn input(case: &Case, log: &Path) -> Input {
    let mut labels = vec![("type".to_owned(), case.config.log_type.clone())];
    labels.extend(case.config.labels.clone());
    labels.sort();
    let origin = Origin {
        src: absolute(log),
        module: "file".to_owned(),
        labels,
    };
    let opened = origin.clone();
    let open = Box::new(move || {
        FileSource::open(opened, LINE_BYTES_MAX).map(|source| Box::new(source) as Box<dyn Source>)
    });
    Input {
        id: 0,
        origin,
        open,
    }
}

/// Everything a test names, compiled.
///
/// # Errors
/// When an item is missing or refused.
pub fn engine(hub: &Hub, case: &Case) -> Result<Engine> {
    let mut content = hub.select(&case.config.selection(&case.dir));
    if let Some(overrides) = &case.config.overrides {
        let (stage, base_name) = OVERRIDES;
        content.add_parser_text(stage, base_name, overrides);
    }
    if case.config.own_data_dir {
        content.add_data_dir(case.dir.join("data"));
    }
    let engine = content::compile(&content, content::Options::default())?;
    if !engine.refused.is_empty() {
        bail!("{}", engine.refused.join("\n"));
    }
    Ok(engine)
}

fn now() -> Time {
    overspill_golike::time::parse_rfc3339(NOW.as_bytes()).unwrap_or(Time::ZERO)
}

fn absolute(path: &Path) -> String {
    path.canonicalize()
        .unwrap_or_else(|_| path.to_owned())
        .display()
        .to_string()
}
