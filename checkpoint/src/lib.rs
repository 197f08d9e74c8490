//! Durable checkpoints of a live job: the state of the whole job as of one event time, on disk or in an object store.
//!
//! ```text
//!  workers of a process --pieces--> SegmentWriter --segment--> store          every process
//!                                        | SegmentAck (crosses the dataflow)
//!                                        v
//!  coordinator: Vault -> Generation -> commit(parts, acks) --manifest--> store   one process
//!                            |  restore(): newest that is whole   collect(): what nobody needs
//! ```
//!
//! Three types matter. A [`SegmentWriter`] writes what changed since the checkpoint before, in every process. A
//! [`Generation`], which only the coordinator has, makes a checkpoint of all that: it exists from the moment
//! its manifest does, and not before. A [`Vault`] reads: [`Vault::newest`], [`Vault::list`], [`Vault::verify`].
//!
//! What is promised: a checkpoint that was committed is found again, whole, after the death of any process and
//! of the machine; of two coordinators that both think they are the one, only the newer can commit; damage to
//! any object is noticed and costs at most the checkpoints that need it; nothing in a store makes anything
//! here panic. The format and its reasons: `docs/adr/0014-checkpoint-store.md`.
//!
//! ```
//! use std::sync::Arc;
//! use overspill_checkpoint::{
//!     Depth, Layout, ManifestParts, MemoryBlobs, SegmentId, SegmentWriter, Settings, Vault,
//! };
//!
//! # fn main() -> Result<(), overspill_checkpoint::CheckpointError> {
//! let store = Arc::new(MemoryBlobs::new()); // or open_store("/var/lib/overspill/checkpoints")?
//! let vault = Vault::open(store.clone(), Settings::default());
//! let mut generation = vault.begin_generation(0)?;
//! let found = generation.restore(Depth::Whole)?;
//! assert!(found.restored.is_none());
//!
//! let id = SegmentId { generation: generation.number(), as_of_ns: 10, process: 0 };
//! let mut writer = SegmentWriter::new(store, id, None);
//! writer.add(0, 517, b"state of the keys of group 517")?;
//! let ack = writer.finish()?;
//!
//! let parts = ManifestParts {
//!     as_of_ns: 10,
//!     layout: Layout { processes: 1, workers: 2 },
//!     ..ManifestParts::default()
//! };
//! generation.commit(parts, &[ack])?;
//! generation.collect(0)?;
//!
//! let restored = vault.newest(Depth::Whole)?.restored.unwrap();
//! assert_eq!(restored.group(0, 517)?, [b"state of the keys of group 517"]);
//! # Ok(())
//! # }
//! ```

mod blobs;
mod error;
mod generation;
mod look;
mod manifest;
mod restored;
mod segment;
mod states;
mod vault;
mod writer;

pub use blobs::local::LocalBlobs;
pub use blobs::memory::MemoryBlobs;
#[cfg(feature = "object-store")]
pub use blobs::objects::ObjectBlobs;
pub use blobs::{BlobError, Blobs, Fault, Listed, Op, Put, find_store, open_store};
pub use error::{AckError, CheckpointError, Damage};
pub use generation::{Collected, Committed, Generation};
pub use look::{Inspection, Kind, Listing, SegmentShare, Verification};
pub use manifest::{
    Entry, Layout, MANIFEST_BYTES_MAX, Manifest, ManifestError, ManifestParts, Marker, Opaque,
    RestartPoint, RestartPoints, SegmentUse, decode_entry, encode_entry,
};
pub use restored::Restored;
pub use segment::{
    BLOB_NAME_BYTES_MAX, KEY_GROUPS, PIECE_BYTES_MAX, Piece, PieceKey, Place, SegmentError,
    decode_piece, decode_segment,
};
pub use vault::{Depth, Found, Settings, Skipped, Vault};
pub use writer::{Change, SEGMENT_BYTES, SegmentAck, SegmentId, SegmentWriter};
