//! One partition of a topic.

use std::sync::Arc;
use std::time::{Duration, Instant};

use overspill_event::Origin;
use rdkafka::consumer::Consumer as _;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Message, Offset, TopicPartitionList};

use super::Key;
use super::client::{Consumer, Heard};
use super::config::{Start, name_of};
use super::context::Context;
use super::damage::{Damage, Met};
use super::record::{Filler, Shape};
use super::watch::Opening;
use crate::bell::Bell;
use crate::policy::OnLoss;
use crate::source::{Begun, Count, Counters, Lag, Outlet, PartitionId, Position};

/// Most records of one turn.
const RECORDS_MOST: usize = 8_192;

/// Where a partition is to begin.
#[derive(Debug, Clone)]
pub(super) enum Wish {
    /// At a position of a checkpoint.
    At(Position),
    /// Where the configuration says.
    Start(Start),
}

impl Wish {
    /// Whether the broker's memory of offsets is to be asked.
    pub(super) fn needs_committed(&self) -> bool {
        matches!(self, Self::Start(Start::Committed))
    }
}

/// How it was opened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// At its position.
    Here(u64),
    /// Behind what is lost.
    Behind(u64, String),
    /// At an offset that is no continuation.
    Anew(u64, String),
    /// Not at all.
    Stop(String),
}

impl Opened {
    /// What was lost.
    pub(super) fn lost(&self) -> Option<&str> {
        match self {
            Self::Here(_) => None,
            Self::Behind(_, lost) | Self::Anew(_, lost) | Self::Stop(lost) => Some(lost),
        }
    }
}

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

/// What went wrong in a turn.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Trouble {
    /// The broker has nothing at this offset.
    pub(super) is_out_of_range: bool,
    /// The topic or its leader is not there.
    pub(super) is_unreachable: bool,
    /// A batch is damaged: it is to be fetched from the position on.
    pub(super) is_damaged: bool,
}

/// What a turn took out of the queue.
pub(super) struct Filled {
    filler: Filler,
    /// Everything below was taken.
    position: u64,
    is_drained: bool,
    trouble: Trouble,
}

/// A partition, from when it was found until it is gone.
pub(super) struct Stream {
    pub(super) key: Key,
    number: u32,
    pub(super) id: Option<PartitionId>,
    pub(super) missing_since: Option<Instant>,
    pub(super) is_queued: bool,
    origin: Arc<Origin>,
    /// Where it is to begin, until it has.
    start: Option<Start>,
    /// Offset of the next line.
    position: u64,
    topic_id: String,
    context: Arc<[u8]>,
    /// The id of the topic that has come into the place of this one.
    new_topic_id: Option<String>,
    queue: Option<PartitionQueue<Heard>>,
    /// Which asking for what it takes to open it has to be answered.
    pub(super) asked: u64,
    /// Things that came out of the queue since it was opened, and reports since the first of them.
    n_taken: u64,
    n_reports: u64,
    /// Everything below this is in the queue, or was.
    fetched_to: Option<u64>,
    /// End of the log, and when it was looked for; until it was said that it is reached.
    end: Option<(u64, i64)>,
    last_end: Option<u64>,
    /// Position when a look was taken in: before the next one was begun.
    position_before: u64,
    damage: Damage,
}

impl Stream {
    pub(super) fn new(key: Key, wish: Wish, shape: &Shape, number: u32) -> Self {
        let (start, position, context) = match wish {
            Wish::Start(start) => (Some(start), 0, Context::default()),
            Wish::At(position) => {
                let context = Context::from_bytes(&position.context);
                (None, position.offset, context)
            }
        };
        Self {
            origin: shape.origin(&key.0, key.1),
            key,
            number,
            id: None,
            missing_since: None,
            is_queued: false,
            start,
            position,
            context: context.to_bytes(),
            topic_id: context.topic_id,
            new_topic_id: None,
            queue: None,
            asked: 0,
            n_taken: 0,
            n_reports: 0,
            fetched_to: None,
            end: None,
            last_end: None,
            position_before: 0,
            damage: Damage::default(),
        }
    }

    /// Whether opening it needs what the group committed.
    pub(super) fn needs_committed(&self) -> bool {
        self.start == Some(Start::Committed)
    }

    pub(super) fn is_reading(&self) -> bool {
        self.queue.is_some()
    }

    pub(super) fn position(&self) -> Position {
        Position {
            offset: self.position,
            context: Arc::clone(&self.context),
        }
    }

    pub(super) fn lag(&self) -> Lag {
        Lag {
            offset: self.position,
            bytes: None,
            lines: self.last_end.map(|end| end.saturating_sub(self.position)),
        }
    }

    /// Tells the outlet, if it does not know yet.
    pub(super) fn begin(&mut self, n_begun: &mut u32, outlet: &mut dyn Outlet) {
        if self.id.is_some() {
            return;
        }
        let id = PartitionId(*n_begun);
        *n_begun += 1;
        self.id = Some(id);
        outlet.begin(Begun {
            id,
            name: name_of(&self.key),
            origin: Arc::clone(&self.origin),
            position: self.position(),
        });
    }

    /// Goes on at another offset.
    pub(super) fn jump(&mut self, offset: u64) {
        self.position = offset;
    }

    /// Where to begin, from where the log does and ends. `None` when it is open already, or asked anew.
    pub(super) fn choose(&mut self, opening: &Opening, on_loss: OnLoss) -> Option<Opened> {
        let Opening {
            low,
            end,
            committed,
            asked,
        } = *opening;
        if self.is_reading() || asked != self.asked {
            return None;
        }
        let start = self.start.take();
        let wanted = match start {
            None => self.position,
            Some(Start::Oldest) => low,
            Some(Start::Newest) => end,
            Some(Start::Committed) => committed.unwrap_or(end),
        };
        if start.is_some() {
            self.position = wanted;
        }
        let recreated = self.new_topic_id.take();
        let why = if let Some(id) = &recreated {
            format!("the topic was created again, with id {id}")
        } else if wanted > end {
            format!("the log ends at {end}")
        } else if wanted < low {
            format!("the log begins at {low}")
        } else {
            return Some(Opened::Here(wanted));
        };
        let name = name_of(&self.key);
        let gone = format!("{name}: position {wanted} is gone: {why}");
        let offset = match on_loss {
            OnLoss::Oldest => low,
            OnLoss::Newest => end,
            OnLoss::Stop => return Some(Opened::Stop(gone)),
        };
        let lost = format!("{gone}; on at {offset}");
        let is_anew = recreated.is_some() || offset < wanted;
        if let Some(id) = recreated {
            self.adopt(id);
        }
        Some(if is_anew {
            Opened::Anew(offset, lost)
        } else {
            Opened::Behind(offset, lost)
        })
    }

    fn adopt(&mut self, topic_id: String) {
        let context = Context { topic_id };
        self.context = context.to_bytes();
        self.topic_id = context.topic_id;
    }

    /// Whether the topic of this name is not the one that the position is of.
    pub(super) fn is_recreated(&mut self, topic_id: &str) -> bool {
        if self.topic_id.is_empty() {
            self.adopt(topic_id.to_owned());
            return false;
        }
        if self.topic_id == topic_id || self.new_topic_id.as_deref() == Some(topic_id) {
            return false;
        }
        self.new_topic_id = Some(topic_id.to_owned());
        true
    }

    /// Begins to fetch.
    pub(super) fn attach(
        &mut self,
        consumer: &Arc<Consumer>,
        bell: &Arc<Bell>,
    ) -> Result<(), String> {
        let (topic, partition) = &self.key;
        let offset = i64::try_from(self.position).map_err(|error| error.to_string())?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, *partition, Offset::Offset(offset))
            .map_err(|error| error.to_string())?;
        // Before it is assigned, so that nothing goes to the queue that all partitions share.
        let mut queue = consumer
            .split_partition_queue(topic, *partition)
            .ok_or_else(|| format!("{topic}/{partition}: no queue"))?;
        let (ringer, number) = (Arc::clone(bell), self.number);
        queue.set_nonempty_callback(move || ringer.ring(number));
        consumer
            .incremental_assign(&list)
            .map_err(|error| format!("{topic}/{partition}: {error}"))?;
        self.queue = Some(queue);
        (self.n_taken, self.n_reports, self.fetched_to) = (0, 0, None);
        self.position_before = self.position;
        bell.ring(number);
        Ok(())
    }

    /// Stops fetching.
    pub(super) fn detach(&mut self, consumer: &Consumer) -> Result<(), String> {
        self.end = None;
        if self.queue.take().is_none() {
            return Ok(());
        }
        let (topic, partition) = &self.key;
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, *partition);
        consumer
            .incremental_unassign(&list)
            .map_err(|error| format!("{topic}/{partition}: {error}"))
    }

    /// The log ended here at this time.
    pub(super) fn see_end(&mut self, end: u64, as_of_ns: i64) {
        self.end = Some((end, as_of_ns));
        self.last_end = Some(end);
    }

    /// Whether the log is shorter than what was read of it before the look.
    pub(super) fn is_beyond_end(&mut self) -> bool {
        let before = std::mem::replace(&mut self.position_before, self.position);
        self.is_reading() && self.end.is_some_and(|(end, _)| end < before)
    }

    /// A report of the client library says that all below this offset was fetched, as it has nothing more.
    ///
    /// Only so is it known that markers of transactions, which are no records, lie between the last record and the end.
    /// The first report after something came may have been made before it.
    pub(super) fn see_fetched(&mut self, offset: Option<u64>) {
        if !self.is_reading() || self.n_taken == 0 {
            return;
        }
        self.n_reports += 1;
        if self.n_reports > 1 {
            self.fetched_to = offset.filter(|offset| *offset > self.position);
        }
    }

    /// Says that all there was has been given, if that is so and not said yet.
    pub(super) fn say_caught_up(&mut self, outlet: &mut dyn Outlet) {
        if let (Some(id), Some((end, as_of_ns))) = (self.id, self.end)
            && self.is_reading()
            && self.position >= end
        {
            self.end = None;
            outlet.caught_up(id, as_of_ns, self.position());
        }
    }

    /// Takes records out of the queue, up to a batch.
    pub(super) fn take(&mut self, shape: &Shape, counters: &Counters) -> Filled {
        let mut filled = Filled {
            filler: Filler::default(),
            position: self.position,
            is_drained: false,
            trouble: Trouble::default(),
        };
        let Some(queue) = &self.queue else {
            return filled;
        };
        // Known before the queue was seen empty, so it holds for what was taken.
        let fetched_to = self.fetched_to;
        let mut n_empty = 0;
        for _ in 0..RECORDS_MOST {
            if filled.filler.is_full() {
                break;
            }
            match queue.poll(Duration::ZERO) {
                None if n_empty == 0 => n_empty += 1,
                None => {
                    filled.is_drained = true;
                    break;
                }
                Some(Ok(record)) => {
                    n_empty = 0;
                    self.n_taken += 1;
                    self.damage = Damage::default();
                    let offset = u64::try_from(record.offset()).unwrap_or(0);
                    if offset >= filled.position {
                        filled.filler.add(&record, shape, &self.origin, counters);
                        filled.position = offset + 1;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => self.n_taken += 1,
                Some(Err(error)) => {
                    use RDKafkaErrorCode::{
                        AutoOffsetReset, BadMessage, OffsetOutOfRange, UnknownPartition,
                        UnknownTopic, UnknownTopicOrPartition,
                    };
                    match error.rdkafka_error_code() {
                        Some(AutoOffsetReset | OffsetOutOfRange) => {
                            filled.trouble.is_out_of_range = true;
                            break;
                        }
                        Some(UnknownPartition | UnknownTopic | UnknownTopicOrPartition) => {
                            filled.trouble.is_unreachable = true;
                        }
                        Some(BadMessage) => {
                            let met = self.damage.meet();
                            if met == Met::GivenUp {
                                let (topic, partition) = &self.key;
                                let at = filled.position;
                                let text = format!(
                                    "{topic}/{partition}@{at}: a batch is damaged, and left out"
                                );
                                counters.sample(Count::Refused, text);
                                continue;
                            }
                            filled.position += u64::from(met == Met::Behind);
                            filled.trouble.is_damaged = true;
                            break;
                        }
                        _ => {}
                    }
                }
            }
        }
        if let (true, Some(to)) = (filled.is_drained, fetched_to) {
            filled.position = filled.position.max(to);
            self.fetched_to = None;
        }
        filled
    }

    /// Gives what was taken.
    pub(super) fn give(
        &mut self,
        filled: Filled,
        arrival_ns: i64,
        counters: &Counters,
        outlet: &mut dyn Outlet,
    ) -> (Took, Trouble) {
        self.position = self.position.max(filled.position);
        let took = if let Some(id) = self.id
            && let Some(batch) = filled.filler.into_batch(id, self.position(), arrival_ns)
        {
            crate::once::count_lines(counters, &batch.lines);
            outlet.give(batch);
            Took::Something
        } else if filled.is_drained || filled.trouble.is_out_of_range || filled.trouble.is_damaged {
            Took::Nothing
        } else {
            Took::More
        };
        (took, filled.trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::KafkaConfig;

    fn stream(wish: Wish) -> Stream {
        let config = KafkaConfig::new("k", Vec::new(), Vec::new(), Origin::default());
        Stream::new((Arc::from("t"), 3), wish, &Shape::new(&config), 0)
    }

    fn at(offset: u64) -> Wish {
        Wish::At(Position {
            offset,
            context: Context {
                topic_id: "one".to_owned(),
            }
            .to_bytes(),
        })
    }

    fn opening(low: u64, end: u64, committed: Option<u64>) -> Opening {
        Opening {
            low,
            end,
            committed,
            asked: 0,
        }
    }

    #[test]
    fn a_partition_opens_where_its_position_its_log_and_its_configuration_say() {
        let lost = |text: &str| format!("t/3: position {text}");
        for (wish, opening, on_loss, expected) in [
            (at(5), opening(0, 9, None), OnLoss::Oldest, Opened::Here(5)),
            (at(9), opening(9, 9, None), OnLoss::Stop, Opened::Here(9)),
            (
                at(5),
                opening(7, 9, None),
                OnLoss::Oldest,
                Opened::Behind(7, lost("5 is gone: the log begins at 7; on at 7")),
            ),
            (
                at(5),
                opening(7, 9, None),
                OnLoss::Newest,
                Opened::Behind(9, lost("5 is gone: the log begins at 7; on at 9")),
            ),
            (
                at(12),
                opening(7, 9, None),
                OnLoss::Oldest,
                Opened::Anew(7, lost("12 is gone: the log ends at 9; on at 7")),
            ),
            (
                at(12),
                opening(7, 9, None),
                OnLoss::Stop,
                Opened::Stop(lost("12 is gone: the log ends at 9")),
            ),
            (
                Wish::Start(Start::Newest),
                opening(2, 9, None),
                OnLoss::Oldest,
                Opened::Here(9),
            ),
            (
                Wish::Start(Start::Oldest),
                opening(2, 9, None),
                OnLoss::Oldest,
                Opened::Here(2),
            ),
            (
                Wish::Start(Start::Committed),
                opening(2, 9, Some(4)),
                OnLoss::Oldest,
                Opened::Here(4),
            ),
            (
                Wish::Start(Start::Committed),
                opening(2, 9, None),
                OnLoss::Oldest,
                Opened::Here(9),
            ),
            (
                Wish::Start(Start::Committed),
                opening(2, 9, Some(1)),
                OnLoss::Oldest,
                Opened::Behind(2, lost("1 is gone: the log begins at 2; on at 2")),
            ),
        ] {
            let mut stream = stream(wish);
            assert_eq!(stream.choose(&opening, on_loss), Some(expected));
        }
    }

    #[test]
    fn a_topic_of_another_id_is_another_topic_whatever_its_length() {
        let mut known = stream(at(5));
        assert!(!known.is_recreated("one"));
        assert!(known.is_recreated("two") && !known.is_recreated("two"));
        assert_eq!(
            known.position().context,
            Context::from_bytes(b"\x01one").to_bytes()
        );
        let opened = known.choose(&opening(0, 90, None), OnLoss::Oldest).unwrap();
        assert!(matches!(opened, Opened::Anew(0, _)), "{opened:?}");
        assert_eq!(
            Context::from_bytes(&known.position().context).topic_id,
            "two"
        );
        let mut unknown = stream(Wish::Start(Start::Oldest));
        assert!(!unknown.is_recreated("one") && unknown.is_recreated("two"));
    }
}
