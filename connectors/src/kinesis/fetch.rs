//! The thread that fetches: it lists shards, and starts and ends a task for each that is read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::Shard;
use tokio::sync::OnceCell;
use tokio::task::{AbortHandle, JoinSet};

use super::config::KinesisConfig;
use super::desk::{Desk, Job, Listed, Look, Order, Piece, Record};
use super::place::{Place, is_sequence};
use super::{poll, push};
use crate::aws::{Fault, Trouble, jittered};
use crate::bell::Bell;
use crate::policy::OnLoss;
use crate::source::{Backoff, Clock, Count, Counters};

/// Listings come no faster than this, however much is asked for.
const LOOK_SHORTEST: Duration = Duration::from_millis(200);
/// Shards of one page.
const PAGE_SHARDS: i32 = 1_000;
/// Most pages of one listing.
const PAGES_MOST: usize = 100;
/// Nanoseconds of a millisecond.
const MILLISECOND_NS: i64 = 1_000_000;

/// What all that fetches has.
#[derive(Clone)]
pub(super) struct Hands {
    pub(super) config: Arc<KinesisConfig>,
    pub(super) desk: Arc<Desk>,
    pub(super) bell: Arc<Bell>,
    pub(super) counters: Arc<Counters>,
    pub(super) clock: Clock,
    /// ARN of the consumer to which records are pushed, once it is registered.
    pub(super) consumer: Arc<OnceCell<String>>,
}

impl Hands {
    /// Does what is asked for, without end.
    pub(super) async fn run(self) {
        let client = Client::new(&self.config.access.settings().await);
        let mut tasks = JoinSet::new();
        let mut handles: BTreeMap<u32, AbortHandle> = BTreeMap::new();
        let mut backoff = Backoff::default();
        let (mut looked_at, mut due, mut is_failing) = (None, Instant::now(), false);
        loop {
            while let Some(order) = self.desk.take_order() {
                match order {
                    Order::Open(job) => {
                        let number = job.number;
                        let reader = Reader::new(&client, &self, job);
                        let handle = match self.config.fan_out.is_some() {
                            true => tasks.spawn(push::read(reader)),
                            false => tasks.spawn(poll::read(reader)),
                        };
                        handles.insert(number, handle);
                    }
                    Order::Close(number) => {
                        handles.remove(&number).iter().for_each(AbortHandle::abort);
                    }
                }
            }
            while tasks.try_join_next().is_some() {}
            if self.desk.take_wanted() && !is_failing {
                due = looked_at.map_or(due, |at: Instant| due.min(at + LOOK_SHORTEST));
            }
            let now = Instant::now();
            if now < due {
                self.desk.wait(due - now).await;
                continue;
            }
            looked_at = Some(now);
            match self.look(&client).await {
                Ok(look) => {
                    backoff.reset();
                    (due, is_failing) = (now + self.config.refresh_every, false);
                    self.desk.show(look);
                    self.bell.ring_news();
                }
                Err(trouble) => {
                    self.counters.sample(Count::Errors, trouble.text);
                    (due, is_failing) = (Instant::now() + jittered(backoff.pause()), true);
                }
            }
        }
    }

    async fn look(&self, client: &Client) -> Result<Look, Trouble> {
        let begun = Instant::now();
        let shards = match self.list(client).await {
            Ok(shards) => Some(shards),
            Err(trouble) if trouble.fault == Fault::NotFound => {
                self.counters.sample(Count::Errors, trouble.text);
                None
            }
            Err(trouble) => return Err(trouble),
        };
        Ok(Look { begun, shards })
    }

    async fn list(&self, client: &Client) -> Result<Vec<Listed>, Trouble> {
        let (mut shards, mut token) = (Vec::new(), None);
        for _ in 0..PAGES_MOST {
            // A page that follows another is asked for without a name.
            let name = self.config.stream.to_name().filter(|_| token.is_none());
            let answer = client
                .list_shards()
                .set_stream_name(name)
                .set_stream_arn(self.config.stream.to_arn())
                .set_next_token(token.take())
                .max_results(PAGE_SHARDS)
                .send()
                .await
                .map_err(|error| Trouble::of("ListShards", &error))?;
            shards.extend(answer.shards().iter().map(listed));
            token = answer.next_token;
            if token.is_none() {
                break;
            }
        }
        Ok(shards)
    }
}

fn listed(shard: &Shard) -> Listed {
    let hash = |text: &str| text.parse::<u128>().ok();
    let hashes = shard.hash_key_range().and_then(|range| {
        Some((
            hash(range.starting_hash_key())?,
            hash(range.ending_hash_key())?,
        ))
    });
    let parents = [shard.parent_shard_id(), shard.adjacent_parent_shard_id()];
    let numbers = shard.sequence_number_range();
    Listed {
        shard: Arc::from(shard.shard_id()),
        parents: parents.into_iter().flatten().map(Arc::from).collect(),
        hashes: hashes.unwrap_or((0, u128::MAX)),
        is_closed: numbers.is_some_and(|numbers| numbers.ending_sequence_number().is_some()),
    }
}

/// Whoever reads a shard.
pub(super) struct Reader {
    pub(super) client: Client,
    pub(super) hands: Hands,
    pub(super) job: Job,
    /// Where reading goes on.
    pub(super) place: Place,
    /// After the last record that came.
    pub(super) read_to: Place,
    pub(super) backoff: Backoff,
}

impl Reader {
    fn new(client: &Client, hands: &Hands, job: Job) -> Self {
        Self {
            client: client.clone(),
            hands: hands.clone(),
            place: job.place.clone(),
            read_to: job.place.clone(),
            job,
            backoff: Backoff::default(),
        }
    }

    pub(super) fn now_ns(&self) -> i64 {
        (self.hands.clock)()
    }

    /// Hands something on. An answer with nothing in it takes the place of another one.
    pub(super) fn put(&self, piece: Piece) {
        let is_empty = |last: &Piece| matches!(last, Piece::Answer { records, is_closed: false, .. } if records.is_empty());
        self.job.inbox.put(piece, is_empty);
        self.hands.bell.ring(self.job.number);
    }

    /// Hands records on.
    pub(super) fn put_records(
        &mut self,
        records: Vec<aws_sdk_kinesis::types::Record>,
        at_end_ns: Option<i64>,
        is_closed: bool,
    ) {
        let records: Vec<Record> = records.into_iter().map(record).collect();
        if let Some(last) = records.last() {
            self.place = Place::After(Arc::clone(&last.sequence));
            self.read_to = self.place.clone();
        }
        self.put(Piece::Answer {
            records,
            at_end_ns,
            is_closed,
        });
    }

    /// Counts what went wrong, and waits before it is tried again.
    pub(super) async fn pause(&mut self, trouble: &Trouble) {
        let text = format!("{}: {}", self.job.shard, trouble.text);
        self.hands.counters.sample(Count::Errors, text);
        tokio::time::sleep(jittered(self.backoff.pause())).await;
    }

    /// Whether an error means that the place is not there any more. Then it is told, and there is another place, or
    /// none; the second answer is whether reading goes on.
    pub(super) fn lose(&mut self, trouble: &Trouble) -> (bool, bool) {
        if trouble.fault != Fault::Invalid || !matches!(self.place, Place::At(_) | Place::After(_))
        {
            return (false, true);
        }
        self.put(Piece::Lost(format!("position is gone: {}", trouble.text)));
        match self.hands.config.on_loss {
            OnLoss::Oldest => self.place = Place::Oldest,
            OnLoss::Newest => self.place = Place::Time(self.now_ns() / MILLISECOND_NS),
            OnLoss::Stop => return (true, false),
        }
        self.read_to = self.place.clone();
        (true, true)
    }
}

fn record(record: aws_sdk_kinesis::types::Record) -> Record {
    let arrival = record.approximate_arrival_timestamp;
    debug_assert!(is_sequence(&record.sequence_number));
    Record {
        sequence: Arc::from(record.sequence_number),
        data: record.data.into_inner(),
        partition_key: record.partition_key.unwrap_or_default(),
        arrival_ns: arrival.and_then(|at| i64::try_from(at.as_nanos()).ok()),
    }
}
