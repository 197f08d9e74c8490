//! The live job: sources that do not end, checkpoints, alerts that are written exactly once.
//!
//! ```text
//!  source threads          job (timely)              journal thread           keeper thread
//!  poll ==lines==> lanes ─────────────> outputs ────> alerts.jsonl ──ack──┐
//!    ^                    └──────────── pieces ─────────────────────────> checkpoint
//!    └───────────────────────── committed positions ──────────────────────┘
//! ```
//!
//! A checkpoint is asked for by the keeper, made of what the workers give as of one event time and of where the
//! journal stood when all alerts up to then were in it, and only then told to the sources.

mod journal;
mod keeper;
pub mod metrics;
mod outlet;
pub mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use overspill_bucket::KEY_GROUPS;
use overspill_checkpoint::{PieceKey, Settings as VaultSettings, Vault, open_store};
use overspill_connectors::Resume;
use overspill_connectors::acquis::Acquisition;
use overspill_connectors::source::{Clock, Positions, system_clock};
use overspill_dataflow::checkpoint::{Checkpoints, Restored};
use overspill_dataflow::intake::Intake;
use overspill_dataflow::{Job, Layout, Live, Output, Plan, Progress, Settings, Stats};
use overspill_event::Alert;

use crate::warnings::Warnings;
use crate::wire::chain;
use journal::Journal;
use keeper::{Keeper, Kept};
use metrics::{JobMeters, Meters};
use outlet::Register;
use sources::Pump;

/// Outputs in flight between the job and the journal.
const OUTPUTS_IN_FLIGHT: usize = 1_024;
/// Words in flight to whoever looks on. When it does not keep up, alerts wait, and with them the job.
const WORDS_IN_FLIGHT: usize = 1_024;
/// How long a source may take to say what it begins with before the others go on without it.
const GATE_WAIT: Duration = Duration::from_secs(10);
/// How long a job that is to stop may take for its last checkpoint.
const LAST_WAIT: Duration = Duration::from_secs(5);
/// How often a quiet thread looks whether there is something.
const LOOK: Duration = Duration::from_millis(50);

/// What a live job runs with.
pub struct Config {
    /// What runs.
    pub plan: Arc<Plan>,
    /// How.
    pub settings: Settings,
    /// Workers.
    pub workers: usize,
    /// What is read.
    pub acquisitions: Vec<Acquisition>,
    /// Names this machine in the names of what only it can read.
    pub node: String,
    /// Where checkpoints are: a directory, or the address of an object store. None: nothing is kept.
    pub checkpoints: Option<String>,
    /// Wall time between checkpoints.
    pub every: Duration,
    /// Where alerts are written.
    pub alerts: Option<PathBuf>,
    /// What runs, by name and hash, for the checkpoint.
    pub content: Vec<String>,
    /// Keeps the warnings of the plan's services.
    pub warnings: Arc<Warnings>,
    /// Where metrics are answered, if they are.
    pub listen: Option<metrics::Listen>,
    /// What they are made of.
    pub meters: Arc<Meters>,
}

/// What a job did until it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Lines that were read.
    pub lines: u64,
    /// Alerts that stood.
    pub alerts: u64,
}

/// Something that whoever looks at a live job is told.
#[derive(Debug)]
pub enum Word {
    /// It goes on from a checkpoint.
    Resumed {
        /// Number of the checkpoint.
        number: u64,
        /// Its event time, in nanoseconds.
        upto_ns: i64,
        /// Partitions in it.
        n_partitions: usize,
    },
    /// An alert, or that one is withdrawn.
    Alert(Box<Alert>, i64),
    /// Something is wrong, and the job goes on.
    Trouble(String),
    /// Metrics are answered at this address.
    Listening(String),
}

/// Runs until it is stopped, or all sources have ended.
///
/// # Errors
/// When it cannot begin, or cannot go on.
pub fn run(config: Config, tell: impl FnMut(Word)) -> Result<Ended> {
    let clock = system_clock();
    let meters = Arc::clone(&config.meters);
    let mut tell = tell;
    let mut tell = |word| {
        meters.saw(&word);
        tell(word);
    };
    // It answers while the checkpoint is read, too.
    let _server = metrics::serve(config.listen.as_ref(), &meters, &clock, &mut tell)?;
    let (words, told) = bounded(WORDS_IN_FLIGHT);
    let mut keeper = match &config.checkpoints {
        Some(address) => {
            let store = open_store(address).map_err(|error| anyhow!(chain(&error)))?;
            let vault = Vault::open(store, VaultSettings::default());
            Some(Keeper::begin(
                vault,
                clock.as_ref()(),
                config.workers,
                &meters,
            )?)
        }
        None => None,
    };
    let found = match &mut keeper {
        Some(keeper) => keeper.restore(&words)?,
        None => None,
    };
    let restored = found.as_ref().map(groups).transpose()?;
    let kept = found
        .as_ref()
        .map_or_else(|| Ok(Kept::default()), Kept::of)?;
    if let Some(found) = &found {
        tell(Word::Resumed {
            number: found.manifest().number,
            upto_ns: found.manifest().parts.as_of_ns,
            n_partitions: kept.points.len(),
        });
    }
    let journal = Journal::open(config.alerts.as_deref(), kept.journal.as_ref())?;
    let job = Running::start(config, restored, kept, keeper, journal, &clock, words)?;
    job.attend(told, tell)
}

/// The key groups of a checkpoint.
fn groups(found: &overspill_checkpoint::Restored) -> Result<Restored> {
    let mut groups: BTreeMap<(u8, u16), Vec<u8>> = BTreeMap::new();
    found
        .read::<overspill_checkpoint::CheckpointError>(
            |key| matches!(key, PieceKey::Group { .. }),
            |piece| {
                if let PieceKey::Group { stage, group } = piece.key
                    && group < KEY_GROUPS
                {
                    groups.insert((stage, group), piece.bytes.to_vec());
                }
                Ok(())
            },
        )
        .map_err(|error| anyhow!(chain(&error)))
        .context("read the checkpoint")?;
    Ok(Restored::new(found.manifest().parts.as_of_ns, groups))
}

/// What the threads of sources share.
struct Pumping {
    register: Arc<Register>,
    intake: Arc<Intake>,
    clock: Clock,
    words: Sender<Word>,
    stop: Arc<AtomicBool>,
    /// Sources that a checkpoint knows.
    known: BTreeSet<String>,
}

/// The threads of sources.
struct Pumps {
    threads: Vec<JoinHandle<()>>,
    /// Where each source is told what is durable.
    committed: Vec<(String, Sender<Positions>)>,
    /// Told by each source once it has said what it begins with.
    ready: Receiver<()>,
}

impl Pumping {
    fn start(self, config: &Config) -> Result<Pumps> {
        let (is_ready, ready) = unbounded();
        let mut pumps = Pumps {
            threads: Vec::new(),
            committed: Vec::new(),
            ready,
        };
        for acquisition in &config.acquisitions {
            let id = &acquisition.id;
            // One that is new begins as it is configured to, not at the beginning of everything.
            let resume = match self.known.contains(id) {
                true => Resume::From(self.register.positions(id)),
                false => Resume::First,
            };
            let source = acquisition
                .build(resume, Arc::clone(&self.clock))
                .map_err(|error| anyhow!("source {id}: {}", chain(&error)))?;
            let (sender, committed) = unbounded();
            pumps.committed.push((id.clone(), sender));
            let pump = Pump {
                meter: config.meters.source(acquisition, source.as_ref()),
                source,
                register: Arc::clone(&self.register),
                intake: Arc::clone(&self.intake),
                committed,
                is_ready: is_ready.clone(),
                words: self.words.clone(),
                stop: Arc::clone(&self.stop),
            };
            pumps
                .threads
                .push(spawn(&format!("source-{id}"), move || pump.run())?);
        }
        Ok(pumps)
    }
}

/// The job itself, whose partitions come by its intake.
fn job(
    config: &Config,
    live: Live,
    outputs: Sender<Output>,
    progress: &Arc<Progress>,
    register: &Arc<Register>,
) -> Job {
    config.meters.started(JobMeters {
        progress: Arc::clone(progress),
        register: Arc::clone(register),
        intake: Arc::clone(&live.intake),
        stop: Arc::clone(&config.settings.stop),
        alerts: config.alerts.clone(),
        node: config.node.clone(),
        has_checkpoints: config.checkpoints.is_some(),
    });
    Job {
        plan: Arc::clone(&config.plan),
        settings: Settings {
            // It closes partitions, as if they had ended. This job is left where it stands, by `halt`.
            stop: Arc::default(),
            ..config.settings.clone()
        },
        layout: Layout::Threads(config.workers),
        partitions: Vec::new(),
        outputs: Some(outputs),
        recorder: None,
        progress: Arc::clone(progress),
        live: Some(live),
    }
}

/// The threads of a live job.
struct Running {
    job: JoinHandle<Result<Stats, overspill_dataflow::JobError>>,
    journal: JoinHandle<Result<()>>,
    keeper: Option<JoinHandle<Result<()>>>,
    pumps: Vec<JoinHandle<()>>,
    intake: Arc<Intake>,
    stop: Arc<AtomicBool>,
    /// Tells the keeper to make a last checkpoint.
    is_last: Arc<AtomicBool>,
    halt: Arc<AtomicBool>,
    warnings: Arc<Warnings>,
    progress: Arc<Progress>,
    clock: Clock,
    idle_ns: i64,
    /// Sources that have said what they begin with.
    ready: Receiver<()>,
}

impl Running {
    fn start(
        config: Config,
        restored: Option<Restored>,
        kept: Kept,
        keeper: Option<Keeper>,
        journal: Journal,
        clock: &Clock,
        words: Sender<Word>,
    ) -> Result<Self> {
        let intake = Arc::new(Intake::default());
        let halt = Arc::new(AtomicBool::new(false));
        let is_last = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&config.settings.stop);
        let wanted = Arc::new(AtomicU64::new(0));
        let asked_ns = Arc::new(AtomicI64::new(i64::MAX));
        let register = Arc::new(Register::new(kept.points, &config.node));
        let (pieces, given_pieces) = unbounded();
        let (acks, acked) = unbounded();
        let (outputs, given) = bounded(OUTPUTS_IN_FLIGHT);
        let progress = Arc::new(Progress::default());
        let pumping = Pumping {
            register: Arc::clone(&register),
            intake: Arc::clone(&intake),
            clock: Arc::clone(clock),
            words: words.clone(),
            stop: Arc::clone(&halt),
            known: kept.sources,
        };
        let Pumps {
            threads: pumps,
            committed,
            ready,
        } = pumping.start(&config)?;
        let checkpoints = keeper.as_ref().map(|_| Checkpoints {
            wanted: Arc::clone(&wanted),
            pieces,
        });
        let keeper = keeper
            .map(|keeper| {
                let keeper = keeper.with(keeper::Surroundings {
                    wanted,
                    pieces: given_pieces,
                    asked_ns: Arc::clone(&asked_ns),
                    acked,
                    register: Arc::clone(&register),
                    committed,
                    content: config.content.clone(),
                    every: config.every,
                    clock: Arc::clone(clock),
                    words: words.clone(),
                    is_last: Arc::clone(&is_last),
                    halt: Arc::clone(&halt),
                });
                spawn("keeper", move || keeper.run())
            })
            .transpose()?;
        let live = Live {
            intake: Arc::clone(&intake),
            checkpoints,
            restored,
            halt: Arc::clone(&halt),
        };
        let job = job(&config, live, outputs, &progress, &register);
        let journal = journal.with(given, asked_ns, acks, keeper.is_some(), words);
        Ok(Self {
            job: spawn("job", move || job.run())?,
            journal: spawn("journal", move || journal.run())?,
            keeper,
            pumps,
            intake,
            stop,
            is_last,
            halt,
            warnings: config.warnings,
            progress,
            clock: Arc::clone(clock),
            idle_ns: config.settings.idle_ns,
            ready,
        })
    }

    /// Looks after the job until its end.
    fn attend(self, told: Receiver<Word>, mut tell: impl FnMut(Word)) -> Result<Ended> {
        let began_ns = (self.clock)();
        let mut is_gate_open = false;
        let mut stopping_ns = None;
        loop {
            match told.recv_timeout(LOOK) {
                Ok(word) => tell(word),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now_ns = (self.clock)();
            let waited = |since_ns: i64, limit: Duration| {
                u128::try_from(now_ns.saturating_sub(since_ns)).unwrap_or(0) > limit.as_nanos()
            };
            if !is_gate_open {
                let are_ready = self.ready.len() == self.pumps.len();
                is_gate_open = are_ready || waited(began_ns, GATE_WAIT);
                if is_gate_open {
                    if !are_ready {
                        tell(Word::Trouble(
                            "a source does not say what it has; it begins later".to_owned(),
                        ));
                    }
                    self.intake.open_gate();
                }
            } else {
                self.intake.idle(now_ns.saturating_sub(self.idle_ns));
            }
            if self.pumps.iter().all(JoinHandle::is_finished) {
                self.intake.close();
            }
            if self.job.is_finished() {
                break;
            }
            let has_no_keeper = self.keeper.as_ref().is_some_and(JoinHandle::is_finished);
            if has_no_keeper || self.journal.is_finished() {
                // Nothing would be kept, or written, any more: end, as after a crash.
                self.halt.store(true, Ordering::SeqCst);
            }
            if self.stop.load(Ordering::SeqCst) {
                let since_ns = *stopping_ns.get_or_insert(now_ns);
                self.is_last.store(true, Ordering::SeqCst);
                if self.keeper.is_none() || waited(since_ns, LAST_WAIT) {
                    self.halt.store(true, Ordering::SeqCst);
                }
            }
        }
        self.finish(told, tell)
    }

    fn finish(self, told: Receiver<Word>, mut tell: impl FnMut(Word)) -> Result<Ended> {
        let stats = self.job.join().map_err(|_| anyhow!("the job panicked"))?;
        while !self.journal.is_finished() {
            if let Ok(word) = told.recv_timeout(LOOK) {
                tell(word);
            }
        }
        let written = self
            .journal
            .join()
            .map_err(|_| anyhow!("the journal panicked"))?;
        self.halt.store(true, Ordering::SeqCst);
        for pump in self.pumps {
            pump.join().map_err(|_| anyhow!("a source panicked"))?;
        }
        let kept = match self.keeper {
            Some(keeper) => keeper
                .join()
                .map_err(|_| anyhow!("the keeper of checkpoints panicked"))?,
            None => Ok(()),
        };
        told.try_iter().for_each(&mut tell);
        written?;
        kept?;
        let mut stats = stats?;
        self.warnings.move_to(&mut stats);
        for (text, n) in &stats.warnings {
            tell(Word::Trouble(format!("{text} ({n} times)")));
        }
        Ok(Ended {
            lines: self.progress.lines(),
            alerts: self.progress.alerts(),
        })
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    // Names of threads are cut by the system, and must not hold a zero.
    let name: String = name
        .chars()
        .filter(|letter| *letter != '\0')
        .take(15)
        .collect();
    std::thread::Builder::new()
        .name(name)
        .spawn(work)
        .context("start a thread")
}
