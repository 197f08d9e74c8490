//! What became of a line: each stage, each parser with what it changed, where it was poured, and
//! for the scenarios it was not poured into, the first part of the filter that was false.
//!
//! Lines run through the same dataflow as a replay, with a recorder that looks on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use overspill_dataflow::Plan;
use overspill_dataflow::record::{LineObserver, Recorder};
use overspill_event::{Event, FieldMap, Position, TextField};
use overspill_expr::{Context, NoStash};
use overspill_golike::time::Time;
use overspill_matcher::Hit;
use overspill_parser::{Node, Observer, Outcome, Step};

use crate::report::term::{Paint, Style, clip, safe};

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
    /// It reached the scenarios.
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
                reasons.push((scenario.name.to_string(), why));
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
    before: BTreeMap<String, String>,
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
            before: BTreeMap::new(),
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
        let changes = after
            .iter()
            .filter_map(|(name, value)| match self.before.get(name) {
                None => Some(Change::Created(name.clone(), value.clone())),
                Some(old) if old != value => {
                    Some(Change::Updated(name.clone(), old.clone(), value.clone()))
                }
                Some(_) => None,
            })
            .collect();
        self.before = after;
        self.trace.nodes.push(NodeTrace {
            stage: stage.to_owned(),
            name: node.name.to_string(),
            success,
            changes,
            filtered_by: self.filtered_by.take(),
        });
    }

    fn step(&mut self, depth: usize, _node: &Node, _event: &Event, step: &Step<'_>) {
        if depth == 0 {
            match step {
                Step::Entered => self.filtered_by = None,
                Step::FilteredOut(why) => self.filtered_by.clone_from(why),
                Step::FilterFailed(error) => self.filtered_by = Some(format!("error: {error}")),
                _ => {}
            }
        }
    }
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

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detail {
    /// Every change, and why not.
    pub verbose: bool,
    /// Only nodes that did something.
    pub only_successful: bool,
}

/// One line's trace as a tree.
#[must_use]
pub fn render(number: usize, trace: &LineTrace, detail: Detail, style: &Style) -> String {
    let mut out = format!("line {number}: {}\n", clip(&safe(&trace.raw), style.width));
    let mut stage = "";
    for node in &trace.nodes {
        if node.stage != stage {
            stage = &node.stage;
            out.push_str(&format!(" ├ {}\n", style.paint(Paint::Bold, stage)));
        }
        if node.success || !detail.only_successful {
            push_node(&mut out, node, detail, style);
        }
    }
    if let Some(reason) = &trace.whitelisted {
        out.push_str(&format!(" ├ whitelisted: {}\n", safe(reason)));
    }
    let paint = if trace.is_parsed {
        Paint::Green
    } else {
        Paint::Red
    };
    out.push_str(&format!(" ├ {}\n", style.paint(paint, &trace.outcome)));
    for (at, scenario) in trace.poured.iter().enumerate() {
        let lead = if at == 0 {
            " ├ poured      "
        } else {
            " │             "
        };
        out.push_str(&format!("{lead}{}\n", style.paint(Paint::Green, scenario)));
    }
    if trace.is_parsed && trace.whitelisted.is_none() && trace.poured.is_empty() {
        out.push_str(" ├ poured      into no scenario\n");
    }
    if detail.verbose {
        for (at, (scenario, why)) in trace.not_poured.iter().enumerate() {
            let lead = if at == 0 {
                " ├ not poured  "
            } else {
                " │             "
            };
            out.push_str(&format!(
                "{lead}{scenario}: {}\n",
                clip(&safe(why), style.width)
            ));
        }
    }
    out
}

fn push_node(out: &mut String, node: &NodeTrace, detail: Detail, style: &Style) {
    let created = node
        .changes
        .iter()
        .filter(|c| matches!(c, Change::Created(..)))
        .count();
    let updated = node.changes.len() - created;
    let dot = style.paint(
        if node.success {
            Paint::Green
        } else {
            Paint::Red
        },
        "●",
    );
    let summary = match (created, updated) {
        (0, 0) => "unchanged".to_owned(),
        _ => format!("+{created} ~{updated}"),
    };
    let why = node
        .filtered_by
        .as_ref()
        .filter(|_| !node.success && detail.verbose);
    let why = why.map_or(String::new(), |why| {
        format!("  {}", clip(&safe(why), style.width))
    });
    out.push_str(&format!(" │ {dot} {} ({summary}){why}\n", node.name));
    if !detail.verbose {
        return;
    }
    for change in &node.changes {
        let line = match change {
            Change::Created(name, value) => format!("create {name} : {}", safe(value)),
            Change::Updated(name, old, new) => {
                format!("update {name} : {} -> {}", safe(old), safe(new))
            }
        };
        out.push_str(&format!(" │   └ {}\n", clip(&line, style.width)));
    }
}
