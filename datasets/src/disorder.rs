//! Lines that come late: a buffer that lets each line out at its time of arrival.
//!
//! A line's arrival is its own time plus a delay below the disorder; a late line's delay is two
//! to ten times the disorder. The text keeps its time. Nothing is lost: what is still held when
//! the stream ends comes out in order of arrival.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::generator::Line;
use crate::rng::Rng;
use crate::time::Micros;

/// Holds lines back until they arrive.
#[derive(Debug)]
pub(crate) struct Disorder {
    delay_us: u64,
    late_ppm: u64,
    rng: Rng,
    seq: u64,
    held: BinaryHeap<Reverse<Held>>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    arrival: Micros,
    seq: u64,
    line: Line,
}

impl Disorder {
    pub(crate) fn new(disorder_ms: u64, late_ppm: u64, seed: u64) -> Disorder {
        Disorder {
            delay_us: disorder_ms * 1000,
            late_ppm,
            rng: Rng::new(seed ^ 0x6c61_7465),
            seq: 0,
            held: BinaryHeap::new(),
        }
    }

    pub(crate) fn hold(&mut self, line: Line) {
        let mut delay = self.rng.below(self.delay_us + 1);
        if self.rng.below(1_000_000) < self.late_ppm {
            delay = self.rng.range(2 * self.delay_us, 10 * self.delay_us + 1);
        }
        self.seq += 1;
        let arrival = line.time_us + delay as Micros;
        self.held.push(Reverse(Held {
            arrival,
            seq: self.seq,
            line,
        }));
    }

    /// The next line that has arrived by `now`; any line once the stream has ended.
    pub(crate) fn release(&mut self, now: Option<Micros>) -> Option<Line> {
        let Reverse(first) = self.held.peek()?;
        if now.is_some_and(|now| first.arrival > now) {
            return None;
        }
        self.held.pop().map(|Reverse(held)| held.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(time_us: Micros) -> Line {
        Line {
            time_us,
            partition: 0,
            text: time_us.to_string(),
        }
    }

    #[test]
    fn delays_stay_below_the_disorder_and_no_line_is_lost() {
        let mut disorder = Disorder::new(1000, 0, 1);
        let mut out = Vec::new();
        for i in 0..1000 {
            disorder.hold(line(i * 100_000));
            while let Some(line) = disorder.release(Some(i * 100_000)) {
                out.push(line.time_us);
            }
        }
        while let Some(line) = disorder.release(None) {
            out.push(line.time_us);
        }
        let mut newest = 0;
        let mut swapped = 0;
        for time in &out {
            newest = newest.max(*time);
            swapped += u32::from(*time < newest);
            assert!(newest - time <= 1_000_000);
        }
        assert!(swapped > 100, "{swapped} of 1000 out of order");
        out.sort_unstable();
        assert_eq!(out, (0..1000).map(|i| i * 100_000).collect::<Vec<_>>());
    }

    #[test]
    fn late_lines_are_later_than_the_disorder() {
        let mut disorder = Disorder::new(1000, 1_000_000, 1);
        disorder.hold(line(0));
        assert!(disorder.release(Some(1_999_999)).is_none());
        assert!(disorder.release(Some(10_000_000)).is_some());
    }
}
