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
use super::leaf::{Before, Ends, WINDOW};
use super::node::{Body, Field, Op};
use crate::matcher::scratch::UNSET;

/// Work before the regex engine takes over, for any subject and more for each byte of it. It is
/// linear, the walk is not. A choice counts one, and so does looking at some bytes.
const WORK_LIMIT: usize = 600;
const WORK_PER_BYTE_SHIFT: u32 = 4;

/// Subjects whose answer a pattern remembers, and their longest.
const ANSWERS: usize = 512;
const ANSWER_BYTES_MAX: usize = 128;

/// Choices open at a time, each a frame on the stack.
const DEPTH_LIMIT: u32 = 200;

/// The walk does not decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GiveUp;

type Found = Result<bool, GiveUp>;

/// What a program keeps from search to search on one worker.
#[derive(Debug)]
pub(in crate::matcher) struct Memory {
    /// Answers by subject: paths and messages come again, whole lines do not.
    pub(in crate::matcher) answers: Memo<Answer>,
    /// Serial number of the search; entries of earlier searches are stale.
    search: u32,
    leaves: Box<[LeafMemory]>,
    undo: Vec<(u32, u32)>,
    ends: Vec<u32>,
}

/// The answer to a subject.
#[derive(Debug, Default, Clone)]
pub(in crate::matcher) struct Answer {
    pub(in crate::matcher) matched: bool,
    pub(in crate::matcher) slots: Vec<u32>,
}

impl Default for Memory {
    fn default() -> Self {
        Memory {
            answers: Memo::new(ANSWERS, ANSWER_BYTES_MAX),
            search: 0,
            leaves: Box::default(),
            undo: Vec::new(),
            ends: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct LeafMemory {
    /// In this search: where the leaf was last asked, and its answer.
    search: u32,
    at: u32,
    ends: Ends,
    /// For leaves whose text repeats: the last text looked at and its answer.
    text: [u8; WINDOW + 1],
    before: Before,
    kept: Ends,
}

impl Default for LeafMemory {
    fn default() -> Self {
        LeafMemory {
            search: 0,
            at: 0,
            ends: Ends::default(),
            text: [0; WINDOW + 1],
            before: Before::Nothing,
            kept: Ends::default(),
        }
    }
}

impl Memory {
    fn begin(&mut self, leaves: usize) {
        if self.leaves.len() != leaves {
            self.leaves = vec![LeafMemory::default(); leaves].into();
        }
        if self.search == u32::MAX {
            self.leaves.iter_mut().for_each(|leaf| leaf.search = 0);
            self.search = 0;
        }
        self.search += 1;
    }
}

pub(super) struct Walk<'a> {
    pub(super) special: &'a Special,
    pub(super) text: &'a [u8],
    /// The subject has no line feed.
    one_line: bool,
    slots: &'a mut [u32],
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
    pub(super) fn new(
        special: &'a Special,
        text: &'a [u8],
        slots: &'a mut [u32],
        memory: &'a mut Memory,
    ) -> Walk<'a> {
        memory.begin(special.leaves.len());
        Walk {
            special,
            text,
            one_line: memchr::memchr(b'\n', text).is_none(),
            slots,
            memory,
            left: WORK_LIMIT + (text.len() >> WORK_PER_BYTE_SHIFT),
            depth: 0,
        }
    }

    /// Whether the pattern matches from `at`; the slots are set if it does.
    pub(super) fn try_at(&mut self, at: usize) -> Found {
        self.memory.undo.clear();
        self.slots.fill(UNSET);
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

    #[inline(always)]
    fn set(&mut self, slot: u32, at: usize, undo: bool) {
        if let Some(place) = self.slots.get_mut(slot as usize) {
            if undo {
                self.memory.undo.push((slot, *place));
            }
            *place = at as u32;
        }
    }

    /// Tries one choice: goes on at `node`, and takes everything back if that fails.
    fn choose(&mut self, node: u32, at: usize) -> Found {
        self.work(0, Pace::Slow)?;
        if self.depth >= DEPTH_LIMIT {
            return Err(GiveUp);
        }
        let mark = self.memory.undo.len();
        self.depth += 1;
        let found = self.go(node, at)?;
        self.depth -= 1;
        if !found {
            self.undo(mark);
        }
        Ok(found)
    }

    fn undo(&mut self, mark: usize) {
        while self.memory.undo.len() > mark {
            let Some((slot, old)) = self.memory.undo.pop() else {
                return;
            };
            if let Some(place) = self.slots.get_mut(slot as usize) {
                *place = old;
            }
        }
    }

    /// Goes on from a node until the end of the pattern or a dead end.
    fn go(&mut self, mut node: u32, mut at: usize) -> Found {
        let special = self.special;
        while let Some(current) = special.nodes.get(node as usize) {
            let next = current.next;
            let step = match &current.op {
                Op::Field(field) => self.field(field, at)?,
                Op::Word(word) => Step::when(word.is_at(self.text, at), next, at + word.len),
                Op::Literal(literal) => {
                    let rest = self.text.get(at..).unwrap_or_default();
                    Step::when(rest.starts_with(literal), next, at + literal.len())
                }
                Op::Save { slot, undo } => {
                    self.set(*slot, at, *undo);
                    Step::On(next, at)
                }
                Op::Look(look) => Step::when(self.looks(*look, at), next, at),
                Op::Run(run) => self.run(run, next, at)?,
                Op::Leaf(leaf) => self.leaf(*leaf, next, at)?,
                Op::Split(branches) => self.split(branches, at)?,
                Op::Match => return Ok(true),
            };
            match step {
                Step::On(to, then) => (node, at) = (to, then),
                Step::Fail => return Ok(false),
                Step::Found => return Ok(true),
            }
        }
        Err(GiveUp)
    }

    #[inline]
    fn split(&mut self, branches: &[u32], at: usize) -> Result<Step, GiveUp> {
        // The last branch that can start here needs no return.
        let mut open = None;
        for branch in branches {
            if !self.may_start(*branch, at) {
                continue;
            }
            if let Some(earlier) = open.replace(*branch)
                && self.choose(earlier, at)?
            {
                return Ok(Step::Found);
            }
        }
        Ok(open.map_or(Step::Fail, |branch| Step::On(branch, at)))
    }

    /// A field in one step: a single end, then its literal. Anything less clear goes the slow way.
    #[inline]
    fn field(&mut self, field: &Field, at: usize) -> Result<Step, GiveUp> {
        let slow = Ok(Step::On(field.slow, at));
        let end = match &field.body {
            Body::Leaf(leaf) => {
                let ends = self.ends(*leaf, at);
                if ends.open {
                    return slow;
                }
                let mut open = ends.bits & self.positions(at, field.word.first, ends.bits);
                if open & open.wrapping_sub(1) != 0 && field.word.len > 1 {
                    open = self.filter(open, |walk, end| field.word.is_at(walk.text, at + end));
                }
                if open & open.wrapping_sub(1) != 0 {
                    return slow;
                }
                if open == 0 {
                    return Ok(Step::Fail);
                }
                at + open.trailing_zeros() as usize
            }
            Body::Run(run) => {
                let rest = self.text.get(at..).unwrap_or_default();
                let length = run.longest(rest, usize::MAX, self.one_line);
                self.work(length, run.pace())?;
                if length < run.min {
                    return Ok(Step::Fail);
                }
                at + length
            }
            Body::Anything(literal) => return self.anything(field, literal, at),
        };
        if !field.word.is_at(self.text, end) {
            return Ok(Step::Fail);
        }
        self.set(field.slot, at, field.undo);
        self.set(field.slot + 1, end, field.undo);
        Ok(Step::On(field.next, end + field.word.len))
    }

    fn filter(&self, mut open: u64, keep: impl Fn(&Self, usize) -> bool) -> u64 {
        let mut kept = 0;
        while open != 0 {
            let end = open.trailing_zeros();
            open &= open - 1;
            if keep(self, end as usize) {
                kept |= 1 << end;
            }
        }
        kept
    }

    /// `.*?` and the literal behind it: the first place where the literal stands, unless the rest
    /// fails there.
    #[inline]
    fn anything(
        &mut self,
        field: &Field,
        literal: &memchr::memmem::Finder<'_>,
        at: usize,
    ) -> Result<Step, GiveUp> {
        let rest = self.text.get(at..).unwrap_or_default();
        let Some(length) = literal.find(rest) else {
            self.work(rest.len(), Pace::Fast)?;
            return Ok(Step::Fail);
        };
        self.work(length, Pace::Fast)?;
        if !self.one_line {
            return Ok(Step::On(field.slow, at));
        }
        let end = at + length;
        let again = rest.get(length + 1..).and_then(|more| literal.find(more));
        self.work(again.unwrap_or(rest.len() - length), Pace::Fast)?;
        let mark = self.memory.undo.len();
        self.set(field.slot, at, field.undo);
        self.set(field.slot + 1, end, field.undo);
        if again.is_none() {
            return Ok(Step::On(field.next, end + field.word.len));
        }
        if self.choose(field.next, end + field.word.len)? {
            return Ok(Step::Found);
        }
        self.undo(mark);
        Ok(Step::On(field.slow, at))
    }

    /// Offsets up to the highest bit of `of` at which `byte` stands behind `at`.
    #[inline(always)]
    fn positions(&self, at: usize, byte: u8, of: u64) -> u64 {
        let rest = self.text.get(at..).unwrap_or_default();
        let words = (64 - of.leading_zeros() as usize).div_ceil(8);
        let mut found = 0u64;
        for (index, chunk) in rest.chunks(8).take(words).enumerate() {
            let mut bytes = [!byte; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            found |= equal_bytes(u64::from_le_bytes(bytes), byte) << (8 * index);
        }
        found
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

/// What comes of one node.
enum Step {
    /// Go on at this node and position.
    On(u32, usize),
    Fail,
    /// A choice went all the way.
    Found,
}

impl Step {
    #[inline(always)]
    fn when(ok: bool, next: u32, at: usize) -> Step {
        if ok { Step::On(next, at) } else { Step::Fail }
    }
}

/// One bit for each byte of `word` that equals `byte`, lowest first.
#[inline(always)]
fn equal_bytes(word: u64, byte: u8) -> u64 {
    const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    let differs = word ^ (u64::from(byte) * 0x0101_0101_0101_0101);
    let zero = !(((differs & LOW) + LOW) | differs | LOW);
    (zero >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_are_found_wherever_they_stand() {
        for mask in 0..=255u64 {
            let bytes: [u8; 8] = std::array::from_fn(|i| {
                if mask >> i & 1 == 1 {
                    b'x'
                } else {
                    b'x' ^ (1 << i)
                }
            });
            assert_eq!(equal_bytes(u64::from_le_bytes(bytes), b'x'), mask);
        }
    }
}
