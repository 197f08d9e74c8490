//! `profiles.yaml`: which alerts lead to which decisions (`pkg/csconfig/profiles.go`).

use std::sync::Arc;

use super::duration;
use crate::diagnostic::shown;
use crate::yaml::Node;
use crate::yaml::table::{Findings, Table, Text, Unknown};

/// One profile, checked as far as it can be without compiling.
#[derive(Debug, Clone)]
pub(crate) struct ProfileItem {
    pub(crate) name: Arc<str>,
    pub(crate) filters: Vec<Text>,
    pub(crate) decisions: Vec<DecisionItem>,
    pub(crate) duration_expr: Option<Text>,
    pub(crate) on_success: Option<Arc<str>>,
    pub(crate) on_failure: Option<Arc<str>>,
    pub(crate) on_error: Option<Arc<str>>,
    pub(crate) notifications: Vec<Arc<str>>,
}

/// What a profile decides.
#[derive(Debug, Clone)]
pub(crate) struct DecisionItem {
    pub(crate) kind: Arc<str>,
    pub(crate) duration: Arc<str>,
    pub(crate) scope: Arc<str>,
    pub(crate) origin: Arc<str>,
    pub(crate) simulated: bool,
}

/// Reads one document. Reports everything that is wrong.
pub(crate) fn read(root: &Node, findings: &mut Findings<'_>) -> ProfileItem {
    let mut table = Table::open(root, Unknown::Refuse, findings);
    let _debug = table.flag("debug", findings);
    let name = plain(table.text("name", findings));
    let filters = table.texts("filters", findings);
    let duration_expr = table.filled("duration_expr", findings);
    let has_expression = duration_expr.is_some();
    let decisions = table.list("decisions", findings, |node, findings| {
        decision(node, has_expression, findings)
    });
    let on_success = choice(&mut table, "on_success", &["continue", "break"], findings);
    let on_failure = choice(
        &mut table,
        "on_failure",
        &["continue", "break", "apply"],
        findings,
    );
    // Any other text is accepted by CrowdSec and means that the request fails.
    let on_error = table.filled("on_error", findings).map(|text| text.value);
    let notifications = table
        .texts("notifications", findings)
        .into_iter()
        .map(|text| text.value)
        .collect();
    table.close(&[], findings);
    ProfileItem {
        name,
        filters,
        decisions,
        duration_expr,
        on_success,
        on_failure,
        on_error,
        notifications,
    }
}

fn choice(
    table: &mut Table<'_>,
    key: &'static str,
    choices: &[&str],
    findings: &mut Findings<'_>,
) -> Option<Arc<str>> {
    let text = table.filled(key, findings)?;
    if !choices.contains(&&*text.value) {
        let message = format!("\"{}\" is not what can follow", shown(&text.value));
        findings.refuse_with_hint(&text, message, format!("use {}", choices.join(" or ")));
        return None;
    }
    Some(text.value)
}

fn decision(node: &Node, has_expression: bool, findings: &mut Findings<'_>) -> DecisionItem {
    let mut table = Table::open(node, Unknown::Refuse, findings);
    let start = table.start;
    let kind = table.filled("type", findings);
    let length = table.filled("duration", findings);
    let scope = plain(table.text("scope", findings));
    let origin = plain(table.text("origin", findings));
    let simulated = table.flag("simulated", findings);
    for key in ["id", "scenario", "until", "uuid", "value"] {
        if table.value(key).is_some() {
            findings.within(key, |findings| {
                findings.warn_at(start, start, "has no effect: the alert gives this");
            });
        }
    }
    table.close(&[], findings);
    if kind.is_none() {
        findings.refuse_at(start, start, "a decision needs `type`");
    }
    if !has_expression {
        match &length {
            Some(length) => {
                let _checked_ns = duration::read_with_days(length, findings);
            }
            None => findings.warn_at(start, start, "a decision without `duration` lasts 4h"),
        }
    }
    DecisionItem {
        kind: plain(kind),
        duration: plain(length),
        scope,
        origin,
        simulated,
    }
}

fn plain(text: Option<Text>) -> Arc<str> {
    text.map_or_else(|| Arc::from(""), |text| text.value)
}
