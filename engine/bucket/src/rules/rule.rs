//! One scenario's own part of the rules: the limiter and the conditions.

use super::{Limits, Poured};
use crate::counters::Effects;
use crate::judge::{BucketView, Judge};
use crate::key::Key;
use crate::pour::Stamp;
use crate::spec::{Bayes, BayesCondition, Kind, Spec};
use crate::state::Bucket;

/// The numbers of a scenario that has nothing but a limiter: what [`Rule`] says of its buckets, for
/// those who pour into a bucket where it lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plain {
    /// How long a bucket lives after its last event.
    pub(crate) span_ns: i64,
    /// Time in which a token leaks.
    pub(crate) leak_ns: u64,
    /// The level of a full bucket.
    pub(crate) full_ns: u64,
    /// Events a bucket retains.
    pub(crate) retained: usize,
    /// Their bytes.
    pub(crate) queue_bytes_max: u64,
}

/// A spec with everything derived from it.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) spec: Spec,
    pub(super) plain: Option<Plain>,
    pub(super) span_ns: i64,
    full_ns: i128,
    pub(super) retained: usize,
    is_capped: bool,
    queue_bytes_max: u64,
}

impl Rule {
    pub(super) fn new(spec: &Spec, limits: &Limits) -> Self {
        let queue_len_max = limits.queue_len_max.max(1);
        let wanted = spec
            .retained()
            .and_then(|retained| usize::try_from(retained).ok());
        let mut rule = Self {
            span_ns: spec.span_ns(),
            full_ns: i128::from(spec.capacity).saturating_mul(i128::from(spec.leak_ns)),
            retained: wanted.unwrap_or(queue_len_max).min(queue_len_max),
            is_capped: wanted.is_none_or(|wanted| wanted > queue_len_max),
            queue_bytes_max: limits.queue_bytes_max,
            spec: spec.clone(),
            plain: None,
        };
        rule.plain = rule.plain();
        rule
    }

    fn plain(&self) -> Option<Plain> {
        let spec = &self.spec;
        let has_more = spec.distinct
            || spec.cancel_on
            || spec.condition
            || spec.bayes.is_some()
            || spec.is_timed();
        if spec.kind != Kind::Leaky || has_more || spec.leak_ns <= 0 {
            return None;
        }
        Some(Plain {
            span_ns: self.span_ns,
            leak_ns: u64::try_from(spec.leak_ns).ok()?,
            full_ns: u64::try_from(self.full_ns).ok()?,
            retained: self.retained,
            queue_bytes_max: self.queue_bytes_max,
        })
    }

    /// Counts and retains the event; answers the time of the overflow if it does not fit.
    pub(super) fn fill(
        &self,
        bucket: &mut Bucket,
        poured: Poured<'_>,
        effects: &mut Effects,
    ) -> Option<Stamp> {
        let Poured {
            pour,
            event,
            events,
        } = poured;
        let Some(stamp) = pour.time else {
            effects.add(Effects::TIMELESS);
            return None;
        };
        let is_allowed = self.allow(bucket, stamp.ns);
        bucket.count(stamp, pour.order);
        let len_before = bucket.queue.len();
        let is_full = bucket
            .queue
            .push(event, self.retained, self.queue_bytes_max, events);
        if is_full && (self.is_capped || len_before < self.retained) {
            effects.add(Effects::QUEUE_CAPPED);
        }
        (!is_allowed).then_some(stamp)
    }

    /// The token bucket (`scenarios.md` 6), asked for one token at this time.
    fn allow(&self, bucket: &mut Bucket, now_ns: i64) -> bool {
        // Nobody asks the limiter of a conditional bucket.
        if self.spec.capacity < 0 || self.spec.leak_ns <= 0 || self.spec.kind == Kind::Conditional {
            return true;
        }
        let elapsed_ns = match bucket.first {
            Some(_) => now_ns.saturating_sub(bucket.last.ns).max(0),
            None => 0,
        };
        let leaked_ns = bucket.debt_ns.saturating_sub(i128::from(elapsed_ns)).max(0);
        let debt_ns = leaked_ns.saturating_add(i128::from(self.spec.leak_ns));
        let is_allowed = debt_ns <= self.full_ns;
        if is_allowed {
            bucket.debt_ns = debt_ns;
        }
        is_allowed
    }

    /// The hooks after the pour: `condition`, then the bayesian conditions.
    pub(super) fn after_pour<J: Judge + ?Sized>(
        &self,
        key: Key,
        bucket: &mut Bucket,
        poured: Poured<'_>,
        judge: &mut J,
    ) -> Option<Stamp> {
        let holds = self.spec.condition
            && judge.condition(poured.bytes(), &BucketView::new(key, bucket, poured.events));
        let holds = holds
            || self.spec.bayes.as_ref().is_some_and(|bayes| {
                posterior(bayes, key, bucket, poured, judge) > bayes.threshold
            });
        holds.then(|| bucket.last_or_touched())
    }
}

/// How likely an attack is, given this event and what the bucket remembers (`scenarios.md` 15).
/// Every operation rounds to 32 bits, as in CrowdSec.
fn posterior<J: Judge + ?Sized>(
    bayes: &Bayes,
    key: Key,
    bucket: &mut Bucket,
    poured: Poured<'_>,
    judge: &mut J,
) -> f32 {
    let update = |prior: f32, evil: f32, benign: f32| {
        (evil * prior) / (evil * prior + benign * (1.0 - prior))
    };
    let mut belief = bayes.prior;
    for (index, condition) in bayes.conditions.iter().enumerate() {
        let &BayesCondition {
            evil,
            benign,
            guillotine,
        } = condition;
        if guillotine && bucket.was_true(index) {
            belief = update(belief, evil, benign);
            continue;
        }
        let view = BucketView::new(key, bucket, poured.events);
        match judge.bayesian(index, poured.bytes(), &view) {
            Some(true) => {
                belief = update(belief, evil, benign);
                bucket.set_true(index);
            }
            Some(false) => belief = update(belief, 1.0 - evil, 1.0 - benign),
            None => {}
        }
    }
    belief
}
