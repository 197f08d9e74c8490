//! The form in which a pattern is walked.

use memchr::memmem::Finder;
use regex_syntax::hir::Look;

use super::byteset::ByteSet;

/// Index of no node.
pub(super) const NONE: u32 = u32::MAX;

/// One step of a pattern and the step behind it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) op: Op,
    pub(super) next: u32,
}

#[derive(Debug)]
pub(super) enum Op {
    /// This text.
    Literal(Box<[u8]>),
    /// This text, at most eight bytes.
    Word(Word),
    /// Characters of one class.
    Run(Box<Run>),
    /// A capture-free piece: index into the leaves.
    Leaf(u32),
    /// Note the position in a slot.
    Save { slot: u32, undo: bool },
    /// An assertion.
    Look(Look),
    /// Branches in order of priority.
    Split(Box<[u32]>),
    /// Several steps in one.
    Field(Box<Field>),
    /// The end of the pattern.
    Match,
}

/// Up to eight bytes, compared at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    pub(super) value: u64,
    pub(super) mask: u64,
    pub(super) len: usize,
    pub(super) first: u8,
}

impl Word {
    /// `None` if the text is empty or too long.
    pub(super) fn new(text: &[u8]) -> Option<Word> {
        let first = *text.first()?;
        let mut bytes = [0u8; 8];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        let mut mask = [0u8; 8];
        mask.get_mut(..text.len())?.fill(0xFF);
        Some(Word {
            value: u64::from_le_bytes(bytes),
            mask: u64::from_le_bytes(mask),
            len: text.len(),
            first,
        })
    }

    /// Whether the text stands at `at`.
    #[inline(always)]
    pub(super) fn is_at(&self, text: &[u8], at: usize) -> bool {
        if let Some(bytes) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            return u64::from_le_bytes(*bytes) & self.mask == self.value;
        }
        self.is_at_tail(text, at)
    }

    #[cold]
    fn is_at_tail(&self, text: &[u8], at: usize) -> bool {
        let bytes = self.value.to_le_bytes();
        text.get(at..)
            .is_some_and(|rest| rest.starts_with(bytes.get(..self.len).unwrap_or(&[])))
    }
}

/// A repeated class and what is known about how it can end.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) table: Box<[bool; 256]>,
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) greedy: bool,
    /// There is one end worth trying: as far as the class goes.
    pub(super) possessive: bool,
    /// As far as the class goes is the first end to try, and nothing behind it can fail.
    pub(super) to_end: bool,
    /// How to find where the class ends.
    pub(super) stop: Stop,
    /// What stands behind the run, if it is a literal.
    pub(super) literal: Option<Finder<'static>>,
}

/// How to find the first byte that is not in a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Any byte is in it.
    Never,
    /// Only this byte is not in it.
    At(u8),
    /// Look each byte up.
    Table,
}

impl Run {
    /// Length of the longest prefix of `rest` that is in the class, up to `limit` bytes.
    #[inline(always)]
    pub(super) fn longest(&self, rest: &[u8], limit: usize, one_line: bool) -> usize {
        let window = rest.get(..limit).unwrap_or(rest);
        match self.stop {
            Stop::Never => window.len(),
            Stop::At(b'\n') if one_line => window.len(),
            Stop::At(byte) => memchr::memchr(byte, window).unwrap_or(window.len()),
            Stop::Table => window
                .iter()
                .position(|byte| !self.table[usize::from(*byte)])
                .unwrap_or(window.len()),
        }
    }
}

/// A capture around one piece, and the literal behind it, as a single step.
#[derive(Debug)]
pub(super) struct Field {
    /// Slot of the start; that of the end is the next one.
    pub(super) slot: u32,
    pub(super) undo: bool,
    pub(super) body: Body,
    pub(super) word: Word,
    pub(super) next: u32,
    /// The same as separate steps, for when the shortcut does not decide.
    pub(super) slow: u32,
}

#[derive(Debug)]
pub(super) enum Body {
    Leaf(u32),
    /// A possessive run.
    Run(Box<Run>),
    /// As little as possible of anything, up to the literal behind it.
    Anything(Box<Finder<'static>>),
}

/// With what a match of the rest of the pattern, from some node on, can begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct First {
    pub(super) bytes: ByteSet,
    /// With any byte: the rest may be empty.
    pub(super) any: bool,
    /// With the end of the subject.
    pub(super) end: bool,
}

impl First {
    pub(super) fn extend(&mut self, other: &First) {
        self.bytes.extend(&other.bytes);
        self.any |= other.any;
        self.end |= other.end;
    }
}
