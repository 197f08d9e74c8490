//! The `grok` block of a node.

use super::statics::{self, Owner, StaticItem};
use crate::yaml::table::{Findings, Table, Text};

/// A grok block that does something.
#[derive(Debug, Clone)]
pub(crate) struct GrokItem {
    /// What must match; `None` when only an expression was given, which CrowdSec accepts and then
    /// behaves as if the node had no grok.
    pub(crate) pattern: Option<Pattern>,
    /// What it is matched against.
    pub(crate) subject: Subject,
    /// Run after a match.
    pub(crate) statics: Vec<StaticItem>,
}

/// A pattern by name or by text.
#[derive(Debug, Clone)]
pub(crate) enum Pattern {
    Name(Text),
    Body(Text),
}

/// What a pattern is matched against.
#[derive(Debug, Clone)]
pub(crate) enum Subject {
    /// `Line.Raw`, or the name of a parsed field.
    ApplyOn(Text),
    Expression(Text),
}

/// Reads a `grok` block. `name` wins over `pattern`, `apply_on` over `expression`.
pub(crate) fn read(mut table: Table<'_>, findings: &mut Findings<'_>) -> Option<GrokItem> {
    let n_before = findings.n_errors();
    let name = table.filled("name", findings);
    let body = table.filled("pattern", findings);
    let apply_on = table.filled("apply_on", findings);
    let expression = table.filled("expression", findings);
    let statics = statics::read(&mut table, Owner::Grok, findings);
    let start = table.start;
    table.close(&[], findings);

    if findings.n_errors() > n_before {
        // Something is wrong already; rules about what is missing would mislead.
        let is_complete =
            (name.is_some() || body.is_some()) && (apply_on.is_some() || expression.is_some());
        if !is_complete {
            return None;
        }
    }
    let pattern = name.map(Pattern::Name).or_else(|| body.map(Pattern::Body));
    let subject = apply_on
        .map(Subject::ApplyOn)
        .or_else(|| expression.map(Subject::Expression));
    match (pattern, subject) {
        (Some(pattern), Some(subject)) => Some(GrokItem {
            pattern: Some(pattern),
            subject,
            statics,
        }),
        (Some(_), None) => {
            findings.refuse_at(start, start, "a grok needs `apply_on` or `expression`");
            None
        }
        (None, Some(Subject::ApplyOn(apply_on))) => {
            findings.refuse(
                &apply_on,
                "a grok with `apply_on` needs a `pattern` or a `name`",
            );
            None
        }
        (None, Some(subject)) => {
            findings.warn_at(start, start, "a grok without a pattern does nothing");
            Some(GrokItem {
                pattern: None,
                subject,
                statics: Vec::new(),
            })
        }
        // CrowdSec ignores the whole block, statics included.
        (None, None) => {
            findings.warn_at(start, start, "a grok without a pattern does nothing");
            None
        }
    }
}
