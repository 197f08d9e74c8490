//! Parquet files, their row groups decoded side by side and given in order.
//!
//! ```text
//!  footer --> row groups within the window --> decoders (threads) --> in order --> lines
//!   checked       by statistics                pages within limits     bounded
//! ```
//!
//! A row group that cannot be read is a dead letter and the next one follows. The offset of a line is
//! the number of its row in the file, also where row groups before it were left out.

mod codec;
mod delta;
mod footer;
mod group;
mod order;
mod pages;
mod prune;
mod thrift;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_schema::{DataType, Field, Fields};
use overspill_event::{LineBatch, Origin};
use parquet::arrow::{
    FieldLevels, ProjectionMask, parquet_to_arrow_field_levels, parquet_to_arrow_schema,
};
use parquet::file::metadata::ParquetMetaData;

use crate::blob::Blob;
use crate::guard::guarded;
use crate::ledger::{Counts, DeadLetter, Ledger};
use crate::lines::BATCH_BYTES;
use crate::open::Options;
use crate::rows::Rows;
use crate::rows::choose::{Choice, LINE_KEY};
use crate::source::{Source, SourceError, Step};
use group::{Group, GroupReader};
use order::Ordered;

pub(crate) use footer::MAGIC;

/// Fewest and most rows that are decoded at a time.
const BATCH_ROWS: (usize, usize) = (64, 8_192);
/// Rows that a row group may have for each byte that it takes in the file, beyond the first ones: a
/// few bytes can say that a value is repeated for ever.
const ROWS_PER_BYTE_MAX: u64 = 1_000;
const ROWS_FREE: u64 = 65_536;

/// What all decoders of a file share.
pub(crate) struct Parquet {
    path: String,
    blob: Arc<dyn Blob>,
    metadata: Arc<ParquetMetaData>,
    rows: Rows,
    /// Columns to decode, with and without that of the time.
    timed: Projection,
    untimed: Projection,
    batch_rows: usize,
    read_bytes: Arc<AtomicU64>,
    ledger: Arc<Ledger>,
}

struct Projection {
    levels: FieldLevels,
    /// Leaves, for their sizes.
    mask: ProjectionMask,
}

impl Parquet {
    fn dead(&self, row_group: Option<usize>, row: Option<u64>, reason: String) {
        self.ledger.dead(DeadLetter {
            path: self.path.clone(),
            row_group: row_group.map(|at| at as u64),
            row,
            reason,
        });
    }
}

/// One file as a partition.
pub struct ParquetSource {
    origin: Origin,
    feed: Feed,
    read_bytes: Arc<AtomicU64>,
    total_bytes: u64,
}

impl std::fmt::Debug for ParquetSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetSource")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// Where lines come from.
enum Feed {
    /// Decoded on the thread that reads.
    Here {
        file: Arc<Parquet>,
        groups: std::vec::IntoIter<Group>,
        current: Option<Box<GroupReader>>,
    },
    /// Decoded by threads.
    Threads(Ordered),
    /// Nothing to read, or nothing more.
    Nothing,
}

impl ParquetSource {
    /// Reads the description of a file and begins. What cannot be read is a dead letter, and the
    /// source is at its end.
    pub(crate) fn open(origin: Origin, blob: Arc<dyn Blob>, options: Options) -> Self {
        let read_bytes = Arc::new(AtomicU64::new(0));
        let total_bytes = blob.len();
        let ledger = Arc::clone(&options.ledger);
        ledger.count(&Counts {
            files: 1,
            ..Counts::default()
        });
        let threads = options.threads.max(1);
        let ahead_bytes_max = options.ahead_bytes_max;
        let prepared = guarded(|| prepare(&origin.src, blob, options, &read_bytes));
        let feed = match prepared.and_then(|prepared| prepared) {
            Err(reason) => {
                ledger.dead(DeadLetter {
                    path: origin.src.clone(),
                    row_group: None,
                    row: None,
                    reason,
                });
                Feed::Nothing
            }
            Ok((file, groups)) if threads > 1 && groups.len() > 1 => {
                let threads = threads.min(groups.len());
                match Ordered::start(Arc::clone(&file), groups, threads, ahead_bytes_max) {
                    Ok(ordered) => Feed::Threads(ordered),
                    Err(error) => {
                        file.dead(None, None, format!("no thread to decode it: {error}"));
                        Feed::Nothing
                    }
                }
            }
            Ok((file, groups)) => Feed::Here {
                file,
                groups: groups.into_iter(),
                current: None,
            },
        };
        Self {
            origin,
            feed,
            read_bytes,
            total_bytes,
        }
    }
}

fn prepare(
    path: &str,
    blob: Arc<dyn Blob>,
    options: Options,
    read_bytes: &Arc<AtomicU64>,
) -> Result<(Arc<Parquet>, Vec<Group>), String> {
    let metadata = footer::read(&*blob)?;
    let described = metadata.file_metadata();
    let schema = described.schema_descr();
    let failed = |error: parquet::errors::ParquetError| error.to_string();
    let all = parquet_to_arrow_schema(schema, None).map_err(failed)?;
    let views = views(&all.fields);
    let line = described
        .key_value_metadata()
        .and_then(|pairs| pairs.iter().find(|pair| pair.key == LINE_KEY))
        .and_then(|pair| pair.value.as_deref());
    let window = options.window;
    let choice = Choice::new(&all.fields, line, &options.wanted, !window.is_open())?;
    let projection = |with_time| -> Result<Projection, String> {
        let roots = (0..views.len()).filter(|at| choice.reads(views[*at].name(), with_time));
        let mask = ProjectionMask::roots(schema, roots);
        let levels =
            parquet_to_arrow_field_levels(schema, mask.clone(), Some(&views)).map_err(failed)?;
        Ok(Projection { levels, mask })
    };
    let (timed, untimed) = (projection(true)?, projection(false)?);
    let groups = prune::groups(&metadata, &all.fields, &choice, &options);
    let (mut bytes, mut n_rows) = (0u64, 0u64);
    for group in &groups {
        bytes += stored(&metadata, group.index, &timed.mask).1;
        n_rows += group.n_rows;
    }
    let row_bytes = usize::try_from(bytes / n_rows.max(1)).unwrap_or(usize::MAX);
    let batch_rows = (4 * BATCH_BYTES / row_bytes.max(1)).clamp(BATCH_ROWS.0, BATCH_ROWS.1);
    let rows = Rows::new(choice, window, options.unit, options.line_bytes_max);
    let file = Parquet {
        path: path.to_owned(),
        blob,
        metadata: Arc::clone(&metadata),
        rows,
        timed,
        untimed,
        batch_rows,
        read_bytes: Arc::clone(read_bytes),
        ledger: options.ledger,
    };
    Ok((Arc::new(file), groups))
}

/// Bytes of the columns that are read, as they are stored and unpacked.
fn stored(metadata: &ParquetMetaData, group: usize, mask: &ProjectionMask) -> (u64, u64) {
    let columns = metadata.row_group(group).columns().iter().enumerate();
    columns.filter(|(leaf, _)| mask.leaf_included(*leaf)).fold(
        (0u64, 0u64),
        |(packed, unpacked), (_, column)| {
            let size = |bytes: i64| u64::try_from(bytes).unwrap_or(0);
            (
                packed.saturating_add(size(column.compressed_size())),
                unpacked.saturating_add(size(column.uncompressed_size())),
            )
        },
    )
}

/// The fields with texts and bytes as views, which are decoded without copying them.
fn views(fields: &Fields) -> Fields {
    fields.iter().map(view).collect()
}

fn view(field: &Arc<Field>) -> Arc<Field> {
    let kind = match field.data_type() {
        DataType::Utf8 => DataType::Utf8View,
        DataType::Binary => DataType::BinaryView,
        DataType::Struct(fields) => DataType::Struct(views(fields)),
        DataType::List(field) => DataType::List(view(field)),
        DataType::Map(field, is_sorted) => DataType::Map(view(field), *is_sorted),
        _ => return Arc::clone(field),
    };
    Arc::new(field.as_ref().clone().with_data_type(kind))
}

impl Source for ParquetSource {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn read(&mut self, batch: &mut LineBatch) -> Result<Step, SourceError> {
        let is_more = match &mut self.feed {
            Feed::Nothing => false,
            Feed::Threads(ordered) => match ordered.pop() {
                Some(lines) => {
                    *batch = lines;
                    true
                }
                None => false,
            },
            Feed::Here {
                file,
                groups,
                current,
            } => {
                if current.is_none() {
                    *current = groups
                        .next()
                        .map(|group| Box::new(GroupReader::new(Arc::clone(file), group)));
                }
                match current {
                    Some(reader) => {
                        if !reader.fill(batch) {
                            *current = None;
                        }
                        true
                    }
                    None => false,
                }
            }
        };
        if is_more {
            Ok(Step::More)
        } else {
            self.feed = Feed::Nothing;
            Ok(Step::End)
        }
    }

    fn progress(&self) -> (u64, Option<u64>) {
        let read = self.read_bytes.load(Ordering::Relaxed);
        (read.min(self.total_bytes), Some(self.total_bytes))
    }
}

#[cfg(test)]
#[path = "parquet/tests.rs"]
mod tests;
