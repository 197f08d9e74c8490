//! What a bucket leaves behind when it overflows.

use std::hash::Hasher;
use std::sync::Arc;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::events::Events;
use crate::key::Key;
use crate::pour::{Order, Stamp};
use crate::queue::Queue;
use crate::spec::ScenarioId;

/// A bucket that overflowed, with everything an alert is built from.
#[derive(Debug, Clone, PartialEq)]
pub struct Overflow {
    /// The bucket.
    pub key: Key,
    /// The scenario that created the bucket, not the one whose pour made it overflow.
    pub scenario: ScenarioId,
    /// Time of the first counted event.
    pub first: Stamp,
    /// Time of the last counted event.
    pub last: Stamp,
    /// Time of the overflow.
    pub overflow: Stamp,
    /// Counted events.
    pub total: u32,
    /// Retained events, oldest first.
    pub queue: Kept,
    /// Place of the first counted event.
    pub first_order: Order,
    /// Place of the pour that made the bucket overflow. A bucket whose time was up has none: it
    /// takes the place of its first event, at the effective time at which it was up.
    pub order: Order,
    /// Names this overflow: equal for the same counted events in a bucket of the same key and of
    /// a scenario of the same fingerprint, in every run, and different when any of them differs.
    pub identity: u128,
}

/// Events that left the table, in one piece of memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    bytes: Vec<u8>,
    /// Where each event ends.
    ends: Vec<usize>,
}

impl Kept {
    pub(crate) fn of(queue: &Queue, events: &Events) -> Self {
        // The queue knows its bytes, so that nothing is moved.
        let n_bytes = usize::try_from(queue.bytes()).unwrap_or(0);
        let mut bytes = Vec::with_capacity(n_bytes);
        let mut ends = Vec::with_capacity(queue.len());
        for &id in queue.ids() {
            bytes.extend_from_slice(events.bytes(id));
            ends.push(bytes.len());
        }
        Self { bytes, ends }
    }

    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The events' bytes, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> + DoubleEndedIterator {
        (0..self.ends.len()).map(|at| {
            let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
            &self.bytes[start..self.ends[at]]
        })
    }
}

/// An overflow that came true, or that did not after all.
#[derive(Debug, Clone)]
pub struct Change {
    /// The overflow.
    pub overflow: Arc<Overflow>,
    /// +1 or -1.
    pub diff: i64,
}

impl Change {
    pub(crate) fn added(overflow: Arc<Overflow>) -> Self {
        Self { overflow, diff: 1 }
    }

    pub(crate) fn removed(overflow: Arc<Overflow>) -> Self {
        Self { overflow, diff: -1 }
    }
}

/// What an identity is made of, besides the key.
pub(crate) struct Counted<'a> {
    pub(crate) fingerprint: u64,
    pub(crate) first: &'a Order,
    pub(crate) last: &'a Order,
    pub(crate) total: u32,
    /// Stands for the counted events and their order.
    pub(crate) digest: u64,
}

/// Bytes of an order in an identity.
const ORDER_BYTES: usize = 24;

/// The identity of an overflow.
pub(crate) fn identity(key: Key, counted: &Counted<'_>) -> u128 {
    // Not a defence against forgery, which the keyed hash in `key` is: so the keys are constants.
    // They, and the order of the words, are for ever: consumers store identities.
    let mut hasher = SipHasher13::new_with_keys(0x6f76_6572, 0x7370_696c);
    let &Counted {
        fingerprint,
        first,
        last,
        total,
        digest,
    } = counted;
    let words = [key.0[0], key.0[1], fingerprint, u64::from(total), digest];
    let mut bytes = [0; 5 * 8 + 2 * ORDER_BYTES];
    let (head, orders) = bytes.split_at_mut(5 * 8);
    for (place, word) in head.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    for (place, order) in orders.chunks_exact_mut(ORDER_BYTES).zip([first, last]) {
        place[..8].copy_from_slice(&order.eff_ns.to_le_bytes());
        place[8..12].copy_from_slice(&order.partition.to_le_bytes());
        place[12..20].copy_from_slice(&order.offset.to_le_bytes());
        place[20..].copy_from_slice(&order.seq.to_le_bytes());
    }
    hasher.write(&bytes);
    hasher.finish128().as_u128()
}
