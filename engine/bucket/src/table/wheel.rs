//! When to look at a cell again: a timing wheel over turns of effective time.
//!
//! A cell has one entry, made when its state comes into being. A pour does not touch it. When the
//! entry is due and the state is to be kept for longer, the entry moves on. An entry is never too
//! late, since the time up to which a state is kept never falls.

use super::cells::CellId;
use crate::state::turn;

/// Slots of the wheel: with turns of about a second, an entry moves once in 73 minutes.
const SLOTS: usize = 4_096;
const SLOTS_TURNS: i64 = SLOTS as i64;

/// A cell to look at; void when the cell's generation has gone on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) cell: CellId,
    pub(crate) generation: u32,
}

#[derive(Debug)]
pub(crate) struct Wheel {
    slots: Vec<Vec<Due>>,
    now: i64,
    len: usize,
}

impl Wheel {
    /// A wheel at the beginning of time.
    pub(crate) fn new() -> Self {
        Self {
            slots: vec![Vec::new(); SLOTS],
            now: turn(i64::MIN),
            len: 0,
        }
    }

    /// Arranges for the cell to come up at the first turn after this effective time.
    pub(crate) fn arm(&mut self, due: Due, keep_until_ns: i64) {
        let at = (turn(keep_until_ns) + 1).clamp(self.now + 1, self.now + SLOTS_TURNS - 1);
        self.slots[slot(at)].push(due);
        self.len += 1;
    }

    /// Moves towards a turn. Answers cells to look at, until there are none up to that turn; the
    /// wheel then stands there.
    pub(crate) fn advance(&mut self, to: i64) -> Option<Vec<Due>> {
        if self.now >= to {
            return None;
        }
        if self.len == 0 {
            self.now = to;
            return None;
        }
        if to - self.now >= SLOTS_TURNS {
            // Every slot is passed: all entries are due or move on.
            self.now = to;
            self.len = 0;
            return Some(
                self.slots
                    .iter_mut()
                    .flat_map(|slot| slot.drain(..))
                    .collect(),
            );
        }
        while self.now < to {
            self.now += 1;
            let due = std::mem::take(&mut self.slots[slot(self.now)]);
            if !due.is_empty() {
                self.len -= due.len();
                return Some(due);
            }
        }
        None
    }
}

fn slot(turn: i64) -> usize {
    // The remainder is below the number of slots, so the narrowing loses nothing.
    turn.rem_euclid(SLOTS_TURNS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;
    use crate::table::cells::Cells;

    fn run(wheel: &mut Wheel, keep: &[i64], to: i64) -> Vec<u32> {
        let mut gone = Vec::new();
        while let Some(due) = wheel.advance(to) {
            for entry in due {
                let keep_until = keep[entry.generation as usize];
                if turn(keep_until) < to {
                    gone.push(entry.generation);
                } else {
                    wheel.arm(entry, keep_until);
                }
            }
        }
        gone.sort_unstable();
        gone
    }

    #[test]
    fn entries_come_up_at_the_first_turn_after_they_are_over() {
        let mut cells = Cells::new();
        let cell = cells.find_or_create(Key::default()).unwrap();
        let second = 1_i64 << 30;
        let keep = [0, second - 1, second, 10_000 * second, i64::MAX, i64::MIN];
        let mut wheel = Wheel::new();
        for (generation, &keep_until) in keep.iter().enumerate() {
            wheel.arm(
                Due {
                    cell,
                    generation: generation as u32,
                },
                keep_until,
            );
        }
        assert_eq!(run(&mut wheel, &keep, turn(0)), [5]);
        assert_eq!(run(&mut wheel, &keep, 1), [0, 1]);
        assert_eq!(run(&mut wheel, &keep, 2), [2]);
        assert_eq!(run(&mut wheel, &keep, 10_000), [] as [u32; 0]);
        assert_eq!(run(&mut wheel, &keep, 10_001), [3]);
        assert_eq!(run(&mut wheel, &keep, turn(i64::MAX)), [] as [u32; 0]);
        assert_eq!(wheel.len, 1);
    }
}
