//! How long the workers of a live job are at work at one go.

use std::time::Duration;

use overspill_dataflow::StepMeter;
use overspill_telemetry::{Histogram, Observed};
use rustix::time::{ClockId, clock_gettime};

/// Ranges of the CPU time of a step, in seconds.
const STEP_SECONDS: [f64; 9] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5];

/// Counts the steps of all workers of a process.
#[derive(Debug)]
pub(crate) struct StepTimes(Histogram);

impl Default for StepTimes {
    fn default() -> Self {
        Self(Histogram::new(&STEP_SECONDS))
    }
}

impl StepTimes {
    pub(super) fn observed(&self) -> Observed {
        self.0.observed()
    }
}

impl StepMeter for StepTimes {
    fn cpu_time(&self) -> Duration {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let secs = u64::try_from(time.tv_sec).unwrap_or(0);
        Duration::new(secs, u32::try_from(time.tv_nsec).unwrap_or(0))
    }

    fn took(&self, cpu: Duration) {
        self.0.observe(cpu);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_for_a_thread_at_work_and_for_no_sleeping_one() {
        let times = StepTimes::default();
        let before = times.cpu_time();
        std::thread::sleep(Duration::from_millis(100));
        let slept = times.cpu_time();
        assert!(slept - before < Duration::from_millis(50));
        let mut sum = 0_u64;
        while times.cpu_time() - slept < Duration::from_millis(5) {
            sum = std::hint::black_box(sum + 1);
        }
    }
}
