//! All buckets of a worker.
//!
//! ```text
//!              replay                                       live
//!   pour ->  held, by 10 ms slot                  pour ->  applied at once to the state ahead,
//!               |                                             emitted, kept with what it did
//!   advance(W)  v  in order                       advance(W)  v  at or below W: settled
//!            settled state of each key                     settled state of each key
//! ```
//!
//! *Watermark.* [`Table::advance`] to W says that every pour whose effective time is at or below W
//! has been handed over. A pour at or below the watermark is late: ignored and counted.
//!
//! *Promise.* After any sequence of pours and advances, the sum of the changes that concern pours
//! at or below the watermark is that of applying those pours one by one in [`Order`]: whatever the
//! order of arrival, the batching, the steps of the watermark, and however key groups are spread
//! over tables. With speculation off nothing is ever taken back and changes come in order.
//!
//! *Speculation.* A pour is applied when it arrives. Pours above the watermark stay known, with
//! what each of them emitted ([`ahead`]); an older pour rewinds its key to its place, what follows
//! is applied again, and the differences are emitted. Rewinding stops early where a state comes
//! out as before. A key for which more than `defer_after` later pours would have to be redone is
//! *deferred*: its pours are collected and applied when the watermark passes, which bounds the
//! work of a hot key in disorder.
//!
//! *Memory.* A settled state lies in a cell of 88 bytes when it is an ordinary one ([`record`]), and
//! what it retains in segments that all buckets share ([`crate::events`]). It is taken out as a plain
//! value to be changed, unless a pour only counts. [`Table::footprint`] says what is spent on what.
//!
//! *Cap.* When a key group holds more keys or bytes than it may, an eighth of the cap leaves: first
//! keys that had one pour and hide nothing, then the others, longest unused first. Victims are
//! chosen at a place in the order of pours, so speculation may exceed the cap by what is above the
//! watermark.
//!
//! [`Order`]: crate::Order

pub(crate) mod ahead;
pub(crate) mod cells;
mod evict;
mod footprint;
mod held;
mod index;
mod lapse;
mod lists;
mod origins;
mod record;
mod settle;
mod snapshot;
mod speculate;
mod unwritten;
mod wheel;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use footprint::Footprint;
pub use snapshot::{GroupPiece, SnapshotError};

use crate::counters::{ByScenario, Counters, Effects, ScenarioCounts};
use crate::events::Events;
use crate::judge::Judge;
use crate::key::Key;
use crate::overflow::Change;
use crate::pour::Pour;
use crate::rules::{Limits, Rules};
use crate::spec::{ScenarioId, Spec};
use crate::state::turn;
use ahead::{Register, Spare};
use cells::{CellId, Cells};
use evict::Candidate;
use held::Held;
use settle::Unsettled;
use wheel::Wheel;

/// Keys of a key group: 4 million in all groups, about half a gigabyte without their events.
pub const KEYS_PER_GROUP_MAX: usize = 4_096;
/// Bytes of retained events of a key group, counted for each bucket that retains them: 512 MiB in all
/// groups.
pub const BYTES_PER_GROUP_MAX: u64 = 1 << 19;
/// Events a bucket retains at most: bounds what a `condition` looks at for every pour.
pub const QUEUE_LEN_MAX: usize = 1_024;
/// Bytes of events a bucket retains at most: a quarter of what its key group may.
pub const QUEUE_BYTES_MAX: u64 = 1 << 17;
/// `distinct` values a bucket remembers at most: 64 KiB.
pub const DISTINCT_MAX: usize = 4_096;
/// Pours redone at most for an older one: above this, waiting is cheaper than redoing.
pub const DEFER_AFTER: usize = 64;

/// How a table behaves, and its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableConfig {
    /// Live: apply pours at arrival and correct later. Otherwise they wait for the watermark.
    pub speculative: bool,
    /// How much later than its span a bucket ends by effective time; `i64::MAX` is never.
    pub grace_ns: i64,
    /// Keys a key group holds at most.
    pub keys_per_group_max: usize,
    /// Bytes of events a key group retains at most.
    pub bytes_per_group_max: u64,
    /// Events a bucket retains at most, whatever its scenario says.
    pub queue_len_max: usize,
    /// Bytes of events a bucket retains at most, so that one cannot crowd out its key group. The
    /// latest event is always retained.
    pub queue_bytes_max: u64,
    /// `distinct` values a bucket remembers at most; later ones are accepted and not remembered.
    pub distinct_max: usize,
    /// A key is deferred when more pours than this would have to be redone.
    pub defer_after: usize,
}

impl TableConfig {
    /// Pours wait for the watermark; every change is final.
    #[must_use]
    pub fn replay(grace_ns: i64) -> Self {
        Self {
            speculative: false,
            grace_ns,
            keys_per_group_max: KEYS_PER_GROUP_MAX,
            bytes_per_group_max: BYTES_PER_GROUP_MAX,
            queue_len_max: QUEUE_LEN_MAX,
            queue_bytes_max: QUEUE_BYTES_MAX,
            distinct_max: DISTINCT_MAX,
            defer_after: DEFER_AFTER,
        }
    }

    /// Pours are applied at arrival; changes may be taken back until the watermark passes.
    #[must_use]
    pub fn live(grace_ns: i64) -> Self {
        Self {
            speculative: true,
            ..Self::replay(grace_ns)
        }
    }
}

/// The buckets of some key groups.
#[derive(Debug)]
pub struct Table {
    rules: Rules,
    config: TableConfig,
    cells: Cells,
    events: Events,
    wheel: Wheel,
    /// Deadlines of settled timed buckets.
    timers: BTreeSet<(i64, Key)>,
    held: Held,
    register: Register,
    spare: Spare,
    /// Cells whose settled state was changed under the pours ahead of it.
    voided: Vec<CellId>,
    /// The memory of the wheel's answers.
    due: Vec<CellId>,
    /// The memory of looking for victims.
    candidates: Vec<Candidate>,
    watermark_ns: Option<i64>,
    /// What a watermark that has passed has left to be settled.
    unsettled: Option<Unsettled>,
    /// It has left states to be forgotten.
    is_forgetting: bool,
    counters: Counters,
    by_scenario: ByScenario,
}

impl Table {
    /// An empty table. A [`crate::ScenarioId`] is an index into `specs`.
    #[must_use]
    pub fn new(specs: &Arc<[Spec]>, config: TableConfig) -> Self {
        Self {
            rules: Rules::new(specs, limits(&config)),
            config,
            cells: Cells::new(),
            events: Events::default(),
            wheel: Wheel::new(),
            timers: BTreeSet::new(),
            held: Held::default(),
            register: Register::default(),
            spare: Spare::default(),
            voided: Vec::new(),
            due: Vec::new(),
            candidates: Vec::new(),
            watermark_ns: None,
            unsettled: None,
            is_forgetting: false,
            counters: Counters::default(),
            by_scenario: ByScenario::new(specs.len()),
        }
    }

    /// Takes further scenarios. The ones known so far must stay what and where they are, for
    /// buckets refer to them: a changed scenario gets a new number.
    pub fn extend_specs(&mut self, specs: &Arc<[Spec]>) {
        self.rules = Rules::new(specs, limits(&self.config));
        self.by_scenario.resize(specs.len());
    }

    /// Hands over a pour and what a bucket keeps of its event. Pours of one event that come one
    /// after the other share these bytes.
    pub fn pour<J: Judge + ?Sized>(
        &mut self,
        pour: Pour,
        evidence: &[u8],
        judge: &mut J,
        out: &mut Vec<Change>,
    ) {
        if self
            .watermark_ns
            .is_some_and(|watermark_ns| pour.order.eff_ns <= watermark_ns)
        {
            self.counters.late += 1;
        } else if !self.rules.knows(pour.scenario) {
            self.counters.unknown += 1;
        } else if !self.events.has_room() {
            self.counters.without_room += 1;
        } else if self.config.speculative {
            self.speculate(pour, evidence, judge, out);
        } else {
            let event = self.events.share(pour.order, evidence);
            self.held.push(pour, event);
        }
    }

    /// Says that all pours at or below this effective time have been handed over: they are
    /// settled, and their changes are final.
    pub fn advance<J: Judge + ?Sized>(
        &mut self,
        watermark_eff_ns: i64,
        judge: &mut J,
        out: &mut Vec<Change>,
    ) {
        let is_done = self.advance_some(watermark_eff_ns, usize::MAX, judge, out);
        debug_assert!(is_done, "there are fewer keys");
    }

    /// As [`Table::advance`], but settles or forgets at most so many keys, so that others need not wait until all are. Answers
    /// whether it is done. Until then only pours above the watermark may follow, and this again with the same watermark;
    /// then all is as after one [`Table::advance`].
    pub fn advance_some<J: Judge + ?Sized>(
        &mut self,
        watermark_eff_ns: i64,
        n_keys: usize,
        judge: &mut J,
        out: &mut Vec<Change>,
    ) -> bool {
        let is_passed = self
            .watermark_ns
            .is_some_and(|watermark_ns| watermark_eff_ns <= watermark_ns);
        let is_on_its_way = self.unsettled.is_some() || self.is_forgetting;
        if is_passed && !is_on_its_way {
            return true;
        }
        debug_assert!(
            !is_on_its_way || self.watermark_ns == Some(watermark_eff_ns),
            "one watermark after the other"
        );
        self.watermark_ns = Some(watermark_eff_ns);
        if !self.is_forgetting {
            if !self.settle(watermark_eff_ns, n_keys, judge, out) {
                return false;
            }
            self.fire_upto(watermark_eff_ns, judge, out);
        }
        self.is_forgetting = !self.forget_some(turn(watermark_eff_ns.saturating_add(1)), n_keys);
        !self.is_forgetting
    }

    /// Ends the input, which reached up to this effective time: all pours are settled.
    ///
    /// As in CrowdSec, buckets that have not overflowed by then leave nothing. Timed buckets whose
    /// deadline is at or below `end_eff_ns` do overflow. `end_eff_ns` must be the same for all
    /// tables of a run and no less than any pour's, for the result to be the same at any number
    /// of tables; `i64::MAX` lets all timed buckets overflow.
    pub fn finish<J: Judge + ?Sized>(
        &mut self,
        end_eff_ns: i64,
        judge: &mut J,
        out: &mut Vec<Change>,
    ) {
        if let Some(watermark_ns) = self.watermark_ns {
            // What it is still on its way to.
            self.advance(watermark_ns, judge, out);
        }
        self.watermark_ns = Some(i64::MAX);
        self.settle(i64::MAX, usize::MAX, judge, out);
        self.fire_upto(end_eff_ns, judge, out);
        self.forget(turn(end_eff_ns.saturating_add(1)));
        debug_assert_eq!(
            self.events.n_held(),
            self.counters.kept_events,
            "every event is held by the buckets that retain it, and by nobody else"
        );
    }

    /// The watermark; `None` before the first [`Table::advance`].
    #[must_use]
    pub fn watermark_ns(&self) -> Option<i64> {
        self.watermark_ns
    }

    /// Totals and gauges.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            waiting: self.counters.waiting + self.held.len(),
            ..self.counters
        }
    }

    /// What became of the buckets of each scenario, by its number. Their sums are those of
    /// [`Table::counters`].
    #[must_use]
    pub fn scenario_counts(&self) -> &[ScenarioCounts] {
        self.by_scenario.counts()
    }

    /// Counts what a pour or a deadline did to a bucket of this scenario.
    fn tally(&mut self, effects: Effects, scenario: ScenarioId) {
        self.counters.tally(effects);
        if effects.is_of_a_bucket() {
            self.by_scenario.tally(effects, scenario);
        }
    }

    fn is_over_cap(&self, group: u16) -> bool {
        let group = self.cells.group(group);
        group.n_settled > self.config.keys_per_group_max
            || group.settled_bytes > self.config.bytes_per_group_max
    }

    /// Whether the group may have been above its cap at any place in the order of pours since
    /// the last advance. All cells that existed at any time since then still do.
    fn may_be_over_cap(&self, group: u16) -> bool {
        let group = self.cells.group(group);
        group.members().len() > self.config.keys_per_group_max
            || group.settled_bytes + group.ahead_bytes > self.config.bytes_per_group_max
    }
}

fn limits(config: &TableConfig) -> Limits {
    Limits {
        grace_ns: config.grace_ns,
        queue_len_max: config.queue_len_max,
        queue_bytes_max: config.queue_bytes_max,
        distinct_max: config.distinct_max,
    }
}
