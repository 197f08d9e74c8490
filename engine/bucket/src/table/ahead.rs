//! What is above the watermark, of one key.
//!
//! [`Ahead`] holds the pours of a key that were applied at arrival, in order, with what each of
//! them emitted, and the state after them. States before a pour are kept at every
//! [`CHECKPOINT`]th only: rewinding replays at most that many pours more, and pours that arrive in
//! order clone no state.
//!
//! Events are held by the entries and by the settled state. The states here name only such events:
//! what they retain was retained by the settled state or came with an entry.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::cells::CellId;
use crate::counters::Effects;
use crate::events::EventId;
use crate::overflow::{Change, Overflow};
use crate::pour::{Order, Pour};
use crate::rules::Step;
use crate::spec::ScenarioId;
use crate::state::State;

/// A state is kept before each pour of this many.
pub(crate) const CHECKPOINT: usize = 16;

/// A pour above the watermark, and what it did.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) pour: Pour,
    /// Held until the pour is settled.
    pub(crate) event: EventId,
    /// The state before, at a checkpoint. The first entry's is not used: it is the settled state.
    pub(crate) before: Option<Box<State>>,
    pub(crate) effects: Effects,
    pub(crate) fired_effects: Effects,
    fired: Option<Arc<Overflow>>,
    own: Option<Arc<Overflow>>,
}

impl Entry {
    pub(crate) fn new(pour: Pour, event: EventId) -> Self {
        Self {
            pour,
            event,
            before: None,
            effects: Effects::default(),
            fired_effects: Effects::default(),
            fired: None,
            own: None,
        }
    }

    /// Replaces what the pour did, and emits the difference.
    pub(crate) fn replace(&mut self, step: Step, out: &mut Vec<Change>) {
        self.effects = step.effects;
        self.fired_effects = step.fired_effects;
        replace(&mut self.fired, step.fired, out);
        replace(&mut self.own, step.own, out);
    }
}

fn replace(old: &mut Option<Arc<Overflow>>, new: Option<Arc<Overflow>>, out: &mut Vec<Change>) {
    if name(old.as_deref()) == name(new.as_deref()) {
        return;
    }
    out.extend(old.take().map(Change::removed));
    out.extend(new.clone().map(Change::added));
    *old = new;
}

/// What tells overflows apart. Fingerprints may be missing, so the identity is not enough.
fn name(overflow: Option<&Overflow>) -> Option<(u128, ScenarioId)> {
    overflow.map(|overflow| (overflow.identity, overflow.scenario))
}

/// The pours above the watermark of one key.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    /// The state after all of them. Means nothing while the key is deferred.
    pub(crate) now: State,
    /// In order, unless `is_unsorted`.
    pub(crate) entries: VecDeque<Entry>,
    /// The pours are only collected, and applied when the watermark passes.
    pub(crate) is_deferred: bool,
    pub(crate) is_unsorted: bool,
    /// The settled state was changed from outside: everything must be applied again.
    pub(crate) is_void: bool,
    /// Entries since the last checkpoint.
    pub(crate) since_checkpoint: usize,
}

impl Ahead {
    /// Nothing ahead of a settled state yet.
    pub(super) fn start(&mut self, settled: State) {
        self.now = settled;
        self.is_deferred = false;
        self.is_unsorted = false;
        self.is_void = false;
        self.since_checkpoint = 0;
    }

    pub(crate) fn sort(&mut self) {
        if std::mem::take(&mut self.is_unsorted) {
            // Mostly sorted already, which the stable sort notices.
            self.entries
                .make_contiguous()
                .sort_by_key(|entry| entry.pour.order);
        }
    }

    /// How many entries are at or below this effective time. The entries must be sorted.
    pub(crate) fn n_upto(&self, upto_ns: i64) -> usize {
        self.entries
            .partition_point(|entry| entry.pour.order.eff_ns <= upto_ns)
    }

    /// Where a pour belongs; `None` when it is there already.
    pub(crate) fn place(&self, order: &Order) -> Option<usize> {
        let at = self
            .entries
            .partition_point(|entry| entry.pour.order < *order);
        let is_repeated = self
            .entries
            .get(at)
            .is_some_and(|entry| entry.pour.order == *order);
        (!is_repeated).then_some(at)
    }

    /// Stops speculating. What pours emitted stays until the watermark passes them; but what
    /// deadlines emitted is taken back, for a deadline can pass before the pour that noticed it.
    pub(crate) fn defer(&mut self, out: &mut Vec<Change>) {
        self.is_deferred = true;
        self.now = State::default();
        for entry in &mut self.entries {
            entry.before = None;
            replace(&mut entry.fired, None, out);
        }
    }

    /// The settled bucket's deadline passed and it left this overflow. Unless deferred, the first
    /// pour ahead noticed the same: answers whether it has emitted the overflow already.
    pub(crate) fn settle_fired(&mut self, fired: Option<&Overflow>) -> bool {
        let Some(first) = self.entries.front_mut() else {
            return false;
        };
        first.fired_effects = Effects::default();
        let is_emitted = fired.is_some() && name(first.fired.as_deref()) == name(fired);
        if is_emitted {
            first.fired = None;
        }
        is_emitted
    }

    /// The settled bucket was forgotten. Unless deferred, the first pour ahead noticed the same.
    pub(crate) fn settle_underflow(&mut self) {
        if let Some(first) = self.entries.front_mut() {
            first.effects.remove(Effects::UNDERFLOWED);
        }
    }
}

/// Memory of keys that have nothing ahead any more, for those that come to have. Most keys pour
/// once while the watermark moves on, so this saves an allocation or two for every pour.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "the boxes are what is used again")]
pub(crate) struct Spare {
    spare: Vec<Box<Ahead>>,
}

/// How many are kept, and how many entries they may have room for.
const SPARE_MAX: usize = 4_096;
const SPARE_ENTRIES_MAX: usize = 64;

impl Spare {
    pub(crate) fn start(&mut self, settled: State) -> Box<Ahead> {
        let mut ahead = self.spare.pop().unwrap_or_default();
        ahead.start(settled);
        ahead
    }

    pub(crate) fn give_back(&mut self, mut ahead: Box<Ahead>) {
        if self.spare.len() < SPARE_MAX && ahead.entries.capacity() <= SPARE_ENTRIES_MAX {
            ahead.now = State::default();
            self.spare.push(ahead);
        }
    }
}

/// Which cells have entries in which stretch of effective time.
#[derive(Debug, Default)]
pub(crate) struct Register {
    slots: BTreeMap<i64, Vec<CellId>>,
}

/// Length of a stretch, a power of two: about 8 ms.
const STRETCH_BITS: u32 = 23;

impl Register {
    pub(crate) fn note(&mut self, eff_ns: i64, cell: CellId) {
        let cells = self.slots.entry(eff_ns >> STRETCH_BITS).or_default();
        if cells.last() != Some(&cell) {
            cells.push(cell);
        }
    }

    /// Takes out the cells that may have entries at or below this effective time. Whoever has
    /// later entries in the last stretch must be noted again ([`Register::is_taken`]).
    pub(crate) fn take(&mut self, upto_ns: i64) -> Vec<CellId> {
        let mut cells = Vec::new();
        while let Some(slot) = self.slots.first_entry()
            && *slot.key() <= upto_ns >> STRETCH_BITS
        {
            cells.append(&mut slot.remove());
        }
        cells.sort_unstable();
        cells.dedup();
        cells
    }

    /// Whether [`Register::take`] up to `upto_ns` takes notes of `eff_ns`.
    pub(crate) fn is_taken(eff_ns: i64, upto_ns: i64) -> bool {
        eff_ns >> STRETCH_BITS <= upto_ns >> STRETCH_BITS
    }
}
