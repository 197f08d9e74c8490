//! The bucket operator's state: one table a worker, fed by batches and moved by the frontier.

use std::sync::Arc;
use std::time::{Duration, Instant};

use overspill_bucket::{
    Change, GroupPiece, KEY_GROUPS, Key, Order, Pour, ScenarioId, SnapshotError, Spec, Stamp,
    Table, TableConfig, group_owner,
};

use crate::batch::{CANCELS, HAS_DISTINCT, HAS_TIME, PourBatch, PourHead};
use crate::board::{Report, known};
use crate::checkpoint::{Damaged, Restored};
use crate::clock::{TICK_NS, complete_ns};
use crate::job::{Mode, Settings};
use crate::judge::PlanJudge;
use crate::plan::Plan;
use crate::stats::Stats;

/// Keys that a live job settles at once. What has come meanwhile is answered in between: logs whose dates are whole
/// seconds have all pours of a second settled together. Few, so that these answers do not wait; more by the square of
/// the seconds that the frontier is beyond where the table stands, so that pours do not heap up.
const KEYS_AT_ONCE: usize = 256;
const KEYS_AT_ONCE_MAX: usize = 8_192;
/// Longest time for them: some cost more than others, such as one whose group gives up keys. It bounds a step; what is
/// settled does not depend on it.
const QUANTUM: Duration = Duration::from_millis(5);
/// Keys between two looks at the clock.
const KEYS_PER_LOOK: usize = 64;
/// A second, in ticks. A live job settles at most so much together, for what is settled together is put in order at once.
const SECOND: u64 = (1_000_000_000 / TICK_NS) as u64;

/// A table with whoever answers its questions.
pub(crate) struct BucketWorker {
    table: Table,
    judge: PlanJudge,
    changes: Vec<Change>,
    /// Key groups of a checkpoint that are still to be written, and their table.
    unwritten: Vec<u16>,
    stage: u8,
    mode: Mode,
    /// Frontier that it is on its way to.
    going: Option<u64>,
    /// Frontier up to which all is settled.
    stands: Option<u64>,
}

impl BucketWorker {
    pub(crate) fn new(plan: &Arc<Plan>, settings: &Settings, stage: u8) -> Self {
        let specs: Arc<[Spec]> = plan
            .rules
            .scenarios()
            .iter()
            .map(|scenario| scenario.bucket.clone())
            .collect();
        let groups = usize::from(KEY_GROUPS);
        let base = match settings.mode {
            Mode::Speculative => TableConfig::live(settings.grace_ns),
            Mode::Replay => TableConfig::replay(settings.grace_ns),
        };
        let config = TableConfig {
            keys_per_group_max: settings.buckets_max.div_ceil(groups).max(1),
            bytes_per_group_max: settings
                .evidence_bytes_max
                .div_ceil(u64::from(KEY_GROUPS))
                .max(1),
            ..base
        };
        Self {
            table: Table::new(&specs, config),
            judge: PlanJudge::new(Arc::clone(plan)),
            changes: Vec::new(),
            unwritten: Vec::new(),
            stage,
            mode: settings.mode,
            going: None,
            stands: None,
        }
    }

    /// Takes the key groups of worker `index` of `peers` from a checkpoint.
    pub(crate) fn restore(
        &mut self,
        restored: &Restored,
        index: usize,
        peers: usize,
    ) -> Result<(), SnapshotError> {
        self.table.stand_at(restored.upto_ns);
        for group in (0..KEY_GROUPS).filter(|&group| group_owner(group, peers) == index) {
            let pieces = restored.take(self.stage, group);
            if !pieces.is_empty() {
                self.table.restore(&pieces)?;
            }
        }
        Ok(())
    }

    /// Which table it is.
    pub(crate) fn stage(&self) -> u8 {
        self.stage
    }

    /// A checkpoint is to be written of where the table stands.
    pub(crate) fn begin_writing(&mut self, damaged: &Damaged) {
        let (stage, table) = (self.stage, &mut self.table);
        damaged.repair(|of_stage, group| of_stage == stage && table.write_whole(group));
        self.unwritten = self.table.changed_groups();
    }

    /// What a checkpoint needs of the next key group; `None` when all are written.
    pub(crate) fn write_next(&mut self, memory: &mut Vec<u8>) -> Option<(u16, GroupPiece)> {
        loop {
            let group = self.unwritten.pop()?;
            if let Some(piece) = self.table.write_group(group, memory) {
                return Some((group, piece));
            }
        }
    }

    /// Pours a batch; what changed at once is in the result, to be drained.
    pub(crate) fn pour(&mut self, batch: &PourBatch) -> &mut Vec<Change> {
        self.changes.clear();
        for head in batch.heads() {
            let payload = batch.payload(head);
            self.table
                .pour(pour(head), payload, &mut self.judge, &mut self.changes);
        }
        &mut self.changes
    }

    /// The frontier up to which all is settled, once there was one.
    pub(crate) fn stands(&self) -> Option<u64> {
        self.stands
    }

    /// Goes a step towards a frontier, or all the way; answers whether it is there. If not, only what is above comes
    /// before the next step.
    pub(crate) fn step(&mut self, frontier: Option<u64>) -> (bool, &mut Vec<Change>) {
        self.changes.clear();
        let (to, n_keys) = match (self.mode, self.stands, frontier) {
            (Mode::Speculative, Some(stands), Some(frontier)) => {
                let behind = frontier.saturating_sub(stands);
                let next = stands.saturating_add(stretch(behind));
                (Some(frontier.min(next)), keys_at_once(behind))
            }
            (Mode::Speculative, ..) => (frontier, KEYS_AT_ONCE),
            (Mode::Replay, ..) => (frontier, usize::MAX),
        };
        // The frontier may have moved on since the last step.
        let to = self.going.or(to);
        let (judge, changes) = (&mut self.judge, &mut self.changes);
        let is_there = match to {
            Some(_) => {
                let upto_ns = complete_ns(to);
                let advance = |n| self.table.advance_some(upto_ns, n, judge, changes);
                within(QUANTUM, n_keys, advance)
            }
            // The end of all input is the end of time: timed buckets overflow at their deadline.
            None => {
                self.table.finish(complete_ns(None), judge, changes);
                true
            }
        };
        self.going = to.filter(|_| !is_there);
        if is_there {
            self.stands = self.stands.max(to);
        }
        (is_there && to == frontier, changes)
    }

    /// What it has counted so far.
    pub(crate) fn report(&self, report: &mut Report) {
        self.count(&mut report.stats);
        let counters = self.table.counters();
        let gauges = &mut report.gauges;
        gauges.keys += counters.keys;
        gauges.live_buckets += counters.live_buckets;
        gauges.kept_events += counters.kept_events;
        gauges.kept_bytes += counters.kept_bytes;
        gauges.waiting += counters.waiting;
        gauges.settled_ns = self.table.watermark_ns().and_then(known);
        report.scenarios = self.table.scenario_counts().to_vec();
    }

    /// Adds the table's counters.
    pub(crate) fn count(&self, stats: &mut Stats) {
        let counters = self.table.counters();
        // Whoever parses a line, its home decides its effective time, at a capability below it.
        debug_assert_eq!(counters.late, 0, "a pour came after its time was complete");
        let named = [
            ("poured", counters.poured),
            ("created", counters.created),
            ("overflowed", counters.overflowed),
            ("emitted", counters.emitted),
            ("filtered", counters.filtered),
            ("blackholed", counters.blackholed),
            ("underflowed", counters.underflowed),
            ("cancelled", counters.cancelled),
            ("not distinct", counters.not_distinct),
            ("without time", counters.timeless),
            (
                "retained events dropped at the table's limit",
                counters.queue_capped,
            ),
            (
                "distinct values not recorded at the limit",
                counters.distinct_capped,
            ),
            ("evicted because a key group was full", counters.evicted),
            ("late", counters.late),
            ("repeated", counters.repeated),
            ("of unknown scenarios", counters.unknown),
            ("deferred", counters.deferred),
            ("redone", counters.redone),
            ("live at the end", counters.live_buckets),
        ];
        let rare = ("ignored for want of room for events", counters.without_room);
        for (name, n) in named.into_iter().chain((rare.1 > 0).then_some(rare)) {
            *stats.buckets.entry(name.to_owned()).or_default() += n;
        }
        let errors = ("conditions that raised an error", self.judge.n_errors);
        Stats::count_named(&mut stats.expressions, &[errors]);
    }
}

/// Takes so many keys a few at a time until they are done, all or those that there is time for; answers whether all are.
fn within(time: Duration, n_keys: usize, mut advance: impl FnMut(usize) -> bool) -> bool {
    if n_keys == usize::MAX {
        return advance(n_keys);
    }
    let (began, mut n_left) = (Instant::now(), n_keys);
    loop {
        let n = n_left.min(KEYS_PER_LOOK);
        n_left -= n;
        let is_done = advance(n);
        if is_done || n_left == 0 || began.elapsed() >= time {
            return is_done;
        }
    }
}

/// Keys that are settled at once when the table is so many ticks behind.
fn keys_at_once(behind: u64) -> usize {
    let n = usize::try_from(behind / SECOND)
        .unwrap_or(usize::MAX)
        .max(1);
    KEYS_AT_ONCE
        .saturating_mul(n.saturating_mul(n))
        .min(KEYS_AT_ONCE_MAX)
}

/// Most ticks that are settled together when the table is so many behind: a part of it where there was nothing for long.
fn stretch(behind: u64) -> u64 {
    SECOND.max(behind / 8)
}

fn pour(head: &PourHead) -> Pour {
    let has = |flag: u32| head.flags & flag != 0;
    Pour {
        key: Key(head.key),
        order: Order {
            eff_ns: head.eff_ns,
            partition: head.partition,
            offset: head.offset,
            seq: head.seq,
        },
        scenario: ScenarioId(head.scenario),
        time: has(HAS_TIME).then_some(Stamp {
            ns: head.time_ns,
            zone_secs: head.zone_secs,
        }),
        distinct: has(HAS_DISTINCT).then_some(head.distinct),
        cancel: has(CANCELS),
    }
}

#[cfg(test)]
mod tests;
