//! Traces as trees, for people.

use super::{Change, LineTrace, NodeTrace};
use crate::report::term::{Paint, Style, clip, safe};

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
    let paint = match (trace.is_parsed, &trace.whitelisted) {
        (false, _) => Paint::Red,
        (true, Some(_)) => Paint::Yellow,
        (true, None) => Paint::Green,
    };
    let reason = trace.whitelisted.as_deref().unwrap_or_default();
    let outcome = match reason {
        "" => safe(&trace.outcome),
        reason => format!("{}: {}", safe(&trace.outcome), safe(reason)),
    };
    out.push_str(&format!(" ├ {}\n", style.paint(paint, &outcome)));
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
