//! What a program prints, line by line. The program is kept running.
//!
//! It is started without a shell, with no standard input, in a process group of its own. Its standard
//! output is the partition; each line of its standard error is counted, and the latest are kept as
//! samples. When it ends it is started again as [`Restart`] says, after a pause that doubles from a second to a
//! minute and begins anew once it has run for a minute. One that closes its output and runs on is
//! ended after three seconds.
//!
//! When the source is closed the group is asked to end (`SIGTERM`), and killed after three seconds. If the
//! engine is killed the program finds its output closed at its next line.
//!
//! A pipe has no memory ([`mod@crate::pipe`]): what the program prints while the engine is down is lost. A
//! program that is not running has nothing to say, so it holds no watermark.

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use overspill_event::Origin;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::pipe::{Clocked, Piece, PipePartition, Pump};
use crate::source::{
    Backoff, Clock, Count, Counters, Lag, LiveSource, Outlet, PartitionId, Positions, Resume,
    SourceError, Turn,
};

/// How long a program has to end when it is asked to.
const STOP_WAIT: Duration = Duration::from_secs(3);
/// A program that ran for so long did not fail at its start.
const RAN_WELL: Duration = Duration::from_secs(60);
/// Longest line of standard error that is looked at.
const ERROR_LINE_BYTES_MAX: u64 = 4096;
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_LONGEST: Duration = Duration::from_secs(60);
const PAUSE_HELD: Duration = Duration::from_millis(5);
const STACK_BYTES: usize = 128 * 1024;

/// When a program that has ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restart {
    /// Always.
    #[default]
    Always,
    /// When it did not end with success.
    OnFailure,
    /// Never: the source ends with the program.
    Never,
}

/// What is to be run, and how.
#[derive(Debug, Clone)]
pub struct CommandConfig {
    /// Name of the source.
    pub id: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// What the lines share.
    pub origin: Origin,
    /// Longest line in bytes.
    pub line_bytes_max: usize,
    /// When to start it again.
    pub restart: Restart,
    /// The pauses before that: the first and the longest.
    pub pauses: (Duration, Duration),
}

impl CommandConfig {
    /// Runs a program, with everything else as it is by default.
    #[must_use]
    pub fn new(id: &str, command: Vec<String>, origin: Origin) -> Self {
        Self {
            id: id.to_owned(),
            command,
            origin,
            line_bytes_max: crate::lines::LINE_BYTES_MAX,
            restart: Restart::Always,
            pauses: (PAUSE_FIRST, PAUSE_LONGEST),
        }
    }
}

/// Reads what a program prints.
#[derive(Debug)]
pub struct CommandSource {
    config: CommandConfig,
    partition: PipePartition,
    clock: Clocked,
    counters: Arc<Counters>,
    running: Option<Running>,
    backoff: Backoff,
    start_at: Instant,
    n_starts: u64,
    has_ended: bool,
}

/// A program that runs, or whose output is not yet given to its end.
#[derive(Debug)]
struct Running {
    child: Child,
    pump: Pump,
    since: Instant,
    /// Its output is at its end since then.
    silent_since: Option<Instant>,
}

impl CommandSource {
    /// A source of what a program prints; it is started at the first poll.
    #[must_use]
    pub fn new(config: CommandConfig, resume: &Resume, clock: Clock) -> Self {
        let name = config.command.join(" ");
        let (first, longest) = config.pauses;
        Self {
            partition: PipePartition::new(&name, config.origin.clone(), resume),
            config,
            clock: Clocked(clock),
            counters: Arc::default(),
            running: None,
            backoff: Backoff::new(first, longest),
            start_at: Instant::now(),
            n_starts: 0,
            has_ended: false,
        }
    }

    fn start(&mut self) -> io::Result<Running> {
        let (program, arguments) = self
            .config
            .command
            .split_first()
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let piped = || io::Error::other("the program has no output");
        let pumped = child.stdout.take().ok_or_else(piped).and_then(|output| {
            Pump::start(
                "command",
                output,
                self.config.line_bytes_max,
                self.partition.next_offset,
                &self.counters,
            )
        });
        let watched = child
            .stderr
            .take()
            .ok_or_else(piped)
            .and_then(|errors| watch(errors, Arc::clone(&self.counters)));
        match (pumped, watched) {
            (Ok(pump), Ok(())) => Ok(Running {
                child,
                pump,
                since: Instant::now(),
                silent_since: None,
            }),
            (Err(error), _) | (_, Err(error)) => {
                stop(&mut child, Duration::ZERO);
                Err(error)
            }
        }
    }

    /// Starts the program if it is time. Answers whether there is one.
    fn keep_running(&mut self) -> bool {
        if self.running.is_some() {
            return true;
        }
        if Instant::now() < self.start_at {
            return false;
        }
        self.n_starts += 1;
        if self.n_starts > 1 {
            self.counters.add(Count::Restarts, 1);
        }
        match self.start() {
            Ok(running) => {
                self.running = Some(running);
                true
            }
            Err(error) => {
                let program = self.config.command.first().map_or("", String::as_str);
                self.counters
                    .sample(Count::Errors, format!("start {program}: {error}"));
                self.start_at = Instant::now() + self.backoff.pause();
                false
            }
        }
    }

    /// The output is at its end: waits for the program's. Answers whether it has ended.
    fn see_end(&mut self) -> bool {
        let Some(running) = &mut self.running else {
            return true;
        };
        let since = *running.silent_since.get_or_insert_with(Instant::now);
        let status = match running.child.try_wait() {
            Ok(Some(status)) => Some(status),
            Ok(None) if since.elapsed() < STOP_WAIT => return false,
            Ok(None) | Err(_) => stop(&mut running.child, STOP_WAIT),
        };
        if running.since.elapsed() >= RAN_WELL {
            self.backoff.reset();
        }
        self.running = None;
        self.start_at = Instant::now() + self.backoff.pause();
        self.ended(status);
        true
    }

    fn ended(&mut self, status: Option<ExitStatus>) {
        let is_success = status.is_some_and(|status| status.success());
        if !is_success {
            let program = self.config.command.first().map_or("", String::as_str);
            let how = status.map_or_else(|| "unknown".to_owned(), |status| status.to_string());
            self.counters
                .sample(Count::Errors, format!("{program} ended: {how}"));
        }
        self.has_ended = match self.config.restart {
            Restart::Always => false,
            Restart::OnFailure => is_success,
            Restart::Never => true,
        };
    }
}

/// Counts and samples what a program writes to its standard error, on a thread of its own.
fn watch(errors: impl Read + Send + 'static, counters: Arc<Counters>) -> io::Result<()> {
    let work = move || {
        let mut errors = BufReader::with_capacity(4096, errors);
        let mut line = Vec::new();
        loop {
            line.clear();
            match (&mut errors)
                .take(ERROR_LINE_BYTES_MAX)
                .read_until(b'\n', &mut line)
            {
                Ok(0) | Err(_) => return,
                Ok(_) => counters.sample(Count::ErrorLines, line.trim_ascii_end()),
            }
        }
    };
    std::thread::Builder::new()
        .name("command-errors".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(work)?;
    Ok(())
}

/// Asks a program and what it started to end, and kills them when they do not.
fn stop(child: &mut Child, wait: Duration) -> Option<ExitStatus> {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // Once it was waited for, its number may be somebody else's.
    if let Ok(Some(status)) = child.try_wait() {
        return Some(status);
    }
    let signal = |signal| {
        if let Some(group) = group {
            // It may be gone already; that is what is wanted.
            let _gone = kill_process_group(group, signal);
        }
    };
    signal(Signal::TERM);
    let until = Instant::now() + wait;
    while Instant::now() < until {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    signal(Signal::KILL);
    child.wait().ok()
}

impl LiveSource for CommandSource {
    fn id(&self) -> &str {
        &self.config.id
    }

    fn poll(&mut self, outlet: &mut dyn Outlet, wait: Duration) -> Result<Turn, SourceError> {
        if self.has_ended {
            self.partition.end(outlet);
            return Ok(Turn::Ended);
        }
        self.partition.begin(outlet);
        let as_of_ns = (self.clock.0)();
        if !self.keep_running() {
            self.partition.caught_up(as_of_ns, outlet);
            let left = self.start_at.saturating_duration_since(Instant::now());
            std::thread::sleep(wait.min(left));
            return Ok(Turn::Quiet);
        }
        let Some(running) = &self.running else {
            return Ok(Turn::Quiet);
        };
        if running.silent_since.is_some() {
            if !self.see_end() {
                std::thread::sleep(wait.min(PAUSE_HELD));
            }
            return Ok(Turn::Quiet);
        }
        if running.pump.is_empty() {
            self.partition.caught_up(as_of_ns, outlet);
        }
        if !running.pump.wait(wait) {
            return Ok(Turn::Quiet);
        }
        if !outlet.has_room(self.partition.id) {
            std::thread::sleep(wait.min(PAUSE_HELD));
            return Ok(Turn::Quiet);
        }
        match running.pump.take() {
            Some(Piece::Lines(lines, next_offset)) => {
                let arrival_ns = (self.clock.0)();
                self.partition
                    .give(lines, next_offset, arrival_ns, &self.counters, outlet);
                Ok(Turn::Gave)
            }
            Some(Piece::End) => {
                self.see_end();
                Ok(Turn::Quiet)
            }
            None => Ok(Turn::Quiet),
        }
    }

    fn committed(&mut self, _positions: &Positions) {}

    fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    fn lags(&self, each: &mut dyn FnMut(PartitionId, Lag)) {
        let held = |running: &Running| running.pump.held_bytes();
        let lag = Lag {
            offset: self.partition.next_offset,
            bytes: Some(self.running.as_ref().map_or(0, held)),
            lines: None,
        };
        each(self.partition.id, lag);
    }

    fn close(&mut self) {
        self.has_ended = true;
        if let Some(mut running) = self.running.take() {
            running.pump.close();
            stop(&mut running.child, STOP_WAIT);
        }
    }
}

impl Drop for CommandSource {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::check::Checked;
    use crate::source::system_clock;

    fn shell(script: &str, restart: Restart) -> CommandSource {
        let command = ["sh", "-c", script].map(str::to_owned).to_vec();
        let config = CommandConfig {
            restart,
            pauses: (Duration::from_millis(20), Duration::from_millis(50)),
            ..CommandConfig::new("command", command, Origin::default())
        };
        CommandSource::new(config, &Resume::First, system_clock())
    }

    #[test]
    fn output_is_lines_and_standard_error_is_counted_and_sampled() {
        let mut source = shell("echo one; echo oops >&2; printf two", Restart::Never);
        let mut outlet = Checked::default();
        outlet.until(&mut source, |outlet| !outlet.ended.is_empty());
        assert_eq!(outlet.texts(), ["one", "two"]);
        let counters = Arc::clone(source.counters());
        assert_eq!(counters.get(Count::Errors), 0);
        let since = Instant::now();
        while counters.get(Count::ErrorLines) == 0 && since.elapsed() < STOP_WAIT {
            std::thread::yield_now();
        }
        assert_eq!(counters.take_samples()[0].text, "oops");
    }

    #[test]
    fn a_program_that_fails_is_started_again_and_offsets_go_on() {
        let mut source = shell("echo again; exit 3", Restart::OnFailure);
        let mut outlet = Checked::default();
        outlet.until(&mut source, |outlet| outlet.lines.len() >= 3);
        let offsets: Vec<u64> = outlet.lines.iter().map(|line| line.offset).collect();
        assert_eq!(offsets[..3], [0, 6, 12]);
        assert!(source.counters().get(Count::Restarts) >= 2);
        let samples = source.counters().take_samples();
        assert!(samples[0].text.contains("exit status: 3"), "{samples:?}");
        let mut source = shell("echo once", Restart::OnFailure);
        let mut outlet = Checked::default();
        outlet.until(&mut source, |outlet| !outlet.ended.is_empty());
        assert_eq!(outlet.texts(), ["once"]);
    }

    #[test]
    fn a_program_that_is_not_there_is_tried_again_and_holds_nothing_up() {
        let config = CommandConfig {
            pauses: (Duration::from_millis(5), Duration::from_millis(10)),
            ..CommandConfig::new("command", vec!["/no/such".into()], Origin::default())
        };
        let mut source = CommandSource::new(config, &Resume::First, system_clock());
        let mut outlet = Checked::default();
        outlet.during(&mut source, Duration::from_millis(100));
        assert!(source.counters().get(Count::Errors) >= 3);
        assert!(!outlet.caught_up.is_empty());
    }

    #[test]
    fn closing_ends_the_program_and_what_it_started() {
        let script = "trap '' TERM; sleep 1000 & echo $! $$; wait; sleep 1000";
        let mut source = shell(script, Restart::Always);
        let mut outlet = Checked::default();
        outlet.until_lines(&mut source, 1);
        let ids: Vec<i32> = outlet.lines[0]
            .text
            .split(' ')
            .map(|id| id.parse().unwrap())
            .collect();
        let runs = |id: i32| {
            std::fs::read_to_string(format!("/proc/{id}/stat"))
                .is_ok_and(|stat| !stat.contains(") Z "))
        };
        assert!(ids.iter().all(|id| runs(*id)));
        source.close();
        let since = Instant::now();
        while ids.iter().any(|id| runs(*id)) {
            assert!(since.elapsed() < STOP_WAIT, "{ids:?}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_program_that_closes_its_output_and_stays_is_ended() {
        let mut source = shell("echo x; exec >&- 2>&-; sleep 1000", Restart::Never);
        let mut outlet = Checked::default();
        outlet.until(&mut source, |outlet| !outlet.ended.is_empty());
        assert_eq!(outlet.texts(), ["x"]);
        assert_eq!(source.counters().get(Count::Errors), 1);
    }
}
