//! Lists in the shapes they come in.

use std::sync::Arc;

use overspill_event::{Event, Tree};

use super::{Bytes, Value};

/// Computed values, and how deeply they nest.
#[derive(Clone, Default)]
pub struct Items {
    values: Vec<Value>,
    depth: u16,
}

impl Items {
    /// The items of a list.
    #[must_use]
    pub fn new(values: Vec<Value>) -> Self {
        let below = values.iter().map(Value::depth).max().unwrap_or(0);
        Self {
            values,
            depth: below.saturating_add(1),
        }
    }

    /// Levels of lists and maps, this one included.
    pub(crate) fn depth(&self) -> u16 {
        self.depth
    }
}

impl std::ops::Deref for Items {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.values
    }
}

/// A list. All shapes behave alike but for what Go shows of their element type.
#[derive(Clone)]
pub enum List {
    /// `[]any` of computed values.
    Values(Arc<Items>),
    /// `[]string`.
    Strings(Arc<Vec<Bytes>>),
    /// `[]any` out of JSON.
    Trees(Arc<Vec<Tree>>),
    /// Events of a bucket's queue.
    Events(Arc<[Arc<Event>]>),
    /// `[]int`.
    Ints(Arc<Vec<i64>>),
    /// `[]T` of some other Go type: the values and Go's name of `T`.
    Typed(Arc<Items>, &'static str),
}

impl List {
    /// A list whose elements have a Go type of their own.
    #[must_use]
    pub fn typed(items: Vec<Value>, element_type: &'static str) -> Self {
        Self::Typed(Arc::new(Items::new(items)), element_type)
    }

    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Values(items) | Self::Typed(items, _) => items.len(),
            Self::Strings(items) => items.len(),
            Self::Trees(items) => items.len(),
            Self::Events(items) => items.len(),
            Self::Ints(items) => items.len(),
        }
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at a place.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<Value> {
        match self {
            Self::Values(items) | Self::Typed(items, _) => items.get(at).cloned(),
            Self::Strings(items) => items.get(at).map(|item| Value::Str(Arc::clone(item))),
            Self::Trees(items) => items.get(at).map(Value::from_tree),
            Self::Events(items) => items.get(at).map(|event| Value::event(Arc::clone(event))),
            Self::Ints(items) => items.get(at).map(|item| Value::Int(*item)),
        }
    }

    /// All elements in order.
    pub fn iter(&self) -> impl Iterator<Item = Value> + '_ {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    /// The elements from `from` to before `to`, which must be within the list.
    #[must_use]
    pub fn slice(&self, from: usize, to: usize) -> Self {
        fn cut<T: Clone>(items: &[T], from: usize, to: usize) -> Arc<Vec<T>> {
            Arc::new(items.get(from..to).unwrap_or_default().to_vec())
        }
        fn cut_items(items: &Items, from: usize, to: usize) -> Arc<Items> {
            Arc::new(Items::new(items.get(from..to).unwrap_or_default().to_vec()))
        }
        match self {
            Self::Values(items) => Self::Values(cut_items(items, from, to)),
            Self::Strings(items) => Self::Strings(cut(items, from, to)),
            Self::Trees(items) => Self::Trees(cut(items, from, to)),
            Self::Ints(items) => Self::Ints(cut(items, from, to)),
            Self::Typed(items, name) => Self::Typed(cut_items(items, from, to), name),
            Self::Events(items) => Self::Events(
                items
                    .get(from..to)
                    .unwrap_or_default()
                    .iter()
                    .map(Arc::clone)
                    .collect(),
            ),
        }
    }

    /// Go's name of the element type.
    #[must_use]
    pub fn element_type(&self) -> &'static str {
        match self {
            Self::Values(_) | Self::Trees(_) => "interface {}",
            Self::Strings(_) => "string",
            Self::Events(_) => "pipeline.Event",
            Self::Ints(_) => "int",
            Self::Typed(_, name) => name,
        }
    }
}
