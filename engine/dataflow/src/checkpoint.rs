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

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::Sender;
use overspill_bucket::{GroupPiece, KEY_GROUPS};
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
    /// Key groups of which stored pieces turned out to be damaged.
    pub damaged: Damaged,
    /// Memory for pieces, which whoever takes them gives back.
    pub spare: Spare,
}

/// Most memory that is kept for pieces between one and the next.
const SPARE_BYTES_MAX: usize = 16 << 20;

/// Memory of pieces that were stored, for the next ones.
#[derive(Debug, Clone, Default)]
pub struct Spare(Arc<Mutex<SpareBytes>>);

#[derive(Debug, Default)]
struct SpareBytes {
    all: Vec<Vec<u8>>,
    n_bytes: usize,
}

impl Spare {
    /// These bytes were stored.
    pub fn give_back(&self, bytes: Vec<u8>) {
        let mut spare = self.lock();
        if spare.n_bytes + bytes.capacity() <= SPARE_BYTES_MAX {
            spare.n_bytes += bytes.capacity();
            spare.all.push(bytes);
        }
    }

    /// Some memory, or an empty one; what is in it is of no meaning.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut spare = self.lock();
        let memory = spare.all.pop().unwrap_or_default();
        spare.n_bytes -= memory.capacity();
        memory
    }

    fn lock(&self) -> MutexGuard<'_, SpareBytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Key groups that are given whole with the next checkpoint, because what is stored of them is damaged. There are never more
/// than there are groups.
#[derive(Debug, Clone, Default)]
pub struct Damaged(Arc<Mutex<BTreeSet<(u8, u16)>>>);

impl Damaged {
    /// What is stored of a group of a stage is of no use.
    pub fn add(&self, stage: u8, group: u16) {
        if STAGES.contains(&stage) && group < KEY_GROUPS {
            let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            groups.insert((stage, group));
        }
    }

    /// Forgets those that are taken care of.
    pub(crate) fn repair(&self, mut is_done: impl FnMut(u8, u16) -> bool) {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        groups.retain(|&(stage, group)| !is_done(stage, group));
    }
}

/// A part of a checkpoint, of one worker.
#[derive(Debug)]
pub enum Piece {
    /// What is to be kept of a key group, as of the checkpoint's event time.
    Group {
        /// Number of the checkpoint.
        number: u64,
        /// The checkpoint's event time: it holds what is at or below.
        upto_ns: i64,
        /// Which table.
        stage: u8,
        /// Which group.
        group: u16,
        /// What [`overspill_bucket::Table::write_group`] gave.
        piece: GroupPiece,
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
    groups: Mutex<Groups>,
}

/// The pieces of key groups, each group's in the order in which they were given, by stage and number. Those of groups that
/// this process's workers do not own may be absent.
pub type Groups = BTreeMap<(u8, u16), Vec<Vec<u8>>>;

impl Restored {
    /// A checkpoint as of this event time.
    #[must_use]
    pub fn new(upto_ns: i64, groups: Groups) -> Self {
        Self {
            upto_ns,
            groups: Mutex::new(groups),
        }
    }

    pub(crate) fn take(&self, stage: u8, group: u16) -> Vec<Vec<u8>> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.remove(&(stage, group)).unwrap_or_default()
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
