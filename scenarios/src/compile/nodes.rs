//! Parser and post-overflow documents to stages of compiled nodes (`pkg/parser/node.go`).
//!
//! The order within a node is CrowdSec's: filter, patterns, grok, stash, children, statics,
//! whitelist. Patterns are global to the context and the first definition of a name stays, so the
//! order of files matters. A document that is refused takes its patterns with it.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use overspill_event::FieldMap;
use overspill_golike::net::{Addr, Prefix, parse_addr, parse_prefix};
use overspill_grok::{Added, Library, Matcher, Pattern};
use overspill_parser::{
    Destination, Grok, Method, Node, StagePlan, StashWrite, Static, StaticValue, Strategy, Subject,
    TargetPath, Whitelist,
};

use super::draft::Draft;
use super::shop::{Place, Shop, full};
use crate::diagnostic::shown;
use crate::item::grok::{self, GrokItem};
use crate::item::node::{self, NodeItem, StashItem, WhitelistItem};
use crate::item::statics::{self, Source, StaticItem};
use crate::yaml::table::{Findings, Text};

/// Compiles the documents of one context, in their order. Accepted ones are marked so.
pub(super) fn stages(
    drafts: &mut [Draft<'_, NodeItem>],
    mut library: Library,
    shop: &mut Shop,
) -> Vec<StagePlan> {
    let mut stages: BTreeMap<Arc<str>, Vec<Node>> = BTreeMap::new();
    for draft in drafts {
        let Some(item) = draft.item.take() else {
            continue;
        };
        let mut attempt = library.clone();
        let mut compiler = NodeCompiler {
            shop,
            library: &mut attempt,
            findings: &mut draft.findings,
        };
        let node = compiler.node(&item);
        if draft.findings.has_errors() {
            continue;
        }
        library = attempt;
        draft.accept(&item.name);
        let stage = draft.source.stage.clone().unwrap_or_else(|| Arc::from(""));
        stages.entry(stage).or_default().push(node);
    }
    stages
        .into_iter()
        .map(|(name, nodes)| StagePlan { name, nodes })
        .collect()
}

struct NodeCompiler<'a, 'f> {
    shop: &'a mut Shop,
    library: &'a mut Library,
    findings: &'a mut Findings<'f>,
}

impl NodeCompiler<'_, '_> {
    /// The node as far as it compiles; what does not is in the findings. Recursion is bounded by
    /// the depth of a document.
    fn node(&mut self, item: &NodeItem) -> Node {
        let mut node = Node::new(Arc::clone(&item.name));
        node.filter = self
            .shop
            .optional(item.filter.as_ref(), Place::Event, self.findings);
        for (name, pattern) in &item.patterns {
            self.define(name, pattern);
        }
        node.grok = item.grok.as_ref().and_then(|grok| self.grok(grok));
        node.stash = item
            .stash
            .iter()
            .filter_map(|stash| self.stash(stash))
            .collect();
        node.children = item.children.iter().map(|child| self.node(child)).collect();
        node.statics = self.statics(&item.statics);
        node.whitelist = item
            .whitelist
            .as_ref()
            .map(|whitelist| self.whitelist(whitelist));
        node.next_stage = item.next_stage;
        node
    }

    /// Registers a pattern; the first definition of a name stays.
    fn define(&mut self, name: &Text, pattern: &Text) {
        match self.library.add(&name.value, &pattern.value) {
            Ok(Added::New | Added::Same) => {}
            Ok(Added::Kept { .. }) => {
                let message = format!(
                    "pattern `{}` has another definition already, which stays",
                    shown(&name.value)
                );
                self.findings.warn(name, message);
            }
            Err(error) => self.findings.refuse(pattern, chain(&error)),
        }
    }

    fn grok(&mut self, item: &GrokItem) -> Option<Grok> {
        let subject = match &item.subject {
            grok::Subject::ApplyOn(field) if &*field.value == "Line.Raw" => Some(Subject::Raw),
            grok::Subject::ApplyOn(field) => self
                .shop
                .slot(FieldMap::Parsed, field, self.findings)
                .map(Subject::Parsed),
            grok::Subject::Expression(text) => self
                .shop
                .program(text, Place::Event, self.findings)
                .map(Subject::Expression),
        };
        let pattern = item.pattern.as_ref()?;
        let (text, pattern) = match pattern {
            grok::Pattern::Name(name) => (name, Pattern::Name(&name.value)),
            grok::Pattern::Body(body) => (body, Pattern::Text(&body.value)),
        };
        let matcher = match Matcher::compile_with(self.library, pattern, None, self.shop.engine) {
            Ok(matcher) => Some(matcher),
            Err(error) => {
                self.findings.refuse(text, chain(&error));
                None
            }
        };
        let statics = self.statics(&item.statics);
        let grok = Grok::new(Arc::new(matcher?), subject?, &mut self.shop.schema);
        let mut grok = full(grok, text, self.findings)?;
        if grok.fields.is_empty() {
            let message = "a pattern without a field, as in %{WORD:name}, never counts as a match";
            self.findings.warn(text, message);
        }
        grok.statics = statics;
        Some(grok)
    }

    fn statics(&mut self, items: &[StaticItem]) -> Vec<Static> {
        items
            .iter()
            .filter_map(|item| self.one_static(item))
            .collect()
    }

    fn one_static(&mut self, item: &StaticItem) -> Option<Static> {
        let mut field = |map, text| {
            self.shop
                .slot(map, text, self.findings)
                .map(Destination::Field)
        };
        let destination = match &item.destination {
            statics::Destination::Parsed(text) => field(FieldMap::Parsed, text),
            statics::Destination::Meta(text) => field(FieldMap::Meta, text),
            statics::Destination::Enriched(text) => field(FieldMap::Enriched, text),
            statics::Destination::Method(text) => {
                Some(Destination::Method(Method::by_name(&text.value)))
            }
            statics::Destination::Target(text) => {
                let path = TargetPath::parse(&text.value, &mut self.shop.schema);
                full(path, text, self.findings).map(Destination::Target)
            }
        };
        if let (
            statics::Destination::Target(text),
            Some(Destination::Target(TargetPath::Nowhere)),
        ) = (&item.destination, &destination)
        {
            let message = format!(
                "`{}` is no text of an event; the static does nothing",
                shown(&text.value)
            );
            self.findings.warn(text, message);
        }
        let value = match &item.source {
            Source::Value(text) => Some(StaticValue::Const(Arc::from(text.value.as_bytes()))),
            Source::Nothing => Some(StaticValue::Const(Arc::from(&b""[..]))),
            Source::Expression(text) => self
                .shop
                .program(text, Place::Event, self.findings)
                .map(StaticValue::Expression),
        };
        Some(Static {
            destination: destination?,
            value: value?,
        })
    }

    fn stash(&mut self, item: &StashItem) -> Option<StashWrite> {
        let key = self.shop.program(&item.key, Place::Event, self.findings);
        let value = self.shop.program(&item.value, Place::Event, self.findings);
        let mut write = StashWrite::new(
            Arc::clone(&item.name.value),
            key?,
            value?,
            item.ttl_ns,
            item.size,
        );
        write.strategy = match item.strategy {
            node::Strategy::Lru => Strategy::Lru,
            node::Strategy::Lfu => Strategy::Lfu,
            node::Strategy::Arc => Strategy::Arc,
        };
        Some(write)
    }

    fn whitelist(&mut self, item: &WhitelistItem) -> Whitelist {
        let mut ips: Vec<Addr> = Vec::with_capacity(item.ips.len());
        for text in &item.ips {
            match parse_addr(text.value.as_bytes()) {
                Some(addr) => ips.push(addr),
                None => {
                    let message = format!("\"{}\" is not an address", shown(&text.value));
                    let hint = if parse_prefix(text.value.as_bytes()).is_some() {
                        "a range goes below `cidr`"
                    } else {
                        "write it like 192.0.2.1 or 2001:db8::1, without leading zeros"
                    };
                    self.findings.refuse_with_hint(text, message, hint);
                }
            }
        }
        let mut cidrs: Vec<Prefix> = Vec::with_capacity(item.cidrs.len());
        for text in &item.cidrs {
            match parse_prefix(text.value.as_bytes()) {
                Some(prefix) => cidrs.push(prefix),
                None => {
                    let message = format!("\"{}\" is not a range", shown(&text.value));
                    let hint = if parse_addr(text.value.as_bytes()).is_some() {
                        "an address goes below `ip`"
                    } else {
                        "write it like 192.0.2.0/24 or 2001:db8::/32"
                    };
                    self.findings.refuse_with_hint(text, message, hint);
                }
            }
        }
        let expressions = self
            .shop
            .all(&item.expressions, Place::Event, self.findings);
        Whitelist::new(Arc::clone(&item.reason), &ips, &cidrs, expressions)
    }
}

/// An error with its causes, on one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
