//! Bounded sources as a live one: what is read once, to its end, within a job that goes on.
//!
//! `mode: cat` of an acquisition. Inputs are read one after the other, so a thousand files take one
//! thread. A checkpoint holds the offset of the next line; since a [`Source`] knows no way but from
//! its beginning, lines before that are read again and left out. An input that was read to its end is
//! remembered as such and not read again. An input that fails in the middle is counted and is
//! at its end there, as in a replay.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use overspill_event::{LineBatch, Origin};

use crate::source::{
    Batch, Begun, Clock, Count, Counters, Lag, Left, LiveSource, Outlet, PartitionId,
    PartitionName, Position, Positions, Resume, Source, SourceError, Step, Turn,
};

/// Context of a partition that is being read.
const READING: [u8; 2] = [1, 0];
/// Context of one that is done.
const DONE: [u8; 2] = [1, 1];

/// Opens a source.
pub type Open = Box<dyn FnOnce() -> Result<Box<dyn Source>, SourceError> + Send>;

/// An input to read.
pub struct OnceInput {
    /// What its lines share; `src` is the name of its partition.
    pub origin: Origin,
    /// Opens it.
    pub open: Open,
}

/// Reads its inputs one after the other.
pub struct OnceSource {
    id: String,
    waiting: VecDeque<OnceInput>,
    resume: Resume,
    clock: Clock,
    counters: Arc<Counters>,
    n_begun: u32,
    reading: Option<Reading>,
}

struct Reading {
    partition: PartitionId,
    source: Box<dyn Source>,
    /// Lines below this were given before the checkpoint.
    from: u64,
    next_offset: u64,
    /// Lines that were read and had no room.
    held: LineBatch,
    is_at_end: bool,
}

impl std::fmt::Debug for OnceSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnceSource")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl OnceSource {
    /// A source of these inputs, in their order.
    #[must_use]
    pub fn new(id: String, inputs: Vec<OnceInput>, resume: Resume, clock: Clock) -> Self {
        Self {
            id,
            waiting: inputs.into(),
            resume,
            clock,
            counters: Arc::default(),
            n_begun: 0,
            reading: None,
        }
    }

    /// Begins the next input; answers false when there is none.
    fn begin(&mut self, outlet: &mut dyn Outlet) -> bool {
        let Some(input) = self.waiting.pop_front() else {
            return false;
        };
        let name = PartitionName::new(&input.origin.src);
        let position = self.resume.position(&name).cloned().unwrap_or(Position {
            offset: 0,
            context: Arc::from(READING),
        });
        let partition = PartitionId(self.n_begun);
        self.n_begun += 1;
        outlet.begin(Begun {
            id: partition,
            name,
            origin: Arc::new(input.origin),
            position: position.clone(),
        });
        if *position.context == DONE {
            outlet.end(partition, Left::At(position));
            return true;
        }
        match (input.open)() {
            Ok(source) => {
                self.reading = Some(Reading {
                    partition,
                    source,
                    from: position.offset,
                    next_offset: position.offset,
                    held: LineBatch::default(),
                    is_at_end: false,
                });
            }
            Err(error) => {
                self.counters.sample(Count::Errors, chain(&error));
                outlet.end(partition, Left::At(done(position.offset)));
            }
        }
        true
    }
}

/// Position of a partition that was read to its end.
fn done(offset: u64) -> Position {
    Position {
        offset,
        context: Arc::from(DONE),
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl Reading {
    /// Reads until something is held or the input is at its end.
    fn fill(&mut self, counters: &Counters) {
        while self.held.lines.is_empty() && !self.is_at_end {
            match self.source.read(&mut self.held) {
                Ok(Step::More) => {}
                Ok(Step::End) => self.is_at_end = true,
                Err(error) => {
                    counters.sample(Count::Errors, chain(&error));
                    self.is_at_end = true;
                }
            }
            let from = self.from;
            self.held.lines.retain(|line| line.offset >= from);
            if self.held.lines.is_empty() {
                self.held.data.clear();
            }
        }
    }

    /// What is held, as a batch.
    fn batch(&mut self, arrival_ns: i64) -> Option<Batch> {
        let last = self.held.lines.last()?.offset;
        self.next_offset = last.saturating_add(1);
        Some(Batch {
            partition: self.partition,
            lines: std::mem::take(&mut self.held),
            context: Arc::from(READING),
            next_offset: self.next_offset,
            arrival_ns,
            times_ns: Vec::new(),
            runs: Vec::new(),
        })
    }
}

/// Counts what is about to be given.
pub(crate) fn count_lines(counters: &Counters, lines: &LineBatch) {
    counters.add(Count::Lines, lines.lines.len() as u64);
    counters.add(Count::Bytes, lines.data.len() as u64);
    let n_cut = lines.lines.iter().filter(|line| line.is_cut).count();
    counters.add(Count::LinesCut, n_cut as u64);
}

impl LiveSource for OnceSource {
    fn id(&self) -> &str {
        &self.id
    }

    fn poll(&mut self, outlet: &mut dyn Outlet, wait: Duration) -> Result<Turn, SourceError> {
        let Some(reading) = &mut self.reading else {
            let has_begun = self.begin(outlet);
            return Ok(if has_begun { Turn::Gave } else { Turn::Ended });
        };
        reading.fill(&self.counters);
        if !reading.held.lines.is_empty() {
            if !outlet.has_room(reading.partition) {
                std::thread::sleep(wait.min(Duration::from_millis(5)));
                return Ok(Turn::Quiet);
            }
            if let Some(batch) = reading.batch((self.clock)()) {
                count_lines(&self.counters, &batch.lines);
                outlet.give(batch);
            }
        }
        if reading.is_at_end {
            outlet.end(reading.partition, Left::At(done(reading.next_offset)));
            self.reading = None;
        }
        Ok(Turn::Gave)
    }

    fn committed(&mut self, _positions: &Positions) {}

    fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    fn lags(&self, each: &mut dyn FnMut(PartitionId, Lag)) {
        if let Some(reading) = &self.reading {
            let (read, total) = reading.source.progress();
            let lag = Lag {
                offset: reading.next_offset,
                bytes: total.map(|total| total.saturating_sub(read)),
                lines: None,
            };
            each(reading.partition, lag);
        }
    }

    fn close(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemorySource;
    use crate::source::check::Checked;
    use crate::source::system_clock;

    fn input(src: &str, n_lines: usize) -> OnceInput {
        let origin = Origin {
            src: src.to_owned(),
            ..Origin::default()
        };
        let lines = (0..n_lines)
            .map(|n| format!("{src}{n}").into_bytes())
            .collect();
        let source = MemorySource::new(origin.clone(), lines, 2);
        OnceInput {
            origin,
            open: Box::new(move || Ok(Box::new(source))),
        }
    }

    fn failing() -> OnceInput {
        let origin = Origin {
            src: "no".to_owned(),
            ..Origin::default()
        };
        let error = || SourceError::Open {
            path: "no".to_owned(),
            source: std::io::Error::from(std::io::ErrorKind::NotFound),
        };
        OnceInput {
            origin,
            open: Box::new(move || Err(error())),
        }
    }

    fn source(resume: Resume) -> OnceSource {
        let inputs = vec![input("a", 5), failing(), input("b", 3)];
        OnceSource::new("once".into(), inputs, resume, system_clock())
    }

    #[test]
    fn inputs_are_read_in_turn_and_an_unreadable_one_is_counted() {
        let mut source = source(Resume::First);
        let mut outlet = Checked::default();
        while outlet.poll(&mut source).unwrap() != Turn::Ended {}
        assert_eq!(
            outlet.texts(),
            ["a0", "a1", "a2", "a3", "a4", "b0", "b1", "b2"]
        );
        assert_eq!(source.counters().get(Count::Errors), 1);
        assert_eq!(source.counters().get(Count::Lines), 8);
        assert!(
            source.counters().take_samples()[0]
                .text
                .starts_with("open no: ")
        );
        assert_eq!(outlet.ended.len(), 3);
    }

    #[test]
    fn a_restart_at_any_line_gives_the_rest_and_nothing_twice() {
        let mut first = Checked::default();
        let mut whole = source(Resume::First);
        while first.poll(&mut whole).unwrap() != Turn::Ended {}
        for line in &first.lines {
            let mut positions = Positions::from([(line.partition.clone(), line.position.clone())]);
            if &*line.partition.0 == "b" {
                positions.insert(PartitionName::new("a"), done(5));
            }
            let mut source = source(Resume::From(positions));
            let mut outlet = Checked::default();
            while outlet.poll(&mut source).unwrap() != Turn::Ended {}
            let at = first.lines.iter().position(|other| other.text == line.text);
            assert_eq!(
                outlet.texts(),
                first.texts()[at.unwrap()..],
                "{}",
                line.text
            );
        }
        let mut after = source(Resume::From(first.positions.clone()));
        let mut outlet = Checked::default();
        while outlet.poll(&mut after).unwrap() != Turn::Ended {}
        assert_eq!(outlet.texts(), Vec::<&str>::new());
    }

    #[test]
    fn without_room_nothing_is_given_and_nothing_is_lost() {
        let mut source = source(Resume::First);
        let mut outlet = Checked::default();
        outlet.full.insert(PartitionName::new("a"));
        outlet.during(&mut source, Duration::from_millis(50));
        assert_eq!(outlet.texts(), Vec::<&str>::new());
        outlet.full.clear();
        outlet.until_lines(&mut source, 8);
    }
}
