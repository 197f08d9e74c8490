//! `overspill run --processes N`: this program as the supervisor of N processes of itself.
//!
//! Each start has a list of peers with free ports of loopback, and a secret in the environment. The processes get the
//! arguments of the supervisor and say which of them they are by `--process`. Nothing is written: a disk that is full keeps
//! nobody from starting again.

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
    /// Where they are, as `--peers` has it.
    peers: String,
    tell: &'a mut dyn FnMut(&str),
}

/// Runs the processes until they are done or somebody asks for the end. Failures are told and followed by another start.
///
/// # Errors
/// When they cannot be started, or their configuration is wrong, which they have told.
pub fn run(n: usize, tell: &mut dyn FnMut(&str)) -> Result<Ended> {
    if n > PROCESSES_MAX {
        return Err(anyhow!("--processes: at most {PROCESSES_MAX}"));
    }
    let mut processes = Processes {
        n,
        program: std::env::current_exe().context("find our own program")?,
        secret: Secret::random().map_err(|error| anyhow!(chain(&error)))?,
        peers: String::new(),
        tell,
    };
    supervise(&mut processes, &Policy::DEFAULT, now).map_err(|error| anyhow!(chain(&error)))
}

fn now() -> Instant {
    Instant::now()
}

impl Processes<'_> {
    /// Finds where the processes of the next start will be.
    fn list(&mut self) -> io::Result<()> {
        // All are held until all are known, so that they differ. Somebody else may take one before its process does;
        // then that ends, and the next start has others.
        let listeners: Vec<TcpListener> = (0..self.n)
            .map(|_| TcpListener::bind("127.0.0.1:0"))
            .collect::<io::Result<_>>()?;
        let addresses: Vec<String> = listeners
            .iter()
            .map(|listener| Ok(listener.local_addr()?.to_string()))
            .collect::<io::Result<_>>()?;
        self.peers = format!("list:{}", addresses.join(","));
        Ok(())
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
            // They meet at the ports of the start before, if those are still free.
            (self.tell)(&format!("no free ports: {error}"));
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
