//! Filters as trees of tests on fields: what the filter index looks into and evaluates in part.
//!
//! A [`Bool`] gives what the general evaluator gives, errors included, without building a value
//! for anything that is a test of a field's text. Whatever is not is a [`DynExpr`].

mod eval;
mod set;
mod transform;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use overspill_event::{Event, Slot, TextField};
use overspill_golike::net::Cidr;

pub use set::StringSet;
pub use transform::{TextStep, Transform};

use crate::code::Node;
use crate::program::Reads;
use crate::regex::Regex;
use crate::value::Bytes;

/// A boolean expression. Chains of `and` and `or` are flat, so that depth stays small.
#[derive(Debug, Clone)]
pub enum Bool {
    /// Known at load.
    Const(bool),
    /// True when all are, tested in order up to the first that is not.
    And(Box<[Bool]>),
    /// True when one is, tested in order up to the first that is.
    Or(Box<[Bool]>),
    /// The opposite.
    Not(Box<Bool>),
    /// A test of one field's text.
    Str(StrTest),
    /// Anything else.
    Dyn(DynExpr),
}

/// A test of one text.
#[derive(Debug, Clone)]
pub struct StrTest {
    /// Which text.
    pub subject: Subject,
    /// What it must be like.
    pub test: Test,
}

/// A field and what is done to it before it is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The field.
    pub field: FieldRef,
    /// The changes, in order.
    pub transform: Transform,
}

/// Where a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldRef {
    /// In one of the maps; a missing key reads as the empty string.
    Slot(Slot),
    /// Outside the maps.
    Text(TextField),
}

impl FieldRef {
    /// The event's text; empty when its map has no such key.
    #[must_use]
    pub fn bytes(self, event: &Event) -> &[u8] {
        match self {
            Self::Slot(slot) => event.text_of(slot),
            Self::Text(text) => event.text(text),
        }
    }

    /// A number that no other field has.
    fn number(self) -> usize {
        match self {
            Self::Slot(slot) => slot.index(),
            Self::Text(text) => usize::from(u16::MAX) + 1 + text as usize,
        }
    }
}

impl PartialOrd for FieldRef {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for FieldRef {
    fn cmp(&self, other: &Self) -> Ordering {
        self.number().cmp(&other.number())
    }
}

impl std::hash::Hash for FieldRef {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.number().hash(state);
    }
}

/// What a text must be like.
#[derive(Debug, Clone)]
pub enum Test {
    /// Equal to this.
    Eq(Bytes),
    /// Not equal to this.
    Ne(Bytes),
    /// One of these.
    In(StringSet),
    /// None of these.
    NotIn(StringSet),
    /// Contains this.
    Contains(Bytes),
    /// Contains one of these: what is left of a loop whose body needs one of them.
    ContainsAny(Arc<[Bytes]>),
    /// Starts with this.
    StartsWith(Bytes),
    /// Ends with this.
    EndsWith(Bytes),
    /// Matched by this regex.
    Matches(Arc<Regex>),
    /// Matched by one of these.
    MatchesAny(Arc<[Regex]>),
    /// Equal to a line of this file: `x in File('f')`, `any(File('f'), x == #)`.
    AnyEq(FileRef),
    /// Contains a line of this file: `any(File('f'), x contains #)`.
    AnyContains(FileRef),
    /// Starts with a line of this file.
    AnyStartsWith(FileRef),
    /// Ends with a line of this file.
    AnyEndsWith(FileRef),
    /// A regex of this file finds a match: `RegexpInFile(x, 'f')`.
    RegexpInFile(FileRef),
    /// An address in this range: `IpInRange(x, '10.0.0.0/8')`.
    InRange(Cidr),
    /// An address: `IsIP(x)`, `IsIPV4(x)`, `IsIPV6(x)`.
    IsAddress {
        /// An IPv4 address will do.
        v4: bool,
        /// An IPv6 address will do.
        v6: bool,
    },
    /// The key is in its map, whatever its value: `'x' in evt.Meta`.
    Present,
}

/// A data file, and what is done to each line before it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRef {
    /// Name of the file, as items declare it.
    pub name: Arc<str>,
    /// The changes to each line, in order.
    pub transform: Transform,
    /// The changed lines, if the compiler was given the files.
    pub(crate) lines: Option<Arc<Vec<Bytes>>>,
}

impl FileRef {
    /// The lines after their changes, for an index. `None` when the compiler was not given the
    /// files ([`crate::Compiler::with_files`]) or this is a file of regexes.
    #[must_use]
    pub fn lines(&self) -> Option<Vec<&[u8]>> {
        Some(self.lines.as_ref()?.iter().map(|line| &**line).collect())
    }
}

impl Subject {
    /// The slot, if the text is a field of a map and nothing is done to it.
    #[must_use]
    pub fn as_slot(&self) -> Option<Slot> {
        match self.field {
            FieldRef::Slot(slot) if self.transform.is_none() => Some(slot),
            _ => None,
        }
    }

    /// The event's text after the changes; `scratch` holds it when it is not the text itself.
    pub fn value<'v>(&self, event: &'v Event, scratch: &'v mut Vec<u8>) -> &'v [u8] {
        match self.transform.apply(self.field.bytes(event)) {
            Cow::Borrowed(text) => text,
            Cow::Owned(changed) => {
                *scratch = changed;
                scratch
            }
        }
    }

    /// Whether there is no change but one of case.
    #[must_use]
    pub fn is_cheap(&self) -> bool {
        self.transform.steps().count() <= 1 && !self.transform.steps().any(TextStep::is_unescape)
    }

    /// Whether an ASCII text found after the changes is also found, but for case, before them or
    /// after undoing escapes once; provided that the field is ASCII.
    #[must_use]
    pub fn keeps_literals(&self) -> bool {
        self.transform
            .steps()
            .filter(|step| step.is_unescape())
            .count()
            <= 1
    }
}

/// An expression that the general evaluator runs.
#[derive(Clone)]
pub struct DynExpr {
    pub(crate) inner: Arc<DynInner>,
}

pub(crate) struct DynInner {
    pub(crate) node: Node,
    pub(crate) n_locals: usize,
    pub(crate) text: Box<str>,
    pub(crate) reads: Reads,
    /// Whatever it gives is a boolean.
    pub(crate) gives_bool: bool,
}

impl DynExpr {
    /// What it reads and whether it can fail.
    #[must_use]
    pub fn reads(&self) -> &Reads {
        &self.inner.reads
    }

    /// Its source text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.inner.text
    }
}

impl std::fmt::Debug for DynExpr {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Dyn({})", self.text())
    }
}

impl Bool {
    /// Whether evaluating it can raise an error, or give something that is no boolean.
    #[must_use]
    pub fn can_fail(&self) -> bool {
        match self {
            Self::Const(_) | Self::Str(_) => false,
            Self::And(items) | Self::Or(items) => items.iter().any(Self::can_fail),
            Self::Not(inner) => inner.can_fail(),
            Self::Dyn(expr) => expr.reads().can_fail || !expr.inner.gives_bool,
        }
    }

    /// Whether evaluating it changes the event or anything else.
    #[must_use]
    pub fn has_effects(&self) -> bool {
        match self {
            Self::Const(_) | Self::Str(_) => false,
            Self::And(items) | Self::Or(items) => items.iter().any(Self::has_effects),
            Self::Not(inner) => inner.has_effects(),
            Self::Dyn(expr) => expr.reads().effects,
        }
    }
}
