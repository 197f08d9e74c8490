//! Counters of a job. They add up: every line read is parsed, unparsed, whitelisted or refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Lines kept as samples of what was not understood.
const SAMPLES_MAX: usize = 8;
/// Bytes kept of a sample.
const SAMPLE_BYTES_MAX: usize = 400;

/// Counters of one worker, or of all of them added up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Lines given by sources.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Lines longer than the limit, whose end was dropped.
    pub lines_cut: u64,
    /// Lines that went through every stage and reached the scenarios.
    pub parsed: u64,
    /// Lines that no parser of some stage understood.
    pub unparsed: u64,
    /// Lines that a whitelist took out.
    pub whitelisted: u64,
    /// Lines lost to an error of a parser (a static of an impossible type).
    pub refused: u64,
    /// Parsed lines without a usable time.
    pub without_time: u64,
    /// Events whose texts grew past the limit and were cut.
    pub truncated: u64,
    /// Events older than their partition's watermark.
    pub clamped: u64,
    /// Events abandoned because a filter raised an error.
    pub filter_errors: u64,
    /// Pours of events into buckets.
    pub pours: u64,
    /// Parts of inputs that failed while they were read.
    pub read_errors: Vec<String>,
    /// Overflows that became no alert because it could not be built.
    pub alerts_failed: u64,
    /// Overflows that a post-overflow whitelist took out.
    pub overflows_whitelisted: u64,
    /// Overflows poured again, and those that were not because of the depth limit.
    pub reprocessed: u64,
    /// Overflows that asked to be poured a third time.
    pub reprocess_refused: u64,
    /// Bucket counters by name.
    pub buckets: BTreeMap<String, u64>,
    /// Counters of parsers by name: hits, successes.
    pub nodes: BTreeMap<String, (u64, u64)>,
    /// Pours and overflows by scenario.
    pub scenarios: BTreeMap<String, (u64, u64)>,
    /// Other counters by name (dates that fell back to now, stash evictions, ...).
    pub others: BTreeMap<String, u64>,
    /// Some lines that were not understood, with the stage where they ended.
    pub unparsed_samples: Vec<(String, String)>,
    /// Some errors of parsers and filters.
    pub error_samples: Vec<String>,
}

impl Stats {
    /// Adds the counters of another worker.
    pub fn add(&mut self, other: &Self) {
        self.lines += other.lines;
        self.bytes += other.bytes;
        self.lines_cut += other.lines_cut;
        self.parsed += other.parsed;
        self.unparsed += other.unparsed;
        self.whitelisted += other.whitelisted;
        self.refused += other.refused;
        self.without_time += other.without_time;
        self.truncated += other.truncated;
        self.clamped += other.clamped;
        self.filter_errors += other.filter_errors;
        self.pours += other.pours;
        self.read_errors.extend_from_slice(&other.read_errors);
        self.alerts_failed += other.alerts_failed;
        self.overflows_whitelisted += other.overflows_whitelisted;
        self.reprocessed += other.reprocessed;
        self.reprocess_refused += other.reprocess_refused;
        for (name, n) in &other.buckets {
            *self.buckets.entry(name.clone()).or_default() += n;
        }
        for (name, n) in &other.others {
            *self.others.entry(name.clone()).or_default() += n;
        }
        for (name, (a, b)) in &other.nodes {
            let sum = self.nodes.entry(name.clone()).or_default();
            *sum = (sum.0 + a, sum.1 + b);
        }
        for (name, (a, b)) in &other.scenarios {
            let sum = self.scenarios.entry(name.clone()).or_default();
            *sum = (sum.0 + a, sum.1 + b);
        }
        for (stage, line) in &other.unparsed_samples {
            self.sample_unparsed(stage, line.as_bytes());
        }
        for error in &other.error_samples {
            self.sample_error(|| error.clone());
        }
    }

    /// Keeps a line as a sample while there is room.
    pub fn sample_unparsed(&mut self, stage: &str, line: &[u8]) {
        if self.unparsed_samples.len() < SAMPLES_MAX {
            let head = &line[..line.len().min(SAMPLE_BYTES_MAX)];
            let text = String::from_utf8_lossy(head).into_owned();
            self.unparsed_samples.push((stage.to_owned(), text));
        }
    }

    /// Keeps an error as a sample while there is room.
    pub fn sample_error(&mut self, error: impl FnOnce() -> String) {
        if self.error_samples.len() < SAMPLES_MAX {
            self.error_samples.push(error());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_keeps_sums_and_bounds_samples() {
        let mut one = Stats {
            lines: 2,
            parsed: 1,
            unparsed: 1,
            ..Stats::default()
        };
        one.nodes.insert("n".into(), (2, 1));
        for n in 0..20 {
            one.sample_unparsed("s01-parse", format!("line {n}").as_bytes());
        }
        let mut sum = Stats::default();
        sum.add(&one);
        sum.add(&one);
        assert_eq!((sum.lines, sum.parsed, sum.unparsed), (4, 2, 2));
        assert_eq!(sum.nodes["n"], (4, 2));
        assert_eq!(sum.unparsed_samples.len(), SAMPLES_MAX);
    }
}
