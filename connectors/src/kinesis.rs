//! Kinesis Data Streams: CrowdSec's `source: kinesis`.
//!
//! A shard is a partition here, under the name `stream/shardId-000000000003`. There are no leases and no table of them:
//! [`KinesisConfig::belongs`] says which shards are this process's, and the checkpoint where each begins. A
//! position is a sequence number, and an offset that counts from there.
//!
//! ```text
//!  `kinesis`, a thread with a runtime                        poll()
//!  lists shards ------------------------------- desk ------> family: who is to begin, who is at its end
//!  a task for each shard: asks for records, <-- desk ------- streams: open, close
//!  or has them pushed ------------------------- inboxes ---> streams: records -> lines -> batches
//! ```
//!
//! What is promised, and what is not:
//! - A record is a line, unless the producer library packed several into it, or it is what a subscription of
//!   CloudWatch Logs sends: then each of those is one.
//! - A shard that was made of others is read when those of them that are read here are at their end, and their
//!   partitions do not end before its partition has begun. So nobody sees a time in which there is none.
//! - A partition has caught up when the service said that there is nothing more, as of the time before it was asked.
//! - A record that is not there any more is counted, and [`OnLoss`] says how to go on. That is known from whether the
//!   record comes at which reading is to begin. The service does not tell a reader that falls behind so far while it runs: it
//!   goes on with the oldest record that is there. So a reader that was a day behind looks whether the last record that it
//!   read is still there; if so, everything after it was, too.
//! - A partition that has no room stays in the service: it is not asked for more.

mod config;
mod desk;
mod family;
mod fetch;
mod kpl;
mod place;
mod poll;
mod push;
mod record;
mod stream;
mod subscription;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use crate::aws::Access;
use crate::aws::Stop;
use crate::bell::Bell;
use crate::pipe::Clocked;
pub use crate::policy::{Belongs, OnLoss};
use crate::source::{
    Clock, Count, Counters, Lag, Left, LiveSource, Outlet, PartitionId, Position, Positions,
    Resume, SourceError, Turn,
};
pub use config::{FanOut, KinesisConfig, RecordLabels, Start, StreamRef};
use desk::{Desk, Listed, Look, Order};
use family::{Family, Life, SHARDS_MAX, origin};
use fetch::Hands;
use place::{Context, Place};
use record::Shape;
use stream::{News, Stream, Took};

/// Pause when there is no room for lines.
const PAUSE_HELD: Duration = Duration::from_millis(5);
/// Longest that one waits for the bell.
const WAIT_MOST: Duration = Duration::from_millis(100);
/// All inboxes are looked into this often, whether their bell rang or not.
const SCAN_EVERY: Duration = Duration::from_secs(1);
/// Turns of one call of `poll` take no longer than this.
const POLL_LONGEST: Duration = Duration::from_millis(10);
/// Nanoseconds of a millisecond.
const MILLISECOND_NS: i64 = 1_000_000;

/// Follows a stream.
pub struct KinesisSource {
    config: Arc<KinesisConfig>,
    clock: Clocked,
    counters: Arc<Counters>,
    shape: Shape,
    desk: Arc<Desk>,
    bell: Arc<Bell>,
    stop: Arc<Stop>,
    resume: Resume,
    /// When it was started, in milliseconds since 1970: where what is new begins.
    since_ms: i64,
    family: Family,
    streams: BTreeMap<u32, Stream>,
    n_begun: u32,
    ready: VecDeque<u32>,
    scan_at: Instant,
    has_started: bool,
    has_listed: bool,
    is_closed: bool,
}

impl std::fmt::Debug for KinesisSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KinesisSource")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl KinesisSource {
    /// Follows a stream from where a checkpoint was, or from where the configuration says.
    ///
    /// # Errors
    /// When no thread can be started. A service that cannot be reached, or does not let us in, is no error.
    pub fn new(config: KinesisConfig, resume: Resume, clock: Clock) -> Result<Self, SourceError> {
        let config = Arc::new(config);
        let (counters, stop) = (Arc::<Counters>::default(), Arc::<Stop>::default());
        let (bell, desk) = (Arc::<Bell>::default(), Arc::<Desk>::default());
        let since_ms = clock() / MILLISECOND_NS;
        let hands = Hands {
            config: Arc::clone(&config),
            desk: Arc::clone(&desk),
            bell: Arc::clone(&bell),
            counters: Arc::clone(&counters),
            clock: Arc::clone(&clock),
            consumer: Arc::default(),
            newest: Arc::default(),
        };
        crate::aws::start("kinesis", &stop, hands.run()).map_err(|source| SourceError::Start {
            program: "a thread that reads Kinesis".to_owned(),
            source,
        })?;
        Ok(Self {
            shape: Shape::new(&config),
            config,
            clock: Clocked(clock),
            counters,
            desk,
            bell,
            stop,
            resume,
            since_ms,
            family: Family::default(),
            streams: BTreeMap::new(),
            n_begun: 0,
            ready: VecDeque::new(),
            scan_at: Instant::now(),
            has_started: false,
            has_listed: false,
            is_closed: false,
        })
    }

    /// Begins what the checkpoint holds, whether the service answers or not: so its watermark waits for it.
    fn start(&mut self, outlet: &mut dyn Outlet) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        let Resume::From(positions) = self.resume.clone() else {
            return;
        };
        for (name, position) in positions {
            if !self.config.belongs.to_us(&name) {
                continue;
            }
            let context = Context::from_bytes(&position.context);
            let is_ended = matches!(&context, Some(context) if context.place == Place::Ended);
            let Some(shard) = self.config.shard_of(&name) else {
                if !is_ended {
                    let text = format!("{name}: not followed any more, at {}", position.offset);
                    self.counters.sample(Count::PositionsLost, text);
                }
                continue;
            };
            let parents = context.map(|context| context.parents).unwrap_or_default();
            let life = if is_ended {
                Life::Ended
            } else {
                Life::Waiting(position)
            };
            self.family.add(&shard, life, parents);
        }
        self.begin_ready(outlet);
    }

    /// Begins shards that wait for nothing any more.
    fn begin_ready(&mut self, outlet: &mut dyn Outlet) {
        for (shard, position) in self.family.ready() {
            let stream = self.stream(&shard, position);
            let number = stream.job().number;
            if let Some(doubt) = stream.doubt() {
                self.counters.sample(Count::PositionsLost, doubt);
            }
            stream.begin(self.family.open_parent(&shard).map(PartitionId), outlet);
            self.desk.order(Order::Open(stream.job()));
            self.streams.insert(number, stream);
            self.family.set(&shard, Life::Open(number));
        }
    }

    fn stream(&mut self, shard: &Arc<str>, position: Position) -> Stream {
        let number = self.n_begun;
        self.n_begun += 1;
        let member = self.family.get(shard);
        let parents = member.map(|member| member.parents.clone());
        let hashes = member.map_or((0, u128::MAX), |member| member.hashes);
        let mut context = Context::from_bytes(&position.context).unwrap_or_else(|| {
            let name = self.config.name_of(shard);
            let text = format!("{name}: position {} cannot be read", position.offset);
            self.counters.sample(Count::PositionsLost, text);
            let mut context = Context::beginning(Place::Oldest, Vec::new());
            context.base = position.offset;
            context
        });
        if let Some(parents) = parents.filter(|parents| !parents.is_empty()) {
            context.parents = parents;
        }
        let ids = (number, PartitionId(number));
        let now_ns = (self.clock.0)();
        let (config, shape) = (&self.config, &self.shape);
        let mut stream = Stream::new(config, shape, shard, ids, position, context, now_ns);
        stream.set_hashes(hashes);
        stream
    }

    /// Takes in a listing.
    fn take_look(&mut self, outlet: &mut dyn Outlet) {
        let Some(look) = self.desk.take_look() else {
            return;
        };
        let shards = || look.shards.iter().flatten();
        let parents: BTreeMap<&str, &[Arc<str>]> = shards()
            .map(|listed| (&*listed.shard, &listed.parents[..]))
            .collect();
        let listed: BTreeMap<&Arc<str>, &Listed> = shards()
            .filter(|listed| self.is_ours(&listed.shard, &parents))
            .map(|listed| (&listed.shard, listed))
            .collect();
        for listed in listed.values() {
            if !self.family.knows(&listed.shard) {
                self.meet(listed, outlet);
            }
            self.family.see(listed);
            if let Some(Life::Open(number)) = self.family.get(&listed.shard).map(|of| &of.life)
                && let Some(stream) = self.streams.get_mut(number)
            {
                stream.set_hashes(listed.hashes);
            }
        }
        self.has_listed |= look.shards.is_some();
        let wait = self.config.gone_wait;
        let is_there = |shard: &Arc<str>| listed.contains_key(shard);
        for shard in self.family.gone(is_there, look.begun, wait) {
            self.lose_shard(&shard, look.shards.is_some(), outlet);
        }
        if look.shards.is_some() {
            self.begin_ready(outlet);
            self.end_closed(&look, outlet);
        }
    }

    /// Whether this process reads a shard that is listed.
    fn is_ours(&self, shard: &str, parents: &BTreeMap<&str, &[Arc<str>]>) -> bool {
        let name = |shard: &str| self.config.name_of(shard);
        let is_resumed = |shard: &str| match &self.resume {
            Resume::From(positions) => positions.contains_key(&name(shard)),
            Resume::First => false,
        };
        let origin = origin(shard, is_resumed, |shard| parents.get(shard).copied());
        self.config.belongs.to_us(&name(origin))
    }

    /// A shard that was not known.
    fn meet(&mut self, listed: &Listed, outlet: &mut dyn Outlet) {
        let shard = &listed.shard;
        if self.family.is_full() {
            let text = format!("more than {SHARDS_MAX} shards: {shard} is not read");
            self.counters.sample(Count::Errors, text);
            return;
        }
        let is_newest =
            !self.has_listed && self.resume == Resume::First && self.config.start == Start::Newest;
        let place = match (is_newest, listed.is_closed) {
            (true, true) => Place::Ended,
            (true, false) => Place::Time(self.since_ms),
            (false, _) => Place::Oldest,
        };
        let context = Context::beginning(place, listed.parents.clone());
        let is_ended = context.place == Place::Ended;
        let position = Position {
            offset: 0,
            context: context.to_bytes(),
        };
        if is_ended {
            // Remembered, so that it is not taken for a new one after a restart.
            self.family.add(shard, Life::Ended, listed.parents.clone());
            let stream = self.stream(shard, position.clone());
            stream.begin(None, outlet);
            outlet.end(stream.id, Left::At(position));
        } else {
            self.family
                .add(shard, Life::Waiting(position), listed.parents.clone());
        }
    }

    /// A shard that has not been there for long: its time is over, or the stream's.
    fn lose_shard(&mut self, shard: &Arc<str>, has_stream: bool, outlet: &mut dyn Outlet) {
        let Some(member) = self.family.get(shard) else {
            return;
        };
        match (&member.life, has_stream) {
            (Life::Open(number) | Life::Closed(number, _), _) => {
                let number = *number;
                self.desk.order(Order::Close(number));
                if let Some(stream) = self.streams.remove(&number) {
                    if has_stream {
                        let text = format!(
                            "{}: gone before it was read to its end, at {}",
                            stream.name(),
                            stream.lag().offset
                        );
                        self.counters.sample(Count::PositionsLost, text);
                        outlet.end(stream.id, Left::Nothing);
                    } else {
                        // If the stream comes back, it goes on there.
                        let position = stream.position();
                        outlet.end(stream.id, Left::At(position.clone()));
                        self.family.set(shard, Life::Waiting(position));
                        return;
                    }
                }
                self.family.remove(shard);
            }
            (Life::Waiting(_), false) | (Life::Ended, false) => {}
            (Life::Waiting(_), true) => {
                self.family.remove(shard);
            }
            (Life::Ended, true) => {
                // Begun once more, so that checkpoints forget it.
                let context = Context::beginning(Place::Ended, Vec::new());
                let position = Position {
                    offset: 0,
                    context: context.to_bytes(),
                };
                let stream = self.stream(shard, position);
                stream.begin(None, outlet);
                outlet.end(stream.id, Left::Nothing);
                self.family.remove(shard);
            }
        }
    }

    /// Ends shards that are at their end and whose children have begun.
    fn end_closed(&mut self, look: &Look, outlet: &mut dyn Outlet) {
        for (shard, number) in self.family.closed_before(look.begun) {
            if let Some(stream) = self.streams.remove(&number) {
                outlet.end(stream.id, Left::At(stream.ended()));
            }
            self.family.set(&shard, Life::Ended);
        }
    }

    /// One turn of each shard that has something; answers whether lines were given, and whether there
    /// was no room for some.
    fn round(&mut self, outlet: &mut dyn Outlet) -> Result<(bool, bool), SourceError> {
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
            match self.turn(number, outlet)? {
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
        Ok((has_given, is_held))
    }

    /// A shard's turn: at most one batch.
    fn turn(&mut self, number: u32, outlet: &mut dyn Outlet) -> Result<Took, SourceError> {
        let Some(stream) = self.streams.get_mut(&number) else {
            return Ok(Took::Nothing);
        };
        if !outlet.has_room(stream.id) {
            return Ok(Took::NoRoom);
        }
        let filled = stream.take(&self.shape, &self.counters);
        let news = filled.news.clone();
        let took = stream.give(filled, (self.clock.0)(), &self.counters, outlet);
        match news {
            None | Some(News::CaughtUp(_)) => {}
            Some(News::Closed) => {
                let shard = Arc::clone(&stream.shard);
                self.family
                    .set(&shard, Life::Closed(number, Instant::now()));
                self.desk.want_look();
            }
            Some(News::Lost(why)) => self.lose(number, &why, false)?,
            Some(News::Missing(why)) => self.lose(number, &why, true)?,
        }
        Ok(took)
    }

    /// A position is lost.
    fn lose(&mut self, number: u32, why: &str, is_found_here: bool) -> Result<(), SourceError> {
        self.counters.sample(Count::PositionsLost, why);
        let Some(stream) = self.streams.get_mut(&number) else {
            return Ok(());
        };
        match self.config.on_loss {
            OnLoss::Newest if is_found_here => {
                let now_ms = (self.clock.0)() / MILLISECOND_NS;
                stream.jump(&self.config, Place::Time(now_ms));
                self.desk.order(Order::Close(number));
                self.desk.order(Order::Open(stream.job()));
            }
            OnLoss::Oldest | OnLoss::Newest => stream.pass_over(),
            OnLoss::Stop => {
                return Err(SourceError::Read {
                    path: stream.name().to_string(),
                    lines: self.counters.get(Count::Lines),
                    source: io::Error::new(io::ErrorKind::InvalidData, why.to_owned()),
                });
            }
        }
        Ok(())
    }
}

impl LiveSource for KinesisSource {
    fn id(&self) -> &str {
        &self.config.id
    }

    fn poll(&mut self, outlet: &mut dyn Outlet, wait: Duration) -> Result<Turn, SourceError> {
        if self.is_closed {
            return Ok(Turn::Ended);
        }
        let until = Instant::now() + wait;
        self.start(outlet);
        loop {
            self.take_look(outlet);
            let (has_given, is_held) = self.round(outlet)?;
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
                self.bell.wait(left.min(WAIT_MOST));
            }
        }
    }

    /// What a checkpoint holds begins at once; else the shards have to be listed.
    fn has_begun(&self) -> bool {
        self.has_listed || matches!(self.resume, Resume::From(_))
    }

    fn committed(&mut self, _positions: &Positions) {}

    fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    fn lags(&self, each: &mut dyn FnMut(PartitionId, Lag)) {
        for stream in self.streams.values() {
            each(stream.id, stream.lag());
        }
    }

    fn close(&mut self) {
        self.is_closed = true;
        self.stop.ask();
        self.streams.clear();
        self.ready.clear();
    }
}

impl Drop for KinesisSource {
    fn drop(&mut self) {
        self.close();
    }
}
