//! What effective time alone brings about: deadlines pass, states are forgotten.

use std::collections::BTreeSet;

use super::Table;
use super::cells::CellId;
use super::wheel::Wheel;
use crate::counters::Effects;
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
            let size = self.cells.size(id);
            let mut state = self.cells.take(id, &self.rules);
            let (fired, effects) = self.rules.fire(key, &mut state, &self.events, judge);
            let ahead = self.cells.ahead_mut(id);
            let is_emitted = ahead.is_some_and(|ahead| ahead.settle_fired(fired.as_deref()));
            if !is_emitted {
                out.extend(fired.map(Change::added));
            }
            if let Some(scenario) = size.live {
                self.tally(effects, scenario);
            }
            self.put_settled(id, state, size, None);
        }
    }

    /// Forgets all states that are over at this turn.
    pub(super) fn forget(&mut self, at_turn: i64) {
        while !self.forget_some(at_turn, usize::MAX) {}
    }

    /// Forgets at most so many; answers whether all are. Those that are due and left have no place in the wheel; until
    /// they are done only pours above the watermark may come, which leave settled states alone.
    pub(super) fn forget_some(&mut self, at_turn: i64, n_states: usize) -> bool {
        if self.due.is_empty() && self.wheel.has_reached(at_turn) {
            return true;
        }
        let mut n_left = n_states;
        let mut due = std::mem::take(&mut self.due);
        while n_left > 0
            && (!due.is_empty() || self.wheel.advance(&mut self.cells, at_turn, &mut due))
        {
            for id in due.drain(due.len().saturating_sub(n_left)..) {
                n_left -= 1;
                let keep_until_ns = self.cells.keep_until_ns(id, &self.rules);
                if turn(keep_until_ns) >= at_turn {
                    self.wheel.arm(&mut self.cells, id, keep_until_ns);
                    continue;
                }
                if let Some(scenario) = self.cells.size(id).live {
                    self.tally(Effects::UNDERFLOWED, scenario);
                    if let Some(ahead) = self.cells.ahead_mut(id) {
                        ahead.settle_underflow();
                    }
                }
                self.clear(id);
            }
        }
        self.due = due;
        self.due.is_empty() && self.wheel.has_reached(at_turn)
    }

    /// Empties a settled state, and frees the cell if nothing is ahead of it.
    pub(super) fn clear(&mut self, id: CellId) {
        let size = self.cells.size(id);
        let deadline = self.deadline(id);
        self.cells
            .replace(id, State::default(), &self.rules, &mut self.events);
        let key = self.cells.key(id);
        self.cells.group_mut(key_group(key)).unwritten.touch();
        set_timer(&mut self.timers, key, deadline, None);
        if Wheel::has(&self.cells, id) {
            self.wheel.disarm(&mut self.cells, id);
        }
        self.count_size(key_group(key), size, Size::default());
        if !self.cells.has_ahead(id) {
            self.cells.remove(id);
        }
    }

    /// Deadline of the settled bucket, as registered with the timers.
    pub(super) fn deadline(&self, id: CellId) -> Option<i64> {
        if !self.rules.has_timers() {
            return None;
        }
        let state = self.cells.copy(id, &self.rules);
        let bucket = state.bucket.as_ref()?;
        self.rules.deadline(bucket)
    }
}

/// Registers the deadline of a settled bucket in place of the one registered before.
pub(super) fn set_timer(
    timers: &mut BTreeSet<(i64, Key)>,
    key: Key,
    before: Option<i64>,
    after: Option<i64>,
) {
    if before == after {
        return;
    }
    if let Some(before_ns) = before {
        timers.remove(&(before_ns, key));
    }
    if let Some(after_ns) = after {
        timers.insert((after_ns, key));
    }
}
