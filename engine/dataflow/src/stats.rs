//! Counters of a job. They add up: every line read is parsed, unparsed, whitelisted or refused.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use overspill_expr::Counters;
use overspill_matcher::MatchState;
use overspill_parser::{NodeTally, ParserPlan, ParserState};
use serde::{Deserialize, Serialize};

/// Lines kept as samples of what was not understood.
const SAMPLES_MAX: usize = 8;
/// Bytes kept of a sample.
const SAMPLE_BYTES_MAX: usize = 400;
/// Different warnings kept with their counts; further ones are only counted.
const WARNINGS_MAX: usize = 64;

const STASH_EVICTED: &str = "stash entries that left a full cache";
const STASH_REFUSED: &str = "stash entries too large to be remembered";
const STASH_SKIPPED: &str = "stash entries without a text for key or value";
const UNSHARED: &str = "inputs that one worker parsed alone, for a parser with a stash";
const GROUP_NO_TEXT: &str = "times a groupby gave no text: one bucket for all of these";

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
    /// Events later than they can be by what their transport says.
    #[serde(default)]
    pub from_the_future: u64,
    /// Lines that were read again after a restart and that the checkpoint had.
    #[serde(default)]
    pub read_again: u64,
    /// How often a watermark moved on because too many lines came at one of its ticks.
    pub moved_on: u64,
    /// Events abandoned because a filter raised an error.
    pub filter_errors: u64,
    /// Pours of events into buckets.
    pub pours: u64,
    /// Parts of inputs that failed while they were read.
    pub read_errors: Vec<String>,
    /// Alerts that could not be built or decided upon.
    pub alerts_failed: u64,
    /// Overflows that a post-overflow whitelist took out.
    pub overflows_whitelisted: u64,
    /// Overflows poured again.
    pub reprocessed: u64,
    /// Overflows of poured overflows that asked to be poured again, which is one time too many.
    pub reprocess_refused: u64,
    /// Bucket counters by name.
    pub buckets: BTreeMap<String, u64>,
    /// Counters of parsers by name: hits, successes.
    pub nodes: BTreeMap<String, (u64, u64)>,
    /// Pours and overflows by scenario.
    pub scenarios: BTreeMap<String, (u64, u64)>,
    /// What parsers met on the way, by name: unknown dates, stash entries that left, ...
    pub parsing: BTreeMap<String, u64>,
    /// What expressions met on the way, by name: errors, groups that are no text, ...
    pub expressions: BTreeMap<String, u64>,
    /// Alerts and decisions that came to nothing, by reason.
    pub others: BTreeMap<String, u64>,
    /// Warnings while the job ran, by text.
    pub warnings: BTreeMap<String, u64>,
    /// Warnings whose text was not kept because there were too many different ones.
    pub warnings_unkept: u64,
    /// The first lines that were not understood.
    pub unparsed_samples: Vec<UnparsedSample>,
    /// Some errors of parsers and filters, sorted.
    pub error_samples: Vec<String>,
}

/// A line that was not understood.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnparsedSample {
    /// Number of its input.
    pub partition: u32,
    /// Where it begins there.
    pub offset: u64,
    /// The stage where it ended.
    pub stage: String,
    /// Its text, cut to a few hundred bytes.
    pub line: String,
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
        self.from_the_future += other.from_the_future;
        self.read_again += other.read_again;
        self.moved_on += other.moved_on;
        self.filter_errors += other.filter_errors;
        self.pours += other.pours;
        self.read_errors.extend_from_slice(&other.read_errors);
        // Not by worker: their number shows nowhere.
        self.read_errors.sort();
        self.alerts_failed += other.alerts_failed;
        self.overflows_whitelisted += other.overflows_whitelisted;
        self.reprocessed += other.reprocessed;
        self.reprocess_refused += other.reprocess_refused;
        for (sum, other) in [
            (&mut self.buckets, &other.buckets),
            (&mut self.parsing, &other.parsing),
            (&mut self.expressions, &other.expressions),
            (&mut self.others, &other.others),
        ] {
            for (name, n) in other {
                *sum.entry(name.clone()).or_default() += n;
            }
        }
        self.warnings_unkept += other.warnings_unkept;
        for (text, n) in &other.warnings {
            self.warn(text, *n);
        }
        for (name, (a, b)) in &other.nodes {
            let sum = self.nodes.entry(name.clone()).or_default();
            *sum = (sum.0 + a, sum.1 + b);
        }
        for (name, (a, b)) in &other.scenarios {
            let sum = self.scenarios.entry(name.clone()).or_default();
            *sum = (sum.0 + a, sum.1 + b);
        }
        for sample in &other.unparsed_samples {
            let place = (sample.partition, sample.offset);
            self.sample_unparsed(place, &sample.stage, sample.line.as_bytes());
        }
        for error in &other.error_samples {
            self.sample_error(|| error.clone());
        }
    }

    /// Those of the counters by name that mean that something is missing from the result.
    pub fn losses(&self) -> impl Iterator<Item = (&str, u64)> {
        let of = |map: &BTreeMap<String, u64>, name: &str| map.get(name).copied().unwrap_or(0);
        let named =
            [STASH_EVICTED, STASH_REFUSED, STASH_SKIPPED].map(|n| (n, of(&self.parsing, n)));
        let evicted = self
            .buckets
            .iter()
            .filter(|(name, _)| name.contains("evicted"));
        let by_name = evicted.chain(&self.others).map(|(name, n)| (&**name, *n));
        by_name
            .chain(named)
            .chain([(GROUP_NO_TEXT, of(&self.expressions, GROUP_NO_TEXT))])
            .filter(|(_, n)| *n > 0)
    }

    /// Keeps a line as a sample if it is one of the first, whatever the order they come in.
    pub fn sample_unparsed(&mut self, (partition, offset): (u32, u64), stage: &str, line: &[u8]) {
        let samples = &mut self.unparsed_samples;
        let at =
            samples.partition_point(|known| (known.partition, known.offset) < (partition, offset));
        if at >= SAMPLES_MAX {
            return;
        }
        let head = &line[..line.len().min(SAMPLE_BYTES_MAX)];
        samples.truncate(SAMPLES_MAX - 1);
        samples.insert(
            at,
            UnparsedSample {
                partition,
                offset,
                stage: stage.to_owned(),
                line: String::from_utf8_lossy(head).into_owned(),
            },
        );
    }

    /// Keeps an error as a sample while there is room, once.
    pub fn sample_error(&mut self, error: impl FnOnce() -> String) {
        if self.error_samples.len() < SAMPLES_MAX {
            let error = error();
            if let Err(at) = self.error_samples.binary_search(&error) {
                self.error_samples.insert(at, error);
            }
        }
    }

    /// Counts `n` warnings of one text; the text is kept while there is room.
    pub fn warn(&mut self, text: &str, n: u64) {
        if let Some(count) = self.warnings.get_mut(text) {
            *count += n;
        } else if self.warnings.len() < WARNINGS_MAX {
            let head = text.floor_char_boundary(SAMPLE_BYTES_MAX);
            *self.warnings.entry(text[..head].to_owned()).or_default() += n;
        } else {
            self.warnings_unkept += n;
        }
    }

    /// Counts among the others what came true (+1) or did not after all (-1).
    pub(crate) fn change(&mut self, name: &str, diff: i64) {
        settle(self.others.entry(name.to_owned()).or_default(), diff);
    }

    /// Adds counters by name to one of the maps.
    pub(crate) fn count_named(map: &mut BTreeMap<String, u64>, counts: &[(&str, u64)]) {
        for (name, n) in counts {
            *map.entry((*name).to_owned()).or_default() += n;
        }
    }

    /// Adds what the expressions of this process counted.
    pub(crate) fn count_expressions(&mut self, counters: &Counters) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let named = [
            (
                "uses of a data file that is not loaded",
                read(&counters.files_missing),
            ),
            (
                "evaluations that ended with an error",
                read(&counters.errors),
            ),
            (
                "evaluations out of memory budget",
                read(&counters.budget_exceeded),
            ),
            (
                "computed regexes that left the cache",
                read(&counters.regexes_evicted),
            ),
        ];
        Self::count_named(&mut self.expressions, &named);
    }

    /// Adds partitions that one worker each has parsed alone.
    pub(crate) fn count_unshared(&mut self, n: u64) {
        if n > 0 {
            Self::count_named(&mut self.parsing, &[(UNSHARED, n)]);
        }
    }

    /// Adds what a state of the matcher counted.
    pub(crate) fn count_matches(&mut self, state: &MatchState) {
        let named = [
            (GROUP_NO_TEXT, state.n_groupby_not_text),
            ("errors of `distinct`", state.n_distinct_failed),
            ("errors of `cancel_on`", state.n_cancel_failed),
            (
                "events whose kind the filter index did not remember",
                state.n_unremembered(),
            ),
        ];
        Self::count_named(&mut self.expressions, &named);
    }

    fn node(&mut self, name: &str, hits: u64, successes: u64) {
        let sum = self.nodes.entry(name.to_owned()).or_default();
        *sum = (sum.0 + hits, sum.1 + successes);
    }

    /// Adds the counters of nodes that are kept apart from a parser state.
    pub(crate) fn count_nodes(&mut self, nodes: &NodeTally, plan: &ParserPlan) {
        nodes.each(plan, &mut |_stage, node, counts| {
            self.node(&node.name, counts.hits, counts.ok);
        });
    }

    /// Adds what a parser state counted beside the outcomes of its events.
    pub(crate) fn count_parser(&mut self, state: &ParserState, plan: &ParserPlan) {
        state.counters(plan, &mut |name, hits, successes| {
            self.node(name, hits, successes)
        });
        let counts = state.counts();
        let named = [
            ("dates that no layout fits", counts.dates_unknown),
            ("filters that raised an error", counts.filter_errors),
            ("filters that gave no boolean", counts.filters_not_bool),
            (
                "whitelist expressions that raised an error",
                counts.whitelist_errors,
            ),
            (
                "whitelist expressions that gave no boolean",
                counts.whitelists_not_bool,
            ),
            ("grok subjects that raised an error", counts.subject_errors),
            ("grok subjects that are no text", counts.subjects_not_text),
            ("statics that raised an error", counts.static_errors),
            ("statics whose target leads nowhere", counts.targets_nowhere),
            ("statics of an impossible type", counts.static_types),
            ("enrichment methods that failed", counts.method_errors),
            ("name lookups not answered yet", counts.lookups_pending),
            (STASH_SKIPPED, counts.stash_skipped),
            (STASH_EVICTED, state.stash.n_evicted()),
            (STASH_REFUSED, state.stash.n_refused()),
        ];
        Self::count_named(&mut self.parsing, &named);
    }
}

/// Adds a difference. What is taken back was added before, on the same worker.
pub(crate) fn settle(total: &mut u64, diff: i64) {
    *total = total.saturating_add_signed(diff);
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
        for n in (0..20).rev() {
            let text = format!("line {n}");
            one.sample_unparsed((n % 2, u64::from(n)), "s01-parse", text.as_bytes());
        }
        let mut sum = Stats::default();
        sum.add(&one);
        sum.add(&one);
        assert_eq!((sum.lines, sum.parsed, sum.unparsed), (4, 2, 2));
        assert_eq!(sum.nodes["n"], (4, 2));
        let places: Vec<(u32, u64)> = one
            .unparsed_samples
            .iter()
            .map(|sample| (sample.partition, sample.offset))
            .collect();
        assert_eq!(
            places,
            [0, 2, 4, 6, 8, 10, 12, 14].map(|offset| (0, offset))
        );
        assert_eq!(sum.unparsed_samples.len(), SAMPLES_MAX);
    }

    #[test]
    fn an_error_is_a_sample_once() {
        let mut one = Stats::default();
        for _ in 0..20 {
            one.sample_error(|| "always this one".to_owned());
        }
        one.sample_error(|| "another".to_owned());
        let mut sum = one.clone();
        sum.add(&one);
        assert_eq!(sum.error_samples, vec!["always this one", "another"]);
    }

    #[test]
    fn warnings_are_counted_by_text_and_bounded() {
        let mut one = Stats::default();
        for n in 0..100 {
            one.warn("often", 1);
            one.warn(&format!("warning {n}"), 1);
        }
        let mut sum = Stats::default();
        sum.add(&one);
        sum.add(&one);
        assert_eq!(sum.warnings["often"], 200);
        assert_eq!(sum.warnings.len(), WARNINGS_MAX);
        let kept: u64 = sum.warnings.values().sum();
        assert_eq!(kept + sum.warnings_unkept, 400);
    }

    #[test]
    fn named_counters_of_workers_add_up() {
        let mut one = Stats::default();
        Stats::count_named(&mut one.parsing, &[("dates", 2)]);
        Stats::count_named(&mut one.expressions, &[("errors", 3)]);
        let mut sum = one.clone();
        sum.add(&one);
        assert_eq!((sum.parsing["dates"], sum.expressions["errors"]), (4, 6));
    }
}
