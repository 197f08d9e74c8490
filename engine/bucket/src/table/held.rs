//! Replay's waiting room: pours above the watermark, in slots of effective time.
//!
//! Evidence is copied into one buffer a slot, so holding a pour allocates nothing. A slot that
//! filled in order is not sorted again.

use std::collections::BTreeMap;

use crate::pour::{Payload, Pour};

/// Length of a slot: a tick of the dataflow, whose watermarks then always end a slot.
const SLOT_NS: i64 = 10_000_000;
/// Emptied slots kept for their memory, and the most memory one may keep.
const SPARE_MAX: usize = 16;
const SPARE_BYTES_MAX: usize = 1 << 20;

/// A pour and where its evidence lies in its slot.
#[derive(Debug)]
pub(crate) struct HeldPour {
    pub(crate) pour: Pour,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Pours of one stretch of time.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    number: i64,
    pours: Vec<HeldPour>,
    bytes: Vec<u8>,
    is_unsorted: bool,
}

impl Slot {
    fn push(&mut self, pour: Pour, payload: &Payload<'_>) {
        let bytes = payload.bytes();
        let last = self.pours.last();
        self.is_unsorted |= last.is_some_and(|last| last.pour.order >= pour.order);
        // Scenarios that match one event pour one after the other, mostly with equal evidence.
        let twin = last.filter(|last| {
            last.pour.order.is_same_event(&pour.order) && self.bytes[last.start..last.end] == *bytes
        });
        let (start, end) = match twin {
            Some(twin) => (twin.start, twin.end),
            None => {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(bytes);
                (start, self.bytes.len())
            }
        };
        self.pours.push(HeldPour { pour, start, end });
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

    /// The evidence of a pour of this slot.
    pub(crate) fn evidence(&self, held: &HeldPour) -> &[u8] {
        &self.bytes[held.start..held.end]
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

    pub(crate) fn push(&mut self, pour: Pour, payload: &Payload<'_>) {
        let number = pour.order.eff_ns.div_euclid(SLOT_NS);
        let Self { slots, spare, len } = self;
        let slot = slots.entry(number).or_insert_with(|| Slot {
            number,
            ..spare.pop().unwrap_or_default()
        });
        slot.push(pour, payload);
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
        if self.spare.len() < SPARE_MAX && slot.bytes.capacity() <= SPARE_BYTES_MAX {
            slot.pours.clear();
            slot.bytes.clear();
            self.spare.push(slot);
        }
        false
    }
}
