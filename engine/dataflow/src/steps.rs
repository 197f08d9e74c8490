//! How long workers are at work at one go.
//!
//! A worker does one thing after the other: while an operator is at it, no line is parsed, no pour is answered and no
//! alert leaves. Operators therefore work in slices, and this counts how long they really were.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Upper ends of the ranges in which steps are counted, in seconds, ascending.
pub const STEP_ENDS: [f64; 9] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5];

/// The steps of the workers of a process, by the CPU time that each took. Time in which something else had the CPU is
/// not theirs.
#[derive(Debug, Default)]
pub struct Steps {
    /// How many lie in each range; the last one has no end.
    counts: [AtomicU64; STEP_ENDS.len() + 1],
    sum_ns: AtomicU64,
}

impl Steps {
    fn add(&self, took: Duration) {
        let secs = took.as_secs_f64();
        let at = STEP_ENDS.partition_point(|end| *end < secs);
        if let Some(count) = self.counts.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// How many took how long: one number for each range of [`STEP_ENDS`], and one for those above.
    #[must_use]
    pub fn counts(&self) -> Vec<u64> {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        self.counts.iter().map(read).collect()
    }

    /// All of them together.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed))
    }
}

/// Measures the steps of the thread that has it.
pub(crate) struct StepClock {
    cpu: Duration,
}

impl StepClock {
    pub(crate) fn new() -> Self {
        Self { cpu: cpu_time() }
    }

    /// A step has ended; the next one begins.
    pub(crate) fn ended(&mut self, steps: &Steps) {
        let cpu = cpu_time();
        steps.add(cpu.saturating_sub(self.cpu));
        self.cpu = cpu;
    }
}

/// CPU time of the calling thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted_in_the_ranges_that_they_end_in() {
        let steps = Steps::default();
        for micros in [0, 500, 501, 20_000, 600_000] {
            steps.add(Duration::from_micros(micros));
        }
        assert_eq!(steps.counts(), [2, 1, 0, 0, 0, 1, 0, 0, 0, 1]);
        assert_eq!(steps.sum(), Duration::from_micros(621_001));
    }

    #[test]
    fn only_time_on_the_cpu_counts() {
        let (steps, mut clock) = (Steps::default(), StepClock::new());
        std::thread::sleep(Duration::from_millis(60));
        clock.ended(&steps);
        assert!(steps.sum() < Duration::from_millis(50), "{:?}", steps.sum());
        let before = steps.sum();
        let until = cpu_time() + Duration::from_millis(3);
        while cpu_time() < until {
            std::hint::spin_loop();
        }
        clock.ended(&steps);
        assert!(steps.sum() >= before + Duration::from_millis(3));
    }
}
