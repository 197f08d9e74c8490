//! How long workers are at work at one go.
//!
//! A worker does one thing after the other: while an operator is at it, no line is parsed, no pour is answered and no
//! alert leaves. Operators therefore work in slices, and this tells how long they really were.
//!
//! Time in which something else had the CPU is not theirs, so it is measured by a clock of the thread. The crate has
//! none: who wants to know gives one.

use std::fmt::Debug;
use std::time::Duration;

/// Who wants to know how long steps are. The threads of all workers call it.
pub trait StepMeter: Debug + Send + Sync {
    /// CPU time of the calling thread.
    fn cpu_time(&self) -> Duration;

    /// A step of the calling thread has ended, which took so much of it.
    fn took(&self, cpu: Duration);
}

/// Measures the steps of the thread that has it.
pub(crate) struct StepClock<'a> {
    meter: &'a dyn StepMeter,
    /// CPU time at the end of the last step.
    before: Duration,
}

impl<'a> StepClock<'a> {
    /// The first step begins now.
    pub(crate) fn new(meter: &'a dyn StepMeter) -> Self {
        Self {
            meter,
            before: meter.cpu_time(),
        }
    }

    /// A step has ended; the next one begins.
    pub(crate) fn ended(&mut self) {
        let now = self.meter.cpu_time();
        self.meter.took(now.saturating_sub(self.before));
        self.before = now;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Times to come, and what was measured.
    #[derive(Debug)]
    struct Script(Mutex<(Vec<u64>, Vec<u64>)>);

    impl StepMeter for Script {
        fn cpu_time(&self) -> Duration {
            Duration::from_millis(self.0.lock().unwrap().0.remove(0))
        }

        fn took(&self, cpu: Duration) {
            self.0.lock().unwrap().1.push(cpu.as_millis() as u64);
        }
    }

    #[test]
    fn a_step_goes_from_the_end_of_the_one_before_to_its_own() {
        let script = Script(Mutex::new((vec![5, 6, 10, 10], Vec::new())));
        let mut clock = StepClock::new(&script);
        for _ in 0..3 {
            clock.ended();
        }
        assert_eq!(script.0.into_inner().unwrap().1, [1, 4, 0]);
    }
}
