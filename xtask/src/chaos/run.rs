//! One run: the plan is carried out, the lines are read to their end, and what was given is compared with a replay.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::alerts::{Alerts, Difference};
use super::broker::Broker;
use super::feed::{Feed, Written, locked, truth_of};
use super::files::LogFile;
use super::inputs::inputs;
use super::job::{Job, LATENESS, Launcher};
use super::plan::{Again, Fault, Layout, Plan, Rotation};
use super::record::Record;
use super::rng::Rng;
use super::store::Store;
use super::world::{Disk, FalseClock};

/// Longest wait for something that has to happen.
const PATIENCE: Duration = Duration::from_secs(300);
/// Longest wait for a checkpoint to begin.
const CHECKPOINT_WAIT: Duration = Duration::from_secs(3);
/// How often the job is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// A job that a full disk has ended is started again after this, and what waits for a job is tried again.
const AGAIN_MS: u64 = 300;

/// What all runs share.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) root: PathBuf,
    pub(crate) program: PathBuf,
    pub(crate) clock_library: Option<PathBuf>,
    pub(crate) has_processes: bool,
    pub(crate) broker: Option<Broker>,
    /// Runs that were good leave what they have, too.
    pub(crate) keeps: bool,
}

/// Something that is to be done at its time.
#[derive(Debug)]
enum Due {
    Fault(Fault),
    Start(Layout),
    KillAgain(Again),
    Thaw,
    LaunchBroker,
    ClearNetwork,
    FreeState,
    FreeAlerts,
    RightClock,
    LetGo(usize),
}

/// Carries out a plan below `dir`.
pub(crate) fn run(plan: &Plan, dir: &Path, around: &mut Surroundings) -> Result<Record> {
    let since = Instant::now();
    let _there = fs::remove_dir_all(dir);
    fs::create_dir_all(dir.join("logs"))?;
    fs::write(dir.join("plan.txt"), plan.to_string())?;
    let mut run = Run::new(plan, dir, around)?;
    let failure = run.carry_out().err();
    let _ended = run.job.take().map(Job::kill);
    run.record.failure = failure.map(|error| format!("{error:#}"));
    run.record.took = since.elapsed();
    run.leave()
}

struct Run<'a> {
    plan: &'a Plan,
    dir: &'a Path,
    around: &'a mut Surroundings,
    launcher: Launcher,
    state: Disk,
    alerts: Disk,
    clock: Option<FalseClock>,
    store: Store,
    files: Vec<Arc<Mutex<LogFile>>>,
    job: Option<Job>,
    /// Processes that had a clock of their own.
    pids: BTreeSet<u32>,
    is_frozen: bool,
    is_state_full: bool,
    is_alerts_full: bool,
    /// A disk was full since the job was started, so it may end.
    may_end: bool,
    since: Instant,
    due: BTreeMap<(u64, u64), Due>,
    n_due: u64,
    rng: Rng,
    record: Record,
    written: Arc<Written>,
    feed: Option<JoinHandle<Result<()>>>,
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, dir: &'a Path, around: &'a mut Surroundings) -> Result<Self> {
        let state = Disk::new(dir.join("state"))?;
        let alerts = Disk::new(dir.join("alerts"))?;
        let jumps = |(_, fault): &(u64, Fault)| match fault {
            Fault::Jump { by_s, .. } => Some(by_s * 1_000),
            _ => None,
        };
        // A clock that is read from a file is slow: only who needs it has it.
        let jump_ms = plan.faults.iter().filter_map(jumps).max();
        let clock = match (&around.clock_library, jump_ms) {
            (Some(library), Some(_)) => Some(FalseClock::new(library, dir.join("clock"))?),
            _ => None,
        };
        let launcher = Launcher {
            program: around.program.clone(),
            acquis: dir.join("acquis.yaml"),
            state: state.dir().to_owned(),
            alerts: alerts.dir().join("alerts.jsonl"),
            log: dir.join("job.log"),
            has_processes: around.has_processes,
            clock: clock.as_ref().map_or_else(Vec::new, FalseClock::variables),
        };
        let (places, files, acquis) = inputs(plan, dir, around.broker.as_mut())?;
        fs::write(&launcher.acquis, acquis)?;
        let written = Arc::<Written>::default();
        let feed = Feed::new(plan, dir, places, jump_ms.unwrap_or(0).max(0), &written)?;
        let feed = std::thread::Builder::new()
            .name("feed".to_owned())
            .spawn(move || feed.run())
            .context("start a thread")?;
        Ok(Self {
            plan,
            dir,
            around,
            store: Store::new(state.dir().join("checkpoints")),
            launcher,
            state,
            alerts,
            clock,
            files,
            job: None,
            pids: BTreeSet::new(),
            is_frozen: false,
            is_state_full: false,
            is_alerts_full: false,
            may_end: false,
            since: Instant::now(),
            due: BTreeMap::new(),
            n_due: 0,
            rng: Rng::new(plan.seed, 3),
            record: Record::default(),
            written,
            feed: Some(feed),
        })
    }

    fn carry_out(&mut self) -> Result<()> {
        self.at(self.plan.backlog_ms, Due::Start(self.plan.first));
        for (at_ms, fault) in &self.plan.faults {
            self.at(*at_ms, Due::Fault(*fault));
        }
        while !self.due.is_empty() || !self.is_fed() {
            let next = self.due.first_key_value().map(|((at_ms, _), _)| *at_ms);
            if next.is_some_and(|at_ms| self.now_ms() >= at_ms)
                && let Some((_, due)) = self.due.pop_first()
            {
                self.execute(due)?;
            }
            self.look()?;
            std::thread::sleep(LOOK);
        }
        if let Some(feed) = self.feed.take() {
            feed.join()
                .map_err(|_| anyhow!("the writing thread panicked"))?
                .context("write the lines")?;
        }
        if self.job.is_none() {
            self.start(self.plan.last)?;
        }
        self.settle()?;
        self.end()?;
        self.compare()
    }

    fn is_fed(&self) -> bool {
        self.feed.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn now_ms(&self) -> u64 {
        self.since.elapsed().as_millis() as u64
    }

    fn at(&mut self, at_ms: u64, due: Due) {
        self.n_due += 1;
        self.due.insert((at_ms, self.n_due), due);
    }

    fn after(&mut self, ms: u64, due: Due) {
        self.at(self.now_ms() + ms, due);
    }

    fn start(&mut self, layout: Layout) -> Result<()> {
        if self.job.is_some() {
            return Ok(());
        }
        self.may_end = self.is_state_full || self.is_alerts_full;
        let job = self.launcher.start(layout)?;
        self.pids.extend(job.pids());
        self.job = Some(job);
        self.record.n_starts += 1;
        Ok(())
    }

    /// Kills the job, if there is one.
    fn kill(&mut self) -> Result<bool> {
        let Some(job) = self.job.take() else {
            return Ok(false);
        };
        self.record.first_alerts_ms.extend(job.first_alert_ms);
        self.is_frozen = false;
        self.pids.extend(job.pids());
        job.kill()?;
        Ok(true)
    }

    fn kill_until(&mut self, again: Again) -> Result<bool> {
        let is_killed = self.kill()?;
        if is_killed {
            self.after(again.down_ms, Due::Start(again.layout));
        }
        Ok(is_killed)
    }

    /// Sees whether the job has ended, which it only may when a disk is full.
    fn look(&mut self) -> Result<()> {
        let Some(job) = &mut self.job else {
            return Ok(());
        };
        job.see_alerts(&self.launcher.alerts);
        let Some(status) = job.ended()? else {
            return Ok(());
        };
        self.record.first_alerts_ms.extend(job.first_alert_ms);
        self.job = None;
        if !self.may_end || status.code() != Some(1) {
            bail!(
                "the job ended by itself ({status}):\n{}",
                self.launcher.last_words()
            );
        }
        self.after(AGAIN_MS, Due::Start(self.plan.last));
        Ok(())
    }

    fn execute(&mut self, due: Due) -> Result<()> {
        match due {
            // One that needs a job waits until there is one again.
            Due::Fault(fault) if fault.is_of_job() && self.job.is_none() => {
                self.after(AGAIN_MS, Due::Fault(fault));
            }
            // A first start waits ten seconds for a broker; what is read after that is in another order than a replay's.
            Due::Fault(fault) if fault.is_of_broker() && self.store.as_of_ns().is_none() => {
                self.after(AGAIN_MS, Due::Fault(fault));
            }
            Due::Fault(fault) => {
                if self.apply(fault)? {
                    *self.record.faults.entry(fault.name()).or_default() += 1;
                }
            }
            Due::Start(layout) => self.start(layout)?,
            Due::KillAgain(again) => {
                self.kill_until(again)?;
            }
            Due::Thaw => {
                if let (Some(job), true) = (&self.job, self.is_frozen) {
                    job.freeze(false)?;
                    self.is_frozen = false;
                }
            }
            Due::LaunchBroker => {
                if let Some(broker) = &mut self.around.broker {
                    broker.launch()?;
                }
            }
            Due::ClearNetwork => {
                if let Some(broker) = &self.around.broker {
                    broker.proxy.clear();
                }
            }
            Due::FreeState => {
                self.is_state_full = false;
                self.state.free()?;
            }
            Due::FreeAlerts => {
                self.is_alerts_full = false;
                self.alerts.free()?;
            }
            Due::RightClock => {
                if let Some(clock) = &self.clock {
                    clock.set(0)?;
                }
            }
            Due::LetGo(at) => {
                if let Some(file) = self.files.get(at) {
                    locked(file).let_go()?;
                }
            }
        }
        Ok(())
    }

    /// Does something bad; answers whether it could be done.
    fn apply(&mut self, fault: Fault) -> Result<bool> {
        match fault {
            Fault::Kill(again) => self.kill_until(again),
            Fault::KillAtStart { after_ms, again } => {
                let is_killed = self.kill_until(again)?;
                if is_killed {
                    self.after(again.down_ms + after_ms, Due::KillAgain(again));
                }
                Ok(is_killed)
            }
            Fault::KillInCheckpoint { after_us, again } => {
                if self.job.is_some() && !self.is_frozen {
                    self.await_checkpoint();
                    std::thread::sleep(Duration::from_micros(after_us));
                }
                self.kill_until(again)
            }
            Fault::KillChild if !self.around.has_processes => Ok(self.cannot(&fault)),
            Fault::KillChild => match &self.job {
                Some(job) => {
                    self.pids.extend(job.pids());
                    job.kill_child(self.rng.next())
                }
                None => Ok(false),
            },
            Fault::Stop(again) => self.stop(again),
            Fault::Freeze { for_ms } => {
                let Some(job) = &self.job else {
                    return Ok(false);
                };
                job.freeze(true)?;
                self.is_frozen = true;
                self.after(for_ms, Due::Thaw);
                Ok(true)
            }
            Fault::Damage { harm, again } => {
                if !self.kill_until(again)? {
                    return Ok(false);
                }
                let done = self.store.damage(harm, &mut self.rng)?;
                if let Some(done) = &done {
                    self.note(&format!("damaged: {done}"))?;
                }
                Ok(done.is_some())
            }
            Fault::Rotate { file, how } => self.rotate(file, how),
            Fault::FillState { for_ms } if self.state.can_be_filled() => {
                self.state.fill()?;
                (self.is_state_full, self.may_end) = (true, true);
                self.after(for_ms, Due::FreeState);
                Ok(true)
            }
            Fault::FillAlerts { for_ms } if self.alerts.can_be_filled() => {
                self.alerts.fill()?;
                (self.is_alerts_full, self.may_end) = (true, true);
                self.after(for_ms, Due::FreeAlerts);
                Ok(true)
            }
            Fault::FillState { .. } | Fault::FillAlerts { .. } => Ok(self.cannot(&fault)),
            Fault::Jump { by_s, for_ms } => {
                let Some(clock) = &self.clock else {
                    return Ok(self.cannot(&fault));
                };
                clock.set(by_s)?;
                self.after(for_ms, Due::RightClock);
                Ok(true)
            }
            Fault::KillBroker { .. } | Fault::Stall { .. } | Fault::Delay { .. } | Fault::Reset => {
                self.apply_to_broker(fault)
            }
        }
    }

    fn apply_to_broker(&mut self, fault: Fault) -> Result<bool> {
        let Some(broker) = &mut self.around.broker else {
            return Ok(false);
        };
        let (undo, after_ms) = match fault {
            Fault::KillBroker { down_ms } => {
                if !broker.kill()? {
                    return Ok(false);
                }
                (Due::LaunchBroker, down_ms)
            }
            Fault::Stall { for_ms } => {
                broker.proxy.stall(true);
                (Due::ClearNetwork, for_ms)
            }
            Fault::Delay { by_ms, for_ms } => {
                broker.proxy.delay(by_ms);
                (Due::ClearNetwork, for_ms)
            }
            _ => {
                broker.proxy.reset();
                return Ok(true);
            }
        };
        self.after(after_ms, undo);
        Ok(true)
    }

    fn cannot(&mut self, fault: &Fault) -> bool {
        *self.record.impossible.entry(fault.name()).or_default() += 1;
        false
    }

    /// Asks the job to end, and waits for it.
    fn stop(&mut self, again: Again) -> Result<bool> {
        if self.is_frozen || self.job.is_none() {
            return Ok(false);
        }
        self.end()?;
        self.after(again.down_ms, Due::Start(again.layout));
        Ok(true)
    }

    fn end(&mut self) -> Result<()> {
        let Some(job) = &mut self.job else {
            return Ok(());
        };
        job.ask_to_end()?;
        let until = Instant::now() + PATIENCE;
        let status = loop {
            job.see_alerts(&self.launcher.alerts);
            if let Some(status) = job.ended()? {
                break status;
            }
            if Instant::now() > until {
                bail!("the job does not end:\n{}", self.launcher.last_words());
            }
            std::thread::sleep(LOOK);
        };
        self.record.first_alerts_ms.extend(job.first_alert_ms);
        self.job = None;
        // Before it listens to signals, one ends it.
        if matches!(status.code(), Some(0) | None) || self.may_end {
            return Ok(());
        }
        bail!(
            "the job did not end well ({status}):\n{}",
            self.launcher.last_words()
        )
    }

    /// Waits until something of a checkpoint is written.
    fn await_checkpoint(&self) {
        let (before, until) = (self.store.traces(), Instant::now() + CHECKPOINT_WAIT);
        while self.store.traces() == before && Instant::now() < until {
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    fn rotate(&mut self, file: u64, how: Rotation) -> Result<bool> {
        // What was rotated away before anybody knew the file is nobody's.
        if self.files.is_empty() || self.store.as_of_ns().is_none() {
            return Ok(false);
        }
        let at = file as usize % self.files.len();
        let mut file = locked(&self.files[at]);
        match how {
            Rotation::Copy => Ok(file.copy_and_truncate()?),
            Rotation::Rename { held_ms } => {
                if !file.rename()? {
                    return Ok(false);
                }
                drop(file);
                self.after(held_ms, Due::LetGo(at));
                Ok(true)
            }
        }
    }

    fn note(&self, text: &str) -> Result<()> {
        use std::io::Write as _;
        let mut log = fs::File::options()
            .create(true)
            .append(true)
            .open(&self.launcher.log)?;
        writeln!(log, "---- {text}")?;
        Ok(())
    }

    /// Waits until a checkpoint says that everything up to the last line is final and written.
    fn settle(&mut self) -> Result<()> {
        let wanted_ns = self.written.newest_ms.load(Ordering::SeqCst) * 1_000_000;
        let until = Instant::now() + PATIENCE;
        let mut seen = None;
        while seen.is_none_or(|as_of_ns| as_of_ns < wanted_ns) {
            if Instant::now() > until {
                let behind = seen.map_or(0, |as_of_ns| (wanted_ns - as_of_ns) / 1_000_000);
                bail!(
                    "the alerts do not become final (the newest checkpoint is {behind} ms behind):\n{}",
                    self.launcher.last_words()
                );
            }
            self.look()?;
            if let Some(Due::Start(layout)) = self.due.pop_first().map(|(_, due)| due) {
                self.start(layout)?;
            }
            seen = self.store.as_of_ns();
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Compares with a replay of the same lines that nothing happened to.
    fn compare(&mut self) -> Result<()> {
        let expected = self.dir.join("expected.jsonl");
        let truths = (0..self.plan.n_partitions()).map(|at| truth_of(self.dir, at));
        let output = Command::new(&self.launcher.program)
            .arg("replay")
            .args(truths)
            .args(["--type", "syslog", "--lateness", LATENESS, "-o", "json"])
            .arg("--alerts")
            .arg(&expected)
            .output()
            .context("replay the lines")?;
        if !output.status.success() {
            bail!("replay: {}", String::from_utf8_lossy(&output.stderr));
        }
        let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let n_clamped = report["counters"]["clamped"].as_u64();
        if n_clamped != Some(0) {
            bail!(
                "the lines are not what they should be: {n_clamped:?} are older than the lateness allows"
            );
        }
        let (given, truth) = (
            Alerts::read(&self.launcher.alerts)?,
            Alerts::read(&expected)?,
        );
        if truth.standing.is_empty() {
            bail!("the lines give no alerts");
        }
        self.record.n_alerts = truth.standing.values().sum();
        self.record.n_withdrawn = given.n_withdrawn;
        self.record.difference = Difference::of(&given.standing, &truth.standing);
        Ok(())
    }

    /// Undoes what is left of faults and gives what was found. A run that was not good leaves all it has.
    fn leave(mut self) -> Result<Record> {
        self.written.is_over.store(true, Ordering::SeqCst);
        if let Some(broker) = &mut self.around.broker {
            broker.proxy.clear();
            broker.launch()?;
        }
        if let Some(feed) = self.feed.take() {
            let _why_is_told = feed.join();
        }
        if let Some(clock) = &self.clock {
            clock.sweep(&self.pids);
        }
        self.record.n_lines = self.written.n_lines.load(Ordering::SeqCst);
        self.record.n_late = self.written.n_late.load(Ordering::SeqCst);
        let log = fs::read(&self.launcher.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        self.record.n_fallbacks = log.matches("cannot be used").count();
        if self.around.keeps || !self.record.is_good() {
            self.state.keep()?;
            self.alerts.keep()?;
            return Ok(self.record);
        }
        drop((self.state, self.alerts));
        fs::remove_dir_all(self.dir)?;
        Ok(self.record)
    }
}
