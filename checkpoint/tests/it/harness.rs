//! A job that has nothing but states.

use std::collections::BTreeMap;
use std::sync::Arc;

use overspill_checkpoint::{
    Blobs, CheckpointError, Committed, Found, Generation, Layout, ManifestParts, Opaque, PieceKey,
    RestartPoint, Restored, SegmentAck, SegmentId, SegmentWriter, Settings, Vault,
};

/// All states of a job.
pub(crate) type State = BTreeMap<PieceKey, Vec<u8>>;

pub(crate) fn vault(store: &Arc<dyn Blobs>) -> Vault {
    let settings = Settings {
        retain: 3,
        segments_max: 4,
        compact_bytes_max: 2_000,
    };
    Vault::open(Arc::clone(store), settings)
}

/// What a job of so many processes says of itself.
pub(crate) fn parts(as_of_ns: i64, processes: u32) -> ManifestParts {
    let point = RestartPoint {
        position: Opaque(as_of_ns.to_le_bytes().to_vec()),
        resume_from: as_of_ns.unsigned_abs(),
        clock_max_ns: as_of_ns,
        clock_n_in_tick: 1,
        is_left: false,
    };
    ManifestParts {
        as_of_ns,
        created_wall_ns: as_of_ns,
        layout: Layout {
            processes,
            workers: processes,
        },
        partitions: [("file".to_owned(), [("a.log".to_owned(), point)].into())].into(),
        cursors: [("lapi".to_owned(), serde_json::json!({"seq": as_of_ns}))].into(),
        ..ManifestParts::default()
    }
}

pub(crate) fn writer(
    store: &Arc<dyn Blobs>,
    generation: u64,
    process: u32,
    as_of_ns: i64,
    since_ns: Option<i64>,
) -> SegmentWriter {
    let id = SegmentId {
        generation,
        as_of_ns,
        process,
    };
    SegmentWriter::new(Arc::clone(store), id, since_ns).with_segment_bytes(400)
}

pub(crate) fn add(writer: &mut SegmentWriter, key: &PieceKey, bytes: &[u8]) {
    match key {
        PieceKey::Group { stage, group } => writer.add(*stage, *group, bytes).unwrap(),
        PieceKey::Blob { name } => writer.add_blob(name, bytes).unwrap(),
        PieceKey::Changes { stage, group, .. } => {
            writer.add_changes(*stage, *group, bytes).unwrap();
        }
    }
}

/// One process's acknowledgement of some changes.
pub(crate) fn ack(
    store: &Arc<dyn Blobs>,
    generation: &Generation,
    as_of_ns: i64,
    since_ns: Option<i64>,
    changes: &[(PieceKey, &[u8])],
) -> SegmentAck {
    let mut writer = writer(store, generation.number(), 0, as_of_ns, since_ns);
    for (key, bytes) in changes {
        add(&mut writer, key, bytes);
    }
    writer.finish().unwrap()
}

/// A checkpoint of one process.
pub(crate) fn commit(
    store: &Arc<dyn Blobs>,
    generation: &mut Generation,
    as_of_ns: i64,
    since_ns: Option<i64>,
    changes: &[(PieceKey, &[u8])],
) -> Result<Committed, CheckpointError> {
    let ack = ack(store, generation, as_of_ns, since_ns, changes);
    generation.commit(parts(as_of_ns, 1), &[ack])
}

/// All states of a checkpoint.
pub(crate) fn state(restored: &Restored) -> State {
    let mut state = State::new();
    restored
        .read(
            |_| true,
            |piece| {
                state.insert(piece.key, piece.bytes.to_vec());
                Ok::<_, CheckpointError>(())
            },
        )
        .unwrap();
    state
}

/// Event time of what was found.
pub(crate) fn as_of(found: &Found) -> Option<i64> {
    let restored = found.restored.as_ref()?;
    Some(restored.manifest().parts.as_of_ns)
}
