//! Warnings while a job runs: counted by text, a bounded number of texts kept.

use std::sync::{Mutex, PoisonError};

use overspill_dataflow::Stats;
use overspill_expr::Log;

/// Where expressions, parsers and profiles of one process send their messages.
///
/// Whoever sends the same message for each line samples it first; so the lock is not contended.
#[derive(Debug, Default)]
pub struct Warnings {
    kept: Mutex<Stats>,
}

impl Warnings {
    fn note(&self, text: &str) {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .warn(text, 1);
    }

    /// Moves what was kept into the counters of a job.
    pub fn move_to(&self, stats: &mut Stats) {
        let kept = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        stats.add(&kept);
    }
}

impl Log for Warnings {
    fn info(&self, message: &str) {
        self.note(&format!("LogInfo: {message}"));
    }

    fn warn(&self, message: &str) {
        self.note(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_by_text_and_given_once() {
        let warnings = Warnings::default();
        for _ in 0..3 {
            warnings.warn("no such file");
        }
        warnings.info("hello");
        let mut stats = Stats::default();
        warnings.move_to(&mut stats);
        warnings.move_to(&mut stats);
        assert_eq!(stats.warnings["no such file"], 3);
        assert_eq!(stats.warnings["LogInfo: hello"], 1);
    }
}
