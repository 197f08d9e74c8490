//! What a bucket leaves behind when it overflows.

use std::hash::Hasher;
use std::sync::Arc;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::key::Key;
use crate::pour::{Evidence, Order, Stamp};
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
    pub queue: Vec<Evidence>,
    /// Place of the first counted event.
    pub first_order: Order,
    /// Place of the pour that made the bucket overflow. A bucket whose time was up has none: it
    /// takes the place of its first event, at the effective time at which it was up.
    pub order: Order,
    /// Names this overflow: equal for the same counted events in a bucket of the same key and of
    /// a scenario of the same fingerprint, in every run, and different when any of them differs.
    pub identity: u128,
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
    for word in [key.0[0], key.0[1], fingerprint, u64::from(total), digest] {
        hasher.write(&word.to_le_bytes());
    }
    for order in [first, last] {
        hasher.write(&order.eff_ns.to_le_bytes());
        hasher.write(&order.partition.to_le_bytes());
        hasher.write(&order.offset.to_le_bytes());
        hasher.write(&order.seq.to_le_bytes());
    }
    hasher.finish128().as_u128()
}
