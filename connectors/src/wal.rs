//! A write-ahead log: messages of senders that cannot be asked again, kept until a checkpoint has them.
//!
//! ```text
//!  00000000000000000000.wal   00000000000016777226.wal   ...     the name is the offset of the first record
//!  +--------+------+------+   +--------+------+--
//!  | magic  | rec  | rec  |   | magic  | rec  | ...  record: length, checksum, time, flags, sender, message
//!  +--------+------+------+   +--------+------+--
//!        ^ position of a reader         ^ end: appended here
//! ```
//!
//! The offset of a record is its place in the whole log, so it names the record for ever. What a
//! process has appended survives its death; what was also synced ([`Fsync`]) survives that of the machine. A
//! torn record at the end is cut off when the log is opened. The log has a limit: when it is full, whoever appends
//! has to wait until a checkpoint lets old segments be deleted.

mod segment;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use segment::Record;
use segment::{SEGMENT_HEAD_BYTES, segment_path};

/// When appended records are synced to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// Before an append returns: nothing that was taken from a sender is lost with the machine.
    Always,
    /// After this time at the latest.
    Every(Duration),
    /// When the system likes to.
    Never,
}

/// Where a log lies, and how large it may be.
#[derive(Debug, Clone)]
pub struct WalConfig {
    /// Its directory, which belongs to this log alone.
    pub dir: PathBuf,
    /// A segment that has so many bytes is followed by another one.
    pub segment_bytes: u64,
    /// Most bytes of all segments.
    pub bytes_max: u64,
    /// When to sync.
    pub fsync: Fsync,
}

impl WalConfig {
    /// A log in a directory, with everything else as it is by default.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            segment_bytes: 16 << 20,
            bytes_max: 1 << 30,
            fsync: Fsync::Every(Duration::from_millis(200)),
        }
    }
}

/// What became of records that were to be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Appended {
    /// They are in the log.
    Yes,
    /// There is no room until something is deleted.
    Full,
}

/// A log that is appended to by several threads and read by one.
#[derive(Debug)]
pub(crate) struct Wal {
    config: WalConfig,
    writer: Mutex<Writer>,
    /// Offset behind the last record that can be read.
    end: AtomicU64,
    grown: Condvar,
    shrunk: Condvar,
}

#[derive(Debug)]
struct Writer {
    /// First offset and length of each segment, the last one included.
    segments: BTreeMap<u64, u64>,
    file: File,
    end: u64,
    synced_at: Instant,
    is_dirty: bool,
    /// Somebody waits for room.
    is_wanted: bool,
    scratch: Vec<u8>,
}

impl Wal {
    /// Opens a log, or makes one. A log that ends before `least`, since the machine died before it was synced,
    /// goes on there, so no offset is used twice.
    pub(crate) fn open(config: WalConfig, least: u64) -> io::Result<Self> {
        fs::create_dir_all(&config.dir)?;
        let mut segments = segment::list(&config.dir)?;
        let mut end = 0;
        if let Some((first, length)) = segments.last_entry().map(|last| (*last.key(), *last.get()))
        {
            let path = segment_path(&config.dir, first);
            let whole = segment::recover(&path, length)?;
            segments.insert(first, whole);
            end = first + whole;
        }
        let (first, file) = match segments.last_key_value() {
            Some((first, _)) if end >= least => {
                let path = segment_path(&config.dir, *first);
                (*first, File::options().append(true).open(path)?)
            }
            _ => {
                end = end.max(least);
                (end, segment::create(&config.dir, end)?)
            }
        };
        segments.entry(first).or_insert(0);
        Ok(Self {
            config,
            end: AtomicU64::new(end),
            writer: Mutex::new(Writer {
                segments,
                file,
                end,
                synced_at: Instant::now(),
                is_dirty: false,
                is_wanted: false,
                scratch: Vec::new(),
            }),
            grown: Condvar::new(),
            shrunk: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Offset behind the last record.
    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Offset of the first record that is still there.
    pub(crate) fn start(&self) -> u64 {
        let writer = self.lock();
        writer.segments.keys().next().copied().unwrap_or(writer.end)
    }

    /// Appends records, all or none of them.
    pub(crate) fn append(&self, records: &[Record<'_>]) -> io::Result<Appended> {
        let mut writer = self.lock();
        let mut scratch = std::mem::take(&mut writer.scratch);
        scratch.clear();
        for record in records {
            record.write(&mut scratch);
        }
        let result = self.append_bytes(&mut writer, &scratch);
        writer.scratch = scratch;
        result
    }

    fn append_bytes(&self, writer: &mut Writer, bytes: &[u8]) -> io::Result<Appended> {
        use std::io::Write;

        let start = writer.segments.keys().next().copied().unwrap_or(0);
        let n_held = writer.end - start + bytes.len() as u64;
        // What is larger than the whole log is let in when there is nothing else.
        if n_held > self.config.bytes_max && writer.end > start {
            writer.is_wanted = true;
            return Ok(Appended::Full);
        }
        let (first, length) = match writer.segments.last_key_value() {
            Some((first, length)) => (*first, *length),
            None => (writer.end, 0),
        };
        let (first, length) = if length > 0 && length >= self.config.segment_bytes {
            let file = segment::create(&self.config.dir, writer.end)?;
            if self.config.fsync != Fsync::Never {
                writer.file.sync_data()?;
            }
            writer.file = file;
            (writer.end, 0)
        } else {
            (first, length)
        };
        writer.segments.insert(first, length);
        if let Err(error) = writer.file.write_all(bytes) {
            // What is half written is taken back; if that fails too, opening the log does it.
            let _tried = writer.file.set_len(SEGMENT_HEAD_BYTES + length);
            return Err(error);
        }
        writer.segments.insert(first, length + bytes.len() as u64);
        writer.end += bytes.len() as u64;
        writer.is_dirty = true;
        if self.config.fsync == Fsync::Always {
            self.sync(writer)?;
        }
        self.end.store(writer.end, Ordering::Release);
        self.grown.notify_all();
        Ok(Appended::Yes)
    }

    fn sync(&self, writer: &mut Writer) -> io::Result<()> {
        writer.file.sync_data()?;
        writer.is_dirty = false;
        writer.synced_at = Instant::now();
        Ok(())
    }

    /// Syncs if it is time; to be called now and then.
    pub(crate) fn sync_if_due(&self) -> io::Result<()> {
        let Fsync::Every(every) = self.config.fsync else {
            return Ok(());
        };
        let mut writer = self.lock();
        if writer.is_dirty && writer.synced_at.elapsed() >= every {
            self.sync(&mut writer)?;
        }
        Ok(())
    }

    /// Waits until the log goes beyond an offset, or time is up.
    pub(crate) fn wait_beyond(&self, offset: u64, wait: Duration) {
        let until = Instant::now() + wait;
        let mut writer = self.lock();
        while writer.end <= offset {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.grown.wait_timeout(writer, left);
            writer = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until something was deleted, or time is up.
    pub(crate) fn wait_for_room(&self, wait: Duration) {
        let writer = self.lock();
        let waited = self.shrunk.wait_timeout(writer, wait);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Deletes the segments all of whose records are below an offset.
    pub(crate) fn delete_below(&self, offset: u64) -> io::Result<()> {
        let mut writer = self.lock();
        while let Some((first, length)) = writer.segments.first_key_value() {
            let (first, end) = (*first, first + length);
            if end > offset {
                break;
            }
            if writer.segments.len() == 1 {
                // The last one is replaced by an empty one when it is full, or when somebody waits for
                // more room than there is beside it.
                let is_small = end - first < self.config.segment_bytes;
                if end == first || (is_small && !writer.is_wanted) {
                    break;
                }
                writer.file = segment::create(&self.config.dir, end)?;
                writer.segments.insert(end, 0);
                writer.is_dirty = false;
            }
            fs::remove_file(segment_path(&self.config.dir, first))?;
            writer.segments.remove(&first);
        }
        writer.is_wanted = false;
        self.shrunk.notify_all();
        Ok(())
    }

    /// The segment that holds an offset: its first offset and its length. The next one if the offset lies in
    /// none.
    fn segment_of(&self, offset: u64) -> Option<(u64, u64)> {
        let writer = self.lock();
        let holding = writer.segments.range(..=offset).next_back();
        holding
            .filter(|(first, length)| offset < *first + *length)
            .or_else(|| writer.segments.range(offset..).next())
            .map(|(first, length)| (*first, *length))
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.config.dir
    }
}

/// Reads a log forward from an offset.
#[derive(Debug)]
pub(crate) struct WalReader {
    offset: u64,
    open: Option<(u64, File)>,
    block: Vec<u8>,
    /// Offset of `block`, and how far it was taken.
    block_offset: u64,
    n_taken: usize,
}

/// What came next in a log.
#[derive(Debug)]
pub(crate) enum Next<'a> {
    /// A record and its offset.
    Record(u64, Record<'a>),
    /// Nothing more just now.
    End,
    /// Records from one offset up to another are not there, or damaged.
    Lost(u64, u64),
}

/// Bytes read at once.
const BLOCK_BYTES: usize = 128 * 1024;

impl WalReader {
    pub(crate) fn new(offset: u64) -> Self {
        Self {
            offset,
            open: None,
            block: Vec::new(),
            block_offset: offset,
            n_taken: 0,
        }
    }

    /// Offset of what comes next.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next record.
    pub(crate) fn next(&mut self, wal: &Wal) -> io::Result<Next<'_>> {
        if self.offset >= wal.end() {
            return Ok(Next::End);
        }
        let is_held = |reader: &Self| {
            let bytes = reader.block.get(reader.n_taken..).unwrap_or_default();
            Record::length(bytes).is_some_and(|length| length <= bytes.len())
        };
        let is_there = is_held(self) || self.fill(wal)?;
        let bytes = self.block.get(self.n_taken..).unwrap_or_default();
        let Some(length) = Record::check(bytes).filter(|_| is_there) else {
            return Ok(self.skip(wal));
        };
        let (from, at) = (self.offset, self.n_taken);
        self.n_taken += length;
        self.offset += length as u64;
        let record = self.block.get(at..self.n_taken).and_then(Record::read);
        Ok(record.map_or(Next::End, |record| Next::Record(from, record)))
    }

    /// Goes on behind what is not there, or damaged: with the next segment.
    fn skip(&mut self, wal: &Wal) -> Next<'static> {
        let from = self.offset;
        let to = wal.segment_of(from).map_or_else(
            || wal.end(),
            |(first, length)| if from < first { first } else { first + length },
        );
        self.open = None;
        self.start_at(to.max(from + 1).min(wal.end()));
        Next::Lost(from, self.offset)
    }

    fn start_at(&mut self, offset: u64) {
        self.offset = offset;
        self.block.clear();
        self.block_offset = offset;
        self.n_taken = 0;
    }

    /// Reads the block that begins with the next record. Answers false when there is no sound record there.
    fn fill(&mut self, wal: &Wal) -> io::Result<bool> {
        let Some((first, length)) = wal.segment_of(self.offset) else {
            return Ok(false);
        };
        if self.offset < first {
            return Ok(false);
        }
        let file = match &self.open {
            Some((of, file)) if *of == first => file,
            _ => {
                let file = match File::open(segment_path(wal.dir(), first)) {
                    Ok(file) => file,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                    Err(error) => return Err(error),
                };
                &self.open.insert((first, file)).1
            }
        };
        let left = first + length - self.offset;
        let mut wanted = BLOCK_BYTES;
        loop {
            let n = usize::try_from(left).map_or(wanted, |left| left.min(wanted));
            self.block.resize(n, 0);
            let at = SEGMENT_HEAD_BYTES + self.offset - first;
            file.read_exact_at(&mut self.block, at)?;
            self.block_offset = self.offset;
            self.n_taken = 0;
            match Record::length(&self.block) {
                // One that is longer than the block.
                Some(length) if length > n && length as u64 <= left => wanted = length,
                _ => break,
            }
        }
        Ok(true)
    }
}
