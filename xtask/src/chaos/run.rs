//! One run: the plan is carried out, the lines are read to their end, and what was given is compared with a replay.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::alerts::{Alerts, Difference, Standing, active};
use super::content::{self, Content};
use super::fault::{Again, Fault, Layout};
use super::faults::Due;
use super::feed::{Feed, Written, truth_of};
use super::files::LogFile;
use super::inputs::inputs;
use super::job::{Job, LATENESS, Launcher};
use super::kinesis::Stream;
use super::machines::Machines;
use super::plan::Plan;
use super::record::Record;
use super::rng::Rng;
use super::servers::Servers;
use super::store::Store;
use super::wire::Topic;
use super::world::{Disk, FalseClock};

/// Longest wait for something that has to happen.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long processes may wait for one that was killed before they have met.
const MEET_WAIT: Duration = Duration::from_secs(12);
/// Longest time in which all processes have to end when one has: a peer counts as lost after ten seconds.
const FALL_WAIT: Duration = Duration::from_secs(60);
/// How often the job is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// A job that a full disk has ended is started again after this, and what waits for a job is tried again.
pub(super) const AGAIN_MS: u64 = 300;

/// What runs share that come one after the other.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    pub(crate) root: PathBuf,
    pub(crate) program: PathBuf,
    pub(crate) clock_library: Option<PathBuf>,
    pub(crate) has_processes: bool,
    pub(crate) servers: Servers,
    /// Which of those that go side by side.
    pub(crate) lane: usize,
    /// Runs that were good leave what they have, too.
    pub(crate) keeps: bool,
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

pub(crate) struct Run<'a> {
    pub(super) plan: &'a Plan,
    dir: &'a Path,
    pub(super) around: &'a mut Surroundings,
    pub(super) launcher: Launcher,
    pub(super) state: Disk,
    pub(super) alerts: Disk,
    pub(super) clock: Option<FalseClock>,
    pub(super) store: Store,
    pub(super) content: Content,
    pub(super) files: Vec<Arc<Mutex<LogFile>>>,
    pub(super) stream: Option<Stream>,
    topics: Vec<String>,
    /// A record in it makes the job reload.
    pub(super) orders: Option<Topic>,
    pub(super) machines: Option<Machines>,
    pub(super) job: Option<Job>,
    /// Processes that had a clock of their own.
    pub(super) pids: BTreeSet<u32>,
    pub(super) is_frozen: bool,
    pub(super) is_state_full: bool,
    pub(super) is_alerts_full: bool,
    pub(super) is_link_bad: bool,
    /// What may have ended the job since it was started.
    pub(super) may_end: MayEnd,
    falling_since: Option<Instant>,
    since: Instant,
    due: BTreeMap<(u64, u64), Due>,
    n_due: u64,
    pub(super) rng: Rng,
    pub(super) record: Record,
    written: Arc<Written>,
    feed: Option<JoinHandle<Result<()>>>,
}

/// Why a job may end by itself.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct MayEnd {
    /// A disk was full.
    pub(super) by_disk: bool,
    /// It was hung up on, perhaps before it listened to that.
    pub(super) by_hangup: bool,
    /// A process or a link was lost, and nobody but us starts the others again.
    pub(super) by_loss: bool,
}

impl MayEnd {
    fn is_any(self) -> bool {
        self.by_disk || self.by_hangup || self.by_loss
    }

    fn allows(self, status: ExitStatus, has_machines: bool) -> bool {
        // SIGHUP and SIGKILL; what a process says that has lost another one; other errors.
        let (hangup, kill, lost, failed) = (Some(1), Some(9), [Some(70), Some(75)], Some(1));
        if self.by_disk && status.code() == failed || self.by_hangup && status.signal() == hangup {
            return true;
        }
        let is_lost = lost.contains(&status.code()) || status.signal() == kill;
        has_machines && self.is_any() && is_lost
    }
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
        let content = Content::new(dir.join("hub"), &content::library())?;
        let machines = plan.n_machines.map(Machines::new).transpose()?;
        let wired = inputs(plan, dir, &mut around.servers)?;
        let launcher = Launcher {
            program: around.program.clone(),
            acquis: acquisitions(dir, &wired.acquis)?,
            hub: content.dir().to_owned(),
            state: state.dir().to_owned(),
            alerts: alerts.dir().join("alerts.jsonl"),
            log: dir.join("job.log"),
            has_processes: around.has_processes,
            variables: variables(clock.as_ref()),
            machines: machines.as_ref().map_or_else(Vec::new, Machines::enter),
            control: wired.orders.as_ref().map(|(_, address)| address.clone()),
            peers: dir.join("peers"),
            secret: dir.join("secret"),
        };
        if let Some(machines) = &machines {
            fs::write(&launcher.peers, machines.peers())?;
            secret(&launcher.secret)?;
        }
        let written = Arc::<Written>::default();
        let jump_ms = jump_ms.unwrap_or(0).max(0);
        let feed = Feed::new(plan, dir, wired.places, jump_ms, &written)?;
        let feed = std::thread::Builder::new()
            .name("feed".to_owned())
            .spawn(move || feed.run())
            .context("start a thread")?;
        Ok(Self {
            plan,
            dir,
            around,
            store: Store::new(state.dir().join("checkpoints")),
            content,
            launcher,
            state,
            alerts,
            clock,
            files: wired.files,
            stream: wired.stream,
            topics: wired.topics,
            orders: wired.orders.map(|(topic, _)| topic),
            machines,
            job: None,
            pids: BTreeSet::new(),
            is_frozen: false,
            is_state_full: false,
            is_alerts_full: false,
            is_link_bad: false,
            may_end: MayEnd::default(),
            falling_since: None,
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
        self.record.drive = self.since.elapsed();
        self.settle()?;
        self.end()?;
        self.record.settle = self.since.elapsed() - self.record.drive;
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

    pub(super) fn after(&mut self, ms: u64, due: Due) {
        self.at(self.now_ms() + ms, due);
    }

    pub(super) fn start(&mut self, layout: Layout) -> Result<()> {
        if self.job.is_some() {
            return Ok(());
        }
        self.falling_since = None;
        self.may_end = MayEnd {
            by_disk: self.is_state_full || self.is_alerts_full,
            by_hangup: false,
            by_loss: self.is_link_bad,
        };
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

    pub(super) fn kill_until(&mut self, again: Again) -> Result<bool> {
        let is_killed = self.kill()?;
        if is_killed {
            self.after(again.down_ms, Due::Start(again.layout));
        }
        Ok(is_killed)
    }

    /// Sees whether the job has ended, which it only may for a reason.
    fn look(&mut self) -> Result<()> {
        let Some(job) = &mut self.job else {
            return Ok(());
        };
        job.see_alerts(&self.launcher.alerts);
        let Some(ends) = job.ended()? else {
            if job.is_falling()? {
                let since = *self.falling_since.get_or_insert_with(Instant::now);
                let words = self.launcher.last_words();
                // Those that had not met the one that has ended wait for it, which an orchestrator would start.
                let are_waiting = words
                    .lines()
                    .next_back()
                    .is_some_and(|line| line.contains(": waiting "));
                if self.may_end.is_any() && are_waiting && since.elapsed() > MEET_WAIT {
                    self.kill()?;
                    self.record.n_ended += 1;
                    self.after(AGAIN_MS, Due::Start(self.plan.last));
                    return Ok(());
                }
                if since.elapsed() > FALL_WAIT {
                    bail!("some processes have ended and the others have not:\n{words}");
                }
            }
            return Ok(());
        };
        self.record.first_alerts_ms.extend(job.first_alert_ms);
        self.job = None;
        self.is_frozen = false;
        if let Some(status) = self.strange(&ends) {
            bail!(
                "the job ended by itself ({status}):\n{}",
                self.launcher.last_words()
            );
        }
        self.record.n_ended += 1;
        self.after(AGAIN_MS, Due::Start(self.plan.last));
        Ok(())
    }

    /// An end for which there was no reason.
    fn strange<'s>(&self, ends: &'s [ExitStatus]) -> Option<&'s ExitStatus> {
        let (may_end, has_machines) = (self.may_end, self.machines.is_some());
        ends.iter()
            .find(|status| !may_end.allows(**status, has_machines))
    }

    /// Asks the job to end, and waits for it.
    pub(super) fn stop(&mut self, again: Again) -> Result<bool> {
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
        let ends = loop {
            job.see_alerts(&self.launcher.alerts);
            if let Some(ends) = job.ended()? {
                break ends;
            }
            if Instant::now() > until {
                bail!("the job does not end:\n{}", self.launcher.last_words());
            }
            std::thread::sleep(LOOK);
        };
        self.record.first_alerts_ms.extend(job.first_alert_ms);
        self.job = None;
        // Before it listens to signals, one ends it.
        let mut bad = ends
            .iter()
            .filter(|status| !matches!(status.code(), Some(0) | None));
        match bad.find(|status| self.strange(std::slice::from_ref(*status)).is_some()) {
            None => Ok(()),
            Some(status) => bail!(
                "the job did not end well ({status}):\n{}",
                self.launcher.last_words()
            ),
        }
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
            .arg("--hub")
            .arg(content::library())
            .arg("--all")
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
        let active = self.active()?;
        let difference = Difference::of(&active, &given.decided);
        self.record.difference.add(difference);
        Ok(())
    }

    /// What is active by the decision log of the job.
    fn active(&self) -> Result<Standing> {
        let output = Command::new(&self.launcher.program)
            .args(["decisions", "log", "-o", "json", "--state"])
            .arg(self.state.dir())
            .output()
            .context("read the decision log")?;
        if !output.status.success() {
            bail!("decision log: {}", String::from_utf8_lossy(&output.stderr));
        }
        active(&String::from_utf8_lossy(&output.stdout))
    }

    /// Undoes what is left of faults and gives what was found. A run that was not good leaves all it has.
    fn leave(mut self) -> Result<Record> {
        self.written.is_over.store(true, Ordering::SeqCst);
        if let Some(proxy) = self.around.servers.proxy(self.plan.inputs) {
            proxy.clear();
        }
        if let Some(broker) = &mut self.around.servers.broker {
            broker.launch()?;
        }
        if let Some(feed) = self.feed.take() {
            let _why_is_told = feed.join();
        }
        // What is left of them makes the next runs slower, and no more.
        if let (Some(broker), false) = (&self.around.servers.broker, self.topics.is_empty()) {
            let _left = broker.delete_topics(&self.topics);
        }
        if let Some(stream) = &self.stream {
            let _left = stream.delete();
        }
        if let Some(clock) = &self.clock {
            clock.sweep(&self.pids);
        }
        self.record.n_lines = self.written.n_lines.load(Ordering::SeqCst);
        self.record.n_late = self.written.n_late.load(Ordering::SeqCst);
        let log = fs::read(&self.launcher.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        self.record.n_fallbacks = log.matches("cannot be used").count();
        self.record.n_reloads = log.matches("other content is ready").count();
        self.record.n_refusals = log.matches("nothing is changed").count();
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

/// Writes files of acquisitions and gives their names.
fn acquisitions(dir: &Path, texts: &[String]) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let path = dir.join(format!("acquis-{at}.yaml"));
        fs::write(&path, text)?;
        paths.push(path);
    }
    Ok(paths)
}

/// What the job is told about its clock, and by whom it is known to servers that ask.
fn variables(clock: Option<&FalseClock>) -> Vec<(String, String)> {
    let mut variables = clock.map_or_else(Vec::new, FalseClock::variables);
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        variables.push((name.to_owned(), "chaos".to_owned()));
    }
    variables
}

/// A file that only its owner can read.
fn secret(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, "what the processes of a run know\n")?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}
