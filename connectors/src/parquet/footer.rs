//! The end of a Parquet file, looked at before the Parquet crate decodes it.

use std::sync::Arc;

use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::thrift::{Cursor, LIST, Malformed, STRUCT};
use crate::blob::Blob;

/// What a file begins and ends with.
pub(crate) const MAGIC: &[u8; 4] = b"PAR1";
/// Longest description of a file, in bytes.
pub(crate) const FOOTER_BYTES_MAX: usize = 16 << 20;
/// Most columns and structures of a schema.
pub(crate) const SCHEMA_ELEMENTS_MAX: usize = 10_000;
/// Deepest structures within structures.
pub(crate) const SCHEMA_DEPTH_MAX: usize = 32;
/// Most rows of a file: each has a number.
const FILE_ROWS_MAX: i64 = 1 << 48;
/// Longest value of a fixed length.
const FIXED_BYTES_MAX: i32 = 1_024;

/// Reads and checks the description of a file.
///
/// # Errors
/// A text that says what is wrong with the file.
pub(super) fn read(blob: &dyn Blob) -> Result<Arc<ParquetMetaData>, String> {
    let len = blob.len();
    if len < 12 {
        return Err("too short for a Parquet file".into());
    }
    let tail = blob.read(len - 8, 8).map_err(|error| error.to_string())?;
    let (size, magic) = tail.split_at(4);
    if magic == b"PARE" {
        return Err("its footer is encrypted, which is not read".into());
    }
    if magic != MAGIC {
        return Err("it does not end as a Parquet file: cut off, or not finished".into());
    }
    let size = size
        .first_chunk::<4>()
        .map_or(0, |size| u32::from_le_bytes(*size)) as usize;
    if size > FOOTER_BYTES_MAX {
        return Err(format!(
            "its footer is of {size} bytes; at most {FOOTER_BYTES_MAX} are read"
        ));
    }
    let start = (len - 8)
        .checked_sub(size as u64)
        .filter(|start| *start >= 4)
        .ok_or("its footer says it is longer than the file")?;
    let bytes = blob.read(start, size).map_err(|error| error.to_string())?;
    check(&bytes)?;
    let metadata = ParquetMetaDataReader::decode_metadata(&bytes)
        .map_err(|error| format!("its footer is damaged: {error}"))?;
    agree(&metadata)?;
    Ok(Arc::new(metadata))
}

/// Walks over the whole structure, so that no length in it is longer than what is there.
fn check(bytes: &[u8]) -> Result<(), String> {
    let damaged = |error: Malformed| format!("its footer is damaged: {error}");
    let mut cursor = Cursor::new(bytes);
    let (mut n_columns, mut n_groups) = (0, 0);
    let mut last = 0;
    while let Some((id, kind)) = cursor.field(&mut last).map_err(damaged)? {
        match (id, kind) {
            (2, LIST) => n_columns = schema(&mut cursor)?,
            (4, LIST) => {
                let (len, kind) = cursor.list().map_err(damaged)?;
                n_groups = len;
                (0..len)
                    .try_for_each(|_| cursor.element(kind, 1))
                    .map_err(damaged)?;
            }
            _ => cursor.skip(kind).map_err(damaged)?,
        }
    }
    // A column of a row group takes more than one byte; the decoder sets memory aside for each.
    if n_columns.saturating_mul(n_groups) > bytes.len() {
        return Err("its footer claims more row groups than it describes".into());
    }
    Ok(())
}

/// Passes the schema and answers how many columns it has.
fn schema(cursor: &mut Cursor<'_>) -> Result<usize, String> {
    let damaged = |error: Malformed| format!("its schema is damaged: {error}");
    let (len, kind) = cursor.list().map_err(damaged)?;
    if kind != STRUCT || len == 0 {
        return Err("it has no schema".into());
    }
    if len > SCHEMA_ELEMENTS_MAX {
        return Err(format!("more than {SCHEMA_ELEMENTS_MAX} columns"));
    }
    let mut n_columns = 0;
    // Children that each structure, from the root down to where we are, still waits for.
    let mut open: Vec<i32> = Vec::new();
    for _ in 0..len {
        let (mut n_children, mut type_len) = (0, 0);
        let mut last = 0;
        while let Some((id, kind)) = cursor.field(&mut last).map_err(damaged)? {
            match (id, kind) {
                (2, 5) => type_len = cursor.int().map_err(damaged)?,
                (5, 5) => n_children = cursor.int().map_err(damaged)?,
                _ => cursor.skip(kind).map_err(damaged)?,
            }
        }
        if type_len > FIXED_BYTES_MAX {
            return Err(format!(
                "a column of {type_len} bytes a value; at most {FIXED_BYTES_MAX} are read"
            ));
        }
        while open.last() == Some(&0) {
            open.pop();
        }
        if let Some(waiting) = open.last_mut() {
            *waiting -= 1;
        }
        if n_children > 0 {
            open.push(n_children);
        } else {
            n_columns += 1;
        }
        if open.len() > SCHEMA_DEPTH_MAX {
            return Err(format!("structures more than {SCHEMA_DEPTH_MAX} deep"));
        }
    }
    Ok(n_columns)
}

/// The row groups have the columns of the schema, and sizes that are none are not negative.
fn agree(metadata: &ParquetMetaData) -> Result<(), String> {
    let n_columns = metadata.file_metadata().schema_descr().num_columns();
    let mut rows_left = FILE_ROWS_MAX;
    for (at, group) in metadata.row_groups().iter().enumerate() {
        if group.num_columns() != n_columns {
            return Err(format!("row group {at} has not the columns of the schema"));
        }
        rows_left -= group.num_rows().clamp(-1, FILE_ROWS_MAX);
        if group.num_rows() < 0 || rows_left < 0 {
            return Err(format!("row group {at} has an impossible number of rows"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn refused(bytes: &[u8]) -> String {
        read(&Bytes::from(bytes.to_vec())).unwrap_err()
    }

    fn file(footer: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(footer);
        bytes.extend_from_slice(&(footer.len() as u32).to_le_bytes());
        bytes.extend_from_slice(MAGIC);
        bytes
    }

    #[test]
    fn a_file_that_cannot_be_one_says_why() {
        assert!(refused(b"PAR1").contains("too short"));
        assert!(refused(b"PAR1 and so on, cut off").contains("cut off"));
        assert!(refused(b"PAR1\xff\xff\xff\x00PAR1").contains("longer than the file"));
        assert!(refused(b"PAR1\xff\xff\xff\x7fPAR1").contains("at most"));
        assert!(refused(b"PAR10000\x00\x00\x00\x00PARE").contains("encrypted"));
    }

    #[test]
    fn lists_longer_than_the_footer_are_refused_before_memory_is_set_aside() {
        // Field 4, a list that claims 2^31 row groups.
        let footer = [0x49, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00];
        assert!(refused(&file(&footer)).contains("impossible"));
        // Field 2: a schema of 40 structures within one another.
        let mut footer = vec![0x29, 0xfc, 40];
        for _ in 0..40 {
            footer.extend_from_slice(&[0x55, 0x02, 0x00]);
        }
        footer.push(0);
        assert!(refused(&file(&footer)).contains("deep"));
    }
}
