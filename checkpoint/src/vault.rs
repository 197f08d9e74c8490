//! The log of checkpoints and generations, and how the newest checkpoint is found.
//!
//! ```text
//!  log/..01   log/..02   log/..03   log/..04   log/..05          numbers without gaps, except below
//!  marker     manifest   manifest   marker     manifest
//!  gen. 1     gen. 1     gen. 1     gen. 4     gen. 4            a generation's number is its marker's
//! ```
//!
//! All are objects that are put only if absent, so a number is won by one writer for ever. See [`crate::Generation`]
//! for why that fences an older generation off.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::blobs::Blobs;
use crate::error::{CheckpointError, Damage};
use crate::manifest::{
    Entry, MANIFEST_BYTES_MAX, Manifest, ManifestError, ManifestParts, decode_entry,
};
use crate::restored::Restored;

/// Folder of the log.
pub(crate) const LOG: &str = "log/";
const LOG_SUFFIX: &str = ".manifest";

/// What may be chosen.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How many checkpoints are kept. Older ones are what damage falls back to; each keeps the segments it needs.
    pub retain: usize,
    /// Small segments that a checkpoint may refer to before the smallest ones are put together; at least four times the
    /// number of processes whatever this says.
    pub segments_max: usize,
    /// Most bytes that one commit rewrites.
    pub compact_bytes_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retain: 3,
            segments_max: 16,
            compact_bytes_max: crate::writer::SEGMENT_BYTES as u64,
        }
    }
}

/// How much of a checkpoint is looked at before it is called whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The manifest is read, and its segments are there in their full size.
    Listed,
    /// All states are read and their checksums compared: as many bytes as restoring reads.
    Whole,
}

/// A checkpoint that could not be used, and what that costs.
#[derive(Debug)]
pub struct Skipped {
    /// Its number, or that of an entry of which nothing is known.
    pub number: u64,
    /// What is wrong.
    pub damage: Damage,
    /// Its event time, if its manifest can be read: what lies between this and the one that was found is read again.
    pub as_of_ns: Option<i64>,
    /// When it was made, if that can be read.
    pub created_wall_ns: Option<i64>,
}

/// What was found when the newest checkpoint was looked for.
#[derive(Debug, Default)]
pub struct Found {
    /// The newest one that is whole.
    pub restored: Option<Restored>,
    /// Those after it that are not: states that are lost. If nothing was found, and this is not empty, a start
    /// without a checkpoint forgets what was known.
    pub skipped: Vec<Skipped>,
    /// Objects in the log's folder that are none of ours. They are left alone.
    pub foreign: Vec<String>,
}

/// A store of checkpoints.
#[derive(Debug, Clone)]
pub struct Vault {
    pub(crate) store: Arc<dyn Blobs>,
    pub(crate) settings: Settings,
}

/// The entries of the log by number, with their sizes; and what else is there.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) entries: BTreeMap<u64, u64>,
    pub(crate) foreign: Vec<String>,
}

impl Log {
    pub(crate) fn head(&self) -> u64 {
        self.entries.keys().next_back().copied().unwrap_or(0)
    }
}

pub(crate) fn entry_name(number: u64) -> String {
    format!("{LOG}{number:020}{LOG_SUFFIX}")
}

fn entry_number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(LOG)?.strip_suffix(LOG_SUFFIX)?;
    let number = digits.parse().ok()?;
    (number > 0 && entry_name(number) == name).then_some(number)
}

impl Vault {
    /// The checkpoints in a store. Nothing is read or written yet.
    #[must_use]
    pub fn open(store: Arc<dyn Blobs>, settings: Settings) -> Self {
        Self { store, settings }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Blobs> {
        &self.store
    }

    pub(crate) fn log(&self) -> Result<Log, CheckpointError> {
        let mut log = Log::default();
        for listed in self.store.list(LOG)? {
            match entry_number(&listed.name) {
                Some(number) => {
                    log.entries.insert(number, listed.bytes);
                }
                None => log.foreign.push(listed.name),
            }
        }
        Ok(log)
    }

    /// An entry of the log; damage is an answer, and a failure of the store is not.
    pub(crate) fn entry(&self, number: u64) -> Result<Result<Entry, Damage>, CheckpointError> {
        let name = entry_name(number);
        // One byte more than there may be, so that what is too large is known as such.
        let bytes = self
            .store
            .get_range(&name, 0, MANIFEST_BYTES_MAX as u64 + 1)?;
        let Some(bytes) = bytes else {
            return Ok(Err(Damage::Missing { name }));
        };
        let is_right = |entry: &Entry| match entry {
            Entry::Checkpoint(manifest) => manifest.number == number,
            Entry::Generation(marker) => marker.generation == number,
        };
        match decode_entry(&bytes) {
            Ok(entry) if is_right(&entry) => Ok(Ok(entry)),
            Ok(_) => {
                let source = ManifestError::Contradiction {
                    what: "an entry of another number",
                    place: name.clone(),
                };
                Ok(Err(Damage::Entry { name, source }))
            }
            Err(ManifestError::Version(version)) => Err(CheckpointError::Version { name, version }),
            Err(source) => Ok(Err(Damage::Entry { name, source })),
        }
    }

    /// The newest checkpoint that is whole, and what was passed over on the way to it.
    ///
    /// # Errors
    /// When the store fails, or a later build has written the log: neither is a reason to take an older one.
    pub fn newest(&self, depth: Depth) -> Result<Found, CheckpointError> {
        let log = self.log()?;
        let mut found = Found {
            foreign: log.foreign,
            ..Found::default()
        };
        for number in log.entries.keys().rev().copied() {
            let (damage, parts) = match self.entry(number)? {
                Ok(Entry::Generation(_)) => continue,
                Ok(Entry::Checkpoint(manifest)) => {
                    let restored = Restored::new(Arc::clone(&self.store), manifest);
                    match restored.check(depth)? {
                        None => {
                            found.restored = Some(restored);
                            return Ok(found);
                        }
                        Some(damage) => (damage, Some(restored.into_parts())),
                    }
                }
                Err(damage) => (damage, None),
            };
            let of = |part: fn(&ManifestParts) -> i64| parts.as_ref().map(part);
            found.skipped.push(Skipped {
                number,
                damage,
                as_of_ns: of(|parts| parts.as_of_ns),
                created_wall_ns: of(|parts| parts.created_wall_ns),
            });
        }
        Ok(found)
    }

    /// The checkpoint of a number, which the coordinator has named to the other processes.
    ///
    /// # Errors
    /// When the store fails, there is none of this number, or its manifest is damaged.
    pub fn load(&self, number: u64) -> Result<Restored, CheckpointError> {
        Ok(Restored::new(
            Arc::clone(&self.store),
            self.manifest(number)?,
        ))
    }

    /// Whether a generation has begun in this store: a process that was told of it by its coordinator, and does not find
    /// it, looks at another store.
    ///
    /// # Errors
    /// When the store fails.
    pub fn has_begun(&self, generation: u64) -> Result<bool, CheckpointError> {
        Ok(matches!(self.entry(generation)?, Ok(Entry::Generation(_))))
    }

    pub(crate) fn manifest(&self, number: u64) -> Result<Manifest, CheckpointError> {
        match self.entry(number)? {
            Ok(Entry::Checkpoint(manifest)) => Ok(manifest),
            Ok(Entry::Generation(_)) | Err(Damage::Missing { .. }) => {
                Err(CheckpointError::NoSuchCheckpoint { number })
            }
            Err(damage) => Err(damage.into()),
        }
    }
}
