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

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use timely::dataflow::operators::probe::Handle as ProbeHandle;

use crate::batch::PourBatch;
use crate::clock::{PartitionClock, TICK_NS, tick, untick};
use crate::line::Parsed;
use crate::pool::{Lane, Part, Pool};
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
    outstanding: VecDeque<(u64, u64)>,
    n_outstanding: u64,
    probe: ProbeHandle<u64>,
}

/// One partition.
struct Desk {
    /// Its place in the pool.
    lane: usize,
    clock: PartitionClock,
    /// Number of the batch that is due.
    next: u64,
    parked: BTreeMap<u64, Parked>,
    is_finished: bool,
}

/// The parts of a batch that are here.
#[derive(Default)]
struct Parked {
    parts: Vec<Parsed>,
    is_whole: bool,
}

impl Home {
    pub(crate) fn new(
        pool: &Arc<Pool>,
        worker: usize,
        lateness_ns: i64,
        probe: &ProbeHandle<u64>,
    ) -> Self {
        let own = |(_, lane): &(usize, &Lane)| lane.home == worker;
        let desk = |(lane, _): (usize, &Lane)| Desk {
            lane,
            clock: PartitionClock::new(lateness_ns),
            next: 0,
            parked: BTreeMap::new(),
            is_finished: false,
        };
        Self {
            desks: pool
                .lanes()
                .iter()
                .enumerate()
                .filter(own)
                .map(desk)
                .collect(),
            pool: Arc::clone(pool),
            worker,
            outstanding: VecDeque::new(),
            n_outstanding: 0,
            probe: probe.clone(),
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
        for part in self.pool.come_home(self.worker) {
            let Some(at) = self.desks.iter().position(|desk| desk.lane == part.lane) else {
                unreachable!("a part comes to the home of its lane")
            };
            if self.park(at, part) {
                n_done += self.send(at, held, &mut give);
            }
        }
        self.see_ends(stats);
        n_done
    }

    /// Keeps a part; answers whether its batch is due.
    fn park(&mut self, at: usize, part: Part) -> bool {
        let desk = &mut self.desks[at];
        let parked = desk.parked.entry(part.number).or_default();
        parked.parts.push(part.parsed);
        parked.is_whole |= part.is_last;
        part.number == desk.next
    }

    /// Sends the parts of the batches that are due; answers how many batches that finished.
    fn send(&mut self, at: usize, held: u64, give: &mut impl FnMut(&mut PourBatch)) -> usize {
        let mut n_done = 0;
        let desk = &mut self.desks[at];
        let lane = &self.pool.lanes()[desk.lane];
        while let Some(mut entry) = desk.parked.first_entry()
            && *entry.key() == desk.next
        {
            let parts = std::mem::take(&mut entry.get_mut().parts);
            let is_whole = entry.get().is_whole;
            if is_whole {
                entry.remove();
                desk.next += 1;
            }
            for parsed in parts {
                let n_bytes = parsed.n_bytes();
                for mut batch in parsed.stamp(&mut desk.clock) {
                    let n_pours = batch.len() as u64;
                    self.outstanding.push_back((held, n_pours));
                    self.n_outstanding += n_pours;
                    give(&mut batch);
                }
                self.pool.unpark(n_bytes);
            }
            if !is_whole {
                break;
            }
            lane.set_watermark(desk.clock.watermark_ns());
            self.pool.settled(lane);
            n_done += 1;
        }
        n_done
    }

    /// Finishes the lanes of which everything came home.
    fn see_ends(&mut self, stats: &mut Stats) {
        for desk in self.desks.iter_mut().filter(|desk| !desk.is_finished) {
            let lane = &self.pool.lanes()[desk.lane];
            if lane.has_ended() && desk.next == lane.n_taken() {
                desk.is_finished = true;
                stats.clamped += desk.clock.n_clamped;
                stats.moved_on += desk.clock.n_moved_on;
                stats.read_errors.extend(lane.error());
                self.pool.finished();
            }
        }
    }

    /// Takes nothing more: the job is to end.
    pub(crate) fn close(&self) {
        for desk in self.desks.iter().filter(|desk| !desk.is_finished) {
            self.pool.lanes()[desk.lane].close();
        }
    }

    /// Below all effective times still to come; `None` when all lanes are finished.
    pub(crate) fn least_watermark_ns(&self) -> Option<i64> {
        self.desks
            .iter()
            .filter(|desk| !desk.is_finished)
            .map(|desk| desk.clock.watermark_ns())
            .min()
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

    /// The tick up to which everything was sent.
    pub(crate) fn tick(&self) -> Option<u64> {
        self.least_watermark_ns().map(tick)
    }
}
