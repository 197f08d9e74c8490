//! A state in 72 bytes, when it is one of the ordinary ones.
//!
//! ```text
//! | last place | first time | level | digest | events, values | wheel, group |   72 bytes and a list
//! ```
//!
//! Almost all states are alike: a bucket whose counted events came in order from one partition, at
//! their own times, or one blackhole, or neither. Then most fields of a [`State`] follow from a few,
//! and those are what a [`Record`] has. What does not follow ([`pack`] looks at every field) is kept
//! as it is, in a box beside: such a state is *wide*.

use std::sync::Arc;

use super::lists::Lists;
use crate::events::EventId;
use crate::pour::{Order, Pour, Stamp};
use crate::queue::Queue;
use crate::rules::Rules;
use crate::spec::ScenarioId;
use crate::state::{Bucket, First, Hole, Memory, State, digest};

/// `distinct` values that a record has at most.
const SEEN_MAX: usize = 63;
/// Words of one `distinct` value.
const VALUE_WORDS: usize = 4;

/// What a record stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Form {
    /// No bucket and no blackhole: only when the key was last poured into.
    #[default]
    Bare,
    /// A bucket.
    Bucket,
    /// One blackhole and no bucket.
    Hole,
    /// `list` is the number of a whole state.
    Wide,
}

/// What the first and the last event of a record have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Origin {
    pub(crate) scenario: ScenarioId,
    pub(crate) partition: u32,
    pub(crate) seq: u32,
    pub(crate) zone_secs: i32,
}

/// Where a cell stands in lists of cells; no part of its state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Links {
    /// Neighbours in the wheel's slot; both [`Links::NONE`] when it is in none.
    pub(crate) next: u32,
    pub(crate) prev: u32,
    /// Place in the list of the key's group.
    pub(crate) place: u32,
}

impl Links {
    pub(crate) const NONE: u32 = u32::MAX;
}

impl Default for Links {
    fn default() -> Self {
        Self {
            next: Self::NONE,
            prev: Self::NONE,
            place: 0,
        }
    }
}

/// An ordinary state.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Record {
    /// Effective time and offset of the last pour.
    last_ns: i64,
    last_offset: u64,
    /// Time of the first event; of a blackhole, its end.
    first_ns: i64,
    /// The bucket's level; of a blackhole, its end by effective time.
    debt_ns: u64,
    /// Digest of the events; without a bucket, until when the state is kept.
    digest: u64,
    /// How far the first event's offset is before the last pour's.
    first_back: u32,
    /// The only event, or the list of events and `distinct` values.
    pub(crate) list: u32,
    /// Bytes of the events.
    bytes: u32,
    pub(crate) links: Links,
    /// Number of the [`Origin`].
    pub(crate) origin: u16,
    total: u8,
    pub(crate) n_events: u8,
    pub(crate) n_seen: u8,
    pub(crate) form: Form,
    flags: u8,
}

/// There was more than one pour.
const HIT_AGAIN: u8 = 1;
/// The state exists.
const EXISTS: u8 = 2;
/// The first event's effective time is a nanosecond after its own.
const FIRST_LATE: u8 = 4;
/// So is the last event's.
const LAST_LATE: u8 = 8;
/// No part of the state: it changed since its group was written.
const UNWRITTEN: u8 = 16;

impl Record {
    /// The record of a whole state of this number.
    pub(crate) fn wide(list: u32) -> Self {
        Self {
            form: Form::Wide,
            list,
            ..Self::default()
        }
    }

    /// Whether the state changed since its group was written.
    pub(crate) fn is_unwritten(&self) -> bool {
        self.flags & UNWRITTEN != 0
    }

    pub(crate) fn set_unwritten(&mut self, is_unwritten: bool) {
        self.flags = (self.flags & !UNWRITTEN) | (u8::from(is_unwritten) * UNWRITTEN);
    }

    /// Words of its list; none when there is at most one event and nothing else.
    pub(crate) fn n_words(&self) -> usize {
        let (n_events, n_seen) = (usize::from(self.n_events), usize::from(self.n_seen));
        if n_seen == 0 && n_events <= 1 {
            return 0;
        }
        n_events + VALUE_WORDS * n_seen
    }

    pub(crate) fn n_bytes(&self) -> u64 {
        self.bytes.into()
    }

    pub(crate) fn exists(&self) -> bool {
        self.flags & EXISTS != 0
    }

    /// As [`State::rank`].
    pub(crate) fn rank(&self) -> u8 {
        match self.form {
            Form::Bare | Form::Wide => 0,
            Form::Bucket => u8::from(self.flags & HIT_AGAIN != 0),
            Form::Hole => 1,
        }
    }

    /// Place of the last pour.
    pub(crate) fn last(&self, origin: &Origin) -> Order {
        Order {
            eff_ns: self.last_ns,
            partition: origin.partition,
            offset: self.last_offset,
            seq: origin.seq,
        }
    }

    /// As [`State::keep_until_ns`].
    pub(crate) fn keep_until_ns(&self, origin: &Origin, rules: &Rules) -> i64 {
        match self.form {
            Form::Bucket => rules
                .alive_until(origin.scenario, self.touched_ns())
                .max(self.last_ns),
            _ => self.digest.cast_signed(),
        }
    }

    fn first_eff_ns(&self) -> i64 {
        self.first_ns + self.has(FIRST_LATE)
    }

    /// As [`Bucket::touched_ns`]: of a bucket with one event, pours that did not count may follow.
    fn touched_ns(&self) -> i64 {
        match self.total {
            1 => self.first_eff_ns(),
            _ => self.last_ns,
        }
    }

    /// Own time of the last counted event.
    fn counted_ns(&self) -> i64 {
        match self.total {
            1 => self.first_ns,
            _ => self.last_ns - self.has(LAST_LATE),
        }
    }

    /// Something to look at when the record is read for the cache's sake.
    pub(crate) fn warmth(&self) -> u64 {
        self.last_offset ^ self.digest
    }

    fn has(&self, flag: u8) -> i64 {
        i64::from(self.flags & flag != 0)
    }
}

/// Counts a pour into the bucket of a record where it lies, as [`Rules::step`] would: the bucket is
/// not over, it is not full, and it retains the event beside the others. `None`, and nothing is
/// changed, when anything else is to happen, or when the record would be wide. The list is left to
/// the caller.
pub(crate) fn count(
    record: &mut Record,
    origin: &Origin,
    pour: &Pour,
    n_bytes: u64,
    rules: &Rules,
) -> Option<()> {
    if record.form != Form::Bucket || record.n_seen > 0 {
        return None;
    }
    let plain = rules.plain(origin.scenario)?;
    let (stamp, order) = (pour.time?, &pour.order);
    let is_alike = (order.partition, order.seq, stamp.zone_secs)
        == (origin.partition, origin.seq, origin.zone_secs);
    let is_later = (order.eff_ns, order.offset) > (record.last_ns, record.last_offset);
    let counted_ns = record.counted_ns();
    let is_alive = order.eff_ns <= rules.alive_until(origin.scenario, record.touched_ns())
        && stamp.ns <= counted_ns.saturating_add(plain.span_ns);
    let late_ns = order.eff_ns.checked_sub(stamp.ns)?;
    if !(is_alike && is_later && is_alive && (0..=1).contains(&late_ns)) {
        return None;
    }
    let elapsed_ns = stamp.ns.saturating_sub(counted_ns).max(0).cast_unsigned();
    let debt_ns = record.debt_ns.saturating_sub(elapsed_ns);
    let debt_ns = debt_ns.checked_add(plain.leak_ns)?;
    let n_bytes = u64::from(record.bytes) + n_bytes;
    let n_events = record.n_events.checked_add(1)?;
    let is_retained = usize::from(n_events) <= plain.retained && n_bytes <= plain.queue_bytes_max;
    if debt_ns > plain.full_ns || !is_retained {
        return None;
    }
    let first_offset = record.last_offset - u64::from(record.first_back);
    let first_back = u32::try_from(order.offset.checked_sub(first_offset)?).ok()?;
    let total = record.total.checked_add(1)?;
    record.bytes = u32::try_from(n_bytes).ok()?;
    record.first_back = first_back;
    record.total = total;
    record.last_ns = order.eff_ns;
    record.last_offset = order.offset;
    record.debt_ns = debt_ns;
    record.digest = digest(record.digest, order);
    record.n_events = n_events;
    record.flags = (record.flags | HIT_AGAIN) & !LAST_LATE;
    if late_ns == 1 {
        record.flags |= LAST_LATE;
    }
    Some(())
}

/// The record of a state but for its list, and its origin. `None` when the state is wide.
pub(crate) fn pack(state: &State, rules: &Rules) -> Option<(Record, Origin)> {
    let last = &state.last;
    let mut origin = Origin {
        partition: last.partition,
        seq: last.seq,
        ..Origin::default()
    };
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    let mut record = Record {
        last_ns: last.eff_ns,
        last_offset: last.offset,
        digest: state.keep_until_ns.cast_unsigned(),
        flags: flag(state.hits > 1, HIT_AGAIN) | flag(state.exists(), EXISTS),
        ..Record::default()
    };
    match (&state.bucket, &state.holes[..]) {
        (None, []) => {}
        (None, [hole]) => {
            record.form = Form::Hole;
            record.first_ns = hole.until_ns;
            record.debt_ns = hole.until_eff_ns.cast_unsigned();
            origin.scenario = hole.scenario;
        }
        (Some(bucket), []) => pack_bucket(state, bucket, rules, &mut record, &mut origin)?,
        _ => return None,
    }
    Some((record, origin))
}

fn pack_bucket(
    state: &State,
    bucket: &Bucket,
    rules: &Rules,
    record: &mut Record,
    origin: &mut Origin,
) -> Option<()> {
    let last = &state.last;
    let first = bucket.first.as_ref()?;
    let is_late = |eff_ns: i64, stamp: &Stamp| match eff_ns.checked_sub(stamp.ns) {
        Some(0) => Some(false),
        Some(1) => Some(true),
        _ => None,
    };
    if is_late(first.order.eff_ns, &first.stamp)? {
        record.flags |= FIRST_LATE;
    }
    let counted_ns = match bucket.total {
        1 => first.order.eff_ns,
        _ => last.eff_ns,
    };
    if bucket.total > 1 && is_late(last.eff_ns, &bucket.last)? {
        record.flags |= LAST_LATE;
    }
    let kept_until_ns = rules
        .alive_until(bucket.scenario, counted_ns)
        .max(last.eff_ns);
    let is_ordinary = bucket.touched_ns == counted_ns
        && (bucket.total > 1 || bucket.last == first.stamp)
        && bucket.last.zone_secs == first.stamp.zone_secs
        && (first.order.partition, first.order.seq) == (last.partition, last.seq)
        && state.keep_until_ns == kept_until_ns;
    if !is_ordinary {
        return None;
    }
    record.form = Form::Bucket;
    record.total = u8::try_from(bucket.total).ok()?;
    record.first_ns = first.stamp.ns;
    record.first_back = u32::try_from(last.offset.checked_sub(first.order.offset)?).ok()?;
    record.debt_ns = u64::try_from(bucket.debt_ns).ok()?;
    record.digest = bucket.digest;
    record.n_events = u8::try_from(bucket.queue.len()).ok()?;
    record.bytes = u32::try_from(bucket.queue.bytes()).ok()?;
    if let Some(memory) = &bucket.memory {
        if !memory.bits.is_empty() || memory.seen.len() > SEEN_MAX {
            return None;
        }
        record.n_seen = u8::try_from(memory.seen.len()).ok()?;
    }
    origin.scenario = bucket.scenario;
    origin.zone_secs = first.stamp.zone_secs;
    (record.n_words() <= Lists::LEN_MAX).then_some(())
}

/// The state of a record that is not wide. The list of events is written to `ids`.
pub(crate) fn unpack(
    record: &Record,
    origin: &Origin,
    lists: &Lists,
    rules: &Rules,
    mut ids: Vec<EventId>,
) -> State {
    let last = record.last(origin);
    let mut state = State {
        bucket: None,
        holes: Vec::new(),
        last,
        hits: u8::from(record.exists()) + u8::from(record.flags & HIT_AGAIN != 0),
        keep_until_ns: record.keep_until_ns(origin, rules),
    };
    match record.form {
        Form::Bare | Form::Wide => {}
        Form::Hole => state.holes.push(Hole {
            scenario: origin.scenario,
            until_ns: record.first_ns,
            until_eff_ns: record.debt_ns.cast_signed(),
        }),
        Form::Bucket => {
            let stamp = |ns: i64| Stamp {
                ns,
                zone_secs: origin.zone_secs,
            };
            ids.clear();
            read_ids(record, lists, &mut ids);
            state.bucket = Some(Bucket {
                scenario: origin.scenario,
                total: record.total.into(),
                first: Some(First {
                    stamp: stamp(record.first_ns),
                    order: Order {
                        eff_ns: record.first_eff_ns(),
                        offset: last.offset - u64::from(record.first_back),
                        ..last
                    },
                }),
                last: stamp(record.counted_ns()),
                debt_ns: record.debt_ns.into(),
                touched_ns: record.touched_ns(),
                digest: record.digest,
                queue: Queue::of(ids, record.n_bytes()),
                memory: read_seen(record, lists),
            });
        }
    }
    state
}

/// The events of a record that is not wide.
pub(crate) fn read_ids(record: &Record, lists: &Lists, ids: &mut Vec<EventId>) {
    match (record.n_words(), record.n_events) {
        (0, 0) => {}
        (0, _) => ids.push(EventId(record.list)),
        (_, n) => {
            let words = lists.get(record.list, usize::from(n));
            ids.extend(words.iter().map(|&word| EventId(word)));
        }
    }
}

fn read_seen(record: &Record, lists: &Lists) -> Option<Arc<Memory>> {
    if record.n_seen == 0 {
        return None;
    }
    let words = &lists.get(record.list, record.n_words())[usize::from(record.n_events)..];
    let long = |pair: &[u32]| u64::from(pair[0]) | u64::from(pair[1]) << 32;
    let seen = words
        .chunks_exact(VALUE_WORDS)
        .map(|value| [long(&value[..2]), long(&value[2..])])
        .collect();
    Some(Arc::new(Memory {
        seen,
        bits: Vec::new(),
    }))
}

/// Writes events and values into the list of their record.
pub(crate) fn write_list(words: &mut [u32], ids: &[EventId], memory: Option<&Memory>) {
    for (word, id) in words.iter_mut().zip(ids) {
        *word = id.0;
    }
    let seen = memory.map_or(&[][..], |memory| &memory.seen);
    for (words, value) in words[ids.len()..].chunks_exact_mut(VALUE_WORDS).zip(seen) {
        for (pair, long) in words.chunks_exact_mut(2).zip(value) {
            // The halves of a word of 64 bits.
            pair.copy_from_slice(&[*long as u32, (*long >> 32) as u32]);
        }
    }
}
