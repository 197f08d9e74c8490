//! What became of the inputs, for people.

use std::path::Path;

use anyhow::{Context, Result};
use overspill_connectors::{Account, DeadLetter};

use super::human::grouped;
use super::term::{Paint, Style, safe};

/// Losses that are shown before the rest is counted.
const SHOWN_MAX: usize = 8;

/// Counters of columnar inputs, and losses; nothing where there are none.
#[must_use]
pub fn summary(account: &Account, style: &Style) -> String {
    let counts = &account.counts;
    let mut out = String::new();
    if counts.rows + counts.rows_pruned + counts.files_pruned > 0 {
        let mut parts = vec![format!(
            "{} rows in {} row groups of {} files",
            grouped(counts.rows),
            grouped(counts.row_groups),
            grouped(counts.files)
        )];
        for (count, text) in [
            (counts.files_pruned, "files outside the time by their path"),
            (counts.row_groups_pruned, "row groups by their statistics"),
            (counts.rows_outside, "rows by their time"),
            (counts.rows_without_time, "rows without a time left out"),
            (counts.rows_empty, "rows without a line"),
        ] {
            if count > 0 {
                parts.push(format!("{} {text}", grouped(count)));
            }
        }
        out.push_str(&format!("  {}\n", parts.join(" · ")));
    }
    if counts.dead_letters > 0 {
        let text = format!(
            "  {} part(s) of the input could not be read (standard error says why; all of them: \
             --dead-letters FILE)",
            grouped(counts.dead_letters)
        );
        out.push_str(&style.paint(Paint::Yellow, &text));
        out.push('\n');
    }
    out
}

/// Writes all losses that were kept, one JSON object a line.
///
/// # Errors
/// When the file cannot be written.
pub fn write_dead_letters(account: &Account, path: &Path) -> Result<()> {
    let mut out = Vec::new();
    for letter in &account.dead_letters {
        serde_json::to_writer(&mut out, letter)?;
        out.push(b'\n');
    }
    std::fs::write(path, out).with_context(|| format!("write {}", path.display()))
}

/// The first losses, one a line, for standard error, without those that were said already.
#[must_use]
pub fn dead_letters(account: &Account, said: &[String]) -> String {
    let is_new = |letter: &&DeadLetter| !said.contains(&letter.reason);
    let new: Vec<&DeadLetter> = account.dead_letters.iter().filter(is_new).collect();
    let mut out = String::new();
    for letter in new.iter().take(SHOWN_MAX) {
        let mut place = letter.path.clone();
        if let Some(row_group) = letter.row_group {
            place.push_str(&format!(", row group {row_group}"));
        }
        if let Some(row) = letter.row {
            place.push_str(&format!(", row {row}"));
        }
        out.push_str(&format!(
            "error: {}: {}\n",
            safe(&place),
            safe(&letter.reason)
        ));
    }
    if new.len() > SHOWN_MAX {
        out.push_str(&format!(
            "error: ... and {} more\n",
            grouped((new.len() - SHOWN_MAX) as u64)
        ));
    }
    out
}
