//! What this test program is when a test starts it as another process.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::Builder;
use std::time::{Duration, Instant};

use overspill_peers::supervise::child::{EXIT_PEER_LOST, die_with_supervisor, exit_on_panic};
use overspill_peers::supervise::{Event, Fleet, Policy, Start, supervise};
use overspill_peers::{Generation, Link, PeersSpec, connect};

use crate::util::peers;

/// Says which role to play.
const ROLE: &str = "PEERS_TEST_ROLE";
/// The folder of the test: `events`, `n`, `port`.
const FOLDER: &str = "PEERS_TEST_FOLDER";
const SELF: &str = "PEERS_TEST_SELF";

/// This program, to play a role.
pub(crate) fn command(role: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "helper::plays_a_role", "--nocapture", "--quiet"])
        .env(ROLE, role)
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Does nothing, unless it was started by [`command`].
#[test]
fn plays_a_role() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let folder = PathBuf::from(std::env::var(FOLDER).unwrap());
    match role.as_str() {
        "supervisor" => supervisor(&folder),
        "worker" => worker(&folder),
        "echo" => echo(),
        other => panic!("no role {other}"),
    }
}

pub(crate) fn note(folder: &Path, line: &str) {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("events"))
        .unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// A number in a file of the folder.
fn number(folder: &Path, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(folder.join(name)).ok()?;
    text.trim().parse().ok()
}

struct Workers<'a>(&'a Path);

impl Fleet for Workers<'_> {
    fn n(&mut self) -> usize {
        number(self.0, "n").unwrap() as usize
    }

    fn command(&mut self, start: &Start) -> Command {
        let mut command = command("worker", self.0);
        let Start { run, index, n } = start;
        command.env(SELF, format!("{run} {index} {n}"));
        command
    }

    fn tell(&mut self, event: &Event) {
        let mut line = String::new();
        match event {
            Event::Started { run, pids } => {
                write!(line, "started {run}").unwrap();
                for pid in pids {
                    write!(line, " {pid}").unwrap();
                }
            }
            Event::Exited { index, pid, status } => {
                write!(line, "exited {index} {pid} {status}").unwrap();
            }
            other => write!(line, "{other:?}").unwrap(),
        }
        note(self.0, &line);
    }
}

fn supervisor(folder: &Path) {
    let policy = Policy {
        good_after: Duration::from_millis(number(folder, "good_ms").unwrap_or(0)),
        grace_stop: Duration::from_secs(2),
        ..Policy::DEFAULT
    };
    note(folder, "supervising");
    let ended = supervise(&mut Workers(folder), &policy, Instant::now);
    note(folder, &format!("ended {ended:?}"));
}

fn worker(folder: &Path) {
    exit_on_panic();
    if die_with_supervisor().is_err() {
        exit(1);
    }
    let text = std::env::var(SELF).unwrap();
    let own: Vec<usize> = text.split(' ').map(|word| word.parse().unwrap()).collect();
    let [run, index, n] = own[..] else { panic!() };
    let port = number(folder, "port").unwrap() as u16;
    if let Some(code) = number(folder, &format!("exit_{index}")) {
        exit(code as i32);
    }
    if number(folder, &format!("panic_{index}")).is_some() {
        panic!("as the test wants it");
    }
    let stubborn = number(folder, "stubborn") == Some(index as u64);
    let hang_ups = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    signal_hook::flag::register(
        signal_hook::consts::SIGHUP,
        std::sync::Arc::clone(&hang_ups),
    )
    .unwrap();
    if stubborn {
        let ignored = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGTERM, ignored).unwrap();
    }
    let mut own = peers(index, &[]);
    own.spec = PeersSpec::loopback(port, n);
    if index == 0 {
        own.generation = Generation::Given(run as u64);
    }
    let listener = own.spec.listen(index).unwrap();
    let meeting = connect(listener, &own, &|_notice| (), Instant::now).unwrap();
    for link in meeting.links.into_iter().flatten() {
        let name = "peer".to_owned();
        Builder::new().name(name).spawn(move || lose(link)).unwrap();
    }
    note(folder, &format!("ready {} {index}", meeting.generation));
    loop {
        std::thread::sleep(Duration::from_millis(5));
        if hang_ups.swap(false, std::sync::atomic::Ordering::SeqCst) {
            note(folder, &format!("hung up {index}"));
        }
    }
}

/// Ends this process, whose threads have nothing to save.
fn exit(code: i32) -> ! {
    #[expect(clippy::exit, reason = "a process of a test, not the test")]
    std::process::exit(code)
}

/// Ends the process when the peer is gone, as the threads of the dataflow do.
fn lose(mut link: Link) {
    if !matches!(link.read(&mut [0; 1]), Ok(1)) {
        exit(EXIT_PEER_LOST);
    }
}

/// In the namespace of another host: process 0, which then is silent.
fn echo() {
    let text = std::env::var(SELF).unwrap();
    let addresses: Vec<SocketAddr> = text.split(' ').map(|word| word.parse().unwrap()).collect();
    let own = peers(0, &addresses);
    let listener = std::net::TcpListener::bind(addresses[0]).unwrap();
    let meeting = connect(listener, &own, &|_notice| (), Instant::now).unwrap();
    let mut links: Vec<Link> = meeting.links.into_iter().flatten().collect();
    // Until the test is over.
    let _end = links[0].read(&mut [0; 1]);
}

/// The environment that [`command`] sets, to pass it through another program.
pub(crate) fn environment(role: &str, folder: &Path, own: &str) -> Vec<(String, String)> {
    vec![
        (ROLE.into(), role.into()),
        (FOLDER.into(), folder.display().to_string()),
        (SELF.into(), own.into()),
    ]
}
