//! One log group: which of the events that come are given, and in which order.

use std::collections::{BTreeMap, VecDeque};
use std::hash::Hasher as _;
use std::sync::Arc;

use overspill_event::{LineBatch, Origin};
use siphasher::sip::SipHasher13;

use super::config::CloudWatchConfig;
use super::fetch::LogEvent;
use super::seen::{BATCH_MAX, Id, Known, Seen};
use crate::lines::BATCH_BYTES;
use crate::source::{Batch, Count, Counters, PartitionId, Position, Run};
use crate::window::civil_from_days;

/// Nanoseconds of a millisecond.
const MILLISECOND_NS: i64 = 1_000_000;
/// Most events that wait for those that have to come first.
const HELD_MAX: usize = 20_000;
/// Most events of one turn.
const EVENTS_MOST: usize = 8_192;
/// Origins of streams that are remembered.
const ORIGINS_MAX: usize = 1_000;

/// A look that is being read.
#[derive(Debug)]
struct Look {
    as_of_ns: i64,
    known: Known,
    /// Latest time of an event that came.
    latest_ms: i64,
    /// All came in the order of their times.
    is_in_order: bool,
    /// There are no more pages of it.
    is_last: bool,
}

impl Look {
    fn as_of_ms(&self) -> i64 {
        self.as_of_ns / MILLISECOND_NS
    }
}

/// A group, from when it begins.
#[derive(Debug)]
pub(super) struct Group {
    origin: Origin,
    line_bytes_max: usize,
    settle_ms: i64,
    prepends_time: bool,
    seen: Seen,
    /// Offset of the next line.
    next: u64,
    /// Where it was begun,
    begun: Position,
    /// and whether anything was given since.
    has_moved: bool,
    /// Events that were given when a checkpoint was made and come first, in this order.
    owed: VecDeque<Id>,
    /// Those of a page that are to be given.
    events: VecDeque<(Id, LogEvent)>,
    /// Those that came while some are owed.
    held: Vec<(Id, LogEvent)>,
    look: Option<Look>,
    origins: BTreeMap<Arc<str>, Arc<Origin>>,
}

impl Group {
    /// From a position; `None` when that cannot be read.
    pub(super) fn at(config: &CloudWatchConfig, position: Position) -> Option<Self> {
        let (seen, owed) = Seen::from_bytes(&position.context, position.offset)?;
        Some(Self::new(config, seen, owed, position))
    }

    /// With events of this time, or later, and offsets from one on.
    pub(super) fn fresh(config: &CloudWatchConfig, begin_ms: i64, offset: u64) -> Self {
        let seen = Seen::nothing(begin_ms);
        let context = seen.to_bytes(offset, &[]);
        let position = Position { offset, context };
        Self::new(config, seen, Vec::new(), position)
    }

    fn new(config: &CloudWatchConfig, seen: Seen, owed: Vec<Id>, begun: Position) -> Self {
        Self {
            origin: config.origin.clone(),
            line_bytes_max: config.line_bytes_max.max(1),
            settle_ms: i64::try_from(config.settle.as_millis()).unwrap_or(i64::MAX),
            prepends_time: config.prepends_time,
            seen,
            next: begun.offset,
            begun,
            has_moved: false,
            owed: owed.into(),
            events: VecDeque::new(),
            held: Vec::new(),
            look: None,
            origins: BTreeMap::new(),
        }
    }

    /// Where looks begin: not before the first, and back from the second.
    pub(super) fn bounds(&self) -> (i64, i64) {
        (self.seen.begin_ms, self.seen.high_ms)
    }

    pub(super) fn next_offset(&self) -> u64 {
        self.next
    }

    /// Where reading goes on, when all that came was given.
    pub(super) fn position(&self) -> Position {
        if !self.has_moved {
            return self.begun.clone();
        }
        Position {
            offset: self.next,
            context: self.seen.to_bytes(self.next, &[]),
        }
    }

    /// Whether there is nothing to give but what still has to come.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Takes in a page of a look.
    pub(super) fn take_page(
        &mut self,
        as_of_ns: i64,
        (is_first, is_last): (bool, bool),
        events: Vec<LogEvent>,
        counters: &Counters,
    ) {
        if is_first || self.look.is_none() {
            // Of a look that was not read to its end; they come again.
            self.held.clear();
            self.look = Some(Look {
                as_of_ns,
                known: self.seen.known(),
                latest_ms: i64::MIN,
                is_in_order: true,
                is_last,
            });
        }
        let Some(look) = &mut self.look else {
            return;
        };
        look.is_last = is_last;
        let mut fresh: Vec<(Id, LogEvent)> = Vec::new();
        let before_ms = look.latest_ms;
        for event in events {
            let id = id(&event);
            look.is_in_order &= event.time_ms >= before_ms;
            look.latest_ms = look.latest_ms.max(event.time_ms);
            if !look.known.has(id, event.time_ms) && !self.seen.has(id) {
                fresh.push((id, event));
            }
        }
        // As the service orders them; a server for tests does not.
        fresh.sort_by(|(id, event), (other_id, other)| {
            (event.time_ms, id.taken_ms, &event.id).cmp(&(
                other.time_ms,
                other_id.taken_ms,
                &other.id,
            ))
        });
        fresh.dedup_by_key(|(id, _)| *id);
        self.held.append(&mut fresh);
        self.release(counters);
    }

    /// Lets out what nothing has to come before.
    fn release(&mut self, counters: &Counters) {
        let is_last = self.look.as_ref().is_none_or(|look| look.is_last);
        let held = std::mem::take(&mut self.held);
        if self.owed.is_empty() {
            self.events.extend(held);
            return;
        }
        let n_held = held.len();
        let mut by_id: BTreeMap<Id, LogEvent> = BTreeMap::new();
        let mut others = Vec::new();
        for (id, event) in held {
            if self.owed.contains(&id) {
                by_id.insert(id, event);
            } else {
                others.push((id, event));
            }
        }
        let is_complete = by_id.len() == self.owed.len();
        if !is_complete && !is_last && n_held <= HELD_MAX {
            others.extend(by_id);
            self.held = others;
            return;
        }
        let mut n_gone = 0_usize;
        for id in std::mem::take(&mut self.owed) {
            match by_id.remove(&id) {
                Some(event) => self.events.push_back((id, event)),
                None => n_gone += 1,
            }
        }
        if n_gone > 0 {
            let offset = self.begun.offset;
            let text = format!("{n_gone} events at position {offset} are gone");
            counters.sample(Count::PositionsLost, text);
        }
        others.sort_by_key(|(id, event)| (event.time_ms, id.taken_ms));
        self.events.extend(others);
    }

    /// A batch of what is to be given.
    pub(super) fn take(
        &mut self,
        partition: PartitionId,
        arrival_ns: i64,
        counters: &Counters,
    ) -> Option<Batch> {
        let (mut lines, mut times_ns, mut runs) = (LineBatch::default(), Vec::new(), Vec::new());
        let (mut ids, mut given, mut last) = (Vec::new(), Vec::new(), None);
        let base = self.next;
        for _ in 0..EVENTS_MOST {
            if ids.len() >= BATCH_MAX || lines.data.len() >= BATCH_BYTES {
                break;
            }
            let Some((id, event)) = self.events.pop_front() else {
                break;
            };
            given.push((id, event.time_ms));
            let text = event.text.trim_end_matches('\n').trim_end_matches('\r');
            if text.is_empty() {
                counters.add(Count::RecordsEmpty, 1);
                continue;
            }
            if last.as_ref() != Some(&event.stream) {
                let origin = self.origin(&event.stream);
                let first = lines.lines.len();
                runs.push(Run { first, origin });
                last = Some(Arc::clone(&event.stream));
            }
            let stamped = self.prepends_time.then(|| stamped(event.time_ms, text));
            let line = stamped.as_deref().unwrap_or(text).as_bytes();
            let kept = line.get(..self.line_bytes_max).unwrap_or(line);
            lines.push(kept, self.next, kept.len() < line.len());
            times_ns.push(event.taken_ms.saturating_mul(MILLISECOND_NS));
            ids.push(id);
            self.next += 1;
        }
        self.has_moved |= !given.is_empty();
        // As of before the batch, with its ids beside.
        let context = self.seen.to_bytes(base, &ids);
        for (id, time_ms) in given {
            let (look_ms, is_in_order) = match &self.look {
                Some(look) => (look.as_of_ms(), look.is_in_order),
                None => (i64::MIN, false),
            };
            self.seen.give(id, time_ms, look_ms, is_in_order);
        }
        (!lines.lines.is_empty()).then_some(Batch {
            partition,
            lines,
            context,
            next_offset: self.next,
            arrival_ns,
            times_ns,
            runs,
        })
    }

    /// Whether a look was read to its end and all of it was given: as of when. It is said once.
    pub(super) fn complete(&mut self) -> Option<i64> {
        if !self.events.is_empty() || !self.held.is_empty() {
            return None;
        }
        let look = self.look.take_if(|look| look.is_last)?;
        self.has_moved = true;
        self.seen
            .complete(look.as_of_ms(), look.latest_ms, self.settle_ms);
        Some(look.as_of_ns)
    }

    fn origin(&mut self, stream: &Arc<str>) -> Arc<Origin> {
        if let Some(origin) = self.origins.get(stream) {
            return Arc::clone(origin);
        }
        let origin = Arc::new(Origin {
            src: format!("{}/{stream}", self.origin.src),
            ..self.origin.clone()
        });
        if self.origins.len() >= ORIGINS_MAX {
            self.origins.clear();
        }
        self.origins.insert(Arc::clone(stream), Arc::clone(&origin));
        origin
    }
}

fn id(event: &LogEvent) -> Id {
    let mut hasher = SipHasher13::new();
    for part in [&*event.stream, &*event.id] {
        hasher.write(part.as_bytes());
        hasher.write(&[0]);
    }
    if event.id.is_empty() {
        // Nothing else tells it from others.
        hasher.write(&event.time_ms.to_le_bytes());
        hasher.write(event.text.as_bytes());
    }
    Id {
        taken_ms: event.taken_ms,
        hash: hasher.finish(),
    }
}

/// A time as Go prints one of UTC, and the text.
fn stamped(time_ms: i64, text: &str) -> String {
    let (seconds, ms) = (time_ms.div_euclid(1_000), time_ms.rem_euclid(1_000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil_from_days(days);
    let fraction = format!(".{ms:03}");
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!(
        "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction} +0000 UTC {text}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK_NS: i64 = 1_000_000 * MILLISECOND_NS;

    fn event(time_ms: i64, taken_ms: i64, text: &str) -> LogEvent {
        LogEvent {
            stream: Arc::from("s"),
            id: text.to_owned(),
            time_ms,
            taken_ms,
            text: text.to_owned(),
        }
    }

    fn config() -> CloudWatchConfig {
        CloudWatchConfig::new("c", "g", Origin::default())
    }

    /// Texts of what is given of a look, and the batches.
    fn look(group: &mut Group, events: &[LogEvent]) -> (Vec<String>, Vec<Batch>) {
        let counters = Counters::default();
        group.take_page(LOOK_NS, (true, true), events.to_vec(), &counters);
        let (mut texts, mut batches) = (Vec::new(), Vec::new());
        while let Some(batch) = group.take(PartitionId(0), 0, &counters) {
            let text = |line| String::from_utf8_lossy(batch.lines.bytes(line)).into_owned();
            texts.extend(batch.lines.lines.iter().map(text));
            batches.push(batch);
        }
        assert_eq!(group.complete(), Some(LOOK_NS));
        assert_eq!(counters.get(Count::PositionsLost), 0);
        (texts, batches)
    }

    #[test]
    fn what_came_late_is_given_once_and_the_rest_is_not_given_again() {
        let mut group = Group::fresh(&config(), 0, 0);
        let mut events = vec![event(10, 900_000, "a"), event(30, 900_010, "c")];
        assert_eq!(look(&mut group, &events).0, ["a", "c"]);
        events.push(event(20, 910_000, "b"));
        assert_eq!(look(&mut group, &events).0, ["b"]);
        assert_eq!(look(&mut group, &events).0, [""; 0]);
        let mut again = Group::at(&config(), group.position()).unwrap();
        events.push(event(25, 920_000, "d"));
        assert_eq!(look(&mut again, &events).0, ["d"]);
    }

    #[test]
    fn after_a_restart_in_the_midst_of_a_batch_its_rest_comes_before_what_came_late() {
        let mut group = Group::fresh(&config(), 0, 5);
        let texts = ["a", "b", "c", "d"];
        let mut events: Vec<LogEvent> = (1..)
            .zip(texts)
            .map(|(n, text)| event(n * 10, n, text))
            .collect();
        let (_, batches) = look(&mut group, &events);
        assert_eq!(batches.len(), 1);
        events.insert(0, event(5, 100, "late"));
        for n in 0..4 {
            let position = batches[0].position_of(5 + n as u64);
            let mut again = Group::at(&config(), position).unwrap();
            let expected = [&texts[n..], &["late"]].concat();
            let (texts, batches) = look(&mut again, &events);
            assert_eq!(texts, expected, "{n}");
            assert_eq!(batches[0].lines.lines[0].offset, 5 + n as u64);
            let again = Group::at(&config(), batches[0].position_after()).unwrap();
            assert_eq!(again.next_offset(), 10);
        }
    }

    #[test]
    fn events_that_are_owed_and_do_not_come_are_counted() {
        let mut group = Group::fresh(&config(), 0, 0);
        let events = [event(10, 1, "a"), event(20, 2, "b")];
        let (_, batches) = look(&mut group, &events);
        let mut again = Group::at(&config(), batches[0].position_of(0)).unwrap();
        let counters = Counters::default();
        again.take_page(LOOK_NS, (true, true), vec![event(20, 2, "b")], &counters);
        assert_eq!(counters.get(Count::PositionsLost), 1);
        let batch = again.take(PartitionId(0), 0, &counters).unwrap();
        assert_eq!(
            (batch.lines.data.as_slice(), batch.next_offset),
            (&b"b"[..], 1)
        );
    }

    #[test]
    fn times_before_texts_are_as_go_prints_them() {
        for (ms, expected) in [
            (0, "1970-01-01 00:00:00 +0000 UTC x"),
            (1_709_251_199_120, "2024-02-29 23:59:59.12 +0000 UTC x"),
            (951_782_400_001, "2000-02-29 00:00:00.001 +0000 UTC x"),
            (-1, "1969-12-31 23:59:59.999 +0000 UTC x"),
            (1_798_761_600_000, "2027-01-01 00:00:00 +0000 UTC x"),
        ] {
            assert_eq!(stamped(ms, "x"), expected);
        }
    }
}
