//! A job: a plan, its partitions, and how many workers in how many processes run it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use crossbeam_channel::Sender;
use overspill_golike::time::Time;
use timely::communication::Hooks;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};

use crate::board::{Board, count_process};
use crate::checkpoint::{Checkpoints, Restored};
use crate::collect::Output;
use crate::feed::Partition;
use crate::graph::{self, Parts};
use crate::intake::Intake;
use crate::plan::Plan;
use crate::pool::Pool;
use crate::post::Post;
use crate::record::Recorder;
use crate::socket::{Connection, Socket};
use crate::stats::Stats;
use crate::steps::StepMeter;

/// Which worker of which process.
#[derive(Debug)]
pub enum Layout {
    /// One process with this many workers; none counts as one.
    Threads(usize),
    /// One process of several, with connected sockets to the others.
    Process {
        /// Workers a process.
        threads: usize,
        /// Number of this process.
        index: usize,
        /// A socket for each peer; `None` in our own place.
        sockets: Vec<Option<Box<dyn Socket>>>,
    },
}

impl Layout {
    /// Workers of this process.
    fn n_workers(&self) -> usize {
        let (Self::Threads(threads) | Self::Process { threads, .. }) = self;
        (*threads).max(1)
    }
}

/// Whether alerts are given at once or when they are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every alert is final; pours wait for the watermark.
    Replay,
    /// Alerts are given at arrival and may be taken back until the watermark has passed.
    Speculative,
}

/// How a job runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Final or speculative alerts.
    pub mode: Mode,
    /// How far out of order the events of one partition may be, in nanoseconds.
    pub lateness_ns: i64,
    /// What the year of a date without one, and a date that cannot be read, are taken from.
    pub now: Time,
    /// How far the watermark of a partition that has nothing stays behind its source's clock, in
    /// nanoseconds.
    pub idle_ns: i64,
    /// Grace of the second expiry rule (`docs/adr/0007`); `i64::MAX` switches that rule off.
    pub grace_ns: i64,
    /// Whether [`Output::Overflow`] is given, whose events cost as much again as the alerts.
    pub gives_overflows: bool,
    /// Most live buckets in all key groups together.
    pub buckets_max: usize,
    /// Most bytes of retained events in all key groups together.
    pub evidence_bytes_max: u64,
    /// Set from outside to end the job early. Batches that a worker has taken up are finished.
    pub stop: Arc<AtomicBool>,
}

/// How far a job is; read from another thread while it runs.
#[derive(Debug)]
pub struct Progress {
    lines: AtomicU64,
    bytes: AtomicU64,
    event_time_ns: AtomicI64,
    alerts: AtomicI64,
    credit_waits: AtomicU64,
    steps: Option<Arc<dyn StepMeter>>,
    board: Board,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            lines: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            event_time_ns: AtomicI64::new(i64::MIN),
            alerts: AtomicI64::new(0),
            credit_waits: AtomicU64::new(0),
            steps: None,
            board: Board::default(),
        }
    }
}

impl Progress {
    /// With somebody who is told how long workers are at work at one go.
    #[must_use]
    pub fn measured_by(steps: Arc<dyn StepMeter>) -> Self {
        Self {
            steps: Some(steps),
            ..Self::default()
        }
    }

    pub(crate) fn read(&self, lines: u64, bytes: u64) {
        self.lines.fetch_add(lines, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn event_time(&self, ns: i64) {
        self.event_time_ns.fetch_max(ns, Ordering::Relaxed);
    }

    pub(crate) fn alert(&self, diff: i64) {
        self.alerts.fetch_add(diff, Ordering::Relaxed);
    }

    pub(crate) fn credit_wait(&self) {
        self.credit_waits.fetch_add(1, Ordering::Relaxed);
    }

    /// Where the workers of the process say what they count, when they are asked.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Who is told how long they are at work at one go.
    pub(crate) fn steps(&self) -> Option<&dyn StepMeter> {
        self.steps.as_deref()
    }

    /// Lines parsed by this process.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    /// Bytes parsed by this process.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Event time that all partitions of some worker have reached, if any.
    #[must_use]
    pub fn event_time_ns(&self) -> Option<i64> {
        let ns = self.event_time_ns.load(Ordering::Relaxed);
        (ns != i64::MIN).then_some(ns)
    }

    /// Alerts so far, less those that were taken back.
    #[must_use]
    pub fn alerts(&self) -> u64 {
        u64::try_from(self.alerts.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// How often a worker with lines at hand waited for the others to follow.
    #[must_use]
    pub fn credit_waits(&self) -> u64 {
        self.credit_waits.load(Ordering::Relaxed)
    }
}

/// What a job that does not end has besides.
pub struct Live {
    /// Where partitions come from while it runs.
    pub intake: Arc<Intake>,
    /// Where its checkpoints go, if it makes any.
    pub checkpoints: Option<Checkpoints>,
    /// What it begins with, if there is a checkpoint.
    pub restored: Option<Restored>,
    /// Set from outside to leave the job where it stands: nothing is settled any more, as after a crash.
    pub halt: Arc<AtomicBool>,
    /// Carries letters between its processes.
    pub post: Option<Arc<Post>>,
}

/// A job, ready to run.
pub struct Job {
    /// What runs.
    pub plan: Arc<Plan>,
    /// How.
    pub settings: Settings,
    /// Where.
    pub layout: Layout,
    /// The partitions this process reads. Partition `p` is at home at worker `p % workers` of all,
    /// which puts its pours in order; any worker of the process parses its lines.
    pub partitions: Vec<Partition>,
    /// Takes alerts and decisions, on worker 0 only. Bounded: a slow taker slows the job.
    pub outputs: Option<Sender<Output>>,
    /// Looks on.
    pub recorder: Option<Arc<dyn Recorder>>,
    /// How far it is.
    pub progress: Arc<Progress>,
    /// For a job that does not end by itself.
    pub live: Option<Live>,
}

/// Why a job did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The workers could not be started.
    #[error("start the workers: {0}")]
    Start(String),
    /// A worker died.
    #[error("a worker died: {0}")]
    Worker(String),
    /// What a checkpoint holds cannot be taken.
    #[error("restore the checkpoint: {0}")]
    Restore(String),
}

impl Job {
    /// The worker where a partition is at home.
    #[must_use]
    pub fn worker_of(partition: u32, workers: usize) -> usize {
        usize::try_from(partition).unwrap_or(0) % workers.max(1)
    }

    /// Runs the job to its end; answers with the counters of this process's workers.
    ///
    /// # Errors
    /// [`JobError`] when workers cannot start or one dies.
    pub fn run(self) -> Result<Stats, JobError> {
        let n_workers = self.layout.n_workers();
        let (builders, guard) = allocate(self.layout)?;
        let is_shared = !self.plan.parsers.has_stash();
        let n_unshared = if is_shared { 0 } else { self.partitions.len() };
        let (intake, checkpoints, restored, halt, post) = match self.live {
            Some(live) => (
                Some(live.intake),
                live.checkpoints,
                live.restored,
                live.halt,
                live.post,
            ),
            None => (None, None, None, Arc::default(), None),
        };
        let restored_ns = restored.as_ref().map(|restored| restored.upto_ns);
        let pool = Pool::new(self.partitions, n_workers, is_shared, intake, restored_ns);
        let counters = Arc::clone(&self.plan.services.counters);
        let pool = Arc::new(pool);
        let n_unshared = n_unshared as u64;
        let board = self.progress.board();
        board.begin(&pool, &self.plan, n_workers, n_unshared);
        let parts = Parts {
            plan: self.plan,
            settings: self.settings,
            pool,
            outputs: self.outputs,
            recorder: self.recorder,
            progress: self.progress,
            checkpoints,
            restored,
            is_broken: AtomicBool::new(false),
            halt,
            post,
        };
        let config = timely::WorkerConfig::default();
        let guards = timely::execute::execute_from(builders, guard, config, move |worker| {
            let _watch = DeathWatch(&parts.is_broken);
            graph::run(worker, &parts)
        })
        .map_err(JobError::Start)?;
        let mut stats = Stats::default();
        for result in guards.join() {
            let ended = result.map_err(JobError::Worker)?;
            stats.add(&ended.map_err(JobError::Restore)?);
        }
        // All workers of the process share these.
        count_process(&mut stats, n_unshared, &counters);
        Ok(stats)
    }
}

/// Tells the other workers of a process that this one panicked: the frontier would never move
/// again, and they would wait for ever.
struct DeathWatch<'a>(&'a AtomicBool);

impl Drop for DeathWatch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

type Allocated = (Vec<AllocatorBuilder>, Box<dyn std::any::Any + Send>);

fn allocate(layout: Layout) -> Result<Allocated, JobError> {
    match layout {
        Layout::Threads(0 | 1) => timely::CommunicationConfig::Thread.try_build(),
        Layout::Threads(threads) => timely::CommunicationConfig::Process(threads).try_build(),
        Layout::Process {
            threads,
            index,
            sockets,
        } => {
            let hooks = Hooks::default();
            let local = ProcessBuilder::new_typed_vector(threads, hooks.refill.clone(), None);
            let sockets = sockets.into_iter().map(|socket| socket.map(Connection));
            let sockets = sockets.collect();
            initialize_networking_from_sockets(local, sockets, index, threads, hooks)
                .map(|(builders, guard)| {
                    let builders = builders.into_iter().map(AllocatorBuilder::Tcp).collect();
                    (builders, Box::new(guard) as Box<dyn std::any::Any + Send>)
                })
                .map_err(|error| error.to_string())
        }
    }
    .map_err(JobError::Start)
}
