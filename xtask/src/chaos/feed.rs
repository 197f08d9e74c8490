//! Writes the lines of a run, and what was written where: the truth.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use super::files::LogFile;
use super::job::IDLE_MS;
use super::kinesis::{self, Stream};
use super::plan::{Ending, Inputs, Plan};
use super::rng::Rng;
use super::traffic::{CHUNK_MS, Chunk, DISORDER_MS, Line, nobodys, traffic};
use super::wire::Topic;

/// How much later the last lines are: more than the lateness, and checkpoints are made at whole seconds.
const LATER_MS: i64 = 8_000;

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "a live job compares dates of lines with the clock"
    )]
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

/// Where the lines of a partition go.
#[derive(Debug)]
pub(crate) enum Place {
    /// Rotated by somebody else meanwhile.
    File(Arc<Mutex<LogFile>>),
    Topic(Topic),
    /// Shards come and go under it.
    Stream(Stream),
}

/// A file nobody else has in hand now.
pub(crate) fn locked(file: &Mutex<LogFile>) -> MutexGuard<'_, LogFile> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the writing thread and whoever waits for it share.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Lines.
    pub(crate) n_lines: AtomicU64,
    /// Newest time of a line that may be of an attack, in milliseconds.
    pub(crate) newest_ms: AtomicI64,
    /// Lines that came so late that an idle partition may have been moved past them: nothing can be said then.
    pub(crate) n_late: AtomicU64,
    /// Write no more.
    pub(crate) is_over: AtomicBool,
}

/// A partition with all that was ever written to it.
#[derive(Debug)]
struct Partition {
    place: Place,
    truth: File,
    is_web: bool,
}

/// Writes lines.
#[derive(Debug)]
pub(crate) struct Feed {
    chunks: Vec<Chunk>,
    rng: Rng,
    partitions: Vec<Partition>,
    ahead_ms: i64,
    jump_ms: i64,
    ending: Ending,
    origin_ms: i64,
    written: Arc<Written>,
}

/// Where the lines of a partition are kept.
pub(crate) fn truth_of(dir: &Path, partition: usize) -> PathBuf {
    dir.join(format!("truth-{partition}.log"))
}

impl Feed {
    pub(crate) fn new(
        plan: &Plan,
        dir: &Path,
        places: Vec<Place>,
        jump_ms: i64,
        written: &Arc<Written>,
    ) -> Result<Self> {
        let mut partitions = Vec::new();
        for (at, place) in places.into_iter().enumerate() {
            let path = truth_of(dir, at);
            let truth = File::create(&path).with_context(|| format!("make {}", path.display()))?;
            partitions.push(Partition {
                place,
                truth,
                is_web: (at as u64) < plan.web_partitions,
            });
        }
        let numbers = (plan.web_partitions, plan.ssh_partitions);
        let disorder_ms = match plan.inputs {
            Inputs::Kinesis => kinesis::DISORDER_MS,
            _ => DISORDER_MS,
        };
        Ok(Self {
            chunks: traffic(plan.seed, plan.lasts_ms, numbers, disorder_ms),
            rng: Rng::new(plan.seed, 4),
            partitions,
            ahead_ms: plan.ahead_ms as i64,
            jump_ms,
            ending: plan.ending,
            origin_ms: 0,
            written: Arc::clone(written),
        })
    }

    /// Writes all of it, each chunk in its time.
    pub(crate) fn run(mut self) -> Result<()> {
        let since = Instant::now();
        for chunk in std::mem::take(&mut self.chunks) {
            let due = Duration::from_millis(chunk.at_ms);
            while since.elapsed() < due && !self.is_over() {
                std::thread::sleep(Duration::from_millis(10));
            }
            self.origin_ms = (self.origin_ms + CHUNK_MS as i64).max(now_ms() + self.ahead_ms);
            for (partition, lines) in chunk.lines.iter().enumerate() {
                self.write(partition, lines)?;
            }
        }
        if self.ending == Ending::Later {
            let newest_ms = self.written.newest_ms.load(Ordering::SeqCst);
            self.origin_ms = newest_ms + LATER_MS;
            for partition in 0..self.partitions.len() {
                let line = nobodys(self.partitions[partition].is_web);
                self.write(partition, &[line])?;
            }
            // They tell of no attack, so nobody has to wait for their time.
            self.written.newest_ms.store(newest_ms, Ordering::SeqCst);
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.written.is_over.load(Ordering::SeqCst)
    }

    fn write(&mut self, at: usize, lines: &[Line]) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        loop {
            if self.is_over() {
                bail!("the run ended before its lines");
            }
            // What waited for a broker would be old.
            let now = now_ms();
            if self.origin_ms < now + self.ahead_ms {
                self.origin_ms = now + self.ahead_ms;
            }
            let texts: Vec<String> = lines.iter().map(|line| line.text(self.origin_ms)).collect();
            if self.put(at, &texts, now)? {
                return self.note(at, lines, &texts);
            }
        }
    }

    fn put(&mut self, at: usize, texts: &[String], now: i64) -> Result<bool> {
        let written = Arc::clone(&self.written);
        match &mut self.partitions[at].place {
            Place::File(file) => {
                locked(file).append(&(texts.join("\n") + "\n"))?;
                Ok(true)
            }
            Place::Topic(topic) => {
                topic.append(texts, now, || written.is_over.load(Ordering::SeqCst))
            }
            Place::Stream(stream) => {
                stream.put(at as u64, texts, &mut self.rng)?;
                Ok(true)
            }
        }
    }

    fn note(&mut self, at: usize, lines: &[Line], texts: &[String]) -> Result<()> {
        let now = now_ms();
        let truth = &mut self.partitions[at].truth;
        truth.write_all((texts.join("\n") + "\n").as_bytes())?;
        let times = lines.iter().map(|line| line.event_ms(self.origin_ms));
        // The job's clock may be that much ahead.
        let limit_ms = now + self.jump_ms - IDLE_MS;
        let n_late = times
            .clone()
            .filter(|event_ms| *event_ms <= limit_ms)
            .count();
        let newest_ms = times.max().unwrap_or(0);
        let written = &self.written;
        written
            .n_lines
            .fetch_add(lines.len() as u64, Ordering::SeqCst);
        written.n_late.fetch_add(n_late as u64, Ordering::SeqCst);
        written.newest_ms.fetch_max(newest_ms, Ordering::SeqCst);
        Ok(())
    }
}
