//! The watermark passes: pours become final.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::Table;
use super::ahead::{Ahead, Entry, Register};
use super::cells::{CellId, WARM_UP};
use super::held::Slot;
use super::lapse::set_timer;
use super::wheel::Wheel;
use crate::counters::Effects;
use crate::events::EventId;
use crate::judge::Judge;
use crate::key::{KEY_GROUPS, key_group};
use crate::overflow::Change;
use crate::pour::{Order, Pour};
use crate::rules::{Poured, Step};
use crate::state::{Size, State};

/// What is still to be settled up to the watermark. Where the order of pours over several keys does not count, a cell is
/// settled when it is read. In crowded groups it does: there all are read first, then pour by pour is settled, and at last
/// the cells are put in order.
#[derive(Debug)]
pub(super) struct Unsettled {
    /// Cells that were not read yet.
    unread: Vec<CellId>,
    /// By number, the groups in which the order of pours counts.
    is_crowded: Box<[bool]>,
    /// Pours of cells of these groups.
    agenda: Agenda,
    /// Such cells, to be put in order when the agenda is done.
    touched: Vec<CellId>,
    /// The agenda is done.
    is_settled: bool,
}

/// Pours in the order in which they are to be settled.
#[derive(Debug, Default)]
struct Agenda {
    runs: BinaryHeap<Run>,
}

/// Some pours in order, the first one last; never none.
#[derive(Debug, PartialEq, Eq)]
struct Run(Vec<(Order, CellId)>);

impl Ord for Run {
    /// The greatest one is that which begins first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.last().cmp(&self.0.last())
    }
}

impl PartialOrd for Run {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Agenda {
    /// Takes pours in any order.
    fn add(&mut self, mut pours: Vec<(Order, CellId)>) {
        if !pours.is_empty() {
            pours.sort_unstable_by(|one, other| other.cmp(one));
            self.runs.push(Run(pours));
        }
    }

    fn next(&mut self) -> Option<(Order, CellId)> {
        let mut run = self.runs.peek_mut()?;
        let next = run.0.pop();
        if run.0.is_empty() {
            PeekMut::pop(run);
        }
        next
    }
}

/// The last ones of a list, as many as there are left to be done.
fn last<'a, T>(list: &'a mut Vec<T>, n_left: &mut usize) -> std::vec::Drain<'a, T> {
    let n = list.len().min(*n_left);
    *n_left -= n;
    list.drain(list.len() - n..)
}

impl Table {
    /// Settles pours at or below this effective time, of at most so many keys, unless the order of pours over all keys
    /// counts. Answers whether all are.
    pub(super) fn settle<J: Judge + ?Sized>(
        &mut self,
        upto_ns: i64,
        n_keys: usize,
        judge: &mut J,
        out: &mut Vec<Change>,
    ) -> bool {
        if self.config.speculative {
            return self.settle_ahead(upto_ns, n_keys, judge, out);
        }
        self.settle_held(upto_ns, judge, out);
        true
    }

    fn settle_held<J: Judge + ?Sized>(
        &mut self,
        upto_ns: i64,
        judge: &mut J,
        out: &mut Vec<Change>,
    ) {
        while let Some(mut slot) = self.held.take(upto_ns) {
            let n_ready = slot.sort(upto_ns);
            self.settle_slot(&slot, n_ready, judge, out);
            if self.held.give_back(slot, n_ready) {
                break;
            }
        }
    }

    fn settle_slot<J: Judge + ?Sized>(
        &mut self,
        slot: &Slot,
        n_ready: usize,
        judge: &mut J,
        out: &mut Vec<Change>,
    ) {
        for chunk in slot.first(n_ready).chunks(WARM_UP) {
            let keys = chunk.iter().map(|held| held.pour.key);
            self.cells.warm_up(keys, &self.rules, &self.events);
            for held in chunk {
                self.reach(held.pour.order.eff_ns, judge, out);
                if let Some(id) = self.cells.find_or_create(held.pour.key) {
                    let step = self.settle_step(id, &held.pour, held.event, judge);
                    out.extend(step.fired.into_iter().chain(step.own).map(Change::added));
                    self.enforce_cap(key_group(held.pour.key));
                }
                self.events.release(held.event);
            }
        }
    }

    /// Settles what is ahead. Groups that cannot have been above their cap are settled key by
    /// key; the others pour by pour, in order, because evictions have a place in the order.
    ///
    /// Between two calls pours above `upto_ns` may come: they are ahead of their keys' states, whether those are settled
    /// or not.
    fn settle_ahead<J: Judge + ?Sized>(
        &mut self,
        upto_ns: i64,
        n_keys: usize,
        judge: &mut J,
        out: &mut Vec<Change>,
    ) -> bool {
        let mut unsettled = match self.unsettled.take() {
            Some(unsettled) => unsettled,
            None => match self.register.take(upto_ns) {
                // Mostly: event time goes on without pours, too.
                unread if unread.is_empty() => return true,
                unread => self.unsettled_of(unread),
            },
        };
        let mut n_left = n_keys;
        self.read_cells(&mut unsettled, upto_ns, &mut n_left, judge, out);
        while n_left > 0
            && let Some((order, id)) = unsettled.agenda.next()
        {
            n_left -= 1;
            self.settle_next(order, id, judge, out);
        }
        if n_left > 0 && !unsettled.is_settled {
            unsettled.is_settled = true;
            unsettled.touched.append(&mut self.voided);
            unsettled.touched.sort_unstable();
            unsettled.touched.dedup();
        }
        for id in last(&mut unsettled.touched, &mut n_left) {
            self.after_settling(id, upto_ns, judge, out);
        }
        if unsettled.is_settled && unsettled.touched.is_empty() {
            return true;
        }
        self.unsettled = Some(unsettled);
        false
    }

    fn unsettled_of(&self, unread: Vec<CellId>) -> Unsettled {
        // What comes from here on is above the watermark, and crowds nothing below.
        let is_crowded = (0..KEY_GROUPS).map(|group| self.may_be_over_cap(group));
        Unsettled {
            is_crowded: is_crowded.collect(),
            unread,
            agenda: Agenda::default(),
            touched: Vec::new(),
            is_settled: false,
        }
    }

    /// Settles cells, or puts their pours on the agenda.
    fn read_cells<J: Judge + ?Sized>(
        &mut self,
        unsettled: &mut Unsettled,
        upto_ns: i64,
        n_left: &mut usize,
        judge: &mut J,
        out: &mut Vec<Change>,
    ) {
        let mut pours = Vec::new();
        for id in last(&mut unsettled.unread, n_left) {
            if !unsettled.is_crowded[usize::from(key_group(self.cells.key(id)))] {
                self.settle_cell(id, upto_ns, judge, out);
            } else if let Some(ahead) = self.cells.ahead_mut(id) {
                ahead.sort();
                let entries = ahead.entries.range(..ahead.n_upto(upto_ns));
                pours.extend(entries.map(|entry| (entry.pour.order, id)));
                unsettled.touched.push(id);
            }
        }
        unsettled.agenda.add(pours);
    }

    fn settle_cell<J: Judge + ?Sized>(
        &mut self,
        id: CellId,
        upto_ns: i64,
        judge: &mut J,
        out: &mut Vec<Change>,
    ) {
        let Some(mut ahead) = self.cells.take_ahead(id) else {
            return;
        };
        ahead.sort();
        let n = ahead.n_upto(upto_ns);
        if ahead.is_deferred {
            for _ in 0..n {
                let Some(mut entry) = ahead.entries.pop_front() else {
                    break;
                };
                let step = self.settle_step(id, &entry.pour, entry.event, judge);
                self.drop_ahead(&entry);
                entry.replace(step, out);
            }
        } else if n > 0 {
            let size = self.cells.size(id);
            let deadline = self.deadline(id);
            let state = if n == ahead.entries.len() {
                std::mem::take(&mut ahead.now)
            } else {
                self.state_before(id, &mut ahead, n, judge)
            };
            self.cells.note_held(id);
            self.put_settled(id, state, size, deadline);
            for entry in ahead.entries.drain(..n) {
                self.drop_ahead(&entry);
                self.tally(entry.fired_effects, entry.pour.scenario);
                self.tally(entry.effects, entry.pour.scenario);
            }
        }
        self.cells.set_ahead(id, ahead);
        self.after_settling(id, upto_ns, judge, out);
    }

    /// The state before the `n`-th entry, from the settled one or the nearest checkpoint.
    fn state_before<J: Judge + ?Sized>(
        &self,
        id: CellId,
        ahead: &mut Ahead,
        n: usize,
        judge: &mut J,
    ) -> State {
        let from = (1..=n).rev().find(|&at| ahead.entries[at].before.is_some());
        let mut state = match from.and_then(|at| ahead.entries[at].before.take()) {
            Some(before) => *before,
            None => self.cells.copy(id, &self.rules),
        };
        let key = self.cells.key(id);
        for entry in ahead.entries.range(from.unwrap_or(0)..n) {
            let poured = Poured {
                pour: &entry.pour,
                event: entry.event,
                events: &self.events,
            };
            self.rules.step(key, &mut state, poured, judge);
        }
        state
    }

    /// Settles the first pour ahead of a cell, which is the first of all that are left.
    fn settle_next<J: Judge + ?Sized>(
        &mut self,
        order: Order,
        id: CellId,
        judge: &mut J,
        out: &mut Vec<Change>,
    ) {
        self.reach(order.eff_ns, judge, out);
        let ahead = self.cells.ahead_mut(id);
        let Some(mut entry) = ahead.and_then(|ahead| ahead.entries.pop_front()) else {
            return;
        };
        let group = key_group(entry.pour.key);
        let step = self.settle_step(id, &entry.pour, entry.event, judge);
        self.drop_ahead(&entry);
        entry.replace(step, out);
        self.enforce_cap(group);
    }

    /// Puts a cell in order after some of its entries were settled.
    fn after_settling<J: Judge + ?Sized>(
        &mut self,
        id: CellId,
        upto_ns: i64,
        judge: &mut J,
        out: &mut Vec<Change>,
    ) {
        let defer_after = self.config.defer_after;
        let Some(ahead) = self.cells.ahead_mut(id) else {
            return;
        };
        // Pours may have come since its own were settled.
        ahead.sort();
        let Some(first) = ahead.entries.front() else {
            if let Some(ahead) = self.cells.take_ahead(id) {
                self.spare.give_back(ahead);
            }
            if !self.cells.exists(id) {
                self.cells.remove(id);
            }
            return;
        };
        let eff_ns = first.pour.order.eff_ns;
        if ahead.is_deferred && ahead.entries.len() <= defer_after / 2 {
            ahead.is_deferred = false;
            ahead.is_void = true;
        }
        if ahead.is_void && !ahead.is_deferred {
            self.redo(id, 0, judge, out);
        }
        if Register::is_taken(eff_ns, upto_ns) {
            self.register.note(eff_ns, id);
        }
    }

    fn drop_ahead(&mut self, entry: &Entry) {
        self.counters.waiting -= 1;
        let n_bytes = self.events.len_of(entry.event);
        let group = self.cells.group_mut(key_group(entry.pour.key));
        group.ahead_bytes -= n_bytes;
        self.events.release(entry.event);
    }

    /// Applies a pour to the settled state of its key.
    fn settle_step<J: Judge + ?Sized>(
        &mut self,
        id: CellId,
        pour: &Pour,
        event: EventId,
        judge: &mut J,
    ) -> Step {
        if self
            .cells
            .count(id, pour, event, &self.rules, &mut self.events)
        {
            self.cells.note_changed(id);
            return self.counted(pour, event);
        }
        let size = self.cells.size(id);
        let mut state = self.cells.take(id, &self.rules);
        let deadline = state
            .bucket
            .as_ref()
            .and_then(|bucket| self.rules.deadline(bucket));
        let poured = Poured {
            pour,
            event,
            events: &self.events,
        };
        let step = self.rules.step(pour.key, &mut state, poured, judge);
        self.tally(step.fired_effects, pour.scenario);
        self.tally(step.effects, pour.scenario);
        self.put_settled(id, state, size, deadline);
        step
    }

    /// Notes a pour that a bucket counted and retained, and nothing else.
    fn counted(&mut self, pour: &Pour, event: EventId) -> Step {
        let n_bytes = self.events.len_of(event);
        let group = self.cells.group_mut(key_group(pour.key));
        group.settled_bytes += n_bytes;
        self.counters.kept_bytes += n_bytes;
        self.counters.kept_events += 1;
        let effects = Effects::POURED;
        self.counters.tally(effects);
        Step {
            effects,
            ..Step::default()
        }
    }

    /// Puts a settled state that changed into its cell, and keeps totals, wheel and timers in step.
    pub(super) fn put_settled(
        &mut self,
        id: CellId,
        state: State,
        before: Size,
        deadline_before: Option<i64>,
    ) {
        let after = state.size();
        let keep_until_ns = state.keep_until_ns;
        let deadline = state
            .bucket
            .as_ref()
            .and_then(|bucket| self.rules.deadline(bucket));
        self.cells.put(id, state, &self.rules, &mut self.events);
        let group = key_group(self.cells.key(id));
        self.cells.note_changed(id);
        if after.exists && !Wheel::has(&self.cells, id) {
            self.wheel.arm(&mut self.cells, id, keep_until_ns);
        }
        if deadline_before != deadline {
            let key = self.cells.key(id);
            set_timer(&mut self.timers, key, deadline_before, deadline);
        }
        if before != after {
            self.count_size(group, before, after);
        }
    }

    pub(super) fn count_size(&mut self, group: u16, before: Size, after: Size) {
        self.cells.resize(group, before, after);
        let counters = &mut self.counters;
        let change = |gauge: &mut u64, before: u64, after: u64| *gauge = *gauge + after - before;
        change(
            &mut counters.keys,
            before.exists.into(),
            after.exists.into(),
        );
        change(
            &mut counters.live_buckets,
            before.live.is_some().into(),
            after.live.is_some().into(),
        );
        change(&mut counters.kept_events, before.events, after.events);
        change(&mut counters.kept_bytes, before.bytes, after.bytes);
        if before.live != after.live {
            self.by_scenario.move_live(before.live, after.live);
        }
    }
}
