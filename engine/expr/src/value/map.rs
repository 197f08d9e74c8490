//! Maps with string keys in the shapes they come in.

use std::collections::BTreeMap;
use std::sync::Arc;

use overspill_event::TreeMap;

use super::{Bytes, Value};

/// Computed entries, and how deeply they nest.
#[derive(Clone, Default)]
pub struct Entries {
    map: BTreeMap<Bytes, Value>,
    depth: u16,
}

impl Entries {
    /// The entries of a map.
    #[must_use]
    pub fn new(map: BTreeMap<Bytes, Value>) -> Self {
        let below = map.values().map(Value::depth).max().unwrap_or(0);
        Self {
            map,
            depth: below.saturating_add(1),
        }
    }

    /// Levels of lists and maps, this one included.
    pub(crate) fn depth(&self) -> u16 {
        self.depth
    }
}

impl std::ops::Deref for Entries {
    type Target = BTreeMap<Bytes, Value>;

    fn deref(&self) -> &Self::Target {
        &self.map
    }
}

/// A map. A missing key is `""` in a map of strings and nil in the others.
#[derive(Clone)]
pub enum Map {
    /// `map[string]any` of computed values.
    Values(Arc<Entries>),
    /// `map[string]string`.
    Strings(Arc<BTreeMap<Box<[u8]>, Bytes>>),
    /// `map[string]any` out of JSON.
    Trees(Arc<TreeMap>),
    /// `map[string]T` of some other Go type: the values and Go's name of `T`.
    Typed(Arc<Entries>, &'static str),
}

impl Map {
    /// A map of computed values.
    #[must_use]
    pub fn of(entries: impl IntoIterator<Item = (Bytes, Value)>) -> Self {
        Self::Values(Arc::new(Entries::new(entries.into_iter().collect())))
    }

    /// A map whose elements have a Go type of their own.
    #[must_use]
    pub fn typed(
        entries: impl IntoIterator<Item = (Bytes, Value)>,
        element_type: &'static str,
    ) -> Self {
        Self::Typed(
            Arc::new(Entries::new(entries.into_iter().collect())),
            element_type,
        )
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Values(map) | Self::Typed(map, _) => map.len(),
            Self::Strings(map) => map.len(),
            Self::Trees(map) => map.len(),
        }
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a key, if the key is there.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        match self {
            Self::Values(map) | Self::Typed(map, _) => map.get(key).cloned(),
            Self::Strings(map) => map.get(key).map(|value| Value::Str(Arc::clone(value))),
            Self::Trees(map) => map.get(key).map(Value::from_tree),
        }
    }

    /// Whether the key is there.
    #[must_use]
    pub fn contains_key(&self, key: &[u8]) -> bool {
        match self {
            Self::Values(map) | Self::Typed(map, _) => map.contains_key(key),
            Self::Strings(map) => map.contains_key(key),
            Self::Trees(map) => map.contains_key(key),
        }
    }

    /// The value of a key; a missing one reads as the element type's zero value.
    #[must_use]
    pub fn read(&self, key: &[u8]) -> Value {
        match (self.get(key), self) {
            (Some(value), _) => value,
            (None, Self::Strings(_)) => Value::str(b""),
            (None, _) => Value::Nil,
        }
    }

    /// All entries in byte order of their keys.
    pub fn entries(&self) -> Vec<(Bytes, Value)> {
        match self {
            Self::Values(map) | Self::Typed(map, _) => map
                .iter()
                .map(|(key, value)| (Arc::clone(key), value.clone()))
                .collect(),
            Self::Strings(map) => map
                .iter()
                .map(|(key, value)| (Arc::from(&**key), Value::Str(Arc::clone(value))))
                .collect(),
            Self::Trees(map) => map
                .iter()
                .map(|(key, value)| (Arc::from(&**key), Value::from_tree(value)))
                .collect(),
        }
    }

    /// Go's name of the element type.
    #[must_use]
    pub fn element_type(&self) -> &'static str {
        match self {
            Self::Values(_) | Self::Trees(_) => "interface {}",
            Self::Strings(_) => "string",
            Self::Typed(_, name) => name,
        }
    }
}
