//! What can go wrong, and whose fault it is.

use crate::blobs::BlobError;
use crate::manifest::ManifestError;
use crate::segment::{PieceKey, SegmentError};

/// Something in a store that is not as it was written. Trying again does not help; an older checkpoint may.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// An entry of the log cannot be read.
    #[error("{name} is damaged")]
    Entry {
        /// The object.
        name: String,
        /// How.
        #[source]
        source: ManifestError,
    },
    /// An object is not there.
    #[error("{name} is missing")]
    Missing {
        /// The object.
        name: String,
    },
    /// A piece cannot be read.
    #[error("{key} in {name} is damaged")]
    Piece {
        /// The object.
        name: String,
        /// What it holds there.
        key: PieceKey,
        /// How.
        #[source]
        source: SegmentError,
    },
}

/// An acknowledgement that does not belong to the checkpoint that is committed. The job is in error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// Written by a process of another generation.
    #[error("process {process} wrote for generation {of}, not {generation}")]
    Generation {
        /// Which process.
        process: u32,
        /// What it wrote for.
        of: u64,
        /// This one.
        generation: u64,
    },
    /// Written for another moment.
    #[error("process {process} wrote as of {of_ns}, not {as_of_ns}")]
    AsOf {
        /// Which process.
        process: u32,
        /// What it wrote for.
        of_ns: i64,
        /// The checkpoint's.
        as_of_ns: i64,
    },
    /// Between what the process wrote before and this, something is missing.
    #[error(
        "process {process} wrote what changed since {since_ns:?}, but wrote last as of {last_ns:?}"
    )]
    Gap {
        /// Which process.
        process: u32,
        /// What its changes are changes to.
        since_ns: Option<i64>,
        /// What is here of it.
        last_ns: Option<i64>,
    },
    /// A process has not written, or twice, or is none of the job.
    #[error("process {process} of {processes} wrote {times} times")]
    Processes {
        /// Which process.
        process: u32,
        /// How many there are.
        processes: u32,
        /// How often it is among the acknowledgements.
        times: usize,
    },
    /// A checkpoint as of a moment that is not after the last one.
    #[error("a checkpoint as of {as_of_ns} after one as of {last_ns}")]
    Backwards {
        /// The new one's.
        as_of_ns: i64,
        /// The last one's.
        last_ns: i64,
    },
}

/// Why a checkpoint was not written or not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The store failed. What was being written may be there; doing the same again finds out.
    #[error(transparent)]
    Store(#[from] BlobError),
    /// The store does not keep its contract.
    #[error("the store at {address} replaces objects that it was told not to replace")]
    NotConditional {
        /// The store.
        address: String,
    },
    /// A newer generation has begun, so this one must end.
    #[error("generation {generation} was ended by entry {by} of the log")]
    Fenced {
        /// This generation.
        generation: u64,
        /// What came after it.
        by: u64,
    },
    /// Others began generations all the time.
    #[error("no generation could begin: {attempts} others did meanwhile")]
    Contended {
        /// How often it was tried.
        attempts: u32,
    },
    /// Numbers of the log are used up, by a foreign file most likely.
    #[error("no entry can follow entry {number}")]
    NoNumber {
        /// The last one.
        number: u64,
    },
    /// An object in the store is not as it was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A later build has written the newest checkpoint.
    #[error("{name} is of version {version}, and this build knows 1")]
    Version {
        /// The entry.
        name: String,
        /// Its version.
        version: u32,
    },
    /// There is no checkpoint of this number.
    #[error("there is no checkpoint {number}")]
    NoSuchCheckpoint {
        /// What was asked for.
        number: u64,
    },
    /// An acknowledgement does not fit.
    #[error(transparent)]
    Ack(#[from] AckError),
    /// A piece that cannot be written.
    #[error("{key}: {what}")]
    Piece {
        /// Which.
        key: PieceKey,
        /// Why.
        what: &'static str,
    },
    /// A segment of this name has other bytes: the same process wrote twice for one moment.
    #[error("{name} was written already, with other content")]
    Taken {
        /// The object.
        name: String,
    },
    /// A manifest that could not be read back, so it was not written.
    #[error("the manifest cannot be written")]
    Unwritable(#[source] ManifestError),
}

impl CheckpointError {
    /// Whether doing the same later may succeed. If not, either the job must end ([`CheckpointError::Fenced`]) or
    /// somebody has to change something.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Store(error) => error.may_pass(),
            Self::Contended { .. } => true,
            _ => false,
        }
    }
}
