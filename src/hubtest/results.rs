//! Results as assertions see them: `results["s01-parse"]["name"][0].Evt.Parsed["x"]`.

use std::collections::BTreeMap;
use std::sync::Arc;

use overspill_decision::order::go_sort;
use overspill_event::{Event, Tree, TreeMap};
use overspill_expr::{EvalError, Object, Value};

use super::record::NodeResult;

/// One entry of a node's list.
struct ParserResult {
    rank: i64,
    event: Value,
    success: bool,
}

impl Object for ParserResult {
    fn type_name(&self) -> &str {
        "parser.Result"
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Idx" => Some(Value::Int(self.rank)),
            "Evt" => Some(self.event.clone()),
            "Success" => Some(Value::Bool(self.success)),
            _ => None,
        }
    }
}

/// A map by name whose missing keys read as nil.
struct Named(BTreeMap<String, Value>);

impl Object for Named {
    fn type_name(&self) -> &str {
        "map"
    }

    fn field(&self, name: &str) -> Option<Value> {
        Some(self.0.get(name).cloned().unwrap_or(Value::Nil))
    }

    fn index(&self, key: &Value) -> Option<Result<Value, EvalError>> {
        let name = String::from_utf8_lossy(key.as_bytes()?).into_owned();
        Some(Ok(self.0.get(&name).cloned().unwrap_or(Value::Nil)))
    }

    fn len(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// What `parser.assert` calls `results`: stage, node, list of results, plus the pseudo stage
/// `success` that CrowdSec's dump always has.
#[must_use]
pub fn parser_results(nodes: &[NodeResult]) -> Value {
    let mut stages: BTreeMap<String, BTreeMap<String, Vec<Value>>> = BTreeMap::new();
    let mut ranks: BTreeMap<String, Vec<Arc<str>>> = BTreeMap::new();
    for node in nodes {
        let names = ranks.entry(node.stage.to_string()).or_default();
        let rank = names
            .iter()
            .position(|name| *name == node.node)
            .unwrap_or_else(|| {
                names.push(Arc::clone(&node.node));
                names.len() - 1
            });
        let result = ParserResult {
            rank: i64::try_from(rank + 1).unwrap_or(i64::MAX),
            event: Value::event(Arc::new(reread(&node.event))),
            success: node.success,
        };
        stages
            .entry(node.stage.to_string())
            .or_default()
            .entry(node.node.to_string())
            .or_default()
            .push(Value::object(result));
    }
    stages
        .entry("success".to_owned())
        .or_default()
        .insert(String::new(), Vec::new());
    let stages = stages.into_iter().map(|(stage, nodes)| {
        let nodes = nodes
            .into_iter()
            .map(|(name, results)| (name, Value::list(results)));
        (stage, Value::object(Named(nodes.collect())))
    });
    Value::object(Named(stages.collect()))
}

/// Names of the stages that `parser_results` would have, `success` included.
#[must_use]
pub fn stages(nodes: &[NodeResult]) -> Vec<Arc<str>> {
    let mut stages: Vec<Arc<str>> = nodes.iter().map(|node| Arc::clone(&node.stage)).collect();
    stages.push("success".into());
    stages.sort();
    stages.dedup();
    stages
}

/// What `scenario.assert` calls `results`: overflows in the order CrowdSec's sort leaves them in.
#[must_use]
pub fn scenario_results(overflows: &[Arc<Event>]) -> Value {
    Value::list(sorted(overflows).into_iter().map(Value::event).collect())
}

/// Overflows by descending (scenario, sources), by Go's unstable sort: `hubtest.md` 4.3.
#[must_use]
pub fn sorted(overflows: &[Arc<Event>]) -> Vec<Arc<Event>> {
    let mut keyed: Vec<(String, Arc<Event>)> = overflows
        .iter()
        .map(|event| (sort_key(event), Arc::clone(event)))
        .collect();
    go_sort(&mut keyed, |a, b| a.0 > b.0);
    keyed.into_iter().map(|(_, event)| event).collect()
}

fn sort_key(event: &Event) -> String {
    let Some(overflow) = &event.overflow else {
        return String::new();
    };
    let scenario = overflow
        .alert()
        .map(|alert| alert.scenario.as_str())
        .unwrap_or_default();
    let sources: Vec<&str> = overflow.sources.keys().map(String::as_str).collect();
    format!("{scenario}{}", sources.join("@"))
}

/// The event as CrowdSec's runner sees it after a round trip through YAML: integral floats under
/// `Unmarshaled` are integers.
fn reread(event: &Event) -> Event {
    let mut event = event.clone();
    if let Some(tree) = event.tree().cloned() {
        *event.tree_mut() = reread_map(&tree);
    }
    event
}

fn reread_map(map: &TreeMap) -> TreeMap {
    map.iter()
        .map(|(key, value)| (key.clone(), reread_tree(value)))
        .collect()
}

fn reread_tree(tree: &Tree) -> Tree {
    /// Below this every integral float is exactly an `i64`.
    const EXACT: f64 = 9.0e15;
    match tree {
        #[expect(clippy::cast_possible_truncation, reason = "integral and below 2^53")]
        Tree::Float(value) if value.fract() == 0.0 && value.abs() < EXACT => {
            Tree::Int(*value as i64)
        }
        Tree::List(items) => Tree::List(Arc::new(items.iter().map(reread_tree).collect())),
        Tree::Map(map) => Tree::Map(Arc::new(reread_map(map))),
        Tree::Strings(map) => Tree::Map(Arc::new(
            map.iter()
                .map(|(key, value)| (key.clone(), Tree::Str(Arc::clone(value))))
                .collect(),
        )),
        other => other.clone(),
    }
}
