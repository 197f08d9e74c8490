//! Lines written as Parquet: what `overspill archive` makes and a replay reads quickest.
//!
//! ```text
//!  time (timestamp us, UTC; null if unknown) | message | source | offset | a column for each label
//! ```
//!
//! Row groups are sorted by time, lines without one last, and say so (`sorting_columns`); the time has
//! statistics, so that a reader can leave row groups out. The file's metadata names the column with
//! the line ([`LINE_KEY`]). A file has a temporary name until [`Draft::publish`].

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::rows::choose::LINE_KEY;

/// Most bytes of lines of one row group.
const GROUP_BYTES_MAX: usize = 64 << 20;

/// How files are written.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Labels, each a column.
    pub labels: Vec<(String, String)>,
    /// Only the column `message`.
    pub message_only: bool,
    /// Messages are bytes and not text, so that nothing of a line that is not UTF-8 is lost.
    pub is_binary: bool,
    /// Level of zstd.
    pub level: i32,
    /// Most rows of a row group.
    pub row_group_rows: usize,
}

/// Why an archive could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The medium failed.
    #[error("write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is there already.
    #[error("{path} exists")]
    Exists {
        /// The file.
        path: PathBuf,
    },
}

/// A file while lines are appended to it.
pub struct ArchiveFile {
    path: PathBuf,
    draft: PathBuf,
    source: String,
    shape: Shape,
    schema: SchemaRef,
    writer: ArrowWriter<BufWriter<File>>,
    rows: Vec<Row>,
    bytes: Vec<u8>,
    n_not_utf8: u64,
}

impl std::fmt::Debug for ArchiveFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArchiveFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy)]
struct Row {
    time_us: Option<i64>,
    start: usize,
    len: usize,
    offset: u64,
}

impl ArchiveFile {
    /// A file that will be at `path`, of lines of `source`. Folders are made.
    ///
    /// # Errors
    /// [`ArchiveError::Write`].
    pub fn create(path: PathBuf, source: &str, shape: Shape) -> Result<Self, ArchiveError> {
        let failed = |source| ArchiveError::Write {
            path: path.clone(),
            source,
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let draft = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        if let Some(folder) = path.parent().filter(|folder| *folder != Path::new("")) {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let schema = schema(&shape);
        let properties = properties(&shape).map_err(|error| failed(io::Error::other(error)))?;
        let options = ArrowWriterOptions::new()
            .with_properties(properties)
            .with_skip_arrow_metadata(true);
        let file = File::create(&draft).map_err(failed)?;
        let writer =
            ArrowWriter::try_new_with_options(BufWriter::new(file), Arc::clone(&schema), options)
                .map_err(|error| failed(io::Error::other(error)))?;
        Ok(Self {
            draft,
            source: source.to_owned(),
            shape,
            schema,
            writer,
            rows: Vec::new(),
            bytes: Vec::new(),
            n_not_utf8: 0,
            path,
        })
    }

    /// Appends a line.
    ///
    /// # Errors
    /// [`ArchiveError::Write`], when a row group was full and could not be written.
    pub fn push(
        &mut self,
        time_us: Option<i64>,
        line: &[u8],
        offset: u64,
    ) -> Result<(), ArchiveError> {
        let start = self.bytes.len();
        if self.shape.is_binary {
            self.bytes.extend_from_slice(line);
        } else {
            match String::from_utf8_lossy(line) {
                std::borrow::Cow::Borrowed(text) => self.bytes.extend_from_slice(text.as_bytes()),
                std::borrow::Cow::Owned(text) => {
                    self.n_not_utf8 += 1;
                    self.bytes.extend_from_slice(text.as_bytes());
                }
            }
        }
        let len = self.bytes.len() - start;
        self.rows.push(Row {
            time_us,
            start,
            len,
            offset,
        });
        if self.rows.len() >= self.shape.row_group_rows || self.bytes.len() >= GROUP_BYTES_MAX {
            self.flush()?;
        }
        Ok(())
    }

    /// Bytes of memory that wait to be written.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.bytes.len() + self.rows.len() * size_of::<Row>()
    }

    /// Writes what waits as a row group.
    ///
    /// # Errors
    /// [`ArchiveError::Write`].
    pub fn flush(&mut self) -> Result<(), ArchiveError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        if !self.shape.message_only {
            // Stable: lines of one time stay in their order.
            self.rows
                .sort_by_key(|row| (row.time_us.is_none(), row.time_us));
        }
        self.write().map_err(|source| ArchiveError::Write {
            path: self.path.clone(),
            source: io::Error::other(source),
        })?;
        self.rows.clear();
        self.bytes.clear();
        Ok(())
    }

    fn write(&mut self) -> Result<(), ParquetError> {
        let lines = self
            .rows
            .iter()
            .map(|row| &self.bytes[row.start..row.start + row.len]);
        let messages: ArrayRef = if self.shape.is_binary {
            Arc::new(BinaryArray::from_iter_values(lines))
        } else {
            // What came in is UTF-8; the fallback is never taken.
            let texts = lines.map(|line| std::str::from_utf8(line).unwrap_or_default());
            Arc::new(StringArray::from_iter_values(texts))
        };
        let columns = if self.shape.message_only {
            vec![messages]
        } else {
            let times: TimestampMicrosecondArray =
                self.rows.iter().map(|row| row.time_us).collect();
            let offsets = self
                .rows
                .iter()
                .map(|row| i64::try_from(row.offset).unwrap_or(i64::MAX));
            let mut columns: Vec<ArrayRef> = vec![
                Arc::new(times.with_timezone("UTC")),
                messages,
                self.repeated(&self.source),
                Arc::new(Int64Array::from_iter_values(offsets)),
            ];
            columns.extend(
                self.shape
                    .labels
                    .iter()
                    .map(|(_, value)| self.repeated(value)),
            );
            columns
        };
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        self.writer.write(&batch)?;
        self.writer.flush()
    }

    fn repeated(&self, value: &str) -> ArrayRef {
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
            value,
            self.rows.len(),
        )))
    }

    /// Writes the end. The file keeps its temporary name.
    ///
    /// # Errors
    /// [`ArchiveError::Write`].
    pub fn finish(mut self) -> Result<Draft, ArchiveError> {
        self.flush()?;
        let failed = |source| ArchiveError::Write {
            path: self.path.clone(),
            source,
        };
        let written = self.writer.into_inner();
        let file = written
            .map_err(|error| failed(io::Error::other(error)))?
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        let n_bytes = file.metadata().map_err(failed)?.len();
        Ok(Draft {
            path: self.path,
            draft: self.draft,
            n_bytes,
            n_not_utf8: self.n_not_utf8,
        })
    }

    /// Gives the file up.
    pub fn abandon(self) {
        let draft = self.draft.clone();
        drop(self);
        let _gone = fs::remove_file(draft);
    }
}

/// A whole file under a temporary name.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    draft: PathBuf,
    /// Its size.
    pub n_bytes: u64,
    /// Lines of which bytes that are not UTF-8 were replaced.
    pub n_not_utf8: u64,
}

impl Draft {
    /// Where it is to be.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name; with `replaces` also where a file of that name exists.
    ///
    /// # Errors
    /// [`ArchiveError`]; the file is then gone.
    pub fn publish(self, replaces: bool) -> Result<(), ArchiveError> {
        let result = self.rename(replaces);
        if result.is_err() {
            let _gone = fs::remove_file(&self.draft);
        }
        result
    }

    fn rename(&self, replaces: bool) -> Result<(), ArchiveError> {
        let failed = |source| ArchiveError::Write {
            path: self.path.clone(),
            source,
        };
        let exists = || ArchiveError::Exists {
            path: self.path.clone(),
        };
        if !replaces {
            // A second name is refused where one exists, which a renaming is not.
            match fs::hard_link(&self.draft, &self.path) {
                Ok(()) => return fs::remove_file(&self.draft).map_err(failed),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists()),
                // Not every file system has second names.
                Err(_) if self.path.exists() => return Err(exists()),
                Err(_) => {}
            }
        }
        fs::rename(&self.draft, &self.path).map_err(failed)
    }

    /// Removes it.
    pub fn abandon(self) {
        let _gone = fs::remove_file(&self.draft);
    }
}

fn schema(shape: &Shape) -> SchemaRef {
    let message = if shape.is_binary {
        DataType::Binary
    } else {
        DataType::Utf8
    };
    let message = Field::new("message", message, false);
    if shape.message_only {
        return Arc::new(Schema::new(vec![message]));
    }
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let mut fields = vec![
        Field::new("time", time, true),
        message,
        Field::new("source", DataType::Utf8, false),
        Field::new("offset", DataType::Int64, false),
    ];
    let labels = shape.labels.iter();
    fields.extend(labels.map(|(name, _)| Field::new(name, DataType::Utf8, false)));
    Arc::new(Schema::new(fields))
}

/// Lines hardly repeat: no dictionary and no statistics for them. Times and offsets rise: differences.
fn properties(shape: &Shape) -> Result<WriterProperties, ParquetError> {
    let plain = |name: &str| name.into();
    let mut builder = WriterProperties::builder()
        .set_created_by("overspill".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(shape.level)?))
        .set_max_row_group_row_count(None)
        .set_column_dictionary_enabled(plain("message"), false)
        .set_column_statistics_enabled(plain("message"), EnabledStatistics::None)
        .set_key_value_metadata(Some(vec![KeyValue::new(
            LINE_KEY.to_owned(),
            "message".to_owned(),
        )]));
    if !shape.message_only {
        builder = builder
            .set_column_dictionary_enabled(plain("time"), false)
            .set_column_encoding(plain("time"), Encoding::DELTA_BINARY_PACKED)
            .set_column_dictionary_enabled(plain("offset"), false)
            .set_column_encoding(plain("offset"), Encoding::DELTA_BINARY_PACKED)
            .set_sorting_columns(Some(vec![SortingColumn {
                column_idx: 0,
                descending: false,
                nulls_first: false,
            }]));
    }
    Ok(builder.build())
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    fn shape() -> Shape {
        Shape {
            labels: vec![("type".into(), "nginx".into())],
            message_only: false,
            is_binary: false,
            level: 1,
            row_group_rows: 4,
        }
    }

    #[test]
    fn row_groups_are_sorted_and_say_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/a.parquet");
        let mut file = ArchiveFile::create(path.clone(), "a.log", shape()).unwrap();
        for (offset, time) in [Some(5), None, Some(3), Some(9), Some(4)]
            .into_iter()
            .enumerate()
        {
            let line = format!("line {offset}");
            file.push(time, line.as_bytes(), offset as u64).unwrap();
        }
        assert!(!path.exists());
        file.finish().unwrap().publish(false).unwrap();
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        let groups = reader.metadata().row_groups();
        assert_eq!(groups.len(), 2);
        let sorting = groups[0].sorting_columns().unwrap();
        assert_eq!((sorting[0].column_idx, sorting[0].nulls_first), (0, false));
        let statistics = groups[0].column(0).statistics().unwrap();
        assert_eq!(statistics.null_count_opt(), Some(1));
        let rows: Vec<String> = reader
            .get_row_iter(None)
            .unwrap()
            .map(|row| {
                let row = row.unwrap();
                let text: Vec<String> = row
                    .get_column_iter()
                    .map(|(_, field)| field.to_string())
                    .collect();
                text[1..].join(" ")
            })
            .collect();
        assert_eq!(
            rows,
            [
                r#""line 2" "a.log" 2 "nginx""#,
                r#""line 0" "a.log" 0 "nginx""#,
                r#""line 3" "a.log" 3 "nginx""#,
                r#""line 1" "a.log" 1 "nginx""#,
                r#""line 4" "a.log" 4 "nginx""#,
            ]
        );
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_exists_is_replaced_only_when_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.parquet");
        let draft = || {
            let mut file = ArchiveFile::create(path.clone(), "a", shape()).unwrap();
            file.push(None, b"\xff", 0).unwrap();
            file.finish().unwrap()
        };
        fs::write(&path, "mine").unwrap();
        assert_eq!(draft().n_not_utf8, 1);
        let error = draft().publish(false).unwrap_err();
        assert!(matches!(error, ArchiveError::Exists { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        draft().publish(true).unwrap();
        assert_ne!(fs::read(&path).unwrap(), b"mine");
    }
}
