//! The settled states of a key group, as bytes and back.
//!
//! ```text
//! | "OSB" version: u8 | group: u16 | watermark: i64 |                    n: u32 | n x state, by key |   all of it
//! | "OSC" version: u8 | group: u16 | watermark: i64 | n: u32 | n x key | n: u32 | n x state, by key |   what changed
//! ```
//!
//! A snapshot holds the states after all pours at or below the watermark and nothing of the pours
//! above it: whoever restores reads those again. So it may be taken at any time between two
//! advances, group by group, while later pours go on. Equal states give equal bytes.
//!
//! What changed in a group after its piece of an earlier watermark is a piece of its own: states that take the place of
//! those before, and keys that are gone. [`Table::changed_groups`] tells what there is to write, [`Table::write_group`]
//! gives it, and decides whether it is all of a group or what changed. A group that did not change needs no piece: what was
//! written says what it is now, but for states that are over and would be forgotten. [`Table::restore`]
//! forgets them, and [`Table::stand_at`] lets groups of different age into one table.

use std::collections::BTreeMap;

use super::Table;
use super::cells::{CellId, WARM_UP};
use super::unwritten::Unwritten;
use crate::codec::{Malformed, Reader, Restored, write_state};
use crate::events::EventId;
use crate::key::{KEY_GROUPS, Key, key_group};
use crate::queue::Queue;
use crate::state::{Size, turn};

const ALL: [u8; 3] = *b"OSB";
const CHANGES: [u8; 3] = *b"OSC";
const VERSION: u8 = 1;

/// What is to be kept of a key group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPiece {
    /// For [`Table::restore`].
    pub bytes: Vec<u8>,
    /// It is all of the group: no piece before is needed. Otherwise it follows those.
    pub is_whole: bool,
}

/// A piece that was read.
struct Decoded<'a> {
    group: u16,
    watermark_ns: i64,
    is_whole: bool,
    gone: Vec<Key>,
    states: Vec<Restored<'a>>,
}

/// Bytes that are no snapshot this table can take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The bytes do not begin as a snapshot does.
    #[error("not a snapshot of buckets")]
    NotASnapshot,
    /// A later build wrote it.
    #[error("snapshot version {0} is not known")]
    Version(u8),
    /// The bytes contradict the format.
    #[error("{what} at byte {at} of a snapshot")]
    Malformed {
        /// What is wrong.
        what: &'static str,
        /// Where.
        at: usize,
    },
    /// The piece is not one that follows those before.
    #[error("piece {at} of a group is not what follows")]
    Piece {
        /// Its place among the pieces.
        at: usize,
    },
    /// No group may be later than its table.
    #[error("snapshot as of {snapshot_ns} for a table at {table_ns}")]
    Watermark {
        /// The snapshot's watermark.
        snapshot_ns: i64,
        /// The table's watermark.
        table_ns: i64,
    },
    /// The table holds keys of this group, or pours, already.
    #[error("key group {0} is not empty")]
    NotEmpty(u16),
}

impl From<Malformed> for SnapshotError {
    fn from(Malformed { what, at }: Malformed) -> Self {
        Self::Malformed { what, at }
    }
}

impl Table {
    /// The states of a key group as of the watermark. `None` before the first advance, when
    /// there is nothing to hold.
    #[must_use]
    pub fn snapshot(&self, group: u16) -> Option<Vec<u8>> {
        let watermark_ns = self.watermark_ns?;
        if group >= KEY_GROUPS {
            return None;
        }
        let members = self.cells.group(group).members().to_vec();
        let ids = self.cells.in_order(members);
        let mut out = head(ALL, group, watermark_ns, Vec::new());
        self.write_states(&mut out, group, &ids);
        Some(out)
    }

    /// The key groups of which something changed since it was written, or since they were restored.
    #[must_use]
    pub fn changed_groups(&self) -> Vec<u16> {
        (0..KEY_GROUPS)
            .filter(|&group| self.cells.group(group).unwritten.is_changed())
            .collect()
    }

    /// What is to be kept of a key group as of the watermark, after what this gave of it before: all of it, or what changed.
    /// `None` if nothing changed that has to be kept, and before the first advance; otherwise it is in the memory that is given,
    /// for what is new memory has to be cleared by the system, which takes longer than writing it.
    pub fn write_group(&mut self, group: u16, memory: &mut Vec<u8>) -> Option<GroupPiece> {
        let watermark_ns = self.watermark_ns?;
        if group >= KEY_GROUPS {
            return None;
        }
        let totals = self.cells.group(group);
        if totals.unwritten.is_due_whole(group, totals.n_settled) {
            let ids = self.cells.take_all(group);
            let mut bytes = head(ALL, group, watermark_ns, std::mem::take(memory));
            self.write_states(&mut bytes, group, &ids);
            return Some(GroupPiece {
                bytes,
                is_whole: true,
            });
        }
        let (ids, gone) = self.cells.take_changed(group);
        if ids.is_empty() && gone.is_empty() {
            return None;
        }
        let mut bytes = head(CHANGES, group, watermark_ns, std::mem::take(memory));
        write_n(&mut bytes, gone.len());
        for word in gone.iter().flat_map(|key| key.0) {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        self.write_states(&mut bytes, group, &ids);
        Some(GroupPiece {
            bytes,
            is_whole: false,
        })
    }

    /// Pieces of a key group are lost: the next one is all of it, and there is one. Answers whether this table has given any.
    pub fn write_whole(&mut self, group: u16) -> bool {
        if group >= KEY_GROUPS {
            return false;
        }
        let unwritten = &mut self.cells.group_mut(group).unwritten;
        let is_written = unwritten.is_written();
        if is_written {
            unwritten.write_whole();
            unwritten.touch();
        }
        is_written
    }

    fn write_states(&self, out: &mut Vec<u8>, group: u16, ids: &[CellId]) {
        out.reserve(self.cells.written_bytes(group, ids.len()));
        write_n(out, ids.len());
        let mut spare = Vec::new();
        for ids in ids.chunks(WARM_UP) {
            self.cells.warm_up_to_write(ids, &self.events);
            for &id in ids {
                let state = self.cells.copy_with(id, &self.rules, spare);
                write_state(out, self.cells.key(id), &state, &self.rules, &self.events);
                spare = state
                    .bucket
                    .map_or_else(Vec::new, |bucket| bucket.queue.into_ids());
            }
        }
    }

    /// A new table stands at this watermark: its groups may come from snapshots of then or before, if
    /// nothing changed in them in between. Does nothing to a table that stands somewhere.
    pub fn stand_at(&mut self, watermark_ns: i64) {
        if self.watermark_ns.is_none() {
            self.watermark_ns = Some(watermark_ns);
            self.forget(turn(watermark_ns.saturating_add(1)));
        }
    }

    /// Takes a key group from its pieces: all of it at some time, and what changed after, in that order. Answers which group.
    ///
    /// The table must not have been given pours, and must be new, or stand at the watermark of the
    /// last piece or, by [`Table::stand_at`], at a later one. A new table then stands at the
    /// watermark of the last piece: pours at or below that are late.
    ///
    /// # Errors
    ///
    /// When the bytes are no pieces of a snapshot, or do not suit the table; the table is then unchanged.
    pub fn restore(&mut self, pieces: &[impl AsRef<[u8]>]) -> Result<u16, SnapshotError> {
        let mut states: BTreeMap<Key, Restored<'_>> = BTreeMap::new();
        let (mut group, mut snapshot_ns, mut n_stored) = (0, i64::MIN, 0);
        for (at, piece) in pieces.iter().enumerate() {
            let decoded = self.decode(piece.as_ref())?;
            let is_next = match at {
                0 => decoded.is_whole,
                _ => {
                    let is_later = decoded.watermark_ns >= snapshot_ns;
                    !decoded.is_whole && decoded.group == group && is_later
                }
            };
            if !is_next {
                return Err(SnapshotError::Piece { at });
            }
            (group, snapshot_ns) = (decoded.group, decoded.watermark_ns);
            n_stored += decoded.gone.len() + decoded.states.len();
            for key in &decoded.gone {
                states.remove(key);
            }
            states.extend(decoded.states.into_iter().map(|state| (state.key, state)));
        }
        if pieces.is_empty() {
            return Err(SnapshotError::NotASnapshot);
        }
        if let Some(table_ns) = self.watermark_ns
            && table_ns < snapshot_ns
        {
            return Err(SnapshotError::Watermark {
                snapshot_ns,
                table_ns,
            });
        }
        if self.counters().waiting > 0 || !self.cells.group(group).members().is_empty() {
            return Err(SnapshotError::NotEmpty(group));
        }
        self.stand_at(snapshot_ns);
        let is_orphaned = self.take_up(states.into_values(), snapshot_ns);
        let unwritten = &mut self.cells.group_mut(group).unwritten;
        *unwritten = Unwritten::restored(pieces.len(), n_stored);
        if is_orphaned {
            // What belongs to no scenario must not come back with one.
            unwritten.write_whole();
            unwritten.touch();
        }
        Ok(group)
    }

    fn decode<'a>(&self, bytes: &'a [u8]) -> Result<Decoded<'a>, SnapshotError> {
        let mut reader = Reader::new(bytes);
        let Ok([m0, m1, m2, version]) = reader.array() else {
            return Err(SnapshotError::NotASnapshot);
        };
        let is_whole = [m0, m1, m2] == ALL;
        if !is_whole && [m0, m1, m2] != CHANGES {
            return Err(SnapshotError::NotASnapshot);
        }
        if version != VERSION {
            return Err(SnapshotError::Version(version));
        }
        let group = reader.u16()?;
        if group >= KEY_GROUPS {
            return Err(reader.malformed("group out of range").into());
        }
        let watermark_ns = reader.i64()?;
        let out_of_place = |reader: &Reader<'_>| reader.malformed("key out of place");
        let mut gone: Vec<Key> = Vec::new();
        let n_gone = if is_whole { 0 } else { reader.u32()? };
        for _ in 0..n_gone {
            let key = reader.key()?;
            let is_in_order = gone.last().is_none_or(|last| *last < key);
            if !is_in_order || key_group(key) != group {
                return Err(out_of_place(&reader).into());
            }
            gone.push(key);
        }
        let mut states: Vec<Restored<'_>> = Vec::new();
        for _ in 0..reader.u32()? {
            let state = reader.state(&self.rules)?;
            let is_in_order = states.last().is_none_or(|last| last.key < state.key);
            if !is_in_order || key_group(state.key) != group {
                return Err(out_of_place(&reader).into());
            }
            states.push(state);
        }
        if !reader.is_at_end() {
            return Err(reader.malformed("bytes after the end").into());
        }
        Ok(Decoded {
            group,
            watermark_ns,
            is_whole,
            gone,
            states,
        })
    }

    /// Puts states into their cells, but for those that are over; answers whether there was something of scenarios that
    /// are gone.
    fn take_up<'a>(
        &mut self,
        states: impl Iterator<Item = Restored<'a>>,
        snapshot_ns: i64,
    ) -> bool {
        let at_turn = turn(self.watermark_ns.unwrap_or(snapshot_ns).saturating_add(1));
        let mut is_orphaned = false;
        // What was forgotten between the snapshot and where the table stands must not come back.
        for Restored {
            key,
            mut state,
            queue,
            n_orphaned,
        } in states.filter(|restored| turn(restored.state.keep_until_ns) >= at_turn)
        {
            self.counters.orphaned += n_orphaned;
            is_orphaned |= n_orphaned > 0;
            let Some(id) = self.cells.find_or_create(key) else {
                continue;
            };
            let added: Vec<EventId> = queue.iter().map(|event| self.events.add(event)).collect();
            if let Some(bucket) = &mut state.bucket {
                let n_bytes = queue.iter().map(|event| event.len() as u64).sum();
                bucket.queue = Queue::of(added.clone(), n_bytes);
            }
            self.cells.note_held(id);
            self.put_settled(id, state, Size::default(), None);
            // The cell holds what it retains now.
            for event in added {
                self.events.release(event);
            }
        }
        is_orphaned
    }
}

/// What a piece begins with, in this memory.
fn head(magic: [u8; 3], group: u16, watermark_ns: i64, mut out: Vec<u8>) -> Vec<u8> {
    out.clear();
    out.extend(magic);
    out.push(VERSION);
    out.extend(group.to_le_bytes());
    out.extend(watermark_ns.to_le_bytes());
    out
}

fn write_n(out: &mut Vec<u8>, n: usize) {
    out.extend(u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes());
}
