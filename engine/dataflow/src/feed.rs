//! The bridge from threads that read to the worker that parses.
//!
//! One bounded channel a partition. The producer blocks when it is full, which is the backpressure
//! on the input. The worker is woken, never polling: it arms a flag before it drains, and the
//! producer activates it only if it takes the flag, so that there is one wake a burst and none is
//! lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};
use overspill_event::{LineBatch, Origin};
use timely::scheduling::SyncActivator;

/// Batches in flight between a reader and its worker.
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

/// Wakes the worker that owns a partition.
#[derive(Debug, Default)]
struct Wake {
    is_armed: AtomicBool,
    activator: Mutex<Option<SyncActivator>>,
}

/// The worker's end of a partition.
#[derive(Debug)]
pub struct Partition {
    /// Number of the partition: the same on every run, whatever the number of workers.
    pub id: u32,
    /// What its lines share.
    pub origin: Origin,
    receiver: Receiver<Feed>,
    wake: Arc<Wake>,
}

/// The reader's end of a partition. When it is dropped, the worker learns that nothing follows.
#[derive(Debug)]
pub struct Feeder {
    // Fields are dropped in this order: the worker is woken when the channel is closed.
    sender: Sender<Feed>,
    wake: LastWake,
}

/// Wakes when it is dropped.
#[derive(Debug)]
struct LastWake(Arc<Wake>);

impl Drop for LastWake {
    fn drop(&mut self) {
        self.0.activate();
    }
}

/// Wakes the worker that owns a partition from elsewhere, when the job is to end early.
#[derive(Debug)]
pub struct Waker {
    wake: Arc<Wake>,
}

/// Both ends of a new partition.
#[must_use]
pub fn partition(id: u32, origin: Origin) -> (Feeder, Partition) {
    let (sender, receiver) = bounded(BATCHES_IN_FLIGHT);
    let wake = Arc::new(Wake::default());
    let feeder = Feeder {
        sender,
        wake: LastWake(Arc::clone(&wake)),
    };
    (
        feeder,
        Partition {
            id,
            origin,
            receiver,
            wake,
        },
    )
}

impl Feeder {
    /// Hands something over; waits while the channel is full. Answers false when the job is over.
    pub fn send(&self, feed: Feed) -> bool {
        let sent = self.sender.send(feed).is_ok();
        if self.wake.0.is_armed.swap(false, Ordering::AcqRel) {
            self.wake.0.activate();
        }
        sent
    }

    /// Wakes the partition's worker without a word from the reader, which may be waiting.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker {
            wake: Arc::clone(&self.wake.0),
        }
    }
}

impl Waker {
    /// Makes the worker look at the partition, and at [`crate::Settings::stop`], again.
    pub fn wake(&self) {
        self.wake.activate();
    }
}

impl Wake {
    fn activate(&self) {
        let activator = self
            .activator
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(activator) = activator.as_ref() {
            // It only fails when the worker is gone, and then whoever sends is told so.
            let _gone = activator.activate();
        }
    }
}

impl Partition {
    /// Names the operator that is to be woken.
    pub(crate) fn wakes(&self, activator: SyncActivator) {
        *self
            .wake
            .activator
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(activator);
    }

    /// To be called before draining.
    pub(crate) fn arm(&self) {
        self.wake.is_armed.store(true, Ordering::Release);
    }

    /// The next batch, if one is there.
    pub(crate) fn poll(&self) -> Option<Feed> {
        match self.receiver.try_recv() {
            Ok(feed) => Some(feed),
            Err(crossbeam_channel::TryRecvError::Empty) => None,
            // A reader that died without a word: its thread panicked.
            Err(crossbeam_channel::TryRecvError::Disconnected) => {
                Some(Feed::Failed("the reader ended without a word".to_owned()))
            }
        }
    }
}
