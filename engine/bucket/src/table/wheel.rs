//! When to look at a cell again: a timing wheel over turns of effective time.
//!
//! A cell stands in the wheel while its state exists: in a slot's ring, linked through the cells
//! themselves, so that an entry costs eight bytes and one that is not wanted any more leaves at once.
//! A pour does not touch it. When a cell is due and its state is to be kept for longer, it moves on.
//! A cell is never looked at too late, since the time up to which a state is kept never falls.

use super::cells::{CellId, Cells};
use super::record::Links;
use crate::state::turn;

/// Slots of the wheel: with turns of about a second, a cell moves on once in 73 minutes.
const SLOTS: usize = 4_096;
const SLOTS_TURNS: i64 = SLOTS as i64;
/// A slot's ring begins and ends at a number that no cell has.
const RINGS: u32 = u32::MAX - (1 << 16);

#[derive(Debug)]
pub(crate) struct Wheel {
    rings: Vec<Links>,
    now: i64,
    len: usize,
}

impl Wheel {
    /// A wheel at the beginning of time.
    pub(crate) fn new() -> Self {
        let ring = |slot| Links {
            next: RINGS + slot,
            prev: RINGS + slot,
            place: 0,
        };
        Self {
            rings: (0..SLOTS as u32).map(ring).collect(),
            now: turn(i64::MIN),
            len: 0,
        }
    }

    fn links<'a>(&'a mut self, cells: &'a mut Cells, number: u32) -> &'a mut Links {
        match number.checked_sub(RINGS) {
            Some(slot) => &mut self.rings[slot as usize],
            None => cells.links_mut(CellId(number)),
        }
    }

    /// Whether a cell stands in the wheel.
    pub(crate) fn has(cells: &Cells, id: CellId) -> bool {
        cells.links(id).next != Links::NONE
    }

    /// Arranges for a cell to come up at the first turn after this effective time.
    pub(crate) fn arm(&mut self, cells: &mut Cells, id: CellId, keep_until_ns: i64) {
        let at = (turn(keep_until_ns) + 1).clamp(self.now + 1, self.now + SLOTS_TURNS - 1);
        let ring = RINGS + slot(at) as u32;
        let last = std::mem::replace(&mut self.links(cells, ring).prev, id.0);
        self.links(cells, last).next = id.0;
        let links = cells.links_mut(id);
        links.next = ring;
        links.prev = last;
        self.len += 1;
    }

    /// Takes a cell out.
    pub(crate) fn disarm(&mut self, cells: &mut Cells, id: CellId) {
        let links = cells.links_mut(id);
        let next = std::mem::replace(&mut links.next, Links::NONE);
        let prev = std::mem::replace(&mut links.prev, Links::NONE);
        if next != Links::NONE {
            self.links(cells, next).prev = prev;
            self.links(cells, prev).next = next;
            self.len -= 1;
        }
    }

    /// Whether the wheel stands at a turn, or has passed it.
    pub(crate) fn has_reached(&self, turn: i64) -> bool {
        self.now >= turn
    }

    /// Moves towards a turn. Takes out cells to look at and writes them to `due`, until there are
    /// none up to that turn; the wheel then stands there. Answers whether there were any.
    pub(crate) fn advance(&mut self, cells: &mut Cells, to: i64, due: &mut Vec<CellId>) -> bool {
        due.clear();
        if self.len == 0 {
            self.now = self.now.max(to);
        } else if to.saturating_sub(self.now) >= SLOTS_TURNS {
            // Every slot is passed: all cells are due or move on.
            self.now = to;
            for slot in 0..SLOTS {
                self.drain(cells, slot, due);
            }
        }
        while self.now < to && due.is_empty() {
            self.now += 1;
            self.drain(cells, slot(self.now), due);
        }
        !due.is_empty()
    }

    fn drain(&mut self, cells: &mut Cells, slot: usize, due: &mut Vec<CellId>) {
        let ring = RINGS + slot as u32;
        let mut at = self.rings[slot].next;
        while at != ring {
            due.push(CellId(at));
            let links = cells.links_mut(CellId(at));
            at = std::mem::replace(&mut links.next, Links::NONE);
            links.prev = Links::NONE;
            self.len -= 1;
        }
        self.rings[slot] = Links {
            next: ring,
            prev: ring,
            place: 0,
        };
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

    fn run(wheel: &mut Wheel, cells: &mut Cells, keep: &[i64], to: i64) -> Vec<u32> {
        let mut gone = Vec::new();
        let mut due = Vec::new();
        while wheel.advance(cells, to, &mut due) {
            for id in due.drain(..) {
                let keep_until = keep[id.0 as usize];
                if turn(keep_until) < to {
                    gone.push(id.0);
                } else {
                    wheel.arm(cells, id, keep_until);
                }
            }
        }
        gone.sort_unstable();
        gone
    }

    #[test]
    fn cells_come_up_at_the_first_turn_after_they_are_over() {
        let mut cells = Cells::new();
        let second = 1_i64 << 30;
        let keep = [
            0,
            second - 1,
            second,
            10_000 * second,
            i64::MAX,
            i64::MIN,
            0,
        ];
        let mut wheel = Wheel::new();
        for (n, &keep_until) in (0..).zip(&keep) {
            let id = cells.find_or_create(Key([0, n])).unwrap();
            wheel.arm(&mut cells, id, keep_until);
            assert!(Wheel::has(&cells, id));
        }
        wheel.disarm(&mut cells, CellId(6));
        assert!(!Wheel::has(&cells, CellId(6)));
        let mut run = |to| run(&mut wheel, &mut cells, &keep, to);
        assert_eq!(run(turn(0)), [5]);
        assert_eq!(run(1), [0, 1]);
        assert_eq!(run(2), [2]);
        assert_eq!(run(10_000), [] as [u32; 0]);
        assert_eq!(run(10_001), [3]);
        assert_eq!(run(turn(i64::MAX)), [] as [u32; 0]);
        assert_eq!(wheel.len, 1);
    }
}
