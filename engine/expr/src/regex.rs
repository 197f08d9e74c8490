//! Regexes of `matches`: Go's dialect and its reading of bytes that are not UTF-8.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use overspill_grok::GoRegex;
use rustc_hash::FxHashMap;

use crate::error::EvalError;
use crate::services::Counters;
use crate::value::Bytes;

/// A compiled regex and its text.
#[derive(Clone)]
pub struct Regex {
    text: Box<str>,
    inner: GoRegex,
}

impl Regex {
    /// Compiles a text.
    pub(crate) fn compile(text: &[u8]) -> Result<Self, EvalError> {
        let text = std::str::from_utf8(text)
            .map_err(|_| EvalError::fixed("error parsing regexp: invalid UTF-8"))?;
        let inner = overspill_grok::compile_go(text).map_err(|error| {
            let why = error.source().map(|source| format!(": {source}"));
            let why = why.unwrap_or_default();
            EvalError::of(format!("error parsing regexp: {error}{why}"))
        })?;
        Ok(Self {
            text: text.into(),
            inner,
        })
    }

    /// The text it was compiled from, in Go's dialect.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Texts in lower case of which every text it matches contains at least one, case left aside;
    /// none when no such texts are known. For whoever builds an index.
    pub fn required_literals(&self) -> impl Iterator<Item = &[u8]> {
        self.inner.required_literals().iter().map(|text| &**text)
    }

    /// Whether it finds a match anywhere.
    #[must_use]
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.inner.is_match(text)
    }
}

impl std::fmt::Debug for Regex {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Regex({:?})", self.text)
    }
}

/// Most regexes whose text was computed that are kept compiled.
const COMPUTED_MAX: usize = 256;

/// Regexes whose text was computed, by text; the oldest leaves when it is full. Failures are kept
/// too, so that a bad text is parsed once.
#[derive(Default)]
pub struct RegexCache {
    inner: Mutex<Computed>,
}

#[derive(Default)]
struct Computed {
    by_text: FxHashMap<Bytes, Result<Arc<Regex>, EvalError>>,
    oldest_first: VecDeque<Bytes>,
}

impl RegexCache {
    /// The regex of a text.
    pub(crate) fn get(&self, text: &Bytes, counters: &Counters) -> Result<Arc<Regex>, EvalError> {
        // A panic while the lock was held leaves a cache that is still a cache.
        let mut computed = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = computed.by_text.get(text) {
            return found.clone();
        }
        let compiled = Regex::compile(text).map(Arc::new);
        if computed.oldest_first.len() >= COMPUTED_MAX
            && let Some(oldest) = computed.oldest_first.pop_front()
        {
            computed.by_text.remove(&oldest);
            Counters::bump(&counters.regexes_evicted);
        }
        computed.oldest_first.push_back(Arc::clone(text));
        computed.by_text.insert(Arc::clone(text), compiled.clone());
        compiled
    }
}
