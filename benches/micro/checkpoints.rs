//! A checkpoint of a million buckets in a directory: written, committed, restored.
//!
//! Set `OVERSPILL_BENCH_DIR` to measure another disk than that of the temporary files.
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark stops when its input is wrong"
)]

use std::path::PathBuf;
use std::sync::Arc;

use divan::{Bencher, counter::BytesCount};
use overspill_checkpoint::{
    Blobs, CheckpointError, Depth, Generation, Layout, LocalBlobs, ManifestParts, SegmentId,
    SegmentWriter, Settings, Vault,
};
use tempfile::TempDir;

fn main() {
    divan::main();
}

const GROUPS: u16 = 1_024;
/// Buckets of a group.
const BUCKETS: usize = 1_000;
/// Bytes of the state of a bucket.
const BUCKET_BYTES: usize = 120;

/// A store, its coordinator and the states of the groups.
struct World {
    _dir: TempDir,
    store: Arc<dyn Blobs>,
    vault: Vault,
    generation: Generation,
    as_of_ns: i64,
    states: Vec<Vec<u8>>,
}

impl World {
    fn new() -> Self {
        let parent = std::env::var_os("OVERSPILL_BENCH_DIR").map(PathBuf::from);
        let dir = tempfile::tempdir_in(parent.unwrap_or_else(std::env::temp_dir)).unwrap();
        let store: Arc<dyn Blobs> = Arc::new(LocalBlobs::open(dir.path()).unwrap());
        let vault = Vault::open(Arc::clone(&store), Settings::default());
        let generation = vault.begin_generation(0).unwrap();
        // Bytes that no file system can make smaller.
        let mut number = 1_u64;
        let mut word = || {
            number ^= number << 13;
            number ^= number >> 7;
            number ^= number << 17;
            number.to_le_bytes()
        };
        let states = (0..GROUPS)
            .map(|_| {
                (0..BUCKETS * BUCKET_BYTES / 8)
                    .flat_map(|_| word())
                    .collect()
            })
            .collect();
        Self {
            _dir: dir,
            store,
            vault,
            generation,
            as_of_ns: 0,
            states,
        }
    }

    /// A checkpoint in which every `step`-th group has changed.
    fn checkpoint(&mut self, step: usize) {
        let since_ns = Some(self.as_of_ns).filter(|ns| *ns > 0);
        self.as_of_ns += 10;
        let id = SegmentId {
            generation: self.generation.number(),
            as_of_ns: self.as_of_ns,
            process: 0,
        };
        let mut writer = SegmentWriter::new(Arc::clone(&self.store), id, since_ns);
        for (group, state) in (0..GROUPS).zip(&self.states).step_by(step) {
            writer.add(0, group, state).unwrap();
        }
        let parts = ManifestParts {
            as_of_ns: self.as_of_ns,
            layout: Layout {
                processes: 1,
                workers: 1,
            },
            ..ManifestParts::default()
        };
        let ack = writer.finish().unwrap();
        self.generation.commit(parts, &[ack]).unwrap();
        self.generation.collect(0).unwrap();
    }

    fn n_bytes(&self, step: usize) -> BytesCount {
        let states = self.states.iter().step_by(step);
        BytesCount::new(states.map(Vec::len).sum::<usize>())
    }
}

/// Segments, manifest, and what is deleted afterwards, of a checkpoint in which so many groups have changed.
#[divan::bench(args = [1, 10, 100], sample_count = 10, sample_size = 1)]
fn write_every_nth_group(bencher: Bencher<'_, '_>, step: usize) {
    let mut world = World::new();
    world.checkpoint(1);
    bencher
        .counter(world.n_bytes(step))
        .bench_local(|| world.checkpoint(step));
}

/// The newest checkpoint found, all of it read and compared, and then read again by who restores it.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn restore(bencher: Bencher<'_, '_>) {
    let mut world = World::new();
    world.checkpoint(1);
    for _ in 0..10 {
        world.checkpoint(7);
    }
    bencher.counter(world.n_bytes(1)).bench_local(|| {
        let restored = world.vault.newest(Depth::Whole).unwrap().restored.unwrap();
        let mut n_bytes = 0;
        restored
            .read(
                |_| true,
                |piece| {
                    n_bytes += piece.bytes.len();
                    Ok::<_, CheckpointError>(())
                },
            )
            .unwrap();
        n_bytes
    });
}
