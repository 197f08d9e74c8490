//! How long workers are at work at one go.
//!
//! A worker does one thing after the other: while an operator is at it, no line is parsed, no pour is answered and no
//! alert leaves. Operators therefore work in slices, and this counts how long they really were.
//!
//! Time in which something else had the CPU is not theirs, so it is measured by a clock of the thread. The crate has
//! none: who wants to know gives one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Tells the CPU time of the thread that calls it.
pub type CpuClock = fn() -> Duration;

/// Upper ends of the ranges in which steps are counted, in seconds, ascending.
pub const STEP_ENDS: [f64; 9] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5];

/// The steps of the workers of a process, by the CPU time that each took; none without a clock.
#[derive(Debug, Default)]
pub struct Steps {
    clock: Option<CpuClock>,
    /// How many lie in each range; the last one has no end.
    counts: [AtomicU64; STEP_ENDS.len() + 1],
    sum_ns: AtomicU64,
}

impl Steps {
    /// Measured by this clock.
    pub(crate) fn by(clock: CpuClock) -> Self {
        Self {
            clock: Some(clock),
            ..Self::default()
        }
    }

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
pub(crate) struct StepClock<'a> {
    steps: &'a Steps,
    /// At the end of the last step.
    cpu: Option<Duration>,
}

impl<'a> StepClock<'a> {
    pub(crate) fn new(steps: &'a Steps) -> Self {
        Self {
            steps,
            cpu: steps.clock.map(|clock| clock()),
        }
    }

    /// A step has ended; the next one begins.
    pub(crate) fn ended(&mut self) {
        if let (Some(clock), Some(before)) = (self.steps.clock, self.cpu) {
            let cpu = clock();
            self.steps.add(cpu.saturating_sub(before));
            self.cpu = Some(cpu);
        }
    }
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
    fn a_step_goes_from_the_end_of_the_one_before_to_its_own() {
        static NOW_MS: AtomicU64 = AtomicU64::new(5);
        let steps = Steps::by(|| Duration::from_millis(NOW_MS.load(Ordering::Relaxed)));
        let mut clock = StepClock::new(&steps);
        for now_ms in [6, 10, 10] {
            NOW_MS.store(now_ms, Ordering::Relaxed);
            clock.ended();
        }
        assert_eq!(steps.counts(), [1, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
        let unmeasured = Steps::default();
        StepClock::new(&unmeasured).ended();
        assert_eq!(unmeasured.counts(), [0; 10]);
    }
}
