//! Nodes and their parts, compiled: what the loader fills and the runner follows.

use std::sync::Arc;

use overspill_event::{FieldMap, SchemaBuilder, SchemaFull, Slot, Span, TextField};
use overspill_expr::{Program, Shape};
use overspill_grok::Matcher;

use crate::method::Method;
use crate::recall::Pure;
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
    /// How the statics are applied when nobody looks on; given by the plan.
    pub(crate) moves: Box<[Move]>,
    /// What it reads and writes, if it is a top-level node whose work can be remembered; given by
    /// the plan.
    pub(crate) pure: Option<Pure>,
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
            moves: Box::default(),
            pure: None,
        }
    }

    /// Every expression of the node itself.
    pub(crate) fn programs(&self) -> Vec<&Program> {
        let mut programs: Vec<&Program> = self.filter.iter().collect();
        programs.extend(self.whitelist.iter().flat_map(Whitelist::expressions));
        let mut values: Vec<&StaticValue> = Vec::new();
        if let Some(grok) = &self.grok {
            if let Subject::Expression(subject) = &grok.subject {
                programs.push(subject);
            }
            values.extend(grok.statics.iter().map(|entry| &entry.value));
        }
        values.extend(self.statics.iter().map(|entry| &entry.value));
        programs.extend(values.into_iter().filter_map(|value| match value {
            StaticValue::Expression(program) => Some(program),
            StaticValue::Const(_) => None,
        }));
        let stash = self.stash.iter();
        programs.extend(stash.flat_map(|write| [&write.key, &write.value]));
        programs
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
    /// How the statics are applied when nobody looks on; given by the plan.
    pub(crate) moves: Box<[Move]>,
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
            moves: Box::default(),
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

/// A static as it is applied when nobody looks on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Move {
    /// Nothing comes of it.
    Nothing,
    /// A constant goes to a field.
    Constant(Slot, Span),
    /// A field's value goes to another one, unless it is empty.
    Field(Slot, Slot),
    /// A text outside the maps goes to a field, unless it is empty.
    Text(Slot, TextField),
    /// A field's value goes to a text outside the maps, unless it is empty.
    FieldToText(TextField, Slot),
    /// As it is written, for all the rest.
    Whole,
}

impl Static {
    /// The static as it is applied when nobody looks on.
    pub(crate) fn as_move(&self, schema: &mut SchemaBuilder) -> Move {
        let to = match &self.destination {
            Destination::Field(to) | Destination::Target(TargetPath::Field(to)) => *to,
            Destination::Target(TargetPath::Text(to)) => return self.as_move_to(*to),
            Destination::Target(_) | Destination::Method(_) => return Move::Whole,
        };
        let text = match &self.value {
            StaticValue::Const(text) => text,
            StaticValue::Expression(program) => match program.shape() {
                Shape::Field(from) => return Move::Field(to, *from),
                Shape::Text(from) => return Move::Text(to, *from),
                Shape::Const(text) => text,
                Shape::Other => return Move::Whole,
            },
        };
        match schema.constant(text) {
            Some(span) if span.len == 0 => Move::Nothing,
            Some(span) => Move::Constant(to, span),
            None => Move::Whole,
        }
    }

    fn as_move_to(&self, to: TextField) -> Move {
        match &self.value {
            StaticValue::Expression(program) => match program.shape() {
                Shape::Field(from) => Move::FieldToText(to, *from),
                _ => Move::Whole,
            },
            StaticValue::Const(_) => Move::Whole,
        }
    }
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
