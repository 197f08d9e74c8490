//! The pages of a column chunk, read and unpacked within limits.
//!
//! The Parquet crate has a page reader of its own. This one stands in its place because a page of a
//! hostile file may unpack to far more than it says, or say that it is of 2 GiB: here a page is
//! unpacked to what it says at most, and what the pages of one batch of rows may take is limited in
//! sum ([`Allowance`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, Type};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;

use super::codec::unpack;
use super::delta;
use super::thrift::{Cursor, Malformed, STRUCT};
use crate::blob::Pieces;

/// Most bytes of one page, unpacked.
pub(crate) const PAGE_BYTES_MAX: usize = 64 << 20;
/// Most bytes that the pages of one batch of rows may take, of all columns.
pub(crate) const BATCH_PAGES_BYTES_MAX: usize = 512 << 20;
/// Longest head of a page: it may hold the least and greatest value.
const HEAD_BYTES_MAX: usize = 1 << 20;

/// What decoding may still take until the next batch of rows.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    taken: AtomicUsize,
}

impl Allowance {
    /// A new batch begins.
    pub(super) fn renew(&self) {
        self.taken.store(0, Ordering::Relaxed);
    }

    fn take(&self, bytes: usize) -> Result<(), ParquetError> {
        let before = self.taken.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > BATCH_PAGES_BYTES_MAX {
            return Err(ParquetError::General(format!(
                "the pages of one batch of rows need more than {BATCH_PAGES_BYTES_MAX} bytes"
            )));
        }
        Ok(())
    }
}

/// The head of a page.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    kind: i32,
    unpacked_len: usize,
    packed_len: usize,
    n_values: u32,
    encoding: i32,
    def_encoding: i32,
    rep_encoding: i32,
    n_nulls: u32,
    n_rows: u32,
    def_len: u32,
    rep_len: u32,
    is_packed: bool,
}

const DATA: i32 = 0;
const DICTIONARY: i32 = 2;
const DATA_V2: i32 = 3;

fn size(value: i32) -> Result<u32, Malformed> {
    u32::try_from(value).map_err(|_| Malformed::Length)
}

impl Head {
    /// Reads a head and says how long it is.
    fn read(bytes: &[u8]) -> Result<(Self, usize), Malformed> {
        let mut cursor = Cursor::new(bytes);
        let mut head = Self {
            is_packed: true,
            ..Self::default()
        };
        let mut last = 0;
        while let Some((id, kind)) = cursor.field(&mut last)? {
            match (id, kind) {
                (1, 5) => head.kind = cursor.int()?,
                (2, 5) => head.unpacked_len = size(cursor.int()?)? as usize,
                (3, 5) => head.packed_len = size(cursor.int()?)? as usize,
                (5 | 7 | 8, STRUCT) => head.detail(id, &mut cursor)?,
                _ => cursor.skip(kind)?,
            }
        }
        Ok((head, cursor.at()))
    }

    fn detail(&mut self, which: i16, cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
        let mut last = 0;
        while let Some((id, kind)) = cursor.field(&mut last)? {
            match (which, id, kind) {
                (_, 1, 5) => self.n_values = size(cursor.int()?)?,
                (5 | 7, 2, 5) | (8, 4, 5) => self.encoding = cursor.int()?,
                (5, 3, 5) => self.def_encoding = cursor.int()?,
                (5, 4, 5) => self.rep_encoding = cursor.int()?,
                (8, 2, 5) => self.n_nulls = size(cursor.int()?)?,
                (8, 3, 5) => self.n_rows = size(cursor.int()?)?,
                (8, 5, 5) => self.def_len = size(cursor.int()?)?,
                (8, 6, 5) => self.rep_len = size(cursor.int()?)?,
                (8, 7, 1 | 2) => self.is_packed = kind == 1,
                _ => cursor.skip(kind)?,
            }
        }
        Ok(())
    }
}

/// The pages of one column chunk, in order.
pub(super) struct Pager {
    pieces: Pieces,
    at: u64,
    end: u64,
    codec: Compression,
    physical: Type,
    type_len: usize,
    is_repeated: bool,
    is_optional: bool,
    /// Values that the chunk still owes.
    n_values_left: i64,
    allowance: Arc<Allowance>,
    next: Option<(Head, u64)>,
}

impl Pager {
    /// A reader of the chunk that `column` describes.
    ///
    /// # Errors
    /// A chunk outside the file.
    pub(super) fn new(
        pieces: Pieces,
        file_len: u64,
        column: &ColumnChunkMetaData,
        allowance: Arc<Allowance>,
    ) -> Result<Self, ParquetError> {
        let outside = || ParquetError::General("a column chunk lies outside the file".into());
        let start = column
            .dictionary_page_offset()
            .filter(|at| *at > 0)
            .unwrap_or_else(|| column.data_page_offset());
        let start = u64::try_from(start).map_err(|_| outside())?;
        let len = u64::try_from(column.compressed_size()).map_err(|_| outside())?;
        let end = start.checked_add(len).ok_or_else(outside)?;
        if end > file_len {
            return Err(outside());
        }
        Ok(Self {
            pieces,
            at: start,
            end,
            codec: column.compression(),
            physical: column.column_type(),
            type_len: usize::try_from(column.column_descr().type_length()).unwrap_or(0),
            is_repeated: column.column_descr().max_rep_level() > 0,
            is_optional: column.column_descr().max_def_level() > 0,
            n_values_left: column.num_values(),
            allowance,
            next: None,
        })
    }

    /// The head of the next page that matters, and where its bytes begin; they are not passed yet.
    fn head(&mut self) -> Result<Option<(Head, u64)>, ParquetError> {
        while self.next.is_none() {
            if self.n_values_left <= 0 || self.at >= self.end {
                return Ok(None);
            }
            let mut want = 1_024;
            let (head, len) = loop {
                let bytes = self.pieces.up_to(self.at, want, self.end)?;
                match Head::read(&bytes) {
                    Ok(read) => break read,
                    Err(Malformed::Short) if bytes.len() == want && want < HEAD_BYTES_MAX => {
                        want *= 8;
                    }
                    Err(error) => {
                        return Err(ParquetError::General(format!(
                            "the head of a page is damaged: {error}"
                        )));
                    }
                }
            };
            let body = self.at + len as u64;
            if body + head.packed_len as u64 > self.end {
                return Err(ParquetError::General(
                    "a page ends outside its column chunk".into(),
                ));
            }
            if head.unpacked_len > PAGE_BYTES_MAX {
                return Err(ParquetError::General(format!(
                    "a page of {} bytes; at most {PAGE_BYTES_MAX} are unpacked",
                    head.unpacked_len
                )));
            }
            if matches!(head.kind, DATA | DICTIONARY | DATA_V2) {
                self.next = Some((head, body));
            } else {
                self.at = body + head.packed_len as u64;
            }
        }
        Ok(self.next)
    }

    fn pass(&mut self, head: &Head, body: u64) {
        self.next = None;
        self.at = body + head.packed_len as u64;
        if head.kind != DICTIONARY {
            self.n_values_left -= i64::from(head.n_values);
        }
    }

    fn page(&mut self, head: &Head, body: u64) -> Result<Page, ParquetError> {
        let packed = self.pieces.get(body, head.packed_len, self.end)?;
        self.allowance.take(head.unpacked_len)?;
        let levels = if head.kind == DATA_V2 {
            head.def_len as usize + head.rep_len as usize
        } else {
            0
        };
        if levels > head.unpacked_len || levels > packed.len() {
            return Err(ParquetError::General(
                "the head of a page contradicts itself".into(),
            ));
        }
        let is_packed =
            self.codec != Compression::UNCOMPRESSED && (head.kind != DATA_V2 || head.is_packed);
        let buf = if is_packed {
            let mut out = Vec::with_capacity(head.unpacked_len);
            out.extend_from_slice(&packed[..levels]);
            // A page without values has nothing to unpack.
            if head.unpacked_len > levels {
                unpack(
                    self.codec,
                    &packed[levels..],
                    head.unpacked_len - levels,
                    &mut out,
                )?;
            }
            Bytes::from(out)
        } else if packed.len() == head.unpacked_len {
            packed
        } else {
            return Err(ParquetError::General(
                "a page is not as long as it says".into(),
            ));
        };
        self.check(head, &buf, levels)?;
        page_of(head, buf)
    }

    /// Compares what the page claims to hold with what it has, and charges what decoding will take.
    fn check(&self, head: &Head, buf: &Bytes, levels: usize) -> Result<(), ParquetError> {
        let n = head.n_values as usize;
        let refused = |text: &str| Err(ParquetError::General(text.to_owned()));
        if head.kind == DICTIONARY {
            let least = match self.physical {
                Type::BOOLEAN => 1,
                Type::INT64 | Type::DOUBLE => 8,
                Type::INT96 => 12,
                Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY => 4,
                Type::FIXED_LEN_BYTE_ARRAY => self.type_len.max(1),
            };
            if n.saturating_mul(least) > buf.len() {
                return refused("a dictionary claims more values than it has bytes for");
            }
            return self.allowance.take(n.saturating_mul(16));
        }
        if self.is_repeated {
            // One row may take all of them.
            self.allowance.take(n.saturating_mul(24))?;
        }
        match head.encoding {
            5 | 6 => self.allowance.take(n.saturating_mul(8)),
            7 => {
                // Each value may repeat all of the one before.
                let start = if head.kind == DATA {
                    self.levels_end(buf)
                } else {
                    Some(levels)
                };
                let grown = start
                    .and_then(|start| delta::sum(buf.get(start..)?, n))
                    .map(|prefixes| prefixes.saturating_add(n.saturating_mul(8)));
                match grown {
                    Some(bytes) => self.allowance.take(bytes),
                    None => refused("the lengths of a page cannot be read"),
                }
            }
            _ => Ok(()),
        }
    }

    /// Where the values of a page of the first kind begin: behind its levels, each with a length.
    fn levels_end(&self, buf: &[u8]) -> Option<usize> {
        let mut at = 0usize;
        for has_levels in [self.is_repeated, self.is_optional] {
            if has_levels {
                let len = buf.get(at..)?.first_chunk::<4>()?;
                at = at.checked_add(4 + u32::from_le_bytes(*len) as usize)?;
            }
        }
        Some(at)
    }
}

fn page_of(head: &Head, buf: Bytes) -> Result<Page, ParquetError> {
    Ok(match head.kind {
        DICTIONARY => Page::DictionaryPage {
            buf,
            num_values: head.n_values,
            encoding: encoding(head.encoding)?,
            is_sorted: false,
        },
        DATA => Page::DataPage {
            buf,
            num_values: head.n_values,
            encoding: encoding(head.encoding)?,
            def_level_encoding: encoding(head.def_encoding)?,
            rep_level_encoding: encoding(head.rep_encoding)?,
            statistics: None,
        },
        _ => Page::DataPageV2 {
            buf,
            num_values: head.n_values,
            encoding: encoding(head.encoding)?,
            num_nulls: head.n_nulls,
            num_rows: head.n_rows,
            def_levels_byte_len: head.def_len,
            rep_levels_byte_len: head.rep_len,
            is_compressed: false,
            statistics: None,
        },
    })
}

/// The numbers of the format's list of encodings.
fn encoding(number: i32) -> Result<Encoding, ParquetError> {
    #[expect(deprecated, reason = "old files have it")]
    let bit_packed = Encoding::BIT_PACKED;
    Ok(match number {
        0 => Encoding::PLAIN,
        2 => Encoding::PLAIN_DICTIONARY,
        3 => Encoding::RLE,
        4 => bit_packed,
        5 => Encoding::DELTA_BINARY_PACKED,
        6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        7 => Encoding::DELTA_BYTE_ARRAY,
        8 => Encoding::RLE_DICTIONARY,
        9 => Encoding::BYTE_STREAM_SPLIT,
        number => {
            return Err(ParquetError::General(format!(
                "encoding {number} is not known"
            )));
        }
    })
}

impl Iterator for Pager {
    type Item = Result<Page, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pager {
    fn get_next_page(&mut self) -> Result<Option<Page>, ParquetError> {
        let Some((head, body)) = self.head()? else {
            return Ok(None);
        };
        let page = self.page(&head, body);
        self.pass(&head, body);
        page.map(Some)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>, ParquetError> {
        let head = self.head()?;
        Ok(head.map(|(head, _)| PageMetadata {
            num_rows: match head.kind {
                DATA_V2 => Some(head.n_rows as usize),
                _ => None,
            },
            num_levels: (head.kind != DICTIONARY).then_some(head.n_values as usize),
            is_dict: head.kind == DICTIONARY,
        }))
    }

    fn skip_next_page(&mut self) -> Result<(), ParquetError> {
        if let Some((head, body)) = self.head()? {
            self.pass(&head, body);
        }
        Ok(())
    }
}
