//! Leaves: their ends, and which of them to go on from.

use super::{GiveUp, Pace, Step, Walk};
use crate::matcher::special::leaf::{Before, Ends};

/// Ends of one leaf to choose from when they do not fit the window.
const END_LIMIT: usize = 64;

impl Walk<'_> {
    /// All ends of a leaf from `at`, remembered.
    #[inline]
    pub(super) fn ends(&mut self, leaf: u32, at: usize) -> Ends {
        let (Some(automaton), Some(memory)) = (
            self.special.leaves.get(leaf as usize),
            self.memory.leaves.get_mut(leaf as usize),
        ) else {
            return Ends {
                open: true,
                ..Ends::default()
            };
        };
        if memory.search == self.memory.search && memory.at == at as u32 {
            return memory.ends;
        }
        let before = Before::of(self.text, at);
        let rest = self.text.get(at..).unwrap_or_default();
        let looked = usize::from(memory.kept.looked);
        let ends = if automaton.repeats
            && looked > 0
            && before == memory.before
            && rest
                .get(..looked)
                .is_some_and(|text| text == &memory.text[..looked])
        {
            memory.kept
        } else {
            let ends = automaton.ends(self.text, at, before);
            if automaton.repeats && !ends.open && !ends.at_end {
                let looked = usize::from(ends.looked);
                memory.text[..looked].copy_from_slice(&rest[..looked]);
                memory.before = before;
                memory.kept = ends;
            }
            ends
        };
        memory.search = self.memory.search;
        memory.at = at as u32;
        memory.ends = ends;
        ends
    }

    /// A leaf by itself: ends that the next node can start at, the preferred one first.
    pub(super) fn leaf(&mut self, leaf: u32, next: u32, at: usize) -> Result<Step, GiveUp> {
        let ends = self.ends(leaf, at);
        if ends.open {
            return self.long_leaf(leaf, next, at);
        }
        let mut open = self.filter(ends.bits, |walk, end| walk.may_start(next, at + end));
        if open & open.wrapping_sub(1) != 0 {
            let preferred = self
                .preferred(leaf, at)?
                .map(|end| end - at)
                .filter(|end| *end < 64);
            if let Some(bit) = preferred
                .map(|end| 1u64 << end)
                .filter(|bit| open & bit != 0)
            {
                if self.choose(next, at + bit.trailing_zeros() as usize)? {
                    return Ok(Step::Found);
                }
                open &= !bit;
            }
        }
        if open == 0 {
            return Ok(Step::Fail);
        }
        if open & (open - 1) == 0 {
            return Ok(Step::On(next, at + open.trailing_zeros() as usize));
        }
        // Their order is not known, which does not matter if only one leads on.
        let mut ends = [0usize; 64];
        let mut count = 0;
        while open != 0 {
            ends[count] = at + open.trailing_zeros() as usize;
            open &= open - 1;
            count += 1;
        }
        self.only_one(next, ends.get(..count).unwrap_or_default())
    }

    /// A leaf that runs past the window.
    #[cold]
    fn long_leaf(&mut self, leaf: u32, next: u32, at: usize) -> Result<Step, GiveUp> {
        let Some(automaton) = self.special.leaves.get(leaf as usize) else {
            return Err(GiveUp);
        };
        self.work(self.text.len() - at.min(self.text.len()), Pace::Slow)?;
        let mut ends = std::mem::take(&mut self.memory.ends);
        ends.clear();
        automaton.all_ends(self.text, at, Before::of(self.text, at), |end| {
            if self.may_start(next, end) {
                ends.push(end as u32);
            }
        });
        let found = self.long_ends(leaf, next, at, &mut ends);
        self.memory.ends = ends;
        found
    }

    fn long_ends(
        &mut self,
        leaf: u32,
        next: u32,
        at: usize,
        ends: &mut Vec<u32>,
    ) -> Result<Step, GiveUp> {
        if ends.len() > 1
            && let Some(preferred) = self.preferred(leaf, at)?
            && let Ok(index) = ends.binary_search(&(preferred as u32))
        {
            if self.choose(next, preferred)? {
                return Ok(Step::Found);
            }
            ends.remove(index);
        }
        match ends.as_slice() {
            [] => Ok(Step::Fail),
            [end] => Ok(Step::On(next, *end as usize)),
            _ if ends.len() > END_LIMIT => Err(GiveUp),
            ends => {
                let ends: Vec<usize> = ends.iter().map(|end| *end as usize).collect();
                self.only_one(next, &ends)
            }
        }
    }

    fn preferred(&mut self, leaf: u32, at: usize) -> Result<Option<usize>, GiveUp> {
        self.work(self.text.len() - at.min(self.text.len()), Pace::Slow)?;
        let leaf = self.special.leaves.get(leaf as usize).ok_or(GiveUp)?;
        leaf.preferred_end(self.text, at, Before::of(self.text, at))
            .map_err(|()| GiveUp)
    }

    /// Of several ends whose order is not known: the one that leads on, if it is alone.
    fn only_one(&mut self, next: u32, ends: &[usize]) -> Result<Step, GiveUp> {
        let mut only = None;
        for end in ends {
            let mark = self.memory.undo.len();
            if self.choose(next, *end)? {
                self.undo(mark);
                if only.replace(*end).is_some() {
                    return Err(GiveUp);
                }
            }
        }
        Ok(only.map_or(Step::Fail, |end| Step::On(next, end)))
    }
}
