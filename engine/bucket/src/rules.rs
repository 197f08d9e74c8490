//! What a pour does to a state: every kind of bucket, in one place.
//!
//! The rules are CrowdSec's (`pkg/leakybucket`, `scenarios.md` 5 to 17) in its time machine mode:
//! all arithmetic uses the events' own times, which may go back. Where a decision had to be made:
//!
//! * *Limiter.* CrowdSec calculates tokens in floating point and lets a deficit below 1 ns pass.
//!   Here the missing tokens are kept multiplied by the leak speed, as an exact number of
//!   nanoseconds: a deficit is 0 or at least 1 ns. An event older than the last one costs a token,
//!   leaks nothing, and moves the last time back, as in CrowdSec.
//! * *Expiry.* A bucket is over when an event's own time is strictly later than the last counted
//!   one plus the span. It is also over when *effective* time is later than the effective time of
//!   the last pour plus the span and a grace. The second rule replaces CrowdSec's timers of the
//!   wall clock, which no replay could repeat, and is what lets the table forget; with a grace of
//!   `i64::MAX` it never applies.
//! * *Timed buckets* (`counter`, and whatever has a `duration`) overflow one span after their first
//!   counted event, when effective time has passed that deadline; the deadline is the time of the
//!   overflow. In CrowdSec a timer of the wall clock fires, so a replay hardly ever sees it. The
//!   first expiry rule does not apply to them, for their timer is never restarted.
//! * *Blackholes* are kept with the key, one for each scenario that created a bucket there.
//!   CrowdSec has one list a scenario and removes, at an overflow of any key, what is over by that
//!   overflow's time: with times that go back, one key's overflow can end another key's blackhole.
//!   That coupling is not reproduced; it would tie all keys of a scenario together.
//! * *Collisions.* Scenarios with the same filter, group and name share a key. A bucket goes by
//!   the rules of its creator, but a pour's `distinct` and `cancel_on` are results of the pouring
//!   scenario's expressions.
//! * *Forgetting.* A state is forgotten at the first turn (about a second of effective time) at
//!   which nothing can depend on it. Forgetting shows only in which keys count towards the cap.

mod rule;

use std::sync::Arc;

pub(crate) use rule::Plain;
use rule::Rule;

use crate::counters::Effects;
use crate::events::{EventId, Events};
use crate::judge::Judge;
use crate::key::Key;
use crate::overflow::{Counted, Kept, Overflow, identity};
use crate::pour::{Order, Pour, Stamp};
use crate::queue::Queue;
use crate::spec::{Kind, ScenarioId, Spec};
use crate::state::{Bucket, First, Hole, Seen, State, turn};

/// The limits that are not the scenario's own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) grace_ns: i64,
    pub(crate) queue_len_max: usize,
    pub(crate) queue_bytes_max: u64,
    pub(crate) distinct_max: usize,
}

/// All scenarios' rules.
#[derive(Debug)]
pub(crate) struct Rules {
    rules: Vec<Rule>,
    /// Sorted, to find scenarios again that were renumbered.
    fingerprints: Vec<(u64, ScenarioId)>,
    limits: Limits,
    has_timers: bool,
}

/// What a step did.
#[derive(Debug, Default)]
pub(crate) struct Step {
    pub(crate) effects: Effects,
    /// The overflow of a timed bucket whose deadline came before the pour, and its effects.
    pub(crate) fired: Option<Arc<Overflow>>,
    pub(crate) fired_effects: Effects,
    /// The overflow that the pour itself caused.
    pub(crate) own: Option<Arc<Overflow>>,
}

/// A pour with its event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Poured<'a> {
    pub(crate) pour: &'a Pour,
    pub(crate) event: EventId,
    pub(crate) events: &'a Events,
}

impl<'a> Poured<'a> {
    fn bytes(&self) -> &'a [u8] {
        self.events.bytes(self.event)
    }
}

/// Who overflows, and when by either time.
struct Moment {
    scenario: ScenarioId,
    at: Stamp,
    eff_ns: i64,
}

impl Rules {
    pub(crate) fn new(specs: &[Spec], limits: Limits) -> Self {
        let rules: Vec<Rule> = specs.iter().map(|spec| Rule::new(spec, &limits)).collect();
        let mut fingerprints: Vec<(u64, ScenarioId)> = (0..)
            .map(ScenarioId)
            .zip(specs)
            .map(|(id, spec)| (spec.fingerprint, id))
            .collect();
        fingerprints.sort_unstable();
        Self {
            has_timers: specs.iter().any(Spec::is_timed),
            rules,
            fingerprints,
            limits,
        }
    }

    /// Whether there is any scenario whose buckets overflow by themselves.
    pub(crate) fn has_timers(&self) -> bool {
        self.has_timers
    }

    pub(crate) fn knows(&self, scenario: ScenarioId) -> bool {
        (scenario.0 as usize) < self.rules.len()
    }

    pub(crate) fn fingerprint(&self, scenario: ScenarioId) -> u64 {
        self.rule(scenario).spec.fingerprint
    }

    /// Finds a scenario of an earlier numbering.
    pub(crate) fn find(&self, scenario: ScenarioId, fingerprint: u64) -> Option<ScenarioId> {
        if self.knows(scenario) && self.fingerprint(scenario) == fingerprint {
            return Some(scenario);
        }
        let at = self
            .fingerprints
            .partition_point(|known| known.0 < fingerprint);
        self.fingerprints
            .get(at)
            .filter(|known| known.0 == fingerprint)
            .map(|known| known.1)
    }

    fn rule(&self, scenario: ScenarioId) -> &Rule {
        // Pours and restored states of unknown scenarios are refused at the table's edge.
        &self.rules[scenario.0 as usize]
    }

    /// How many events a bucket of this scenario retains.
    pub(crate) fn retained(&self, scenario: ScenarioId) -> usize {
        self.rule(scenario).retained
    }

    /// The numbers of a scenario that has nothing but a limiter.
    pub(crate) fn plain(&self, scenario: ScenarioId) -> Option<&Plain> {
        self.rule(scenario).plain.as_ref()
    }

    /// Applies one pour.
    pub(crate) fn step<J: Judge + ?Sized>(
        &self,
        key: Key,
        state: &mut State,
        poured: Poured<'_>,
        judge: &mut J,
    ) -> Step {
        let Poured { pour, events, .. } = poured;
        let mut step = Step::default();
        if state.exists() && pour.order <= state.last {
            step.effects.add(Effects::REPEATED);
            return step;
        }
        step.effects.add(Effects::POURED);
        let spare = self.age(key, state, poured, judge, &mut step);
        let eff_ns = pour.order.eff_ns;
        state.last = pour.order;
        state.hits = state.hits.saturating_add(1).min(2);
        state.keep(eff_ns);
        if state.bucket.is_none() {
            step.effects.add(Effects::CREATED);
            if self.rule(pour.scenario).spec.kind == Kind::Trigger {
                step.own = self.trigger(key, state, poured, judge, &mut step.effects);
                return step;
            }
        }
        let bucket = state.bucket.get_or_insert_with(|| Bucket::new(pour, spare));
        let rule = self.rule(bucket.scenario);
        if rule.spec.distinct && !self.is_distinct(bucket, pour, &mut step.effects) {
            return step;
        }
        if rule.spec.cancel_on && pour.cancel {
            step.effects.add(Effects::CANCELLED);
            state.bucket = None;
            return step;
        }
        bucket.touched_ns = eff_ns;
        let overflow = rule.fill(bucket, poured, &mut step.effects);
        let overflow = overflow.or_else(|| rule.after_pour(key, bucket, poured, judge));
        let Some(at) = overflow else {
            state.keep(self.forget_after(rule, eff_ns));
            return step;
        };
        let Some(bucket) = state.bucket.take() else {
            unreachable!("the bucket was just filled")
        };
        let moment = Moment {
            scenario: bucket.scenario,
            at,
            eff_ns,
        };
        let build = || self.spill(bucket, key, at, pour.order, events);
        step.own = self.release(state, &moment, judge, &mut step.effects, build);
        step
    }

    /// Lets a timed bucket of this deadline overflow, unless it is over by effective time.
    pub(crate) fn fire<J: Judge + ?Sized>(
        &self,
        key: Key,
        state: &mut State,
        events: &Events,
        judge: &mut J,
    ) -> (Option<Arc<Overflow>>, Effects) {
        let mut effects = Effects::default();
        let Some((bucket, deadline_ns)) = state
            .bucket
            .as_ref()
            .and_then(|bucket| self.deadline(bucket))
            .and_then(|deadline_ns| Some((state.bucket.take()?, deadline_ns)))
        else {
            return (None, effects);
        };
        let eff_ns = deadline_ns.max(bucket.touched_ns);
        let at = Stamp {
            ns: deadline_ns,
            zone_secs: bucket.last.zone_secs,
        };
        let place = bucket.first.map_or(Order::default(), |first| first.order);
        let moment = Moment {
            scenario: bucket.scenario,
            at,
            eff_ns,
        };
        let build = || self.spill(bucket, key, at, Order { eff_ns, ..place }, events);
        let overflow = self.release(state, &moment, judge, &mut effects, build);
        (overflow, effects)
    }

    /// When the bucket overflows by itself: never, if it is over by effective time before that.
    pub(crate) fn deadline(&self, bucket: &Bucket) -> Option<i64> {
        let rule = self.rule(bucket.scenario);
        if !rule.spec.is_timed() {
            return None;
        }
        let deadline_ns = bucket.first?.stamp.ns.saturating_add(rule.span_ns);
        (deadline_ns <= self.forget_after(rule, bucket.touched_ns)).then_some(deadline_ns)
    }

    /// The last effective time at which a bucket of this scenario that was touched then can still
    /// be alive.
    pub(crate) fn alive_until(&self, scenario: ScenarioId, touched_ns: i64) -> i64 {
        self.forget_after(self.rule(scenario), touched_ns)
    }

    fn forget_after(&self, rule: &Rule, touched_ns: i64) -> i64 {
        touched_ns
            .saturating_add(rule.span_ns.max(0))
            .saturating_add(self.limits.grace_ns.max(0))
    }

    /// Everything that time alone does to the state before the pour. Gives back the memory of a
    /// queue that is over.
    fn age<J: Judge + ?Sized>(
        &self,
        key: Key,
        state: &mut State,
        Poured { pour, events, .. }: Poured<'_>,
        judge: &mut J,
        step: &mut Step,
    ) -> Queue {
        let eff_ns = pour.order.eff_ns;
        if let Some(bucket) = &state.bucket
            && self
                .deadline(bucket)
                .is_some_and(|deadline_ns| deadline_ns < eff_ns)
        {
            (step.fired, step.fired_effects) = self.fire(key, state, events, judge);
        }
        let is_over = state
            .bucket
            .as_ref()
            .is_some_and(|bucket| self.is_over(bucket, pour));
        let mut spare = Queue::default();
        if is_over && let Some(bucket) = state.bucket.take() {
            step.effects.add(Effects::UNDERFLOWED);
            spare = bucket.queue.emptied();
        }
        if state.is_over(turn(eff_ns)) {
            *state = State::default();
        }
        spare
    }

    fn is_over(&self, bucket: &Bucket, pour: &Pour) -> bool {
        let rule = self.rule(bucket.scenario);
        if pour.order.eff_ns > self.forget_after(rule, bucket.touched_ns) {
            return true;
        }
        match (pour.time, bucket.first) {
            (Some(time), Some(_)) if !rule.spec.is_timed() => {
                time.ns > bucket.last.ns.saturating_add(rule.span_ns)
            }
            _ => false,
        }
    }

    fn is_distinct(&self, bucket: &mut Bucket, pour: &Pour, effects: &mut Effects) -> bool {
        let Some(value) = pour.distinct else {
            return true;
        };
        match bucket.see(value, self.limits.distinct_max) {
            Seen::First => true,
            Seen::TooMany => {
                effects.add(Effects::DISTINCT_CAPPED);
                true
            }
            Seen::Before => {
                effects.add(Effects::NOT_DISTINCT);
                false
            }
        }
    }

    /// A trigger overflows before anything else is looked at, so it needs no bucket.
    fn trigger<J: Judge + ?Sized>(
        &self,
        key: Key,
        state: &mut State,
        poured: Poured<'_>,
        judge: &mut J,
        effects: &mut Effects,
    ) -> Option<Arc<Overflow>> {
        let Poured {
            pour,
            event,
            events,
        } = poured;
        let order = pour.order;
        let at = pour.time.unwrap_or(Stamp {
            ns: order.eff_ns,
            zone_secs: 0,
        });
        let moment = Moment {
            scenario: pour.scenario,
            at,
            eff_ns: order.eff_ns,
        };
        self.release(state, &moment, judge, effects, || {
            let mut bucket = Bucket::new(pour, Queue::default());
            bucket.count(at, order);
            bucket.queue.push(event, 1, u64::MAX, events);
            self.spill(bucket, key, at, order, events)
        })
    }

    /// The overflow hooks, in CrowdSec's order: `overflow_filter`, then `blackhole`.
    fn release<J: Judge + ?Sized>(
        &self,
        state: &mut State,
        moment: &Moment,
        judge: &mut J,
        effects: &mut Effects,
        build: impl FnOnce() -> Overflow,
    ) -> Option<Arc<Overflow>> {
        effects.add(Effects::OVERFLOWED);
        let overflow;
        if self.rule(moment.scenario).spec.overflow_filter {
            overflow = build();
            if !judge.overflow_filter(&overflow) {
                effects.add(Effects::FILTERED);
                return None;
            }
            if self.swallows(state, moment) {
                effects.add(Effects::BLACKHOLED);
                return None;
            }
        } else {
            // Nothing is built for an overflow that is swallowed anyway: this is what a flood of
            // triggers on one key costs.
            if self.swallows(state, moment) {
                effects.add(Effects::BLACKHOLED);
                return None;
            }
            overflow = build();
        }
        effects.add(Effects::EMITTED);
        Some(Arc::new(overflow))
    }

    fn spill(
        &self,
        bucket: Bucket,
        key: Key,
        at: Stamp,
        order: Order,
        events: &Events,
    ) -> Overflow {
        let first = bucket.first.unwrap_or(First { stamp: at, order });
        let counted = Counted {
            fingerprint: self.fingerprint(bucket.scenario),
            first: &first.order,
            last: &order,
            total: bucket.total,
            digest: bucket.digest,
        };
        Overflow {
            key,
            scenario: bucket.scenario,
            first: first.stamp,
            last: bucket.last_or_touched(),
            overflow: at,
            total: bucket.total,
            first_order: first.order,
            order,
            identity: identity(key, &counted),
            queue: Kept::of(&bucket.queue, events),
        }
    }

    /// Whether the overflow falls into a blackhole. If not, it opens one.
    fn swallows(&self, state: &mut State, moment: &Moment) -> bool {
        let Some(blackhole_ns) = self.rule(moment.scenario).spec.blackhole_ns else {
            return false;
        };
        let &Moment {
            scenario,
            at,
            eff_ns,
        } = moment;
        let is_swallowed = state.holes.iter().any(|hole| {
            hole.scenario == scenario && hole.until_ns > at.ns && hole.until_eff_ns >= eff_ns
        });
        if is_swallowed {
            return true;
        }
        state
            .holes
            .retain(|hole| hole.scenario != scenario && hole.until_eff_ns >= eff_ns);
        let until_eff_ns = eff_ns
            .saturating_add(blackhole_ns.max(0))
            .saturating_add(self.limits.grace_ns.max(0));
        let until_ns = at.ns.saturating_add(blackhole_ns);
        state.holes.push(Hole {
            scenario,
            until_ns,
            until_eff_ns,
        });
        state.keep(until_eff_ns);
        false
    }
}
