//! A data set as one Parquet file, in order of arrival: `time`, `partition`, `message`.
//!
//! Built only with the feature `parquet`. Pages are compressed with gzip, as in the flow logs that
//! clouds write. The bytes of such a file depend on the version of the Parquet crate, so it has no
//! checksum in the manifest; its rows are those of the text files.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, GzipLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use crate::dataset::DatasetError;
use crate::generator::{Generator, Line};
use crate::options::Options;

const SCHEMA: &str = "message line {
    REQUIRED INT64 time (TIMESTAMP(MICROS, true));
    REQUIRED INT32 partition;
    REQUIRED BYTE_ARRAY message (UTF8);
}";

/// Rows of one group: enough to compress well, few enough to hold in memory.
const GROUP_ROWS: usize = 100_000;

/// Writes the lines of all partitions to one Parquet file.
///
/// # Errors
/// Options out of range, and a file that cannot be written.
pub fn write_parquet(options: &Options, path: &Path) -> Result<(), DatasetError> {
    let mut lines = Generator::new(options)?;
    let failed = |error: ParquetError| DatasetError::Write {
        path: PathBuf::from(path),
        source: io::Error::other(error),
    };
    let file = File::create(path).map_err(|source| DatasetError::Write {
        path: PathBuf::from(path),
        source,
    })?;
    let schema = Arc::new(parse_message_type(SCHEMA).map_err(failed)?);
    let properties = Arc::new(properties().map_err(failed)?);
    let mut writer = SerializedFileWriter::new(file, schema, properties).map_err(failed)?;
    loop {
        let rows: Vec<Line> = lines.by_ref().take(GROUP_ROWS).collect();
        if rows.is_empty() {
            break;
        }
        let mut group = writer.next_row_group().map_err(failed)?;
        write_group(&mut group, &rows).map_err(failed)?;
        group.close().map_err(failed)?;
    }
    writer.close().map_err(failed)?;
    Ok(())
}

/// Times rise and lines hardly repeat, so differences for the former and no dictionary for either.
fn properties() -> Result<WriterProperties, ParquetError> {
    Ok(WriterProperties::builder()
        .set_created_by("overspill-datasets".to_owned())
        .set_compression(Compression::GZIP(GzipLevel::try_new(9)?))
        .set_column_dictionary_enabled("time".into(), false)
        .set_column_encoding("time".into(), Encoding::DELTA_BINARY_PACKED)
        .set_column_dictionary_enabled("message".into(), false)
        .build())
}

/// The three columns of the schema, in its order.
fn write_group(
    group: &mut SerializedRowGroupWriter<'_, File>,
    rows: &[Line],
) -> Result<(), ParquetError> {
    let times: Vec<i64> = rows.iter().map(|line| line.time_us).collect();
    let partitions: Vec<i32> = rows.iter().map(|line| line.partition as i32).collect();
    let messages: Vec<ByteArray> = rows
        .iter()
        .map(|line| ByteArray::from(line.text.as_str()))
        .collect();
    if let Some(mut column) = group.next_column()? {
        column
            .typed::<Int64Type>()
            .write_batch(&times, None, None)?;
        column.close()?;
    }
    if let Some(mut column) = group.next_column()? {
        column
            .typed::<Int32Type>()
            .write_batch(&partitions, None, None)?;
        column.close()?;
    }
    if let Some(mut column) = group.next_column()? {
        column
            .typed::<ByteArrayType>()
            .write_batch(&messages, None, None)?;
        column.close()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Kind;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;

    #[test]
    fn rows_are_the_lines_in_their_order() {
        let path = std::env::temp_dir().join(format!("datasets-{}.parquet", std::process::id()));
        let options = Options::new(Kind::Sshd).lines(500).partitions(3);
        write_parquet(&options, &path).unwrap();
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        let rows: Vec<Line> = reader
            .get_row_iter(None)
            .unwrap()
            .map(|row| {
                let row = row.unwrap();
                Line {
                    time_us: row.get_timestamp_micros(0).unwrap(),
                    partition: row.get_int(1).unwrap() as usize,
                    text: row.get_string(2).unwrap().clone(),
                }
            })
            .collect();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(rows, Generator::new(&options).unwrap().collect::<Vec<_>>());
    }
}
