//! What a scenario says about its buckets, without its expressions.
//!
//! Expressions are evaluated elsewhere: filter, group, `distinct` and `cancel_on` before the pour
//! (their results are in [`crate::Pour`]), `condition`, the bayesian conditions and
//! `overflow_filter` through [`crate::Judge`]. Here stand only the numbers, and whether the
//! scenario has each of the expressions at all: for a bucket belongs to the scenario that created
//! it, so another scenario's pour is treated by the creator's rules (`scenarios.md` 3.3).
//!
//! Nothing is validated here. The crate that compiles scenarios refuses what CrowdSec refuses;
//! whatever numbers come nevertheless, the engine neither panics nor overflows.

/// Number of a scenario: its place in the order of evaluation, and its index in the table's specs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ScenarioId(pub u32);

/// Type of a bucket (`type` of the scenario).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Overflows when filled faster than it leaks.
    Leaky,
    /// Overflows at every event.
    Trigger,
    /// Overflows when its time is up.
    Counter,
    /// Overflows when its `condition` holds.
    Conditional,
    /// Overflows when the evidence makes an attack likely enough.
    Bayesian,
}

/// One `bayesian_conditions` entry, without its expression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BayesCondition {
    /// `prob_given_evil`.
    pub evil: f32,
    /// `prob_given_benign`.
    pub benign: f32,
    /// Once true, always true in this bucket.
    pub guillotine: bool,
}

/// The bayesian part of a scenario. CrowdSec switches it on by a threshold that is not 0,
/// whatever the type of the bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Bayes {
    /// `bayesian_prior`.
    pub prior: f32,
    /// `bayesian_threshold`.
    pub threshold: f32,
    /// In file order; [`crate::Judge::bayesian`] is asked by index.
    pub conditions: Vec<BayesCondition>,
}

/// A scenario's numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Type of the bucket.
    pub kind: Kind,
    /// `capacity`; negative is unlimited.
    pub capacity: i64,
    /// `leakspeed` in nanoseconds, 0 when absent.
    pub leak_ns: i64,
    /// `duration` in nanoseconds, 0 when absent.
    pub duration_ns: i64,
    /// `blackhole` in nanoseconds, when the scenario has one.
    pub blackhole_ns: Option<i64>,
    /// `cache_size`, 0 when absent.
    pub cache_size: i64,
    /// The scenario has a `distinct` expression.
    pub distinct: bool,
    /// The scenario has a `cancel_on` expression.
    pub cancel_on: bool,
    /// The scenario has an `overflow_filter`.
    pub overflow_filter: bool,
    /// The scenario has a `condition`.
    pub condition: bool,
    /// The bayesian part, when its threshold is not 0.
    pub bayes: Option<Bayes>,
    /// Stable hash of the scenario's content: by it a snapshot finds the scenario again after a
    /// restart in which scenarios were renumbered.
    pub fingerprint: u64,
}

impl Spec {
    /// A spec of this kind with capacity 0 and nothing else set.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            capacity: 0,
            leak_ns: 0,
            duration_ns: 0,
            blackhole_ns: None,
            cache_size: 0,
            distinct: false,
            cancel_on: false,
            overflow_filter: false,
            condition: false,
            bayes: None,
            fingerprint: 0,
        }
    }

    /// How long a bucket lives after its last pour (`leaky.Duration`; `scenarios.md` 5.2).
    #[must_use]
    pub fn span_ns(&self) -> i64 {
        match self.kind {
            Kind::Conditional | Kind::Bayesian => self.leak_ns,
            _ if self.duration_ns != 0 => self.duration_ns,
            _ if self.capacity > 0 => self.capacity.saturating_add(1).saturating_mul(self.leak_ns),
            _ => 0,
        }
    }

    /// Whether the bucket overflows by itself, one span after its first pour. CrowdSec does so for
    /// every type that has a `duration`.
    #[must_use]
    pub fn is_timed(&self) -> bool {
        self.duration_ns != 0
    }

    /// How many events a bucket retains, the latest ones; `None` is unlimited.
    ///
    /// CrowdSec's ring drops from the front while it holds *more* than its limit and then appends,
    /// so it retains one more than the limit (`scenarios.md` 7).
    #[must_use]
    pub fn retained(&self) -> Option<u64> {
        let is_cached =
            self.cache_size > 0 && (self.capacity < 0 || self.cache_size <= self.capacity);
        let limit = if is_cached {
            self.cache_size
        } else {
            self.capacity
        };
        u64::try_from(limit)
            .ok()
            .map(|limit| limit.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_span_follows_the_type_first() {
        let all = Spec {
            capacity: 5,
            leak_ns: 10,
            duration_ns: 7,
            ..Spec::new(Kind::Leaky)
        };
        assert_eq!(all.span_ns(), 7);
        assert_eq!(
            Spec {
                duration_ns: 0,
                ..all.clone()
            }
            .span_ns(),
            60
        );
        assert_eq!(
            Spec {
                kind: Kind::Conditional,
                ..all.clone()
            }
            .span_ns(),
            10
        );
        assert_eq!(
            Spec {
                kind: Kind::Bayesian,
                ..all.clone()
            }
            .span_ns(),
            10
        );
        assert!(
            Spec {
                kind: Kind::Conditional,
                ..all
            }
            .is_timed()
        );
        assert_eq!(Spec::new(Kind::Trigger).span_ns(), 0);
        let huge = Spec {
            capacity: i64::MAX,
            leak_ns: i64::MAX,
            ..Spec::new(Kind::Leaky)
        };
        assert_eq!(huge.span_ns(), i64::MAX);
    }

    #[test]
    fn cache_size_bounds_the_queue_unless_the_capacity_is_smaller() {
        let check = |capacity, cache_size, retained| {
            let spec = Spec {
                capacity,
                cache_size,
                ..Spec::new(Kind::Leaky)
            };
            assert_eq!(
                spec.retained(),
                retained,
                "capacity {capacity}, cache_size {cache_size}"
            );
        };
        check(5, 0, Some(6));
        check(40, 5, Some(6));
        check(5, 6, Some(6));
        check(5, 5, Some(6));
        check(-1, 0, None);
        check(-1, 3, Some(4));
        check(0, 0, Some(1));
        check(0, 9, Some(1));
    }
}
