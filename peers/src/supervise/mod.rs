//! The processes of a job on one machine: started together, ended together, started again.
//!
//! ```text
//!            +--> start n processes --> wait --+-- SIGINT, SIGTERM ------> end all: Stopped
//!            |                                 +-- all ended with 0 -----> Done
//!            |                                 +-- one ended with 2 -----> end all: Configuration
//!            |                                 +-- SIGHUP, same n: passed on, wait goes on
//!            +--------- end all <--------------+-- SIGHUP, another n
//!            +-- back off <-- end all <--------+-- one ended otherwise
//! ```
//!
//! A process that fails once is started again at once, with all others; one that fails again
//! within [`Policy::good_after`] waits, twice as long each time. Each process leads a process
//! group of its own, so a signal of the terminal reaches the supervisor alone, and what a process
//! has started itself ends with it. When the supervisor is killed, its processes are killed by the
//! kernel: see [`child::die_with_supervisor`].
//!
//! The thread that calls [`supervise`] is the parent in the eyes of the kernel. It must not be one
//! that ends before the process does.

pub mod child;
mod group;
mod signals;

use std::io;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use group::Group;
use signals::Signals;

/// What a process ends with when its configuration is wrong: starting it again would not help.
pub const EXIT_CONFIGURATION: i32 = 2;

/// Longest sleep between two looks at the processes, though a signal tells of each end.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Which process is to be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// How many times the processes were started, with this time.
    pub run: u64,
    /// Index of the process.
    pub index: usize,
    /// How many there are.
    pub n: usize,
}

/// The processes, as their supervisor needs to know them.
pub trait Fleet {
    /// How many there are to be. Asked at each start and at SIGHUP; 0 counts as 1.
    fn n(&mut self) -> usize;

    /// What runs one of them.
    fn command(&mut self, start: &Start) -> Command;

    /// Hears what happens.
    fn tell(&mut self, event: &Event);
}

/// What happens to the processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// All were started.
    Started {
        /// Which start.
        run: u64,
        /// Their ids, by index.
        pids: Vec<u32>,
    },
    /// One could not be started.
    Unstarted {
        /// Index of the process.
        index: usize,
        /// Why not.
        reason: String,
    },
    /// One has ended.
    Exited {
        /// Index of the process.
        index: usize,
        /// Its id.
        pid: u32,
        /// How.
        status: ExitStatus,
    },
    /// One did not end in time and was killed.
    Killed {
        /// Index of the process.
        index: usize,
        /// Its id.
        pid: u32,
    },
    /// The next start waits.
    BackingOff(Duration),
    /// SIGHUP was passed on.
    HungUp,
    /// There are to be more, or fewer.
    Rescaled {
        /// How many there were.
        from: usize,
        /// How many there will be.
        to: usize,
    },
    /// Somebody asked for the end.
    Stopping,
}

/// How patient a supervisor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Time to end by SIGTERM after another process failed: there is nothing to be saved then.
    pub grace_failed: Duration,
    /// Time to end by SIGTERM in order, when a last checkpoint may be written.
    pub grace_stop: Duration,
    /// Pause before the second start within `good_after`; doubled each time.
    pub backoff_first: Duration,
    /// Longest pause.
    pub backoff_max: Duration,
    /// A run of this length was good: the next failure is the first again.
    pub good_after: Duration,
}

impl Policy {
    /// That of a cluster.
    pub const DEFAULT: Self = Self {
        grace_failed: Duration::from_millis(200),
        grace_stop: Duration::from_secs(10),
        backoff_first: Duration::from_millis(100),
        backoff_max: Duration::from_secs(10),
        good_after: Duration::from_secs(60),
    };

    /// Pause before the start after this many failures in a row.
    fn backoff(&self, n_failures: u32) -> Duration {
        match n_failures {
            0 | 1 => Duration::ZERO,
            n => {
                let doubled = self.backoff_first.saturating_mul(1 << (n - 2).min(20));
                doubled.min(self.backoff_max)
            }
        }
    }
}

/// How a supervision came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All processes ended well by themselves.
    Done,
    /// SIGINT or SIGTERM.
    Stopped,
    /// A process ended with [`EXIT_CONFIGURATION`].
    Configuration {
        /// Index of the process.
        index: usize,
    },
}

/// Why nothing can be supervised.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// Signals cannot be handled.
    #[error("handle signals")]
    Signals(#[source] io::Error),
    /// The program is missing, or must not be run.
    #[error("start process {index}")]
    Start {
        /// Index of the process.
        index: usize,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// How one run ended.
enum Run {
    Done,
    Stopped,
    Configuration(usize),
    Rescaled,
    Failed,
}

/// Runs the processes until they are done, somebody asks for the end, or their configuration is
/// wrong.
///
/// # Errors
/// [`SuperviseError`] when signals cannot be handled or the program cannot be run at all.
pub fn supervise(
    fleet: &mut dyn Fleet,
    policy: &Policy,
    now: fn() -> Instant,
) -> Result<Ended, SuperviseError> {
    let signals = Signals::handle().map_err(SuperviseError::Signals)?;
    let mut supervisor = Supervisor {
        fleet,
        policy,
        now,
        signals,
    };
    let mut n_failures = 0;
    for run in 1.. {
        let n = supervisor.fleet.n().max(1);
        let started = now();
        let ended = match supervisor.start(run, n)? {
            Some(group) => supervisor.watch(group),
            None => Run::Failed,
        };
        match ended {
            Run::Done => return Ok(Ended::Done),
            Run::Stopped => return Ok(Ended::Stopped),
            Run::Configuration(index) => return Ok(Ended::Configuration { index }),
            Run::Rescaled => n_failures = 0,
            Run::Failed => {
                if now().saturating_duration_since(started) >= policy.good_after {
                    n_failures = 0;
                }
                n_failures += 1;
                if supervisor.back_off(policy.backoff(n_failures)) {
                    return Ok(Ended::Stopped);
                }
            }
        }
    }
    unreachable!("there are more numbers than starts")
}

struct Supervisor<'a> {
    fleet: &'a mut dyn Fleet,
    policy: &'a Policy,
    now: fn() -> Instant,
    signals: Signals,
}

impl Supervisor<'_> {
    /// Starts all; none is left when one cannot be started.
    fn start(&mut self, run: u64, n: usize) -> Result<Option<Group>, SuperviseError> {
        let mut group = Group::default();
        for index in 0..n {
            let command = self.fleet.command(&Start { run, index, n });
            if let Err(source) = group.start(command) {
                self.end(&mut group, Duration::ZERO);
                let is_hopeless = matches!(
                    source.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
                );
                if is_hopeless {
                    return Err(SuperviseError::Start { index, source });
                }
                let reason = source.to_string();
                self.fleet.tell(&Event::Unstarted { index, reason });
                return Ok(None);
            }
        }
        let pids = group.pids();
        self.fleet.tell(&Event::Started { run, pids });
        Ok(Some(group))
    }

    /// Waits until a run has ended and all its processes are gone.
    fn watch(&mut self, mut group: Group) -> Run {
        let n = group.n();
        let mut done_since = None;
        loop {
            if self.signals.take_stop() {
                self.fleet.tell(&Event::Stopping);
                self.end(&mut group, self.policy.grace_stop);
                return Run::Stopped;
            }
            if self.signals.take_hangup() {
                let to = self.fleet.n().max(1);
                if to != n {
                    self.fleet.tell(&Event::Rescaled { from: n, to });
                    self.end(&mut group, self.policy.grace_stop);
                    return if self.signals.take_stop() {
                        Run::Stopped
                    } else {
                        Run::Rescaled
                    };
                }
                group.hang_up();
                self.fleet.tell(&Event::HungUp);
            }
            self.reap(&mut group);
            if let Some(index) = group.first_of(EXIT_CONFIGURATION) {
                self.end(&mut group, self.policy.grace_failed);
                return Run::Configuration(index);
            }
            let is_late = done_since.is_some_and(|since| {
                (self.now)().saturating_duration_since(since) >= self.policy.grace_stop
            });
            if group.has_failed() || is_late {
                self.end(&mut group, self.policy.grace_failed);
                return match group.first_of(EXIT_CONFIGURATION) {
                    Some(index) => Run::Configuration(index),
                    None => Run::Failed,
                };
            }
            if group.is_empty() {
                return Run::Done;
            }
            if group.n_alive() < n {
                done_since.get_or_insert_with(self.now);
            }
            self.signals.wait(LOOK_EVERY);
        }
    }

    /// Ends all that are alive: SIGTERM, the last first, then SIGKILL. A signal to end during that
    /// kills at once, and is left for the caller to see.
    fn end(&mut self, group: &mut Group, grace: Duration) {
        group.terminate();
        let until = (self.now)() + grace;
        loop {
            self.reap(group);
            if group.is_empty() {
                return;
            }
            let left = until.saturating_duration_since((self.now)());
            if left.is_zero() || self.signals.is_stop() {
                break;
            }
            self.signals.wait(left.min(LOOK_EVERY));
        }
        for (index, pid, status) in group.kill() {
            self.fleet.tell(&Event::Killed { index, pid });
            self.fleet.tell(&Event::Exited { index, pid, status });
        }
    }

    fn reap(&mut self, group: &mut Group) {
        for (index, pid, status) in group.reap() {
            self.fleet.tell(&Event::Exited { index, pid, status });
        }
    }

    /// Waits before the next start; whether somebody asked for the end meanwhile.
    fn back_off(&mut self, pause: Duration) -> bool {
        if !pause.is_zero() {
            self.fleet.tell(&Event::BackingOff(pause));
        }
        let until = (self.now)() + pause;
        loop {
            if self.signals.take_stop() {
                return true;
            }
            let left = until.saturating_duration_since((self.now)());
            if left.is_zero() {
                return false;
            }
            self.signals.wait(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_costs_nothing_and_the_next_ones_double() {
        let pauses: Vec<u128> = [0, 1, 2, 3, 4, 8, 9, 10, 1_000]
            .map(|n| Policy::DEFAULT.backoff(n).as_millis())
            .to_vec();
        assert_eq!(pauses, [0, 0, 100, 200, 400, 6_400, 10_000, 10_000, 10_000]);
    }
}
