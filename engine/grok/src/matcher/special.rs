//! The specialised matcher.
//!
//! A grok pattern is a skeleton of captures with capture-free pieces between them. The skeleton is
//! walked by priority with backtracking, which *is* leftmost-first matching, and each piece is one
//! step: a literal, a run of one character class, or a small automaton ([`leaf`]). It answers as
//! the regex engine does or says that it does not know: patterns of other shapes, subjects that
//! are not UTF-8, too many choices, ends in an order that it cannot tell.
//!
//! Subjects must be valid UTF-8 because runs look at bytes; a class that takes some characters
//! past ASCII and not others, or counts them, needs an ASCII subject.

mod build;
mod byteset;
mod leaf;
mod link;
mod node;
mod tail;
mod walk;

use std::sync::Arc;

use memchr::memmem::Finder;
use regex_syntax::hir::{Hir, Look};

use super::scratch::Slots;
use build::Builder;
use leaf::Leaf;
use link::Tailed;
use node::{First, Node};
pub(super) use walk::Memory;
use walk::{GiveUp, Walk};

/// A pattern in the form that is walked.
#[derive(Debug)]
pub(super) struct Special {
    nodes: Box<[Node]>,
    firsts: Box<[First]>,
    leaves: Box<[Arc<Leaf>]>,
    tails: Box<[Tailed]>,
    start: u32,
    /// Matches only at the start of the subject.
    anchored: bool,
    /// The literal that every match starts with.
    prefix: Option<Finder<'static>>,
    ascii_only: bool,
}

/// The answer of the specialised matcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A match; the slots are set.
    Match,
    /// There is no match.
    NoMatch,
    /// Not at the start of the subject, but perhaps later.
    NotAtStart,
    /// Ask the regex engine.
    Unknown,
}

impl Special {
    /// `None` if the pattern has a shape that is not specialised.
    pub(super) fn new(tree: &Hir) -> Option<Special> {
        let (mut builder, start) = Builder::build(tree).ok()?;
        let mut firsts = link::firsts(&builder);
        link::finish_runs(&mut builder.nodes, &firsts);
        let prefix = link::literal_at(&builder.nodes, start);
        link::shorten_literals(&mut builder.nodes);
        let tails = link::tails(&mut builder.nodes, &builder.leaves, &firsts);
        let start = link::fuse(&mut builder.nodes, &mut firsts, start);
        link::finish_splits(&mut builder.nodes, &firsts);
        Some(Special {
            nodes: builder.nodes.into(),
            firsts: firsts.into(),
            leaves: builder.leaves.into(),
            tails: tails.into(),
            start,
            anchored: tree.properties().look_set_prefix().contains(Look::Start),
            prefix: prefix.map(|text| Finder::new(&text).into_owned()),
            ascii_only: builder.ascii_only,
        })
    }

    /// Searches the subject for the leftmost match. The slots are unset before.
    pub(super) fn run(&self, memory: &mut Memory, slots: &mut [Slots], text: &[u8]) -> Verdict {
        let readable = is_ascii(text) || (!self.ascii_only && std::str::from_utf8(text).is_ok());
        // Offsets are kept in 32 bits, with a value to spare.
        if !readable || text.len() >= u32::MAX as usize - 1 {
            return Verdict::Unknown;
        }
        let mut walk = Walk::new(self, text, slots, memory);
        let found = match &self.prefix {
            Some(prefix) if !self.anchored => walk.each_prefix(prefix),
            _ if self.anchored || walk.may_start(self.start, 0) => walk.at_start(self.anchored),
            _ => Ok(Verdict::NotAtStart),
        };
        found.unwrap_or(Verdict::Unknown)
    }

    /// Matches at `at`, where the leftmost match is known to start, in a subject that
    /// [`Special::run`] could read.
    pub(super) fn run_at(
        &self,
        memory: &mut Memory,
        slots: &mut [Slots],
        text: &[u8],
        at: usize,
    ) -> Verdict {
        let mut walk = Walk::new(self, text, slots, memory);
        walk.again();
        match walk.try_at(at) {
            Ok(true) => Verdict::Match,
            _ => Verdict::Unknown,
        }
    }
}

/// Whether all bytes are ASCII; quicker than the standard library's for lines, which are short.
fn is_ascii(text: &[u8]) -> bool {
    let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) else {
        return text.is_ascii();
    };
    let words = |chunk: &[u8; 32]| {
        let (words, _) = chunk.as_chunks::<8>();
        words
            .iter()
            .fold(0, |all, word| all | u64::from_ne_bytes(*word))
    };
    let (chunks, rest) = text.as_chunks::<32>();
    let mut all = u64::from_ne_bytes(*first) | u64::from_ne_bytes(*last);
    for chunk in chunks {
        all |= words(chunk);
    }
    for word in rest.as_chunks::<8>().0 {
        all |= u64::from_ne_bytes(*word);
    }
    all & 0x8080_8080_8080_8080 == 0
}

impl Walk<'_> {
    fn at_start(&mut self, anchored: bool) -> Result<Verdict, GiveUp> {
        Ok(match self.try_at(0)? {
            true => Verdict::Match,
            false if anchored => Verdict::NoMatch,
            false => Verdict::NotAtStart,
        })
    }

    fn each_prefix(&mut self, prefix: &Finder<'_>) -> Result<Verdict, GiveUp> {
        let mut from = 0;
        while let Some(found) = self.text.get(from..).and_then(|rest| prefix.find(rest)) {
            if self.try_at(from + found)? {
                return Ok(Verdict::Match);
            }
            self.again();
            from += found + 1;
        }
        Ok(Verdict::NoMatch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_than_ascii_is_found_wherever_it_stands() {
        for length in 0..150 {
            let mut text = vec![b'a'; length];
            assert!(is_ascii(&text));
            for at in 0..length {
                text[at] = 0x80;
                assert!(!is_ascii(&text), "{at} of {length}");
                text[at] = b'a';
            }
        }
    }
}
