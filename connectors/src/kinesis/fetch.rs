//! The thread that fetches: it lists shards, and starts and ends a task for each that is read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::Shard;
use tokio::sync::{Mutex, OnceCell};
use tokio::task::{AbortHandle, JoinSet};

use super::config::KinesisConfig;
use super::desk::{Desk, Job, Listed, Look, Order, Piece, Record};
use super::place::{Place, is_sequence};
use super::stream::KEPT_MS_MIN;
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
/// Credentials are read anew no more often than this, however many shards are not let in.
const RENEW_LEAST: Duration = Duration::from_secs(2);

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
    /// The newest client, and when its credentials were looked for.
    pub(super) newest: Arc<Mutex<Option<(Instant, Client)>>>,
}

impl Hands {
    /// Does what is asked for, without end.
    pub(super) async fn run(self) {
        let mut client = self.renewed().await;
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
                    if trouble.fault == Fault::Denied {
                        client = self.renewed().await;
                    }
                    self.counters.sample(Count::Errors, trouble.text);
                    (due, is_failing) = (Instant::now() + jittered(backoff.pause()), true);
                }
            }
        }
    }

    /// A client that looks anew for who we are: credentials may have run out, and others be where they were.
    async fn renewed(&self) -> Client {
        let mut newest = self.newest.lock().await;
        match &*newest {
            Some((since, client)) if since.elapsed() < RENEW_LEAST => client.clone(),
            _ => {
                let client = Client::new(&self.config.access.settings().await);
                *newest = Some((Instant::now(), client.clone()));
                client
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
    /// All that arrived before this, in nanoseconds since 1970, was handed on; `None` before the first answer.
    pub(super) known_ns: Option<i64>,
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
            known_ns: None,
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
        if trouble.fault == Fault::Denied {
            self.client = self.hands.renewed().await;
        }
        tokio::time::sleep(jittered(self.backoff.pause())).await;
    }

    /// Whether an error means that the place is not there any more. Then it is told, and there is another place, or
    /// none; the second answer is whether reading goes on.
    pub(super) fn lose(&mut self, trouble: &Trouble) -> (bool, bool) {
        if trouble.fault != Fault::Invalid || !matches!(self.place, Place::At(_) | Place::After(_))
        {
            return (false, true);
        }
        let goes_on = self.lost(format!("position is gone: {}", trouble.text));
        (true, goes_on)
    }

    /// Tells that something is lost, and goes where there is something; answers whether reading goes on.
    pub(super) fn lost(&mut self, why: String) -> bool {
        self.put(Piece::Lost(why));
        match self.hands.config.on_loss {
            OnLoss::Oldest => self.place = Place::Oldest,
            OnLoss::Newest => self.place = Place::Time(self.now_ns() / MILLISECOND_NS),
            OnLoss::Stop => return false,
        }
        self.read_to = self.place.clone();
        self.known_ns = None;
        true
    }

    /// Notes up to when everything is known, after an answer that was this far behind the present.
    pub(super) fn know(&mut self, last_arrival_ns: Option<i64>, as_of_ns: i64, behind_ms: i64) {
        let at_ns = as_of_ns.saturating_sub(behind_ms.max(0).saturating_mul(MILLISECOND_NS));
        // Behind the last record there may be others that came soon after it.
        let known_ns = match last_arrival_ns {
            Some(arrival_ns) if behind_ms > 0 => arrival_ns,
            _ => at_ns,
        };
        self.known_ns = self.known_ns.max(Some(known_ns));
    }

    /// The last record that was read, if it is so long ago that what came after it may be gone, however long the stream
    /// keeps records.
    pub(super) fn doubtful(&self) -> Option<&Arc<str>> {
        let since_ns = self.now_ns().saturating_sub(self.known_ns?);
        match &self.read_to {
            Place::After(last) if since_ns >= KEPT_MS_MIN * MILLISECOND_NS => Some(last),
            _ => None,
        }
    }
}

/// When the service had a record, in nanoseconds since 1970.
pub(super) fn arrival_ns(record: &aws_sdk_kinesis::types::Record) -> Option<i64> {
    let arrival = record.approximate_arrival_timestamp?;
    i64::try_from(arrival.as_nanos()).ok()
}

fn record(record: aws_sdk_kinesis::types::Record) -> Record {
    let arrival_ns = arrival_ns(&record);
    debug_assert!(is_sequence(&record.sequence_number));
    Record {
        sequence: Arc::from(record.sequence_number),
        data: record.data.into_inner(),
        partition_key: record.partition_key.unwrap_or_default(),
        arrival_ns,
    }
}
