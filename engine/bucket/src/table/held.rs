//! Replay's waiting room: pours above the watermark, in slots of effective time.
//!
//! A pour that waits holds its event, which is where it will stay if a bucket retains it. A slot that
//! filled in order is not sorted again.

use std::collections::BTreeMap;

use crate::events::EventId;
use crate::pour::Pour;

/// Length of a slot: a tick of the dataflow, whose watermarks then always end a slot.
const SLOT_NS: i64 = 10_000_000;
/// Emptied slots kept for their memory, and the most pours one may have room for.
const SPARE_MAX: usize = 16;
const SPARE_POURS_MAX: usize = 1 << 14;

/// A pour and its event.
#[derive(Debug)]
pub(crate) struct HeldPour {
    pub(crate) pour: Pour,
    pub(crate) event: EventId,
}

/// Pours of one stretch of time.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    number: i64,
    pours: Vec<HeldPour>,
    is_unsorted: bool,
}

impl Slot {
    fn push(&mut self, pour: Pour, event: EventId) {
        let last = self.pours.last();
        self.is_unsorted |= last.is_some_and(|last| last.pour.order >= pour.order);
        self.pours.push(HeldPour { pour, event });
    }

    /// Sorts the pours; answers how many are at or below this effective time.
    pub(crate) fn sort(&mut self, upto_ns: i64) -> usize {
        if std::mem::take(&mut self.is_unsorted) {
            self.pours.sort_unstable_by_key(|held| held.pour.order);
        }
        self.pours
            .partition_point(|held| held.pour.order.eff_ns <= upto_ns)
    }

    /// The first pours.
    pub(crate) fn first(&self, n: usize) -> &[HeldPour] {
        &self.pours[..n]
    }
}

/// All pours that wait.
#[derive(Debug, Default)]
pub(crate) struct Held {
    slots: BTreeMap<i64, Slot>,
    spare: Vec<Slot>,
    len: u64,
}

impl Held {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Bytes of memory.
    pub(crate) fn footprint(&self) -> u64 {
        let slots = self.slots.values().chain(&self.spare);
        let room: usize = slots.map(|slot| slot.pours.capacity()).sum();
        (room * size_of::<HeldPour>()) as u64
    }

    /// Takes a pour whose event is held for it.
    pub(crate) fn push(&mut self, pour: Pour, event: EventId) {
        let number = pour.order.eff_ns.div_euclid(SLOT_NS);
        let Self { slots, spare, len } = self;
        let slot = slots.entry(number).or_insert_with(|| Slot {
            number,
            ..spare.pop().unwrap_or_default()
        });
        slot.push(pour, event);
        *len += 1;
    }

    /// Takes out the oldest slot, if it may hold pours at or below this effective time.
    pub(crate) fn take(&mut self, upto_ns: i64) -> Option<Slot> {
        let entry = self.slots.first_entry()?;
        (*entry.key() <= upto_ns.div_euclid(SLOT_NS)).then(|| entry.remove())
    }

    /// Takes a slot back without its first `n_done` pours. Answers whether any are left.
    pub(crate) fn give_back(&mut self, mut slot: Slot, n_done: usize) -> bool {
        self.len -= n_done as u64;
        if n_done < slot.pours.len() {
            slot.pours.drain(..n_done);
            self.slots.insert(slot.number, slot);
            return true;
        }
        if self.spare.len() < SPARE_MAX && slot.pours.capacity() <= SPARE_POURS_MAX {
            slot.pours.clear();
            self.spare.push(slot);
        }
        false
    }
}
