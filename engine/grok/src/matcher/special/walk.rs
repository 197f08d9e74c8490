//! Walking a pattern over a subject.
//!
//! Paths are tried in order of priority, with backtracking, so the first that reaches the end is
//! the leftmost-first match from its start. Every shortcut drops only paths that cannot succeed, or
//! picks where there is one choice. Whatever would take long or is not decided ends in [`GiveUp`],
//! and the regex engine answers instead.

mod leaves;
mod runs;

use overspill_memo::Memo;
use regex_syntax::hir::Look;

use super::Special;
use super::leaf::Before;
use super::node::{Body, Field, Op, Split, Way};
use super::tail::Only;
use crate::matcher::scratch::{Slots, UNSET};
use leaves::{LeafMemory, TailMemory};

/// Work before the regex engine takes over, for any subject and more for each byte of it. It is
/// linear, the walk is not. A choice counts one, and so does looking at some bytes.
const WORK_LIMIT: usize = 600;
const WORK_PER_BYTE_SHIFT: u32 = 4;

/// Subjects whose answer a pattern remembers, and their longest.
const ANSWERS: usize = 512;
const ANSWER_BYTES_MAX: usize = 128;

/// Walks inside each other, to see which of several ends lead on; each takes stack.
const DEPTH_LIMIT: u32 = 20;

/// The walk does not decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GiveUp;

type Found = Result<bool, GiveUp>;

/// Where to go on, if there is a way.
type Step = Option<(u32, usize)>;

/// What a program keeps from search to search on one worker.
#[derive(Debug)]
pub(in crate::matcher) struct Memory {
    /// Answers by subject: paths and messages come again, whole lines do not.
    pub(in crate::matcher) answers: Memo<Answer>,
    /// Serial number of the search; entries of earlier searches are stale.
    search: u32,
    leaves: Box<[LeafMemory]>,
    tails: Box<[TailMemory]>,
    /// What is left to try, the next one last.
    open: Vec<Open>,
    undo: Vec<(u32, Slots)>,
    ends: Vec<u32>,
}

/// The answer to a subject.
#[derive(Debug, Default, Clone)]
pub(in crate::matcher) struct Answer {
    pub(in crate::matcher) matched: bool,
    pub(in crate::matcher) slots: Vec<Slots>,
}

/// A choice that was not taken yet.
#[derive(Debug, Clone, Copy)]
struct Open {
    node: u32,
    at: u32,
    /// For a node that has several ends: what was tried. [`WHOLE`] for one not begun.
    tried: u32,
    /// Length of the undo log when the other choice was taken.
    mark: u32,
}

/// The node is to be taken from its beginning.
const WHOLE: u32 = u32::MAX;

impl Default for Memory {
    fn default() -> Self {
        Memory {
            answers: Memo::new(ANSWERS, ANSWER_BYTES_MAX),
            search: 0,
            leaves: Box::default(),
            tails: Box::default(),
            open: Vec::new(),
            undo: Vec::new(),
            ends: Vec::new(),
        }
    }
}

impl Memory {
    #[inline]
    fn begin(&mut self, special: &Special) {
        if self.leaves.len() != special.leaves.len() || self.tails.len() != special.tails.len() {
            self.leaves = vec![LeafMemory::default(); special.leaves.len()].into();
            self.tails = vec![TailMemory::default(); special.tails.len()].into();
        }
        if self.search == u32::MAX {
            self.leaves.iter_mut().for_each(LeafMemory::forget);
            self.search = 0;
        }
        self.search += 1;
    }
}

pub(super) struct Walk<'a> {
    pub(super) special: &'a Special,
    pub(super) text: &'a [u8],
    /// Whether the subject has no line feed, once that was asked.
    one_line: Option<bool>,
    slots: &'a mut [Slots],
    memory: &'a mut Memory,
    /// Work left to do.
    left: usize,
    depth: u32,
}

/// How bytes are looked at: how many make one unit of work, as a power of two.
#[derive(Debug, Clone, Copy)]
enum Pace {
    /// By an automaton or a table.
    Slow = 5,
    /// By a vectorised search.
    Fast = 8,
}

impl<'a> Walk<'a> {
    /// A walk whose slots are unset.
    #[inline]
    pub(super) fn new(
        special: &'a Special,
        text: &'a [u8],
        slots: &'a mut [Slots],
        memory: &'a mut Memory,
    ) -> Walk<'a> {
        memory.begin(special);
        Walk {
            special,
            text,
            one_line: None,
            slots,
            memory,
            left: WORK_LIMIT + (text.len() >> WORK_PER_BYTE_SHIFT),
            depth: 0,
        }
    }

    /// Unsets what an earlier attempt left.
    pub(super) fn again(&mut self) {
        self.slots.fill([UNSET; 2]);
    }

    /// Whether the pattern matches from `at`; the slots, which are unset before, are set if it
    /// does.
    #[inline]
    pub(super) fn try_at(&mut self, at: usize) -> Found {
        self.memory.undo.clear();
        self.memory.open.clear();
        self.depth = 0;
        self.work(0, Pace::Slow)?;
        self.go(self.special.start, at)
    }

    /// Whether a match of what begins at `node` may start at `at`.
    #[inline(always)]
    pub(super) fn may_start(&self, node: u32, at: usize) -> bool {
        let Some(first) = self.special.firsts.get(node as usize) else {
            return false;
        };
        match self.text.get(at) {
            Some(byte) => first.any || first.bytes.contains(*byte),
            None => first.end,
        }
    }

    #[inline(always)]
    fn rest(&self, at: usize) -> &'a [u8] {
        self.text.get(at..).unwrap_or_default()
    }

    /// Whether the subject has no line feed.
    #[inline(always)]
    fn is_one_line(&mut self) -> bool {
        let text = self.text;
        *self
            .one_line
            .get_or_insert_with(|| memchr::memchr(b'\n', text).is_none())
    }

    /// Counts one unit of work and those of looking at `bytes`.
    #[inline(always)]
    fn work(&mut self, bytes: usize, pace: Pace) -> Result<(), GiveUp> {
        match self.left.checked_sub(1 + (bytes >> pace as u32)) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(GiveUp),
        }
    }

    /// Counts the work of looking at `bytes`. A few are free: where the pattern repeats, each time
    /// counts for itself.
    #[inline(always)]
    fn looked(&mut self, bytes: usize, pace: Pace) -> Result<(), GiveUp> {
        if bytes >> pace as u32 == 0 {
            return Ok(());
        }
        self.work(bytes, pace)
    }

    /// Notes a group.
    #[inline(always)]
    fn note(&mut self, group: u32, start: usize, end: usize, undo: bool) {
        if let Some(place) = self.slots.get_mut(group as usize) {
            let old = std::mem::replace(place, [start as u32, end as u32]);
            if undo {
                self.note_old(group, old);
            }
        }
    }

    /// Notes the start or the end of a group.
    #[inline(always)]
    fn set(&mut self, slot: u32, at: usize, undo: bool) {
        if let Some(place) = self.slots.get_mut(slot as usize / 2) {
            let old = *place;
            place[slot as usize % 2] = at as u32;
            if undo {
                self.note_old(slot / 2, old);
            }
        }
    }

    /// Where nothing is left to try nobody will want it back.
    #[inline(always)]
    fn note_old(&mut self, group: u32, old: Slots) {
        if !self.memory.open.is_empty() || self.depth > 0 {
            self.memory.undo.push((group, old));
        }
    }

    /// Leaves a choice for later.
    #[inline(always)]
    fn leave(&mut self, node: u32, at: usize, tried: u32) -> Result<(), GiveUp> {
        self.work(0, Pace::Slow)?;
        let mark = self.memory.undo.len() as u32;
        let at = at as u32;
        self.memory.open.push(Open {
            node,
            at,
            tried,
            mark,
        });
        Ok(())
    }

    /// The choice that was left last, down to `base`; takes back what was noted since.
    fn back(&mut self, base: usize) -> Result<Step, GiveUp> {
        while self.memory.open.len() > base {
            let Some(open) = self.memory.open.pop() else {
                break;
            };
            self.undo(open.mark as usize);
            if open.tried == WHOLE {
                return Ok(Some((open.node, open.at as usize)));
            }
            let step = self.resume(open)?;
            if step.is_some() {
                return Ok(step);
            }
        }
        Ok(None)
    }

    /// Goes on with a node one end of which led nowhere.
    fn resume(&mut self, open: Open) -> Result<Step, GiveUp> {
        let special = self.special;
        let Some(node) = special.nodes.get(open.node as usize) else {
            return Err(GiveUp);
        };
        let (at, tried) = (open.at as usize, open.tried as usize);
        match &node.op {
            Op::Run(run) => self.run_on(run, open.node, node.next, at, tried),
            Op::Leaf(piece) => self.other_ends(piece.leaf, node.next, at, Some(tried)),
            Op::Field(field) => self.anything(field, open.node, at, tried),
            _ => Err(GiveUp),
        }
    }

    /// Whether one choice leads to the end of the pattern; apart from what else is left to try.
    fn leads_on(&mut self, node: u32, at: usize) -> Found {
        self.work(0, Pace::Slow)?;
        if self.depth >= DEPTH_LIMIT {
            return Err(GiveUp);
        }
        let (mark, base) = (self.memory.undo.len(), self.memory.open.len());
        self.depth += 1;
        let found = self.go(node, at)?;
        self.depth -= 1;
        self.memory.open.truncate(base);
        self.undo(mark);
        Ok(found)
    }

    fn undo(&mut self, mark: usize) {
        while self.memory.undo.len() > mark {
            let Some((group, old)) = self.memory.undo.pop() else {
                return;
            };
            if let Some(place) = self.slots.get_mut(group as usize) {
                *place = old;
            }
        }
    }

    /// Goes on from a node until the end of the pattern, or until nothing is left to try of what
    /// was left since it began.
    fn go(&mut self, mut node: u32, mut at: usize) -> Found {
        let special = self.special;
        let base = self.memory.open.len();
        while let Some(current) = special.nodes.get(node as usize) {
            let next = current.next;
            let step = match &current.op {
                Op::Field(field) => self.field(field, node, at)?,
                Op::Word(word) => word.is_at(self.text, at).then_some((next, at + word.len)),
                Op::Literal(literal) => {
                    let is_there = self.rest(at).starts_with(literal);
                    is_there.then_some((next, at + literal.len()))
                }
                Op::Save { slot, undo } => {
                    self.set(*slot, at, *undo);
                    Some((next, at))
                }
                Op::Look(look) => self.looks(*look, at).then_some((next, at)),
                Op::Split(split) => self.split(split, at)?,
                Op::Run(run) => self.run(run, node, next, at)?,
                Op::Leaf(piece) => match self.only_end(piece, at)? {
                    Only::At(end) => Some((next, end)),
                    Only::No => None,
                    Only::Open => self.ends_in_order(piece.leaf, node, next, at)?,
                },
                Op::Match => return Ok(true),
            };
            (node, at) = match step {
                Some(step) => step,
                None => match self.back(base)? {
                    Some(step) => step,
                    None => return Ok(false),
                },
            };
        }
        Err(GiveUp)
    }

    #[inline(always)]
    fn split(&mut self, split: &Split, at: usize) -> Result<Step, GiveUp> {
        let Some(table) = &split.open else {
            return self.many(split, at);
        };
        self.work(0, Pace::Slow)?;
        let mut open = match self.text.get(at) {
            Some(byte) => table[usize::from(*byte)],
            None => table[256],
        };
        // The last that may start is tried last.
        while open & open.wrapping_sub(1) != 0 {
            let last = 7 - open.leading_zeros();
            open &= !(1 << last);
            let branch = split.branches.get(last as usize).copied();
            self.leave(branch.ok_or(GiveUp)?, at, WHOLE)?;
        }
        let first = split.branches.get(open.trailing_zeros() as usize);
        Ok(first.map(|branch| (*branch, at)))
    }

    #[cold]
    fn many(&mut self, split: &Split, at: usize) -> Result<Step, GiveUp> {
        self.work(0, Pace::Slow)?;
        let mut open = None;
        for branch in split.branches.iter().rev() {
            if !self.may_start(*branch, at) {
                continue;
            }
            if let Some(later) = open.replace(*branch) {
                self.leave(later, at, WHOLE)?;
            }
        }
        Ok(open.map(|branch| (branch, at)))
    }

    /// A field in one step: a single end, then its literal. Anything less clear goes the slow way.
    #[inline(always)]
    fn field(&mut self, field: &Field, node: u32, at: usize) -> Result<Step, GiveUp> {
        let end = match &field.body {
            Body::Leaf(piece) => match self.only_end(piece, at)? {
                Only::At(end) => end,
                Only::No => return Ok(None),
                Only::Open => {
                    self.set(2 * field.group, at, field.undo);
                    return self.ends_in_order(piece.leaf, field.piece, field.behind, at);
                }
            },
            Body::Run(run) => {
                let rest = self.rest(at);
                let length = self.longest(run, rest);
                self.looked(length, run.pace())?;
                if length < run.min {
                    return Ok(None);
                }
                at + length
            }
            Body::Anything(_) => return self.anything(field, node, at, 0),
        };
        let mut then = end;
        if let Some(word) = &field.word {
            if !word.is_at(self.text, end) {
                return Ok(None);
            }
            then += word.len;
        }
        self.note(field.group, at, end, field.undo);
        Ok(Some((field.next, then)))
    }

    /// `.*?` and the literal behind it: the first place from `from` on where the literal stands,
    /// unless the rest fails there.
    #[inline]
    fn anything(
        &mut self,
        field: &Field,
        node: u32,
        at: usize,
        from: usize,
    ) -> Result<Step, GiveUp> {
        let (Body::Anything(literal), Some(word)) = (&field.body, &field.word) else {
            return Err(GiveUp);
        };
        if !self.is_one_line() {
            return Ok(Some((field.slow, at)));
        }
        let rest = self.rest(at + from);
        let Some(found) = literal.find(rest) else {
            self.looked(rest.len(), Pace::Fast)?;
            return Ok(None);
        };
        self.looked(found, Pace::Fast)?;
        let length = from + found;
        self.leave(node, at, length as u32 + 1)?;
        self.note(field.group, at, at + length, field.undo);
        Ok(Some((field.next, at + length + word.len)))
    }

    fn looks(&self, look: Look, at: usize) -> bool {
        let before = Before::of(self.text, at);
        let after = self.text.get(at);
        let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        match look {
            Look::Start => at == 0,
            Look::End => after.is_none(),
            Look::StartLF => matches!(before, Before::Nothing | Before::LineFeed),
            Look::EndLF => after.is_none_or(|byte| *byte == b'\n'),
            Look::WordAscii => (before == Before::Word) != after.is_some_and(word),
            _ => (before == Before::Word) == after.is_some_and(word),
        }
    }

    /// Not inside a character.
    #[inline(always)]
    fn is_boundary(&self, at: usize) -> bool {
        self.text
            .get(at)
            .is_none_or(|byte| !(0x80..0xC0).contains(byte))
    }
}
