//! The threads of a live job, and who looks after them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, never, unbounded};
use overspill_connectors::Resume;
use overspill_connectors::source::Clock;
use overspill_dataflow::checkpoint::Piece;
use overspill_dataflow::intake::Intake;
use overspill_dataflow::post::{Letter, Post};
use overspill_dataflow::restart::StashBytes;
use overspill_dataflow::{Job, JobError, Layout, Live, Output, Progress, Settings, Stats};

use super::begin::Begun;
use super::clerk::Clerk;
use super::journal::{Ack, Journal, Scribe};
use super::keeper::{self, Keeper};
use super::loss::Loss;
use super::message::{Message, Peers};
use super::metrics::JobMeters;
use super::outlet::{Name, Patience, Register};
use super::part::{PartMaker, Place};
use super::places;
use super::reload::{Digest, Reload};
use super::sources::{Committed, Pump, key};
use super::{Config, Ended, LOOK, Word};
use crate::warnings::Warnings;
use crate::wire::chain;

/// Outputs in flight between the job and the journal.
const OUTPUTS_IN_FLIGHT: usize = 1_024;
/// How long a source may take to say what it begins with before the others go on without it.
const GATE_WAIT: Duration = Duration::from_secs(10);
/// How long a job that is to stop may take for its last checkpoint.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// What tells the threads of a job to end.
#[derive(Clone)]
pub(super) struct Ends {
    /// In order.
    stop: Arc<AtomicBool>,
    /// With the next checkpoint.
    is_last: Arc<AtomicBool>,
    /// At once.
    pub(super) halt: Arc<AtomicBool>,
}

impl Ends {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            stop: Arc::clone(&config.settings.stop),
            is_last: Arc::default(),
            halt: Arc::default(),
        }
    }
}

/// The threads of sources.
struct Pumps {
    threads: Vec<JoinHandle<()>>,
    committed: Committed,
    /// Told by each source once it has said what it begins with.
    ready: Receiver<()>,
}

/// What the threads of sources share.
struct Pumping {
    register: Arc<Register>,
    intake: Arc<Intake>,
    clock: Clock,
    words: Sender<Word>,
    halt: Arc<AtomicBool>,
}

impl Pumping {
    fn new(
        register: &Arc<Register>,
        intake: &Arc<Intake>,
        clock: &Clock,
        words: &Sender<Word>,
        ends: &Ends,
    ) -> Self {
        Self {
            register: Arc::clone(register),
            intake: Arc::clone(intake),
            clock: Arc::clone(clock),
            words: words.clone(),
            halt: Arc::clone(&ends.halt),
        }
    }

    /// Starts the sources of this process.
    fn start(self, config: &Config, begun: &Begun) -> Result<Pumps> {
        let (is_ready, ready) = unbounded();
        let mut pumps = Pumps {
            threads: Vec::new(),
            committed: Committed::default(),
            ready,
        };
        for acquisition in &config.acquisitions {
            if !acquisition.is_shared() && !begun.reads_node {
                continue;
            }
            let id = &acquisition.id;
            let key = key(acquisition, &config.node);
            // One that is new begins as it is configured to, not at the beginning of everything.
            let resume = match begun.kept.sources.contains(&key) {
                true => Resume::From(self.register.positions(&key)),
                false => Resume::First,
            };
            let source = acquisition
                .share(begun.index, begun.n)
                .build(resume, Arc::clone(&self.clock))
                .map_err(|error| anyhow!("source {id}: {}", chain(&error)))?;
            let (sender, committed) = unbounded();
            pumps.committed.0.insert(key.clone(), sender);
            let pump = Pump {
                meter: config.meters.source(acquisition, source.as_ref()),
                key,
                source,
                register: Arc::clone(&self.register),
                intake: Arc::clone(&self.intake),
                committed,
                is_ready: is_ready.clone(),
                words: self.words.clone(),
                patience: Patience {
                    skew: config.skew,
                    idle_ns: config.settings.idle_ns,
                },
                clock: Arc::clone(&self.clock),
                stop: Arc::clone(&self.halt),
            };
            self.intake.hold();
            pumps
                .threads
                .push(spawn(&format!("source-{id}"), move || pump.run())?);
        }
        Ok(pumps)
    }
}

/// What whoever makes checkpoints is given by the other threads.
struct Desk {
    maker: Option<PartMaker>,
    wanted: Arc<AtomicU64>,
    pieces: Receiver<Piece>,
    asked_ns: Arc<AtomicI64>,
    acked: Receiver<Ack>,
    peers: Peers,
    letters: Receiver<Letter>,
    committed: Committed,
    sources: BTreeSet<String>,
}

impl Desk {
    /// Starts the thread: the keeper in process 0, a clerk in the others, and in a job without checkpoints.
    fn man(
        self,
        keeper: Option<Keeper>,
        config: &Config,
        clock: &Clock,
        words: &Sender<Word>,
        ends: &Ends,
    ) -> Result<JoinHandle<Result<()>>> {
        match (keeper, self.maker) {
            (Some(keeper), Some(maker)) => {
                let keeper = keeper.with(keeper::Surroundings {
                    wanted: self.wanted,
                    pieces: self.pieces,
                    maker,
                    asked_ns: self.asked_ns,
                    acked: self.acked,
                    peers: self.peers,
                    letters: self.letters,
                    committed: self.committed,
                    sources: self.sources,
                    content: config.content.clone(),
                    every: config.every,
                    clock: Arc::clone(clock),
                    words: words.clone(),
                    reload: Arc::clone(&config.reload),
                    stop: Arc::clone(&ends.stop),
                    is_last: Arc::clone(&ends.is_last),
                    halt: Arc::clone(&ends.halt),
                });
                spawn("keeper", move || {
                    give_way();
                    keeper.run()
                })
            }
            (_, maker) => {
                let clerk = Clerk {
                    maker,
                    pieces: self.pieces,
                    peers: self.peers,
                    letters: self.letters,
                    committed: self.committed,
                    stop: Arc::clone(&ends.stop),
                    reload: Arc::clone(&config.reload),
                    halt: Arc::clone(&ends.halt),
                    untold: BTreeMap::new(),
                };
                spawn("clerk", move || {
                    give_way();
                    clerk.run()
                })
            }
        }
    }
}

/// On a machine without a free CPU the calling thread has a tenth of what another one has: alerts come before
/// checkpoints, which still come.
fn give_way() {
    // Elsewhere this is a matter of the whole process.
    #[cfg(target_os = "linux")]
    let _as_before = rustix::process::nice(10);
}

/// Writes what this process adds to checkpoints, in a job that makes some.
fn maker(
    config: &Config,
    begun: &Begun,
    register: Arc<Register>,
    committed: &Committed,
    restored_ns: Option<i64>,
    stashes: BTreeMap<Name, StashBytes>,
) -> Option<PartMaker> {
    let vault = begun.vault.as_ref()?;
    Some(PartMaker::new(Place {
        store: Arc::clone(vault.store()),
        generation: begun.generation,
        process: begun.index,
        workers: config.workers,
        register,
        sources: committed.keys(),
        restored_ns,
        stashes,
    }))
}

/// What writes the alerts of the job, in the process that has the journal.
fn scribe(
    journal: Option<Journal>,
    asked_ns: Arc<AtomicI64>,
    acks: Sender<Ack>,
    has_checkpoints: bool,
    words: Sender<Word>,
) -> (Option<Sender<Output>>, Option<Scribe>) {
    let Some(journal) = journal else {
        return (None, None);
    };
    let (outputs, given) = bounded(OUTPUTS_IN_FLIGHT);
    let scribe = journal.with(given, asked_ns, acks, has_checkpoints, words);
    (Some(outputs), Some(scribe))
}

/// The job itself, whose partitions come by its intake.
fn job(
    config: &Config,
    begun: &mut Begun,
    live: Live,
    outputs: Option<Sender<Output>>,
    progress: &Arc<Progress>,
    register: &Arc<Register>,
) -> Job {
    config.meters.started(JobMeters {
        progress: Arc::clone(progress),
        register: Arc::clone(register),
        intake: Arc::clone(&live.intake),
        stop: Arc::clone(&config.settings.stop),
        alerts: places::first_file(&config.alerts),
        node: config.node.clone(),
        has_checkpoints: config.checkpoints.is_some(),
        has_sources: !config.acquisitions.is_empty(),
    });
    let layout = match begun.n {
        1 => Layout::Threads(config.workers),
        _ => Layout::Process {
            threads: config.workers,
            index: begun.index,
            sockets: std::mem::take(&mut begun.sockets),
        },
    };
    Job {
        plan: Arc::clone(&config.plan),
        settings: Settings {
            // It closes partitions, as if they had ended. This job is left where it stands, by `halt`.
            stop: Arc::default(),
            ..config.settings.clone()
        },
        layout,
        partitions: Vec::new(),
        outputs,
        recorder: None,
        progress: Arc::clone(progress),
        live: Some(live),
    }
}

/// A live job at work.
pub(super) struct Running {
    job: JoinHandle<Result<Stats, JobError>>,
    /// In process 0.
    journal: Option<JoinHandle<Result<()>>>,
    keeper: JoinHandle<Result<()>>,
    pumps: Vec<JoinHandle<()>>,
    intake: Arc<Intake>,
    ends: Ends,
    peers: Peers,
    has_checkpoints: bool,
    reload: Arc<Reload>,
    /// A peer has ended the connection.
    is_lost: Arc<AtomicBool>,
    warnings: Arc<Warnings>,
    progress: Arc<Progress>,
    clock: Clock,
    idle_ns: i64,
    /// Sources that have said what they begin with.
    ready: Receiver<()>,
}

impl Running {
    pub(super) fn start(
        config: Config,
        mut begun: Begun,
        journal: Option<Journal>,
        ends: Ends,
        clock: &Clock,
        words: Sender<Word>,
    ) -> Result<Self> {
        let restored = begun.restored(config.workers)?;
        let restored_ns = restored.as_ref().map(|restored| restored.upto_ns);
        let intake = Arc::new(Intake::default());
        let stashes = begun.kept.stashes();
        let register = Arc::new(Register::new(std::mem::take(&mut begun.kept.points)));
        let pumping = Pumping::new(&register, &intake, clock, &words, &ends);
        let pumps = pumping.start(&config, &begun)?;
        let (post, letters) = Post::new();
        let peers = Peers {
            post: Arc::clone(&post),
            index: begun.index,
            n: begun.n,
        };
        let maker = maker(
            &config,
            &begun,
            Arc::clone(&register),
            &pumps.committed,
            restored_ns,
            stashes,
        );
        let has_checkpoints = maker.is_some();
        let wanted = Arc::new(AtomicU64::new(0));
        let (given_pieces, pieces) = unbounded();
        let live = Live {
            intake: Arc::clone(&intake),
            checkpoints: maker
                .as_ref()
                .map(|maker| maker.checkpoints(&wanted, given_pieces)),
            restored,
            halt: Arc::clone(&ends.halt),
            post: (begun.n > 1).then_some(post),
        };
        let (acks, acked) = unbounded();
        let asked_ns = Arc::new(AtomicI64::new(i64::MAX));
        let desk = Desk {
            maker,
            wanted,
            // Without checkpoints there are none, which is not the job's end.
            pieces: if has_checkpoints { pieces } else { never() },
            asked_ns: Arc::clone(&asked_ns),
            acked,
            peers: peers.clone(),
            letters: if begun.n > 1 { letters } else { never() },
            committed: pumps.committed,
            sources: std::mem::take(&mut begun.kept.sources),
        };
        let keeper = desk.man(begun.keeper.take(), &config, clock, &words, &ends)?;
        let steps = Arc::clone(&config.meters.steps);
        let progress = Arc::new(Progress::measured_by(steps));
        let (outputs, scribe) = scribe(journal, asked_ns, acks, has_checkpoints, words);
        let job = job(&config, &mut begun, live, outputs, &progress, &register);
        Ok(Self {
            job: spawn("job", move || job.run())?,
            journal: scribe
                .map(|scribe| spawn("journal", move || scribe.run()))
                .transpose()?,
            keeper,
            pumps: pumps.threads,
            intake,
            ends,
            peers,
            has_checkpoints,
            reload: config.reload,
            is_lost: begun.is_lost,
            warnings: config.warnings,
            progress,
            clock: Arc::clone(clock),
            idle_ns: config.settings.idle_ns,
            ready: pumps.ready,
        })
    }

    /// Looks after the job until its end.
    pub(super) fn attend(self, told: Receiver<Word>, mut tell: impl FnMut(Word)) -> Result<Ended> {
        let began_ns = (self.clock)();
        let mut is_gate_open = false;
        let mut stopping_ns = None;
        let mut loss = Loss::default();
        loop {
            match told.recv_timeout(LOOK) {
                Ok(word) => tell(word),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(LOOK),
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
            let is_unwritten = self.journal.as_ref().is_some_and(JoinHandle::is_finished);
            if self.keeper.is_finished() || is_unwritten {
                // Nothing would be kept, or written, any more: end, as after a crash.
                self.ends.halt.store(true, Ordering::SeqCst);
            }
            if self.is_lost.load(Ordering::SeqCst) {
                loss.leave(now_ns, &self.ends.halt);
            }
            if let Some(digest) = self.reload.take_ready() {
                self.ready(digest);
            }
            if self.ends.stop.load(Ordering::SeqCst) {
                let is_first = stopping_ns.is_none();
                let since_ns = *stopping_ns.get_or_insert(now_ns);
                self.stop(is_first, waited(since_ns, LAST_WAIT));
            }
        }
        self.finish(told, loss.is_left && stopping_ns.is_none(), tell)
    }

    /// This process has compiled other content.
    fn ready(&self, digest: Digest) {
        let Peers { index, n, .. } = self.peers;
        if index > 0 {
            self.peers.tell(0, &Message::Ready { digest });
        } else if self.reload.hear(0, digest, n) {
            if self.has_checkpoints {
                self.ends.is_last.store(true, Ordering::SeqCst);
            } else {
                self.peers.tell_others(&Message::End { again: true });
                self.ends.halt.store(true, Ordering::SeqCst);
            }
        }
    }

    /// Ends in order: with a last checkpoint, which process 0 makes and the others ask for.
    fn stop(&self, is_first: bool, is_late: bool) {
        self.ends.is_last.store(true, Ordering::SeqCst);
        let is_leader = self.peers.index == 0;
        if !is_leader && is_first {
            self.peers.tell(0, &Message::Stop);
        }
        if is_late || (is_leader && !self.has_checkpoints) {
            self.peers.tell_others(&Message::End { again: false });
            self.ends.halt.store(true, Ordering::SeqCst);
        }
    }

    fn finish(
        self,
        told: Receiver<Word>,
        is_left: bool,
        mut tell: impl FnMut(Word),
    ) -> Result<Ended> {
        let stats = self.job.join().map_err(|_| anyhow!("the job panicked"))?;
        let mut written = Ok(());
        if let Some(journal) = self.journal {
            while !journal.is_finished() {
                if let Ok(word) = told.recv_timeout(LOOK) {
                    tell(word);
                }
            }
            let ended = journal.join();
            written = ended.map_err(|_| anyhow!("the journal panicked"))?;
        }
        self.ends.halt.store(true, Ordering::SeqCst);
        for pump in self.pumps {
            pump.join().map_err(|_| anyhow!("a source panicked"))?;
        }
        let kept = self.keeper.join();
        let kept = kept.map_err(|_| anyhow!("the keeper of checkpoints panicked"))?;
        told.try_iter().for_each(&mut tell);
        written?;
        kept?;
        let mut stats = stats?;
        if is_left {
            bail!("another process has left the job");
        }
        self.warnings.move_to(&mut stats);
        for (text, n) in &stats.warnings {
            tell(Word::Trouble(format!("{text} ({n} times)")));
        }
        Ok(Ended {
            lines: self.progress.lines(),
            alerts: self.progress.alerts(),
            again: self.reload.is_agreed(),
        })
    }
}

/// Starts a thread.
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
