//! Sets of strings known at load.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::value::Bytes;

/// From how many members on a hash table is faster than looking at each.
const HASHED_FROM: usize = 9;

/// A set of strings. Cloning shares it.
#[derive(Clone)]
pub struct StringSet {
    inner: Arc<Inner>,
}

struct Inner {
    /// Lengths of the members, a bit each, modulo 64.
    lengths: u64,
    sorted: Vec<Bytes>,
    hashed: FxHashSet<Bytes>,
}

impl StringSet {
    /// The set of these strings.
    #[must_use]
    pub fn new(items: impl IntoIterator<Item = Bytes>) -> Self {
        let mut sorted: Vec<Bytes> = items.into_iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        let lengths = sorted.iter().fold(0, |bits, item| bits | bit(item));
        let is_hashed = sorted.len() >= HASHED_FROM;
        let hashed = if is_hashed {
            sorted.iter().cloned().collect()
        } else {
            FxHashSet::default()
        };
        Self {
            inner: Arc::new(Inner {
                lengths,
                sorted,
                hashed,
            }),
        }
    }

    /// Whether a string is in the set.
    #[must_use]
    pub fn contains(&self, text: &[u8]) -> bool {
        if self.inner.lengths & bit(text) == 0 {
            return false;
        }
        if self.inner.hashed.is_empty() {
            self.inner.sorted.iter().any(|item| **item == *text)
        } else {
            self.inner.hashed.contains(text)
        }
    }

    /// The members, in byte order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.inner.sorted.iter().map(|item| &**item)
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.sorted.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.sorted.is_empty()
    }
}

/// The bit of a text's length.
fn bit(text: &[u8]) -> u64 {
    1 << (text.len() % 64)
}

impl std::fmt::Debug for StringSet {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let texts = self.iter().map(|item| String::from_utf8_lossy(item));
        out.debug_set().entries(texts).finish()
    }
}
