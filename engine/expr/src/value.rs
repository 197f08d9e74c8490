//! Values: what an expression gives and works on.
//!
//! A [`Value`] owns what it holds, by reference counts, so it may leave the evaluation. The
//! variants follow the Go types that a user can tell apart: `Int` is `int`, [`IntKind`] names the
//! other widths, lists and maps know whether their elements are typed.

mod arithmetic;
mod compare;
mod list;
mod map;
mod number;
mod part;
mod text;

use std::sync::Arc;

use overspill_event::{Event, Tree};
use overspill_golike::time::Time;

pub(crate) use arithmetic::{TEXT_BYTES_MAX, arithmetic};
pub(crate) use compare::{contained_in_list, equal, order};
pub use list::{Items, List};
pub use map::{Entries, Map};
pub use number::IntKind;
pub use part::{EventPart, Part};
pub(crate) use text::{fields, tree};

use crate::object::Object;

/// A string: bytes, usually UTF-8.
pub type Bytes = Arc<[u8]>;

/// One value.
#[derive(Clone, Default)]
pub enum Value {
    /// Go's nil.
    #[default]
    Nil,
    /// A boolean.
    Bool(bool),
    /// An `int`.
    Int(i64),
    /// An integer of another Go type: `int32`, `uint8`, `time.Weekday`, ...
    Sized(i64, IntKind),
    /// A `float64`.
    Float(f64),
    /// A `float32`.
    Float32(f32),
    /// A string.
    Str(Bytes),
    /// A list.
    List(List),
    /// A map with string keys.
    Map(Map),
    /// An instant.
    Time(Time),
    /// A duration in nanoseconds.
    Duration(i64),
    /// An event or a part of it that is looked into where it is.
    Event(EventPart),
    /// A structure of the host: an alert, a queue, a database record.
    Object(Arc<dyn Object>),
    /// A pointer to a plain value, such as the scenario's name in an alert. Operators look
    /// through it; as a result it stays a pointer.
    Pointer(Arc<Self>),
}

impl Value {
    /// A string of these bytes.
    #[must_use]
    pub fn str(bytes: impl AsRef<[u8]>) -> Self {
        Self::Str(Arc::from(bytes.as_ref()))
    }

    /// An event by value, such as an element of a queue.
    #[must_use]
    pub fn event(event: Arc<Event>) -> Self {
        Self::Event(EventPart {
            event: Some(event),
            part: Part::Whole,
        })
    }

    /// A structure.
    #[must_use]
    pub fn object(object: impl Object + 'static) -> Self {
        Self::Object(Arc::new(object))
    }

    /// A list of values without a declared element type.
    #[must_use]
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(List::Values(Arc::new(Items::new(items))))
    }

    /// A `[]string`.
    #[must_use]
    pub fn strings(items: Vec<Bytes>) -> Self {
        Self::List(List::Strings(Arc::new(items)))
    }

    /// What an untyped tree means: composite values are shared, not copied.
    #[must_use]
    pub fn from_tree(tree: &Tree) -> Self {
        match tree {
            Tree::Null => Self::Nil,
            Tree::Bool(value) => Self::Bool(*value),
            Tree::Int(value) => Self::Int(*value),
            Tree::Float(value) => Self::Float(*value),
            Tree::Str(value) => Self::Str(Arc::clone(value)),
            Tree::List(items) => Self::List(List::Trees(Arc::clone(items))),
            Tree::Map(map) => Self::Map(Map::Trees(Arc::clone(map))),
            Tree::Strings(map) => Self::Map(Map::Strings(Arc::clone(map))),
        }
    }

    /// The bytes of a string, also behind a pointer.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Str(bytes) => Some(bytes),
            Self::Pointer(inner) => inner.as_bytes(),
            _ => None,
        }
    }

    /// The value of a boolean, also behind a pointer.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Pointer(inner) => inner.as_bool(),
            _ => None,
        }
    }

    /// Levels of computed lists and maps. What came out of JSON counts as one; its reader bounds
    /// it.
    pub(crate) fn depth(&self) -> u16 {
        match self {
            Self::List(List::Values(items) | List::Typed(items, _)) => items.depth(),
            Self::Map(Map::Values(entries) | Map::Typed(entries, _)) => entries.depth(),
            _ => 0,
        }
    }

    /// Whether this is nil.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    /// The value behind a pointer, or the value itself.
    #[must_use]
    pub fn behind_pointer(&self) -> &Self {
        match self {
            Self::Pointer(inner) => inner.behind_pointer(),
            other => other,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::str(text)
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{}({})",
            self.type_name(),
            String::from_utf8_lossy(&self.text())
        )
    }
}

impl PartialEq for Value {
    /// Equality as the language's `==` has it, numbers by value; objects by identity.
    fn eq(&self, other: &Self) -> bool {
        equal(self, other)
    }
}
