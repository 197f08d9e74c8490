//! Regexes with the meaning Go's `regexp` gives them.
//!
//! Used for the expression operator `matches`, for data files of regexes and the like. The syntax
//! is that of [`translate`](crate::translate()); the subject is bytes, in which each byte that is not part of
//! valid UTF-8 reads as the character U+FFFD (and so matches `.`). Matching is linear in the
//! subject, compiled size is limited by [`SIZE_LIMIT`].

use std::ops::Range;
use std::sync::Arc;

use regex_automata::{Input, meta};

use crate::translate::{TranslateError, translate_groups};
use crate::{hir, literal, utf8};

/// Largest compiled regex, in bytes of its automaton.
const SIZE_LIMIT: usize = 16 << 20;

/// Compiles a pattern written for Go's `regexp` package.
pub fn compile_go(pattern: &str) -> Result<GoRegex, GoRegexError> {
    let translated = translate_groups(pattern).map_err(|source| GoRegexError::Syntax {
        pattern: shown(pattern),
        source,
    })?;
    let hir = hir::parse(&translated.text).map_err(|source| GoRegexError::Unsupported {
        pattern: shown(pattern),
        reason: source.to_string(),
    })?;
    let regex = meta::Builder::new()
        .configure(
            meta::Config::new()
                .utf8_empty(true)
                .nfa_size_limit(Some(SIZE_LIMIT)),
        )
        .build_from_hir(&hir)
        .map_err(|_| GoRegexError::TooLarge {
            pattern: shown(pattern),
        })?;
    Ok(GoRegex {
        inner: Arc::new(Inner {
            pattern: pattern.into(),
            regex,
            groups: translated.groups,
            names: translated.names.into(),
            literals: literal::any_of(&hir).into(),
        }),
    })
}

/// Why a Go regex does not compile.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum GoRegexError {
    /// Go would refuse it, too.
    #[error("invalid regex {pattern:?}")]
    Syntax {
        /// The pattern, cut short if it is long.
        pattern: String,
        /// What is wrong.
        #[source]
        source: TranslateError,
    },
    /// Go takes it, this engine does not.
    #[error("unsupported regex {pattern:?}: {reason}")]
    Unsupported {
        /// The pattern, cut short if it is long.
        pattern: String,
        /// What is not supported.
        reason: String,
    },
    /// The compiled form is too large.
    #[error("regex {pattern:?} is too large when compiled")]
    TooLarge {
        /// The pattern, cut short if it is long.
        pattern: String,
    },
}

fn shown(pattern: &str) -> String {
    match pattern.char_indices().nth(200) {
        Some((at, _)) => format!("{}...", pattern.get(..at).unwrap_or_default()),
        None => pattern.to_owned(),
    }
}

/// A compiled Go regex. Cloning shares the automaton.
#[derive(Debug, Clone)]
pub struct GoRegex {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pattern: Box<str>,
    regex: meta::Regex,
    groups: u32,
    names: Box<[(u32, Box<str>)]>,
    literals: Box<[Box<[u8]>]>,
}

/// Byte ranges of a match and its groups, in the original subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captures {
    groups: Box<[Option<Range<usize>>]>,
}

impl Captures {
    /// The range of a group that took part; group 0 is the whole match.
    pub fn get(&self, group: usize) -> Option<Range<usize>> {
        self.groups.get(group).cloned().flatten()
    }

    /// The range of the whole match.
    pub fn span(&self) -> Range<usize> {
        self.get(0).unwrap_or(0..0)
    }

    /// Number of groups, the whole match included.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Never true: the whole match is always there.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

impl GoRegex {
    /// The pattern as it was written.
    pub fn pattern(&self) -> &str {
        &self.inner.pattern
    }

    /// Number of groups, not counting the whole match.
    pub fn groups(&self) -> u32 {
        self.inner.groups
    }

    /// Number and name of each named group in order; a name may occur more than once.
    pub fn names(&self) -> &[(u32, Box<str>)] {
        &self.inner.names
    }

    /// Literals in ASCII lower case of which every match contains at least one, ASCII case apart.
    /// Empty if none are known. For filters in front of the regex.
    pub fn required_literals(&self) -> &[Box<[u8]>] {
        &self.inner.literals
    }

    /// Whether the regex matches anywhere in the subject.
    pub fn is_match(&self, subject: &[u8]) -> bool {
        match utf8::as_go_reads(subject) {
            None => self.inner.regex.is_match(subject),
            Some((copy, _)) => self.inner.regex.is_match(&copy),
        }
    }

    /// The leftmost match.
    pub fn find(&self, subject: &[u8]) -> Option<Range<usize>> {
        match utf8::as_go_reads(subject) {
            None => self.inner.regex.find(subject).map(|found| found.range()),
            Some((copy, origin)) => self
                .inner
                .regex
                .find(&copy)
                .map(|found| mapped(&origin, found.range())),
        }
    }

    /// The leftmost match with its groups.
    pub fn captures(&self, subject: &[u8]) -> Option<Captures> {
        self.captures_at(subject, 0)
    }

    /// The leftmost match that begins at `start` or later; looks behind see all of the subject.
    pub fn captures_at(&self, subject: &[u8], start: usize) -> Option<Captures> {
        if start > subject.len() {
            return None;
        }
        match utf8::as_go_reads(subject) {
            None => self.search(subject, start, None),
            Some((copy, origin)) => {
                let start = origin.partition_point(|at| *at < start);
                self.search(&copy, start, Some(&origin))
            }
        }
    }

    fn search(&self, text: &[u8], start: usize, origin: Option<&[usize]>) -> Option<Captures> {
        let mut found = self.inner.regex.create_captures();
        self.inner
            .regex
            .search_captures(&Input::new(text).span(start..text.len()), &mut found);
        if !found.is_match() {
            return None;
        }
        let groups = (0..found.group_len())
            .map(|group| found.get_group(group).map(|span| span.range()))
            .map(|range| match origin {
                None => range,
                Some(origin) => range.map(|range| mapped(origin, range)),
            })
            .collect();
        Some(Captures { groups })
    }
}

fn mapped(origin: &[usize], range: Range<usize>) -> Range<usize> {
    let at = |offset: usize| origin.get(offset).copied().unwrap_or_default();
    at(range.start)..at(range.end)
}

#[cfg(test)]
mod tests;
