//! The bridge from threads that read to the workers that parse.
//!
//! One bounded channel a partition. The producer blocks when it is full, which is the backpressure
//! on the input. Workers are woken, never polling: one that is about to sleep arms a flag before
//! its last look, and the producer activates it only if it takes the flag, so that a burst wakes
//! once, a busy worker is left alone, and no wake is lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use overspill_event::{LineBatch, Origin};

use crate::wakes::Wakes;

/// Batches in flight between a reader and the workers. Twice as many gain nothing, with a reader
/// that decompresses on the same cores either.
const BATCHES_IN_FLIGHT: usize = 8;

/// What a reader sends.
#[derive(Debug)]
pub enum Feed {
    /// Lines, in order.
    Lines(LineBatch),
    /// The input failed; what came before stands, and nothing follows.
    Failed(String),
    /// The input is at its end.
    End,
}

/// What both ends of a partition share.
#[derive(Debug, Default)]
struct Link {
    /// The workers, once there are any, and the one to wake first.
    workers: OnceLock<(Arc<Wakes>, usize)>,
    /// The reader's end was dropped.
    is_closed: AtomicBool,
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
    /// What its lines share.
    pub origin: Origin,
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
    let (sender, receiver) = bounded(BATCHES_IN_FLIGHT);
    let link = Arc::new(Link::default());
    let feeder = Feeder {
        sender,
        link: Closing(Arc::clone(&link)),
    };
    (
        feeder,
        Partition {
            id,
            origin,
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

    /// Whether [`Partition::poll`] would answer something, as far as can be said.
    pub(crate) fn has_more(&self) -> bool {
        !self.receiver.is_empty() || self.link.is_closed.load(Ordering::SeqCst)
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
