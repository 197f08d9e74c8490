//! Parser and post-overflow documents: a tree of nodes (`pkg/parser/node_config.go`).

use std::sync::Arc;

use super::data::{self, DataItem};
use super::duration;
use super::format;
use super::grok::{self, GrokItem};
use super::statics::{self, Owner, StaticItem};
use crate::diagnostic::shown;
use crate::yaml::table::{Findings, Table, Text, Unknown};
use crate::yaml::{Node, Resolved, Scalar, Style};

/// One node, checked as far as it can be without compiling.
#[derive(Debug, Clone)]
pub(crate) struct NodeItem {
    pub(crate) name: Arc<str>,
    pub(crate) filter: Option<Text>,
    pub(crate) next_stage: bool,
    pub(crate) patterns: Vec<(Text, Text)>,
    pub(crate) grok: Option<GrokItem>,
    pub(crate) stash: Vec<StashItem>,
    pub(crate) children: Vec<NodeItem>,
    pub(crate) statics: Vec<StaticItem>,
    pub(crate) whitelist: Option<WhitelistItem>,
    /// Read at the top only: CrowdSec ignores the data of children.
    pub(crate) data: Vec<DataItem>,
}

/// A `stash` entry (`pkg/parser/stash.go`).
#[derive(Debug, Clone)]
pub(crate) struct StashItem {
    pub(crate) name: Text,
    pub(crate) key: Text,
    pub(crate) value: Text,
    pub(crate) ttl_ns: i64,
    pub(crate) size: usize,
    pub(crate) strategy: Strategy,
}

/// What a full cache throws out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    Lru,
    Lfu,
    Arc,
}

/// A `whitelist` block (`pkg/parser/whitelist.go`).
#[derive(Debug, Clone)]
pub(crate) struct WhitelistItem {
    pub(crate) reason: Arc<str>,
    pub(crate) ips: Vec<Text>,
    pub(crate) cidrs: Vec<Text>,
    pub(crate) expressions: Vec<Text>,
}

impl WhitelistItem {
    fn is_empty(&self) -> bool {
        self.ips.is_empty() && self.cidrs.is_empty() && self.expressions.is_empty()
    }
}

/// Reads one document. `None` when it has neither name nor description nor author: CrowdSec passes
/// over such a document without a word.
pub(crate) fn read(root: &Node, findings: &mut Findings<'_>) -> Option<NodeItem> {
    let mut table = Table::open(root, Unknown::Refuse, findings);
    let format = table.text("format", findings);
    let author = table.filled("author", findings);
    let description = table.filled("description", findings);
    let named = table.value("name").is_some();
    let node = node(table, None, findings);
    if !named && author.is_none() && description.is_none() && !findings.has_errors() {
        return None;
    }
    format::check(format.as_ref(), findings);
    Some(node)
}

fn node(mut table: Table<'_>, parent: Option<&str>, findings: &mut Findings<'_>) -> NodeItem {
    for key in ["format", "author", "description", "stage"] {
        let _informational = table.text(key, findings);
    }
    let _references = table.texts("references", findings);
    let _debug = table.flag("debug", findings);
    let _profiling = table.flag("profiling", findings);
    let name: Arc<str> = match (table.filled("name", findings), parent) {
        (Some(name), _) => name.value,
        (None, None) => Arc::from(""),
        (None, Some(parent)) => Arc::from(format!("child-{parent}")),
    };
    let filter = table.filled("filter", findings);
    let next_stage = onsuccess(&mut table, findings);
    let patterns = patterns(&mut table, findings);
    let grok = table.child("grok", findings, grok::read).flatten();
    let stash: Vec<StashItem> = table
        .list("stash", findings, stash)
        .into_iter()
        .flatten()
        .collect();
    // The length of a default name grows with each level; the depth of a document is limited.
    let children = table.list("nodes", findings, |child, findings| {
        let table = Table::open(child, Unknown::Refuse, findings);
        node(table, Some(&name), findings)
    });
    let statics = statics::read(&mut table, Owner::Node, findings);
    let whitelist = table.child("whitelist", findings, whitelist);
    let data = data::read(&mut table, findings);
    let start = table.start;
    table.close(&[], findings);

    let whitelists = whitelist
        .as_ref()
        .is_some_and(|whitelist| !whitelist.is_empty());
    let does_something =
        grok.is_some() || !children.is_empty() || !statics.is_empty() || whitelists;
    // What was written but is wrong has been reported already.
    if !does_something && !findings.has_errors() {
        findings.refuse_at(
            start,
            start,
            "the node does nothing: it has no grok, nodes, statics or whitelist entries",
        );
    }
    NodeItem {
        name,
        filter,
        next_stage,
        patterns,
        grok,
        stash,
        children,
        statics,
        whitelist,
        data,
    }
}

fn onsuccess(table: &mut Table<'_>, findings: &mut Findings<'_>) -> bool {
    let Some(text) = table.filled("onsuccess", findings) else {
        return false;
    };
    match &*text.value {
        "next_stage" => return true,
        "continue" => {}
        other => {
            let message = format!("\"{}\" is not what can follow", shown(other));
            findings.refuse_with_hint(&text, message, "use next_stage or continue");
        }
    }
    false
}

/// `pattern_syntax`. It is an untyped map to CrowdSec, so a name or a text that YAML 1.1 takes for a
/// boolean or a number makes it panic; here that is a refusal.
fn patterns(table: &mut Table<'_>, findings: &mut Findings<'_>) -> Vec<(Text, Text)> {
    let pairs = table.pairs("pattern_syntax", findings);
    for text in pairs.iter().flat_map(|(name, pattern)| [name, pattern]) {
        let scalar = Scalar {
            text: Arc::clone(&text.value),
            style: text.style,
            tag: None,
        };
        if text.style == Style::Plain && Resolved::of(&scalar) != Resolved::Text {
            findings.refuse_with_hint(
                text,
                format!("{} without quotes is not a text", shown(&text.value)),
                format!("write it in quotes: '{}'", shown(&text.value)),
            );
        }
    }
    pairs
}

fn stash(node: &Node, findings: &mut Findings<'_>) -> Option<StashItem> {
    let mut table = Table::open(node, Unknown::Refuse, findings);
    let name = table.filled("name", findings);
    let key = table.filled("key", findings);
    let value = table.filled("value", findings);
    let ttl = table.filled("ttl", findings);
    let size = table.int("size", findings);
    let strategy = table.filled("strategy", findings);
    let start = table.start;
    table.close(&[], findings);

    let strategy = match strategy.as_ref().map(|strategy| &*strategy.value) {
        None | Some("LRU") => Strategy::Lru,
        Some("LFU") => Strategy::Lfu,
        Some("ARC") => Strategy::Arc,
        Some(_) => {
            findings.warn_at(start, start, "unknown strategy, LRU is used");
            Strategy::Lru
        }
    };
    let mut missing = |what: &str, present: bool| {
        if !present {
            findings.refuse_at(start, start, format!("a stash needs `{what}`"));
        }
    };
    missing("name", name.is_some());
    missing("key", key.is_some());
    missing("value", value.is_some());
    missing("ttl", ttl.is_some());
    missing("size", size.is_some());
    let size = size?;
    let size = usize::try_from(size).ok().filter(|size| *size > 0);
    if size.is_none() {
        findings.refuse_at(start, start, "`size` of a stash must be above 0");
    }
    let ttl_ns = duration::read(&ttl?, findings)?;
    Some(StashItem {
        name: name?,
        key: key?,
        value: value?,
        ttl_ns,
        size: size?,
        strategy,
    })
}

fn whitelist(mut table: Table<'_>, findings: &mut Findings<'_>) -> WhitelistItem {
    let reason = table.text("reason", findings);
    let ips = table.texts("ip", findings);
    let cidrs = table.texts("cidr", findings);
    let expressions = table.texts("expression", findings);
    table.close(&[], findings);
    WhitelistItem {
        reason: reason.map_or_else(|| Arc::from(""), |text| text.value),
        ips,
        cidrs,
        expressions,
    }
}
