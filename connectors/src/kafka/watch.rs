//! A thread that asks brokers which partitions there are and where they begin and end.
//!
//! These calls block until a broker answers, so they are not made where records are given. The thread looks
//! only when the previous look was taken, so nothing piles up.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::Key;
use super::client::Consumer;
use super::config::KafkaConfig;
use crate::bell::Bell;
use crate::source::{Backoff, Clock, Count, Counters};

/// Stack of the thread.
const STACK_BYTES: usize = 256 * 1024;
/// Looks come no faster than this, however much is asked for.
const LOOK_SHORTEST: Duration = Duration::from_millis(50);
/// Partitions are looked for anew after this while something is amiss.
const REFRESH_SOON: Duration = Duration::from_secs(1);

/// What there is of a topic.
#[derive(Debug)]
pub(super) enum Found {
    /// These partitions, as far as they are wanted.
    Partitions(BTreeSet<i32>),
    /// There is no such topic.
    Missing,
}

/// What it takes to open a partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opening {
    /// Offset of the oldest record.
    pub(super) low: u64,
    /// Offset after the newest record that is committed.
    pub(super) end: u64,
    /// What the group committed.
    pub(super) committed: Option<u64>,
    /// Which asking it answers.
    pub(super) asked: u64,
}

/// That a partition is to be opened.
#[derive(Debug, Clone, Copy)]
struct Ask {
    needs_committed: bool,
    number: u64,
}

/// What one look showed.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Before the ends were asked for.
    pub(super) as_of_ns: i64,
    /// Topics, if it was time to look for partitions.
    pub(super) topics: BTreeMap<Arc<str>, Found>,
    pub(super) ends: BTreeMap<Key, u64>,
    pub(super) openings: BTreeMap<Key, Opening>,
}

/// Where the two threads leave things for each other.
#[derive(Debug, Default)]
pub(super) struct Desk {
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Debug, Default)]
struct State {
    look: Option<Look>,
    /// Partitions to be opened.
    opening: BTreeMap<Key, Ask>,
    n_asked: u64,
    refresh_soon: bool,
    is_closed: bool,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for what it takes to open a partition, until it is forgotten. What was seen before does not count, so
    /// asking has a number.
    pub(super) fn open(&self, key: Key, needs_committed: bool) -> u64 {
        let mut state = self.lock();
        state.n_asked += 1;
        let number = state.n_asked;
        let ask = Ask {
            needs_committed,
            number,
        };
        state.opening.insert(key, ask);
        self.woken.notify_all();
        number
    }

    /// It is open, or gone.
    pub(super) fn forget(&self, key: &Key) {
        self.lock().opening.remove(key);
    }

    /// Asks to look for partitions before it is time.
    pub(super) fn refresh_soon(&self) {
        self.lock().refresh_soon = true;
    }

    /// The latest look.
    pub(super) fn take_look(&self) -> Option<Look> {
        let look = self.lock().look.take();
        if look.is_some() {
            self.woken.notify_all();
        }
        look
    }

    /// Ends the thread.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.woken.notify_all();
    }

    /// Waits until the last look was taken and the next is due; `None` when it is closed.
    fn wait(&self, least: Instant, due: Instant) -> Option<(BTreeMap<Key, Ask>, bool)> {
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return None;
            }
            let now = Instant::now();
            let is_asked = !state.opening.is_empty() && now >= least;
            if state.look.is_none() && (is_asked || now >= due) {
                return Some((
                    state.opening.clone(),
                    std::mem::take(&mut state.refresh_soon),
                ));
            }
            let until = if state.opening.is_empty() { due } else { least };
            let wait = until.saturating_duration_since(now).max(LOOK_SHORTEST);
            state = self
                .woken
                .wait_timeout(state, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// Starts the thread.
pub(super) fn start(
    config: &KafkaConfig,
    consumer: &Arc<Consumer>,
    desk: &Arc<Desk>,
    bell: &Arc<Bell>,
    counters: &Arc<Counters>,
    clock: &Clock,
) -> io::Result<()> {
    let mut watch = Watch {
        config: config.clone(),
        consumer: Arc::clone(consumer),
        counters: Arc::clone(counters),
        clock: Arc::clone(clock),
        known: BTreeMap::new(),
        refreshed_at: None,
        is_amiss: false,
    };
    let (desk, bell) = (Arc::clone(desk), Arc::clone(bell));
    std::thread::Builder::new()
        .name("kafka-watch".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || watch.run(&desk, &bell))?;
    Ok(())
}

struct Watch {
    config: KafkaConfig,
    consumer: Arc<Consumer>,
    counters: Arc<Counters>,
    clock: Clock,
    /// Partitions that are wanted and have a leader, of each topic.
    known: BTreeMap<Arc<str>, BTreeSet<i32>>,
    refreshed_at: Option<Instant>,
    /// Something is amiss, so partitions are looked for before it is time.
    is_amiss: bool,
}

impl Watch {
    fn run(&mut self, desk: &Desk, bell: &Bell) {
        let mut backoff = Backoff::default();
        let (mut least, mut due) = (Instant::now(), Instant::now());
        while let Some((opening, refresh_soon)) = desk.wait(least, due) {
            let since = Instant::now();
            match self.look(&opening, refresh_soon) {
                Ok(look) => {
                    let is_answered = opening.keys().all(|key| look.openings.contains_key(key));
                    if is_answered {
                        backoff.reset();
                        least = since + LOOK_SHORTEST;
                    } else {
                        least = Instant::now() + backoff.pause();
                    }
                    due = since + self.config.look_every;
                    desk.lock().look = Some(look);
                    bell.ring_news();
                }
                Err(error) => {
                    self.counters.sample(Count::Errors, error.to_string());
                    least = Instant::now() + backoff.pause();
                    due = least;
                }
            }
        }
    }

    fn look(&mut self, opening: &BTreeMap<Key, Ask>, refresh_soon: bool) -> KafkaResult<Look> {
        let mut look = Look::default();
        self.is_amiss |= refresh_soon;
        let pause = if self.is_amiss {
            REFRESH_SOON.min(self.config.refresh_every)
        } else {
            self.config.refresh_every
        };
        if self.refreshed_at.is_none_or(|at| at.elapsed() >= pause) {
            look.topics = self.refresh()?;
            self.refreshed_at = Some(Instant::now());
        }
        look.as_of_ns = (self.clock)();
        let mut failed = None;
        for (topic, partitions) in &self.known {
            match self.look_at(topic, partitions, opening, &mut look) {
                Ok(()) => {}
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            // Perhaps a partition has another leader.
            self.is_amiss = true;
            if look.ends.is_empty() && look.topics.is_empty() {
                return Err(error);
            }
            self.counters.sample(Count::Errors, error.to_string());
        }
        Ok(look)
    }

    /// Where the partitions of a topic end, and what it takes to open some.
    fn look_at(
        &self,
        topic: &Arc<str>,
        partitions: &BTreeSet<i32>,
        opening: &BTreeMap<Key, Ask>,
        look: &mut Look,
    ) -> KafkaResult<()> {
        let keys = || {
            let key = |partition: &i32| (Arc::clone(topic), *partition);
            partitions.iter().map(key)
        };
        let ends = self.offsets(keys(), Offset::End)?;
        let to_open = keys().filter(|key| opening.contains_key(key)).collect();
        let openings = self.openings(to_open, opening, &ends);
        look.ends.extend(ends);
        look.openings.extend(openings?);
        Ok(())
    }

    /// Looks which partitions there are.
    fn refresh(&mut self) -> KafkaResult<BTreeMap<Arc<str>, Found>> {
        let mut topics = BTreeMap::new();
        let mut is_amiss = false;
        for topic in self.config.topics.clone() {
            let metadata = self
                .consumer
                .fetch_metadata(Some(&topic), self.config.timeout)?;
            let Some(about) = metadata
                .topics()
                .iter()
                .find(|about| about.name() == &*topic)
            else {
                continue;
            };
            let error = about.error().map(RDKafkaErrorCode::from);
            match error {
                Some(RDKafkaErrorCode::UnknownTopicOrPartition) => {
                    self.known.remove(&topic);
                    let text = format!("there is no topic {topic}");
                    self.counters.sample(Count::Errors, text);
                    topics.insert(topic, Found::Missing);
                    continue;
                }
                Some(code) => {
                    let text = format!("topic {topic}: {code}");
                    self.counters.sample(Count::Errors, text);
                    continue;
                }
                None => {}
            }
            let (mut wanted, mut led) = (BTreeSet::new(), BTreeSet::new());
            for partition in about.partitions() {
                let key = (Arc::clone(&topic), partition.id());
                if !self.config.is_wanted(&key) {
                    continue;
                }
                wanted.insert(key.1);
                if partition.leader() >= 0 {
                    led.insert(key.1);
                } else {
                    // Asked for, it would keep the others from being answered.
                    is_amiss = true;
                    let text = format!("{topic}/{}: no leader", key.1);
                    self.counters.sample(Count::Errors, text);
                }
            }
            self.known.insert(Arc::clone(&topic), led);
            topics.insert(topic, Found::Partitions(wanted));
        }
        self.is_amiss = is_amiss;
        Ok(topics)
    }

    /// Offsets of one kind. Partitions whose leader does not answer are left out.
    fn offsets(
        &self,
        keys: impl Iterator<Item = Key>,
        which: Offset,
    ) -> KafkaResult<BTreeMap<Key, u64>> {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in keys {
            list.add_partition_offset(&topic, partition, which)?;
        }
        if list.count() == 0 {
            return Ok(BTreeMap::new());
        }
        let list = self.consumer.offsets_for_times(list, self.config.timeout)?;
        Ok(answered(&list))
    }

    fn openings(
        &self,
        keys: Vec<Key>,
        opening: &BTreeMap<Key, Ask>,
        ends: &BTreeMap<Key, u64>,
    ) -> KafkaResult<BTreeMap<Key, Opening>> {
        let lows = self.offsets(keys.iter().cloned(), Offset::Beginning)?;
        let mut list = TopicPartitionList::new();
        let needs = |key: &&Key| opening.get(*key).is_some_and(|ask| ask.needs_committed);
        for key in keys.iter().filter(needs) {
            list.add_partition(&key.0, key.1);
        }
        let committed = if list.count() > 0 {
            let list = self.consumer.committed_offsets(list, self.config.timeout)?;
            if let Some(Err(error)) = list
                .elements()
                .iter()
                .map(|of| of.error())
                .find(Result::is_err)
            {
                return Err(error);
            }
            answered(&list)
        } else {
            BTreeMap::new()
        };
        let opening = |key: Key| {
            let asked = opening.get(&key)?.number;
            let (low, end) = (*lows.get(&key)?, *ends.get(&key)?);
            let committed = committed.get(&key).copied();
            let opening = Opening {
                low,
                end,
                committed,
                asked,
            };
            Some((key, opening))
        };
        Ok(keys.into_iter().filter_map(opening).collect())
    }
}

/// The offsets of a list that are some.
fn answered(list: &TopicPartitionList) -> BTreeMap<Key, u64> {
    let mut offsets = BTreeMap::new();
    for element in list.elements() {
        if let (Ok(()), Offset::Offset(offset)) = (element.error(), element.offset())
            && let Ok(offset) = u64::try_from(offset)
        {
            offsets.insert((Arc::from(element.topic()), element.partition()), offset);
        }
    }
    offsets
}
