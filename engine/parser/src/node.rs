//! Nodes and their parts, compiled: what the loader fills and the runner follows.

use std::sync::Arc;

use overspill_event::{FieldMap, SchemaBuilder, SchemaFull, Slot};
use overspill_expr::Program;
use overspill_grok::Matcher;

use crate::method::Method;
use crate::target::TargetPath;
use crate::whitelist::Whitelist;

/// One parser node (`pkg/parser/node.go`), with its children.
#[derive(Debug, Clone)]
pub struct Node {
    /// Name of the document, or `child-` and the parent's name.
    pub name: Arc<str>,
    /// Must be true for anything else of the node to run.
    pub filter: Option<Program>,
    /// Whom the node lets pass.
    pub whitelist: Option<Whitelist>,
    /// The pattern that must match.
    pub grok: Option<Grok>,
    /// What is remembered for later lines.
    pub stash: Vec<StashWrite>,
    /// Nodes below, in order.
    pub children: Vec<Node>,
    /// What is written when the node succeeds.
    pub statics: Vec<Static>,
    /// `onsuccess: next_stage`.
    pub next_stage: bool,
    /// Place among all nodes of the plan, children included; given by the plan.
    pub(crate) number: usize,
    /// The field that alone decides the filter, if there is one; given by the plan.
    pub(crate) input: Option<Slot>,
}

impl Node {
    /// A node that has nothing yet, and so always succeeds.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            filter: None,
            whitelist: None,
            grok: None,
            stash: Vec::new(),
            children: Vec::new(),
            statics: Vec::new(),
            next_stage: false,
            number: 0,
            input: None,
        }
    }

    /// Whether statics wait for this node's own whitelist to match.
    pub(crate) fn is_whitelist(&self) -> bool {
        self.whitelist.as_ref().is_some_and(Whitelist::has_entries)
    }
}

/// A grok block. One without a pattern is no grok block to CrowdSec: leave it out.
#[derive(Debug, Clone)]
pub struct Grok {
    /// The compiled pattern.
    pub pattern: Arc<Matcher>,
    /// Where each field of the pattern goes, parallel to [`Matcher::fields`].
    pub fields: Vec<Slot>,
    /// What the pattern is matched against.
    pub subject: Subject,
    /// What is written when the pattern matched, before children run.
    pub statics: Vec<Static>,
}

impl Grok {
    /// A grok block without statics whose fields go to `evt.Parsed`.
    ///
    /// # Errors
    /// [`SchemaFull`] when there are too many field names.
    pub fn new(
        pattern: Arc<Matcher>,
        subject: Subject,
        schema: &mut SchemaBuilder,
    ) -> Result<Self, SchemaFull> {
        let fields = pattern
            .fields()
            .iter()
            .map(|field| schema.intern(FieldMap::Parsed, field))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            pattern,
            fields,
            subject,
            statics: Vec::new(),
        })
    }
}

/// What a grok pattern is matched against.
#[derive(Debug, Clone)]
pub enum Subject {
    /// `apply_on: Line.Raw`.
    Raw,
    /// Any other `apply_on`, a field of `evt.Parsed`; when it is absent the grok fails.
    Parsed(Slot),
    /// `expression`.
    Expression(Program),
}

/// One entry of `statics`.
#[derive(Debug, Clone)]
pub struct Static {
    /// Where the value goes.
    pub destination: Destination,
    /// The value.
    pub value: StaticValue,
}

/// Where a static's value goes.
#[derive(Debug, Clone)]
pub enum Destination {
    /// `parsed`, `meta` or `enriched`: the slot says which.
    Field(Slot),
    /// `target`.
    Target(TargetPath),
    /// `method`: the results go to `evt.Enriched`.
    Method(Method),
}

/// The value of a static.
#[derive(Debug, Clone)]
pub enum StaticValue {
    /// `value`.
    Const(Arc<[u8]>),
    /// `expression`.
    Expression(Program),
}

/// How a full stash chooses what to forget. Ours always forgets the least recently used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Least recently used.
    #[default]
    Lru,
    /// Least frequently used.
    Lfu,
    /// Adaptive replacement.
    Arc,
}

/// One entry of `stash`.
#[derive(Debug, Clone)]
pub struct StashWrite {
    /// Name of the cache.
    pub name: Arc<str>,
    /// Gives the key, a string.
    pub key: Program,
    /// Gives the value, a string.
    pub value: Program,
    /// How long the value is kept, in nanoseconds of event time.
    pub ttl_ns: i64,
    /// How many entries the cache holds.
    pub size: usize,
    /// What the item asks for.
    pub strategy: Strategy,
    /// The cache among those of the plan; given by the plan.
    pub(crate) cache: usize,
}

impl StashWrite {
    /// An entry with the default strategy.
    #[must_use]
    pub fn new(
        name: impl Into<Arc<str>>,
        key: Program,
        value: Program,
        ttl_ns: i64,
        size: usize,
    ) -> Self {
        Self {
            name: name.into(),
            key,
            value,
            ttl_ns,
            size,
            strategy: Strategy::default(),
            cache: 0,
        }
    }
}
