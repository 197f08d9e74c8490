//! What is deleted, and what is not.

use std::sync::Arc;

use overspill_checkpoint::{Blobs, Depth, Kind, MemoryBlobs, PieceKey};

use super::harness::{commit, state, vault, writer};

fn key(n: u16) -> PieceKey {
    PieceKey::group(0, n)
}

fn names(store: &Arc<dyn Blobs>, folder: &str) -> Vec<String> {
    let listed = store.list(folder).unwrap().into_iter();
    listed.map(|listed| listed.name).collect()
}

#[test]
fn three_checkpoints_and_what_they_need_are_kept() {
    let store: Arc<dyn Blobs> = Arc::new(MemoryBlobs::new());
    let mut generation = vault(&store).begin_generation(0).unwrap();
    let mut since_ns = None;
    for n in 1..=50_i64 {
        let changed = [(key(u16::try_from(n % 7).unwrap()), &[b'x'; 150][..])];
        commit(&store, &mut generation, n, since_ns, &changed).unwrap();
        since_ns = Some(n);
        generation.collect(0).unwrap();
    }
    let checkpoints: Vec<u64> = vault(&store)
        .list()
        .unwrap()
        .into_iter()
        .filter(|listing| {
            matches!(
                listing.kind,
                Kind::Checkpoint {
                    is_listed: true,
                    ..
                }
            )
        })
        .map(|listing| listing.number)
        .collect();
    assert_eq!(checkpoints, [49, 50, 51]);
    for number in checkpoints {
        assert!(vault(&store).verify(number).unwrap().is_whole());
    }
    let n_segments = names(&store, "segments/").len();
    assert!(n_segments <= 12, "{n_segments} segments");
    let found = vault(&store).newest(Depth::Whole).unwrap();
    assert_eq!(state(&found.restored.unwrap()).len(), 7);
}

#[test]
fn foreign_files_segments_on_their_way_and_those_of_newer_generations_stay() {
    let store: Arc<dyn Blobs> = Arc::new(MemoryBlobs::new());
    let mut generation = vault(&store).begin_generation(0).unwrap();
    commit(&store, &mut generation, 10, None, &[(key(1), b"one")]).unwrap();
    let number = generation.number();
    let mut on_its_way = writer(&store, number, 0, 20, Some(10));
    on_its_way.add(0, 2, b"two").unwrap();
    on_its_way.finish().unwrap();
    let mut late = writer(&store, number, 7, 10, None);
    late.add(0, 2, b"of no process").unwrap();
    late.finish().unwrap();
    let mut newer = writer(&store, number + 9, 0, 5, None);
    newer.add(0, 2, b"newer").unwrap();
    newer.finish().unwrap();
    for name in [
        "log/README",
        "segments/notes.txt",
        "segments/00000000000000000001/x",
    ] {
        store.put_if_absent(name, b"mine").unwrap();
    }
    let before = names(&store, "segments/");
    let collected = generation.collect(0).unwrap();
    let gone: Vec<String> = before
        .into_iter()
        .filter(|name| store.get(name).unwrap().is_none())
        .collect();
    assert_eq!(gone, ["segments/00000000000000000001/10-p7-0"]);
    assert_eq!((collected.n_entries, collected.n_segments), (0, 1));
    let found = vault(&store).newest(Depth::Listed).unwrap();
    assert_eq!(found.foreign, ["log/README"]);
}

#[test]
fn without_a_checkpoint_that_can_be_read_nothing_is_deleted() {
    let memory = Arc::new(MemoryBlobs::new());
    let store = Arc::clone(&memory) as Arc<dyn Blobs>;
    let mut older = vault(&store).begin_generation(0).unwrap();
    commit(&store, &mut older, 10, None, &[(key(1), b"one")]).unwrap();
    memory.damage("log/00000000000000000002.manifest", b"x".to_vec());
    let mut newer = vault(&store).begin_generation(0).unwrap();
    let found = newer.restore(Depth::Whole).unwrap();
    assert!(found.restored.is_none());
    let skipped = &found.skipped[0];
    assert_eq!((skipped.number, skipped.as_of_ns), (2, None));
    newer.collect(0).unwrap();
    assert_eq!(names(&store, "segments/").len(), 1);
}

#[test]
fn a_damaged_state_is_reported_when_segments_are_put_together() {
    let memory = Arc::new(MemoryBlobs::new());
    let store = Arc::clone(&memory) as Arc<dyn Blobs>;
    let mut generation = vault(&store).begin_generation(0).unwrap();
    commit(&store, &mut generation, 1, None, &[(key(1), b"one")]).unwrap();
    let name = names(&store, "segments/").remove(0);
    let mut bytes = store.get(&name).unwrap().unwrap();
    bytes[20] ^= 1;
    memory.damage(&name, bytes);
    let mut damaged = Vec::new();
    for n in 2..12 {
        let changed = [(key(u16::try_from(n).unwrap()), &b"more"[..])];
        let committed = commit(&store, &mut generation, n, Some(n - 1), &changed).unwrap();
        damaged.extend(committed.damaged.into_iter().map(|(key, _)| key));
    }
    assert!(damaged.contains(&key(1)), "{damaged:?}");
    let found = vault(&store).newest(Depth::Whole).unwrap();
    assert!(found.restored.is_none());
    assert_eq!(found.skipped.len(), 11);
    assert_eq!(found.skipped[0].as_of_ns, Some(11));
    // Written again from memory, it is whole again.
    commit(&store, &mut generation, 12, Some(11), &[(key(1), b"one")]).unwrap();
    let found = vault(&store).newest(Depth::Whole).unwrap();
    assert_eq!(state(&found.restored.unwrap()).len(), 11);
}

#[test]
fn states_that_rarely_change_are_put_together_within_the_bytes_of_a_commit() {
    let store: Arc<dyn Blobs> = Arc::new(MemoryBlobs::new());
    let mut generation = vault(&store).begin_generation(0).unwrap();
    let mut since_ns = None;
    for n in 1..=200_i64 {
        let changed = [(key(u16::try_from(n).unwrap()), &[b'y'; 40][..])];
        let committed = commit(&store, &mut generation, n, since_ns, &changed).unwrap();
        assert!(committed.n_compacted_bytes < 2_100, "{committed:?}");
        // Sixteen are allowed below the limit of the bytes; 200 pieces of 52 bytes fill five or so.
        let n_segments = committed.manifest.segments.len();
        assert!(n_segments <= 16, "{n_segments} segments at {n}");
        since_ns = Some(n);
    }
    let found = vault(&store).newest(Depth::Whole).unwrap();
    assert_eq!(state(&found.restored.unwrap()).len(), 200);
}
