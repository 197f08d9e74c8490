//! The decision log as a place that the journal writes to.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use overspill_connectors::sink::{FileSink, From, Pending, Place, Record, RecordSink, SinkError};

use super::{DecisionReader, LINES, Line, STATE, apply, numbered, path};
use crate::wire::chain;

/// Name of the log in checkpoints.
const NAME: &str = "decisions";
/// Bytes of lines after which the whole log is written, and another file begun.
const FILE_BYTES: u64 = 16 << 20;
/// How long another process that has the log may take to end.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// How long the disk may be full.
const FULL_WAIT: Duration = Duration::from_secs(60);
/// How often a thing that does not work yet is tried.
const AGAIN: Duration = Duration::from_millis(50);

/// Writes the log.
pub(crate) struct DecisionSink {
    reader: DecisionReader,
    /// The newest file of lines, and the number of its first byte.
    file: FileSink,
    begin: u64,
    pub(super) file_bytes: u64,
    /// Event time that has passed.
    passed_ns: i64,
    /// Set when the job is left where it stands.
    halt: Arc<AtomicBool>,
    /// Says that the disk is full.
    say: Box<dyn Fn(String) + Send>,
    /// Held as long as this lives.
    _lock: File,
}

impl DecisionSink {
    /// Opens a log, or begins one.
    pub(crate) fn open(
        dir: &Path,
        halt: Arc<AtomicBool>,
        say: impl Fn(String) + Send + 'static,
    ) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("make {}", dir.display()))?;
        let lock = lock(&dir.join("lock"), &halt)?;
        let reader = DecisionReader::open(dir)?;
        let files = numbered(dir, LINES)?;
        let begin = files.into_keys().next_back().unwrap_or(0);
        Ok(Self {
            file: open_lines(dir, begin)?,
            reader,
            begin,
            file_bytes: FILE_BYTES,
            passed_ns: i64::MIN,
            halt,
            say: Box::new(say),
            _lock: lock,
        })
    }

    fn write_line(&mut self, line: &Line) -> Result<(), SinkError> {
        let line = serde_json::to_vec(line).unwrap_or_default();
        let key = String::new();
        self.write_all(&[Record { key, line }])
    }

    fn write_all(&mut self, records: &[Record]) -> Result<(), SinkError> {
        self.write_when_there_is_room(records)?;
        for record in records {
            // Whatever it is, who reads it gets as far.
            let applied = apply(&mut self.reader.log, &record.line);
            applied.map_err(|error| SinkError::File {
                what: "write",
                path: self.reader.dir.clone(),
                source: std::io::Error::other(format!("{error:#}")),
            })?;
            self.reader.at += record.line.len() as u64 + 1;
        }
        Ok(())
    }

    /// Says how far event time is, if it has moved.
    fn tell_time(&mut self) -> Result<(), SinkError> {
        if self.passed_ns <= self.reader.log.now_ns() {
            return Ok(());
        }
        self.write_line(&Line {
            passed_ns: Some(self.passed_ns),
            ..Line::default()
        })
    }

    /// Writes when there is room again, unless that takes too long.
    fn write_when_there_is_room(&mut self, records: &[Record]) -> Result<(), SinkError> {
        let since = Instant::now();
        let mut is_said = false;
        loop {
            let error = match self.file.write(records) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let is_over = since.elapsed() > FULL_WAIT || self.halt.load(Ordering::SeqCst);
            if !is_full(&error) || is_over {
                return Err(error);
            }
            if !std::mem::replace(&mut is_said, true) {
                (self.say)(format!(
                    "the decision log waits for room: {}",
                    chain(&error)
                ));
            }
            std::thread::sleep(AGAIN);
        }
    }

    /// Writes the whole log and begins another file. What can only be needed by checkpoints long gone is removed.
    fn begin_file(&mut self, at: u64) -> Result<()> {
        let dir = self.reader.dir.clone();
        let mut bytes = Vec::new();
        self.reader.log.encode(&mut bytes);
        let temporary = dir.join("state.tmp");
        let mut file = File::create(&temporary)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path(&dir, STATE, at))?;
        self.file = open_lines(&dir, at)?;
        self.begin = at;
        self.reader.state_bytes = bytes.len() as u64;
        File::open(&dir)?.sync_all()?;
        let mut states: Vec<u64> = numbered(&dir, STATE)?.into_keys().collect();
        // The one before stays, for a checkpoint that was made before it.
        states.pop();
        let Some(oldest) = states.pop() else {
            return Ok(());
        };
        for (_, path) in numbered(&dir, STATE)?.range(..oldest) {
            std::fs::remove_file(path)?;
        }
        let lines = numbered(&dir, LINES)?;
        for ((_, path), end) in lines.iter().zip(lines.keys().skip(1)) {
            if *end <= oldest {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

fn is_full(error: &SinkError) -> bool {
    let SinkError::File { source, .. } = error else {
        return false;
    };
    matches!(
        source.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    )
}

fn open_lines(dir: &Path, begin: u64) -> Result<FileSink> {
    FileSink::open(NAME, &path(dir, LINES, begin)).map_err(|error| anyhow!(chain(&error)))
}

/// Keeps others out. Whoever was killed is out at once.
fn lock(path: &Path, halt: &AtomicBool) -> Result<File> {
    let file = File::options().create(true).append(true).open(path);
    let file = file.with_context(|| format!("open {}", path.display()))?;
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if since.elapsed() > LOCK_WAIT => {
                bail!("another job writes to {}", path.display())
            }
            Err(TryLockError::WouldBlock) if halt.load(Ordering::SeqCst) => {
                bail!("the job ended before {} was free", path.display())
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(AGAIN),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("lock {}", path.display()));
            }
        }
    }
}

impl RecordSink for DecisionSink {
    fn name(&self) -> &str {
        NAME
    }

    fn recover(&mut self, from: &From, each: &mut dyn FnMut(&[u8])) -> Result<(), SinkError> {
        let place = match from {
            From::Beginning => 0,
            From::Place(place) => place.first().copied().unwrap_or(0),
            From::End => u64::MAX,
        };
        let dir = &self.reader.dir;
        let failed = |what, path: &Path, source| SinkError::File {
            what,
            path: path.to_owned(),
            source,
        };
        let files = numbered(dir, LINES);
        let files = files.map_err(|error| failed("read", dir, std::io::Error::other(error)))?;
        let ends = files.keys().skip(1).copied();
        for ((begin, path), end) in files.iter().zip(ends) {
            if end > place {
                let bytes = std::fs::read(path).map_err(|source| failed("read", path, source))?;
                let skip = usize::try_from(place.saturating_sub(*begin)).unwrap_or(usize::MAX);
                let rest = bytes.get(skip..).unwrap_or_default();
                rest.split(|byte| *byte == b'\n')
                    .filter(|line| !line.is_empty())
                    .for_each(&mut *each);
            }
        }
        // All of the last file is gone through, so that what it ends with is cut off if it is no whole line.
        let skip = place.saturating_sub(self.begin);
        let mut at = 0;
        self.file.recover(&From::Beginning, &mut |line| {
            if at >= skip {
                each(line);
            }
            at += line.len() as u64 + 1;
        })?;
        let generation = self.reader.log.head().generation + 1;
        self.write_line(&Line {
            generation: Some(generation),
            ..Line::default()
        })
    }

    fn write(&mut self, records: &[Record]) -> Result<(), SinkError> {
        // Decisions that are over already do not begin.
        self.tell_time()?;
        self.write_all(records)
    }

    fn advance(&mut self, upto_ns: i64) -> Result<(), SinkError> {
        if upto_ns == i64::MAX {
            return Ok(());
        }
        self.passed_ns = upto_ns;
        let due_ns = self.reader.log.next_deadline_ns();
        match due_ns.is_some_and(|due_ns| due_ns <= upto_ns) {
            true => self.tell_time(),
            false => Ok(()),
        }
    }

    fn place_soon(&mut self) -> Result<(Place, Option<Pending>), SinkError> {
        let at = self.reader.at;
        let (_, pending) = self.file.place_soon()?;
        // A large log is written when as much has changed.
        if at - self.begin < self.file_bytes.max(self.reader.state_bytes) {
            return Ok((vec![at], pending));
        }
        pending.map_or(Ok(()), Pending::finish)?;
        if let Err(error) = self.begin_file(at) {
            // Nothing is lost: the lines are there, and it is tried again with the next checkpoint.
            (self.say)(format!("the decision log gets longer: {error:#}"));
        }
        Ok((vec![at], None))
    }
}
