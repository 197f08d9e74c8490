//! What effective time alone brings about: deadlines pass, states are forgotten.

use std::collections::BTreeSet;

use super::Table;
use super::cells::{Cell, CellId};
use super::wheel::Due;
use crate::judge::Judge;
use crate::key::{Key, key_group};
use crate::overflow::Change;
use crate::state::{Size, State, turn};

impl Table {
    /// Lets everything happen that effective time alone brings about before this pour.
    pub(super) fn reach<J: Judge + ?Sized>(
        &mut self,
        eff_ns: i64,
        judge: &mut J,
        out: &mut Vec<Change>,
    ) {
        if let Some(before_ns) = eff_ns.checked_sub(1) {
            self.fire_upto(before_ns, judge, out);
        }
        self.forget(turn(eff_ns));
    }

    /// Lets timed buckets overflow whose deadline is at or below this effective time.
    pub(super) fn fire_upto<J: Judge + ?Sized>(
        &mut self,
        upto_ns: i64,
        judge: &mut J,
        out: &mut Vec<Change>,
    ) {
        while let Some(&(deadline_ns, key)) = self.timers.first()
            && deadline_ns <= upto_ns
        {
            self.timers.pop_first();
            let Some(id) = self.cells.find(key) else {
                continue;
            };
            let Cell {
                state,
                ahead,
                timer_ns,
                ..
            } = self.cells.get_mut(id);
            *timer_ns = None;
            let size = state.size();
            let (fired, effects) = self.rules.fire(key, state, judge);
            let is_emitted = ahead
                .as_mut()
                .is_some_and(|ahead| ahead.settle_fired(fired.as_deref()));
            if !is_emitted {
                out.extend(fired.map(Change::added));
            }
            self.counters.tally(effects);
            self.note_settled(id, size);
        }
    }

    /// Forgets all states that are over at this turn.
    pub(super) fn forget(&mut self, at_turn: i64) {
        while let Some(due) = self.wheel.advance(at_turn) {
            for Due {
                cell: id,
                generation,
            } in due
            {
                let cell = self.cells.get_mut(id);
                if !cell.is_armed || cell.generation != generation {
                    continue;
                }
                if !cell.state.is_over(at_turn) {
                    self.wheel.arm(
                        Due {
                            cell: id,
                            generation,
                        },
                        cell.state.keep_until_ns,
                    );
                    continue;
                }
                if cell.state.bucket.is_some() {
                    self.counters.underflowed += 1;
                    if let Some(ahead) = &mut cell.ahead {
                        ahead.settle_underflow();
                    }
                }
                self.clear(id);
            }
        }
    }

    /// Empties a settled state, and frees the cell if nothing is ahead of it.
    pub(super) fn clear(&mut self, id: CellId) {
        let cell = self.cells.get_mut(id);
        let size = cell.state.size();
        cell.state = State::default();
        set_timer(&mut self.timers, cell, None);
        cell.is_armed = false;
        cell.generation = cell.generation.wrapping_add(1);
        let group = key_group(cell.key);
        let is_free = cell.ahead.is_none();
        self.count_size(group, size, Size::default());
        if is_free {
            self.cells.remove(id);
        }
    }
}

/// Registers the deadline of a settled bucket in place of the one registered before.
pub(super) fn set_timer(timers: &mut BTreeSet<(i64, Key)>, cell: &mut Cell, deadline: Option<i64>) {
    if let Some(old_ns) = cell.timer_ns {
        timers.remove(&(old_ns, cell.key));
    }
    if let Some(new_ns) = deadline {
        timers.insert((new_ns, cell.key));
    }
    cell.timer_ns = deadline;
}
