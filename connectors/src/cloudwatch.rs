//! Log groups of CloudWatch Logs: CrowdSec's `source: cloudwatch`.
//!
//! A group is one partition. It is looked at again and again from some time before its newest event on
//! (`FilterLogEvents`), over all of its streams at once, so one that is new is seen with the next look; what was given
//! is known by its id. An offset counts the lines.
//!
//! ```text
//!  `cloudwatch`, a thread with a runtime         poll()
//!  look, page by page --------- inbox ---------> group: given already? -> lines -> batches
//!  (pause)                                       all of a look given -> caught up
//! ```
//!
//! What is promised, and what is not:
//! - An event that can be seen when a look passes its time is given once, over all restarts.
//! - Events come in the order of their times within what one look finds. One that comes later than the others
//!   is given when it is seen; after a restart before that, it may come at its own place instead.
//! - One that comes later than the overlap is not seen.
//! - `StartLiveTail` is not used: it leaves out what is more than five hundred events a second.

mod config;
mod fetch;
mod group;
mod seen;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use overspill_event::Origin;

pub use crate::aws::Access;
use crate::aws::{Inbox, Stop};
use crate::bell::Bell;
use crate::pipe::Clocked;
use crate::source::{
    Begun, Clock, Count, Counters, Lag, Left, LiveSource, Outlet, PartitionId, Position, Positions,
    Resume, SourceError, Turn,
};
pub use config::{CloudWatchConfig, Start, Streams};
use fetch::{Piece, Reader};
use group::Group;

/// Pause when there is no room for lines.
const PAUSE_HELD: Duration = Duration::from_millis(5);
/// Longest that one waits for the bell.
const WAIT_MOST: Duration = Duration::from_millis(100);
/// Nanoseconds of a millisecond.
const MILLISECOND_NS: i64 = 1_000_000;

/// Follows a log group.
pub struct CloudWatchSource {
    config: Arc<CloudWatchConfig>,
    clock: Clocked,
    counters: Arc<Counters>,
    inbox: Arc<Inbox<Piece>>,
    bell: Arc<Bell>,
    stop: Arc<Stop>,
    group: Group,
    /// Its number, once it has begun.
    id: Option<PartitionId>,
    n_begun: u32,
    missing_since: Option<Instant>,
    /// Positions of the checkpoint that belong to nothing that is followed.
    strangers: Vec<String>,
    /// It was there when the checkpoint was made, so it begins at once.
    is_resumed: bool,
    is_closed: bool,
}

impl std::fmt::Debug for CloudWatchSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CloudWatchSource")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// What became of a look at the inbox.
enum Took {
    Something,
    NoRoom,
    More,
    Nothing,
}

impl CloudWatchSource {
    /// Follows a group from where a checkpoint was, or from where the configuration says.
    ///
    /// # Errors
    /// When no thread can be started. A service that cannot be reached, or does not let us in, is no error.
    pub fn new(
        mut config: CloudWatchConfig,
        resume: Resume,
        clock: Clock,
    ) -> Result<Self, SourceError> {
        config.origin = Origin {
            src: config.group.clone(),
            ..config.origin
        };
        let config = Arc::new(config);
        let counters = Arc::<Counters>::default();
        let now_ms = clock() / MILLISECOND_NS;
        let known = resume.position(&config.name()).cloned();
        let is_resumed = known.is_some();
        let group = group(&config, &resume, known, now_ms, &counters);
        let (begin_ms, high_ms) = group.bounds();
        let is_ours = config.belongs.to_us(&config.name());
        let (bell, stop) = (Arc::<Bell>::default(), Arc::<Stop>::default());
        let inbox = Arc::new(Inbox::new(config.queue_bytes));
        let reader = Reader {
            config: Arc::clone(&config),
            inbox: Arc::clone(&inbox),
            bell: Arc::clone(&bell),
            counters: Arc::clone(&counters),
            clock: Arc::clone(&clock),
            begin_ms,
            high_ms,
        };
        if is_ours {
            crate::aws::start("cloudwatch", &stop, reader.run()).map_err(|source| {
                SourceError::Start {
                    program: "a thread that reads CloudWatch".to_owned(),
                    source,
                }
            })?;
        }
        let strangers = match &resume {
            Resume::First => Vec::new(),
            Resume::From(positions) => positions
                .keys()
                .filter(|name| **name != config.name())
                .map(|name| format!("{name}: not followed any more"))
                .collect(),
        };
        Ok(Self {
            config,
            clock: Clocked(clock),
            counters,
            inbox,
            bell,
            stop,
            group,
            id: None,
            n_begun: 0,
            missing_since: None,
            strangers,
            is_resumed,
            is_closed: !is_ours,
        })
    }

    fn begin(&mut self, outlet: &mut dyn Outlet) -> PartitionId {
        if let Some(id) = self.id {
            return id;
        }
        let id = PartitionId(self.n_begun);
        self.n_begun += 1;
        self.id = Some(id);
        outlet.begin(Begun {
            id,
            name: self.config.name(),
            origin: Arc::new(self.config.origin.clone()),
            position: self.group.position(),
        });
        id
    }

    /// Gives a batch, or else looks at what came.
    fn turn(&mut self, outlet: &mut dyn Outlet) -> Took {
        if !self.group.is_empty() {
            let id = self.begin(outlet);
            if !outlet.has_room(id) {
                return Took::NoRoom;
            }
            let now_ns = (self.clock.0)();
            return match self.group.take(id, now_ns, &self.counters) {
                Some(batch) => {
                    crate::once::count_lines(&self.counters, &batch.lines);
                    outlet.give(batch);
                    Took::Something
                }
                None => Took::More,
            };
        }
        if let Some(as_of_ns) = self.group.complete() {
            let id = self.begin(outlet);
            outlet.caught_up(id, as_of_ns, self.group.position());
            return Took::More;
        }
        match self.inbox.take() {
            None => Took::Nothing,
            Some(Piece::Missing) => {
                self.miss(outlet);
                Took::More
            }
            Some(Piece::Page {
                as_of_ns,
                is_first,
                is_last,
                events,
            }) => {
                self.missing_since = None;
                self.begin(outlet);
                let which = (is_first, is_last);
                self.group
                    .take_page(as_of_ns, which, events, &self.counters);
                Took::More
            }
        }
    }

    /// The group is not there. If it stays so, its partition ends, and begins again where it was if it comes back.
    fn miss(&mut self, outlet: &mut dyn Outlet) {
        let since = *self.missing_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= self.config.gone_wait
            && let Some(id) = self.id.take()
        {
            outlet.end(id, Left::At(self.group.position()));
        }
    }
}

/// Where the group begins.
fn group(
    config: &CloudWatchConfig,
    resume: &Resume,
    known: Option<Position>,
    now_ms: i64,
    counters: &Counters,
) -> Group {
    let begin_ms = match (resume, config.start) {
        (Resume::First, Start::Newest) => now_ms,
        _ => 0,
    };
    let offset = known.as_ref().map_or(0, |position| position.offset);
    let read = known.and_then(|position| Group::at(config, position));
    let is_lost = read.is_none() && offset > 0;
    read.unwrap_or_else(|| {
        if is_lost {
            let text = format!("{}: position {offset} cannot be read", config.group);
            counters.sample(Count::PositionsLost, text);
        }
        Group::fresh(config, begin_ms, offset)
    })
}

impl LiveSource for CloudWatchSource {
    fn id(&self) -> &str {
        &self.config.id
    }

    fn poll(&mut self, outlet: &mut dyn Outlet, wait: Duration) -> Result<Turn, SourceError> {
        if self.is_closed {
            return Ok(Turn::Ended);
        }
        let until = Instant::now() + wait;
        for text in std::mem::take(&mut self.strangers) {
            self.counters.sample(Count::PositionsLost, text);
        }
        if self.is_resumed {
            self.begin(outlet);
            self.is_resumed = false;
        }
        loop {
            let took = self.turn(outlet);
            if matches!(took, Took::Something) {
                return Ok(Turn::Gave);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Turn::Quiet);
            }
            match took {
                Took::NoRoom => std::thread::sleep(left.min(PAUSE_HELD)),
                Took::Nothing => {
                    self.bell.wait(left.min(WAIT_MOST));
                    self.bell.take();
                }
                Took::Something | Took::More => {}
            }
        }
    }

    /// What a checkpoint holds begins at once; else the group has to be found.
    fn has_begun(&self) -> bool {
        self.id.is_some()
    }

    fn committed(&mut self, _positions: &Positions) {}

    fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    fn lags(&self, each: &mut dyn FnMut(PartitionId, Lag)) {
        if let Some(id) = self.id {
            let offset = self.group.next_offset();
            each(
                id,
                Lag {
                    offset,
                    bytes: None,
                    lines: None,
                },
            );
        }
    }

    fn close(&mut self) {
        self.is_closed = true;
        self.stop.ask();
    }
}

impl Drop for CloudWatchSource {
    fn drop(&mut self) {
        self.close();
    }
}
