//! Traces for programs: one JSON document, or CSV.

use serde_json::{Value, json};

use super::{Change, LineTrace, NodeTrace};
use crate::report::machine::quoted;

/// Lines with their numbers as one JSON document.
#[must_use]
pub fn json(lines: &[(usize, LineTrace)]) -> String {
    let lines: Vec<Value> = lines
        .iter()
        .map(|(number, trace)| {
            let not_poured = trace
                .not_poured
                .iter()
                .map(|(scenario, why)| json!({ "scenario": scenario, "why": why }));
            json!({
                "line": number,
                "raw": trace.raw,
                "outcome": trace.outcome,
                "parsed": trace.is_parsed,
                "whitelisted": trace.whitelisted,
                "parsers": trace.nodes.iter().map(node).collect::<Vec<_>>(),
                "poured": trace.poured,
                "not_poured": not_poured.collect::<Vec<_>>(),
            })
        })
        .collect();
    format!("{:#}\n", Value::Array(lines))
}

fn node(node: &NodeTrace) -> Value {
    let changes = node.changes.iter().map(|change| match change {
        Change::Created(field, value) => json!({ "field": field, "new": value }),
        Change::Updated(field, old, new) => json!({ "field": field, "old": old, "new": new }),
    });
    json!({
        "stage": node.stage,
        "name": node.name,
        "success": node.success,
        "changes": changes.collect::<Vec<_>>(),
        "why_not": node.filtered_by,
    })
}

/// Lines as CSV with a header: how each ended and what it was poured into.
#[must_use]
pub fn csv(lines: &[(usize, LineTrace)]) -> String {
    let mut out = String::from("line,outcome,whitelisted,poured,raw\n");
    for (number, trace) in lines {
        let fields = [
            number.to_string(),
            quoted(&trace.outcome),
            quoted(trace.whitelisted.as_deref().unwrap_or_default()),
            quoted(&trace.poured.join(" ")),
            quoted(&trace.raw),
        ];
        out.push_str(&fields.join(","));
        out.push('\n');
    }
    out
}
