//! Processes that are started, killed and started again together.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;

use crate::helper::command;

const PATIENCE: Duration = Duration::from_secs(60);

/// A supervisor in a process of its own, and what it notes.
struct Supervised {
    folder: TempDir,
    supervisor: Child,
}

impl Supervised {
    fn start(files: &[(&str, u64)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_ports();
        set(folder.path(), "port", port.into());
        for (name, number) in files {
            set(folder.path(), name, *number);
        }
        let supervisor = command("supervisor", folder.path()).spawn().unwrap();
        Self { folder, supervisor }
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("events")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn count(&self, begin: &str) -> usize {
        let lines = self.lines();
        lines.iter().filter(|line| line.starts_with(begin)).count()
    }

    fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            let lines = self.lines();
            let last = &lines[lines.len().saturating_sub(20)..];
            assert!(start.elapsed() < PATIENCE, "no {what}: {last:#?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until all of a run have met; answers with their ids.
    fn ready(&self, run: usize, n: usize) -> Vec<u32> {
        self.until("ready", |it| it.count(&format!("ready {run} ")) == n);
        let begin = format!("started {run} ");
        let lines = self.lines();
        let line = lines.iter().find(|line| line.starts_with(&begin)).unwrap();
        let words = line[begin.len()..].split(' ');
        words.map(|word| word.parse().unwrap()).collect()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.supervisor), signal).unwrap();
    }

    fn end(mut self) -> Vec<String> {
        let start = Instant::now();
        while self.supervisor.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < PATIENCE, "{:#?}", self.lines());
            std::thread::sleep(Duration::from_millis(1));
        }
        self.lines()
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        let _ended = self.supervisor.kill();
        let _reaped = self.supervisor.wait();
    }
}

fn set(folder: &Path, name: &str, number: u64) {
    std::fs::write(folder.join(name), number.to_string()).unwrap();
}

/// The first of eight ports that nobody listens on, below those that connections get. Tests of
/// this process and of those beside it begin to look at different places.
fn free_ports() -> u16 {
    static N_TAKEN: AtomicU32 = AtomicU32::new(0);
    let place = std::process::id() * 16 + N_TAKEN.fetch_add(1, Ordering::Relaxed);
    let first = 10_000 + u16::try_from(place % 2_400).unwrap() * 8;
    let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (first..32_000)
        .step_by(8)
        .find(|first| (*first..first + 8).all(is_free))
        .unwrap()
}

/// Some number, another one at each call.
fn rand() -> u16 {
    use std::hash::{BuildHasher, RandomState};
    (RandomState::new().hash_one(0) & 0xffff) as u16
}

fn is_alive(pid: u32) -> bool {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    test_kill_process(pid).is_ok()
}

fn gone(pids: impl IntoIterator<Item = u32>) {
    for pid in pids {
        let start = Instant::now();
        while is_alive(pid) {
            assert!(start.elapsed() < PATIENCE, "{pid} is left");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn a_hundred_kills_are_a_hundred_new_generations_without_orphans() {
    let it = Supervised::start(&[("n", 3)]);
    let mut seen = BTreeSet::new();
    let mut slowest = Duration::ZERO;
    let mut sum = Duration::ZERO;
    for run in 1..=100 {
        let pids = it.ready(run, 3);
        assert_eq!(pids.len(), 3);
        for pid in &pids {
            assert!(seen.insert(*pid), "{pid} lives in two generations");
        }
        let victim = pids[usize::from(rand()) % 3];
        let killed = Instant::now();
        kill_process(
            Pid::from_raw(victim.try_into().unwrap()).unwrap(),
            Signal::KILL,
        )
        .unwrap();
        it.ready(run + 1, 3);
        let took = killed.elapsed();
        slowest = slowest.max(took);
        sum += took;
        gone(pids);
    }
    println!(
        "100 kills: killed to all met again {} ms on average, {} ms at most",
        sum.as_millis() / 100,
        slowest.as_millis()
    );
    let last = it.ready(101, 3);
    it.signal(Signal::TERM);
    let lines = it.end();
    assert_eq!(lines.last().unwrap(), "ended Ok(Stopped)");
    gone(last);
}

#[test]
fn a_process_killed_in_the_midst_of_the_handshake_is_started_again_with_the_others() {
    let it = Supervised::start(&[("n", 3)]);
    for run in 1..=20 {
        let begin = format!("started {run} ");
        it.until("start", |it| it.count(&begin) == 1);
        let lines = it.lines();
        let line = lines.iter().find(|line| line.starts_with(&begin)).unwrap();
        let pids: Vec<u32> = line[begin.len()..]
            .split(' ')
            .map(|word| word.parse().unwrap())
            .collect();
        // Somewhere between its start and the last greeting.
        std::thread::sleep(Duration::from_micros(u64::from(rand()) / 2));
        let victim = Pid::from_raw(pids[usize::from(rand()) % 3].try_into().unwrap()).unwrap();
        // It may have ended with another one that was lost.
        let _gone = kill_process(victim, Signal::KILL);
        it.until("next", |it| it.count(&format!("started {} ", run + 1)) == 1);
        gone(pids);
    }
    it.ready(21, 3);
    it.signal(Signal::INT);
    assert_eq!(it.end().last().unwrap(), "ended Ok(Stopped)");
}

#[test]
fn a_supervisor_that_is_killed_leaves_nobody() {
    for at_ms in [0, 1, 5, 20, 100, 1_000] {
        let mut it = Supervised::start(&[("n", 3)]);
        it.until("supervisor", |it| it.count("supervising") == 1);
        std::thread::sleep(Duration::from_millis(at_ms));
        it.supervisor.kill().unwrap();
        it.supervisor.wait().unwrap();
        // Whoever was started has the folder of the test in its environment.
        let folder = it.folder.path().display().to_string();
        let start = Instant::now();
        while let Some(pid) = process_with(&folder) {
            assert!(start.elapsed() < PATIENCE, "{pid} is left");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn process_with(word: &str) -> Option<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let own = std::process::id().to_string();
    let pids = entries.filter_map(|entry| entry.file_name().into_string().ok());
    pids.filter(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()) && *pid != own)
        .find(|pid| {
            let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ
                .windows(word.len())
                .any(|bytes| bytes == word.as_bytes())
        })
}

#[test]
fn a_configuration_error_is_not_tried_again() {
    let it = Supervised::start(&[("n", 3), ("exit_1", 2)]);
    let lines = it.end();
    assert_eq!(
        lines.last().unwrap(),
        "ended Ok(Configuration { index: 1 })"
    );
    let n_starts = lines
        .iter()
        .filter(|line| line.starts_with("started"))
        .count();
    assert_eq!(n_starts, 1);
}

#[test]
fn all_that_end_well_are_done() {
    let it = Supervised::start(&[("n", 2), ("exit_0", 0), ("exit_1", 0)]);
    assert_eq!(it.end().last().unwrap(), "ended Ok(Done)");
}

#[test]
fn whoever_fails_again_and_again_waits_longer_each_time() {
    let it = Supervised::start(&[("n", 1), ("panic_0", 1), ("good_ms", 60_000)]);
    it.until("fourth start", |it| it.count("started") == 4);
    let lines = it.lines();
    let pauses: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("BackingOff"))
        .collect();
    assert_eq!(pauses[..2], ["BackingOff(100ms)", "BackingOff(200ms)"]);
    let is_panic = lines.iter().any(|line| line.ends_with("exit status: 70"));
    assert!(is_panic, "{lines:#?}");
    it.signal(Signal::TERM);
    assert_eq!(it.end().last().unwrap(), "ended Ok(Stopped)");
}

#[test]
fn a_hangup_is_passed_on_and_another_number_is_a_new_generation() {
    let it = Supervised::start(&[("n", 2)]);
    let first = it.ready(1, 2);
    it.signal(Signal::HUP);
    it.until("hang-up", |it| it.count("hung up") == 2);
    assert_eq!(it.count("started"), 1);
    set(it.folder.path(), "n", 4);
    it.signal(Signal::HUP);
    let second = it.ready(2, 4);
    assert_eq!(it.count("Rescaled { from: 2, to: 4 }"), 1);
    gone(first);
    set(it.folder.path(), "n", 1);
    it.signal(Signal::HUP);
    it.ready(3, 1);
    gone(second);
    it.signal(Signal::TERM);
    assert_eq!(it.end().last().unwrap(), "ended Ok(Stopped)");
}

#[test]
fn whoever_does_not_end_when_asked_is_killed() {
    let it = Supervised::start(&[("n", 1), ("stubborn", 0)]);
    let pids = it.ready(1, 1);
    it.signal(Signal::TERM);
    let lines = it.end();
    gone(pids);
    assert_eq!(lines.last().unwrap(), "ended Ok(Stopped)");
    assert!(
        lines.iter().any(|line| line.starts_with("Killed")),
        "{lines:#?}"
    );
}

#[test]
fn a_program_that_is_missing_is_an_error() {
    use overspill_peers::supervise::{Event, Fleet, Policy, Start, SuperviseError, supervise};
    struct Missing;
    impl Fleet for Missing {
        fn n(&mut self) -> usize {
            2
        }
        fn command(&mut self, _start: &Start) -> Command {
            Command::new("/no/such/program")
        }
        fn tell(&mut self, _event: &Event) {}
    }
    let ended = supervise(&mut Missing, &Policy::DEFAULT, Instant::now);
    assert!(matches!(ended, Err(SuperviseError::Start { index: 0, .. })));
}
