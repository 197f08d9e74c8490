//! Files that are followed: CrowdSec's `source: file`, `mode: tail`.
//!
//! A partition is a *path*, over all the files that it shows one after the other: so
//! the lines of a log have one order over its rotations, and ten thousand logs that are rotated every day are
//! ten thousand partitions, not more each day. What a file is is told by device, inode and its
//! first 1,024 bytes. Offsets are those in the file plus the lengths of the files before it.
//!
//! Files are looked at on a timer: one that grows every 20 ms, a quiet one
//! ever more rarely, so that all looks together take at most a fiftieth of a core. Patterns are
//! read anew on the same terms. So no directory has to be watched, and network file systems, overlays and links
//! are like any other file. At most [`TailConfig::open_files_max`] files are open.
//!
//! What is promised, and what is not:
//! - Rename: the old file is read to its end, and for [`TailConfig::rotate_wait`] longer, then the new one from
//!   its beginning. What a program writes to the old file after that is not read.
//! - Copy and truncate: the file is read from its beginning; what of the copy was not read before is read
//!   first. What was written between copy and truncation is nowhere, so it is lost.
//! - While nobody looked (a restart): the file of the position is looked for among the rotated ones, also packed,
//!   and those younger than it are read too, in order. If it is not there the loss is counted.
//! - A last line without an end waits for it. It becomes a line when its file is finished.
//! - Packed files are not followed.

mod claims;
mod context;
mod cut;
mod family;
mod find;
mod identity;
mod original;
mod reader;
mod rotated;
mod stream;
mod taking;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use overspill_event::Origin;

use crate::lines::{BATCH_BYTES, LINE_BYTES_MAX};
use crate::source::{
    Clock, Count, Counters, Lag, LiveSource, Outlet, PartitionId, PartitionName, Positions, Resume,
    SourceError, Turn,
};
use claims::Claims;
pub(crate) use cut::Cutter;
use family::Listings;
pub use find::Exclude;
pub(crate) use find::check as check_pattern;
use original::Original;
use stream::{Desk, Look, Stream};

/// Pause before a file that has just grown is looked at again.
const PAUSE_SHORTEST: Duration = Duration::from_millis(20);
/// Longest pause of a few quiet files.
const PAUSE_FEW: Duration = Duration::from_millis(200);
/// Longest pause of any number of them.
const PAUSE_MOST: Duration = Duration::from_secs(10);
/// One part in so many of a core goes into looks that find nothing, and again into reading patterns.
const SHARE: u32 = 50;
/// Pause when there is no room for lines.
const PAUSE_HELD: Duration = Duration::from_millis(5);
/// Patterns are read anew no more often than this.
const FIND_SHORTEST: Duration = Duration::from_secs(1);
/// Looks of one call of `poll` take no longer than this.
const POLL_LONGEST: Duration = Duration::from_millis(10);

/// Where a file begins that is there when a source is started for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// At its end, as in CrowdSec: only what comes is read.
    #[default]
    End,
    /// At its beginning.
    Beginning,
}

/// What is to be followed, and how.
#[derive(Debug, Clone)]
pub struct TailConfig {
    /// Name of the source.
    pub id: String,
    /// Patterns of Go's `filepath.Match`, or names.
    pub patterns: Vec<String>,
    /// Paths that are left out.
    pub excludes: Vec<Exclude>,
    /// Module and labels of the lines; `src` becomes the path.
    pub origin: Origin,
    /// Longest line in bytes.
    pub line_bytes_max: usize,
    /// Where to begin when there is no checkpoint.
    pub start: Start,
    /// Most files that are followed.
    pub files_max: usize,
    /// Most files that are open.
    pub open_files_max: usize,
    /// How long a file has to be quiet at its end before the path's next one is read.
    pub rotate_wait: Duration,
    /// How long a path may show nothing before its partition ends.
    pub gone_wait: Duration,
    /// Patterns are read anew after this.
    pub find_every: Duration,
}

impl TailConfig {
    /// Follows these patterns, with everything else as it is by default.
    #[must_use]
    pub fn new(id: &str, patterns: Vec<String>, origin: Origin) -> Self {
        Self {
            id: id.to_owned(),
            patterns,
            excludes: Vec::new(),
            origin,
            line_bytes_max: LINE_BYTES_MAX,
            start: Start::End,
            files_max: 100_000,
            open_files_max: 512,
            rotate_wait: Duration::from_secs(1),
            gone_wait: Duration::from_secs(60),
            find_every: FIND_SHORTEST,
        }
    }
}

/// The paths that a configuration stands for now.
pub(crate) fn paths(config: &TailConfig) -> Vec<PathBuf> {
    find::paths(&config.patterns, &config.excludes, config.files_max).0
}

/// Follows files.
pub struct TailSource {
    config: TailConfig,
    clock: Clock,
    counters: Arc<Counters>,
    resume: Option<Resume>,
    streams: BTreeMap<usize, Stream>,
    numbers: BTreeMap<PathBuf, usize>,
    n_streams: usize,
    n_begun: u32,
    claims: Claims,
    listings: Listings,
    /// When to look at which stream.
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    /// Streams with open files, by when they were last used.
    open: BTreeSet<(u64, usize)>,
    n_uses: u64,
    find_at: Instant,
    is_over_told: bool,
    /// What a look takes on average, in nanoseconds.
    look_ns: u64,
    scratch: Vec<u8>,
}

impl std::fmt::Debug for TailSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TailSource")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl TailSource {
    /// Follows files from where a checkpoint was, or from where the configuration says.
    #[must_use]
    pub fn new(config: TailConfig, resume: Resume, clock: Clock) -> Self {
        let scratch = vec![0; BATCH_BYTES.max(config.line_bytes_max.saturating_add(2))];
        Self {
            config,
            clock,
            counters: Arc::default(),
            resume: Some(resume),
            streams: BTreeMap::new(),
            numbers: BTreeMap::new(),
            n_streams: 0,
            n_begun: 0,
            claims: Claims::default(),
            listings: Listings::default(),
            due: BinaryHeap::new(),
            open: BTreeSet::new(),
            n_uses: 0,
            find_at: Instant::now(),
            is_over_told: false,
            look_ns: 0,
            scratch,
        }
    }

    /// Reads the patterns if it is time.
    fn find(&mut self, now: Instant) {
        if now < self.find_at {
            return;
        }
        let is_first = self.resume.is_some();
        let resume = self.resume.take().unwrap_or(Resume::From(Positions::new()));
        // Positions come first: they say who reads which file. Their paths may show nothing any more.
        if let Resume::From(positions) = &resume {
            for (name, position) in positions {
                if let Some(number) = self.add(Path::new(&*name.0), Start::Beginning, now)
                    && let Some(stream) = self.streams.get_mut(&number)
                {
                    let original = |path: &PathBuf| {
                        let name = PartitionName::new(&path.to_string_lossy());
                        positions.contains_key(&name)
                    };
                    let is_rotated = family::originals(&stream.path).iter().any(original);
                    stream.resume(position, &self.counters);
                    stream.claim(&mut self.claims, is_rotated);
                }
            }
        }
        let start = match resume {
            Resume::First => self.config.start,
            Resume::From(_) => Start::Beginning,
        };
        let config = &self.config;
        let (paths, is_over) = find::paths(&config.patterns, &config.excludes, config.files_max);
        if is_over && !std::mem::replace(&mut self.is_over_told, true) {
            let text = format!("more than {} files", config.files_max);
            self.counters.sample(Count::FilesSkipped, text);
        }
        for path in paths {
            self.add(&path, start, now);
        }
        let took = now.elapsed();
        let pause = (took * SHARE).clamp(
            self.config.find_every,
            PAUSE_MOST.max(self.config.find_every),
        );
        // The first look at a directory is the dearest; do not let it decide.
        let pause = if is_first {
            self.config.find_every
        } else {
            pause
        };
        self.find_at = Instant::now() + pause;
    }

    /// A stream for a path, if it has none yet.
    fn add(&mut self, path: &Path, start: Start, now: Instant) -> Option<usize> {
        if self.numbers.contains_key(path) || self.streams.len() >= self.config.files_max {
            return None;
        }
        let number = self.n_streams;
        self.n_streams += 1;
        self.numbers.insert(path.to_owned(), number);
        self.streams
            .insert(number, Stream::new(number, path, &self.config, start));
        self.due.push(Reverse((now, number)));
        Some(number)
    }

    /// The longest pause between two looks at a quiet file.
    fn pause_longest(&self) -> Duration {
        let n = self.streams.len() as u64;
        let all = Duration::from_nanos(self.look_ns.saturating_mul(n));
        all.saturating_mul(SHARE).clamp(PAUSE_FEW, PAUSE_MOST)
    }

    /// Streams of which the path of one that follows nothing may be a rotated name.
    fn originals(&self, number: usize) -> Vec<Original> {
        let stream = self.streams.get(&number);
        let Some(stream) = stream.filter(|stream| stream.waits()) else {
            return Vec::new();
        };
        family::originals(&stream.path)
            .iter()
            .filter_map(|path| self.streams.get(self.numbers.get(path)?))
            .map(Original::of)
            .collect()
    }

    /// Looks at one stream; answers whether something came of it.
    fn look(&mut self, number: usize, now: Instant, outlet: &mut dyn Outlet) -> bool {
        let longest = self.pause_longest();
        let originals = self.originals(number);
        let Some(stream) = self.streams.get_mut(&number) else {
            return false;
        };
        let mut desk = Desk {
            config: &self.config,
            counters: &self.counters,
            claims: &mut self.claims,
            listings: &mut self.listings,
            scratch: &mut self.scratch,
            outlet,
            clock: &self.clock,
            n_begun: &mut self.n_begun,
            now,
            originals: &originals,
        };
        let look = stream.look(&mut desk);
        let pause = match look {
            Look::Again => Duration::ZERO,
            Look::Quiet if stream.pause.is_zero() => PAUSE_SHORTEST,
            Look::Quiet => (stream.pause * 3 / 2).min(longest),
            Look::Held => PAUSE_HELD,
            Look::Failed(pause) => pause,
            Look::Ended => {
                let (path, used) = (Arc::clone(&stream.path), stream.used);
                self.streams.remove(&number);
                self.numbers.remove(&*path);
                self.open.remove(&(used, number));
                return true;
            }
        };
        if look == Look::Quiet {
            let took = u64::try_from(now.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.look_ns = (self.look_ns.saturating_mul(63).saturating_add(took)) / 64;
        }
        stream.pause = pause;
        self.due.push(Reverse((now + pause, number)));
        self.keep_open(number);
        look == Look::Again
    }

    /// Closes the file that was not used for longest when too many are open.
    fn keep_open(&mut self, number: usize) {
        let Some(stream) = self.streams.get_mut(&number) else {
            return;
        };
        self.open.remove(&(stream.used, number));
        if stream.reader.is_none() {
            return;
        }
        self.n_uses += 1;
        stream.used = self.n_uses;
        self.open.insert((stream.used, number));
        if self.open.len() > self.config.open_files_max.max(1)
            && let Some((_, oldest)) = self.open.pop_first()
            && let Some(stream) = self.streams.get_mut(&oldest)
        {
            stream.let_go();
        }
    }
}

impl LiveSource for TailSource {
    fn id(&self) -> &str {
        &self.config.id
    }

    fn poll(&mut self, outlet: &mut dyn Outlet, wait: Duration) -> Result<Turn, SourceError> {
        let until = Instant::now() + wait;
        loop {
            let since = Instant::now();
            self.find(since);
            let mut has_given = false;
            let mut now = Instant::now();
            while let Some(Reverse((at, number))) = self.due.peek().copied()
                && at <= now
                && now.duration_since(since) < POLL_LONGEST
            {
                self.due.pop();
                has_given |= self.look(number, now, outlet);
                now = Instant::now();
            }
            if has_given {
                return Ok(Turn::Gave);
            }
            if now >= until {
                return Ok(Turn::Quiet);
            }
            let next = self.due.peek().map_or(until, |Reverse((at, _))| *at);
            let next = next.min(until).min(self.find_at.max(now));
            std::thread::sleep(next.saturating_duration_since(now));
        }
    }

    fn committed(&mut self, _positions: &Positions) {}

    fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    fn lags(&self, each: &mut dyn FnMut(PartitionId, Lag)) {
        for stream in self.streams.values() {
            if let Some(id) = stream.id {
                each(id, stream.lag());
            }
        }
    }

    fn close(&mut self) {
        self.streams.clear();
        self.numbers.clear();
        self.due.clear();
        self.open.clear();
        self.find_at = Instant::now() + Duration::from_secs(60 * 60 * 24 * 365);
    }
}
