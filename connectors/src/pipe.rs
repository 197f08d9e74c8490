//! What is written into a pipe, line by line: standard input, and the output of a program.
//!
//! A thread reads, for a pipe blocks; what it read waits in a bounded mailbox, and when that is full the
//! writer waits. A pipe has no memory: what was read and not in a checkpoint when the process ended is
//! lost, and so is what was in the pipe. A position only says how lines are numbered on.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use overspill_event::{LineBatch, Origin};

use crate::lines::BATCH_BYTES;
use crate::once::count_lines;
use crate::source::{
    Batch, Begun, Clock, Count, Counters, Lag, Left, LiveSource, Mailbox, Outlet, PartitionId,
    PartitionName, Position, Positions, Resume, SourceError, Turn, Weigh,
};
use crate::tail::Cutter;

/// Bytes that wait to be given.
const HELD_BYTES_MAX: usize = 512 * 1024;
/// Stack of a thread that reads.
const STACK_BYTES: usize = 256 * 1024;
/// Pause when there is no room.
const PAUSE_HELD: Duration = Duration::from_millis(5);
/// Context of every position: a version, and nothing to know.
const CONTEXT: [u8; 1] = [1];

/// What a reading thread hands over.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Lines, and the offset behind them.
    Lines(LineBatch, u64),
    /// Nothing follows.
    End,
}

impl Weigh for Piece {
    fn n_bytes(&self) -> usize {
        match self {
            Self::Lines(lines, _) => lines.data.len() + lines.lines.len() * 24,
            Self::End => 0,
        }
    }
}

/// A thread that reads a pipe.
#[derive(Debug)]
pub(crate) struct Pump {
    mailbox: Arc<Mailbox<Piece>>,
    /// The thread waits for input, and has nothing in its hands.
    is_waiting: Arc<AtomicBool>,
}

impl Pump {
    /// Starts to read; the first line has this offset.
    pub(crate) fn start(
        name: &str,
        reader: impl Read + Send + 'static,
        line_bytes_max: usize,
        offset: u64,
        counters: &Arc<Counters>,
    ) -> io::Result<Self> {
        let pump = Self {
            mailbox: Arc::new(Mailbox::new(HELD_BYTES_MAX)),
            is_waiting: Arc::default(),
        };
        let (mailbox, is_waiting) = (Arc::clone(&pump.mailbox), Arc::clone(&pump.is_waiting));
        let counters = Arc::clone(counters);
        let cutter = Cutter {
            line_bytes_max: line_bytes_max.max(1),
            is_skipping: false,
        };
        std::thread::Builder::new()
            .name(name.to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                if let Err(error) = read(reader, cutter, offset, &mailbox, &is_waiting) {
                    counters.sample(Count::Errors, error.to_string());
                }
                mailbox.put(Piece::End);
            })?;
        Ok(pump)
    }

    /// Waits until there is something, or time is up.
    pub(crate) fn wait(&self, wait: Duration) -> bool {
        self.mailbox.wait(wait)
    }

    /// The next piece, if there is one.
    pub(crate) fn take(&self) -> Option<Piece> {
        self.mailbox.take()
    }

    /// Whether all that came was taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_waiting.load(Ordering::SeqCst) && self.mailbox.held().1 == 0
    }

    /// Lines are counted in pieces only, so this is bytes.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.mailbox.held().0 as u64
    }

    pub(crate) fn close(&self) {
        self.mailbox.close();
    }
}

fn read(
    mut reader: impl Read,
    mut cutter: Cutter,
    mut offset: u64,
    mailbox: &Mailbox<Piece>,
    is_waiting: &AtomicBool,
) -> io::Result<()> {
    let mut block = vec![0; BATCH_BYTES.max(cutter.line_bytes_max.saturating_add(2))];
    let mut n_held = 0;
    loop {
        let room = block.get_mut(n_held..).unwrap_or_default();
        is_waiting.store(n_held == 0, Ordering::SeqCst);
        let n = match reader.read(room) {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // What was held is a line, whole or not.
            Err(error) => {
                give(&mut cutter, &block, n_held, &mut offset, true, mailbox);
                return Err(error);
            }
        };
        is_waiting.store(false, Ordering::SeqCst);
        n_held += n;
        let Some(n_used) = give(&mut cutter, &block, n_held, &mut offset, n == 0, mailbox) else {
            return Ok(());
        };
        if n == 0 {
            return Ok(());
        }
        block.copy_within(n_used..n_held, 0);
        n_held -= n_used;
    }
}

/// Hands over the lines of a block; answers how many bytes they were, or `None` when nobody wants
/// them.
fn give(
    cutter: &mut Cutter,
    block: &[u8],
    n_held: usize,
    offset: &mut u64,
    is_end: bool,
    mailbox: &Mailbox<Piece>,
) -> Option<usize> {
    let mut lines = LineBatch::default();
    let piece = block.get(..n_held).unwrap_or_default();
    let n_used = cutter.cut(piece, *offset, is_end, &mut lines);
    *offset += n_used as u64;
    let is_wanted = lines.lines.is_empty() || mailbox.put(Piece::Lines(lines, *offset));
    is_wanted.then_some(n_used)
}

/// The partition of a pipe: what is common to all sources that have one.
#[derive(Debug)]
pub(crate) struct PipePartition {
    pub(crate) id: PartitionId,
    name: PartitionName,
    origin: Arc<Origin>,
    pub(crate) next_offset: u64,
    has_begun: bool,
    context: Arc<[u8]>,
}

impl PipePartition {
    pub(crate) fn new(name: &str, origin: Origin, resume: &Resume) -> Self {
        let name = PartitionName::new(name);
        Self {
            id: PartitionId(0),
            next_offset: resume.position(&name).map_or(0, |position| position.offset),
            name,
            origin: Arc::new(origin),
            has_begun: false,
            context: Arc::from(CONTEXT),
        }
    }

    fn position(&self) -> Position {
        Position {
            offset: self.next_offset,
            context: Arc::clone(&self.context),
        }
    }

    pub(crate) fn begin(&mut self, outlet: &mut dyn Outlet) {
        if !std::mem::replace(&mut self.has_begun, true) {
            outlet.begin(Begun {
                id: self.id,
                name: self.name.clone(),
                origin: Arc::clone(&self.origin),
                position: self.position(),
            });
        }
    }

    pub(crate) fn give(
        &mut self,
        lines: LineBatch,
        next_offset: u64,
        arrival_ns: i64,
        counters: &Counters,
        outlet: &mut dyn Outlet,
    ) {
        count_lines(counters, &lines);
        self.next_offset = next_offset;
        outlet.give(Batch {
            partition: self.id,
            lines,
            context: Arc::clone(&self.context),
            next_offset,
            arrival_ns,
            times_ns: Vec::new(),
            runs: Vec::new(),
        });
    }

    pub(crate) fn caught_up(&self, as_of_ns: i64, outlet: &mut dyn Outlet) {
        outlet.caught_up(self.id, as_of_ns, self.position());
    }

    pub(crate) fn end(&mut self, outlet: &mut dyn Outlet) {
        if std::mem::take(&mut self.has_begun) {
            outlet.end(self.id, Left::Nothing);
        }
    }
}

/// A pipe that is read to its end: standard input.
#[derive(Debug)]
pub struct PipeSource {
    id: String,
    partition: PipePartition,
    pump: Pump,
    clock: Clocked,
    counters: Arc<Counters>,
    has_ended: bool,
}

/// A clock, shown as nothing.
pub(crate) struct Clocked(pub(crate) Clock);

impl std::fmt::Debug for Clocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl PipeSource {
    /// Standard input, as a live source of this name.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn stdin(
        id: &str,
        origin: Origin,
        line_bytes_max: usize,
        resume: &Resume,
        clock: Clock,
    ) -> Result<Self, SourceError> {
        Self::new(id, io::stdin(), origin, line_bytes_max, resume, clock)
    }

    /// Anything that blocks until there is something to read.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(
        id: &str,
        reader: impl Read + Send + 'static,
        origin: Origin,
        line_bytes_max: usize,
        resume: &Resume,
        clock: Clock,
    ) -> Result<Self, SourceError> {
        let partition = PipePartition::new("stdin", origin, resume);
        let counters = Arc::<Counters>::default();
        let offset = partition.next_offset;
        let pump = Pump::start("stdin", reader, line_bytes_max, offset, &counters);
        let pump = pump.map_err(|source| SourceError::Start {
            program: "a thread that reads".to_owned(),
            source,
        })?;
        Ok(Self {
            id: id.to_owned(),
            partition,
            pump,
            clock: Clocked(clock),
            counters,
            has_ended: false,
        })
    }
}

impl LiveSource for PipeSource {
    fn id(&self) -> &str {
        &self.id
    }

    fn poll(&mut self, outlet: &mut dyn Outlet, wait: Duration) -> Result<Turn, SourceError> {
        if self.has_ended {
            return Ok(Turn::Ended);
        }
        self.partition.begin(outlet);
        let as_of_ns = (self.clock.0)();
        if self.pump.is_empty() {
            self.partition.caught_up(as_of_ns, outlet);
        }
        if !self.pump.wait(wait) {
            return Ok(Turn::Quiet);
        }
        if !outlet.has_room(self.partition.id) {
            std::thread::sleep(wait.min(PAUSE_HELD));
            return Ok(Turn::Quiet);
        }
        match self.pump.take() {
            Some(Piece::Lines(lines, next_offset)) => {
                let arrival_ns = (self.clock.0)();
                self.partition
                    .give(lines, next_offset, arrival_ns, &self.counters, outlet);
                Ok(Turn::Gave)
            }
            Some(Piece::End) => {
                self.has_ended = true;
                self.partition.end(outlet);
                Ok(Turn::Ended)
            }
            None => Ok(Turn::Quiet),
        }
    }

    fn committed(&mut self, _positions: &Positions) {}

    fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    fn lags(&self, each: &mut dyn FnMut(PartitionId, Lag)) {
        let lag = Lag {
            offset: self.partition.next_offset,
            bytes: Some(self.pump.held_bytes()),
            lines: None,
        };
        each(self.partition.id, lag);
    }

    fn close(&mut self) {
        // The thread may wait for its input for ever; it ends with the next line, or the process.
        self.pump.close();
    }
}

impl Drop for PipeSource {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::source::check::Checked;
    use crate::source::system_clock;

    fn source(resume: &Resume) -> (PipeSource, io::PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        let origin = Origin::default();
        let source = PipeSource::new("in", reader, origin, 100, resume, system_clock()).unwrap();
        (source, writer)
    }

    #[test]
    fn lines_come_at_once_and_the_last_one_with_the_end() {
        let (mut source, mut writer) = source(&Resume::First);
        let mut outlet = Checked::default();
        outlet.until(&mut source, |outlet| !outlet.caught_up.is_empty());
        writer.write_all(b"one\ntwo\nthr").unwrap();
        outlet.until_lines(&mut source, 2);
        writer.write_all(b"ee\n\nfour").unwrap();
        outlet.until_lines(&mut source, 3);
        drop(writer);
        outlet.until(&mut source, |outlet| !outlet.ended.is_empty());
        assert_eq!(outlet.texts(), ["one", "two", "three", "four"]);
        assert_eq!(outlet.poll(&mut source).unwrap(), Turn::Ended);
        assert_eq!(source.counters().get(Count::Lines), 4);
    }

    #[test]
    fn lines_are_numbered_on_after_a_restart() {
        let (mut first, mut writer) = source(&Resume::First);
        let mut outlet = Checked::default();
        writer.write_all(b"one\n").unwrap();
        outlet.until_lines(&mut first, 1);
        let (mut second, mut writer) = source(&Resume::From(outlet.positions));
        let mut outlet = Checked::default();
        writer.write_all(b"two\n").unwrap();
        outlet.until_lines(&mut second, 1);
        assert_eq!(outlet.lines[0].offset, 4);
    }

    #[test]
    fn a_writer_waits_while_there_is_no_room() {
        let (mut source, mut writer) = source(&Resume::First);
        let writes = std::thread::Builder::new();
        let writes = writes
            .spawn(move || {
                for n in 0..40_000 {
                    writeln!(writer, "{n} {}", "x".repeat(80)).unwrap();
                }
            })
            .unwrap();
        let mut outlet = Checked::default();
        outlet.full.insert(PartitionName::new("stdin"));
        outlet.during(&mut source, Duration::from_millis(200));
        assert!(!writes.is_finished());
        let (mut n_bytes, mut n_partitions) = (0, 0);
        source.lags(&mut |_, lag| {
            n_partitions += 1;
            n_bytes = lag.bytes.unwrap();
        });
        assert!(
            n_partitions == 1 && n_bytes <= 2 * HELD_BYTES_MAX as u64,
            "{n_bytes}"
        );
        outlet.full.clear();
        outlet.until_lines(&mut source, 40_000);
        writes.join().unwrap();
    }
}
