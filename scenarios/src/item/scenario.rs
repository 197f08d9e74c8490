//! Scenario documents (`pkg/leakybucket/manager_load.go`, `BucketSpec`).

use std::collections::BTreeMap;
use std::sync::Arc;

use overspill_event::{Tree, TreeMap};

use super::bucket::{self, BucketKind, Placed};
use super::data::{self, DataItem};
use super::duration;
use super::format;
use crate::diagnostic::{nearest, shown};
use crate::yaml::table::{Findings, Table, Text, Unknown};
use crate::yaml::{Data, Entry, Mark, Node, Resolved};

/// One bucket definition, checked as far as it can be without compiling.
#[derive(Debug, Clone)]
pub(crate) struct ScenarioItem {
    pub(crate) name: Text,
    pub(crate) start: Mark,
    pub(crate) description: Arc<str>,
    pub(crate) kind: BucketKind,
    pub(crate) filter: Text,
    pub(crate) groupby: Option<Text>,
    pub(crate) distinct: Option<Text>,
    pub(crate) cancel_on: Option<Text>,
    pub(crate) overflow_filter: Option<Text>,
    pub(crate) condition: Option<Text>,
    pub(crate) capacity: Placed<i64>,
    pub(crate) cache_size: i64,
    pub(crate) leakspeed: Option<Text>,
    pub(crate) leakspeed_ns: i64,
    pub(crate) duration: Option<Text>,
    pub(crate) duration_ns: i64,
    pub(crate) blackhole_ns: Option<i64>,
    pub(crate) prior: Placed<f32>,
    pub(crate) threshold: Placed<f32>,
    pub(crate) bayesian: Vec<BayesItem>,
    pub(crate) scope: ScopeItem,
    pub(crate) labels: BTreeMap<String, Tree>,
    pub(crate) remediation: bool,
    pub(crate) data: Vec<DataItem>,
    pub(crate) reprocess: bool,
}

/// One condition of a bayesian bucket.
#[derive(Debug, Clone)]
pub(crate) struct BayesItem {
    pub(crate) condition: Text,
    pub(crate) evil: f32,
    pub(crate) benign: f32,
    pub(crate) guillotine: bool,
}

/// What the alert is about, by the rules of `pkg/leakybucket/scopetype.go`.
#[derive(Debug, Clone)]
pub(crate) struct ScopeItem {
    pub(crate) kind: Arc<str>,
    pub(crate) expression: Option<Text>,
}

/// Keys of other versions of CrowdSec, which this version refuses.
const GONE: [(&str, &str); 8] = [
    (
        "author",
        "the author is part of the name now; delete the line",
    ),
    ("tags", "labels carry this now; delete the line"),
    ("simulated", "list the scenario in simulation.yaml instead"),
    ("profiling", "delete the line"),
    ("status", "delete the line"),
    ("stackkey", "delete the line; `groupby` does this"),
    ("on_overflow", "delete the line; profiles do this"),
    ("uniq_filter", "use `distinct`"),
];

/// Reads one document. Reports everything that is wrong; `None` when that refuses the document.
pub(crate) fn read(root: &Node, findings: &mut Findings<'_>) -> Option<ScenarioItem> {
    let mut table = Table::open(root, Unknown::Refuse, findings);
    let start = table.start;
    check_only(&mut table, findings);
    let name = table.filled("name", findings);
    let description = table.filled("description", findings);
    let kind = kind(&mut table, findings);
    let filter = table.filled("filter", findings);
    let required = [
        ("name", name.is_some()),
        ("description", description.is_some()),
        ("type", kind.is_some() || table.has("type")),
        ("filter", filter.is_some()),
    ];
    require(&required, start, findings);

    let groupby = table.filled("groupby", findings);
    let distinct = table.filled("distinct", findings);
    let cancel_on = table.filled("cancel_on", findings);
    let overflow_filter = table.filled("overflow_filter", findings);
    let condition = table.filled("condition", findings);
    let capacity = capacity(&mut table, findings);
    let cache_size = table.int("cache_size", findings).unwrap_or(0);
    let (leakspeed, leakspeed_ns) = timespan(&mut table, "leakspeed", findings);
    let (duration, duration_ns) = timespan(&mut table, "duration", findings);
    let (blackhole, blackhole_ns) = timespan(&mut table, "blackhole", findings);
    let prior = float32(&mut table, "bayesian_prior", findings);
    let threshold = float32(&mut table, "bayesian_threshold", findings);
    let bayesian = table
        .list("bayesian_conditions", findings, bayes)
        .into_iter()
        .flatten()
        .collect();
    let scope = scope(&mut table, findings);
    let labels = labels(&mut table, findings);
    let data = data::read(&mut table, findings);
    let reprocess = table.flag("reprocess", findings);
    table.close(&GONE, findings);

    let item = ScenarioItem {
        name: name?,
        start,
        description: description?.value,
        kind: kind?,
        filter: filter?,
        groupby,
        distinct,
        cancel_on,
        overflow_filter,
        condition,
        capacity,
        cache_size,
        leakspeed,
        leakspeed_ns,
        duration,
        duration_ns,
        blackhole_ns: blackhole.map(|_| blackhole_ns),
        prior,
        threshold,
        bayesian,
        scope,
        remediation: labels.get("remediation") == Some(&Tree::Bool(true)),
        labels,
        data,
        reprocess,
    };
    if !findings.has_errors() {
        bucket::check(&item, findings);
    }
    Some(item)
}

/// Keys that must be well formed and change nothing.
fn check_only(table: &mut Table<'_>, findings: &mut Findings<'_>) {
    let format = table.text("format", findings);
    format::check(format.as_ref(), findings);
    let _version = table.text("version", findings);
    let _references = table.texts("references", findings);
    let _debug = table.flag("debug", findings);
}

/// Reports the keys that a scenario cannot do without and does not have.
fn require(keys: &[(&str, bool)], start: Mark, findings: &mut Findings<'_>) {
    for (key, present) in keys {
        if !present {
            findings.refuse_at(start, start, format!("a scenario needs `{key}`"));
        }
    }
}

fn kind(table: &mut Table<'_>, findings: &mut Findings<'_>) -> Option<BucketKind> {
    let text = table.text("type", findings)?;
    let kind = BucketKind::parse(&text.value);
    if kind.is_none() {
        let message = format!("there is no bucket type \"{}\"", shown(&text.value));
        let hint = match nearest(&text.value, BucketKind::NAMES) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("one of {}", BucketKind::NAMES.join(", ")),
        };
        findings.refuse_with_hint(&text, message, hint);
    }
    kind
}

fn capacity(table: &mut Table<'_>, findings: &mut Findings<'_>) -> Placed<i64> {
    let value = table.int("capacity", findings).unwrap_or(0);
    let place = table
        .value("capacity")
        .map_or((table.start, table.start), |node| (node.start, node.end));
    if i32::try_from(value).is_err() {
        let message = format!("{value} is past what a capacity can be");
        findings.within("capacity", |findings| {
            findings.refuse_at(place.0, place.1, message)
        });
    }
    Placed {
        value,
        start: place.0,
        end: place.1,
    }
}

/// A duration by key: its text if one is given, and its nanoseconds (0 if absent or wrong).
fn timespan(
    table: &mut Table<'_>,
    key: &'static str,
    findings: &mut Findings<'_>,
) -> (Option<Text>, i64) {
    let text = table.filled(key, findings);
    let ns = text
        .as_ref()
        .and_then(|text| duration::read(text, findings))
        .unwrap_or(0);
    (text, ns)
}

fn float32(table: &mut Table<'_>, key: &'static str, findings: &mut Findings<'_>) -> Placed<f32> {
    let value = table.float(key, findings).unwrap_or(0.0);
    let place = table
        .value(key)
        .map_or((table.start, table.start), |node| (node.start, node.end));
    Placed {
        value: narrow(value),
        start: place.0,
        end: place.1,
    }
}

/// The fields are single precision in CrowdSec, and so is all arithmetic on them.
#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding to single precision is the point"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}

fn bayes(node: &Node, findings: &mut Findings<'_>) -> Option<BayesItem> {
    let mut table = Table::open(node, Unknown::Refuse, findings);
    let condition = table.filled("condition", findings);
    let evil = narrow(table.float("prob_given_evil", findings).unwrap_or(0.0));
    let benign = narrow(table.float("prob_given_benign", findings).unwrap_or(0.0));
    let guillotine = table.flag("guillotine", findings);
    let start = table.start;
    table.close(&[], findings);
    if condition.is_none() {
        findings.refuse_at(start, start, "a bayesian condition needs `condition`");
    }
    Some(BayesItem {
        condition: condition?,
        evil,
        benign,
        guillotine,
    })
}

fn scope(table: &mut Table<'_>, findings: &mut Findings<'_>) -> ScopeItem {
    let read = table.child("scope", findings, |mut table, findings| {
        let kind = table.filled("type", findings);
        let expression = table.filled("expression", findings);
        table.close(&[], findings);
        (kind, expression)
    });
    let (kind, expression) = read.unwrap_or((None, None));
    let name = kind.as_ref().map_or("Ip", |kind| &kind.value);
    match (name, &expression) {
        ("Ip", Some(expression)) => {
            findings.refuse(
                expression,
                "scope Ip takes no expression: its value is the address",
            );
        }
        ("Ip" | "Range", _) | (_, Some(_)) => {}
        (other, None) => {
            if let Some(kind) = &kind {
                let message = format!("scope {} needs an `expression`", shown(other));
                // The comparison with Ip and Range is exact.
                match ["Ip", "Range"]
                    .into_iter()
                    .find(|exact| exact.eq_ignore_ascii_case(other))
                {
                    Some(exact) => {
                        findings.refuse_with_hint(kind, message, format!("did you mean {exact}?"));
                    }
                    None => findings.refuse(kind, message),
                }
            }
        }
    }
    ScopeItem {
        kind: Arc::from(name),
        expression,
    }
}

fn labels(table: &mut Table<'_>, findings: &mut Findings<'_>) -> BTreeMap<String, Tree> {
    table
        .child("labels", findings, |table, _| {
            table
                .entries()
                .iter()
                .map(|entry| (entry.key.to_string(), tree(&entry.value)))
                .collect()
        })
        .unwrap_or_default()
}

/// Any YAML value. The depth of a document is limited, so recursion is.
fn tree(node: &Node) -> Tree {
    match &node.data {
        Data::Scalar(scalar) => match Resolved::of(scalar) {
            Resolved::Null => Tree::Null,
            Resolved::Bool(value) => Tree::Bool(value),
            Resolved::Int(value) => Tree::Int(value),
            Resolved::Float(value) => Tree::Float(value),
            Resolved::Text => Tree::Str(Arc::from(scalar.text.as_bytes())),
        },
        Data::List(items) => Tree::List(Arc::new(items.iter().map(tree).collect())),
        Data::Map(entries) => {
            let pair = |entry: &Entry| (Box::from(entry.key.as_bytes()), tree(&entry.value));
            Tree::Map(Arc::new(entries.iter().map(pair).collect::<TreeMap>()))
        }
    }
}
