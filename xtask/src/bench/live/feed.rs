//! Writes lines at a rate, and says when those were sent that matter.
//!
//! Every [`PAUSE`] what has become due goes to the partitions in turn, one request each. A request waits for its
//! answer, so a broker that is slow makes later lines late; their time is when they were sent all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::ground::append;
use super::lines::{
    ATTACKERS, Dates, Family, NEW_PROBES, PROBES, TO_COMPLETE, Templates, refused, request,
};
use crate::chaos::feed::now_ms;
use crate::chaos::wire::Topic;

/// Between two looks at what is due.
const PAUSE: Duration = Duration::from_millis(1);
/// Between two lines of an attacker.
const STEP: Duration = Duration::from_millis(20);

/// What is written each second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Lines of the generator.
    pub(super) lines: f64,
    /// Attackers who begin; each completes a scenario with lines of all partitions.
    pub(super) attackers: f64,
    /// Lines of which each is an alert.
    pub(super) probes: f64,
    /// And those that are one only by content that comes later.
    pub(super) new_probes: f64,
    /// How fast the dates of lines go; one is as time does.
    pub(super) speed: f64,
    /// What the first date is, in milliseconds since 1970; none: the present.
    pub(super) from_ms: Option<i64>,
}

impl Pace {
    /// So many lines of the generator, dated now.
    pub(super) fn of(lines: f64) -> Self {
        Self {
            lines,
            attackers: 0.0,
            probes: 0.0,
            new_probes: 0.0,
            speed: 1.0,
            from_ms: None,
        }
    }
}

/// What was sent when.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// The line that completes an attack, by attacker.
    pub(super) completed: Vec<Instant>,
    pub(super) n_lines: u64,
}

/// A thread that writes.
pub(super) struct Feed {
    thread: JoinHandle<Result<Sent>>,
    is_over: Arc<AtomicBool>,
}

impl Feed {
    pub(super) fn start(topics: Vec<Topic>, templates: Arc<Templates>, pace: Pace) -> Result<Self> {
        let is_over = Arc::<AtomicBool>::default();
        let mut writing = Writing::new(topics, templates, pace);
        let over = Arc::clone(&is_over);
        let work = move || {
            while !over.load(Ordering::SeqCst) {
                writing.write()?;
                std::thread::sleep(PAUSE);
            }
            writing.sent.n_lines = writing.n_lines;
            Ok(writing.sent)
        };
        let thread = std::thread::Builder::new()
            .name("feed".to_owned())
            .spawn(work)
            .context("start a thread")?;
        Ok(Self { thread, is_over })
    }

    /// Ends it, and answers what was sent.
    pub(super) fn end(self) -> Result<Sent> {
        self.is_over.store(true, Ordering::SeqCst);
        self.thread
            .join()
            .map_err(|_| anyhow!("the writing thread panicked"))?
    }
}

struct Writing {
    topics: Vec<Topic>,
    /// For each partition.
    batches: Vec<Vec<String>>,
    templates: Arc<Templates>,
    pace: Pace,
    began: Instant,
    dates: Dates,
    n_lines: u64,
    n_probes: [u64; 2],
    /// How many attackers have made each step.
    n_steps: Vec<u64>,
    sent: Sent,
}

impl Writing {
    fn new(topics: Vec<Topic>, templates: Arc<Templates>, pace: Pace) -> Self {
        Self {
            batches: vec![Vec::new(); topics.len()],
            topics,
            templates,
            pace,
            began: Instant::now(),
            dates: Dates::default(),
            n_lines: 0,
            n_probes: [0; 2],
            n_steps: vec![0; TO_COMPLETE as usize],
            sent: Sent::default(),
        }
    }

    /// Writes what is due.
    fn write(&mut self) -> Result<()> {
        let passed = self.began.elapsed();
        let now_ms = self.pace.from_ms.map_or_else(now_ms, |from_ms| {
            from_ms + (passed.as_secs_f64() * 1e3 * self.pace.speed) as i64
        });
        let date = self.dates.of(now_ms).to_owned();
        let completed = self.due(passed, &date);
        let n = self.topics.len();
        let mut sent = vec![self.began; n];
        for (at, batch) in self.batches.iter_mut().enumerate() {
            sent[at] = Instant::now();
            // A feed that was held up has much to write.
            for part in batch.chunks(2_000) {
                append(&mut self.topics[at], part)?;
            }
            batch.clear();
        }
        let when = completed.map(|attacker| sent[place(attacker, TO_COMPLETE - 1, n)]);
        self.sent.completed.extend(when);
        Ok(())
    }

    /// Puts what is due into batches; answers the attackers whose last line is among it.
    fn due(&mut self, passed: Duration, date: &str) -> std::ops::Range<u64> {
        let n = self.topics.len();
        let until = |rate: f64, passed: Duration| (passed.as_secs_f64() * rate) as u64;
        let n_due = until(self.pace.lines, passed);
        while self.n_lines < n_due {
            let line = self.templates.line(self.n_lines, date);
            self.batches[self.n_lines as usize % n].push(line);
            self.n_lines += 1;
        }
        let probes: [(Family, &str, f64); 2] = [
            (PROBES, "/probe", self.pace.probes),
            (NEW_PROBES, "/new-probe", self.pace.new_probes),
        ];
        for ((family, path, rate), n_written) in probes.into_iter().zip(&mut self.n_probes) {
            while *n_written < until(rate, passed) {
                let line = request(&family.address(*n_written as u32), date, path);
                self.batches[*n_written as usize % n].push(line);
                *n_written += 1;
            }
        }
        let before = self.n_steps[TO_COMPLETE as usize - 1];
        for (step, n_made) in (0..TO_COMPLETE).zip(&mut self.n_steps) {
            let passed = passed.saturating_sub(STEP * step);
            while *n_made < until(self.pace.attackers, passed) {
                let line = refused(&ATTACKERS.address(*n_made as u32), date);
                self.batches[place(*n_made, step, n)].push(line);
                *n_made += 1;
            }
        }
        before..self.n_steps[TO_COMPLETE as usize - 1]
    }
}

/// The partition of an attacker's step.
fn place(attacker: u64, step: u32, n_partitions: usize) -> usize {
    (attacker as usize + step as usize) % n_partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writing(pace: Pace) -> Writing {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let templates = Templates::parse("1.2.3.4 - - [D] x\n").unwrap();
        let topics = (0..2).map(|at| Topic::new(address, "t", at)).collect();
        Writing::new(topics, Arc::new(templates), pace)
    }

    #[test]
    fn an_attack_is_completed_once_and_by_its_last_line() {
        let mut writing = writing(Pace {
            attackers: 10.0,
            ..Pace::of(0.0)
        });
        // The first begins after a tenth of a second, and takes five steps of 20 ms.
        assert_eq!(writing.due(Duration::from_millis(199), "D"), 0..0);
        assert_eq!(writing.due(Duration::from_millis(200), "D"), 0..1);
        assert_eq!(writing.due(Duration::from_millis(200), "D"), 1..1);
        let of_first = |batch: &Vec<String>| {
            let ours = batch.iter().filter(|line| line.starts_with("45.0.0.0 "));
            ours.count()
        };
        let n: Vec<usize> = writing.batches.iter().map(of_first).collect();
        assert_eq!(n, [3, 3]);
        assert_eq!(place(0, TO_COMPLETE - 1, 2), 1);
    }

    #[test]
    fn lines_come_at_their_rate_to_all_partitions() {
        let mut writing = writing(Pace {
            probes: 100.0,
            ..Pace::of(1_000.0)
        });
        writing.due(Duration::from_millis(50), "D");
        let n: Vec<usize> = writing.batches.iter().map(Vec::len).collect();
        assert_eq!(n, [25 + 3, 25 + 2]);
    }
}
