//! Medians and spreads of few samples.

use serde_json::{Value, json};

/// What some repetitions gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Samples(pub(crate) Vec<f64>);

impl Samples {
    /// The middle one, or the mean of the middle two; nothing if there are none.
    pub(crate) fn median(&self) -> Option<f64> {
        let sorted = self.sorted();
        let upper = *sorted.get(sorted.len() / 2)?;
        if sorted.len() % 2 == 1 {
            return Some(upper);
        }
        let lower = *sorted.get(sorted.len() / 2 - 1)?;
        Some(f64::midpoint(lower, upper))
    }

    pub(crate) fn least(&self) -> Option<f64> {
        self.sorted().first().copied()
    }

    pub(crate) fn most(&self) -> Option<f64> {
        self.sorted().last().copied()
    }

    /// Each sample changed in the same way.
    pub(crate) fn map(&self, change: impl Fn(f64) -> f64) -> Samples {
        Samples(self.0.iter().map(|sample| change(*sample)).collect())
    }

    /// Sample by sample, as many as both have: those of one repetition stand together.
    pub(crate) fn over(&self, other: &Samples) -> Samples {
        let pairs = self.0.iter().zip(&other.0);
        let known = pairs.filter(|(_, below)| **below > 0.0);
        Samples(known.map(|(above, below)| above / below).collect())
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "median": self.median(), "min": self.least(), "max": self.most(), "samples": self.0,
        })
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_needs_no_order() {
        assert_eq!(Samples(vec![3.0, 1.0, 2.0]).median(), Some(2.0));
        assert_eq!(Samples(vec![4.0, 1.0, 2.0, 3.0]).median(), Some(2.5));
        assert_eq!(Samples(vec![]).median(), None);
    }

    #[test]
    fn ratios_are_of_one_repetition() {
        let ours = Samples(vec![1.0, 2.0, 0.0]);
        let theirs = Samples(vec![10.0, 10.0, 10.0, 7.0]);
        let ratio = theirs.over(&ours);
        assert_eq!(ratio.0, [10.0, 5.0]);
        assert_eq!((ratio.least(), ratio.most()), (Some(5.0), Some(10.0)));
    }

    #[test]
    fn a_file_holds_every_sample() {
        let json = Samples(vec![2.5, 1.5]).json();
        assert_eq!(json["samples"], json!([2.5, 1.5]));
        assert_eq!((&json["median"], &json["min"]), (&json!(2.0), &json!(1.5)));
    }
}
