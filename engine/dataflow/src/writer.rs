//! Giving a checkpoint of one table, in slices.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use crate::buckets::BucketWorker;
use crate::checkpoint::{Announced, Checkpoints, Damaged, Piece, Spare};
use crate::clock::complete_ns;
use crate::restart::Restarts;

/// Time a table gives key groups before pours are taken again.
const QUANTUM: Duration = Duration::from_micros(300);
/// The same when the table has stood for longer than [`STAND`]: what is poured meanwhile heaps up unsettled.
const QUANTUM_LATE: Duration = Duration::from_micros(2_000);
const STAND: Duration = Duration::from_millis(300);

/// Gives the pieces of one table of a worker. While it does, the table stands; pours above the
/// checkpoint are taken and answered between the slices.
pub(crate) struct Writer {
    pieces: Sender<Piece>,
    damaged: Damaged,
    spare: Spare,
    worker: usize,
    /// For the table of lines, with which the partitions are given.
    restarts: Option<Rc<RefCell<Restarts>>>,
    writing: Option<Writing>,
}

/// A checkpoint that is being given.
struct Writing {
    announced: Announced,
    since: Instant,
}

impl Writer {
    pub(crate) fn new(
        checkpoints: &Checkpoints,
        worker: usize,
        restarts: Option<Rc<RefCell<Restarts>>>,
    ) -> Self {
        Self {
            pieces: checkpoints.pieces.clone(),
            damaged: checkpoints.damaged.clone(),
            spare: checkpoints.spare.clone(),
            worker,
            restarts,
            writing: None,
        }
    }

    /// The table stands at the checkpoint.
    pub(crate) fn begin(&mut self, announced: Announced, buckets: &mut BucketWorker) {
        buckets.begin_writing(&self.damaged);
        self.writing = Some(Writing {
            announced,
            since: Instant::now(),
        });
        if let Some(restarts) = &self.restarts {
            let points = restarts.borrow_mut().as_of(announced.upto_ns());
            self.give(Piece::Partitions {
                number: announced.number,
                points,
            });
        }
    }

    /// Gives for a while; answers whether nothing is left to give.
    pub(crate) fn write(&mut self, buckets: &mut BucketWorker) -> bool {
        let Some(Writing { announced, since }) = &self.writing else {
            return true;
        };
        let Announced { number, at } = *announced;
        // They bound a slice; what is given does not depend on them.
        let started = Instant::now();
        let quantum = match started.duration_since(*since) < STAND {
            true => QUANTUM,
            false => QUANTUM_LATE,
        };
        let stage = buckets.stage();
        let upto_ns = complete_ns(Some(at));
        let mut memory = self.spare.take();
        while let Some((group, piece)) = buckets.write_next(&mut memory) {
            self.give(Piece::Group {
                number,
                upto_ns,
                stage,
                group,
                piece,
            });
            if started.elapsed() >= quantum {
                return false;
            }
            memory = self.spare.take();
        }
        self.spare.give_back(memory);
        self.give(Piece::Done {
            number,
            stage,
            worker: self.worker,
            upto_ns,
        });
        self.writing = None;
        true
    }

    /// The table stands here, and no checkpoint before will be made.
    pub(crate) fn passed(&self, frontier: Option<u64>) {
        if let Some(restarts) = &self.restarts
            && frontier.is_some()
        {
            restarts.borrow_mut().release(complete_ns(frontier));
        }
    }

    fn give(&self, piece: Piece) {
        // Whoever stores is gone only when the job is being ended.
        let _taken = self.pieces.send(piece);
    }
}
