//! What it means that another process has ended its connection.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a job may go on when a peer has left it: so much apart their ends may be.
pub(super) const LOST_WAIT: Duration = Duration::from_secs(3);
/// How often it is looked meanwhile.
const LOOK: Duration = Duration::from_millis(20);

/// Another process that has ended its connection.
///
/// Processes that end together do not do so in the same moment: while a job ends, or gives way to one with other content,
/// that is nothing.
#[derive(Debug, Default)]
pub(super) struct Loss {
    since_ns: Option<i64>,
    /// The job was left where it stood because of it.
    pub(super) is_left: bool,
}

impl Loss {
    /// The connection has ended. If the job has not ended either after a while, it waits for ever: it is left.
    pub(super) fn leave(&mut self, now_ns: i64, halt: &AtomicBool) {
        let since_ns = *self.since_ns.get_or_insert(now_ns);
        let waited_ns = u128::try_from(now_ns.saturating_sub(since_ns)).unwrap_or(0);
        if waited_ns > LOST_WAIT.as_nanos() && !halt.swap(true, Ordering::SeqCst) {
            self.is_left = true;
        }
    }
}

/// Whether an error is that a process has left this one before they began, and this one is to end as well: those that are
/// asked to end together do not hear of it in the same moment.
pub(super) fn ends_as_well(error: &anyhow::Error, stop: &AtomicBool, within: Duration) -> bool {
    let is_left = error.chain().any(|cause| {
        let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        matches!(
            kind,
            Some(ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
        )
    });
    let since = Instant::now();
    while is_left && !stop.load(Ordering::SeqCst) {
        if since.elapsed() >= within {
            return false;
        }
        std::thread::sleep(LOOK);
    }
    is_left
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    const SECOND_NS: i64 = 1_000_000_000;

    #[test]
    fn a_job_that_others_have_left_is_left_after_a_while() {
        let (halt, mut loss) = (AtomicBool::new(false), Loss::default());
        for at_s in [10, 11, 13] {
            loss.leave(at_s * SECOND_NS, &halt);
            assert!(!loss.is_left && !halt.load(Ordering::SeqCst));
        }
        loss.leave(14 * SECOND_NS, &halt);
        assert!(loss.is_left && halt.load(Ordering::SeqCst));
    }

    #[test]
    fn a_job_that_ends_is_not_left_by_those_that_end_sooner() {
        let (halt, mut loss) = (AtomicBool::new(true), Loss::default());
        for at_s in [10, 20] {
            loss.leave(at_s * SECOND_NS, &halt);
        }
        assert!(!loss.is_left);
    }

    #[test]
    fn a_process_that_is_left_while_it_is_asked_to_end_does_not_fail() {
        let stop = AtomicBool::new(false);
        let left = anyhow::Error::from(io::Error::from(ErrorKind::UnexpectedEof))
            .context("hear from process 1");
        assert!(!ends_as_well(&left, &stop, Duration::ZERO));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(LOOK);
                stop.store(true, Ordering::SeqCst);
            });
            assert!(ends_as_well(&left, &stop, Duration::from_secs(60)));
        });
        let other = anyhow!("process 0 keeps its checkpoints in another place");
        assert!(!ends_as_well(&other, &stop, Duration::from_secs(60)));
    }
}
