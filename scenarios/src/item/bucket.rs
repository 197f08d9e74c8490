//! What a scenario's type demands of its numbers (`pkg/leakybucket/buckettype.go`).

use super::scenario::ScenarioItem;
use crate::yaml::Mark;
use crate::yaml::table::{Findings, Text};

/// The type of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BucketKind {
    Leaky,
    Trigger,
    Counter,
    Conditional,
    Bayesian,
}

impl BucketKind {
    /// The spellings, exact and in lower case.
    pub(crate) const NAMES: [&str; 5] = ["leaky", "trigger", "counter", "conditional", "bayesian"];

    /// The type of a text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "leaky" => Self::Leaky,
            "trigger" => Self::Trigger,
            "counter" => Self::Counter,
            "conditional" => Self::Conditional,
            "bayesian" => Self::Bayesian,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Leaky => "leaky",
            Self::Trigger => "trigger",
            Self::Counter => "counter",
            Self::Conditional => "conditional",
            Self::Bayesian => "bayesian",
        }
    }
}

/// A number of a scenario with its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) start: Mark,
    pub(crate) end: Mark,
}

/// Checks the numbers of a scenario against its type.
pub(crate) fn check(item: &ScenarioItem, findings: &mut Findings<'_>) {
    let kind = item.kind;
    let mut rules = Rules {
        item,
        name: kind.name(),
        findings,
    };
    match kind {
        BucketKind::Leaky => {
            rules.capacity("must be above 0", |capacity| capacity > 0);
            rules.duration("leakspeed", item.leakspeed.as_ref(), item.leakspeed_ns);
        }
        BucketKind::Trigger => rules.capacity("must be 0 or left out", |capacity| capacity == 0),
        BucketKind::Counter => {
            rules.capacity("must be -1", |capacity| capacity == -1);
            rules.duration("duration", item.duration.as_ref(), item.duration_ns);
        }
        BucketKind::Conditional => {
            rules.capacity("must be -1 or more", |capacity| capacity >= -1);
            if item.capacity.value != -1 && item.capacity.value >= 0 {
                rules.warn_capacity();
            }
            rules.duration("leakspeed", item.leakspeed.as_ref(), item.leakspeed_ns);
            if item.condition.is_none() {
                rules.missing("condition");
            }
        }
        BucketKind::Bayesian => {
            rules.capacity("must be -1", |capacity| capacity == -1);
            // CrowdSec does not check this one and ends its process when the first bucket starts.
            rules.duration("leakspeed", item.leakspeed.as_ref(), item.leakspeed_ns);
            rules.bayesian();
        }
    }
}

struct Rules<'r, 'f> {
    item: &'r ScenarioItem,
    name: &'static str,
    findings: &'r mut Findings<'f>,
}

impl Rules<'_, '_> {
    fn capacity(&mut self, rule: &str, fits: impl FnOnce(i64) -> bool) {
        let Placed { value, start, end } = self.item.capacity;
        if fits(value) {
            return;
        }
        if start == self.item.start {
            // The key was left out: its place is that of the document.
            self.missing("capacity");
        } else {
            let message = format!("{value} is no capacity of a {} bucket: {rule}", self.name);
            self.findings.within("capacity", |findings| {
                findings.refuse_at(start, end, message)
            });
        }
    }

    fn warn_capacity(&mut self) {
        let Placed { value, start, end } = self.item.capacity;
        let message =
            format!("a conditional bucket of capacity {value} keeps few events; -1 is usual");
        self.findings
            .within("capacity", |findings| findings.warn_at(start, end, message));
    }

    /// A duration that must be there and above zero.
    fn duration(&mut self, key: &str, text: Option<&Text>, ns: i64) {
        match text {
            None => self.missing(key),
            Some(text) if ns <= 0 => {
                let message = format!(
                    "\"{}\" must be above 0",
                    crate::diagnostic::shown(&text.value)
                );
                self.findings.refuse(text, message);
            }
            Some(_) => {}
        }
    }

    fn missing(&mut self, key: &str) {
        let message = format!("a {} bucket needs `{key}`", self.name);
        self.findings
            .refuse_at(self.item.start, self.item.start, message);
    }

    fn bayesian(&mut self) {
        if self.item.bayesian.is_empty() {
            self.missing("bayesian_conditions");
        }
        let prior = self.item.prior;
        if !(prior.value > 0.0 && prior.value <= 1.0) {
            self.probability("bayesian_prior", prior, "must be above 0 and at most 1");
        }
        let threshold = self.item.threshold;
        if threshold.value == 0.0 || threshold.value.is_nan() || threshold.value > 1.0 {
            self.probability(
                "bayesian_threshold",
                threshold,
                "must not be 0 and at most 1",
            );
        }
    }

    fn probability(&mut self, key: &str, number: Placed<f32>, rule: &str) {
        let message = format!("{} {rule}", number.value);
        self.findings.within(key, |findings| {
            findings.refuse_at(number.start, number.end, message)
        });
    }
}
