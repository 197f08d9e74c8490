//! The settled states of a key group, as bytes and back.
//!
//! ```text
//! | "OSB" version: u8 | group: u16 | watermark: i64 | n: u32 | n x state, by key |
//! ```
//!
//! A snapshot holds the states after all pours at or below the watermark and nothing of the pours
//! above it: whoever restores reads those again. So it may be taken at any time between two
//! advances, group by group, while later pours go on. Equal states give equal bytes.
//!
//! A group that did not change since an earlier watermark need not be written again: its bytes of then
//! say what it is now, but for states that are over and would be forgotten. [`Table::take_changed`]
//! tells which did, [`Table::stand_at`] lets groups of different age into one table.

use super::Table;
use super::cells::CellId;
use crate::codec::{Malformed, Reader, Restored, write_state};
use crate::events::EventId;
use crate::key::{KEY_GROUPS, key_group};
use crate::queue::Queue;
use crate::state::{Size, turn};

const MAGIC: [u8; 3] = *b"OSB";
const VERSION: u8 = 1;

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
        let mut ids: Vec<CellId> = self.cells.group(group).members().to_vec();
        ids.retain(|&id| self.cells.exists(id));
        ids.sort_unstable_by_key(|&id| self.cells.key(id));
        let mut out = Vec::new();
        out.extend(MAGIC);
        out.push(VERSION);
        out.extend(group.to_le_bytes());
        out.extend(watermark_ns.to_le_bytes());
        out.extend(u32::try_from(ids.len()).unwrap_or(u32::MAX).to_le_bytes());
        for id in ids {
            let state = self.cells.copy(id, &self.rules);
            write_state(
                &mut out,
                self.cells.key(id),
                &state,
                &self.rules,
                &self.events,
            );
        }
        Some(out)
    }

    /// The key groups whose states changed since this was last asked, or since they were restored.
    pub fn take_changed(&mut self) -> Vec<u16> {
        (0..KEY_GROUPS)
            .filter(|&group| std::mem::take(&mut self.cells.group_mut(group).is_changed))
            .collect()
    }

    /// A new table stands at this watermark: its groups may come from snapshots of then or before, if
    /// nothing changed in them in between. Does nothing to a table that stands somewhere.
    pub fn stand_at(&mut self, watermark_ns: i64) {
        if self.watermark_ns.is_none() {
            self.watermark_ns = Some(watermark_ns);
            self.forget(turn(watermark_ns.saturating_add(1)));
        }
    }

    /// Takes a key group from a snapshot. Answers which.
    ///
    /// The table must not have been given pours, and must be new, or stand at the watermark of the
    /// snapshot or, by [`Table::stand_at`], at a later one. A new table then stands at the
    /// snapshot's watermark: pours at or below that are late.
    ///
    /// # Errors
    ///
    /// When the bytes are no snapshot, or do not suit the table; the table is then unchanged.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<u16, SnapshotError> {
        let mut reader = Reader::new(bytes);
        let Ok([m0, m1, m2, version]) = reader.array() else {
            return Err(SnapshotError::NotASnapshot);
        };
        if [m0, m1, m2] != MAGIC {
            return Err(SnapshotError::NotASnapshot);
        }
        if version != VERSION {
            return Err(SnapshotError::Version(version));
        }
        let group = reader.u16()?;
        if group >= KEY_GROUPS {
            return Err(reader.malformed("group out of range").into());
        }
        let snapshot_ns = reader.i64()?;
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
        let mut restored: Vec<Restored<'_>> = Vec::new();
        for _ in 0..reader.u32()? {
            let state = reader.state(&self.rules)?;
            let is_in_order = restored.last().is_none_or(|last| last.key < state.key);
            if !is_in_order || key_group(state.key) != group {
                return Err(reader.malformed("key out of place").into());
            }
            restored.push(state);
        }
        if !reader.is_at_end() {
            return Err(reader.malformed("bytes after the end").into());
        }
        self.stand_at(snapshot_ns);
        let at_turn = turn(self.watermark_ns.unwrap_or(snapshot_ns).saturating_add(1));
        // What was forgotten between the snapshot and where the table stands must not come back.
        restored.retain(|restored| turn(restored.state.keep_until_ns) >= at_turn);
        for Restored {
            key,
            mut state,
            queue,
            n_orphaned,
        } in restored
        {
            self.counters.orphaned += n_orphaned;
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
        self.cells.group_mut(group).is_changed = false;
        Ok(group)
    }
}
