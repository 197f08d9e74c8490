//! `overspill run --processes N`: this program as the supervisor of N processes of itself.
//!
//! Each start has a file of peers with free ports of loopback, and a secret in the environment. The processes get the
//! arguments of the supervisor and say which of them they are by `--process`.

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use overspill_peers::supervise::{Ended, Event, Fleet, Policy, Start, supervise};
use overspill_peers::{PROCESSES_MAX, Secret};

use crate::wire::chain;

/// Where a process finds the secret, unless a file has it.
pub const SECRET_ENV: &str = "OVERSPILL_SECRET";

/// The processes of one machine.
struct Processes<'a> {
    n: usize,
    program: PathBuf,
    secret: Secret,
    /// Lists where they are.
    peers: PathBuf,
    tell: &'a mut dyn FnMut(&str),
}

/// Runs the processes until they are done or somebody asks for the end; `directory` takes a file of theirs. Failures
/// are told and followed by another start.
///
/// # Errors
/// When they cannot be started, or their configuration is wrong, which they have told.
pub fn run(n: usize, directory: PathBuf, tell: &mut dyn FnMut(&str)) -> Result<Ended> {
    if n > PROCESSES_MAX {
        return Err(anyhow!("--processes: at most {PROCESSES_MAX}"));
    }
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("--state {}", directory.display()))?;
    let mut processes = Processes {
        n,
        program: std::env::current_exe().context("find our own program")?,
        secret: Secret::random().map_err(|error| anyhow!(chain(&error)))?,
        peers: directory.join("peers"),
        tell,
    };
    supervise(&mut processes, &Policy::DEFAULT, now).map_err(|error| anyhow!(chain(&error)))
}

fn now() -> Instant {
    Instant::now()
}

impl Processes<'_> {
    /// Writes where the processes of the next start will be.
    fn list(&self) -> io::Result<()> {
        // All are held until all are known, so that they differ. Somebody else may take one before its process does;
        // then that ends, and the next start has others.
        let listeners: Vec<TcpListener> = (0..self.n)
            .map(|_| TcpListener::bind("127.0.0.1:0"))
            .collect::<io::Result<_>>()?;
        let mut text = String::new();
        for listener in &listeners {
            text.push_str(&format!("{}\n", listener.local_addr()?));
        }
        std::fs::write(&self.peers, text)
    }
}

impl Fleet for Processes<'_> {
    fn n(&mut self) -> usize {
        self.n
    }

    fn command(&mut self, start: &Start) -> Command {
        if start.index == 0
            && let Err(error) = self.list()
        {
            // The processes will miss it, and say so.
            (self.tell)(&format!("write {}: {error}", self.peers.display()));
        }
        let mut command = Command::new(&self.program);
        command
            .args(std::env::args_os().skip(1))
            .arg("--peers")
            .arg(&self.peers)
            .arg("--process")
            .arg(start.index.to_string())
            .env(
                SECRET_ENV,
                String::from_utf8_lossy(self.secret.reveal()).as_ref(),
            );
        command
    }

    fn tell(&mut self, event: &Event) {
        let text = match event {
            Event::Started { run, pids } => {
                let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
                format!("start {run} of processes {}", pids.join(" "))
            }
            Event::Unstarted { index, reason } => {
                format!("process {index} cannot be started: {reason}")
            }
            Event::Exited { index, pid, status } if status.success() => {
                format!("process {index} ({pid}) has ended")
            }
            Event::Exited { index, pid, status } => {
                format!("process {index} ({pid}) has ended: {status}")
            }
            Event::Killed { index, pid } => {
                format!("process {index} ({pid}) did not end in time and was killed")
            }
            Event::BackingOff(pause) => format!("next start in {pause:?}"),
            Event::HungUp => "told all processes to reload".to_owned(),
            Event::Rescaled { from, to } => format!("{to} processes instead of {from}"),
            Event::Stopping => return,
        };
        (self.tell)(&text);
    }
}
