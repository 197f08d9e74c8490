//! What the workers of a process share: the partitions, and the batches that any of them parses.
//!
//! ```text
//!  reader ==> lane --take, numbered--> worker: parse, match --inbox--> home worker of the lane
//! ```
//!
//! Which worker parses a batch decides nothing (`docs/adr/0009-batches-any-worker-parses.md`).
//! What does have an order is in [`crate::home`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use crate::board::PartitionView;
use crate::feed::{Feed, Lines, Partition};
use crate::intake::Intake;
use crate::line::Parsed;
use crate::restart::{Mark, StashBytes};
use crate::wakes::Wakes;

/// Batches out or parked for each worker; half as many of one lane. So much can be done while the
/// worker with the batch that is due does something else for some 20 ms.
const OUT_PER_WORKER: usize = 16;
/// Bytes of parked pours above which no batch is taken.
const PARKED_BYTES_MAX: u64 = 64 << 20;

/// The partitions of a process, and who works on them.
#[derive(Debug)]
pub(crate) struct Pool {
    /// By number, which is not used twice.
    lanes: RwLock<BTreeMap<usize, Arc<Lane>>>,
    /// Lanes there have been.
    n_lanes: AtomicUsize,
    is_shared: bool,
    /// Where further partitions come from.
    intake: Option<Arc<Intake>>,
    /// Everything up to here is in the checkpoint that the job begins with.
    restored_ns: Option<i64>,
    seats: Vec<Seat>,
    wakes: Arc<Wakes>,
    /// Batches that were taken and not yet settled by their homes.
    n_out: AtomicUsize,
    /// Bytes of pours that were parsed and not yet sent.
    parked_bytes: AtomicU64,
    /// Lanes that are not finished.
    n_open: AtomicUsize,
}

/// What a worker shows the others.
#[derive(Debug)]
struct Seat {
    /// Parsed batches of lanes that are at home here.
    inbox: Mutex<Vec<Part>>,
    /// Lanes at home here may run while their watermark is below this.
    horizon_ns: AtomicI64,
}

/// A partition.
#[derive(Debug)]
pub(crate) struct Lane {
    /// Its place among the lanes.
    pub(crate) number: usize,
    pub(crate) partition: Partition,
    /// The worker that orders and sends its pours.
    pub(crate) home: usize,
    /// Whether others than the home may parse it.
    is_shared: bool,
    /// Held by whoever takes: why the lane ended before its time.
    intake: Mutex<Option<String>>,
    /// Written under that lock, and looked at without it.
    n_taken: AtomicU64,
    is_ended: AtomicBool,
    n_out: AtomicUsize,
    /// The clock's watermark, and the event time that its last batch moved it by.
    watermark_ns: AtomicI64,
    span_ns: AtomicI64,
    /// What the reader said last of having given everything.
    caught_up: Mutex<Option<CaughtUp>>,
}

/// A reader has given everything.
#[derive(Debug)]
pub(crate) struct CaughtUp {
    /// Batches it had given.
    pub(crate) n_taken: u64,
    /// When that was.
    pub(crate) as_of_ns: i64,
    /// Where reading goes on.
    pub(crate) next: Mark,
}

/// Some pours of a batch, on their way home.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) lane: Arc<Lane>,
    /// Number of the batch in its lane.
    pub(crate) number: u64,
    pub(crate) parsed: Parsed,
    /// What the source has to know to begin at a line of the batch.
    pub(crate) context: Arc<[u8]>,
    /// Offset after the batch, if nothing else of it follows.
    pub(crate) end: Option<u64>,
    /// What parsers remember after it, where that is needed.
    pub(crate) stash: Option<StashBytes>,
}

/// A batch that was taken.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) lane: Arc<Lane>,
    pub(crate) number: u64,
    pub(crate) lines: Lines,
}

/// Why nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// No reader has given anything.
    Empty,
    /// Credits are out where there are lines.
    Credits,
    /// So much is out that some has to come home first.
    Out,
}

impl Pool {
    /// A pool of so many workers, at least one. `is_shared` says whether any worker may parse any
    /// partition.
    pub(crate) fn new(
        partitions: Vec<Partition>,
        n_workers: usize,
        is_shared: bool,
        intake: Option<Arc<Intake>>,
        restored_ns: Option<i64>,
    ) -> Self {
        let n_workers = n_workers.max(1);
        let seat = || Seat {
            inbox: Mutex::default(),
            horizon_ns: AtomicI64::new(i64::MAX),
        };
        let pool = Self {
            lanes: RwLock::default(),
            n_lanes: AtomicUsize::new(0),
            is_shared,
            intake,
            restored_ns,
            seats: (0..n_workers).map(|_| seat()).collect(),
            n_open: AtomicUsize::new(0),
            wakes: Arc::new(Wakes::new(n_workers)),
            n_out: AtomicUsize::new(0),
            parked_bytes: AtomicU64::new(0),
        };
        if let Some(intake) = &pool.intake {
            intake.belongs_to(&pool.wakes);
        }
        pool.add(partitions);
        pool
    }

    /// Takes partitions over.
    fn add(&self, partitions: Vec<Partition>) {
        if partitions.is_empty() {
            return;
        }
        let mut lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
        for partition in partitions {
            // The number of all workers is a multiple of those of one process, so this is the
            // worker that `Job::worker_of` names.
            let home = usize::try_from(partition.home_of).unwrap_or(0) % self.seats.len();
            partition.belongs_to(&self.wakes, home);
            let number = self.n_lanes.fetch_add(1, Ordering::SeqCst);
            self.n_open.fetch_add(1, Ordering::SeqCst);
            let lane = Lane::new(number, partition, home, self.is_shared);
            lanes.insert(number, Arc::new(lane));
        }
    }

    /// Takes over the partitions that came since.
    pub(crate) fn adopt(&self) {
        if let Some(intake) = &self.intake {
            let partitions = intake.take();
            if !partitions.is_empty() {
                self.add(partitions);
                self.wakes.wake_all();
            }
        }
    }

    /// Batches that are out, and bytes of parked pours.
    pub(crate) fn load(&self) -> (usize, u64) {
        (
            self.n_out.load(Ordering::SeqCst),
            self.parked_bytes.load(Ordering::SeqCst),
        )
    }

    /// Workers of this process.
    pub(crate) fn n_workers(&self) -> usize {
        self.seats.len()
    }

    /// Whether partitions may come while the job runs.
    pub(crate) fn is_live(&self) -> bool {
        self.intake.is_some()
    }

    /// The lanes that are not finished, by number.
    pub(crate) fn lanes(&self) -> RwLockReadGuard<'_, BTreeMap<usize, Arc<Lane>>> {
        self.lanes.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many lanes there have been.
    pub(crate) fn n_lanes(&self) -> usize {
        self.n_lanes.load(Ordering::SeqCst)
    }

    /// Everything up to here is in the checkpoint that the job begins with.
    pub(crate) fn restored_ns(&self) -> Option<i64> {
        self.restored_ns
    }

    /// Whether partitions may still come; what a worker without any promises then, or `None` while it
    /// must promise nothing.
    pub(crate) fn idle_ns(&self) -> Option<Option<i64>> {
        let intake = self.intake.as_ref().filter(|intake| intake.is_open())?;
        if !intake.is_gate_open() {
            return Some(None);
        }
        let watermarks = self.lanes();
        let least = watermarks
            .values()
            .map(|lane| lane.watermark_ns.load(Ordering::SeqCst))
            .min();
        Some(Some(least.unwrap_or(intake.idle_ns())))
    }

    /// Whether event time is held where the job begins.
    pub(crate) fn is_held(&self) -> bool {
        self.intake.as_ref().is_some_and(|intake| intake.is_held())
    }

    /// A worker's number within its process, given that among all.
    pub(crate) fn local(&self, worker: usize) -> usize {
        worker % self.seats.len()
    }

    pub(crate) fn wakes(&self) -> &Wakes {
        &self.wakes
    }

    /// Whether a lane is not finished yet.
    pub(crate) fn is_open(&self) -> bool {
        self.n_open.load(Ordering::SeqCst) > 0
            || self.intake.as_ref().is_some_and(|intake| intake.is_open())
    }

    /// Takes the batch that is to be parsed next: of the lane with the least projected watermark.
    pub(crate) fn take(&self, worker: usize) -> Result<Taken, Why> {
        loop {
            let lane = self.pick(worker)?;
            // Between the look and the lock somebody else may have been faster: look again.
            if let Some((number, lines)) = lane.take() {
                self.n_out.fetch_add(1, Ordering::SeqCst);
                return Ok(Taken {
                    lane,
                    number,
                    lines,
                });
            }
            if lane.has_word() {
                self.wakes.wake(lane.home);
            }
        }
    }

    /// Wakes another worker that sleeps, if one does and there is more than this one can do.
    pub(crate) fn invite(&self, worker: usize) {
        if self.wakes.is_any_armed() && self.pick(worker).is_ok() {
            self.wakes.wake_one(worker + 1);
        }
    }

    fn pick(&self, worker: usize) -> Result<Arc<Lane>, Why> {
        let is_full = self.n_out.load(Ordering::SeqCst) >= self.seats.len() * OUT_PER_WORKER
            || self.parked_bytes.load(Ordering::SeqCst) >= PARKED_BYTES_MAX;
        let lane_max = (self.seats.len() * OUT_PER_WORKER).div_ceil(2);
        let mut why = Why::Empty;
        let mut best = None;
        let lanes = self.lanes();
        for (at, lane) in lanes.iter() {
            if !lane.has_more() || !(lane.is_shared || lane.home == worker) {
                continue;
            }
            let n_out = lane.n_out.load(Ordering::SeqCst);
            if is_full || n_out >= lane_max {
                why = why.or(Why::Out);
                continue;
            }
            let watermark_ns = lane.watermark_ns.load(Ordering::SeqCst);
            if watermark_ns >= self.horizon_ns(lane.home) {
                why = why.or(Why::Credits);
                continue;
            }
            let is_foreign = lane.home != worker;
            let rank = (lane.projected_ns(watermark_ns, n_out), is_foreign, *at);
            if best.is_none_or(|(least, _)| rank < least) {
                best = Some((rank, lane));
            }
        }
        best.map(|(_, lane)| Arc::clone(lane)).ok_or(why)
    }

    fn horizon_ns(&self, worker: usize) -> i64 {
        self.seats
            .get(worker)
            .map_or(i64::MAX, |seat| seat.horizon_ns.load(Ordering::SeqCst))
    }

    /// Up to where lanes at home at a worker may run.
    pub(crate) fn set_horizon(&self, worker: usize, horizon_ns: i64) {
        if let Some(seat) = self.seats.get(worker) {
            seat.horizon_ns.store(horizon_ns, Ordering::SeqCst);
        }
    }

    /// Hands a part to the home of its lane.
    pub(crate) fn hand_home(&self, part: Part) {
        let bytes = part.parsed.n_bytes();
        let home = part.lane.home;
        let Some(seat) = self.seats.get(home) else {
            unreachable!("a home is one of the workers")
        };
        self.parked_bytes.fetch_add(bytes, Ordering::SeqCst);
        seat.inbox
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(part);
        self.wakes.wake(home);
    }

    /// What others parsed of the lanes at home at a worker.
    pub(crate) fn come_home(&self, worker: usize) -> Vec<Part> {
        self.seats.get(worker).map_or_else(Vec::new, |seat| {
            std::mem::take(&mut *seat.inbox.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }

    /// Pours of so many bytes are no longer parked.
    pub(crate) fn unpark(&self, n_bytes: u64) {
        self.parked_bytes.fetch_sub(n_bytes, Ordering::SeqCst);
    }

    /// A batch of a lane is settled.
    pub(crate) fn settled(&self, lane: &Lane) {
        lane.n_out.fetch_sub(1, Ordering::SeqCst);
        self.n_out.fetch_sub(1, Ordering::SeqCst);
    }

    /// A lane is finished: whoever waits for more looks whether it was the last.
    pub(crate) fn finished(&self, lane: &Lane) {
        let mut lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
        lanes.remove(&lane.number);
        drop(lanes);
        if self.n_open.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.wakes.wake_all();
        }
    }
}

impl Why {
    /// Credits come back by themselves, so waiting for them is what has to be known.
    fn or(self, other: Self) -> Self {
        if self == Self::Credits { self } else { other }
    }
}

impl Lane {
    fn new(number: usize, partition: Partition, home: usize, is_shared: bool) -> Self {
        Self {
            number,
            partition,
            home,
            is_shared,
            intake: Mutex::default(),
            n_taken: AtomicU64::new(0),
            is_ended: AtomicBool::new(false),
            n_out: AtomicUsize::new(0),
            watermark_ns: AtomicI64::new(i64::MIN),
            span_ns: AtomicI64::new(0),
            caught_up: Mutex::default(),
        }
    }

    /// How far it is.
    pub(crate) fn view(&self) -> PartitionView {
        let watermark_ns = self.watermark_ns.load(Ordering::SeqCst);
        PartitionView {
            number: self.partition.id,
            watermark_ns: (watermark_ns != i64::MIN).then_some(watermark_ns),
            queued: self.partition.n_queued(),
            out: self.n_out.load(Ordering::SeqCst),
        }
    }

    /// The next batch and its number; `None` when there is none now, or no more.
    fn take(&self) -> Option<(u64, Lines)> {
        let mut intake = self.intake.lock().unwrap_or_else(PoisonError::into_inner);
        if self.has_ended() {
            return None;
        }
        match self.partition.poll()? {
            Feed::Lines(batch) => {
                self.n_out.fetch_add(1, Ordering::SeqCst);
                Some((self.n_taken.fetch_add(1, Ordering::SeqCst), batch))
            }
            Feed::CaughtUp { as_of_ns, next } => {
                let caught_up = CaughtUp {
                    n_taken: self.n_taken(),
                    as_of_ns,
                    next,
                };
                *self.word() = Some(caught_up);
                None
            }
            Feed::End => {
                self.is_ended.store(true, Ordering::SeqCst);
                None
            }
            Feed::Failed(error) => {
                *intake = Some(error);
                self.is_ended.store(true, Ordering::SeqCst);
                None
            }
        }
    }

    /// Ends the lane here: no further batch is taken.
    pub(crate) fn close(&self) {
        let _intake = self.intake.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_ended.store(true, Ordering::SeqCst);
    }

    /// Why the lane ended before its time; to be asked once.
    pub(crate) fn error(&self) -> Option<String> {
        let mut intake = self.intake.lock().unwrap_or_else(PoisonError::into_inner);
        intake.take()
    }

    fn word(&self) -> std::sync::MutexGuard<'_, Option<CaughtUp>> {
        self.caught_up
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the reader said something that its home has to see.
    fn has_word(&self) -> bool {
        self.has_ended() || self.word().is_some()
    }

    /// That the reader had given everything, once so many batches came home.
    pub(crate) fn caught_up(&self, n_home: u64) -> Option<CaughtUp> {
        self.word().take_if(|word| word.n_taken <= n_home)
    }

    /// Whether nothing will be taken any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.is_ended.load(Ordering::SeqCst)
    }

    /// How many batches were taken. Final when the lane has ended.
    pub(crate) fn n_taken(&self) -> u64 {
        self.n_taken.load(Ordering::SeqCst)
    }

    /// Shows where the lane's clock stands after a batch.
    pub(crate) fn set_watermark(&self, watermark_ns: i64) {
        let before_ns = self.watermark_ns.swap(watermark_ns, Ordering::SeqCst);
        if before_ns != i64::MIN {
            let span_ns = watermark_ns.saturating_sub(before_ns);
            self.span_ns.store(span_ns, Ordering::SeqCst);
        }
    }

    /// Shows where the lane's clock stands, without a batch.
    pub(crate) fn set_least_watermark(&self, watermark_ns: i64) {
        self.watermark_ns.fetch_max(watermark_ns, Ordering::SeqCst);
    }

    fn has_more(&self) -> bool {
        !self.has_ended() && self.partition.has_more()
    }

    /// Where the watermark will be when what is out has come home, as far as can be said.
    fn projected_ns(&self, watermark_ns: i64, n_out: usize) -> i64 {
        let span_ns = self.span_ns.load(Ordering::SeqCst);
        let n_out = i64::try_from(n_out).unwrap_or(i64::MAX);
        watermark_ns.saturating_add(span_ns.saturating_mul(n_out))
    }
}
