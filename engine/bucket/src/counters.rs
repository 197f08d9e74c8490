//! What a table counted, and what a single pour did.

use crate::spec::ScenarioId;

/// Totals and gauges of a table. Totals count what is settled: a pour that is redone any number
/// of times counts once, by its final result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Pours that were applied, with those that changed nothing.
    pub poured: u64,
    /// Buckets created.
    pub created: u64,
    /// Overflows, with those that were discarded afterwards (as CrowdSec counts them).
    pub overflowed: u64,
    /// Overflows that were emitted.
    pub emitted: u64,
    /// Overflows that `overflow_filter` discarded.
    pub filtered: u64,
    /// Overflows that fell into a blackhole.
    pub blackholed: u64,
    /// Buckets that died of age.
    pub underflowed: u64,
    /// Buckets that `cancel_on` killed.
    pub cancelled: u64,
    /// Pours that `distinct` dropped.
    pub not_distinct: u64,
    /// Pours of events without a time of their own.
    pub timeless: u64,
    /// Pours that pushed out retained events because of the table's limits, not the scenario's.
    pub queue_capped: u64,
    /// `distinct` values that were accepted but not recorded, the set being full.
    pub distinct_capped: u64,
    /// Keys evicted with a bucket or a blackhole because their key group was full.
    pub evicted: u64,
    /// Pours at or below the watermark, which were ignored.
    pub late: u64,
    /// Pours that came twice, and were ignored the second time.
    pub repeated: u64,
    /// Pours of scenarios the table does not know, which were ignored.
    pub unknown: u64,
    /// Pours that were ignored because 28 GiB of events waited or were retained.
    pub without_room: u64,
    /// Restored buckets and blackholes whose scenario is gone.
    pub orphaned: u64,
    /// Pours that were collected instead of speculated on.
    pub deferred: u64,
    /// Pours that were evaluated again because an older one arrived.
    pub redone: u64,
    /// Gauge: settled keys.
    pub keys: u64,
    /// Gauge: settled live buckets.
    pub live_buckets: u64,
    /// Gauge: events retained by them.
    pub kept_events: u64,
    /// Gauge: bytes of those events, counted once for each bucket that retains them.
    pub kept_bytes: u64,
    /// Gauge: pours above the watermark.
    pub waiting: u64,
}

impl Counters {
    pub(crate) fn tally(&mut self, effects: Effects) {
        if effects == Effects::POURED {
            self.poured += 1;
            return;
        }
        let add = |effect: Effects, total: &mut u64| *total += u64::from(effects.has(effect));
        add(Effects::POURED, &mut self.poured);
        add(Effects::CREATED, &mut self.created);
        add(Effects::OVERFLOWED, &mut self.overflowed);
        add(Effects::EMITTED, &mut self.emitted);
        add(Effects::FILTERED, &mut self.filtered);
        add(Effects::BLACKHOLED, &mut self.blackholed);
        add(Effects::UNDERFLOWED, &mut self.underflowed);
        add(Effects::CANCELLED, &mut self.cancelled);
        add(Effects::NOT_DISTINCT, &mut self.not_distinct);
        add(Effects::TIMELESS, &mut self.timeless);
        add(Effects::QUEUE_CAPPED, &mut self.queue_capped);
        add(Effects::DISTINCT_CAPPED, &mut self.distinct_capped);
        add(Effects::REPEATED, &mut self.repeated);
    }
}

/// What became of the buckets of one scenario.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScenarioCounts {
    /// Buckets created.
    pub created: u64,
    /// Overflows, with those that were discarded afterwards.
    pub overflowed: u64,
    /// Buckets that died of age.
    pub underflowed: u64,
    /// Buckets that `cancel_on` killed.
    pub cancelled: u64,
    /// Gauge: settled live buckets, with those of a snapshot.
    pub live: u64,
}

/// The same for all scenarios.
#[derive(Debug)]
pub(crate) struct ByScenario(Vec<ScenarioCounts>);

impl ByScenario {
    pub(crate) fn new(n_scenarios: usize) -> Self {
        Self(vec![ScenarioCounts::default(); n_scenarios])
    }

    pub(crate) fn resize(&mut self, n_scenarios: usize) {
        self.0.resize(n_scenarios, ScenarioCounts::default());
    }

    pub(crate) fn counts(&self) -> &[ScenarioCounts] {
        &self.0
    }

    fn of(&mut self, scenario: ScenarioId) -> Option<&mut ScenarioCounts> {
        self.0.get_mut(scenario.0 as usize)
    }

    pub(crate) fn tally(&mut self, effects: Effects, scenario: ScenarioId) {
        if let Some(counts) = self.of(scenario) {
            counts.created += u64::from(effects.has(Effects::CREATED));
            counts.overflowed += u64::from(effects.has(Effects::OVERFLOWED));
            counts.underflowed += u64::from(effects.has(Effects::UNDERFLOWED));
            counts.cancelled += u64::from(effects.has(Effects::CANCELLED));
        }
    }

    /// A key has a live bucket of another scenario than before, or no longer one.
    pub(crate) fn move_live(&mut self, before: Option<ScenarioId>, after: Option<ScenarioId>) {
        if let Some(counts) = before.and_then(|scenario| self.of(scenario)) {
            counts.live -= 1;
        }
        if let Some(counts) = after.and_then(|scenario| self.of(scenario)) {
            counts.live += 1;
        }
    }
}

/// What applying a pour did, as a set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Effects(u16);

impl Effects {
    pub(crate) const POURED: Self = Self(1);
    pub(crate) const CREATED: Self = Self(1 << 1);
    pub(crate) const OVERFLOWED: Self = Self(1 << 2);
    pub(crate) const EMITTED: Self = Self(1 << 3);
    pub(crate) const FILTERED: Self = Self(1 << 4);
    pub(crate) const BLACKHOLED: Self = Self(1 << 5);
    pub(crate) const UNDERFLOWED: Self = Self(1 << 6);
    pub(crate) const CANCELLED: Self = Self(1 << 7);
    pub(crate) const NOT_DISTINCT: Self = Self(1 << 8);
    pub(crate) const TIMELESS: Self = Self(1 << 9);
    pub(crate) const QUEUE_CAPPED: Self = Self(1 << 10);
    pub(crate) const DISTINCT_CAPPED: Self = Self(1 << 11);
    pub(crate) const REPEATED: Self = Self(1 << 12);

    pub(crate) fn add(&mut self, effect: Self) {
        self.0 |= effect.0;
    }

    pub(crate) fn remove(&mut self, effect: Self) {
        self.0 &= !effect.0;
    }

    pub(crate) fn has(self, effect: Self) -> bool {
        self.0 & effect.0 != 0
    }

    /// Whether it has any of those that are counted by scenario.
    pub(crate) fn is_of_a_bucket(self) -> bool {
        const ANY: u16 = Effects::CREATED.0
            | Effects::OVERFLOWED.0
            | Effects::UNDERFLOWED.0
            | Effects::CANCELLED.0;
        self.0 & ANY != 0
    }
}
