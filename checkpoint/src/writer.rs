//! What a process does for a checkpoint: its pieces into segments, and an acknowledgement to the coordinator.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::blobs::{Blobs, Put};
use crate::error::CheckpointError;
use crate::segment::{Draft, PIECE_BYTES_MAX, PieceKey, Place};

/// A segment that has so many bytes is written and followed by another one.
pub const SEGMENT_BYTES: usize = 64 << 20;
/// Folder of segments.
pub(crate) const FOLDER: &str = "segments/";

/// Whose segments, and of which checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SegmentId {
    /// The generation that the process belongs to.
    pub generation: u64,
    /// Event time as of which states are written, in nanoseconds since 1970.
    pub as_of_ns: i64,
    /// Which process.
    pub process: u32,
}

impl SegmentId {
    fn name(self, part: usize) -> String {
        let (generation, as_of_ns, process) = (self.generation, self.as_of_ns, self.process);
        format!("{FOLDER}{generation:020}/{as_of_ns}-p{process}-{part}")
    }
}

/// Generation and moment of a segment, by its name.
pub(crate) fn parse_name(name: &str) -> Option<(u64, i64)> {
    let (generation, file) = name.strip_prefix(FOLDER)?.split_once('/')?;
    // The moment may begin with a sign.
    let (rest, _part) = file.rsplit_once('-')?;
    let (as_of_ns, _writer) = rest.rsplit_once('-')?;
    Some((generation.parse().ok()?, as_of_ns.parse().ok()?))
}

/// What changed in a store and in states, in the order in which it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// A segment was written. Its pieces take the places of older ones.
    Written {
        /// Its object.
        segment: String,
        /// Its size.
        bytes: u64,
        /// What is in it.
        pieces: Vec<(PieceKey, Place)>,
    },
    /// There is nothing to keep of this any more.
    Removed(PieceKey),
}

/// What a process has written for a checkpoint: sent to the coordinator, which commits it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentAck {
    /// Whose, and of which checkpoint.
    pub id: SegmentId,
    /// The checkpoint before it that these are the changes to.
    pub since_ns: Option<i64>,
    /// The changes.
    pub changes: Vec<Change>,
}

impl SegmentAck {
    /// Bytes that were written.
    #[must_use]
    pub fn n_bytes(&self) -> u64 {
        self.changes
            .iter()
            .map(|change| match change {
                Change::Written { bytes, .. } => *bytes,
                Change::Removed(_) => 0,
            })
            .sum()
    }
}

/// Something that is to be told of, and perhaps to be written before.
#[derive(Debug)]
enum Part {
    Sealed {
        name: String,
        bytes: Vec<u8>,
        pieces: Vec<(PieceKey, Place)>,
    },
    Done(Change),
}

/// Collects the pieces of all workers of a process for one checkpoint.
///
/// Pieces are kept in memory up to [`SEGMENT_BYTES`] and written then; what is left is written by
/// [`SegmentWriter::finish`]. While the store fails, all of them stay in memory, so `finish` can be called
/// again, or the next checkpoint's writer can take them over ([`SegmentWriter::carry`]). All calls may block on the
/// store: a thread beside the workers makes them.
#[derive(Debug)]
pub struct SegmentWriter {
    store: Arc<dyn Blobs>,
    id: SegmentId,
    since_ns: Option<i64>,
    segment_bytes: usize,
    parts: Vec<Part>,
    open: Draft,
    n_parts: usize,
    /// What was added; of changes what they change.
    seen: BTreeSet<PieceKey>,
}

impl SegmentWriter {
    /// A writer of what has changed since the checkpoint as of `since_ns`: the last one of this process, or else the one
    /// that was restored, or none at all.
    #[must_use]
    pub fn new(store: Arc<dyn Blobs>, id: SegmentId, since_ns: Option<i64>) -> Self {
        Self {
            store,
            id,
            since_ns,
            segment_bytes: SEGMENT_BYTES,
            parts: Vec::new(),
            open: Draft::new(),
            n_parts: 0,
            seen: BTreeSet::new(),
        }
    }

    /// The same in memory that an earlier writer had ([`SegmentWriter::into_memory`]): the system clears memory that is new,
    /// which takes longer than writing it.
    #[must_use]
    pub fn within(mut self, memory: Vec<u8>) -> Self {
        self.open = Draft::within(memory);
        self
    }

    /// The memory of a writer that is done, for the next one. What was not written is lost.
    #[must_use]
    pub fn into_memory(self) -> Vec<u8> {
        self.open.into_memory()
    }

    /// The same with smaller segments, for tests.
    #[must_use]
    pub fn with_segment_bytes(mut self, segment_bytes: usize) -> Self {
        self.segment_bytes = segment_bytes;
        self
    }

    /// The state of a group of a stage. No bytes mean that nothing is there any more.
    ///
    /// # Errors
    /// For a group that cannot be, one that was added before, or a state that is too large; then nothing was added.
    pub fn add(&mut self, stage: u8, group: u16, bytes: &[u8]) -> Result<(), CheckpointError> {
        self.add_piece(PieceKey::group(stage, group), bytes)
    }

    /// What changed in a group of a stage after what was written of it before, which was its state or
    /// changes to it.
    ///
    /// # Errors
    /// As [`SegmentWriter::add`], and for changes without bytes, or to a group whose state is added with them.
    pub fn add_changes(
        &mut self,
        stage: u8,
        group: u16,
        bytes: &[u8],
    ) -> Result<(), CheckpointError> {
        let key = PieceKey::Changes {
            stage,
            group,
            as_of_ns: self.id.as_of_ns,
        };
        self.add_piece(key, bytes)
    }

    /// The state of something with a name. No bytes mean that nothing is there any more.
    ///
    /// # Errors
    /// As [`SegmentWriter::add`].
    pub fn add_blob(&mut self, name: &str, bytes: &[u8]) -> Result<(), CheckpointError> {
        self.add_piece(PieceKey::blob(name), bytes)
    }

    fn add_piece(&mut self, key: PieceKey, bytes: &[u8]) -> Result<(), CheckpointError> {
        let what = if !key.is_sound() {
            "out of range"
        } else if bytes.len() > PIECE_BYTES_MAX {
            "too large"
        } else if bytes.is_empty() && key.changed().is_some() {
            "without bytes"
        } else if !self
            .seen
            .insert(key.changed().unwrap_or_else(|| key.clone()))
        {
            "was added before"
        } else {
            ""
        };
        if !what.is_empty() {
            return Err(CheckpointError::Piece { key, what });
        }
        if bytes.is_empty() {
            self.parts.push(Part::Done(Change::Removed(key)));
            return Ok(());
        }
        self.open.add(key, bytes);
        if self.open.len() >= self.segment_bytes {
            self.close();
            // A failure shows again at the end, where it can be answered.
            let _later = self.write();
        }
        Ok(())
    }

    /// Takes over what an earlier checkpoint's writer of this process could not write. What was added to either counts,
    /// this one's before that one's.
    pub fn carry(&mut self, mut earlier: Self) {
        earlier.close();
        let own = std::mem::replace(&mut self.parts, earlier.parts);
        self.parts.extend(own);
        self.since_ns = earlier.since_ns;
    }

    fn close(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let draft = std::mem::replace(&mut self.open, Draft::new());
        let name = self.id.name(self.n_parts);
        self.n_parts += 1;
        let (bytes, pieces) = draft.finish();
        self.parts.push(Part::Sealed {
            name,
            bytes,
            pieces,
        });
    }

    /// Writes what is not written yet.
    fn write(&mut self) -> Result<(), CheckpointError> {
        for part in &mut self.parts {
            let Part::Sealed {
                name,
                bytes,
                pieces,
            } = part
            else {
                continue;
            };
            put_segment(&*self.store, name, bytes)?;
            let n_bytes = bytes.len() as u64;
            let written = std::mem::take(bytes);
            if self.open.is_empty() {
                // Memory that was used once costs less than new memory.
                self.open = Draft::within(written);
            }
            *part = Part::Done(Change::Written {
                segment: std::mem::take(name),
                bytes: n_bytes,
                pieces: std::mem::take(pieces),
            });
        }
        Ok(())
    }

    /// Writes everything and says what was written. When that fails nothing is lost: it can be tried again.
    ///
    /// # Errors
    /// When the store fails.
    pub fn finish(&mut self) -> Result<SegmentAck, CheckpointError> {
        self.close();
        self.write()?;
        let done = self.parts.iter().filter_map(|part| match part {
            Part::Done(change) => Some(change.clone()),
            Part::Sealed { .. } => None,
        });
        Ok(SegmentAck {
            id: self.id,
            since_ns: self.since_ns,
            changes: done.collect(),
        })
    }
}

/// Writes a segment. One that is there is this one, when an answer was lost, or somebody else's.
pub(crate) fn put_segment(
    store: &dyn Blobs,
    name: &str,
    bytes: &[u8],
) -> Result<(), CheckpointError> {
    match store.put_if_absent(name, bytes)? {
        Put::Written => Ok(()),
        Put::Exists if store.get(name)?.as_deref() == Some(bytes) => Ok(()),
        Put::Exists => Err(CheckpointError::Taken {
            name: name.to_owned(),
        }),
    }
}
