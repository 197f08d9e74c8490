//! A segment: what one process writes for one checkpoint.
//!
//! ```text
//!  | "ovspseg1" | record | record | ... | end record |
//!
//!  record   | checksum: u32 | length: u32 | kind: u8 | stage: u8 | id: u16 | name | payload: length bytes |
//!             of all after it               0 a group              its number
//!                                           1 a blob     0         length of the name
//!                                           2 changes              number of the group; the name is their moment
//!  end                                      255          0         0          payload: number of records, u32
//! ```
//!
//! Numbers are little-endian, the checksum is CRC-32. A record says itself what it is, so it can be copied into another
//! segment as it is, and one that stands in the place of another is found out. A segment without an end record was cut
//! off. Reading never believes a length before the bytes are there.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// First bytes, with the version of the form.
const MAGIC: &[u8; 8] = b"ovspseg1";
/// Bytes of all magics of other versions up to the version.
const MAGIC_HEAD: &[u8; 7] = b"ovspseg";
const RECORD_HEAD_BYTES: usize = 12;
const KIND_GROUP: u8 = 0;
const KIND_BLOB: u8 = 1;
const KIND_CHANGES: u8 = 2;
const KIND_END: u8 = 255;
/// Bytes of the moment of changes: event time in nanoseconds, little-endian.
const MOMENT_BYTES: usize = 8;

/// Bytes of a segment that are of no record: its first ones and the end.
pub(crate) const FRAME_BYTES: u64 = 8 + RECORD_HEAD_BYTES as u64 + 4;

/// Number of key groups (ADR 0005).
pub const KEY_GROUPS: u16 = 1_024;
/// Most bytes of a piece.
pub const PIECE_BYTES_MAX: usize = 256 << 20;
/// Most bytes of the name of a blob.
pub const BLOB_NAME_BYTES_MAX: usize = 4_096;

/// What a piece of state belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PieceKey {
    /// The keys of one group in one stage.
    Group {
        /// Which table: a number the job gives.
        stage: u8,
        /// Which of the [`KEY_GROUPS`].
        group: u16,
    },
    /// Something with a name, such as what the parsers remember of a partition.
    Blob {
        /// Its name.
        name: String,
    },
    /// What changed in the keys of one group after what was written of it before. They follow the
    /// group's state, and one another by their moments; whoever writes the state anew has no more use for them.
    Changes {
        /// Which table.
        stage: u8,
        /// Which group.
        group: u16,
        /// Event time as of which they are, in nanoseconds since 1970.
        as_of_ns: i64,
    },
}

impl PieceKey {
    /// A group of a stage.
    #[must_use]
    pub const fn group(stage: u8, group: u16) -> Self {
        Self::Group { stage, group }
    }

    /// A blob.
    #[must_use]
    pub fn blob(name: &str) -> Self {
        Self::Blob {
            name: name.to_owned(),
        }
    }

    /// Stage and group, of a group's state and of changes to it.
    #[must_use]
    pub const fn of_group(&self) -> Option<(u8, u16)> {
        match *self {
            Self::Group { stage, group } | Self::Changes { stage, group, .. } => {
                Some((stage, group))
            }
            Self::Blob { .. } => None,
        }
    }

    /// Whether this can be written.
    pub(crate) fn is_sound(&self) -> bool {
        match self {
            Self::Group { group, .. } | Self::Changes { group, .. } => *group < KEY_GROUPS,
            Self::Blob { name } => !name.is_empty() && name.len() <= BLOB_NAME_BYTES_MAX,
        }
    }

    /// Bytes of a record beside its payload.
    pub(crate) fn record_head_bytes(&self) -> usize {
        match self {
            Self::Group { .. } => RECORD_HEAD_BYTES,
            Self::Blob { name } => RECORD_HEAD_BYTES + name.len(),
            Self::Changes { .. } => RECORD_HEAD_BYTES + MOMENT_BYTES,
        }
    }

    /// The state that these are changes to.
    pub(crate) fn changed(&self) -> Option<Self> {
        match *self {
            Self::Changes { stage, group, .. } => Some(Self::group(stage, group)),
            Self::Group { .. } | Self::Blob { .. } => None,
        }
    }

    /// The changes that there may be to this.
    pub(crate) fn changes(&self) -> Option<std::ops::RangeInclusive<Self>> {
        let Self::Group { stage, group } = *self else {
            return None;
        };
        let at = |as_of_ns| Self::Changes {
            stage,
            group,
            as_of_ns,
        };
        Some(at(i64::MIN)..=at(i64::MAX))
    }
}

impl std::fmt::Display for PieceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Group { stage, group } => write!(f, "group {group} of stage {stage}"),
            Self::Blob { name } => write!(f, "blob {name:?}"),
            Self::Changes {
                stage,
                group,
                as_of_ns,
            } => write!(
                f,
                "changes as of {as_of_ns} of group {group} of stage {stage}"
            ),
        }
    }
}

/// Where a record stands in its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Where the record begins.
    pub offset: u64,
    /// Its bytes, all of them.
    pub length: u64,
    /// Its checksum.
    pub checksum: u32,
}

/// Bytes that are no segment, or no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// It does not begin as one.
    #[error("not a segment")]
    NotASegment,
    /// Another build wrote it.
    #[error("segment of a version that is not known")]
    Version,
    /// It ends before it should.
    #[error("cut off at byte {at}")]
    Cut {
        /// Where the record begins that is not whole.
        at: u64,
    },
    /// Bytes have changed.
    #[error("checksum of the record at byte {at} is wrong")]
    Checksum {
        /// Where the record begins.
        at: u64,
    },
    /// The record is sound, but says what cannot be.
    #[error("{what} at byte {at}")]
    Record {
        /// What is wrong.
        what: &'static str,
        /// Where the record begins.
        at: u64,
    },
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<'a> {
    /// What it belongs to.
    pub key: PieceKey,
    /// Its state.
    pub bytes: &'a [u8],
}

enum Record<'a> {
    Piece(Piece<'a>),
    End(u32),
}

/// The record that bytes begin with, its length and its checksum. `at` is where they stand, for errors.
fn record(bytes: &[u8], at: u64) -> Result<(Record<'_>, usize, u32), SegmentError> {
    let cut = SegmentError::Cut { at };
    let wrong = |what| SegmentError::Record { what, at };
    let (head, _) = bytes.split_first_chunk::<RECORD_HEAD_BYTES>().ok_or(cut)?;
    let [c0, c1, c2, c3, l0, l1, l2, l3, kind, stage, i0, i1] = *head;
    let checksum = u32::from_le_bytes([c0, c1, c2, c3]);
    let id = u16::from_le_bytes([i0, i1]);
    let n_payload = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
    let n_name = match kind {
        KIND_BLOB => usize::from(id),
        KIND_CHANGES => MOMENT_BYTES,
        _ => 0,
    };
    let length = n_payload
        .checked_add(n_name + RECORD_HEAD_BYTES)
        .ok_or(cut)?;
    let whole = bytes.get(..length).ok_or(cut)?;
    let (_, checked) = whole.split_at_checked(4).ok_or(cut)?;
    if crc32fast::hash(checked) != checksum {
        return Err(SegmentError::Checksum { at });
    }
    let body = whole.get(RECORD_HEAD_BYTES..).ok_or(cut)?;
    let (name, payload) = body.split_at_checked(n_name).ok_or(cut)?;
    let key = match kind {
        KIND_GROUP => PieceKey::Group { stage, group: id },
        KIND_BLOB if stage == 0 => PieceKey::Blob {
            name: std::str::from_utf8(name)
                .map_err(|_| wrong("a name that is no text"))?
                .to_owned(),
        },
        KIND_CHANGES => PieceKey::Changes {
            stage,
            group: id,
            as_of_ns: i64::from_le_bytes(name.try_into().map_err(|_| wrong("a bad moment"))?),
        },
        KIND_END => {
            let n = <[u8; 4]>::try_from(payload).map_err(|_| wrong("a bad end"))?;
            let end = Record::End(u32::from_le_bytes(n));
            return Ok((end, length, checksum));
        }
        _ => return Err(wrong("a record of an unknown kind")),
    };
    if !key.is_sound() {
        return Err(wrong("a group or a name out of range"));
    }
    if payload.len() > PIECE_BYTES_MAX {
        return Err(wrong("a piece that is too large"));
    }
    let piece = Piece {
        key,
        bytes: payload,
    };
    Ok((Record::Piece(piece), length, checksum))
}

/// The piece whose record these bytes are, no more and no less.
///
/// # Errors
/// When they are no record, or not the record that was expected.
pub fn decode_piece<'a>(
    bytes: &'a [u8],
    key: &PieceKey,
    place: Place,
) -> Result<Piece<'a>, SegmentError> {
    let at = place.offset;
    let wrong = |what| SegmentError::Record { what, at };
    match record(bytes, at)? {
        (Record::Piece(piece), length, checksum) => {
            if length as u64 != place.length || length != bytes.len() {
                Err(wrong("a record of another length"))
            } else if checksum != place.checksum || piece.key != *key {
                Err(wrong("another record"))
            } else {
                Ok(piece)
            }
        }
        (Record::End(_), ..) => Err(wrong("an end, not a piece")),
    }
}

/// All pieces of a segment with their places, in the order in which they stand.
///
/// # Errors
/// When anything of it is not as it was written.
pub fn decode_segment(bytes: &[u8]) -> Result<Vec<(Piece<'_>, Place)>, SegmentError> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Err(match bytes.starts_with(MAGIC_HEAD) {
            true if bytes.len() > MAGIC_HEAD.len() => SegmentError::Version,
            _ => SegmentError::NotASegment,
        });
    };
    let mut rest = rest;
    let mut pieces: Vec<(Piece<'_>, Place)> = Vec::new();
    let mut seen = BTreeSet::new();
    loop {
        let offset = (bytes.len() - rest.len()) as u64;
        let (record, length, checksum) = record(rest, offset)?;
        rest = rest.get(length..).unwrap_or_default();
        match record {
            Record::Piece(piece) => {
                if !seen.insert(piece.key.clone()) {
                    let what = "a second piece of the same key";
                    return Err(SegmentError::Record { what, at: offset });
                }
                let place = Place {
                    offset,
                    length: length as u64,
                    checksum,
                };
                pieces.push((piece, place));
            }
            Record::End(n) if n as usize == pieces.len() && rest.is_empty() => return Ok(pieces),
            Record::End(_) => {
                let what = "an end that does not fit";
                return Err(SegmentError::Record { what, at: offset });
            }
        }
    }
}

/// A segment that is being made, in memory.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    bytes: Vec<u8>,
    pieces: Vec<(PieceKey, Place)>,
}

impl Draft {
    pub(crate) fn new() -> Self {
        Self::within(Vec::new())
    }

    /// One in the memory of bytes that are not needed any more.
    pub(crate) fn within(mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        bytes.extend_from_slice(MAGIC);
        Self {
            bytes,
            pieces: Vec::new(),
        }
    }

    pub(crate) fn into_memory(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Adds a piece that was not there. It has to be one that [`PieceKey::is_sound`] and [`PIECE_BYTES_MAX`] allow.
    pub(crate) fn add(&mut self, key: PieceKey, payload: &[u8]) {
        let at = self.bytes.len();
        let place = match &key {
            PieceKey::Group { stage, group } => {
                self.record(KIND_GROUP, *stage, *group, &[], payload)
            }
            PieceKey::Blob { name } => {
                let id = u16::try_from(name.len()).unwrap_or(u16::MAX);
                self.record(KIND_BLOB, 0, id, name.as_bytes(), payload)
            }
            PieceKey::Changes {
                stage,
                group,
                as_of_ns,
            } => {
                let moment = as_of_ns.to_le_bytes();
                self.record(KIND_CHANGES, *stage, *group, &moment, payload)
            }
        };
        debug_assert_eq!(place.offset, at as u64);
        self.pieces.push((key, place));
    }

    fn record(&mut self, kind: u8, stage: u8, id: u16, name: &[u8], payload: &[u8]) -> Place {
        let at = self.bytes.len();
        let n_payload = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        self.bytes.extend([0; 4]);
        self.bytes.extend(n_payload.to_le_bytes());
        self.bytes.extend([kind, stage]);
        self.bytes.extend(id.to_le_bytes());
        self.bytes.extend(name);
        self.bytes.extend(payload);
        let checksum = crc32fast::hash(self.bytes.get(at + 4..).unwrap_or_default());
        if let Some(place) = self.bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&checksum.to_le_bytes());
        }
        Place {
            offset: at as u64,
            length: (self.bytes.len() - at) as u64,
            checksum,
        }
    }

    /// The bytes of the segment, and where its pieces are.
    pub(crate) fn finish(mut self) -> (Vec<u8>, Vec<(PieceKey, Place)>) {
        let n = u32::try_from(self.pieces.len()).unwrap_or(u32::MAX);
        self.record(KIND_END, 0, 0, &[], &n.to_le_bytes());
        (self.bytes, self.pieces)
    }
}

#[cfg(test)]
#[path = "segment_tests.rs"]
mod tests;
