//! What many runs came to, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::plan::{Inputs, Plan};
use super::record::Record;

/// The form of the file of results.
const SCHEMA: u32 = 1;

/// Sums of runs.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    runs: BTreeMap<&'static str, u64>,
    /// Seeds and inputs of runs that were not good.
    bad: Vec<(u64, Inputs)>,
    void: Vec<(u64, Inputs)>,
    n_lines: u64,
    n_alerts: i64,
    n_withdrawn: usize,
    n_lost: usize,
    n_doubled: usize,
    n_starts: u64,
    n_fallbacks: usize,
    faults: BTreeMap<&'static str, u64>,
    impossible: BTreeMap<&'static str, u64>,
    first_alerts_ms: Vec<u64>,
}

impl Summary {
    pub(crate) fn add(&mut self, plan: &Plan, record: &Record) {
        *self.runs.entry(plan.inputs.name()).or_default() += 1;
        let key = (plan.seed, plan.inputs);
        if !record.is_good() {
            let into = match record.is_void() {
                true => &mut self.void,
                false => &mut self.bad,
            };
            into.push(key);
        }
        if !record.is_void() {
            self.n_lost += record.difference.lost.len();
            self.n_doubled += record.difference.doubled.len();
        }
        self.n_lines += record.n_lines;
        self.n_alerts += record.n_alerts;
        self.n_withdrawn += record.n_withdrawn;
        self.n_starts += record.n_starts;
        self.n_fallbacks += record.n_fallbacks;
        for (sums, some) in [
            (&mut self.faults, &record.faults),
            (&mut self.impossible, &record.impossible),
        ] {
            for (name, n) in some {
                *sums.entry(name).or_default() += n;
            }
        }
        self.first_alerts_ms.extend(&record.first_alerts_ms);
        self.first_alerts_ms.sort_unstable();
    }

    pub(crate) fn n_bad(&self) -> usize {
        self.bad.len()
    }

    /// Whether anything could be compared.
    pub(crate) fn n_compared(&self) -> u64 {
        let n_runs: u64 = self.runs.values().sum();
        n_runs - (self.bad.len() + self.void.len()) as u64
    }

    fn first_alert(&self, percent: usize) -> u64 {
        percentile(&self.first_alerts_ms, percent)
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut row = |name: &str, what: &str| {
            // Writing to a string does not fail.
            let _written = writeln!(text, "  {name:<22} {what}");
        };
        let seeds = |some: &[(u64, Inputs)]| {
            let words: Vec<String> = some
                .iter()
                .map(|(seed, inputs)| format!("{seed} ({})", inputs.name()))
                .collect();
            format!("{}  {}", words.len(), words.join(", "))
        };
        let n_faults: u64 = self.faults.values().sum();
        row("runs", &counted(&self.runs));
        row("not good", &seeds(&self.bad));
        if !self.void.is_empty() {
            row("machine too slow", &seeds(&self.void));
        }
        row("lines", &self.n_lines.to_string());
        row(
            "alerts",
            &format!(
                "{}, {} more were withdrawn",
                self.n_alerts, self.n_withdrawn
            ),
        );
        row("lost", &self.n_lost.to_string());
        row("doubled", &self.n_doubled.to_string());
        row("starts of the job", &self.n_starts.to_string());
        row("older checkpoint taken", &self.n_fallbacks.to_string());
        row(
            "start to first alert",
            &format!(
                "p50 {} ms, p99 {} ms",
                self.first_alert(50),
                self.first_alert(99)
            ),
        );
        row("faults", &n_faults.to_string());
        for (name, n) in &self.faults {
            row(&format!("  {name}"), &n.to_string());
        }
        if !self.impossible.is_empty() {
            row("COULD NOT BE DONE HERE", &counted(&self.impossible));
        }
        text
    }

    pub(crate) fn json(&self) -> Value {
        let seeds = |some: &[(u64, Inputs)]| -> Vec<Value> {
            some.iter()
                .map(|(seed, inputs)| json!({ "seed": seed, "inputs": inputs.name() }))
                .collect()
        };
        json!({
            "schema": SCHEMA,
            "runs": self.runs,
            "not_good": seeds(&self.bad),
            "machine_too_slow": seeds(&self.void),
            "lines": self.n_lines,
            "alerts": self.n_alerts,
            "withdrawn": self.n_withdrawn,
            "lost": self.n_lost,
            "doubled": self.n_doubled,
            "starts": self.n_starts,
            "older_checkpoint_taken": self.n_fallbacks,
            "faults": self.faults,
            "could_not_be_done": self.impossible,
            "start_to_first_alert_ms": {
                "n": self.first_alerts_ms.len(),
                "p50": self.first_alert(50),
                "p99": self.first_alert(99),
            },
        })
    }
}

/// `kill 3, freeze 1`, or `none`.
pub(crate) fn counted(counts: &BTreeMap<&'static str, u64>) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    let words: Vec<String> = counts
        .iter()
        .map(|(name, n)| format!("{name} {n}"))
        .collect();
    words.join(", ")
}

/// Of numbers in order: the one that so many percent are not above.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_numbers_that_were_there() {
        let numbers: Vec<u64> = (1..=200).collect();
        assert_eq!(percentile(&numbers, 50), 100);
        assert_eq!(percentile(&numbers, 99), 198);
        assert_eq!(percentile(&[7], 99), 7);
        assert_eq!(percentile(&[], 50), 0);
    }

    #[test]
    fn a_run_that_the_machine_was_too_slow_for_is_neither_good_nor_bad() {
        let plan = Plan::new(3, Inputs::Files);
        let mut summary = Summary::default();
        let mut record = Record::default();
        summary.add(&plan, &record);
        record.difference.lost.push("x".to_owned());
        record.n_late = 1;
        summary.add(&plan, &record);
        assert_eq!((summary.n_bad(), summary.n_compared()), (0, 1));
        record.n_late = 0;
        summary.add(&plan, &record);
        assert_eq!((summary.n_bad(), summary.n_compared()), (1, 1));
        assert_eq!(summary.json()["lost"], 1);
        assert!(
            summary
                .text()
                .contains("not good               1  3 (files)")
        );
    }
}
