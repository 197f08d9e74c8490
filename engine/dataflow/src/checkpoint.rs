//! What a checkpoint is made of, between the job and whoever stores it.
//!
//! Somebody outside asks for a checkpoint by its number ([`Checkpoints::wanted`], in the process of
//! worker 0). Worker 0 chooses its event time W, where the frontier is about to pass, and tells all
//! workers; each settles up to W exactly, gives what changed since the checkpoint before as
//! [`Piece`]s, and only then goes on. Pours above W are taken and answered all the while. The pieces of
//! a process are complete when each of its workers has said [`Piece::Done`] for each stage.
//!
//! The crate does no IO: pieces leave through a channel without a limit, which holds one checkpoint at
//! most, for the next one is not asked for before it is stored.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::Sender;
use serde::{Deserialize, Serialize};

use crate::clock::{complete_ns, tick};
use crate::restart::RestartPoint;

/// The tables of buckets that a worker has: of lines, and of overflows.
pub const STAGES: [u8; 2] = [0, 1];

/// Where a job gives its checkpoints.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    /// Number of the newest checkpoint that is asked for. Read by worker 0 only.
    pub wanted: Arc<AtomicU64>,
    /// Takes the pieces.
    pub pieces: Sender<Piece>,
}

/// A part of a checkpoint, of one worker.
#[derive(Debug)]
pub enum Piece {
    /// The state of a key group, as of the checkpoint's event time.
    Group {
        /// Number of the checkpoint.
        number: u64,
        /// The checkpoint's event time: it holds what is at or below.
        upto_ns: i64,
        /// Which table.
        stage: u8,
        /// Which group.
        group: u16,
        /// What [`overspill_bucket::Table::snapshot`] gave.
        bytes: Vec<u8>,
    },
    /// Where the partitions at home at the worker are taken up again.
    Partitions {
        /// Number of the checkpoint.
        number: u64,
        /// One for each.
        points: Vec<RestartPoint>,
    },
    /// A worker has given all of a stage.
    Done {
        /// Number of the checkpoint.
        number: u64,
        /// Which table.
        stage: u8,
        /// The worker, of all workers of the job.
        worker: usize,
        /// The checkpoint's event time.
        upto_ns: i64,
    },
}

impl Piece {
    /// Number of the checkpoint that it is a part of.
    #[must_use]
    pub fn number(&self) -> u64 {
        let (Self::Group { number, .. }
        | Self::Partitions { number, .. }
        | Self::Done { number, .. }) = self;
        *number
    }
}

/// What a job begins with, of a checkpoint.
#[derive(Debug)]
pub struct Restored {
    /// Its event time.
    pub upto_ns: i64,
    /// Its key groups by stage and number; those that this process's workers do not own may be absent.
    groups: Mutex<BTreeMap<(u8, u16), Vec<u8>>>,
}

impl Restored {
    /// A checkpoint as of this event time.
    #[must_use]
    pub fn new(upto_ns: i64, groups: BTreeMap<(u8, u16), Vec<u8>>) -> Self {
        Self {
            upto_ns,
            groups: Mutex::new(groups),
        }
    }

    pub(crate) fn take(&self, stage: u8, group: u16) -> Option<Vec<u8>> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.remove(&(stage, group))
    }
}

/// Worker 0 tells all workers of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Announced {
    pub(crate) number: u64,
    /// The frontier at which it is made: it holds everything before.
    pub(crate) at: u64,
}

impl Announced {
    pub(crate) fn upto_ns(&self) -> i64 {
        complete_ns(Some(self.at))
    }
}

impl Checkpoints {
    /// The checkpoint to be announced when the frontier moves from one tick to another, if one is due.
    pub(crate) fn due(&self, issued: u64, from: u64, to: u64) -> Option<Announced> {
        let number = self.wanted.load(Ordering::SeqCst);
        if number <= issued {
            return None;
        }
        let grid_ns = crate::restart::GRID_NS;
        // Before the first event there is nothing to hold.
        if complete_ns(Some(to)) < i64::MIN / 2 {
            return None;
        }
        let step = complete_ns(Some(to)).saturating_add(1).div_euclid(grid_ns);
        let at = tick(step.saturating_mul(grid_ns));
        (at > from && at <= to).then_some(Announced { number, at })
    }
}
