//! Rows of columns made into lines.
//!
//! A row becomes the text of one column, or one JSON object of all columns that were chosen
//! ([`choose`]); a row that is empty, or all of whose columns are null, is no line. Rows outside the window are left out by the time column ([`time`]). Lines go straight
//! into the bytes of a batch: nothing is allocated for a row.

pub(crate) mod choose;
mod column;
mod json;
pub(crate) mod time;

use std::sync::Arc;

use arrow_array::RecordBatch;
use overspill_event::{LineBatch, LineRef};

use crate::ledger::Counts;
use crate::lines::BATCH_BYTES;
use crate::window::{TimeUnit, Window};
use choose::Choice;
use column::Column;
use json::Members;
use time::Times;

/// What the rows of one file become.
#[derive(Debug)]
pub(crate) struct Rows {
    choice: Choice,
    window: Window,
    unit: TimeUnit,
    line_bytes_max: usize,
}

/// Rows of a batch that are not lines yet.
#[derive(Debug)]
pub(crate) struct Pending {
    batch: RecordBatch,
    /// The next one.
    next: usize,
    /// Its number in the file.
    row: u64,
    /// Every row is within the window.
    is_inside: bool,
}

impl Pending {
    /// All rows of a batch, of which the first has the number `row` in its file.
    pub(crate) fn new(batch: RecordBatch, row: u64, is_inside: bool) -> Self {
        Self {
            batch,
            next: 0,
            row,
            is_inside,
        }
    }

    /// None is left.
    pub(crate) fn is_done(&self) -> bool {
        self.next >= self.batch.num_rows()
    }
}

impl Rows {
    pub(crate) fn new(
        choice: Choice,
        window: Window,
        unit: TimeUnit,
        line_bytes_max: usize,
    ) -> Self {
        Self {
            choice,
            window,
            unit,
            line_bytes_max: line_bytes_max.max(1),
        }
    }

    /// Appends lines until `out` holds enough or no row is left, and counts.
    ///
    /// # Errors
    /// A column of a type that is not read.
    pub(crate) fn append(
        &self,
        pending: &mut Pending,
        counts: &mut Counts,
        out: &mut LineBatch,
    ) -> Result<(), String> {
        // Its columns are shared, not copied.
        let batch = &pending.batch.clone();
        let times = match self.choice.time_name() {
            Some(name) if !pending.is_inside && !self.window.is_open() => {
                let column = batch
                    .column_by_name(name)
                    .ok_or_else(|| format!("no column {name:?}"))?;
                Some(Times::new(column, self.unit)?)
            }
            _ => None,
        };
        out.data.reserve(BATCH_BYTES + BATCH_BYTES / 4);
        match &self.choice {
            Choice::Text { name, .. } => {
                let array = batch
                    .column_by_name(name)
                    .ok_or_else(|| format!("no column {name:?}"))?;
                let column = Column::new(array)?;
                let line = |at: usize, out: &mut Vec<u8>| {
                    let text = column.text(at).unwrap_or_default();
                    let text = text.strip_suffix(b"\n").unwrap_or(text);
                    let text = text.strip_suffix(b"\r").unwrap_or(text);
                    let kept = text.len().min(self.line_bytes_max);
                    out.extend_from_slice(&text[..kept]);
                    kept < text.len()
                };
                self.each(pending, times.as_ref(), counts, out, line);
            }
            Choice::Object { names, .. } => {
                let members = Members::new(batch, Arc::clone(names))?;
                let max = self.line_bytes_max;
                let line = |at: usize, out: &mut Vec<u8>| members.append(at, max, out);
                self.each(pending, times.as_ref(), counts, out, line);
            }
        }
        Ok(())
    }

    /// One line a row within the window; `line` appends it and says whether it was cut.
    fn each(
        &self,
        pending: &mut Pending,
        times: Option<&Times<'_>>,
        counts: &mut Counts,
        out: &mut LineBatch,
        line: impl Fn(usize, &mut Vec<u8>) -> bool,
    ) {
        let n_rows = pending.batch.num_rows();
        while pending.next < n_rows && out.data.len() < BATCH_BYTES {
            let at = pending.next;
            pending.next += 1;
            pending.row += 1;
            if let Some(times) = times {
                match times.get(at) {
                    Some(ns) if self.window.holds(ns) => {}
                    Some(_) => {
                        counts.rows_outside += 1;
                        continue;
                    }
                    None => {
                        counts.rows_without_time += 1;
                        continue;
                    }
                }
            }
            let start = out.data.len();
            let is_cut = line(at, &mut out.data);
            let len = out.data.len() - start;
            if len == 0 || &out.data[start..] == b"{}" {
                out.data.truncate(start);
                counts.rows_empty += 1;
                continue;
            }
            // Batches are far below 4 GiB: a line is limited, and a batch ends soon after its size.
            out.lines.push(LineRef {
                start: u32::try_from(start).unwrap_or(u32::MAX),
                len: u32::try_from(len).unwrap_or(u32::MAX),
                offset: pending.row - 1,
                is_cut,
            });
        }
    }
}
