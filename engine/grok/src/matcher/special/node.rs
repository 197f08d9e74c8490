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
    /// A capture-free piece.
    Leaf(Piece),
    /// Note the position in a slot.
    Save { slot: u32, undo: bool },
    /// An assertion.
    Look(Look),
    /// One of several ways.
    Split(Split),
    /// Several steps in one.
    Field(Box<Field>),
    /// The end of the pattern.
    Match,
}

/// A leaf, and how its end is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// Index into the leaves.
    pub(super) leaf: u32,
    pub(super) way: Way,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// All ends are candidates.
    All,
    /// Nothing behind it fails, so the preferred end is the one.
    Preferred,
    /// By the tail of that number, which nearly always leaves one candidate.
    Tail(u32),
}

/// Branches in order of priority.
#[derive(Debug, Default)]
pub(super) struct Split {
    pub(super) branches: Box<[u32]>,
    /// By the byte that comes, or the end of the subject in the last place: a bit for each branch
    /// that may start there. Absent where branches are many.
    pub(super) open: Option<Box<[u8; 257]>>,
}

impl Split {
    pub(super) fn new(branches: Vec<u32>) -> Split {
        Split {
            branches: branches.into(),
            open: None,
        }
    }

    /// Notes which branches may start with what.
    pub(super) fn note_firsts(&mut self, firsts: &[First]) {
        if self.branches.len() > 8 {
            return;
        }
        let mut open = Box::new([0u8; 257]);
        for (number, branch) in self.branches.iter().enumerate() {
            let Some(first) = firsts.get(*branch as usize) else {
                return;
            };
            for byte in 0..=0xFFu8 {
                let may = first.any || first.bytes.contains(byte);
                open[usize::from(byte)] |= u8::from(may) << number;
            }
            open[256] |= u8::from(first.end) << number;
        }
        self.open = Some(open);
    }
}

/// Up to eight bytes, compared at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    pub(super) value: u64,
    pub(super) mask: u64,
    pub(super) len: usize,
}

impl Word {
    /// `None` if the text is empty or too long.
    pub(super) fn new(text: &[u8]) -> Option<Word> {
        if text.is_empty() {
            return None;
        }
        let mut bytes = [0u8; 8];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        let mut mask = [0u8; 8];
        mask.get_mut(..text.len())?.fill(0xFF);
        Some(Word {
            value: u64::from_le_bytes(bytes),
            mask: u64::from_le_bytes(mask),
            len: text.len(),
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
    /// The one byte that what stands behind the run can start with, if it is not the end of the
    /// subject.
    pub(super) follow: Option<u8>,
}

/// How to find the first byte that is not in a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Any byte is in it.
    Never,
    /// Only this byte is not in it.
    At(u8),
    /// Only these two are not in it.
    AtTwo(u8, u8),
    /// Look each byte up.
    Table,
}

impl Run {
    /// Length of the longest prefix of `window` that is in the class.
    #[inline(always)]
    pub(super) fn longest(&self, window: &[u8]) -> usize {
        match self.stop {
            Stop::Never => window.len(),
            Stop::At(byte) => memchr::memchr(byte, window).unwrap_or(window.len()),
            Stop::AtTwo(one, two) => memchr::memchr2(one, two, window).unwrap_or(window.len()),
            Stop::Table => window
                .iter()
                .position(|byte| !self.table[usize::from(*byte)])
                .unwrap_or(window.len()),
        }
    }
}

/// A capture around one piece, and the short literal behind it if there is one, as a single step.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) group: u32,
    pub(super) undo: bool,
    pub(super) body: Body,
    pub(super) word: Option<Word>,
    pub(super) next: u32,
    /// The same as separate steps, for when the shortcut does not decide: the first of them, the
    /// piece and what stands behind it.
    pub(super) slow: u32,
    pub(super) piece: u32,
    pub(super) behind: u32,
}

#[derive(Debug)]
pub(super) enum Body {
    Leaf(Piece),
    /// A run with one end worth trying.
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
    /// Whether all that `other` takes is taken here.
    pub(super) fn includes(&self, other: &First) -> bool {
        let mut both = *self;
        both.extend(other);
        both == *self
    }

    pub(super) fn extend(&mut self, other: &First) {
        self.bytes.extend(&other.bytes);
        self.any |= other.any;
        self.end |= other.end;
    }
}
