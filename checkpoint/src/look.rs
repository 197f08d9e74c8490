//! Looking at a store without changing it: what is there, what is in it, whether it is whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use crate::error::{CheckpointError, Damage};
use crate::manifest::{Entry, Manifest};
use crate::restored::{Restored, read_pieces};
use crate::vault::{Depth, Vault};
use crate::writer::FOLDER;

/// What an entry of the log is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Kind {
    /// A checkpoint.
    Checkpoint {
        /// The generation that made it.
        generation: u64,
        /// Event time as of which it is.
        as_of_ns: i64,
        /// Wall time at which it was made.
        created_wall_ns: i64,
        /// Segments it refers to.
        n_segments: usize,
        /// Bytes of its states.
        live_bytes: u64,
        /// All its segments are there, in their full size.
        is_listed: bool,
    },
    /// The beginning of a generation.
    Generation {
        /// Wall time at which it began.
        began_wall_ns: i64,
    },
    /// It cannot be read.
    Damaged {
        /// Why.
        reason: String,
    },
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// Its number.
    pub number: u64,
    /// Its size.
    pub bytes: u64,
    /// What it is.
    #[serde(flatten)]
    pub kind: Kind,
}

/// How much of a segment a checkpoint needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SegmentShare {
    /// The object.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Bytes that are needed.
    pub live_bytes: u64,
    /// States that are needed.
    pub n_pieces: usize,
}

/// What is in a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// All of it.
    pub manifest: Manifest,
    /// Its segments.
    pub segments: Vec<SegmentShare>,
    /// Segments in the store that it does not refer to, with their sizes: those of other checkpoints, or of none.
    pub other_segments: Vec<(String, u64)>,
}

/// Whether a checkpoint is whole.
#[derive(Debug)]
pub struct Verification {
    /// Its number.
    pub number: u64,
    /// States that were read.
    pub n_pieces: usize,
    /// Bytes of these.
    pub n_bytes: u64,
    /// Everything that is wrong.
    pub damages: Vec<Damage>,
}

impl Verification {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.damages.is_empty()
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl Vault {
    /// All entries of the log, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn list(&self) -> Result<Vec<Listing>, CheckpointError> {
        let mut listings = Vec::new();
        for (number, bytes) in self.log()?.entries {
            let kind = match self.entry(number) {
                Ok(Ok(Entry::Checkpoint(manifest))) => self.summary(manifest)?,
                Ok(Ok(Entry::Generation(marker))) => Kind::Generation {
                    began_wall_ns: marker.began_wall_ns,
                },
                Ok(Err(damage)) => Kind::Damaged {
                    reason: chain(&damage),
                },
                Err(error @ CheckpointError::Version { .. }) => Kind::Damaged {
                    reason: chain(&error),
                },
                Err(error) => return Err(error),
            };
            listings.push(Listing {
                number,
                bytes,
                kind,
            });
        }
        Ok(listings)
    }

    fn summary(&self, manifest: Manifest) -> Result<Kind, CheckpointError> {
        let (generation, as_of_ns) = (manifest.generation, manifest.parts.as_of_ns);
        let created_wall_ns = manifest.parts.created_wall_ns;
        let (n_segments, live_bytes) = (manifest.segments.len(), manifest.live_bytes());
        let restored = Restored::new(Arc::clone(&self.store), manifest);
        Ok(Kind::Checkpoint {
            generation,
            as_of_ns,
            created_wall_ns,
            n_segments,
            live_bytes,
            is_listed: restored.check(Depth::Listed)?.is_none(),
        })
    }

    /// What is in a checkpoint.
    ///
    /// # Errors
    /// When the store fails, there is no such checkpoint, or its manifest is damaged.
    pub fn inspect(&self, number: u64) -> Result<Inspection, CheckpointError> {
        let manifest = self.manifest(number)?;
        let shares = manifest.segments.iter().map(|segment| SegmentShare {
            name: segment.name.clone(),
            bytes: segment.bytes,
            live_bytes: segment.live_bytes(),
            n_pieces: segment.pieces.len(),
        });
        let segments: Vec<SegmentShare> = shares.collect();
        let used: BTreeSet<&str> = segments.iter().map(|share| share.name.as_str()).collect();
        let listed = self.store.list(FOLDER)?.into_iter();
        let other_segments = listed
            .filter(|listed| !used.contains(listed.name.as_str()))
            .map(|listed| (listed.name, listed.bytes))
            .collect();
        Ok(Inspection {
            manifest,
            segments,
            other_segments,
        })
    }

    /// Reads all states of a checkpoint and says everything that is wrong.
    ///
    /// # Errors
    /// When the store fails, there is no such checkpoint, or its manifest is damaged.
    pub fn verify(&self, number: u64) -> Result<Verification, CheckpointError> {
        let manifest = self.manifest(number)?;
        let mut verification = Verification {
            number,
            n_pieces: 0,
            n_bytes: 0,
            damages: Vec::new(),
        };
        for segment in &manifest.segments {
            let pieces: Vec<_> = segment.pieces.iter().collect();
            read_pieces(&*self.store, &segment.name, &pieces, |_, piece| {
                match piece {
                    Ok(piece) => {
                        verification.n_pieces += 1;
                        verification.n_bytes += piece.bytes.len() as u64;
                    }
                    Err(damage) => verification.damages.push(damage),
                }
                Ok::<_, CheckpointError>(())
            })?;
        }
        Ok(verification)
    }
}
