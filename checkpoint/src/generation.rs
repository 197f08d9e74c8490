//! The right to commit: one coordinator at a time has it.
//!
//! # Why an older generation cannot commit
//!
//! The log is a sequence of objects with numbers, each written with a conditional put: of all that try to write
//! number *n*, one wins, and *n* is taken from then on. A generation begins by winning a number for its marker, the
//! one after the last. A generation only ever tries the number after its own last entry (its marker, or a
//! checkpoint it has won).
//!
//! 1. Let generation G have won its last entry at *h*, and let G' be the next generation to begin. The marker of G'
//!    has number *h + 1*: its writer tried the number after the last entry, and had that been beyond *h + 1*, an entry
//!    *h + 1* would exist that is neither of G (*h* is its last) nor a marker (G' is the next one), which nobody writes.
//! 2. From then on G tries *h + 1* and nothing else, and loses. It learns from the entry there that it has ended. No
//!    clock, no lease and no order of messages is in this argument: it holds however long G is held up between any two steps.
//! 3. So everything after the marker of G' is by G' or later, and everything G committed is before it.
//!    A coordinator first begins a generation and then looks for the newest checkpoint: what it finds is the last
//!    one that can ever be committed before its own.
//!
//! Collection deletes old entries, so *h + 1* could be free again for a G that slept very long. Two things prevent
//! that. Of the markers the newest [`MARKERS_KEPT`] stay, so G would have to sleep through that many generations. And
//! having won a number, a writer lists the log: an entry beyond its own, and the newest ones are always kept,
//! means that it has ended; it answers as if it had lost, and what it wrote is deleted by the next collection, as it lies below
//! everything that is kept.
//!
//! Nobody but collection deletes entries. If somebody does, by hand, the last entry of a generation that runs, that
//! generation ends at its next commit, since its place may have been taken. Whoever deletes a marker by hand lets the manifest of a
//! sleeper come to lie in its place: the sleeper is refused, but what it wrote is in the log until it is collected.
//!
//! A put whose answer is lost may have won. The next try finds its number taken, reads the entry, sees its own generation
//! there, which nobody else writes, and takes it as its own.

mod collect;
mod commit;

use std::collections::{BTreeMap, BTreeSet};

use crate::blobs::Put;
use crate::error::{CheckpointError, Damage};
use crate::manifest::{Entry, Manifest, Marker, encode_entry};
use crate::segment::PieceKey;
use crate::states::States;
use crate::vault::{Depth, Found, Log, Vault, entry_name};

/// How often a generation tries to begin while others do.
const ATTEMPTS: u32 = 16;
/// Markers of generations that are kept, however old.
pub(crate) const MARKERS_KEPT: usize = 64;

/// What was committed.
#[derive(Debug)]
pub struct Committed {
    /// The checkpoint.
    pub manifest: Manifest,
    /// Bytes that putting segments together has rewritten.
    pub n_compacted_bytes: u64,
    /// States in older segments that turned out to be damaged. The checkpoint refers to them, so it is not whole: processes
    /// should write these pieces again with the next one, from memory.
    pub damaged: Vec<(PieceKey, Damage)>,
    /// Why nothing could be put together, if that failed. The checkpoint does not need it.
    pub compaction_error: Option<CheckpointError>,
}

/// What was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Entries of the log.
    pub n_entries: usize,
    /// Segments.
    pub n_segments: usize,
    /// Bytes of these.
    pub n_bytes: u64,
    /// There is more, for the next time.
    pub is_partial: bool,
}

/// The coordinator's side: begins, restores, commits and collects. It is not cloned, and only one thread has it.
#[derive(Debug)]
pub struct Generation {
    vault: Vault,
    number: u64,
    /// The last entry of the log that is of this generation, and its size.
    head: u64,
    head_bytes: u64,
    /// What has ended this generation.
    ended_by: Option<u64>,
    states: States,
    /// Event time of what was restored.
    restored_ns: Option<i64>,
    /// Event time of the last checkpoint of this generation.
    committed_ns: Option<i64>,
    /// As of when each process has acknowledged last.
    acked: BTreeMap<u32, i64>,
    n_compactions: u64,
    /// Segments of checkpoints in the log, by number.
    known: BTreeMap<u64, BTreeSet<String>>,
    /// Entries that are not to be counted among those that are kept.
    damaged: BTreeSet<u64>,
    markers: BTreeSet<u64>,
}

impl Vault {
    /// Begins a generation: from here on no older one can commit. What an older one has committed is there for
    /// [`Generation::restore`].
    ///
    /// # Errors
    /// When the store fails, does not keep its contract, or others begin generations all the time.
    pub fn begin_generation(&self, now_wall_ns: i64) -> Result<Generation, CheckpointError> {
        for _ in 0..ATTEMPTS {
            let last = self.log()?.head();
            let number = after(last)?;
            let marker = Marker {
                generation: number,
                began_wall_ns: now_wall_ns,
            };
            let bytes =
                encode_entry(&Entry::Generation(marker)).map_err(CheckpointError::Unwritable)?;
            let name = entry_name(number);
            if self.store.put_if_absent(&name, &bytes)? == Put::Exists {
                continue;
            }
            // A store that replaces objects would let two generations commit. The bytes are the same, so trying does
            // no harm.
            if self.store.put_if_absent(&name, &bytes)? == Put::Written {
                return Err(CheckpointError::NotConditional {
                    address: self.store.address(),
                });
            }
            // Whether somebody has begun one meanwhile shows when this one commits.
            return Ok(Generation::new(self.clone(), number, bytes.len() as u64));
        }
        Err(CheckpointError::Contended { attempts: ATTEMPTS })
    }
}

fn after(number: u64) -> Result<u64, CheckpointError> {
    number
        .checked_add(1)
        .ok_or(CheckpointError::NoNumber { number })
}

impl Generation {
    fn new(vault: Vault, number: u64, head_bytes: u64) -> Self {
        Self {
            vault,
            number,
            head: number,
            head_bytes,
            ended_by: None,
            states: States::default(),
            restored_ns: None,
            committed_ns: None,
            acked: BTreeMap::new(),
            n_compactions: 0,
            known: BTreeMap::new(),
            damaged: BTreeSet::new(),
            markers: BTreeSet::from([number]),
        }
    }

    /// Its number, which processes put into their [`crate::SegmentId`].
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The number that the next checkpoint will have.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.head.saturating_add(1)
    }

    /// Finds the newest checkpoint that is whole, and goes on from it: what is not written anew is taken over from it. To
    /// be called before the first commit, or not at all if the job starts from nothing.
    ///
    /// # Errors
    /// As [`Vault::newest`].
    pub fn restore(&mut self, depth: Depth) -> Result<Found, CheckpointError> {
        let found = self.vault.newest(depth)?;
        for skipped in &found.skipped {
            self.damaged.insert(skipped.number);
        }
        self.states = States::default();
        self.restored_ns = None;
        if let Some(restored) = &found.restored {
            let manifest = restored.manifest();
            self.states = States::of(manifest);
            self.restored_ns = Some(manifest.parts.as_of_ns);
            self.know(manifest);
        }
        Ok(found)
    }

    fn know(&mut self, manifest: &Manifest) {
        let segments = manifest.segments.iter();
        let names = segments.map(|segment| segment.name.clone()).collect();
        self.known.insert(manifest.number, names);
    }

    fn fenced(&mut self, by: u64) -> CheckpointError {
        self.ended_by = Some(by);
        CheckpointError::Fenced {
            generation: self.number,
            by,
        }
    }

    /// The log, in which this generation's last entry must be as it was, and nothing may be beyond `last`, which
    /// is that entry or one that was just won.
    fn own_log(&mut self, last: u64) -> Result<Log, CheckpointError> {
        let log = self.vault.log()?;
        if let Some((by, _)) = log.entries.range(after(last)?..).next() {
            return Err(self.fenced(*by));
        }
        // Somebody who deletes the last entry frees its number. Whoever won it then has ended this generation.
        if log.entries.get(&self.head) != Some(&self.head_bytes) {
            return Err(self.fenced(self.head));
        }
        Ok(log)
    }
}
