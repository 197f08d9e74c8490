//! Statics: one destination, one value.

use crate::diagnostic::shown;
use crate::yaml::Node;
use crate::yaml::table::{Findings, Table, Text, Unknown};

/// Names of the enrichment methods (`pkg/parser/enrich.go`).
pub(crate) const METHODS: [&str; 6] = [
    "GeoIpCity",
    "GeoIpASN",
    "IpToRange",
    "reverse_dns",
    "ParseDate",
    "UnmarshalJSON",
];

/// One static.
#[derive(Debug, Clone)]
pub(crate) struct StaticItem {
    pub(crate) destination: Destination,
    pub(crate) source: Source,
}

/// Where the value goes.
#[derive(Debug, Clone)]
pub(crate) enum Destination {
    Method(Text),
    Parsed(Text),
    Meta(Text),
    Enriched(Text),
    Target(Text),
}

/// Where the value comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Value(Text),
    Expression(Text),
    /// Neither was given: the empty text, which only `ParseDate` acts on.
    Nothing,
}

/// Whose statics are read: those of a grok are not validated by CrowdSec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Node,
    Grok,
}

/// Reads a `statics` list; a static that is wrong is reported and left out.
pub(crate) fn read(
    table: &mut Table<'_>,
    owner: Owner,
    findings: &mut Findings<'_>,
) -> Vec<StaticItem> {
    table
        .list("statics", findings, |node, findings| {
            one(node, owner, findings)
        })
        .into_iter()
        .flatten()
        .collect()
}

/// Reads one static.
pub(crate) fn one(node: &Node, owner: Owner, findings: &mut Findings<'_>) -> Option<StaticItem> {
    let mut table = Table::open(node, Unknown::Refuse, findings);
    let method = table.filled("method", findings);
    let parsed = table.filled("parsed", findings);
    let meta = table.filled("meta", findings);
    let enriched = table.filled("enriched", findings);
    let target = table.filled("target", findings);
    let value = table.filled("value", findings);
    let expression = table.filled("expression", findings);
    let start = table.start;
    table.close(&[], findings);

    if let (Owner::Node, None, None, None, None, Some(enriched)) =
        (owner, &method, &parsed, &meta, &target, &enriched)
    {
        findings.refuse_with_hint(
            enriched,
            "a static of a node cannot write `enriched` only",
            "use `meta` or `parsed`, or move the static into the node's grok",
        );
        return None;
    }
    if let Some(method) = method
        .as_ref()
        .filter(|method| !METHODS.contains(&&*method.value))
    {
        let message = format!(
            "there is no method `{}`; the static does nothing",
            shown(&method.value)
        );
        findings.warn(method, message);
    }
    let destination = method
        .map(Destination::Method)
        .or_else(|| parsed.map(Destination::Parsed))
        .or_else(|| meta.map(Destination::Meta))
        .or_else(|| enriched.map(Destination::Enriched))
        .or_else(|| target.map(Destination::Target));
    let source = match (value, expression) {
        (Some(value), _) => Source::Value(value),
        (None, Some(expression)) => Source::Expression(expression),
        (None, None) => Source::Nothing,
    };
    let Some(destination) = destination else {
        let message = "a static needs one of `meta`, `parsed`, `target` or `method`";
        findings.refuse_at(start, start, message);
        return None;
    };
    if owner == Owner::Node && matches!(source, Source::Nothing) {
        findings.refuse_at(start, start, "a static needs a `value` or an `expression`");
        return None;
    }
    Some(StaticItem {
        destination,
        source,
    })
}
