//! What has an order: the clocks of the partitions at home at a worker, and what waits for them.
//!
//! Batches come home in any order. Each waits until those before it are there; then the clock sees
//! their lines, and their pours have effective times above the watermark that the clock had before.
//! The worker's capability stands at the least watermark of these clocks, so nothing that is still
//! out or parked can be late.
//!
//! Credits keep a worker from running ahead of the others, for timely's queues have no end. While
//! more than [`OUTSTANDING_MAX`] pours are not settled, only partitions less than [`AHEAD_NS`] of
//! event time ahead of what is settled go on; above [`OUTSTANDING_LIMIT`], only those that hold up
//! the others. Whoever waits is counted ([`crate::Progress::credit_waits`]) and takes no batches
//! from its readers, whose channels fill up. The partition with the least watermark never waits, so
//! the job goes on; what it can heap up within a tick is bounded by its clock.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use timely::dataflow::operators::probe::Handle as ProbeHandle;

use crate::batch::PourBatch;
use crate::board::Report;
use crate::clock::{TICK_NS, complete_ns, tick, untick};
use crate::job::Settings;
use crate::line::Parsed;
use crate::pool::{Lane, Part, Pool};
use crate::restart::{Course, Mark, Restarts, StashBytes};
use crate::stats::Stats;

/// Event time a partition may be ahead of what is settled.
const AHEAD_NS: i64 = 10_000_000_000;
/// Pours that may be unsettled before being ahead counts.
const OUTSTANDING_MAX: u64 = 100_000;
/// Pours that may be unsettled before only the partitions at the frontier go on.
const OUTSTANDING_LIMIT: u64 = 1_000_000;

/// The partitions at home at a worker.
pub(crate) struct Home {
    pool: Arc<Pool>,
    worker: usize,
    desks: Vec<Desk>,
    /// Some lanes were finished since somebody asked.
    has_finished: bool,
    /// Event time was held when the lanes were last looked at.
    is_held: bool,
    /// Lanes that were looked at; those that came since have higher numbers.
    n_seen: usize,
    lateness_ns: i64,
    /// How far an idle partition stays behind the clock.
    idle_ns: i64,
    restarts: Rc<RefCell<Restarts>>,
    outstanding: VecDeque<(u64, u64)>,
    n_outstanding: u64,
    probe: ProbeHandle<u64>,
}

/// One partition.
struct Desk {
    lane: Arc<Lane>,
    course: Course,
    /// Number of the batch that is due.
    next: u64,
    parked: BTreeMap<u64, Parked>,
    /// Nothing more will be taken of it, as of before partitions were last taken over.
    has_ended: bool,
}

/// The parts of a batch that are here.
#[derive(Default)]
struct Parked {
    parts: Vec<Parsed>,
    context: Arc<[u8]>,
    /// Offset after the batch, if it is whole.
    end: Option<u64>,
    /// What parsers remember after it, where that is needed.
    stash: Option<StashBytes>,
}

impl Home {
    pub(crate) fn new(
        pool: &Arc<Pool>,
        worker: usize,
        settings: &Settings,
        restarts: Rc<RefCell<Restarts>>,
        probe: &ProbeHandle<u64>,
    ) -> Self {
        Self {
            desks: Vec::new(),
            has_finished: false,
            is_held: pool.is_held(),
            n_seen: 0,
            pool: Arc::clone(pool),
            worker,
            lateness_ns: settings.lateness_ns,
            idle_ns: settings.idle_ns,
            restarts,
            outstanding: VecDeque::new(),
            n_outstanding: 0,
            probe: probe.clone(),
        }
    }

    /// Takes over the partitions that came since; this worker has promised nothing before `held`.
    pub(crate) fn adopt(&mut self, held: u64) {
        self.pool.adopt();
        if self.pool.n_lanes() == self.n_seen {
            return;
        }
        let lanes = self.pool.lanes();
        for (number, lane) in lanes.range(self.n_seen..) {
            self.n_seen = number + 1;
            if lane.home != self.worker {
                continue;
            }
            let held_ns = (held > 0).then(|| complete_ns(Some(held)));
            let promised_ns = held_ns.max(self.pool.restored_ns());
            let course = Course::new(
                lane.partition.id,
                &lane.partition.start,
                self.lateness_ns,
                promised_ns,
                &mut self.restarts.borrow_mut(),
            );
            lane.set_watermark(course.watermark_ns());
            self.desks.push(Desk {
                lane: Arc::clone(lane),
                course,
                next: 0,
                parked: BTreeMap::new(),
                has_ended: false,
            });
        }
    }

    /// Sends what is due of what came home, at capability `held`, and sees which lanes are done.
    /// Answers how many batches are no longer out.
    pub(crate) fn settle(
        &mut self,
        held: u64,
        stats: &mut Stats,
        mut give: impl FnMut(&mut PourBatch),
    ) -> usize {
        let mut n_done = 0;
        // Asked before the lanes are looked at: those that came before the end of the hold are seen with it, and those
        // that go on from one that has ended.
        self.is_held = self.pool.is_held();
        for desk in &mut self.desks {
            desk.has_ended = desk.lane.has_ended();
        }
        let parts = self.pool.come_home(self.worker);
        // Whoever parsed may have known the lane first.
        self.adopt(held);
        for part in parts {
            let number = part.lane.number;
            let Some(at) = self
                .desks
                .iter()
                .position(|desk| desk.lane.number == number)
            else {
                unreachable!("a part comes to the home of its lane")
            };
            if self.park(at, part) {
                n_done += self.send(at, held, stats, &mut give);
            }
        }
        self.see_idle();
        self.see_ends(stats);
        n_done
    }

    /// Keeps a part; answers whether its batch is due.
    fn park(&mut self, at: usize, part: Part) -> bool {
        let desk = &mut self.desks[at];
        let parked = desk.parked.entry(part.number).or_default();
        parked.parts.push(part.parsed);
        parked.context = part.context;
        parked.end = parked.end.or(part.end);
        parked.stash = parked.stash.take().or(part.stash);
        part.number == desk.next
    }

    /// Sends the parts of the batches that are due; answers how many batches that finished.
    fn send(
        &mut self,
        at: usize,
        held: u64,
        stats: &mut Stats,
        give: &mut impl FnMut(&mut PourBatch),
    ) -> usize {
        let mut n_done = 0;
        let desk = &mut self.desks[at];
        let restarts = &mut *self.restarts.borrow_mut();
        while let Some(mut entry) = desk.parked.first_entry()
            && *entry.key() == desk.next
        {
            let parts = std::mem::take(&mut entry.get_mut().parts);
            let context = Arc::clone(&entry.get().context);
            let end = entry.get().end;
            let stash = entry.get_mut().stash.take();
            for parsed in parts {
                let n_bytes = parsed.n_bytes();
                let (batches, n_counted) = parsed.stamp(&mut desk.course, &context, restarts);
                stats.read_again += n_counted;
                for mut batch in batches {
                    let n_pours = batch.len() as u64;
                    self.outstanding.push_back((held, n_pours));
                    self.n_outstanding += n_pours;
                    give(&mut batch);
                }
                self.pool.unpark(n_bytes);
            }
            let Some(offset) = end else {
                break;
            };
            entry.remove();
            desk.next += 1;
            desk.course.came_home(Mark { offset, context }, stash);
            desk.lane.set_watermark(desk.course.watermark_ns());
            self.pool.settled(&desk.lane);
            n_done += 1;
        }
        n_done
    }

    /// Moves the watermarks of partitions that have nothing, by the clock of their sources.
    fn see_idle(&mut self) {
        if !self.pool.is_live() {
            return;
        }
        let restarts = &mut *self.restarts.borrow_mut();
        for desk in &mut self.desks {
            if let Some(word) = desk.lane.caught_up(desk.next) {
                let upto_ns = word.as_of_ns.saturating_sub(self.idle_ns);
                // Lines that were taken since may be on their way here.
                if desk.next == desk.lane.n_taken() {
                    desk.course.raise(upto_ns, Some(word.next), restarts);
                }
            }
            let excluded_ns = desk.lane.partition.excluded_ns();
            if excluded_ns > desk.course.watermark_ns() && desk.next == desk.lane.n_taken() {
                desk.course.raise(excluded_ns, None, restarts);
            }
            desk.lane.set_least_watermark(desk.course.watermark_ns());
        }
    }

    /// Finishes the lanes of which everything came home.
    fn see_ends(&mut self, stats: &mut Stats) {
        let restarts = &mut *self.restarts.borrow_mut();
        let (pool, has_finished) = (&self.pool, &mut self.has_finished);
        self.desks.retain(|desk| {
            let is_finished = desk.has_ended && desk.next == desk.lane.n_taken();
            if is_finished {
                stats.clamped += desk.course.clock.n_clamped;
                stats.moved_on += desk.course.clock.n_moved_on;
                stats.read_errors.extend(desk.lane.error());
                desk.course.end(restarts);
                pool.finished(&desk.lane);
                *has_finished = true;
            }
            !is_finished
        });
    }

    /// What of the partitions is counted only when they end, and how far they are.
    pub(crate) fn report(&self, report: &mut Report) {
        for desk in &self.desks {
            let clock = &desk.course.clock;
            report.stats.clamped += clock.n_clamped;
            report.stats.moved_on += clock.n_moved_on;
            let newest_ns = Some(clock.state().max_ns).filter(|ns| *ns != i64::MIN);
            report.gauges.newest_ns = report.gauges.newest_ns.max(newest_ns);
        }
        report.gauges.outstanding += self.n_outstanding;
    }

    /// Whether lanes were finished since this was last asked.
    pub(crate) fn take_finished(&mut self) -> bool {
        std::mem::take(&mut self.has_finished)
    }

    /// Whether a lane is at home here and not finished.
    pub(crate) fn has(&self, lane: usize) -> bool {
        self.desks.iter().any(|desk| desk.lane.number == lane)
    }

    /// Takes nothing more: the job is to end.
    pub(crate) fn close(&self) {
        self.desks.iter().for_each(|desk| desk.lane.close());
    }

    /// Below all effective times still to come; `None` when there will be none.
    pub(crate) fn least_watermark_ns(&self) -> Option<i64> {
        if self.is_held {
            return Some(self.pool.restored_ns().unwrap_or(i64::MIN));
        }
        let own = self.desks.iter().map(|desk| desk.course.watermark_ns());
        let least_ns = own.min().or_else(|| {
            let idle_ns = self.pool.idle_ns()?;
            Some(idle_ns.unwrap_or(i64::MIN))
        })?;
        Some(least_ns.max(self.pool.restored_ns().unwrap_or(i64::MIN)))
    }

    /// Says up to where these lanes may run.
    pub(crate) fn grant(&mut self) {
        if !self.desks.is_empty() {
            let horizon_ns = self.horizon_ns();
            self.pool.set_horizon(self.worker, horizon_ns);
        }
    }

    fn horizon_ns(&mut self) -> i64 {
        if self.n_outstanding <= OUTSTANDING_MAX {
            return i64::MAX;
        }
        let settled = self
            .probe
            .with_frontier(|frontier| frontier.first().copied());
        let Some(settled) = settled else {
            return i64::MAX;
        };
        while let Some((time, n)) = self.outstanding.front().copied()
            && time < settled
        {
            self.outstanding.pop_front();
            self.n_outstanding -= n;
        }
        if self.n_outstanding <= OUTSTANDING_MAX {
            return i64::MAX;
        }
        let is_over = self.n_outstanding > OUTSTANDING_LIMIT;
        let ahead_ns = if is_over { TICK_NS } else { AHEAD_NS };
        untick(settled).saturating_add(ahead_ns)
    }

    /// The tick up to which everything was sent; `None` when nothing will be any more.
    pub(crate) fn tick(&self) -> Option<u64> {
        self.least_watermark_ns().map(tick)
    }
}
