//! What a live source counts, and the latest examples of what went wrong.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Examples that are kept of each kind.
const SAMPLES_MAX: usize = 8;
/// Longest example in bytes.
const SAMPLE_BYTES_MAX: usize = 400;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Count {
    /// Lines given.
    Lines,
    /// Bytes of lines given.
    Bytes,
    /// Lines cut at the limit.
    LinesCut,
    /// Messages that could not be understood, and were dropped.
    Refused,
    /// Messages dropped since there was no room for them.
    Dropped,
    /// Messages that the kernel dropped before the source saw them.
    KernelDropped,
    /// Failures of which the source recovers by trying again.
    Errors,
    /// Positions of a checkpoint that could not be honoured.
    PositionsLost,
    /// Files followed over a rotation.
    Rotations,
    /// Files that became shorter than what was read of them.
    Truncations,
    /// Files that are not followed: excluded by what they are, or over a limit.
    FilesSkipped,
    /// Programs started again.
    Restarts,
    /// Lines that a program wrote to its standard error.
    ErrorLines,
    /// Connections accepted.
    Connections,
    /// Connections refused or ended by the source.
    ConnectionsRefused,
    /// Times that input had to wait for room in the write-ahead log.
    LogWaits,
    /// Records with nothing in them.
    RecordsEmpty,
    /// Milliseconds for which the source was held up by its limits.
    HeldMs,
    /// Lines that a transform made.
    LinesMade,
    /// Lines that a transform left as they were, since it failed.
    TransformErrors,
}

impl Count {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Lines,
        Self::Bytes,
        Self::LinesCut,
        Self::Refused,
        Self::Dropped,
        Self::KernelDropped,
        Self::Errors,
        Self::PositionsLost,
        Self::Rotations,
        Self::Truncations,
        Self::FilesSkipped,
        Self::Restarts,
        Self::ErrorLines,
        Self::Connections,
        Self::ConnectionsRefused,
        Self::LogWaits,
        Self::RecordsEmpty,
        Self::HeldMs,
        Self::LinesMade,
        Self::TransformErrors,
    ];

    /// Name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lines => "lines",
            Self::Bytes => "bytes",
            Self::LinesCut => "lines_cut",
            Self::Refused => "refused",
            Self::Dropped => "dropped",
            Self::KernelDropped => "kernel_dropped",
            Self::Errors => "errors",
            Self::PositionsLost => "positions_lost",
            Self::Rotations => "rotations",
            Self::Truncations => "truncations",
            Self::FilesSkipped => "files_skipped",
            Self::Restarts => "restarts",
            Self::ErrorLines => "error_lines",
            Self::Connections => "connections",
            Self::ConnectionsRefused => "connections_refused",
            Self::LogWaits => "log_waits",
            Self::RecordsEmpty => "records_empty",
            Self::HeldMs => "held_ms",
            Self::LinesMade => "lines_made",
            Self::TransformErrors => "transform_errors",
        }
    }

    fn index(self) -> usize {
        Self::ALL
            .iter()
            .position(|count| *count == self)
            .unwrap_or(0)
    }
}

/// An example of what was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// As what it was counted.
    pub count: Count,
    /// What it was.
    pub text: String,
}

/// Counters of one source. The latest examples of each kind are kept.
#[derive(Debug, Default)]
pub struct Counters {
    counts: [AtomicU64; Count::ALL.len()],
    samples: Mutex<VecDeque<Sample>>,
}

impl Counters {
    /// Adds to a counter.
    pub fn add(&self, count: Count, n: u64) {
        if let Some(counter) = self.counts.get(count.index()) {
            counter.fetch_add(n, Ordering::Relaxed);
        }
    }

    /// Counts one, and keeps it as an example. The text is only made into one line of bounded length.
    pub fn sample(&self, count: Count, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        let text = text.get(..SAMPLE_BYTES_MAX).unwrap_or(text);
        let text = String::from_utf8_lossy(text)
            .chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect();
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let of_kind = samples.iter().filter(|sample| sample.count == count);
        if of_kind.count() >= SAMPLES_MAX
            && let Some(at) = samples.iter().position(|sample| sample.count == count)
        {
            samples.remove(at);
        }
        samples.push_back(Sample { count, text });
        // Last, so that what is counted can be looked at.
        self.add(count, 1);
    }

    /// How many.
    #[must_use]
    pub fn get(&self, count: Count) -> u64 {
        self.counts
            .get(count.index())
            .map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// Takes the examples, oldest first.
    #[must_use]
    pub fn take_samples(&self) -> Vec<Sample> {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_examples_of_each_kind_are_kept_within_their_limits() {
        let counters = Counters::default();
        counters.sample(Count::Errors, "one\nline");
        for n in 0..20 {
            counters.sample(Count::Refused, format!("{n}{}", "é".repeat(400)));
        }
        let samples = counters.take_samples();
        assert_eq!(counters.get(Count::Refused), 20);
        assert_eq!(samples.len(), 9);
        assert_eq!(samples[0].text, "one line");
        assert!(samples[1].text.starts_with("12é"));
        assert!(samples[1].text.len() <= 402);
        assert!(counters.take_samples().is_empty());
        for (at, count) in Count::ALL.iter().enumerate() {
            assert_eq!(count.index(), at);
        }
    }
}
