//! The detect operator: source, parsers and filters of the partitions a worker owns.
//!
//! ```text
//!  readers ==bounded==> [partition queues] -> parse -> match -> pours, at the capability
//!                         least watermark first                  tick(least watermark)
//! ```
//!
//! The three are one operator because they run on the same thread in bounded quanta; between them
//! an exchange or a channel would only cost. The capability stands at the least watermark of the
//! worker's partitions.
//!
//! Credits keep a worker from running ahead of the others, for timely's queues have no end. While
//! more than [`OUTSTANDING_MAX`] pours are not settled, only partitions less than [`AHEAD_NS`] of
//! event time ahead of what is settled go on; above [`OUTSTANDING_LIMIT`], only those that hold up
//! the others. Whoever waits is counted ([`Progress::credit_waits`]) and stops taking batches from
//! its readers, whose channels fill up. The partition with the least watermark never waits, so the
//! job goes on; what it can heap up within a tick is bounded by its clock.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use overspill_event::LineBatch;
use overspill_parser::ParserState;
use timely::container::NoopBuilder;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::source;
use timely::dataflow::operators::probe::Handle as ProbeHandle;
use timely::dataflow::{Scope, Stream};
use timely::scheduling::Activator;

use crate::batch::PourBatch;
use crate::clock::{PartitionClock, TICK_NS, tick, untick};
use crate::feed::{Feed, Partition};
use crate::job::{Progress, Settings};
use crate::line::{LineWorker, PartitionState};
use crate::plan::Plan;
use crate::record::Recorder;
use crate::stats::Stats;

/// Time a worker parses before it lets other operators run.
const QUANTUM: Duration = Duration::from_micros(1_000);
/// Lines between two looks at the clock.
const LINES_PER_LOOK: usize = 32;
/// Event time a partition may be ahead of what is settled.
const AHEAD_NS: i64 = 10_000_000_000;
/// Pours that may be unsettled before being ahead counts.
const OUTSTANDING_MAX: u64 = 100_000;
/// Pours that may be unsettled before only the partitions at the frontier go on.
const OUTSTANDING_LIMIT: u64 = 1_000_000;
/// How long to wait before looking at the credits again.
const CREDIT_WAIT: Duration = Duration::from_micros(500);

struct Queue {
    partition: Partition,
    batch: LineBatch,
    next: usize,
    is_finished: bool,
}

struct Detect {
    worker: LineWorker,
    queues: Vec<Queue>,
    states: Vec<PartitionState>,
    out: PourBatch,
    outstanding: VecDeque<(u64, u64)>,
    n_outstanding: u64,
    probe: ProbeHandle<u64>,
    progress: Arc<Progress>,
    stop: Arc<AtomicBool>,
}

/// What the operator should do after a quantum.
enum Next {
    /// There is more to do at once.
    Again,
    /// Credits are out: look again soon.
    Soon,
    /// Wait for a reader.
    Wait,
    /// Every partition is finished.
    Done,
}

/// Builds the operator, and what wakes it. Its counters go to `stats` when the last partition is
/// finished.
#[expect(clippy::too_many_arguments, reason = "called once, from the graph")]
pub(crate) fn detect<'s>(
    scope: Scope<'s, u64>,
    plan: &Arc<Plan>,
    settings: &Settings,
    partitions: Vec<Partition>,
    recorder: Option<Arc<dyn Recorder>>,
    probe: &ProbeHandle<u64>,
    progress: &Arc<Progress>,
    stats: &Rc<RefCell<Stats>>,
) -> (Stream<'s, u64, PourBatch>, Activator) {
    let states = partitions
        .iter()
        .map(|_| PartitionState {
            parser: ParserState::new(&plan.parsers, settings.now),
            clock: PartitionClock::new(settings.lateness_ns),
        })
        .collect();
    let queues = partitions
        .into_iter()
        .map(|partition| Queue {
            partition,
            batch: LineBatch::default(),
            next: 0,
            is_finished: false,
        })
        .collect();
    let mut detect = Detect {
        worker: LineWorker::new(Arc::clone(plan), settings.now, recorder),
        queues,
        states,
        out: PourBatch::default(),
        outstanding: VecDeque::new(),
        n_outstanding: 0,
        probe: probe.clone(),
        progress: Arc::clone(progress),
        stop: Arc::clone(&settings.stop),
    };
    let stats = Rc::clone(stats);
    let mut wake = None;
    let wakes = &mut wake;
    let pours =
        source::<_, NoopBuilder<PourBatch>, _, _>(scope, "Detect", move |capability, info| {
            for queue in &detect.queues {
                queue
                    .partition
                    .wakes(scope.worker().sync_activator_for(info.address.to_vec()));
            }
            let again = scope.activator_for(Rc::clone(&info.address));
            *wakes = Some(scope.activator_for(info.address));
            let mut capability = Some(capability);
            move |output| {
                let Some(held) = &mut capability else { return };
                let next = detect.quantum(held, |held, out| {
                    output.session_with_builder(held).give_container(out);
                });
                match next {
                    Next::Again => again.activate(),
                    Next::Soon => again.activate_after(CREDIT_WAIT),
                    Next::Wait => {}
                    Next::Done => {
                        detect.worker.finish(&detect.states);
                        stats.borrow_mut().add(&detect.worker.stats);
                        capability = None;
                    }
                }
            }
        });
    let Some(wake) = wake else {
        unreachable!("an operator is constructed where it is declared")
    };
    (pours, wake)
}

impl Detect {
    /// Works for about [`QUANTUM`], gives what it has poured, and moves the capability.
    fn quantum(
        &mut self,
        held: &mut Capability<u64>,
        mut give: impl FnMut(&Capability<u64>, &mut PourBatch),
    ) -> Next {
        for queue in &self.queues {
            queue.partition.arm();
        }
        // It bounds a quantum; detection never sees it.
        let started = Instant::now();
        let next = loop {
            self.receive();
            let Some(at) = self.pick() else {
                break self.without_lines();
            };
            self.lines(at);
            if self.out.is_full() {
                self.give(held, &mut give);
            }
            if started.elapsed() >= QUANTUM {
                break Next::Again;
            }
        };
        self.give(held, &mut give);
        let least = self
            .queues
            .iter()
            .zip(&self.states)
            .filter(|(queue, _)| !queue.is_finished)
            .map(|(_, state)| state.clock.watermark_ns())
            .min();
        if let Some(least) = least {
            held.downgrade(&tick(least).max(*held.time()));
            self.progress.event_time(least);
        }
        next
    }

    fn give(
        &mut self,
        held: &Capability<u64>,
        give: &mut impl FnMut(&Capability<u64>, &mut PourBatch),
    ) {
        let n_pours = self.out.len() as u64;
        if n_pours == 0 {
            return;
        }
        self.outstanding.push_back((*held.time(), n_pours));
        self.n_outstanding += n_pours;
        give(held, &mut self.out);
        self.out.clear();
    }

    /// Takes batches from the readers where a queue is empty.
    fn receive(&mut self) {
        let is_stopped = self.stop.load(Ordering::Relaxed);
        for queue in self.queues.iter_mut().filter(|queue| !queue.is_finished) {
            if is_stopped {
                queue.is_finished = true;
                continue;
            }
            while queue.next >= queue.batch.lines.len() && !queue.is_finished {
                match queue.partition.poll() {
                    None => break,
                    Some(Feed::Lines(batch)) => {
                        queue.batch = batch;
                        queue.next = 0;
                    }
                    Some(Feed::Failed(error)) => {
                        self.worker.stats.read_errors.push(error);
                        queue.is_finished = true;
                    }
                    Some(Feed::End) => queue.is_finished = true,
                }
            }
        }
    }

    /// The partition with lines whose watermark is least, if credits allow it.
    fn pick(&mut self) -> Option<usize> {
        let at = (0..self.queues.len())
            .filter(|at| self.queues[*at].next < self.queues[*at].batch.lines.len())
            .min_by_key(|at| self.states[*at].clock.watermark_ns())?;
        self.may_run(self.states[at].clock.watermark_ns())
            .then_some(at)
    }

    fn may_run(&mut self, watermark_ns: i64) -> bool {
        if self.n_outstanding <= OUTSTANDING_MAX {
            return true;
        }
        let settled = self
            .probe
            .with_frontier(|frontier| frontier.first().copied());
        let Some(settled) = settled else { return true };
        while let Some((time, n)) = self.outstanding.front().copied()
            && time < settled
        {
            self.outstanding.pop_front();
            self.n_outstanding -= n;
        }
        let ahead_ns = watermark_ns.saturating_sub(untick(settled));
        if self.n_outstanding <= OUTSTANDING_LIMIT {
            self.n_outstanding <= OUTSTANDING_MAX || ahead_ns < AHEAD_NS
        } else {
            ahead_ns < TICK_NS
        }
    }

    fn lines(&mut self, at: usize) {
        let (queue, state) = (&mut self.queues[at], &mut self.states[at]);
        let end = queue.batch.lines.len().min(queue.next + LINES_PER_LOOK);
        let before = self.worker.stats.bytes;
        for line in &queue.batch.lines[queue.next..end] {
            let source = (queue.partition.id, &queue.partition.origin);
            self.worker
                .line(source, state, &queue.batch, line, &mut self.out);
        }
        self.progress
            .read((end - queue.next) as u64, self.worker.stats.bytes - before);
        queue.next = end;
    }

    fn without_lines(&self) -> Next {
        let has_lines = |queue: &Queue| queue.next < queue.batch.lines.len();
        if self.queues.iter().any(has_lines) {
            self.progress.credit_wait();
            Next::Soon
        } else if self.queues.iter().all(|queue| queue.is_finished) {
            Next::Done
        } else {
            Next::Wait
        }
    }
}
