//! One row group, decoded into lines.

use std::sync::Arc;

use overspill_event::LineBatch;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups};
use parquet::column::page::{PageIterator, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};

use super::pages::{Allowance, Pager};
use super::{Parquet, ROWS_FREE, ROWS_PER_BYTE_MAX, stored};
use crate::blob::Pieces;
use crate::guard::guarded;
use crate::ledger::Counts;
use crate::lines::BATCH_BYTES;
use crate::rows::Pending;

/// A row group to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) index: usize,
    /// Number in the file of its first row.
    pub(super) first_row: u64,
    pub(super) n_rows: u64,
    /// All its rows are within the window.
    pub(super) is_inside: bool,
}

/// A row group while it is read.
pub(super) struct GroupReader {
    file: Arc<Parquet>,
    group: Group,
    reader: Option<ParquetRecordBatchReader>,
    pending: Option<Pending>,
    allowance: Arc<Allowance>,
    /// Rows decoded.
    n_decoded: u64,
    is_started: bool,
}

impl GroupReader {
    pub(super) fn new(file: Arc<Parquet>, group: Group) -> Self {
        Self {
            file,
            group,
            reader: None,
            pending: None,
            allowance: Arc::new(Allowance::default()),
            n_decoded: 0,
            is_started: false,
        }
    }

    /// Appends lines; answers false when the row group is at its end, or cannot be read further, which
    /// is then a dead letter.
    pub(super) fn fill(&mut self, out: &mut LineBatch) -> bool {
        let mut counts = Counts::default();
        let result = self.try_fill(out, &mut counts);
        self.file.ledger.count(&counts);
        match result {
            Ok(is_more) => is_more,
            Err(reason) => {
                let row = self.group.first_row.saturating_add(self.n_decoded);
                self.file.dead(Some(self.group.index), Some(row), reason);
                false
            }
        }
    }

    fn try_fill(&mut self, out: &mut LineBatch, counts: &mut Counts) -> Result<bool, String> {
        loop {
            if let Some(pending) = &mut self.pending {
                let rows = &self.file.rows;
                guarded(|| rows.append(pending, counts, out))??;
                if !pending.is_done() {
                    return Ok(true);
                }
                self.pending = None;
            }
            if out.data.len() >= BATCH_BYTES {
                return Ok(true);
            }
            if !self.decode(counts)? {
                return Ok(false);
            }
        }
    }

    /// Decodes the next rows; answers false when there are none.
    fn decode(&mut self, counts: &mut Counts) -> Result<bool, String> {
        if !std::mem::replace(&mut self.is_started, true) {
            counts.row_groups += 1;
            self.reader = Some(guarded(|| self.start())??);
        }
        let Some(reader) = &mut self.reader else {
            return Ok(false);
        };
        self.allowance.renew();
        match guarded(|| reader.next())? {
            Some(Ok(batch)) => {
                counts.rows += batch.num_rows() as u64;
                let row = self.group.first_row.saturating_add(self.n_decoded);
                self.n_decoded += batch.num_rows() as u64;
                if self.n_decoded > self.group.n_rows {
                    return Err("the row group has more rows than it says".into());
                }
                self.pending = Some(Pending::new(batch, row, self.group.is_inside));
                Ok(true)
            }
            Some(Err(error)) => Err(error.to_string()),
            None if self.n_decoded == self.group.n_rows => Ok(false),
            None => Err(format!(
                "the row group ends after {} of {} rows",
                self.n_decoded, self.group.n_rows
            )),
        }
    }

    fn start(&self) -> Result<ParquetRecordBatchReader, String> {
        let file = &self.file;
        let projection = if self.group.is_inside {
            &file.untimed
        } else {
            &file.timed
        };
        let (packed, _) = stored(&file.metadata, self.group.index, &projection.mask);
        if self.group.n_rows > most_rows(packed) {
            return Err(format!(
                "{} rows in {packed} bytes; at most {ROWS_PER_BYTE_MAX} a byte are read",
                self.group.n_rows
            ));
        }
        let columns = Columns {
            file: Arc::clone(file),
            index: self.group.index,
            n_rows: usize::try_from(self.group.n_rows).map_err(|error| error.to_string())?,
            allowance: Arc::clone(&self.allowance),
        };
        ParquetRecordBatchReader::try_new_with_row_groups(
            &projection.levels,
            &columns,
            file.batch_rows,
            None,
        )
        .map_err(|error| error.to_string())
    }
}

/// Rows that so many bytes may stand for.
fn most_rows(packed: u64) -> u64 {
    ROWS_FREE.saturating_add(packed.saturating_mul(ROWS_PER_BYTE_MAX))
}

/// The column chunks of a row group.
struct Columns {
    file: Arc<Parquet>,
    index: usize,
    n_rows: usize,
    allowance: Arc<Allowance>,
}

impl RowGroups for Columns {
    fn num_rows(&self) -> usize {
        self.n_rows
    }

    fn column_chunks(&self, leaf: usize) -> Result<Box<dyn PageIterator>, ParquetError> {
        let column = self.file.metadata.row_group(self.index).column(leaf);
        let blob = &self.file.blob;
        let pieces = Pieces::new(Arc::clone(blob), Arc::clone(&self.file.read_bytes));
        let pager = Pager::new(pieces, blob.len(), column, Arc::clone(&self.allowance))?;
        Ok(Box::new(Once(Some(Box::new(pager)))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.file.metadata.row_group(self.index)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.file.metadata
    }
}

/// The pages of a chunk, once.
struct Once(Option<Box<dyn PageReader>>);

impl Iterator for Once {
    type Item = Result<Box<dyn PageReader>, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for Once {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_bytes_stand_for_few_rows() {
        assert_eq!(most_rows(0), 65_536);
        assert_eq!(most_rows(1_000), 1_065_536);
        assert_eq!(most_rows(u64::MAX), u64::MAX);
    }
}
