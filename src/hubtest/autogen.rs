//! Assertions written from what a run gave: `hubtest.md` 4.5.

use std::collections::BTreeMap;
use std::sync::Arc;

use overspill_event::{Event, FieldMap, Tree, TreeMap};

use super::record::NodeResult;
use super::results::{sorted, stages};

/// `parser.assert` for these results.
#[must_use]
pub fn parser(nodes: &[NodeResult]) -> String {
    let mut out = format!("len(results) == {}\n", stages(nodes).len());
    let mut by_stage: BTreeMap<&str, BTreeMap<&str, Vec<&NodeResult>>> = BTreeMap::new();
    for node in nodes {
        by_stage
            .entry(&node.stage)
            .or_default()
            .entry(&node.node)
            .or_default()
            .push(node);
    }
    for (stage, nodes) in by_stage {
        for (name, results) in nodes {
            let list = format!("results[{}][{}]", quoted(stage), quoted(name));
            out.push_str(&format!("len({list}) == {}\n", results.len()));
            for (number, result) in results.iter().enumerate() {
                let entry = format!("{list}[{number}]");
                out.push_str(&format!("{entry}.Success == {}\n", result.success));
                if result.success {
                    event(&format!("{entry}.Evt"), &result.event, &mut out);
                }
            }
        }
    }
    out
}

fn event(path: &str, event: &Event, out: &mut String) {
    for (name, map) in [
        ("Parsed", FieldMap::Parsed),
        ("Meta", FieldMap::Meta),
        ("Enriched", FieldMap::Enriched),
    ] {
        for (key, value) in event.fields(map) {
            if value.is_empty() {
                continue;
            }
            let key = String::from_utf8_lossy(key);
            let value = String::from_utf8_lossy(value);
            let field = format!("{path}.{name}[{}]", quoted(&key));
            if key == "datasource_path" {
                let base = value.rsplit('/').next().unwrap_or(&value);
                out.push_str(&format!("basename({field}) == {}\n", quoted(base)));
            } else {
                out.push_str(&format!("{field} == {}\n", quoted(&value)));
            }
        }
    }
    if let Some(tree) = event.tree() {
        unmarshaled(&format!("{path}.Unmarshaled"), tree, out);
    }
    out.push_str(&format!("{path}.Whitelisted == {}\n", event.whitelisted));
    let reason = event.text(overspill_event::TextField::WhitelistReason);
    if !reason.is_empty() {
        let reason = String::from_utf8_lossy(reason);
        out.push_str(&format!("{path}.WhitelistReason == {}\n", quoted(&reason)));
    }
}

fn unmarshaled(path: &str, map: &TreeMap, out: &mut String) {
    for (key, value) in map {
        let field = format!("{path}[{}]", quoted(&String::from_utf8_lossy(key)));
        match value {
            Tree::Str(text) => {
                let text = String::from_utf8_lossy(text);
                out.push_str(&format!("{field} == {}\n", quoted(&text)));
            }
            Tree::Bool(value) => out.push_str(&format!("{field} == {value}\n")),
            Tree::Int(value) => out.push_str(&format!("{field} == {value}\n")),
            Tree::Float(value) if value.fract() == 0.0 => {
                out.push_str(&format!("{field} == {value:.0}\n"));
            }
            Tree::Float(value) => {
                out.push_str(&format!("FloatApproxEqual({field}, {value:.6})\n"));
            }
            Tree::Map(map) => unmarshaled(&field, map, out),
            Tree::Strings(map) => {
                for (key, text) in map.iter() {
                    let key = quoted(&String::from_utf8_lossy(key));
                    let text = quoted(&String::from_utf8_lossy(text));
                    out.push_str(&format!("{field}[{key}] == {text}\n"));
                }
            }
            Tree::Null | Tree::List(_) => {}
        }
    }
}

/// `scenario.assert` for these overflows.
#[must_use]
pub fn scenario(overflows: &[Arc<Event>]) -> String {
    let mut out = format!("len(results) == {}\n", overflows.len());
    for (number, event) in sorted(overflows).iter().enumerate() {
        let Some(overflow) = &event.overflow else {
            continue;
        };
        let path = format!("results[{number}].Overflow");
        for (key, source) in &overflow.sources {
            let key = quoted(key);
            let entry = format!("{path}.Sources[{key}]");
            out.push_str(&format!("{key} in {path}.GetSources()\n"));
            out.push_str(&format!("{entry}.IP == {}\n", quoted(&source.ip)));
            out.push_str(&format!("{entry}.Range == {}\n", quoted(&source.range)));
            out.push_str(&format!(
                "{entry}.GetScope() == {}\n",
                quoted(&source.scope)
            ));
            out.push_str(&format!(
                "{entry}.GetValue() == {}\n",
                quoted(&source.value)
            ));
        }
        let Some(alert) = overflow.alert() else {
            continue;
        };
        for (at, event) in alert.events.iter().enumerate() {
            for item in &event.meta {
                let field = format!("{path}.Alert.Events[{at}].GetMeta({})", quoted(item.key));
                if item.key == "datasource_path" {
                    let base = item.value.rsplit('/').next().unwrap_or(item.value);
                    out.push_str(&format!("basename({field}) == {}\n", quoted(base)));
                } else {
                    out.push_str(&format!("{field} == {}\n", quoted(item.value)));
                }
            }
        }
        out.push_str(&format!(
            "{path}.Alert.GetScenario() == {}\n{path}.Alert.Remediation == {}\n\
             {path}.Alert.GetEventsCount() == {}\n",
            quoted(&alert.scenario),
            alert.remediation,
            alert.events_count
        ));
    }
    out
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
