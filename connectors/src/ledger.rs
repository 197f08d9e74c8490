//! What became of the inputs: counters, and a record for each part that could not be read.
//!
//! One ledger is shared by all sources of a run. A part that is lost - a file, a row group, a row -
//! becomes a dead letter; the rest of the input goes on.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// Most dead letters that are kept; further ones are only counted.
const DEAD_LETTERS_MAX: usize = 10_000;
/// Longest reason in bytes.
const REASON_BYTES_MAX: usize = 400;

/// A part of an input that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The input.
    pub path: String,
    /// The row group (of Arrow: the record batch), if it is one that was lost. From 0.
    pub row_group: Option<u64>,
    /// The row (of text: the line) of the file at which it happened, where known. From 0.
    pub row: Option<u64>,
    /// Why.
    pub reason: String,
}

/// Counters of columnar inputs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Files read.
    pub files: u64,
    /// Files left out because their paths lie outside the window.
    pub files_pruned: u64,
    /// Row groups (of Arrow: record batches) that were decoded.
    pub row_groups: u64,
    /// Row groups left out by their statistics.
    pub row_groups_pruned: u64,
    /// Rows of row groups that were decoded.
    pub rows: u64,
    /// Rows of row groups that were left out.
    pub rows_pruned: u64,
    /// Rows that were decoded and lie outside the window.
    pub rows_outside: u64,
    /// Rows without a time, while a window was given: they are left out.
    pub rows_without_time: u64,
    /// Rows whose line is null or empty.
    pub rows_empty: u64,
    /// Parts of inputs that could not be read.
    pub dead_letters: u64,
}

impl Counts {
    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.files, other.files),
            (&mut self.files_pruned, other.files_pruned),
            (&mut self.row_groups, other.row_groups),
            (&mut self.row_groups_pruned, other.row_groups_pruned),
            (&mut self.rows, other.rows),
            (&mut self.rows_pruned, other.rows_pruned),
            (&mut self.rows_outside, other.rows_outside),
            (&mut self.rows_without_time, other.rows_without_time),
            (&mut self.rows_empty, other.rows_empty),
            (&mut self.dead_letters, other.dead_letters),
        ] {
            *mine = mine.saturating_add(theirs);
        }
    }
}

/// A ledger's state, as it travels between processes and into reports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Counters.
    pub counts: Counts,
    /// The first dead letters.
    pub dead_letters: Vec<DeadLetter>,
}

impl Account {
    /// Adds another's.
    pub fn add(&mut self, other: Self) {
        self.counts.add(&other.counts);
        self.dead_letters.extend(other.dead_letters);
        self.dead_letters.truncate(DEAD_LETTERS_MAX);
    }

    /// How often each reason occurs, of the letters that were kept.
    #[must_use]
    pub fn reasons(&self) -> BTreeMap<&str, u64> {
        let mut reasons = BTreeMap::new();
        for letter in &self.dead_letters {
            *reasons.entry(letter.reason.as_str()).or_default() += 1;
        }
        reasons
    }
}

/// Shared by the sources of a run.
#[derive(Debug, Default)]
pub struct Ledger {
    account: Mutex<Account>,
}

impl Ledger {
    /// Adds to the counters.
    pub fn count(&self, counts: &Counts) {
        self.with(|account| account.counts.add(counts));
    }

    /// Records a loss.
    pub fn dead(&self, mut letter: DeadLetter) {
        if letter.reason.len() > REASON_BYTES_MAX {
            let mut end = REASON_BYTES_MAX;
            while !letter.reason.is_char_boundary(end) {
                end -= 1;
            }
            letter.reason.truncate(end);
        }
        self.with(|account| {
            account.counts.dead_letters += 1;
            if account.dead_letters.len() < DEAD_LETTERS_MAX {
                account.dead_letters.push(letter);
            }
        });
    }

    /// What stands in it, in the order of path, row group and row.
    #[must_use]
    pub fn account(&self) -> Account {
        let mut account = self.with(|account| account.clone());
        account.dead_letters.sort_by(|a, b| {
            (&a.path, a.row_group, a.row, &a.reason).cmp(&(&b.path, b.row_group, b.row, &b.reason))
        });
        account
    }

    fn with<T>(&self, work: impl FnOnce(&mut Account) -> T) -> T {
        work(&mut self.account.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_beyond_the_limit_are_counted_and_long_reasons_cut() {
        let ledger = Ledger::default();
        for row in (0..DEAD_LETTERS_MAX as u64 + 5).rev() {
            ledger.dead(DeadLetter {
                path: "a".into(),
                row_group: None,
                row: Some(row),
                reason: "é".repeat(500),
            });
        }
        let account = ledger.account();
        assert_eq!(account.counts.dead_letters, DEAD_LETTERS_MAX as u64 + 5);
        assert_eq!(account.dead_letters.len(), DEAD_LETTERS_MAX);
        assert_eq!(account.dead_letters[0].reason.len(), 400);
        assert!(account.dead_letters.is_sorted_by_key(|letter| letter.row));
    }
}
