//! Durations spread over ranges; observed from any thread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long things took.
#[derive(Debug)]
pub struct Histogram {
    /// Upper ends of the ranges in seconds, ascending. The last range has no end.
    bounds: &'static [f64],
    counts: Vec<AtomicU64>,
    sum_ns: AtomicU64,
}

/// What a histogram holds at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// Upper ends of the ranges in seconds.
    pub bounds: &'static [f64],
    /// How many lie in each range; one more than there are bounds.
    pub counts: Vec<u64>,
    /// Sum of all, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// A histogram with these upper ends of ranges, in seconds, ascending.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum_ns: AtomicU64::new(0),
        }
    }

    /// Something took so long.
    pub fn observe(&self, took: Duration) {
        let secs = took.as_secs_f64();
        let at = self.bounds.partition_point(|bound| *bound < secs);
        if let Some(count) = self.counts.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// What it holds now.
    #[must_use]
    pub fn observed(&self) -> Observed {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Observed {
            bounds: self.bounds,
            counts: self.counts.iter().map(read).collect(),
            sum: Duration::from_nanos(read(&self.sum_ns)).as_secs_f64(),
        }
    }
}

impl Observed {
    /// Adds another one. Their ranges are those of one metric, so they are the same.
    pub(crate) fn add(&mut self, other: &Self) {
        debug_assert_eq!(
            self.bounds, other.bounds,
            "one metric has one set of ranges"
        );
        for (count, other) in self.counts.iter_mut().zip(&other.counts) {
            *count += other;
        }
        self.sum += other.sum;
    }
}
