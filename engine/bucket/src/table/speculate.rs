//! Pours above the watermark, applied at arrival.

use super::Table;
use super::ahead::{Ahead, CHECKPOINT, Entry};
use super::cells::CellId;
use crate::judge::Judge;
use crate::key::key_group;
use crate::overflow::Change;
use crate::pour::Pour;
use crate::rules::Poured;
use crate::state::State;

impl Table {
    pub(super) fn speculate<J: Judge + ?Sized>(
        &mut self,
        pour: Pour,
        evidence: &[u8],
        judge: &mut J,
        out: &mut Vec<Change>,
    ) {
        let Some(id) = self.cells.find_or_create(pour.key) else {
            return;
        };
        self.begin_ahead(id, judge, out);
        let Some(ahead) = self.cells.ahead_mut(id) else {
            return;
        };
        let Some(at) = ahead.place(&pour.order) else {
            self.counters.repeated += 1;
            return;
        };
        let event = self.events.share(pour.order, evidence);
        let mut entry = Entry::new(pour, event);
        let n_later = ahead.entries.len() - at.min(ahead.entries.len());
        if !ahead.is_deferred && n_later > self.config.defer_after {
            ahead.defer(out);
        }
        let mut redo_from = None;
        if ahead.is_deferred {
            self.counters.deferred += 1;
            let last = ahead.entries.back();
            ahead.is_unsorted |= last.is_some_and(|last| last.pour.order > pour.order);
            ahead.entries.push_back(entry);
        } else if n_later == 0 {
            ahead.checkpoint(&mut entry);
            let poured = Poured {
                pour: &pour,
                event,
                events: &self.events,
            };
            let step = self.rules.step(pour.key, &mut ahead.now, poured, judge);
            entry.replace(step, out);
            ahead.entries.push_back(entry);
        } else {
            ahead.entries.insert(at, entry);
            redo_from = Some(at);
        }
        self.cells.group_mut(key_group(pour.key)).ahead_bytes += evidence.len() as u64;
        self.counters.waiting += 1;
        self.register.note(pour.order.eff_ns, id);
        if let Some(from) = redo_from {
            self.redo(id, from, judge, out);
        }
    }

    /// Makes what is ahead of a cell ready for a further pour.
    fn begin_ahead<J: Judge + ?Sized>(&mut self, id: CellId, judge: &mut J, out: &mut Vec<Change>) {
        let (is_empty, is_void) = match self.cells.ahead_mut(id) {
            Some(ahead) => (
                ahead.entries.is_empty(),
                ahead.is_void && !ahead.is_deferred,
            ),
            None => (true, false),
        };
        if is_empty {
            let settled = self.cells.copy(id, &self.rules);
            let ahead = match self.cells.take_ahead(id) {
                // All of it is settled. Time may have passed over it since, and it is still to be put in order.
                Some(mut ahead) => {
                    ahead.start(settled);
                    ahead
                }
                None => self.spare.start(settled),
            };
            self.cells.set_ahead(id, ahead);
        } else if is_void {
            // The key was evicted, and what is ahead of it is still to be put in order.
            self.redo(id, 0, judge, out);
        }
    }

    /// Applies the entries from this one on again and emits the differences.
    pub(super) fn redo<J: Judge + ?Sized>(
        &mut self,
        id: CellId,
        from: usize,
        judge: &mut J,
        out: &mut Vec<Change>,
    ) {
        let settled = self.cells.copy(id, &self.rules);
        let key = self.cells.key(id);
        let Some(ahead) = self.cells.ahead_mut(id) else {
            return;
        };
        ahead.is_void = false;
        let start = (1..=from)
            .rev()
            .find(|&at| ahead.entries[at].before.is_some());
        let mut state = match start.and_then(|at| ahead.entries[at].before.as_ref()) {
            Some(before) => State::clone(before),
            None => settled,
        };
        let start = start.unwrap_or(0);
        let mut since_checkpoint = 0;
        for at in start..ahead.entries.len() {
            let entry = &mut ahead.entries[at];
            if at > from && entry.before.as_deref() == Some(&state) {
                // From here on everything comes out as before.
                return;
            }
            if at > start {
                since_checkpoint += 1;
                let is_due = entry.before.is_some() || since_checkpoint >= CHECKPOINT;
                entry.before = is_due.then(|| Box::new(state.clone()));
                since_checkpoint *= usize::from(!is_due);
            }
            let poured = Poured {
                pour: &entry.pour,
                event: entry.event,
                events: &self.events,
            };
            let step = self.rules.step(key, &mut state, poured, judge);
            if at >= from {
                self.counters.redone += u64::from(at > from);
                entry.replace(step, out);
            }
        }
        ahead.now = state;
        ahead.since_checkpoint = since_checkpoint;
    }
}

impl Ahead {
    /// Keeps the present state before an entry that is about to be applied, when it is time to.
    fn checkpoint(&mut self, entry: &mut Entry) {
        if self.entries.is_empty() {
            self.since_checkpoint = 0;
            return;
        }
        self.since_checkpoint += 1;
        if self.since_checkpoint >= CHECKPOINT {
            self.since_checkpoint = 0;
            entry.before = Some(Box::new(self.now.clone()));
        }
    }
}
