//! One shard.

use std::collections::VecDeque;
use std::sync::Arc;

use overspill_event::Origin;

use super::config::KinesisConfig;
use super::desk::{Job, Piece, Record};
use super::place::{Context, Place};
use super::record::{About, Filler, Opened, Shape};
use crate::aws::Inbox;
use crate::source::{Begun, Counters, Lag, Outlet, PartitionId, PartitionName, Position};

/// Most things of one turn.
const STEPS_MOST: usize = 8_192;
/// The shortest time that a stream keeps records, in milliseconds.
pub(super) const KEPT_MS_MIN: i64 = 24 * 3_600_000;
/// Nanoseconds of a millisecond.
const MILLISECOND_NS: i64 = 1_000_000;

/// What became of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Took {
    /// Lines were given.
    Something,
    /// None were, but there is more to look at.
    More,
    /// There was no room.
    NoRoom,
    /// There is nothing just now.
    Nothing,
}

/// What else was seen in a turn, behind the lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// There was nothing more at this time.
    CaughtUp(i64),
    /// There will be nothing more.
    Closed,
    /// What was to be read next is not there; whoever fetches knows.
    Lost(String),
    /// What was to be read next is not there; something later is.
    Missing(String),
}

/// What a turn took.
#[derive(Debug)]
pub(super) struct Filled {
    filler: Filler,
    pub(super) news: Option<News>,
    is_drained: bool,
}

/// A shard, from when it begins until it is read to its end.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) shard: Arc<str>,
    pub(super) id: PartitionId,
    pub(super) is_queued: bool,
    name: PartitionName,
    number: u32,
    origin: Arc<Origin>,
    hashes: (u128, u128),
    inbox: Arc<Inbox<Piece>>,
    /// Where it was begun; its offset is that of the first line that is wanted.
    begun: Position,
    /// Offset of the next thing that comes out.
    next: u64,
    /// Of the record that it comes out of, or before the first.
    context: Context,
    /// The record that has to come first.
    expected: Option<Arc<str>>,
    /// All that came before it had been given when the stream still kept that: so nothing is lost if it does not come.
    is_fresh: bool,
    records: VecDeque<Record>,
    /// What comes behind these records.
    behind: Option<News>,
    opened: Option<Opened>,
}

impl Stream {
    pub(super) fn new(
        config: &KinesisConfig,
        shape: &Shape,
        shard: &Arc<str>,
        (number, id): (u32, PartitionId),
        position: Position,
        context: Context,
        now_ns: i64,
    ) -> Self {
        let expected = match &context.place {
            Place::At(sequence) => Some(Arc::clone(sequence)),
            _ => None,
        };
        let is_fresh = now_ns / MILLISECOND_NS - context.as_of_ms < KEPT_MS_MIN;
        Self {
            shard: Arc::clone(shard),
            id,
            is_queued: false,
            name: config.name_of(shard),
            number,
            origin: shape.origin(shard),
            hashes: (0, u128::MAX),
            inbox: Arc::new(Inbox::new(config.queue_bytes)),
            next: context.base,
            begun: position,
            expected,
            is_fresh,
            context,
            records: VecDeque::new(),
            behind: None,
            opened: None,
        }
    }

    /// Keys of these hashes belong to it.
    pub(super) fn set_hashes(&mut self, hashes: (u128, u128)) {
        self.hashes = hashes;
    }

    pub(super) fn name(&self) -> &PartitionName {
        &self.name
    }

    /// Tells the outlet; with the parent that it goes on from, if that has not ended yet.
    pub(super) fn begin(&self, parent: Option<PartitionId>, outlet: &mut dyn Outlet) {
        let begun = Begun {
            id: self.id,
            name: self.name.clone(),
            origin: Arc::clone(&self.origin),
            position: self.begun.clone(),
        };
        match parent {
            Some(parent) => outlet.begin_after(begun, parent),
            None => outlet.begin(begun),
        }
    }

    /// What is to be fetched for it.
    pub(super) fn job(&self) -> Job {
        Job {
            number: self.number,
            shard: Arc::clone(&self.shard),
            place: self.context.place.clone(),
            inbox: Arc::clone(&self.inbox),
        }
    }

    /// What came and went while nobody looked may be lost, and nothing that is still there can tell.
    pub(super) fn doubt(&self) -> Option<String> {
        let is_told = self.expected.is_some() || self.context.as_of_ms == 0 || self.is_fresh;
        let name = &self.name;
        (!is_told)
            .then(|| format!("{name}: nothing was looked at for a day; what came may be gone"))
    }

    /// Where reading goes on.
    pub(super) fn position(&self) -> Position {
        if self.next <= self.begun.offset && self.context.as_of_ms == 0 {
            return self.begun.clone();
        }
        Position {
            offset: self.next.max(self.begun.offset),
            context: self.context.to_bytes(),
        }
    }

    /// What is remembered of it when it is at its end.
    pub(super) fn ended(&self) -> Position {
        let mut context = self.context.clone();
        context.place = Place::Ended;
        Position {
            offset: self.next.max(self.begun.offset),
            context: context.to_bytes(),
        }
    }

    pub(super) fn lag(&self) -> Lag {
        Lag {
            offset: self.next.max(self.begun.offset),
            bytes: None,
            lines: None,
        }
    }

    /// What was expected does not come: what comes now has the offsets that are wanted.
    pub(super) fn pass_over(&mut self) {
        self.expected = None;
        self.next = self.next.max(self.begun.offset);
    }

    /// Begins to fetch anew, somewhere else.
    pub(super) fn jump(&mut self, config: &KinesisConfig, place: Place) {
        self.pass_over();
        (self.opened, self.behind) = (None, None);
        self.records.clear();
        self.inbox = Arc::new(Inbox::new(config.queue_bytes));
        self.context.place = place;
        self.context.base = self.next;
    }

    /// What is wrong if this, or the end, is not what was expected to come first.
    fn miss(&mut self, found: Option<&str>) -> Option<News> {
        let expected = self.expected.as_deref()?;
        if found == Some(expected) {
            self.expected = None;
            return None;
        }
        if self.is_fresh {
            self.pass_over();
            return None;
        }
        let (name, offset) = (&self.name, self.begun.offset);
        let text = format!("{name}: position {offset} is gone: record {expected} is not there");
        Some(News::Missing(text))
    }

    /// Takes lines out of what came, up to a batch.
    pub(super) fn take(&mut self, shape: &Shape, counters: &Counters) -> Filled {
        let mut filled = Filled {
            filler: Filler::default(),
            news: None,
            is_drained: false,
        };
        for _ in 0..STEPS_MOST {
            if filled.filler.is_full() {
                break;
            }
            if let Some(opened) = &mut self.opened {
                let about = About {
                    shape,
                    origin: &self.origin,
                    counters,
                    context: &self.context,
                };
                let is_wanted = self.next >= self.begun.offset;
                if opened.step(self.next, is_wanted, &mut filled.filler, &about) {
                    self.next += 1;
                } else {
                    self.opened = None;
                }
                continue;
            }
            if let Some(record) = self.records.pop_front() {
                filled.news = self.miss(Some(&record.sequence));
                if filled.news.is_some() {
                    self.records.push_front(record);
                    break;
                }
                self.context.place = Place::At(Arc::clone(&record.sequence));
                (self.context.base, self.context.as_of_ms) = (self.next, 0);
                self.opened = Some(shape.open(record, &self.shard, self.hashes, counters));
                continue;
            }
            if self.behind.is_some() {
                filled.news = self.miss(None).or_else(|| self.behind.take());
                break;
            }
            if !self.fetch(&mut filled) {
                break;
            }
        }
        filled
    }

    /// Takes the next piece; answers whether there is something to go on with.
    fn fetch(&mut self, filled: &mut Filled) -> bool {
        match self.inbox.take() {
            None => {
                filled.is_drained = true;
                false
            }
            Some(Piece::Lost(why)) => {
                filled.news = Some(News::Lost(format!("{}: {why}", self.name)));
                false
            }
            Some(Piece::Answer {
                records,
                at_end_ns,
                is_closed,
            }) => {
                self.records = records.into();
                self.behind = match at_end_ns {
                    _ if is_closed => Some(News::Closed),
                    Some(as_of_ns) => Some(News::CaughtUp(as_of_ns)),
                    None => None,
                };
                true
            }
        }
    }

    /// Gives what was taken.
    pub(super) fn give(
        &mut self,
        filled: Filled,
        arrival_ns: i64,
        counters: &Counters,
        outlet: &mut dyn Outlet,
    ) -> Took {
        let (is_drained, has_news) = (filled.is_drained, filled.news.is_some());
        let batch = filled.filler.into_batch(self.id, self.next, arrival_ns);
        let took = match batch {
            Some(batch) => {
                crate::once::count_lines(counters, &batch.lines);
                outlet.give(batch);
                Took::Something
            }
            None if is_drained && !has_news => Took::Nothing,
            None => Took::More,
        };
        if let Some(News::CaughtUp(as_of_ns)) = filled.news {
            self.context.as_of_ms = as_of_ns / MILLISECOND_NS;
            self.is_fresh = true;
            outlet.caught_up(self.id, as_of_ns, self.position());
        }
        took
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::StreamRef;
    use super::*;
    use crate::source::check::Checked;

    const DAY_NS: i64 = 24 * 3_600_000 * MILLISECOND_NS;

    fn config() -> KinesisConfig {
        let stream = StreamRef::Name("s".to_owned());
        KinesisConfig::new("k", stream, Origin::default())
    }

    /// A shard that resumes at a record, of which there was nothing behind at a time.
    fn at(sequence: &str, base: u64, offset: u64, as_of_ns: i64, now_ns: i64) -> Stream {
        let mut context = Context::beginning(Place::At(Arc::from(sequence)), Vec::new());
        (context.base, context.as_of_ms) = (base, as_of_ns / MILLISECOND_NS);
        let position = Position {
            offset,
            context: context.to_bytes(),
        };
        let (config, ids) = (config(), (0, PartitionId(0)));
        let shape = Shape::new(&config);
        let shard = Arc::from("shardId-000000000000");
        Stream::new(&config, &shape, &shard, ids, position, context, now_ns)
    }

    fn put(stream: &Stream, sequences: &[&str], at_end_ns: Option<i64>) {
        let record = |sequence: &&str| Record {
            sequence: Arc::from(*sequence),
            data: format!("line {sequence}").into_bytes(),
            partition_key: String::new(),
            arrival_ns: Some(1),
        };
        let piece = Piece::Answer {
            records: sequences.iter().map(record).collect(),
            at_end_ns,
            is_closed: false,
        };
        stream.inbox.put(piece, |_| false);
    }

    /// One turn: what is given, and what is seen besides.
    fn turn(stream: &mut Stream, outlet: &mut Checked) -> Option<News> {
        use crate::source::Outlet as _;
        let (shape, counters) = (Shape::new(&config()), Counters::default());
        assert!(outlet.has_room(stream.id));
        let filled = stream.take(&shape, &counters);
        let news = filled.news.clone();
        stream.give(filled, 0, &counters, outlet);
        news
    }

    #[test]
    fn reading_begins_with_the_offset_that_is_wanted_and_a_position_stands_until_then() {
        let mut stream = at("5", 10, 12, 0, DAY_NS);
        let mut outlet = Checked::default();
        let begun = stream.position();
        stream.begin(None, &mut outlet);
        put(&stream, &["5", "6"], None);
        assert_eq!(turn(&mut stream, &mut outlet), None);
        assert!(outlet.lines.is_empty());
        assert_eq!(stream.position().offset, begun.offset);
        put(&stream, &["7", "8"], Some(77));
        assert_eq!(turn(&mut stream, &mut outlet), Some(News::CaughtUp(77)));
        assert_eq!(outlet.texts(), ["line 7", "line 8"]);
        assert_eq!(outlet.lines[0].offset, 12);
        let context = Context::from_bytes(&stream.position().context).unwrap();
        assert_eq!(
            (context.place, context.base),
            (Place::At(Arc::from("8")), 13)
        );
    }

    #[test]
    fn a_record_that_is_not_there_is_told_unless_nothing_can_have_been_lost() {
        let mut outlet = Checked::default();
        let mut stream = at("5", 10, 12, 0, DAY_NS);
        stream.begin(None, &mut outlet);
        put(&stream, &["7"], Some(77));
        let Some(News::Missing(why)) = turn(&mut stream, &mut outlet) else {
            panic!("nothing is missing");
        };
        assert!(
            why.ends_with("position 12 is gone: record 5 is not there"),
            "{why}"
        );
        stream.pass_over();
        assert_eq!(turn(&mut stream, &mut outlet), Some(News::CaughtUp(77)));
        assert_eq!(
            (outlet.lines[0].offset, &*outlet.lines[0].text),
            (12, "line 7")
        );
        // Nothing came, and so neither did the record.
        let mut outlet = Checked::default();
        let mut stream = at("5", 10, 12, 0, DAY_NS);
        stream.begin(None, &mut outlet);
        put(&stream, &[], Some(77));
        assert!(matches!(
            turn(&mut stream, &mut outlet),
            Some(News::Missing(_))
        ));
        // There had been nothing behind it, less than a day ago.
        let mut outlet = Checked::default();
        let mut stream = at("5", 10, 12, DAY_NS, 2 * DAY_NS - MILLISECOND_NS);
        stream.begin(None, &mut outlet);
        put(&stream, &["7"], None);
        assert_eq!(turn(&mut stream, &mut outlet), None);
        assert_eq!(outlet.lines[0].offset, 12);
        let mut stream = at("5", 10, 12, DAY_NS, 2 * DAY_NS);
        let mut outlet = Checked::default();
        stream.begin(None, &mut outlet);
        put(&stream, &["7"], None);
        assert!(matches!(
            turn(&mut stream, &mut outlet),
            Some(News::Missing(_))
        ));
    }

    #[test]
    fn a_shard_that_goes_on_elsewhere_keeps_its_offsets() {
        let mut outlet = Checked::default();
        let mut stream = at("5", 10, 12, 0, DAY_NS);
        stream.begin(None, &mut outlet);
        put(&stream, &["7"], None);
        assert!(turn(&mut stream, &mut outlet).is_some());
        stream.jump(&config(), Place::Time(9));
        assert_eq!(stream.job().place, Place::Time(9));
        put(&stream, &["9"], None);
        assert_eq!(turn(&mut stream, &mut outlet), None);
        assert_eq!(
            (outlet.lines[0].offset, &*outlet.lines[0].text),
            (12, "line 9")
        );
    }
}
