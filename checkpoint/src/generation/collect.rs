//! Deleting what no checkpoint that is kept needs.
//!
//! What may be deleted is decided by names and references, never by age, for a process that sleeps is not seen from here.
//!
//! - Entries of the log below the oldest checkpoint that is kept, except the newest markers and what may be one. The newest checkpoints
//!   that can be read are kept, [`crate::Settings::retain`] of them; damaged ones do not count.
//! - Segments that neither those refer to, nor the states that were acknowledged since, **and** that nobody may be about
//!   to acknowledge: those of older generations, whose acknowledgements are not taken any more, and those of this
//!   generation as of its last checkpoint or before. What a process of an older generation still writes afterwards
//!   is deleted the next time.
//! - Never anything of a newer generation, and nothing that is not named as ours. A generation that has ended deletes nothing:
//!   it looks before it begins. One that ends while it deletes goes on with the list it has made. That
//!   list keeps all segments of its newest checkpoints, and its successor goes on from one of these, unless all
//!   of them were damaged and a still older one, just being deleted, was taken. Then restoring finds segments missing, and says so.

use std::collections::BTreeSet;

use super::{Collected, Generation, MARKERS_KEPT};
use crate::error::CheckpointError;
use crate::manifest::Entry;
use crate::vault::{Log, entry_name};
use crate::writer::{FOLDER, parse_name};

/// Most objects deleted at once, so that a commit does not wait long.
const DELETED_MAX: usize = 1_000;
/// Age in nanoseconds from which on something half written is nobody's: an hour.
const HALF_WRITTEN_NS: i64 = 3_600_000_000_000;

impl Generation {
    /// Deletes what no checkpoint that is kept needs; to be called after a commit. `now_wall_ns` is the time of day, by which
    /// files that a dead process has left half written are told.
    ///
    /// # Errors
    /// When the store fails, or a newer generation has begun. What was not deleted is deleted the next time.
    pub fn collect(&mut self, now_wall_ns: i64) -> Result<Collected, CheckpointError> {
        if let Some(by) = self.ended_by {
            return Err(self.fenced(by));
        }
        let log = self.own_log(self.head)?;
        self.learn(&log)?;
        let mut collected = Collected::default();
        let kept: BTreeSet<u64> = self
            .known
            .keys()
            .rev()
            .filter(|number| !self.damaged.contains(number))
            .take(self.vault.settings.retain.max(1))
            .copied()
            .collect();
        // Without a checkpoint that can be read, everything is left for somebody to look at.
        let Some(oldest) = kept.first().copied() else {
            return Ok(collected);
        };
        // One that cannot be read may be a marker, whose place must not become free.
        let markers: BTreeSet<u64> = self.markers.union(&self.damaged).copied().collect();
        let markers_kept: BTreeSet<u64> = markers.into_iter().rev().take(MARKERS_KEPT).collect();
        for number in log.entries.range(..oldest).map(|(number, _)| *number) {
            if markers_kept.contains(&number) {
                continue;
            }
            if collected.n_entries >= DELETED_MAX {
                collected.is_partial = true;
                break;
            }
            self.vault.store.delete(&entry_name(number))?;
            collected.n_entries += 1;
            self.known.remove(&number);
        }
        self.collect_segments(&mut collected)?;
        self.vault
            .store
            .sweep(now_wall_ns.saturating_sub(HALF_WRITTEN_NS))?;
        Ok(collected)
    }

    /// Forgets the entries that are gone, and reads those that are not known yet.
    fn learn(&mut self, log: &Log) -> Result<(), CheckpointError> {
        let is_there = |number: &u64| log.entries.contains_key(number);
        self.known.retain(|number, _| is_there(number));
        self.markers.retain(is_there);
        self.damaged.retain(is_there);
        for number in log.entries.keys().copied() {
            let is_known = self.known.contains_key(&number)
                || self.markers.contains(&number)
                || self.damaged.contains(&number);
            if is_known {
                continue;
            }
            match self.vault.entry(number)? {
                Ok(Entry::Checkpoint(manifest)) => self.know(&manifest),
                Ok(Entry::Generation(_)) => {
                    self.markers.insert(number);
                }
                Err(_) => {
                    self.damaged.insert(number);
                }
            }
        }
        Ok(())
    }

    fn collect_segments(&mut self, collected: &mut Collected) -> Result<(), CheckpointError> {
        // Of all checkpoints that are still there, also those that would not be kept.
        let mut needed: BTreeSet<String> = self.known.values().flatten().cloned().collect();
        let acknowledged = self.states.segments();
        needed.extend(acknowledged.into_iter().map(|segment| segment.name));
        for listed in self.vault.store.list(FOLDER)? {
            let Some((generation, as_of_ns)) = parse_name(&listed.name) else {
                continue;
            };
            let is_over = generation < self.number
                || (generation == self.number
                    && self.committed_ns.is_some_and(|last_ns| as_of_ns <= last_ns));
            if !is_over || needed.contains(&listed.name) {
                continue;
            }
            if collected.n_segments >= DELETED_MAX {
                collected.is_partial = true;
                break;
            }
            self.vault.store.delete(&listed.name)?;
            collected.n_segments += 1;
            collected.n_bytes += listed.bytes;
        }
        Ok(())
    }
}
