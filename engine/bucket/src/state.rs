//! What the table knows of one key, as a plain value.
//!
//! A [`State`] is changed only by [`crate::rules::Rules`]. It can be cloned and compared, which is
//! what speculation needs: a clone is the state before, and equal states have equal futures.

use std::sync::Arc;

use crate::pour::{Order, Pour, Stamp};
use crate::queue::Queue;
use crate::spec::ScenarioId;

/// Nanoseconds of effective time in a turn of the wheel, as a power of two: about a second.
const TURN_BITS: u32 = 30;

/// The turn that holds an effective time. States are forgotten where a turn begins, and only
/// there, so that how many there are is a function of the pours alone.
pub(crate) fn turn(eff_ns: i64) -> i64 {
    eff_ns >> TURN_BITS
}

/// One key: its bucket, its blackholes and what decides when they are forgotten.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    /// The live bucket.
    pub(crate) bucket: Option<Bucket>,
    /// At most one a scenario: several only where scenarios collide on the key.
    pub(crate) holes: Vec<Hole>,
    /// Place of the last pour.
    pub(crate) last: Order,
    /// How many pours there were: 0, 1, or 2 for more.
    pub(crate) hits: u8,
    /// The state is forgotten at the first turn after this. It never falls, so an entry in the
    /// wheel is never too late.
    pub(crate) keep_until_ns: i64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            bucket: None,
            holes: Vec::new(),
            last: Order::default(),
            hits: 0,
            keep_until_ns: i64::MIN,
        }
    }
}

impl State {
    /// Whether there was any pour since the state was last forgotten.
    pub(crate) fn exists(&self) -> bool {
        self.hits > 0
    }

    pub(crate) fn keep(&mut self, until_ns: i64) {
        self.keep_until_ns = self.keep_until_ns.max(until_ns);
    }

    /// Whether nothing after the beginning of this turn can depend on the state.
    pub(crate) fn is_over(&self, at_turn: i64) -> bool {
        turn(self.keep_until_ns) < at_turn
    }

    /// States of the lower rank are evicted first: those that had one pour and hide nothing.
    pub(crate) fn rank(&self) -> u8 {
        u8::from(!self.holes.is_empty() || (self.hits > 1 && self.bucket.is_some()))
    }

    pub(crate) fn size(&self) -> Size {
        let queue = self.bucket.as_ref().map(|bucket| &bucket.queue);
        Size {
            exists: self.exists(),
            live: self.bucket.as_ref().map(|bucket| bucket.scenario),
            events: queue.map_or(0, |queue| queue.len() as u64),
            bytes: queue.map_or(0, Queue::bytes),
        }
    }
}

/// What a state contributes to the totals of its key group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) exists: bool,
    /// The scenario of the live bucket, if there is one.
    pub(crate) live: Option<ScenarioId>,
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

/// One blackhole: overflows before `until_ns` are swallowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hole {
    /// The scenario that created the bucket that overflowed.
    pub(crate) scenario: ScenarioId,
    /// By the events' own time, exclusive.
    pub(crate) until_ns: i64,
    /// By effective time, inclusive: what lets the table forget the hole.
    pub(crate) until_eff_ns: i64,
}

/// A live bucket that is no trigger (a trigger never outlives its pour).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bucket {
    /// The scenario that created the bucket, by whose rules it goes.
    pub(crate) scenario: ScenarioId,
    /// Counted events.
    pub(crate) total: u32,
    /// The first counted event.
    pub(crate) first: Option<First>,
    /// Time of the last counted event; that of no event before there is a first.
    pub(crate) last: Stamp,
    /// Missing tokens times leak speed: the time it takes to leak empty, in nanoseconds.
    pub(crate) debt_ns: i128,
    /// Effective time of the creation or of the last pour that was not dropped.
    pub(crate) touched_ns: i64,
    /// Stands for the counted events and their order.
    pub(crate) digest: u64,
    /// Retained events.
    pub(crate) queue: Queue,
    /// What only few buckets have.
    pub(crate) memory: Option<Arc<Memory>>,
}

/// The first counted event of a bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct First {
    pub(crate) stamp: Stamp,
    pub(crate) order: Order,
}

/// What a bucket remembers of earlier events besides counting them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Memory {
    /// Hashes of the `distinct` values so far, sorted.
    pub(crate) seen: Vec<[u64; 2]>,
    /// One bit for each bayesian condition that was ever true.
    pub(crate) bits: Vec<u64>,
}

impl Bucket {
    pub(crate) fn new(pour: &Pour, queue: Queue) -> Self {
        Self {
            scenario: pour.scenario,
            total: 0,
            first: None,
            last: Stamp::default(),
            debt_ns: 0,
            touched_ns: pour.order.eff_ns,
            digest: 0,
            queue,
            memory: None,
        }
    }

    /// Counts an event.
    pub(crate) fn count(&mut self, stamp: Stamp, order: Order) {
        self.total = self.total.saturating_add(1);
        self.digest = digest(self.digest, &order);
        self.first.get_or_insert(First { stamp, order });
        self.last = stamp;
    }

    /// Time of the last counted event, or else the effective time of the last pour.
    pub(crate) fn last_or_touched(&self) -> Stamp {
        match self.first {
            Some(_) => self.last,
            None => Stamp {
                ns: self.touched_ns,
                zone_secs: 0,
            },
        }
    }

    fn memory(&mut self) -> &mut Memory {
        Arc::make_mut(self.memory.get_or_insert_default())
    }

    /// Records a `distinct` value.
    pub(crate) fn see(&mut self, value: [u64; 2], seen_max: usize) -> Seen {
        let seen = self.memory.as_ref().map_or(&[][..], |memory| &memory.seen);
        match seen.binary_search(&value) {
            Ok(_) => Seen::Before,
            Err(_) if seen.len() >= seen_max => Seen::TooMany,
            Err(at) => {
                self.memory().seen.insert(at, value);
                Seen::First
            }
        }
    }

    pub(crate) fn was_true(&self, condition: usize) -> bool {
        let word = self
            .memory
            .as_ref()
            .and_then(|memory| memory.bits.get(condition / 64));
        word.is_some_and(|word| word >> (condition % 64) & 1 == 1)
    }

    pub(crate) fn set_true(&mut self, condition: usize) {
        if self.was_true(condition) {
            return;
        }
        let bits = &mut self.memory().bits;
        if bits.len() <= condition / 64 {
            bits.resize(condition / 64 + 1, 0);
        }
        bits[condition / 64] |= 1 << (condition % 64);
    }
}

/// Whether a `distinct` value is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    First,
    Before,
    /// New, but the set is full.
    TooMany,
}

/// Adds an event to a digest. Part of the identity of overflows: it must never change.
pub(crate) fn digest(before: u64, order: &Order) -> u64 {
    let place = u64::from(order.partition) << 32 | u64::from(order.seq);
    [order.eff_ns.cast_unsigned(), order.offset, place]
        .into_iter()
        .fold(before, |digest, word| {
            (digest.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_over_only_from_the_next_turn_on() {
        let check = |until_ns: i64, eff_ns: i64, is_over: bool| {
            let state = State {
                keep_until_ns: until_ns,
                ..State::default()
            };
            assert_eq!(state.is_over(turn(eff_ns)), is_over, "{until_ns} {eff_ns}");
        };
        let second_turn = 1 << TURN_BITS;
        check(0, 0, false);
        check(0, second_turn - 1, false);
        check(0, second_turn, true);
        check(second_turn - 1, second_turn, true);
        check(second_turn, second_turn, false);
        check(-1, 0, true);
        check(i64::MAX, i64::MAX, false);
        check(i64::MIN, i64::MIN, false);
    }

    #[test]
    fn the_digest_depends_on_the_order_of_events() {
        let order = |offset| Order {
            offset,
            ..Order::default()
        };
        let forward = digest(digest(0, &order(1)), &order(2));
        let backward = digest(digest(0, &order(2)), &order(1));
        assert_ne!(forward, backward);
    }
}
