//! `RegexpInFile`: whether any regex of a list finds a match.
//!
//! Lists have hundreds of regexes, and nearly all texts match none. So one pass over the text looks
//! for the literals that matches must contain, and only regexes with a literal in the text are
//! tried. A bounded cache of verdicts may sit in front; it never changes one.

use std::collections::BTreeSet;
use std::hash::Hasher;

use aho_corasick::AhoCorasick;
use overspill_golike::strings::to_valid;
use overspill_grok::{GoRegex, GoRegexError, compile_go};
use rustc_hash::FxHasher;

use crate::per_thread::PerThread;

/// Longest text whose verdict is kept.
const KEPT_TEXT_BYTES: usize = 1024;

/// Most verdicts that a cache can be asked to keep.
const CACHE_SIZE_MAX: usize = 65_536;

/// Why a list of regexes cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegexSetError {
    /// One of them is no Go regex.
    #[error("regex {index} does not compile")]
    Regex {
        /// Its place in the list, from 0.
        index: usize,
        /// What is wrong with it.
        #[source]
        source: Box<GoRegexError>,
    },
    /// Their literals are too many.
    #[error("too many literals in the regexes")]
    Literals,
}

/// A list of Go regexes.
#[derive(Debug)]
pub struct RegexSet {
    regexes: Vec<GoRegex>,
    /// Regexes without a known literal: always tried.
    unfiltered: Vec<usize>,
    /// All literals, and which regexes each one calls for.
    literals: Option<AhoCorasick>,
    callers: Vec<Vec<usize>>,
    cache: Option<Cache>,
}

impl RegexSet {
    /// Compiles a list.
    ///
    /// # Errors
    ///
    /// When one of the patterns is no Go regex.
    pub fn new<P: AsRef<str>>(patterns: &[P]) -> Result<Self, RegexSetError> {
        let mut regexes = Vec::with_capacity(patterns.len());
        for (index, pattern) in patterns.iter().enumerate() {
            let regex = compile_go(pattern.as_ref()).map_err(|source| RegexSetError::Regex {
                index,
                source: Box::new(source),
            })?;
            regexes.push(regex);
        }
        let mut unfiltered = Vec::new();
        let mut called: Vec<(&[u8], usize)> = Vec::new();
        for (index, regex) in regexes.iter().enumerate() {
            let literals = regex.required_literals();
            if literals.is_empty() || literals.iter().any(|literal| literal.is_empty()) {
                unfiltered.push(index);
            } else {
                called.extend(literals.iter().map(|literal| (&**literal, index)));
            }
        }
        called.sort_unstable();
        let mut texts: Vec<&[u8]> = Vec::new();
        let mut callers: Vec<Vec<usize>> = Vec::new();
        for (literal, index) in called {
            if texts.last() != Some(&literal) {
                texts.push(literal);
                callers.push(Vec::new());
            }
            if let Some(list) = callers.last_mut() {
                list.push(index);
            }
        }
        let literals = if texts.is_empty() {
            None
        } else {
            let built = AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .build(&texts);
            Some(built.map_err(|_| RegexSetError::Literals)?)
        };
        Ok(Self {
            regexes,
            unfiltered,
            literals,
            callers,
            cache: None,
        })
    }

    /// Puts a cache of this many verdicts a thread in front; none if the number is 0.
    #[must_use]
    pub fn with_cache(mut self, size: usize) -> Self {
        let size = size.min(CACHE_SIZE_MAX);
        self.cache = (size > 0).then(|| Cache {
            size,
            verdicts: PerThread::default(),
        });
        self
    }

    /// The number of regexes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.regexes.len()
    }

    /// Whether there are no regexes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.regexes.is_empty()
    }

    /// Whether any of the regexes finds a match anywhere in a text.
    #[must_use]
    pub fn is_match(&self, text: &[u8]) -> bool {
        let Some(cache) = self
            .cache
            .as_ref()
            .filter(|_| text.len() <= KEPT_TEXT_BYTES)
        else {
            return self.search(text);
        };
        // A panic elsewhere cannot leave a wrong verdict behind: entries are written whole.
        let known = cache.verdicts.own().get(text);
        if let Some(verdict) = known {
            return verdict;
        }
        let verdict = self.search(text);
        cache.verdicts.own().put(text, verdict, cache.size);
        verdict
    }

    fn search(&self, text: &[u8]) -> bool {
        // Literals are sought in what the regexes will read.
        let text = &*to_valid(text);
        if self
            .unfiltered
            .iter()
            .any(|index| self.regexes[*index].is_match(text))
        {
            return true;
        }
        let Some(literals) = &self.literals else {
            return false;
        };
        let mut tried = BTreeSet::new();
        for found in literals.find_overlapping_iter(text) {
            let Some(callers) = self.callers.get(found.pattern().as_usize()) else {
                continue;
            };
            for index in callers {
                if tried.insert(*index) && self.regexes[*index].is_match(text) {
                    return true;
                }
            }
        }
        false
    }
}

/// Verdicts that are kept.
#[derive(Debug)]
struct Cache {
    /// How many each thread may keep.
    size: usize,
    verdicts: PerThread<Verdicts>,
}

/// Verdicts by text. A text has one place; another one that falls there takes it.
#[derive(Debug, Default)]
struct Verdicts {
    slots: Vec<Option<(Box<[u8]>, bool)>>,
}

impl Verdicts {
    fn slot(&self, text: &[u8]) -> usize {
        // Texts that share a place only push each other out, so any hash will do.
        let mut hasher = FxHasher::default();
        hasher.write(text);
        let size = u64::try_from(self.slots.len()).unwrap_or(1).max(1);
        usize::try_from((hasher.finish() >> 16) % size).unwrap_or(0)
    }

    fn get(&self, text: &[u8]) -> Option<bool> {
        match self.slots.get(self.slot(text)) {
            Some(Some((kept, verdict))) if **kept == *text => Some(*verdict),
            _ => None,
        }
    }

    fn put(&mut self, text: &[u8], verdict: bool, size: usize) {
        if self.slots.is_empty() {
            self.slots.resize(size, None);
        }
        let slot = self.slot(text);
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some((text.into(), verdict));
        }
    }
}

#[cfg(test)]
mod tests;
