//! The bridge from threads that read to the workers that parse.
//!
//! One bounded channel a partition. The producer blocks when it is full, which is the backpressure
//! on the input. Workers are woken, never polling: one that is about to sleep arms a flag before
//! its last look, and the producer activates it only if it takes the flag, so that a burst wakes
//! once, a busy worker is left alone, and no wake is lost.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use overspill_event::{LineBatch, Origin};

use crate::restart::{Mark, Start};
use crate::wakes::Wakes;

/// Batches in flight between a reader and the workers. Twice as many gain nothing, with a reader
/// that decompresses on the same cores either.
const BATCHES_IN_FLIGHT: usize = 8;
/// Places in the channel besides, so that a word without lines never waits.
const WORDS_IN_FLIGHT: usize = 2;

/// Lines of one partition, in order, and what goes with them in a job that does not end.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    /// The lines.
    pub batch: LineBatch,
    /// What the source has to know besides an offset to begin at a line of this batch.
    pub context: Arc<[u8]>,
    /// Offset that stands for "after the last line".
    pub next_offset: u64,
    /// When the lines were read, in nanoseconds since 1970: the present moment of their dates without a
    /// year. Without it, [`crate::Settings::now`].
    pub arrival_ns: Option<i64>,
    /// Event times that the lines cannot be later than, in nanoseconds; one for each line, or none.
    pub bounds_ns: Vec<i64>,
    /// The same for lines that have none of their own.
    pub bound_ns: Option<i64>,
    /// From which line on they are of another origin than the partition's; ascending.
    pub runs: Vec<(usize, Arc<Origin>)>,
}

impl From<LineBatch> for Lines {
    fn from(batch: LineBatch) -> Self {
        Self {
            batch,
            ..Self::default()
        }
    }
}

impl Lines {
    /// The origin of a line, if it is not the partition's.
    pub(crate) fn origin(&self, line: usize) -> Option<&Arc<Origin>> {
        let n = self.runs.partition_point(|(first, _)| *first <= line);
        self.runs.get(n.checked_sub(1)?).map(|(_, origin)| origin)
    }
}

/// What a reader sends.
#[derive(Debug)]
pub enum Feed {
    /// Lines, in order.
    Lines(Lines),
    /// All that there was at a time was given.
    CaughtUp {
        /// When that was, in nanoseconds since 1970.
        as_of_ns: i64,
        /// Where reading goes on.
        next: Mark,
    },
    /// The input failed; what came before stands, and nothing follows.
    Failed(String),
    /// The input is at its end.
    End,
}

/// What both ends of a partition share.
#[derive(Debug)]
struct Link {
    /// The workers, once there are any, and the one to wake first.
    workers: OnceLock<(Arc<Wakes>, usize)>,
    /// The reader's end was dropped.
    is_closed: AtomicBool,
    /// The watermark need not wait below this.
    excluded_ns: AtomicI64,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            workers: OnceLock::new(),
            is_closed: AtomicBool::new(false),
            excluded_ns: AtomicI64::new(i64::MIN),
        }
    }
}

impl Link {
    fn wake(&self) {
        if let Some((wakes, home)) = self.workers.get() {
            wakes.wake_one(*home);
        }
    }
}

/// The workers' end of a partition.
#[derive(Debug)]
pub struct Partition {
    /// Number of the partition: the same on every run, whatever the number of workers.
    pub id: u32,
    /// Number of the partition at whose worker it is counted: its own, or that of one which it goes on from. Such a one must
    /// not end before this is added; then event time is not past its first lines.
    pub home_of: u32,
    /// What its lines share.
    pub origin: Origin,
    /// Where it begins, in a job that does not end.
    pub start: Start,
    receiver: Receiver<Feed>,
    link: Arc<Link>,
}

/// The reader's end of a partition. When it is dropped, the workers learn that nothing follows.
#[derive(Debug)]
pub struct Feeder {
    // Fields are dropped in this order: the workers are woken when the channel is closed.
    sender: Sender<Feed>,
    link: Closing,
}

/// Says that nothing follows, when it is dropped.
#[derive(Debug)]
struct Closing(Arc<Link>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.is_closed.store(true, Ordering::SeqCst);
        self.0.wake();
    }
}

/// Wakes the workers of a partition from elsewhere, when the job is to end early.
#[derive(Debug)]
pub struct Waker {
    link: Arc<Link>,
}

/// Both ends of a new partition.
#[must_use]
pub fn partition(id: u32, origin: Origin) -> (Feeder, Partition) {
    let (sender, receiver) = bounded(BATCHES_IN_FLIGHT + WORDS_IN_FLIGHT);
    let link = Arc::new(Link::default());
    let feeder = Feeder {
        sender,
        link: Closing(Arc::clone(&link)),
    };
    (
        feeder,
        Partition {
            id,
            home_of: id,
            origin,
            start: Start::default(),
            receiver,
            link,
        },
    )
}

impl Feeder {
    /// Hands something over; waits while the channel is full. Answers false when the job is over.
    pub fn send(&self, feed: Feed) -> bool {
        let sent = self.sender.send(feed).is_ok();
        self.link.0.wake();
        sent
    }

    /// Whether [`Feeder::send`] would take lines at once. The end of a partition always goes at once, to
    /// a caller that has asked before everything else.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.sender.len() < BATCHES_IN_FLIGHT
    }

    /// Lets the watermark of a partition that is silent and behind pass this event time, in
    /// nanoseconds: its later lines count as of after it. Not undone.
    pub fn exclude(&self, upto_ns: i64) {
        self.link.0.excluded_ns.fetch_max(upto_ns, Ordering::SeqCst);
        self.link.0.wake();
    }

    /// Wakes the workers without a word from the reader, which may be waiting.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker {
            link: Arc::clone(&self.link.0),
        }
    }
}

impl Waker {
    /// Makes all workers of the process look at [`crate::Settings::stop`] again.
    pub fn wake(&self) {
        if let Some((wakes, _)) = self.link.workers.get() {
            wakes.wake_all();
        }
    }
}

impl Partition {
    /// Names the workers that are to be woken, `home` first.
    pub(crate) fn belongs_to(&self, wakes: &Arc<Wakes>, home: usize) {
        // A partition is given to one job only.
        let _known = self.link.workers.set((Arc::clone(wakes), home));
    }

    /// What [`Feeder::exclude`] said last.
    pub(crate) fn excluded_ns(&self) -> i64 {
        self.link.excluded_ns.load(Ordering::SeqCst)
    }

    /// Whether [`Partition::poll`] would answer something, as far as can be said.
    pub(crate) fn has_more(&self) -> bool {
        !self.receiver.is_empty() || self.link.is_closed.load(Ordering::SeqCst)
    }

    /// Batches and words that were given and not taken.
    pub(crate) fn n_queued(&self) -> usize {
        self.receiver.len()
    }

    /// What came next, if something did.
    pub(crate) fn poll(&self) -> Option<Feed> {
        match self.receiver.try_recv() {
            Ok(feed) => Some(feed),
            Err(TryRecvError::Empty) => None,
            // A reader that died without a word: its thread panicked.
            Err(TryRecvError::Disconnected) => {
                Some(Feed::Failed("the reader ended without a word".to_owned()))
            }
        }
    }
}
