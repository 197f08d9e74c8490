//! Topics of Kafka: CrowdSec's `source: kafka`.
//!
//! A partition of a topic is a partition here, under the name `topic/3`, and its offsets are ours. There is no
//! consumer group that hands partitions out: [`KafkaConfig::belongs`] says which are this process's, the
//! checkpoint where each begins, and the broker's own memory of offsets is written (after a checkpoint,
//! for who watches lags) and read only where [`Start::Committed`] asks for it.
//!
//! ```text
//!  client library's threads          `watch`, a thread                     poll()
//!  fetch, bounded for each   bell    which partitions are there,   desk    begin, open, end
//!  partition -------------------->   where do they begin and end ------->  queues -> batches
//!                                    (every half second)                   at the end? -> caught up
//! ```
//!
//! What is promised, and what is not:
//! - A record is one line, whatever is in it. Records of transactions that were not committed are not seen.
//! - A partition has caught up when its position is at the end that the broker named *after* the time for which it
//!   is said. While brokers do not answer nothing is said.
//! - A position that the log does not reach any more is counted, and [`OnLoss`] says how to go on.
//! - A topic that was deleted and created again is known by its id; with brokers that have no topic ids only
//!   by a log that is shorter than the position.
//! - A partition that has no room stays in the broker: its queue is full, and it is not fetched.

mod client;
mod config;
mod context;
mod damage;
mod field;
mod newest;
mod record;
mod sink;
mod stream;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::bell::Bell;
use crate::pipe::Clocked;
pub use crate::policy::{Belongs, OnLoss};
use crate::source::{
    Clock, Count, Counters, Lag, Left, LiveSource, Outlet, PartitionId, Positions, Resume,
    SourceError, Turn,
};
use client::{Consumer, Heard};
pub use config::{Access, Fetch, KafkaConfig, RecordLabels, Sasl, Secret, Start, Tls};
pub use newest::Newest;
use record::Shape;
pub use sink::{TopicSink, TopicSinkConfig};
use stream::{Opened, Stream, Took, Wish};
use watch::{Desk, Found, Look};

/// Topic and number of a partition.
type Key = (Arc<str>, i32);

/// Pause when there is no room for lines.
const PAUSE_HELD: Duration = Duration::from_millis(5);
/// What the client library says is listened to at least this often.
const SERVE_EVERY: Duration = Duration::from_millis(50);
/// All queues are looked into this often, whether their bell rang or not.
const SCAN_EVERY: Duration = Duration::from_secs(1);
/// Looks of one call of `poll` take no longer than this.
const POLL_LONGEST: Duration = Duration::from_millis(10);
/// Most things that the client library may say between two batches.
const SERVE_MOST: u32 = 256;

/// Follows topics.
pub struct KafkaSource {
    config: KafkaConfig,
    clock: Clocked,
    counters: Arc<Counters>,
    shape: Shape,
    /// `None` once it is closed.
    consumer: Option<Arc<Consumer>>,
    desk: Arc<Desk>,
    bell: Arc<Bell>,
    resume: Resume,
    /// Where partitions stood that ended.
    left: Positions,
    streams: BTreeMap<u32, Stream>,
    numbers: BTreeMap<Key, u32>,
    /// Topics that were looked at: what they have later is new.
    seen_topics: BTreeSet<Arc<str>>,
    n_streams: u32,
    n_begun: u32,
    ids_seen: u64,
    topic_ids: BTreeMap<String, String>,
    stats_seen: u64,
    ready: VecDeque<u32>,
    scan_at: Instant,
    has_started: bool,
}

impl std::fmt::Debug for KafkaSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaSource")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl KafkaSource {
    /// Follows topics from where a checkpoint was, or from where the configuration says.
    ///
    /// # Errors
    /// When the configuration names files that cannot be used, or no thread can be started. Brokers that cannot be
    /// reached are no error.
    pub fn new(config: KafkaConfig, resume: Resume, clock: Clock) -> Result<Self, SourceError> {
        let counters = Arc::<Counters>::default();
        let consumer = client::connect(&config, &counters).map_err(|error| SourceError::Start {
            program: "a Kafka client".to_owned(),
            source: io::Error::new(io::ErrorKind::InvalidInput, error),
        })?;
        let consumer = Arc::new(consumer);
        let (bell, desk) = (Arc::<Bell>::default(), Arc::<Desk>::default());
        watch::start(&config, &consumer, &desk, &bell, &counters, &clock).map_err(|source| {
            SourceError::Start {
                program: "a thread that watches topics".to_owned(),
                source,
            }
        })?;
        Ok(Self {
            shape: Shape::new(&config),
            config,
            clock: Clocked(clock),
            counters,
            consumer: Some(consumer),
            desk,
            bell,
            resume,
            left: Positions::new(),
            streams: BTreeMap::new(),
            numbers: BTreeMap::new(),
            seen_topics: BTreeSet::new(),
            n_streams: 0,
            n_begun: 0,
            ids_seen: 0,
            topic_ids: BTreeMap::new(),
            stats_seen: 0,
            ready: VecDeque::new(),
            scan_at: Instant::now(),
            has_started: false,
        })
    }

    /// Begins what the checkpoint holds, whether brokers answer or not: so its watermark waits for it.
    fn start(&mut self, outlet: &mut dyn Outlet) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        let Resume::From(positions) = self.resume.clone() else {
            return;
        };
        for (name, position) in &positions {
            if !self.config.belongs.to_us(name) {
                continue;
            }
            let key = config::key_of(name).and_then(|(topic, partition)| {
                let is_wanted = self.config.partition.is_none_or(|only| only == partition);
                let topics = self.config.topics.iter().filter(|_| is_wanted);
                let topic = topics.into_iter().find(|known| ***known == *topic)?;
                Some((Arc::clone(topic), partition))
            });
            let Some(key) = key else {
                let text = format!("{name}: not followed any more, at {}", position.offset);
                self.counters.sample(Count::PositionsLost, text);
                continue;
            };
            let number = self.add(key, Wish::At(position.clone()));
            if let Some(stream) = self.streams.get_mut(&number) {
                stream.begin(&mut self.n_begun, outlet);
            }
        }
    }

    fn add(&mut self, key: Key, wish: Wish) -> u32 {
        let number = self.n_streams;
        self.n_streams += 1;
        self.numbers.insert(key.clone(), number);
        let asked = self.desk.open(key.clone(), wish.needs_committed());
        let mut stream = Stream::new(key, wish, &self.shape, number);
        stream.asked = asked;
        if let Some(id) = self.topic_ids.get(&*stream.key.0) {
            // If it is not the one that the position is of, that is seen when it is opened.
            stream.is_recreated(id);
        }
        self.streams.insert(number, stream);
        number
    }

    /// What a partition that was found begins with.
    fn wish(&self, key: &Key) -> Wish {
        let name = config::name_of(key);
        if let Some(position) = self.left.get(&name) {
            return Wish::At(position.clone());
        }
        match &self.resume {
            Resume::First if !self.seen_topics.contains(&key.0) => Wish::Start(self.config.start),
            Resume::First => Wish::Start(Start::Oldest),
            Resume::From(positions) => positions
                .get(&name)
                .map_or(Wish::Start(Start::Oldest), |position| {
                    Wish::At(position.clone())
                }),
        }
    }

    /// Takes in what the watching thread saw.
    fn take_look(&mut self, outlet: &mut dyn Outlet) -> Result<(), SourceError> {
        let Some(look) = self.desk.take_look() else {
            return Ok(());
        };
        // Ids of the topics that it names were told before.
        self.serve();
        for (topic, found) in &look.topics {
            self.take_topic(topic, found, outlet);
        }
        self.open_streams(&look, outlet)?;
        for (key, end) in &look.ends {
            let number = self.numbers.get(key).copied();
            let Some(stream) = number.and_then(|number| self.streams.get_mut(&number)) else {
                continue;
            };
            stream.see_end(*end, look.as_of_ns);
            if stream.is_beyond_end() {
                self.reopen(number.unwrap_or_default());
            }
        }
        Ok(())
    }

    fn take_topic(&mut self, topic: &Arc<str>, found: &Found, outlet: &mut dyn Outlet) {
        let none = BTreeSet::new();
        let partitions = match found {
            Found::Partitions(partitions) => partitions,
            Found::Missing => &none,
        };
        for partition in partitions {
            let key = (Arc::clone(topic), *partition);
            if !self.numbers.contains_key(&key) {
                let wish = self.wish(&key);
                self.left.remove(&config::name_of(&key));
                self.add(key, wish);
            }
        }
        self.seen_topics.insert(Arc::clone(topic));
        let now = Instant::now();
        let mut gone = Vec::new();
        let mut is_any_missing = false;
        for (number, stream) in &mut self.streams {
            if stream.key.0 != *topic {
                continue;
            }
            if partitions.contains(&stream.key.1) {
                stream.missing_since = None;
                continue;
            }
            is_any_missing = true;
            let since = *stream.missing_since.get_or_insert(now);
            if now.duration_since(since) >= self.config.gone_wait {
                gone.push(*number);
            }
        }
        if is_any_missing {
            // Not from one answer: a broker that has just started may not know all topics.
            self.desk.refresh_soon();
        }
        for number in gone {
            self.end(number, outlet);
        }
    }

    /// A partition that is no more. If one of its name comes again, it is looked at whether it is the same.
    fn end(&mut self, number: u32, outlet: &mut dyn Outlet) {
        let Some(mut stream) = self.streams.remove(&number) else {
            return;
        };
        self.numbers.remove(&stream.key);
        self.desk.forget(&stream.key);
        self.detach(&mut stream);
        if let Some(id) = stream.id {
            let position = stream.position();
            self.left
                .insert(config::name_of(&stream.key), position.clone());
            outlet.end(id, Left::At(position));
        }
    }

    fn open_streams(&mut self, look: &Look, outlet: &mut dyn Outlet) -> Result<(), SourceError> {
        for (key, opening) in &look.openings {
            let number = self.numbers.get(key).copied().unwrap_or(u32::MAX);
            let Some(stream) = self.streams.get_mut(&number) else {
                continue;
            };
            let Some(opened) = stream.choose(opening, self.config.on_loss) else {
                continue;
            };
            if let Some(lost) = opened.lost() {
                self.counters.sample(Count::PositionsLost, lost);
            }
            match &opened {
                Opened::Here(_) => {}
                Opened::Stop(why) => {
                    return Err(SourceError::Read {
                        path: config::name_of(key).to_string(),
                        lines: self.counters.get(Count::Lines),
                        source: io::Error::new(io::ErrorKind::InvalidData, why.clone()),
                    });
                }
                Opened::Behind(offset, _) => stream.jump(*offset),
                Opened::Anew(offset, _) => {
                    // Its offsets begin again, so it is another partition.
                    if let Some(id) = stream.id.take() {
                        outlet.end(id, Left::Nothing);
                    }
                    stream.jump(*offset);
                }
            }
            stream.begin(&mut self.n_begun, outlet);
            if let Some(consumer) = &self.consumer {
                match stream.attach(consumer, &self.bell) {
                    Ok(()) => self.desk.forget(key),
                    Err(error) => self.counters.sample(Count::Errors, error),
                }
            }
        }
        Ok(())
    }

    /// Stops fetching a partition and has its ends looked at anew.
    fn reopen(&mut self, number: u32) {
        let Some(mut stream) = self.streams.remove(&number) else {
            return;
        };
        self.detach(&mut stream);
        stream.asked = self.desk.open(stream.key.clone(), stream.needs_committed());
        self.streams.insert(number, stream);
    }

    fn detach(&self, stream: &mut Stream) {
        if let Some(consumer) = &self.consumer
            && let Err(error) = stream.detach(consumer)
        {
            self.counters.sample(Count::Errors, error);
        }
    }

    /// Listens to the client library.
    fn serve(&mut self) {
        let Some(consumer) = self.consumer.clone() else {
            return;
        };
        let heard: &Heard = consumer.context();
        for _ in 0..SERVE_MOST {
            let n_said = heard.n_said();
            match consumer.poll(Duration::ZERO) {
                Some(Ok(record)) => {
                    // Not in its partition's queue, so it is fetched again.
                    let stray = (record.topic().to_owned(), record.partition());
                    drop(record);
                    let number = self
                        .numbers
                        .iter()
                        .find_map(|((topic, partition), number)| {
                            (**topic == *stray.0 && *partition == stray.1).then_some(*number)
                        });
                    number.into_iter().for_each(|number| self.reopen(number));
                }
                None if heard.n_said() == n_said => break,
                Some(Err(_)) | None => {}
            }
        }
        if let Some(ids) = heard.topic_ids_since(&mut self.ids_seen) {
            self.topic_ids = ids;
            self.check_topic_ids();
        }
        if let Some(fetched) = heard.fetched_since(&mut self.stats_seen) {
            for stream in self.streams.values_mut() {
                let of_topic = fetched.get(&*stream.key.0);
                stream.see_fetched(of_topic.and_then(|of| of.get(&stream.key.1).copied()));
            }
        }
    }

    fn check_topic_ids(&mut self) {
        let mut recreated = Vec::new();
        for (number, stream) in &mut self.streams {
            if let Some(id) = self.topic_ids.get(&*stream.key.0)
                && stream.is_recreated(id)
            {
                recreated.push(*number);
            }
        }
        for number in recreated {
            self.reopen(number);
        }
    }

    /// One turn of each partition that has something; answers whether lines were given, and whether there
    /// was no room for some.
    fn round(&mut self, outlet: &mut dyn Outlet) -> (bool, bool) {
        let since = Instant::now();
        if since >= self.scan_at {
            self.scan_at = since + SCAN_EVERY;
            self.bell.ring_all(self.streams.keys().copied());
        }
        for number in self.bell.take() {
            if let Some(stream) = self.streams.get_mut(&number)
                && !std::mem::replace(&mut stream.is_queued, true)
            {
                self.ready.push_back(number);
            }
        }
        let (mut has_given, mut is_held) = (false, false);
        for _ in 0..self.ready.len() {
            let Some(number) = self.ready.pop_front() else {
                break;
            };
            match self.turn(number, outlet) {
                Took::Something => has_given = true,
                Took::More => {}
                Took::NoRoom => is_held = true,
                Took::Nothing => {
                    if let Some(stream) = self.streams.get_mut(&number) {
                        stream.is_queued = false;
                    }
                    continue;
                }
            }
            self.ready.push_back(number);
            if since.elapsed() >= POLL_LONGEST {
                break;
            }
        }
        (has_given, is_held)
    }

    /// A partition's turn: at most one batch.
    fn turn(&mut self, number: u32, outlet: &mut dyn Outlet) -> Took {
        let Some(stream) = self.streams.get_mut(&number) else {
            return Took::Nothing;
        };
        let (Some(id), true) = (stream.id, stream.is_reading()) else {
            return Took::Nothing;
        };
        if !outlet.has_room(id) {
            return Took::NoRoom;
        }
        let filled = stream.take(&self.shape, &self.counters);
        // What the library said before these records were fetched may be that they are another topic's.
        self.serve();
        let Some(stream) = self.streams.get_mut(&number) else {
            return Took::Nothing;
        };
        if !stream.is_reading() {
            return Took::Nothing;
        }
        let (took, trouble) = stream.give(filled, (self.clock.0)(), &self.counters, outlet);
        if trouble.is_unreachable {
            self.desk.refresh_soon();
        }
        if trouble.is_out_of_range || trouble.is_damaged {
            self.reopen(number);
        }
        took
    }
}

impl LiveSource for KafkaSource {
    fn id(&self) -> &str {
        &self.config.id
    }

    fn poll(&mut self, outlet: &mut dyn Outlet, wait: Duration) -> Result<Turn, SourceError> {
        if self.consumer.is_none() {
            return Ok(Turn::Ended);
        }
        let until = Instant::now() + wait;
        self.start(outlet);
        loop {
            self.serve();
            self.take_look(outlet)?;
            let (has_given, is_held) = self.round(outlet);
            for stream in self.streams.values_mut() {
                stream.say_caught_up(outlet);
            }
            if has_given {
                return Ok(Turn::Gave);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Turn::Quiet);
            }
            if is_held {
                std::thread::sleep(left.min(PAUSE_HELD));
            } else if self.ready.is_empty() {
                self.bell.wait(left.min(SERVE_EVERY));
            }
        }
    }

    /// What a checkpoint holds begins at once; else brokers have to say what there is.
    fn has_begun(&self) -> bool {
        let is_looked_at = |topic: &Arc<str>| self.seen_topics.contains(topic);
        let are_known = match &self.resume {
            Resume::From(_) => true,
            Resume::First => self.config.topics.iter().all(is_looked_at),
        };
        are_known && self.streams.values().all(|stream| stream.id.is_some())
    }

    fn committed(&mut self, positions: &Positions) {
        let (Some(consumer), true) = (&self.consumer, self.config.group_id.is_some()) else {
            return;
        };
        let mut list = TopicPartitionList::new();
        for (topic, partition) in self.numbers.keys() {
            let name = config::name_of(&(Arc::clone(topic), *partition));
            if let Some(position) = positions.get(&name)
                && let Ok(offset) = i64::try_from(position.offset)
            {
                let added = list.add_partition_offset(topic, *partition, Offset::Offset(offset));
                debug_assert!(added.is_ok(), "an offset from 0 on");
            }
        }
        if list.count() > 0
            && let Err(error) = consumer.commit(&list, CommitMode::Async)
        {
            self.counters.sample(Count::Errors, error.to_string());
        }
    }

    fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    fn lags(&self, each: &mut dyn FnMut(PartitionId, Lag)) {
        for stream in self.streams.values() {
            if let Some(id) = stream.id {
                each(id, stream.lag());
            }
        }
    }

    fn close(&mut self) {
        // Queues before the client whose they are.
        self.streams.clear();
        self.numbers.clear();
        self.ready.clear();
        self.desk.close();
        self.consumer = None;
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.close();
    }
}
