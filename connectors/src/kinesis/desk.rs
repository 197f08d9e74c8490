//! Where the thread that fetches and the one that gives leave things for each other.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::place::Place;
use crate::aws::Inbox;
use crate::source::Weigh;

/// Bytes that a record takes besides its own.
const RECORD_BYTES: usize = 128;

/// A record as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) sequence: Arc<str>,
    pub(super) data: Vec<u8>,
    pub(super) partition_key: String,
    /// When the service had it, in nanoseconds since 1970.
    pub(super) arrival_ns: Option<i64>,
}

/// What came of a shard.
#[derive(Debug)]
pub(super) enum Piece {
    /// Records, in order.
    Answer {
        records: Vec<Record>,
        /// There was nothing more at this time, in nanoseconds since 1970.
        at_end_ns: Option<i64>,
        /// Nothing more will come.
        is_closed: bool,
    },
    /// The place is not there any more. What comes next is what [`crate::policy::OnLoss`] says.
    Lost(String),
}

impl Weigh for Piece {
    fn n_bytes(&self) -> usize {
        match self {
            Self::Answer { records, .. } => records
                .iter()
                .map(|record| record.data.len() + record.partition_key.len() + RECORD_BYTES)
                .sum(),
            Self::Lost(why) => why.len(),
        }
    }
}

/// Something to fetch.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) number: u32,
    pub(super) shard: Arc<str>,
    pub(super) place: Place,
    pub(super) inbox: Arc<Inbox<Piece>>,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Order {
    Open(Job),
    Close(u32),
}

/// A shard as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) shard: Arc<str>,
    pub(super) parents: Vec<Arc<str>>,
    /// First and last hash of keys that go there.
    pub(super) hashes: (u128, u128),
    pub(super) is_closed: bool,
}

/// What one listing showed.
#[derive(Debug)]
pub(super) struct Look {
    /// When it was begun.
    pub(super) begun: Instant,
    /// All shards; `None` when there is no such stream.
    pub(super) shards: Option<Vec<Listed>>,
}

/// See above. There is at most one look, and as many orders as shards.
#[derive(Debug, Default)]
pub(super) struct Desk {
    state: Mutex<State>,
    told: Notify,
}

#[derive(Debug, Default)]
struct State {
    orders: VecDeque<Order>,
    look: Option<Look>,
    is_look_wanted: bool,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for something.
    pub(super) fn order(&self, order: Order) {
        self.lock().orders.push_back(order);
        self.told.notify_one();
    }

    /// Asks for a listing before it is time.
    pub(super) fn want_look(&self) {
        self.lock().is_look_wanted = true;
        self.told.notify_one();
    }

    /// Shows the latest listing.
    pub(super) fn show(&self, look: Look) {
        self.lock().look = Some(look);
    }

    pub(super) fn take_look(&self) -> Option<Look> {
        self.lock().look.take()
    }

    pub(super) fn take_order(&self) -> Option<Order> {
        self.lock().orders.pop_front()
    }

    /// Whether a listing was asked for.
    pub(super) fn take_wanted(&self) -> bool {
        std::mem::take(&mut self.lock().is_look_wanted)
    }

    /// Waits until something is asked for, or a time has passed.
    pub(super) async fn wait(&self, wait: Duration) {
        // Which of the two it was is seen in what there is.
        let _told = tokio::time::timeout(wait, self.told.notified()).await;
    }
}
