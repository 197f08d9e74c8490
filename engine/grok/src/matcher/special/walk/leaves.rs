//! Leaves: their ends, and which of them to go on from.

use super::{GiveUp, Pace, Step, Walk, Way};
use crate::matcher::special::leaf::{Before, Ends, WINDOW};
use crate::matcher::special::node::Piece;
use crate::matcher::special::tail::{Only, Tail};

/// Ends of one leaf to choose from when they do not fit the window.
const END_LIMIT: usize = 64;

/// What is remembered of a leaf within one search.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LeafMemory {
    /// Where all ends were last asked for, and the answer.
    all_search: u32,
    all_at: u32,
    all: Ends,
    /// The same of the only end, and the number of the tail that answered.
    search: u32,
    at: u32,
    tail: u32,
    only: Option<u32>,
}

impl LeafMemory {
    pub(super) fn forget(&mut self) {
        (self.all_search, self.search) = (0, 0);
    }
}

/// For leaves whose text repeats from subject to subject: the last text looked at and its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct TailMemory {
    text: [u8; WINDOW],
    /// Length of the text; 0 if there is none.
    looked: u8,
    before: Before,
    only: Option<u8>,
}

impl Default for TailMemory {
    fn default() -> Self {
        TailMemory {
            text: [0; WINDOW],
            looked: 0,
            before: Before::Nothing,
            only: None,
        }
    }
}

impl TailMemory {
    /// The end, if the text looks as it did.
    #[inline(always)]
    fn known(&self, rest: &[u8], before: Before) -> Option<Only> {
        let looked = usize::from(self.looked);
        let text = self.text.get(..looked)?;
        let is_same = looked > 0 && self.before == before && rest.get(..looked)? == text;
        is_same.then(|| match self.only {
            Some(end) => Only::At(usize::from(end)),
            None => Only::No,
        })
    }

    #[cold]
    fn keep(&mut self, looked: &[u8], before: Before, only: Only) {
        let (Some(text), Ok(length)) = (
            self.text.get_mut(..looked.len()),
            u8::try_from(looked.len()),
        ) else {
            return;
        };
        text.copy_from_slice(looked);
        self.only = match only {
            Only::At(end) => u8::try_from(end).ok(),
            _ => None,
        };
        (self.looked, self.before) = (length, before);
    }
}

impl Walk<'_> {
    /// Where a leaf ends, if there is one candidate.
    #[inline(always)]
    pub(super) fn only_end(&mut self, piece: &Piece, at: usize) -> Result<Only, GiveUp> {
        match piece.way {
            Way::Tail(number) => self.tail_end(piece.leaf, number, at),
            Way::Preferred => match self.preferred(piece.leaf, at)? {
                Some(Some(end)) => Ok(Only::At(end)),
                Some(None) => Ok(Only::No),
                None => Ok(Only::Open),
            },
            Way::All => Ok(Only::Open),
        }
    }

    #[inline]
    fn tail_end(&mut self, leaf: u32, number: u32, at: usize) -> Result<Only, GiveUp> {
        let Some(tailed) = self.special.tails.get(number as usize) else {
            return Err(GiveUp);
        };
        let search = self.memory.search;
        if tailed.is_shared
            && let Some(known) = self.memory.leaves.get(leaf as usize)
            && known.search == search
            && known.at == at as u32
            && known.tail < 64
            && tailed.served_by >> known.tail & 1 == 1
        {
            return Ok(match known.only {
                Some(end) => Only::At(end as usize),
                None => Only::No,
            });
        }
        let only = if tailed.repeats {
            self.repeated_end(&tailed.tail, number, at)
        } else {
            let looked = tailed.tail.look(self.rest(at), Before::of(self.text, at));
            self.looked(looked.bytes, Pace::Slow)?;
            looked.only
        };
        let (only, end) = match only {
            Only::At(length) => (Only::At(at + length), Some((at + length) as u32)),
            Only::No => (Only::No, None),
            Only::Open => return Ok(Only::Open),
        };
        if tailed.is_shared
            && let Some(known) = self.memory.leaves.get_mut(leaf as usize)
        {
            (known.search, known.at) = (search, at as u32);
            (known.tail, known.only) = (number, end);
        }
        Ok(only)
    }

    #[inline]
    fn repeated_end(&mut self, tail: &Tail, number: u32, at: usize) -> Only {
        let (rest, before) = (self.rest(at), Before::of(self.text, at));
        let Some(memory) = self.memory.tails.get_mut(number as usize) else {
            return Only::Open;
        };
        if let Some(known) = memory.known(rest, before) {
            return known;
        }
        // Past the window it is for others to decide.
        let window = rest.get(..WINDOW).unwrap_or(rest);
        let looked = tail.look(window, before);
        if looked.at_end && rest.len() > WINDOW {
            return Only::Open;
        }
        if !looked.at_end && looked.only != Only::Open {
            memory.keep(
                window.get(..looked.bytes).unwrap_or_default(),
                before,
                looked.only,
            );
        }
        looked.only
    }

    /// Several ends may lead on: the preferred one first, the others later.
    pub(super) fn ends_in_order(
        &mut self,
        leaf: u32,
        node: u32,
        next: u32,
        at: usize,
    ) -> Result<Step, GiveUp> {
        match self.preferred(leaf, at)? {
            Some(None) => Ok(None),
            Some(Some(end)) if self.may_start(next, end) => {
                self.leave(node, at, end as u32)?;
                Ok(Some((next, end)))
            }
            Some(Some(end)) => self.other_ends(leaf, next, at, Some(end)),
            None => self.other_ends(leaf, next, at, None),
        }
    }

    /// Ends that the next node can start at, but for the one that was tried. Their order is not
    /// known, which does not matter if only one leads on.
    pub(super) fn other_ends(
        &mut self,
        leaf: u32,
        next: u32,
        at: usize,
        tried: Option<usize>,
    ) -> Result<Step, GiveUp> {
        let all = self.all_ends(leaf, at)?;
        if all.open {
            return self.other_ends_far(leaf, next, at, tried);
        }
        let (mut ends, mut count) = ([0usize; 64], 0);
        let mut bits = all.bits;
        while bits != 0 {
            let end = at + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            if Some(end) != tried && self.may_start(next, end) {
                ends[count & 63] = end;
                count += 1;
            }
        }
        self.only_one(next, ends.get(..count).unwrap_or_default())
    }

    /// All ends of a leaf within the window.
    fn all_ends(&mut self, leaf: u32, at: usize) -> Result<Ends, GiveUp> {
        let (Some(automaton), Some(memory)) = (
            self.special.leaves.get(leaf as usize),
            self.memory.leaves.get_mut(leaf as usize),
        ) else {
            return Err(GiveUp);
        };
        if memory.all_search != self.memory.search || memory.all_at != at as u32 {
            memory.all = automaton.ends(self.text, at, Before::of(self.text, at));
            (memory.all_search, memory.all_at) = (self.memory.search, at as u32);
        }
        Ok(memory.all)
    }

    /// The same for a leaf that runs past the window.
    #[cold]
    fn other_ends_far(
        &mut self,
        leaf: u32,
        next: u32,
        at: usize,
        tried: Option<usize>,
    ) -> Result<Step, GiveUp> {
        let Some(automaton) = self.special.leaves.get(leaf as usize) else {
            return Err(GiveUp);
        };
        self.work(self.rest(at).len(), Pace::Slow)?;
        let mut ends = std::mem::take(&mut self.memory.ends);
        ends.clear();
        automaton.all_ends(self.text, at, Before::of(self.text, at), |end| {
            if Some(end) != tried && self.may_start(next, end) {
                ends.push(end as u32);
            }
        });
        let far: Vec<usize> = ends
            .iter()
            .take(END_LIMIT + 1)
            .map(|end| *end as usize)
            .collect();
        self.memory.ends = ends;
        if far.len() > END_LIMIT {
            return Err(GiveUp);
        }
        self.only_one(next, &far)
    }

    /// The end that comes first in order; `None` if that cannot be told.
    fn preferred(&mut self, leaf: u32, at: usize) -> Result<Option<Option<usize>>, GiveUp> {
        let automaton = self.special.leaves.get(leaf as usize).ok_or(GiveUp)?;
        let before = Before::of(self.text, at);
        let Some((end, looked)) = automaton.preferred_end(self.text, at, before) else {
            return Ok(None);
        };
        self.looked(looked, Pace::Slow)?;
        Ok(Some(end))
    }

    /// Of several ends whose order is not known: the one that leads on, if it is alone.
    fn only_one(&mut self, next: u32, ends: &[usize]) -> Result<Step, GiveUp> {
        if let [end] = ends {
            return Ok(Some((next, *end)));
        }
        let mut only = None;
        for end in ends {
            if self.leads_on(next, *end)? && only.replace(*end).is_some() {
                return Err(GiveUp);
            }
        }
        Ok(only.map(|end| (next, end)))
    }
}
