//! What a job has counted so far, for whoever looks on from another thread while it runs.
//!
//! ```text
//!  onlooker                 board                    a worker
//!  ask() ------------> asked += 1 <--- looks ------- loop
//!                                                     | wakes its operators
//!                                                     v
//!                                            [reports of operators]
//!                      slot of the worker <---- all are there: added up
//!  view() <----------- newest of each, and what the pool shows
//! ```
//!
//! Nothing is written until somebody asks, so looking costs the job nothing while nobody does, and at most one
//! sum of counters for each question. A worker answers at its next step; one that sleeps wakes within 100 ms. Until
//! then [`Board::view`] has its answer before that, and [`WorkerView::answered`] says so.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use overspill_bucket::ScenarioCounts;
use overspill_expr::Counters;
use timely::scheduling::Activator;

use crate::plan::Plan;
use crate::pool::Pool;
use crate::stats::Stats;
use crate::tally::{SourceView, Tallies};

/// Where the workers of a process say what they have counted.
#[derive(Debug, Default)]
pub struct Board {
    /// Number of the newest question.
    asked: AtomicU64,
    job: OnceLock<Posted>,
}

/// What the board has once a job began.
#[derive(Debug)]
struct Posted {
    pool: Weak<Pool>,
    plan: Arc<Plan>,
    n_unshared: u64,
    slots: Vec<Mutex<Slot>>,
}

/// What a worker said last.
#[derive(Debug, Default)]
struct Slot {
    /// The question it answered.
    answered: u64,
    has_ended: bool,
    report: Report,
}

/// What an operator, a worker or all of them say. Numbers add up, times are the least or the greatest.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    pub(crate) stats: Stats,
    pub(crate) gauges: Gauges,
    pub(crate) scenarios: Vec<ScenarioCounts>,
    pub(crate) tallies: Tallies,
}

/// What goes up and down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Keys of the tables.
    pub keys: u64,
    /// Live buckets.
    pub live_buckets: u64,
    /// Events that buckets retain.
    pub kept_events: u64,
    /// Their bytes, counted once for each bucket that retains them.
    pub kept_bytes: u64,
    /// Pours above the watermark.
    pub waiting: u64,
    /// Pours that were sent and are not settled yet, as far as credits were counted.
    pub outstanding: u64,
    /// Alerts that were given.
    pub alerts_given: u64,
    /// Alerts that were taken back.
    pub alerts_withdrawn: u64,
    /// Time of the newest event, in nanoseconds.
    pub newest_ns: Option<i64>,
    /// Event time up to which all of these workers have settled their buckets, in nanoseconds.
    pub settled_ns: Option<i64>,
    /// Event time up to which everything was given, in nanoseconds.
    pub final_ns: Option<i64>,
}

/// A time, unless it stands for that of before all events.
pub(crate) fn known(ns: i64) -> Option<i64> {
    (ns > i64::MIN / 2).then_some(ns)
}

impl Gauges {
    fn add(&mut self, other: &Self) {
        self.keys += other.keys;
        self.live_buckets += other.live_buckets;
        self.kept_events += other.kept_events;
        self.kept_bytes += other.kept_bytes;
        self.waiting += other.waiting;
        self.outstanding += other.outstanding;
        self.alerts_given += other.alerts_given;
        self.alerts_withdrawn += other.alerts_withdrawn;
        self.newest_ns = self.newest_ns.max(other.newest_ns);
        self.settled_ns = match (self.settled_ns, other.settled_ns) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.final_ns = self.final_ns.max(other.final_ns);
    }

    /// How far the newest event is beyond what is final, in nanoseconds: how much may still change.
    #[must_use]
    pub fn depth_ns(&self) -> Option<i64> {
        let upto_ns = self.final_ns.or(self.settled_ns)?;
        Some(self.newest_ns?.saturating_sub(upto_ns).max(0))
    }
}

impl Report {
    fn add(&mut self, other: &Self) {
        self.stats.add(&other.stats);
        self.gauges.add(&other.gauges);
        if self.scenarios.len() < other.scenarios.len() {
            self.scenarios
                .resize(other.scenarios.len(), ScenarioCounts::default());
        }
        for (sum, counts) in self.scenarios.iter_mut().zip(&other.scenarios) {
            sum.created += counts.created;
            sum.overflowed += counts.overflowed;
            sum.underflowed += counts.underflowed;
            sum.cancelled += counts.cancelled;
            sum.live += counts.live;
        }
        self.tallies.add(&other.tallies);
    }
}

/// A worker, as an onlooker sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerView {
    /// The question that it answered last; 0 if none.
    pub answered: u64,
    /// It is at its end, and what it said stays so.
    pub has_ended: bool,
}

/// A partition, as an onlooker sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionView {
    /// Its number.
    pub number: u32,
    /// What all its events to come are later than, in nanoseconds; none before it began.
    pub watermark_ns: Option<i64>,
    /// Batches that its reader has given and nobody has taken.
    pub queued: usize,
    /// Batches that were taken and are not in order yet.
    pub out: usize,
}

/// What a job has counted so far.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The counters, as [`crate::Job::run`] gives them at the end.
    pub stats: Stats,
    /// What goes up and down.
    pub gauges: Gauges,
    /// What became of the buckets of each scenario that had any, by name. Of the same name: their sum.
    pub scenarios: BTreeMap<String, ScenarioCounts>,
    /// What lines came to, by source, in a job that does not end.
    pub sources: Vec<SourceView>,
    /// The partitions that are open.
    pub partitions: Vec<PartitionView>,
    /// The workers of the process, in order.
    pub workers: Vec<WorkerView>,
    /// Batches that were taken and are not in order yet.
    pub batches_out: usize,
    /// Bytes of pours that wait for a batch before them.
    pub parked_bytes: u64,
}

impl Board {
    /// A job begins. A board serves one; others leave it as it is.
    pub(crate) fn begin(
        &self,
        pool: &Arc<Pool>,
        plan: &Arc<Plan>,
        n_workers: usize,
        n_unshared: u64,
    ) {
        let slots = (0..n_workers).map(|_| Mutex::default()).collect();
        let _first = self.job.set(Posted {
            pool: Arc::downgrade(pool),
            plan: Arc::clone(plan),
            n_unshared,
            slots,
        });
    }

    /// Asks all workers; answers the number of the question.
    pub fn ask(&self) -> u64 {
        self.asked.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether a job has begun and all its workers have answered this question.
    #[must_use]
    pub fn is_answered(&self, question: u64) -> bool {
        self.job.get().is_some_and(|job| {
            let mut slots = job.slots.iter();
            slots.all(|slot| {
                let slot = lock(slot);
                slot.has_ended || slot.answered >= question
            })
        })
    }

    /// A worker answers a question.
    pub(crate) fn answer(&self, worker: usize, question: u64, report: Report) {
        if let Some(slot) = self.job.get().and_then(|job| job.slots.get(worker)) {
            *lock(slot) = Slot {
                answered: question,
                has_ended: false,
                report,
            };
        }
    }

    /// A worker is at its end.
    fn end(&self, worker: usize, report: Report) {
        if let Some(slot) = self.job.get().and_then(|job| job.slots.get(worker)) {
            let mut slot = lock(slot);
            slot.has_ended = true;
            slot.report = report;
        }
    }

    /// What is known now: each worker's last answer, and what is known without asking.
    #[must_use]
    pub fn view(&self) -> View {
        let Some(job) = self.job.get() else {
            return View::default();
        };
        let mut sum = Report::default();
        let mut workers = Vec::new();
        for slot in &job.slots {
            let slot = lock(slot);
            sum.add(&slot.report);
            workers.push(WorkerView {
                answered: slot.answered,
                has_ended: slot.has_ended,
            });
        }
        count_process(&mut sum.stats, job.n_unshared, &job.plan.services.counters);
        let mut view = View {
            scenarios: by_name(&job.plan, &sum.scenarios),
            sources: sum.tallies.views(&job.plan),
            stats: sum.stats,
            gauges: sum.gauges,
            workers,
            ..View::default()
        };
        if let Some(pool) = job.pool.upgrade() {
            (view.batches_out, view.parked_bytes) = pool.load();
            view.partitions = pool.lanes().values().map(|lane| lane.view()).collect();
        }
        view
    }
}

/// Adds what the workers of a process count together.
pub(crate) fn count_process(stats: &mut Stats, n_unshared: u64, counters: &Counters) {
    stats.count_unshared(n_unshared);
    stats.count_expressions(counters);
}

fn by_name(plan: &Plan, counts: &[ScenarioCounts]) -> BTreeMap<String, ScenarioCounts> {
    let mut by_name: BTreeMap<String, ScenarioCounts> = BTreeMap::new();
    for (scenario, counts) in plan.rules.scenarios().iter().zip(counts) {
        if *counts != ScenarioCounts::default() {
            let sum = by_name.entry(scenario.name.to_string()).or_default();
            sum.created += counts.created;
            sum.overflowed += counts.overflowed;
            sum.underflowed += counts.underflowed;
            sum.cancelled += counts.cancelled;
            sum.live += counts.live;
        }
    }
    by_name
}

fn lock(slot: &Mutex<Slot>) -> std::sync::MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Collects the reports of a worker's operators.
#[derive(Default)]
pub(crate) struct Desk {
    /// The question at hand.
    question: Cell<u64>,
    answered: Cell<u64>,
    voices: RefCell<Vec<Told>>,
}

/// What an operator said.
#[derive(Default)]
struct Told {
    wake: Option<Activator>,
    question: u64,
    has_ended: bool,
    report: Report,
}

/// An operator's way to the desk.
pub(crate) struct Voice {
    desk: Rc<Desk>,
    at: usize,
    answered: u64,
}

impl Desk {
    /// A further operator, and what makes it run.
    pub(crate) fn voice(self: &Rc<Self>, wake: Activator) -> Voice {
        let mut voices = self.voices.borrow_mut();
        voices.push(Told {
            wake: Some(wake),
            ..Told::default()
        });
        Voice {
            desk: Rc::clone(self),
            at: voices.len() - 1,
            answered: 0,
        }
    }

    /// Passes a question on to the operators.
    pub(crate) fn look(&self, asked: u64) {
        if asked == self.question.get() {
            return;
        }
        self.question.set(asked);
        for voice in self.voices.borrow().iter().filter(|voice| !voice.has_ended) {
            if let Some(wake) = &voice.wake {
                wake.activate();
            }
        }
    }

    /// Answers the question, once all operators have. `ended` is what those counted that have ended.
    pub(crate) fn answer(&self, board: &Board, worker: usize, ended: &Stats) {
        let question = self.question.get();
        if self.answered.get() == question {
            return;
        }
        let voices = self.voices.borrow();
        let has_spoken = |voice: &Told| voice.has_ended || voice.question == question;
        if !voices.iter().all(has_spoken) {
            return;
        }
        self.answered.set(question);
        board.answer(worker, question, sum(&voices, ended));
    }

    /// Says what the worker has counted, when all its operators have ended.
    pub(crate) fn end(&self, board: &Board, worker: usize, ended: &Stats) {
        board.end(worker, sum(&self.voices.borrow(), ended));
    }
}

fn sum(voices: &[Told], ended: &Stats) -> Report {
    let mut report = Report::default();
    for voice in voices {
        report.add(&voice.report);
    }
    report.stats.add(ended);
    report
}

impl Voice {
    /// Says what the operator has counted so far, if somebody asks.
    pub(crate) fn speak(&mut self, report: impl FnOnce(&mut Report)) {
        let question = self.desk.question.get();
        if self.answered != question {
            self.answered = question;
            self.say(false, report);
        }
    }

    /// Says what the operator leaves, for the last time. Its counters are those of the job then.
    pub(crate) fn end(&mut self, report: impl FnOnce(&mut Report)) {
        self.say(true, report);
    }

    fn say(&self, has_ended: bool, report: impl FnOnce(&mut Report)) {
        let mut told = Report::default();
        report(&mut told);
        if has_ended {
            told.stats = Stats::default();
        }
        if let Some(voice) = self.desk.voices.borrow_mut().get_mut(self.at) {
            voice.question = self.desk.question.get();
            voice.has_ended |= has_ended;
            voice.report = told;
        }
    }
}
