//! What the threads around a live job say for metrics.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use overspill_connectors::LiveSource;
use overspill_connectors::acquis::{Acquisition, AcquisitionKind};
use overspill_connectors::source::{Counters, Lag};
use overspill_dataflow::Progress;
use overspill_dataflow::intake::Intake;
use overspill_telemetry::{Histogram, SpanValue};

use super::steps::StepTimes;
use super::tracer::{Tracer, number, text};
use crate::lapi::Api;
use crate::live::Word;
use crate::live::outlet::{Lanes, Register};

/// Ranges of the time that a checkpoint takes, in seconds.
const CHECKPOINT_SECONDS: [f64; 11] =
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Attackers that are told apart; further ones are not counted until one leaves.
const ATTACKERS_MAX: usize = 1_000;

/// What the job itself is, once it was started.
pub(crate) struct JobMeters {
    pub(crate) progress: Arc<Progress>,
    pub(crate) register: Arc<Register>,
    pub(crate) intake: Arc<Intake>,
    /// Set when the job is to stop.
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) alerts: Option<PathBuf>,
    pub(crate) node: String,
    pub(crate) has_checkpoints: bool,
    /// There is something to be read here.
    pub(crate) has_sources: bool,
}

/// Where the threads of a live job say what they do.
pub struct Meters {
    pub(crate) began: Instant,
    pub(crate) job: OnceLock<JobMeters>,
    /// Number of the newest question to the sources.
    asked: AtomicU64,
    pub(crate) sources: Mutex<BTreeMap<String, SourceState>>,
    pub(crate) checkpoints: CheckpointMeter,
    pub(crate) steps: Arc<StepTimes>,
    pub(crate) n_warnings: AtomicU64,
    /// Alerts by what they are about: scenario of the last one, and how many stand.
    pub(crate) attackers: Mutex<BTreeMap<String, (String, i64)>>,
    pub(crate) tracer: Arc<Tracer>,
    /// The Local API beside the job, if there is one.
    pub(crate) api: Option<Arc<Api>>,
}

/// A source as it was last seen.
pub(crate) struct SourceState {
    /// What it is, such as `file`.
    pub(crate) module: &'static str,
    pub(crate) counters: Arc<Counters>,
    /// By number of the partition.
    pub(crate) lags: BTreeMap<u32, Lag>,
    pub(crate) is_read: bool,
}

/// What is known of checkpoints.
pub(crate) struct CheckpointMeter {
    /// When the one that is being made was asked for.
    asked: Mutex<Option<Instant>>,
    last: Mutex<Option<Instant>>,
    pub(crate) took: Histogram,
    pub(crate) n_kept: AtomicU64,
    pub(crate) n_failed: AtomicU64,
    pub(crate) n_bytes: AtomicU64,
    pub(crate) last_bytes: AtomicU64,
    /// Event time of the last one.
    pub(crate) upto_ns: AtomicI64,
    pub(crate) resumed_ns: AtomicI64,
    pub(crate) generation: AtomicU64,
    tracer: Arc<Tracer>,
}

impl std::fmt::Debug for Meters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}

impl Meters {
    /// For a job that is about to begin, with an API beside it or without.
    #[must_use]
    pub fn new(tracer: &Arc<Tracer>, api: Option<Arc<Api>>) -> Arc<Self> {
        Arc::new(Self {
            tracer: Arc::clone(tracer),
            api,
            began: Instant::now(),
            job: OnceLock::new(),
            asked: AtomicU64::new(0),
            sources: Mutex::default(),
            checkpoints: CheckpointMeter {
                asked: Mutex::default(),
                last: Mutex::default(),
                took: Histogram::new(&CHECKPOINT_SECONDS),
                n_kept: AtomicU64::new(0),
                n_failed: AtomicU64::new(0),
                n_bytes: AtomicU64::new(0),
                last_bytes: AtomicU64::new(0),
                upto_ns: AtomicI64::new(i64::MIN),
                resumed_ns: AtomicI64::new(i64::MIN),
                generation: AtomicU64::new(0),
                tracer: Arc::clone(tracer),
            },
            steps: Arc::default(),
            n_warnings: AtomicU64::new(0),
            attackers: Mutex::default(),
        })
    }

    /// The job was started.
    pub(crate) fn started(&self, job: JobMeters) {
        let _once = self.job.set(job);
    }

    /// Why the job does not do its work yet, or no longer; `None` when it does.
    pub(crate) fn unready(&self) -> Option<&'static str> {
        let Some(job) = self.job.get() else {
            return Some("the job is being restored");
        };
        if !job.intake.is_gate_open() {
            return Some("sources have not said what they begin with");
        }
        if job.stop.load(Ordering::SeqCst) {
            return Some("the job is being stopped");
        }
        let sources = lock(&self.sources);
        let is_any_read = sources.values().any(|source| source.is_read);
        (!is_any_read && job.has_sources).then_some("no source is read")
    }

    /// A source is about to be read.
    pub(crate) fn source(
        self: &Arc<Self>,
        acquisition: &Acquisition,
        source: &dyn LiveSource,
    ) -> SourceMeter {
        let state = SourceState {
            module: module(&acquisition.kind),
            counters: Arc::clone(source.counters()),
            lags: BTreeMap::new(),
            is_read: true,
        };
        lock(&self.sources).insert(acquisition.id.clone(), state);
        SourceMeter {
            meters: Arc::clone(self),
            id: acquisition.id.clone(),
            answered: 0,
        }
    }

    /// Asks the sources how far behind they are; they answer at their next turn.
    pub(crate) fn ask(&self) {
        self.asked.fetch_add(1, Ordering::SeqCst);
    }

    /// Sees what everybody is told.
    pub(crate) fn saw(&self, word: &Word) {
        match word {
            Word::Resumed {
                number: checkpoint,
                upto_ns,
                n_partitions,
            } => {
                let resumed_ns = &self.checkpoints.resumed_ns;
                resumed_ns.store(*upto_ns, Ordering::SeqCst);
                let attributes = || {
                    vec![
                        ("checkpoint.number", number(*checkpoint)),
                        ("checkpoint.as_of_ns", SpanValue::Number(*upto_ns)),
                        ("partitions", number(*n_partitions as u64)),
                    ]
                };
                self.tracer
                    .ended("restore", self.began.elapsed(), attributes, None);
            }
            Word::Trouble(_) => {
                self.n_warnings.fetch_add(1, Ordering::Relaxed);
            }
            Word::Alert(alert, diff) => {
                self.alert(&alert.source.value, &alert.scenario, *diff);
                let name = if *diff > 0 { "alert" } else { "withdrawal" };
                let attributes = || {
                    vec![
                        ("alert.uuid", text(&alert.uuid)),
                        ("alert.scenario", text(&alert.scenario)),
                        ("alert.source", text(&alert.source.value)),
                        ("alert.stop_at", text(&alert.stop_at)),
                        ("alert.decisions", number(alert.decisions.len() as u64)),
                    ]
                };
                self.tracer.ended(name, Duration::ZERO, attributes, None);
            }
            Word::Listening(_) => {}
        }
    }

    fn alert(&self, attacker: &str, scenario: &str, diff: i64) {
        let mut attackers = lock(&self.attackers);
        if let Some((last, n)) = attackers.get_mut(attacker) {
            scenario.clone_into(last);
            *n += diff;
            if *n <= 0 {
                attackers.remove(attacker);
            }
            return;
        }
        if diff <= 0 {
            return;
        }
        if attackers.len() >= ATTACKERS_MAX {
            // Those with one alert make room: whoever comes back often is seen again soon.
            attackers.retain(|_, (_, n)| *n > 1);
        }
        if attackers.len() < ATTACKERS_MAX {
            attackers.insert(attacker.to_owned(), (scenario.to_owned(), diff));
        }
    }
}

impl CheckpointMeter {
    /// The process has a generation of its own.
    pub(crate) fn began(&self, generation: u64) {
        self.generation.store(generation, Ordering::SeqCst);
    }

    /// A checkpoint is asked for.
    pub(crate) fn asked(&self) {
        *lock(&self.asked) = Some(Instant::now());
    }

    /// It is committed.
    pub(crate) fn kept(&self, upto_ns: i64, n_bytes: u64) {
        if let Some(asked) = lock(&self.asked).take() {
            let took = asked.elapsed();
            self.took.observe(took);
            let attributes = || {
                vec![
                    ("checkpoint.as_of_ns", SpanValue::Number(upto_ns)),
                    ("checkpoint.bytes", number(n_bytes)),
                    ("generation", number(self.generation.load(Ordering::SeqCst))),
                ]
            };
            self.tracer.ended("checkpoint", took, attributes, None);
        }
        *lock(&self.last) = Some(Instant::now());
        self.n_kept.fetch_add(1, Ordering::Relaxed);
        self.n_bytes.fetch_add(n_bytes, Ordering::Relaxed);
        self.last_bytes.store(n_bytes, Ordering::Relaxed);
        self.upto_ns.store(upto_ns, Ordering::SeqCst);
    }

    /// It could not be written.
    pub(crate) fn failed(&self) {
        if let Some(asked) = lock(&self.asked).take() {
            let why = Some("it could not be written");
            self.tracer
                .ended("checkpoint", asked.elapsed(), Vec::new, why);
        }
        self.n_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// When the last one was committed.
    pub(crate) fn last(&self) -> Option<Instant> {
        *lock(&self.last)
    }
}

/// Says of one source how it is.
pub(crate) struct SourceMeter {
    meters: Arc<Meters>,
    id: String,
    answered: u64,
}

impl SourceMeter {
    /// Says how far behind the source is, if somebody asks.
    pub(crate) fn look(&mut self, source: &dyn LiveSource, lanes: &Lanes) {
        let asked = self.meters.asked.load(Ordering::Relaxed);
        if asked == self.answered {
            return;
        }
        self.answered = asked;
        let mut lags = BTreeMap::new();
        source.lags(&mut |partition, lag| {
            if let Some(number) = lanes.number(partition) {
                lags.insert(number, lag);
            }
        });
        if let Some(state) = lock(&self.meters.sources).get_mut(&self.id) {
            state.lags = lags;
        }
    }
}

impl Drop for SourceMeter {
    fn drop(&mut self) {
        if let Some(state) = lock(&self.meters.sources).get_mut(&self.id) {
            state.is_read = false;
            state.lags.clear();
        }
    }
}

fn module(kind: &AcquisitionKind) -> &'static str {
    match kind {
        AcquisitionKind::Tail(_) | AcquisitionKind::Once(_) => "file",
        AcquisitionKind::Datagrams(_) | AcquisitionKind::Streams(..) => "syslog",
        AcquisitionKind::Stdin { .. } => "stdin",
        AcquisitionKind::Command(_) => "command",
        #[cfg(feature = "kafka")]
        AcquisitionKind::Kafka(_) => "kafka",
        #[cfg(feature = "aws")]
        AcquisitionKind::Kinesis(_) => "kinesis",
        #[cfg(feature = "aws")]
        AcquisitionKind::CloudWatch(_) => "cloudwatch",
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(meters: &Meters) -> Vec<String> {
        lock(&meters.attackers).keys().cloned().collect()
    }

    #[test]
    fn attackers_stand_as_long_as_their_alerts() {
        let meters = Meters::new(&Arc::default(), None);
        for (attacker, diff) in [
            ("a", 1),
            ("b", 1),
            ("a", 1),
            ("b", -1),
            ("c", -1),
            ("a", -1),
        ] {
            meters.alert(attacker, "s", diff);
        }
        assert_eq!(names(&meters), ["a"]);
    }

    #[test]
    fn a_flood_of_attackers_leaves_those_that_come_back() {
        let meters = Meters::new(&Arc::default(), None);
        meters.alert("often", "s", 1);
        meters.alert("often", "s", 1);
        for n in 0..5 * ATTACKERS_MAX {
            meters.alert(&format!("once {n}"), "s", 1);
        }
        assert!(names(&meters).contains(&"often".to_owned()));
        assert!(names(&meters).len() <= ATTACKERS_MAX);
    }

    #[test]
    fn a_job_is_ready_once_it_reads_and_until_it_stops() {
        let meters = Meters::new(&Arc::default(), None);
        let stop = Arc::new(AtomicBool::new(false));
        let intake = Arc::new(Intake::default());
        assert_eq!(meters.unready(), Some("the job is being restored"));
        meters.started(JobMeters {
            progress: Arc::default(),
            register: Arc::new(Register::new(BTreeMap::new())),
            intake: Arc::clone(&intake),
            stop: Arc::clone(&stop),
            alerts: None,
            node: "n".to_owned(),
            has_checkpoints: false,
            has_sources: true,
        });
        assert!(meters.unready().is_some());
        intake.open_gate();
        assert_eq!(meters.unready(), Some("no source is read"));
        let state = SourceState {
            module: "file",
            counters: Arc::default(),
            lags: BTreeMap::new(),
            is_read: true,
        };
        lock(&meters.sources).insert("one".to_owned(), state);
        assert_eq!(meters.unready(), None);
        stop.store(true, Ordering::SeqCst);
        assert_eq!(meters.unready(), Some("the job is being stopped"));
    }
}
