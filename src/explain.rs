//! What became of a line: each stage, each parser with what it changed, where it was poured, and
//! for the scenarios it was not poured into, the first part of the filter that was false.
//!
//! Lines run through the same dataflow as a replay, with a recorder that looks on.

mod human;
mod machine;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use overspill_dataflow::Plan;
use overspill_dataflow::record::{LineObserver, Recorder};
use overspill_event::{Event, FieldMap, Position, TextField};
use overspill_expr::{Context, NoStash};
use overspill_golike::time::Time;
use overspill_matcher::Hit;
use overspill_parser::{Node, Observer, Outcome, Step};

pub use human::{Detail, render};
pub use machine::{csv, json};

/// Lines that are explained at most; the rest is counted.
pub const LINES_MAX: usize = 1_000;

/// One changed field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A field that was not there before.
    Created(String, String),
    /// A field with another value.
    Updated(String, String, String),
}

/// One top-level node.
#[derive(Debug, Clone)]
pub struct NodeTrace {
    /// Its stage.
    pub stage: String,
    /// Its name.
    pub name: String,
    /// Whether it succeeded.
    pub success: bool,
    /// What it changed.
    pub changes: Vec<Change>,
    /// Why its filter was false, where that can be told.
    pub filtered_by: Option<String>,
}

/// One line.
#[derive(Debug, Clone, Default)]
pub struct LineTrace {
    /// Where it stands.
    pub position: Position,
    /// The line.
    pub raw: String,
    /// Every top-level node that was looked at.
    pub nodes: Vec<NodeTrace>,
    /// How it ended, for people.
    pub outcome: String,
    /// It went through every stage.
    pub is_parsed: bool,
    /// Reason of the whitelist that took it out.
    pub whitelisted: Option<String>,
    /// Scenarios it was poured into.
    pub poured: Vec<String>,
    /// Scenarios it was not poured into, and why.
    pub not_poured: Vec<(String, String)>,
}

/// Keeps a trace of each line.
#[derive(Debug)]
pub struct Explainer {
    plan: Arc<Plan>,
    why_not: bool,
    lines: Arc<Mutex<BTreeMap<Position, LineTrace>>>,
}

impl Explainer {
    /// A recorder for a plan; `why_not` also asks every scenario that was not met.
    #[must_use]
    pub fn new(plan: Arc<Plan>, why_not: bool) -> Self {
        Self {
            plan,
            why_not,
            lines: Arc::default(),
        }
    }

    /// The traces, in the order of the input.
    #[must_use]
    pub fn traces(&self) -> Vec<LineTrace> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    fn why_not(&self, event: &Event, hits: &[Hit]) -> Vec<(String, String)> {
        let mut reasons = Vec::new();
        for scenario in self.plan.rules.scenarios() {
            if hits.iter().any(|hit| hit.scenario == scenario.id) {
                continue;
            }
            // A copy: a filter may write to the event.
            let mut event = event.clone();
            let why = scenario.filter.explain_false(&mut Context {
                evt: Some(&mut event),
                vars: &[],
                stash: &mut NoStash,
                services: &self.plan.services,
                now: Time::ZERO,
            });
            if let Some(why) = why
                && !is_about_the_kind(&why)
            {
                reasons.push((scenario.name.to_string(), one_line(&why)));
            }
        }
        reasons
    }
}

/// Scenarios for other kinds of logs are not near misses.
fn is_about_the_kind(why: &str) -> bool {
    [
        "evt.Meta.log_type",
        "evt.Meta.service",
        "evt.Parsed.program",
    ]
    .iter()
    .any(|field| why.starts_with(field))
}

struct LineExplainer {
    lines: Arc<Mutex<BTreeMap<Position, LineTrace>>>,
    trace: LineTrace,
    /// The event before the node at hand; `None` before the first one.
    before: Option<BTreeMap<String, String>>,
    filtered_by: Option<String>,
}

/// An overflow's nodes are not explained.
struct Silent;

impl Observer for Silent {
    fn is_enabled(&self) -> bool {
        false
    }
}

impl LineObserver for Silent {
    fn done(&mut self, _event: &Event, _outcome: &Outcome) {}
}

impl Recorder for Explainer {
    fn line(&self, position: Position) -> Box<dyn LineObserver> {
        if self
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
            >= LINES_MAX
        {
            return Box::new(Silent);
        }
        Box::new(LineExplainer {
            lines: Arc::clone(&self.lines),
            trace: LineTrace {
                position,
                ..LineTrace::default()
            },
            before: None,
            filtered_by: None,
        })
    }

    fn overflow(&self, _position: Position, _scenario: &str) -> Box<dyn LineObserver> {
        Box::new(Silent)
    }

    fn poured(&self, event: &Event, hits: &[Hit]) {
        let not_poured = if self.why_not {
            self.why_not(event, hits)
        } else {
            Vec::new()
        };
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(trace) = lines.get_mut(&event.position) {
            let names = hits
                .iter()
                .filter_map(|hit| self.plan.rules.scenario(hit.scenario));
            trace.poured = names.map(|scenario| scenario.name.to_string()).collect();
            trace.not_poured = not_poured;
        }
    }
}

impl Observer for LineExplainer {
    fn node(&mut self, stage: &str, node: &Node, event: &Event, success: bool) {
        let after = fields(event);
        let before = self.before.take().unwrap_or_default();
        let changes = after
            .iter()
            .filter_map(|(name, value)| match before.get(name) {
                None => Some(Change::Created(name.clone(), value.clone())),
                Some(old) if old != value => {
                    Some(Change::Updated(name.clone(), old.clone(), value.clone()))
                }
                Some(_) => None,
            })
            .collect();
        self.before = Some(after);
        self.trace.nodes.push(NodeTrace {
            stage: stage.to_owned(),
            name: node.name.to_string(),
            success,
            changes,
            filtered_by: self.filtered_by.take(),
        });
    }

    fn step(&mut self, depth: usize, node: &Node, event: &Event, step: &Step<'_>) {
        if depth > 0 {
            return;
        }
        match step {
            Step::Entered => {
                self.filtered_by = None;
                self.before.get_or_insert_with(|| fields(event));
            }
            Step::FilteredOut(Some(why)) => self.filtered_by = Some(one_line(why)),
            Step::FilteredOut(None) => {
                let filter = node.filter.as_ref();
                self.filtered_by = filter.map(|filter| one_line(filter.text()) + " is false");
            }
            Step::FilterFailed(error) => self.filtered_by = Some(format!("error: {error}")),
            _ => {}
        }
    }
}

/// A reason whose filter is written on several lines, on one.
fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.join(" ")
}

impl LineObserver for LineExplainer {
    fn done(&mut self, event: &Event, outcome: &Outcome) {
        let text = |field| String::from_utf8_lossy(event.text(field)).into_owned();
        self.trace.raw = text(TextField::LineRaw);
        self.trace.is_parsed = matches!(outcome, Outcome::Processed);
        self.trace.outcome = match outcome {
            Outcome::Processed => "parser success".to_owned(),
            Outcome::Unparsed { stage } => format!("parser failure in {stage}"),
            Outcome::Dropped { why } => format!("parser error: {why}"),
        };
        self.trace.whitelisted = event.whitelisted.then(|| text(TextField::WhitelistReason));
        if event.whitelisted && matches!(outcome, Outcome::Processed) {
            self.trace.outcome = "whitelisted".to_owned();
        }
        let trace = std::mem::take(&mut self.trace);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.insert(trace.position, trace);
    }
}

/// Every field of an event by its path.
fn fields(event: &Event) -> BTreeMap<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut fields = BTreeMap::new();
    for (name, map) in [
        ("Parsed", FieldMap::Parsed),
        ("Meta", FieldMap::Meta),
        ("Enriched", FieldMap::Enriched),
    ] {
        for (key, value) in event.fields(map) {
            fields.insert(format!("evt.{name}.{}", text(key)), text(value));
        }
    }
    for (name, field) in [
        ("Stage", TextField::Stage),
        ("StrTime", TextField::StrTime),
        ("MarshaledTime", TextField::MarshaledTime),
        ("WhitelistReason", TextField::WhitelistReason),
    ] {
        if !event.text(field).is_empty() {
            fields.insert(format!("evt.{name}"), text(event.text(field)));
        }
    }
    for key in event.tree().into_iter().flat_map(|tree| tree.keys()) {
        fields.insert(format!("evt.Unmarshaled.{}", text(key)), String::new());
    }
    fields
}
