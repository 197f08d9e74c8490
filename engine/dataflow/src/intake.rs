//! Partitions that come while a job runs.
//!
//! Whoever runs a job that does not end holds an [`Intake`]: partitions are added to it at any time
//! and taken over by the workers, and the job goes on until it is closed and all of them have ended.
//! Nothing is taken over before the gate is opened, so that the partitions a job starts with begin
//! together, and none finds the others' watermark already past its lines. Whoever does not know yet what it begins with
//! may [hold](Intake::hold) event time where it is: lines of others are counted, and nothing is final.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::feed::Partition;
use crate::wakes::Wakes;

/// Where partitions are added.
#[derive(Debug)]
pub struct Intake {
    waiting: Mutex<Vec<Partition>>,
    has_waiting: AtomicBool,
    is_open: AtomicBool,
    is_gate_open: AtomicBool,
    /// Event time that a process without any partition lets pass, in nanoseconds.
    idle_ns: AtomicI64,
    /// How many hold event time.
    n_holding: AtomicUsize,
    wakes: OnceLock<Arc<Wakes>>,
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            has_waiting: AtomicBool::new(false),
            is_open: AtomicBool::new(true),
            is_gate_open: AtomicBool::new(false),
            idle_ns: AtomicI64::new(i64::MIN),
            n_holding: AtomicUsize::new(0),
            wakes: OnceLock::new(),
        }
    }
}

impl Intake {
    /// Adds a partition. Numbers of partitions that have not ended must differ.
    pub fn add(&self, partition: Partition) {
        self.lock().push(partition);
        self.has_waiting.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// All sources have said what they begin with.
    pub fn open_gate(&self) {
        self.is_gate_open.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Holds event time at where the job begins, until [`Intake::release`]. To be called before the gate is open.
    pub fn hold(&self) {
        self.n_holding.fetch_add(1, Ordering::SeqCst);
    }

    /// Ends a hold: the partitions that belong to it were added, or will count as of when they come.
    pub fn release(&self) {
        self.n_holding.fetch_sub(1, Ordering::SeqCst);
        self.wake();
    }

    pub(crate) fn is_held(&self) -> bool {
        self.n_holding.load(Ordering::SeqCst) > 0
    }

    /// No partition will be added any more: the job ends when those there are have ended.
    pub fn close(&self) {
        self.is_gate_open.store(true, Ordering::SeqCst);
        self.is_open.store(false, Ordering::SeqCst);
        self.wake();
    }

    /// A process without partitions lets this event time pass; what begins later counts as of after it.
    pub fn idle(&self, upto_ns: i64) {
        self.idle_ns.fetch_max(upto_ns, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        if let Some(wakes) = self.wakes.get() {
            wakes.wake_all();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Partition>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the workers to be woken.
    pub(crate) fn belongs_to(&self, wakes: &Arc<Wakes>) {
        // An intake is given to one job only.
        let _known = self.wakes.set(Arc::clone(wakes));
    }

    /// Partitions to be taken over now.
    pub(crate) fn take(&self) -> Vec<Partition> {
        let is_due = self.is_gate_open() && self.has_waiting.load(Ordering::SeqCst);
        if !is_due {
            return Vec::new();
        }
        let mut waiting = self.lock();
        self.has_waiting.store(false, Ordering::SeqCst);
        std::mem::take(&mut *waiting)
    }

    /// Whether partitions may still come, or wait.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::SeqCst) || self.has_waiting.load(Ordering::SeqCst)
    }

    /// Whether partitions are taken over.
    #[must_use]
    pub fn is_gate_open(&self) -> bool {
        self.is_gate_open.load(Ordering::SeqCst)
    }

    pub(crate) fn idle_ns(&self) -> i64 {
        self.idle_ns.load(Ordering::SeqCst)
    }
}
