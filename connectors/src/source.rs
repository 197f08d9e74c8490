//! The contract of a source.
//!
//! There are two forms. [`Source`] is one partition that has an end: a file that is replayed. It reads on
//! a thread of its own, may block as long as it likes, and knows no position. [`LiveSource`] is one
//! configured input that does not end: it has any number of partitions that come and go, is asked
//! for what there is instead of reading until it has something, can be taken up again where a
//! checkpoint was, and says of a partition that nothing more was there. One trait for both would give a
//! replay six duties it has no use for; [`crate::once`] makes a live source of bounded ones instead, so
//! that whoever runs a job knows one loop only.
//!
//! ```text
//!  a live source, on a thread of its own                          whoever runs the job
//!  +-----------------------------------------+
//!  | poll(outlet, wait) -- begin(partition) -----------------> a lane, a number in the checkpoint
//!  |                    <- has_room(partition) --------------- no: its channel is full, or it is held
//!  |                    -- give(lines, position) ------------> lane, as a batch
//!  |                    -- caught_up(partition, as of) ------> the clock may move its watermark
//!  |                    -- end(partition) --------------------> the lane is at its end
//!  | committed(positions) <---------------------------------- a checkpoint that holds them is durable
//!  | counters(), lags() ------------------------------------> metrics, from any thread
//!  +-----------------------------------------+
//! ```

mod backoff;
#[cfg(test)]
pub(crate) mod check;
mod clock;
mod counters;
mod divide;
mod mailbox;
mod position;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use overspill_event::{LineBatch, Origin};

pub use backoff::Backoff;
pub use clock::{Clock, system_clock};
pub use counters::{Count, Counters, Sample};
pub use divide::divides_to;
pub(crate) use mailbox::{Mailbox, Offered, Weigh};
pub use position::{PartitionName, Position, PositionError, Positions, Resume};

/// What a call of [`Source::read`] gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Lines were appended, or none just now; call again.
    More,
    /// The partition is read to its end and will give nothing more.
    End,
}

/// Whether an error passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same call may succeed later.
    Later,
    /// It will not.
    Never,
}

/// Why a source could not go on. What it gave before stays valid.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The input could not be opened.
    #[error("open {path}")]
    Open {
        /// What was opened.
        path: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The input failed while it was read.
    #[error("read {path} after {lines} lines")]
    Read {
        /// What was read.
        path: String,
        /// Lines that were given before.
        lines: u64,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// An address could not be listened on.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A file that the source keeps for itself could not be read or written.
    #[error("keep {path}")]
    Keep {
        /// The file.
        path: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A program could not be started.
    #[error("start {program}")]
    Start {
        /// The program.
        program: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl SourceError {
    /// Whether to try again. An address that is taken may become free, a disk that is full may get
    /// room, a program may be installed: only what was asked for wrongly stays wrong.
    #[must_use]
    pub fn retry(&self) -> Retry {
        let (Self::Open { source, .. }
        | Self::Read { source, .. }
        | Self::Listen { source, .. }
        | Self::Keep { source, .. }
        | Self::Start { source, .. }) = self;
        if matches!(
            self,
            Self::Listen { .. } | Self::Keep { .. } | Self::Start { .. }
        ) {
            return match source.kind() {
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Retry::Never,
                _ => Retry::Later,
            };
        }
        match source.kind() {
            io::ErrorKind::Interrupted | io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                Retry::Later
            }
            _ => Retry::Never,
        }
    }
}

/// Lines of one partition, in order.
///
/// 1. Offsets ascend strictly within the partition, and name the same line on every reading.
/// 2. A line is given once, whole, without its line end; empty lines are not given.
/// 3. A line longer than the limit is cut at the limit, marked, and counted; it never ends the
///    source.
/// 4. After an error the lines already given stay valid. A source whose error says
///    [`Retry::Never`] is at its end.
/// 5. `read` may block on IO: it is called from a thread of its own, never from a worker.
pub trait Source: Send {
    /// What all lines of the partition share.
    fn origin(&self) -> &Origin;

    /// Appends some lines to `batch`.
    ///
    /// # Errors
    /// [`SourceError`]: see rule 4.
    fn read(&mut self, batch: &mut LineBatch) -> Result<Step, SourceError>;

    /// Bytes read so far and bytes in all, of the input as it is stored, where known.
    fn progress(&self) -> (u64, Option<u64>);
}

/// Number of a partition within one running source; another one after every start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(pub u32);

/// A partition that came.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Its number until it ends. Numbers are not used twice.
    pub id: PartitionId,
    /// Its name, which is the same after a restart.
    pub name: PartitionName,
    /// What its lines share, unless a batch says otherwise.
    pub origin: Arc<Origin>,
    /// Where it begins: what a checkpoint is to hold until the first batch is in it.
    pub position: Position,
}

/// From which line of a batch on lines are of another origin.
#[derive(Debug, Clone)]
pub struct Run {
    /// Index of the first such line.
    pub first: usize,
    /// Their origin.
    pub origin: Arc<Origin>,
}

/// Lines of one partition, and what it takes to come back to any of them.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The partition.
    pub partition: PartitionId,
    /// The lines; at least one.
    pub lines: LineBatch,
    /// What the source has to know besides an offset to begin at a line of this batch.
    pub context: Arc<[u8]>,
    /// Offset that stands for "after the last line"; above all offsets of the batch.
    pub next_offset: u64,
    /// When the lines were read, in nanoseconds since 1970.
    pub arrival_ns: i64,
    /// What the transport says of the time of each line, if it keeps that; one for each line, or none.
    /// The same on every reading, so bounds that are made of it are.
    pub times_ns: Vec<i64>,
    /// Origins of lines that are not of the partition's origin, ascending; often none.
    pub runs: Vec<Run>,
}

impl Batch {
    /// The position at which reading begins with the line of this offset.
    #[must_use]
    pub fn position_of(&self, offset: u64) -> Position {
        Position {
            offset,
            context: Arc::clone(&self.context),
        }
    }

    /// The position at which reading goes on after this batch.
    #[must_use]
    pub fn position_after(&self) -> Position {
        self.position_of(self.next_offset)
    }
}

/// How far a partition is behind its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lag {
    /// Offset after the last line that was given.
    pub offset: u64,
    /// Bytes that are there and were not given, where known.
    pub bytes: Option<u64>,
    /// Lines that are there and were not given, where known.
    pub lines: Option<u64>,
}

/// What is to be remembered of a partition that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// Nothing: its input is no more, and what comes under its name is something new.
    Nothing,
    /// Its position: checkpoints go on holding it. What was read to its end is then not read again,
    /// and what could not be read for a long time goes on there if it comes back.
    At(Position),
}

/// What a call of [`LiveSource::poll`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Something was given; there may be more.
    Gave,
    /// There was nothing for as long as the call was to wait, or no room for what there is.
    Quiet,
    /// The source has ended all its partitions and will give nothing more.
    Ended,
}

/// Where a live source puts what it reads. See the rules of [`LiveSource`].
pub trait Outlet {
    /// A partition came. Everything else about it comes after this.
    fn begin(&mut self, begun: Begun);
    /// A partition came that goes on where another one ends, which has not ended yet. It is to be counted where that one
    /// is: elsewhere event time may be past its lines.
    fn begin_after(&mut self, begun: Begun, _parent: PartitionId) {
        self.begin(begun);
    }
    /// Whether lines of a partition may be given now.
    fn has_room(&mut self, partition: PartitionId) -> bool;
    /// Gives lines.
    fn give(&mut self, batch: Batch);
    /// All that a partition had at this time (nanoseconds since 1970) was given; reading goes on at this
    /// position, which may be beyond that of the last line.
    fn caught_up(&mut self, partition: PartitionId, as_of_ns: i64, position: Position);
    /// A partition that has something, and room for it, is held up for a while by a limit of its source.
    fn hold(&mut self, _partition: PartitionId) {}
    /// A partition gives nothing more.
    fn end(&mut self, partition: PartitionId, left: Left);
}

/// One configured input that is followed.
///
/// **Calls.** `poll` is called again and again by one thread. It returns after one look at its input,
/// or when `wait` has passed and there was nothing; give or take one read it takes no longer than
/// that, so whoever calls it can see to other things, a request to stop among them.
///
/// **Lines.** As of [`Source`]: offsets ascend strictly from the beginning of a partition to its end, and
/// name the same line on every reading; a line is given once, whole, without its line end; empty lines
/// are not given; a line that is too long is cut, marked and counted ([`Count::LinesCut`]).
///
/// **Partitions** may come and end at any time. A partition has one order, one watermark and one
/// position. Its name outlives a restart; which worker it belongs to is a function of the name alone,
/// made by whoever runs the job, but for one that [goes on from another](Outlet::begin_after) while the job runs.
///
/// **Room.** Lines of a partition are given only after [`Outlet::has_room`] said so, in the same call
/// of `poll`, once for each batch. One partition without room never keeps another one waiting: it
/// may be held because it is ahead of exactly that other one. What has no room stays where it is; a
/// source whose input cannot wait (UDP) keeps it within a stated limit and then drops it, counted.
/// A batch has about 64 KiB at most, and each partition has its turn before one has its second.
///
/// **Positions.** [`Batch::position_of`] gives, for *any* line of a batch, the position at which reading
/// begins again with that very line, at the same offset; so a checkpoint may cut a batch where it
/// likes. A position is bytes to everybody but the source that made it, with a version in front, and
/// belongs to the name of its partition. A source started with [`Resume::From`] begins every partition
/// that it finds there at that position. A partition that has none there is new since the
/// checkpoint and begins at its beginning. With [`Resume::First`] there never was a checkpoint, and
/// the source begins where its configuration says: for what is followed at the end, as CrowdSec does.
/// A position that cannot be honoured - the file is gone, a segment was deleted - is never passed over in silence:
/// [`Count::PositionsLost`], with a sample that says what was lost, and on with the oldest there is.
///
/// **Commit.** `committed` is called with the positions of a checkpoint once that is durable, and
/// with nothing else: before it, everything from the previous one on may be asked for again. A source
/// that deletes, acknowledges or reports to a broker does so here, and never earlier.
///
/// **Idleness.** [`Outlet::caught_up`] says of a partition that everything it had at a stated time was given.
/// It is said at least every second (or at every look, if those are rarer) while that is so, and not
/// said while the source cannot look, holds something back, or fails; a partition of which it is not
/// said holds the watermark. What follows from it, and after how long, is for whoever runs the job:
/// the source only knows that there was nothing.
///
/// **Trouble.** What fails for one partition, connection or line is counted, sampled, tried again after a
/// pause that doubles from 100 ms to 30 s ([`Backoff`]), and stops nothing else. `poll` returns an
/// error only when the source as a whole cannot go on. [`Retry::Later`]: call `poll` again after a
/// pause, it will try from where it is. [`Retry::Never`]: it is at its end, and the others run on.
///
/// **Stopping.** `close` stops threads and child processes and closes listeners; what was read but not
/// given is dropped, for its position was not given either. Dropping a source closes it.
///
/// **Counters** are kept at all times and can be read from any thread.
pub trait LiveSource: Send {
    /// Name of the source: the same after a restart, and different from all others of the job.
    fn id(&self) -> &str;

    /// Gives what there is.
    ///
    /// # Errors
    /// See "Trouble" above.
    fn poll(&mut self, outlet: &mut dyn Outlet, wait: Duration) -> Result<Turn, SourceError>;

    /// Whether everything that it begins with has begun. A job waits for that, within limits, so that no partition
    /// finds the watermark of others past its lines. Asked after a call of `poll`.
    fn has_begun(&self) -> bool {
        true
    }

    /// A checkpoint with these positions of this source's partitions is durable.
    fn committed(&mut self, positions: &Positions);

    /// What it counts.
    fn counters(&self) -> &Arc<Counters>;

    /// How far behind each partition is.
    fn lags(&self, each: &mut dyn FnMut(PartitionId, Lag));

    /// Ends it.
    fn close(&mut self);
}
