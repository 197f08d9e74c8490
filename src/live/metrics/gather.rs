//! One look at a live job, for all who ask within a short time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use overspill_connectors::source::{Clock, Count, Lag};
use overspill_dataflow::board::View;

use super::meters::{Meters, lock};
use super::proc::{self, Process};
use crate::live::outlet::Name;

/// Looks within so long are one.
const FRESH: Duration = Duration::from_millis(200);
/// How long to wait for the answers of workers. One that sleeps takes 100 ms.
const ANSWER_WAIT: Duration = Duration::from_millis(500);
/// Pause between two looks for them.
const ANSWER_LOOK: Duration = Duration::from_millis(5);
/// A worker that does not answer for so long makes no progress.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// What there is to be seen at a moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    pub(super) now_ns: i64,
    pub(super) uptime_secs: f64,
    pub(super) view: View,
    /// Workers whose counters are older than the look.
    pub(super) n_silent: usize,
    /// Names of partitions by number.
    pub(super) names: BTreeMap<u32, Name>,
    pub(super) sources: Vec<SourceSnapshot>,
    pub(super) process: Process,
    pub(super) credit_waits: u64,
}

/// A source at a moment.
#[derive(Debug, Clone)]
pub(super) struct SourceSnapshot {
    pub(super) id: String,
    pub(super) module: &'static str,
    pub(super) is_read: bool,
    /// What it counts.
    pub(super) counts: Vec<(Count, u64)>,
    pub(super) lags: BTreeMap<u32, Lag>,
}

impl SourceSnapshot {
    pub(super) fn count(&self, count: Count) -> u64 {
        let mut counts = self.counts.iter();
        counts.find(|(of, _)| *of == count).map_or(0, |(_, n)| *n)
    }
}

/// Looks at a job.
pub(super) struct Gatherer {
    meters: Arc<Meters>,
    clock: Clock,
    last: Option<(Instant, Snapshot)>,
    /// The oldest question that is not answered.
    open: Option<(u64, Instant)>,
}

impl Gatherer {
    pub(super) fn new(meters: Arc<Meters>, clock: Clock) -> Self {
        Self {
            meters,
            clock,
            last: None,
            open: None,
        }
    }

    /// A look that is no older than [`FRESH`].
    pub(super) fn look(&mut self) -> &Snapshot {
        let is_fresh = |at: &Instant| at.elapsed() < FRESH;
        if !self.last.as_ref().is_some_and(|(at, _)| is_fresh(at)) {
            let snapshot = self.gather();
            self.last = Some((Instant::now(), snapshot));
        }
        match &self.last {
            Some((_, snapshot)) => snapshot,
            None => unreachable!("it was just made"),
        }
    }

    /// Whether some worker has not answered for long.
    pub(super) fn is_stuck(&mut self) -> bool {
        self.look();
        let waited = self.open.map(|(_, since)| since.elapsed());
        waited.is_some_and(|waited| waited >= STUCK_AFTER)
    }

    fn gather(&mut self) -> Snapshot {
        let meters = Arc::clone(&self.meters);
        meters.ask();
        let mut snapshot = Snapshot {
            now_ns: (self.clock)(),
            uptime_secs: meters.began.elapsed().as_secs_f64(),
            process: proc::look(),
            ..Snapshot::default()
        };
        if let Some(job) = meters.job.get() {
            let question = self.wait();
            snapshot.view = job.progress.board().view();
            let is_silent = |answered: u64, has_ended: bool| !has_ended && answered < question;
            let workers = snapshot.view.workers.iter();
            snapshot.n_silent = workers
                .filter(|worker| is_silent(worker.answered, worker.has_ended))
                .count();
            snapshot.names = job.register.open();
            snapshot.credit_waits = job.progress.credit_waits();
        }
        snapshot.sources = lock(&meters.sources)
            .iter()
            .map(|(id, state)| SourceSnapshot {
                id: id.clone(),
                module: state.module,
                is_read: state.is_read,
                counts: Count::ALL
                    .into_iter()
                    .map(|count| (count, state.counters.get(count)))
                    .collect(),
                lags: state.lags.clone(),
            })
            .collect();
        snapshot
    }

    /// Asks the workers, and waits for them: but not again for those that already owe an answer.
    fn wait(&mut self) -> u64 {
        let Some(job) = self.meters.job.get() else {
            return 0;
        };
        let board = job.progress.board();
        let question = board.ask();
        let since = Instant::now();
        if self.open.is_some_and(|(open, _)| board.is_answered(open)) {
            self.open = None;
        }
        let wait = match self.open {
            Some(_) => Duration::ZERO,
            None => ANSWER_WAIT,
        };
        while !board.is_answered(question) {
            if since.elapsed() >= wait {
                self.open.get_or_insert((question, since));
                break;
            }
            std::thread::sleep(ANSWER_LOOK);
        }
        question
    }
}
