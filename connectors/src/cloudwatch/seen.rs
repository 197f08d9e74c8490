//! Which events were given, in bounded room.
//!
//! Events of a group come in the order of their own time, and one may be there later than others of a later time. So
//! each look goes back some time, and what was given has to be known again. Their ids alone would be too many. But the
//! service says of each event when it was taken in: what was taken in some time before a look that was
//! read to its end was seen in it, or before.
//!
//! ```text
//!  known is   what was taken in at `floor` or before
//!             what was taken in at `upto.1` or before and is of a time before `upto.0`: of a look that is going on
//!             what is among `ids`
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

/// Most ids that are kept.
pub(super) const IDS_MAX: usize = 3_000;
/// And while a look is read whose events are in no order, which Amazon's are not.
const UNORDERED_MAX: usize = 100_000;
/// Most lines of a batch, whose ids are kept in their order.
pub(super) const BATCH_MAX: usize = 900;
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 8;
const ID_BYTES: usize = 16;

/// An event that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id {
    /// When the service took it in, in milliseconds since 1970.
    pub(super) taken_ms: i64,
    /// Of its id and stream.
    pub(super) hash: u64,
}

/// See above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Events of a time before this are not wanted.
    pub(super) begin_ms: i64,
    /// Latest time of an event that was given.
    pub(super) high_ms: i64,
    /// When the event was taken in that was so last.
    pub(super) taken_ms: i64,
    floor_ms: i64,
    upto: (i64, i64),
    /// And the time of each.
    ids: BTreeMap<Id, i64>,
}

impl Seen {
    /// Nothing was given yet.
    pub(super) fn nothing(begin_ms: i64) -> Self {
        Self {
            begin_ms,
            high_ms: begin_ms,
            taken_ms: i64::MIN,
            floor_ms: i64::MIN,
            upto: (i64::MIN, i64::MIN),
            ids: BTreeMap::new(),
        }
    }

    /// What is known when a look begins. What is given while it goes on does not come twice in it, so only this is asked.
    pub(super) fn known(&self) -> Known {
        Known {
            begin_ms: self.begin_ms,
            floor_ms: self.floor_ms,
            upto: self.upto,
        }
    }

    /// Whether this one was given lately.
    pub(super) fn has(&self, id: Id) -> bool {
        self.ids.contains_key(&id)
    }

    /// An event was given, as one of a look that began at a time of ours. Where all that come are in the order of their
    /// times, those before it are known by that.
    pub(super) fn give(&mut self, id: Id, time_ms: i64, look_ms: i64, is_in_order: bool) {
        self.ids.insert(id, time_ms);
        self.taken_ms = self.taken_ms.max(id.taken_ms);
        if !is_in_order {
            if self.ids.len() > UNORDERED_MAX {
                self.ids.pop_first();
            }
            return;
        }
        self.high_ms = self.high_ms.max(time_ms.min(look_ms));
        if self.ids.len() <= IDS_MAX {
            return;
        }
        self.upto.0 = self.upto.0.max(time_ms);
        let upto = self.upto.0;
        let mut oldest = self.ids.iter().filter(|(_, time)| **time < upto);
        let oldest = oldest.next().map(|(id, _)| *id);
        if let Some(id) = oldest.or_else(|| self.ids.keys().next().copied()) {
            self.ids.remove(&id);
            self.upto.1 = self.upto.1.max(id.taken_ms);
        }
    }

    /// A look that began at a time of ours was read to its end, up to an event of this time.
    pub(super) fn complete(&mut self, look_ms: i64, latest_ms: i64, settle_ms: i64) {
        self.high_ms = self.high_ms.max(latest_ms.min(look_ms));
        let sure = self.taken_ms.min(look_ms).saturating_sub(settle_ms);
        // What was known by its time is known by this from now on.
        self.floor_ms = self.floor_ms.max(sure).max(self.upto.1);
        self.upto = (i64::MIN, i64::MIN);
        while let Some((id, _)) = self.ids.first_key_value() {
            let id = *id;
            if id.taken_ms > self.floor_ms && self.ids.len() <= IDS_MAX {
                break;
            }
            self.floor_ms = self.floor_ms.max(id.taken_ms);
            self.ids.remove(&id);
        }
    }

    /// With the ids of a batch that is given from there on, and the offset of its first line.
    pub(super) fn to_bytes(&self, base: u64, batch: &[Id]) -> Arc<[u8]> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&base.to_le_bytes());
        for number in [
            self.begin_ms,
            self.high_ms,
            self.taken_ms,
            self.floor_ms,
            self.upto.0,
            self.upto.1,
        ] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let n_batch = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&n_batch.to_le_bytes());
        // The newest: there may be some more, of a time that is not passed yet.
        let n_over = self.ids.len().saturating_sub(IDS_MAX);
        for id in batch.iter().chain(self.ids.keys().skip(n_over)) {
            bytes.extend_from_slice(&id.taken_ms.to_le_bytes());
            bytes.extend_from_slice(&id.hash.to_le_bytes());
        }
        Arc::from(bytes)
    }

    /// What was given before a line of this offset, and the ids of those that have to come first from there on. `None` when it
    /// cannot be read.
    pub(super) fn from_bytes(bytes: &[u8], offset: u64) -> Option<(Self, Vec<Id>)> {
        let (&[version], mut rest) = bytes.split_first_chunk()?;
        let mut number = || -> Option<i64> {
            let (number, behind) = rest.split_first_chunk::<HEAD_BYTES>()?;
            rest = behind;
            Some(i64::from_le_bytes(*number))
        };
        let base = number()?.cast_unsigned();
        let mut seen = Self {
            begin_ms: number()?,
            high_ms: number()?,
            taken_ms: number()?,
            floor_ms: number()?,
            upto: (number()?, number()?),
            ids: BTreeMap::new(),
        };
        let (n_batch, rest) = rest.split_first_chunk()?;
        let n_batch = usize::try_from(u32::from_le_bytes(*n_batch)).ok()?;
        let (chunks, odd) = rest.as_chunks::<ID_BYTES>();
        if version != VERSION || !odd.is_empty() || n_batch > chunks.len() {
            return None;
        }
        let id = |chunk: &[u8; ID_BYTES]| -> Option<Id> {
            let (taken, hash) = chunk.split_first_chunk()?;
            Some(Id {
                taken_ms: i64::from_le_bytes(*taken),
                hash: u64::from_le_bytes(hash.try_into().ok()?),
            })
        };
        let ids = chunks.iter().map(id).collect::<Option<Vec<Id>>>()?;
        let n_given = usize::try_from(offset.checked_sub(base)?).ok()?;
        let (batch, others) = ids.split_at_checked(n_batch)?;
        let (given, owed) = batch.split_at_checked(n_given)?;
        for id in others.iter().chain(given) {
            seen.ids.insert(*id, i64::MIN);
            seen.taken_ms = seen.taken_ms.max(id.taken_ms);
        }
        Some((seen, owed.to_vec()))
    }
}

/// What is known without ids.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    begin_ms: i64,
    floor_ms: i64,
    upto: (i64, i64),
}

impl Known {
    /// Whether an event was given, or is not wanted.
    pub(super) fn has(&self, id: Id, time_ms: i64) -> bool {
        let (upto_ms, upto_taken_ms) = self.upto;
        time_ms < self.begin_ms
            || id.taken_ms <= self.floor_ms
            || (time_ms < upto_ms && id.taken_ms <= upto_taken_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: i64) -> Id {
        Id {
            taken_ms: n,
            hash: n.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15),
        }
    }

    fn has(seen: &Seen, n: i64, time_ms: i64) -> bool {
        seen.known().has(id(n), time_ms) || seen.has(id(n))
    }

    #[test]
    fn what_was_given_is_known_and_what_comes_late_is_not() {
        let mut seen = Seen::nothing(0);
        for n in 1..=10 {
            seen.give(id(n * 100), n * 100, 5_000, true);
        }
        assert_eq!(seen.high_ms, 1_000);
        seen.complete(5_000, 1_000, 300);
        // Taken in within the last 300 ms: known by their ids, and others of that time are not.
        assert!((1..=10).all(|n| has(&seen, n * 100, n * 100)));
        assert!(has(&seen, 650, 10), "taken in too long ago to be new");
        assert!(!has(&seen, 750, 10));
        assert!(!has(&seen, 1_100, 1_100));
        assert!(has(&seen, 1_100, -1), "before the beginning");
        assert_eq!(seen.ids.len(), 3);
        // A time that lies ahead does not move what is looked at.
        seen.give(id(1_200), 90_000, 5_000, true);
        assert_eq!(seen.high_ms, 5_000);
    }

    #[test]
    fn more_than_there_is_room_for_is_known_by_its_time_and_what_is_still_to_come_is_not() {
        let n_all = i64::try_from(IDS_MAX).unwrap() * 3;
        let mut seen = Seen::nothing(0);
        // All taken in at once, in an order that is not that of their times.
        let taken = |n: i64| 100_000 + n * 7_919 % n_all;
        for n in 0..n_all / 2 {
            seen.give(id(taken(n)), n, 200_000, true);
            assert!(seen.ids.len() <= IDS_MAX);
        }
        for n in 0..n_all {
            let was_given = n < n_all / 2;
            assert_eq!(has(&seen, taken(n), n), was_given, "{n}");
        }
        let (again, owed) = Seen::from_bytes(&seen.to_bytes(7, &[]), 7).unwrap();
        assert!(owed.is_empty());
        for n in 0..n_all {
            assert_eq!(has(&again, taken(n), n), n < n_all / 2, "{n}");
        }
        for n in n_all / 2..n_all {
            seen.give(id(taken(n)), n, 200_000, true);
        }
        seen.complete(200_000, n_all, 1_000_000);
        assert!((0..n_all).all(|n| has(&seen, taken(n), n)));
        assert!(seen.ids.len() <= IDS_MAX);
    }

    #[test]
    fn a_position_in_the_midst_of_a_batch_says_what_comes_first() {
        let mut seen = Seen::nothing(5);
        seen.give(id(1), 10, 1_000, true);
        let batch = [id(2), id(3), id(4)];
        let bytes = seen.to_bytes(20, &batch);
        for n_given in 0..=3 {
            let offset = 20 + n_given as u64;
            let (again, owed) = Seen::from_bytes(&bytes, offset).unwrap();
            assert_eq!(owed, &batch[n_given..]);
            assert!(again.has(id(1)));
            assert_eq!(again.has(id(2)), n_given > 0);
            assert_eq!((again.begin_ms, again.high_ms), (5, 10));
        }
        assert_eq!(Seen::from_bytes(&bytes, 19), None);
        assert_eq!(Seen::from_bytes(&bytes, 24), None);
        for n in 0..bytes.len() {
            let cut = Seen::from_bytes(&bytes[..n], 20);
            assert!(cut.is_none_or(|(_, owed)| owed.len() == 3), "{n}");
        }
        // The largest is one that a checkpoint can hold.
        for n in 0..2 * i64::try_from(IDS_MAX).unwrap() {
            seen.give(id(n), 10, 1_000, true);
        }
        let largest = seen.to_bytes(0, &[id(0); BATCH_MAX]);
        let position = crate::source::Position {
            offset: 0,
            context: largest,
        };
        let bytes = position.to_bytes();
        assert_eq!(crate::source::Position::from_bytes(&bytes), Ok(position));
    }
}
