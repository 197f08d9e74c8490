//! Of two coordinators that both think they are the one, only the newer can commit.

use std::sync::{Arc, Mutex};

use overspill_checkpoint::{
    AckError, BlobError, Blobs, CheckpointError, Depth, Entry, Kind, Listed, MemoryBlobs, PieceKey,
    Put, Vault, decode_entry,
};

use super::faults::FaultyBlobs;
use super::harness::{ack, as_of, commit, parts, vault};

const KEY: PieceKey = PieceKey::group(0, 1);

fn is_fenced<T>(result: &Result<T, CheckpointError>) -> bool {
    matches!(result, Err(CheckpointError::Fenced { .. }))
}

/// A commit of the older generation, before whose n-th operation a newer one begins and restores. Answers whether
/// there is such an operation.
fn begins_before(n: usize) -> bool {
    let faulty = FaultyBlobs::new();
    let (store, sound) = (Arc::clone(&faulty) as Arc<dyn Blobs>, faulty.sound());
    let mut older = vault(&store).begin_generation(0).unwrap();
    commit(&store, &mut older, 10, None, &[(KEY, b"ten")]).unwrap();
    let acknowledged = ack(&store, &older, 20, Some(10), &[(KEY, b"twenty")]);
    let newer = Arc::new(Mutex::new(None));
    let (slot, other) = (Arc::clone(&newer), Arc::clone(&sound));
    let begin = move || {
        let mut newer = vault(&other).begin_generation(0).unwrap();
        let found = newer.restore(Depth::Whole).unwrap();
        *slot.lock().unwrap() = Some((newer, as_of(&found).unwrap()));
    };
    faulty.before(n, Box::new(begin));
    let committed = older.commit(parts(20, 1), &[acknowledged]);
    let n_operations = faulty.n_done();
    let Some((mut newer, restored)) = newer.lock().unwrap().take() else {
        assert!(committed.is_ok());
        return false;
    };
    match committed {
        // It was committed before the other began, so the other goes on from it.
        Ok(_) => assert_eq!(restored, 20, "before operation {n}"),
        Err(error) => {
            let error = Err::<(), _>(error);
            assert!(is_fenced(&error), "before operation {n}: {error:?}");
        }
    }
    // Whatever it was told, it never commits again.
    let again = commit(&store, &mut older, 30, Some(20), &[(KEY, b"thirty")]);
    assert!(is_fenced(&again), "before operation {n} of {n_operations}");
    assert!(is_fenced(&older.collect(0)));
    commit(
        &sound,
        &mut newer,
        40,
        Some(restored),
        &[(PieceKey::group(0, 2), b"forty")],
    )
    .unwrap();
    let found = vault(&sound).newest(Depth::Whole).unwrap();
    assert_eq!(as_of(&found), Some(40));
    let expected: &[u8] = if restored == 20 { b"twenty" } else { b"ten" };
    let restored = found.restored.unwrap();
    assert_eq!(restored.group(0, 1).unwrap(), [expected]);
    n < n_operations
}

#[test]
fn a_generation_that_begins_at_any_step_of_a_commit_ends_the_older_one() {
    let n_steps = (0..).take_while(|n| begins_before(*n)).count();
    assert!(n_steps >= 2, "{n_steps} steps");
}

/// Every manifest is of the generation whose marker is the last one before it.
fn assert_in_order(store: &dyn Blobs) -> usize {
    let (mut generation, mut n_manifests) = (0, 0);
    for listed in store.list("log/").unwrap() {
        match decode_entry(&store.get(&listed.name).unwrap().unwrap()).unwrap() {
            Entry::Generation(marker) => generation = marker.generation,
            Entry::Checkpoint(manifest) => {
                assert_eq!(manifest.generation, generation, "{}", listed.name);
                n_manifests += 1;
            }
        }
    }
    n_manifests
}

#[test]
fn threads_that_all_begin_and_commit_leave_a_log_in_order() {
    let store: Arc<dyn Blobs> = Arc::new(MemoryBlobs::new());
    std::thread::scope(|scope| {
        for thread in 0..4_i64 {
            let store = Arc::clone(&store);
            scope.spawn(move || {
                for round in 0..20_i64 {
                    let Ok(mut generation) = vault(&store).begin_generation(0) else {
                        continue;
                    };
                    let mut since_ns = as_of(&generation.restore(Depth::Whole).unwrap());
                    loop {
                        let as_of_ns = since_ns.unwrap_or(0) + 1;
                        let committed =
                            commit(&store, &mut generation, as_of_ns, since_ns, &[(KEY, b"x")]);
                        if is_fenced(&committed) || as_of_ns % 7 == thread + round % 3 {
                            break;
                        }
                        since_ns = Some(as_of_ns);
                        committed.unwrap();
                    }
                }
            });
        }
    });
    let n_manifests = assert_in_order(&*store);
    assert!(n_manifests > 20, "{n_manifests} manifests");
}

#[test]
fn a_sleeper_whose_place_became_free_again_is_refused() {
    let store: Arc<dyn Blobs> = Arc::new(MemoryBlobs::new());
    let mut sleeper = vault(&store).begin_generation(0).unwrap();
    let next = sleeper.next_number();
    let mut last = None;
    let mut since_ns = None;
    for n in 1..80 {
        let mut generation = vault(&store).begin_generation(0).unwrap();
        generation.restore(Depth::Whole).unwrap();
        commit(&store, &mut generation, n, since_ns, &[(KEY, b"x")]).unwrap();
        since_ns = Some(n);
        generation.collect(0).unwrap();
        last = Some(generation);
    }
    let name = |number: u64| format!("log/{number:020}.manifest");
    assert_eq!(store.get(&name(next)).unwrap(), None, "its place is free");
    let committed = commit(&store, &mut sleeper, 500, None, &[(KEY, b"old")]);
    assert!(is_fenced(&committed));
    let found = vault(&store).newest(Depth::Whole).unwrap();
    assert_eq!(as_of(&found), Some(79));
    let mut generation = last.unwrap();
    commit(&store, &mut generation, 600, since_ns, &[]).unwrap();
    generation.collect(0).unwrap();
    assert_eq!(store.get(&name(next)).unwrap(), None, "what it wrote");
}

/// Found by the model test: a damaged marker was deleted, and a sleeper's manifest came to lie in its place.
#[test]
fn the_place_of_a_damaged_marker_does_not_become_free() {
    let memory = Arc::new(MemoryBlobs::new());
    let store = Arc::clone(&memory) as Arc<dyn Blobs>;
    let mut sleeper = vault(&store).begin_generation(0).unwrap();
    vault(&store).begin_generation(0).unwrap();
    memory.damage("log/00000000000000000002.manifest", b"x".to_vec());
    let mut newer = vault(&store).begin_generation(0).unwrap();
    commit(&store, &mut newer, 10, None, &[(KEY, b"x")]).unwrap();
    assert_eq!(newer.collect(0).unwrap().n_entries, 0);
    assert!(is_fenced(&commit(&store, &mut sleeper, 20, None, &[])));
    let listings = vault(&store).list().unwrap();
    assert!(matches!(listings[1].kind, Kind::Damaged { .. }));
}

#[test]
fn a_generation_whose_last_entry_is_gone_ends() {
    let store: Arc<dyn Blobs> = Arc::new(MemoryBlobs::new());
    let mut older = vault(&store).begin_generation(0).unwrap();
    let committed = commit(&store, &mut older, 10, None, &[(KEY, b"x")]).unwrap();
    let number = committed.manifest.number;
    store.delete(&format!("log/{number:020}.manifest")).unwrap();
    let mut newer = vault(&store).begin_generation(0).unwrap();
    assert_eq!(newer.number(), number);
    assert!(is_fenced(&commit(&store, &mut older, 20, Some(10), &[])));
    assert!(is_fenced(&commit(&store, &mut newer, 30, None, &[])));
    // Since the older one took a place before it knew; the next one begins in order.
    let mut next = vault(&store).begin_generation(0).unwrap();
    commit(&store, &mut next, 40, None, &[(KEY, b"y")]).unwrap();
}

/// A store that answers as if it knew nothing of conditions.
#[derive(Debug)]
struct Replacing(MemoryBlobs);

impl Blobs for Replacing {
    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<Put, BlobError> {
        self.0.damage(name, bytes.to_vec());
        Ok(Put::Written)
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, BlobError> {
        self.0.get(name)
    }

    fn get_range(&self, name: &str, from: u64, n: u64) -> Result<Option<Vec<u8>>, BlobError> {
        self.0.get_range(name, from, n)
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, BlobError> {
        self.0.list(folder)
    }

    fn delete(&self, name: &str) -> Result<(), BlobError> {
        self.0.delete(name)
    }

    fn address(&self) -> String {
        "s3://old".to_owned()
    }
}

#[test]
fn a_store_that_replaces_objects_is_refused() {
    let store = Arc::new(Replacing(MemoryBlobs::new()));
    let vault = Vault::open(store, overspill_checkpoint::Settings::default());
    let error = vault.begin_generation(0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the store at s3://old replaces objects that it was told not to replace"
    );
}

#[test]
fn acknowledgements_that_do_not_fit_are_refused() {
    let store: Arc<dyn Blobs> = Arc::new(MemoryBlobs::new());
    let mut generation = vault(&store).begin_generation(0).unwrap();
    let first = ack(&store, &generation, 10, None, &[(KEY, b"x")]);
    let mut refused = |as_of_ns, processes, acks: &[_]| match generation
        .commit(parts(as_of_ns, processes), acks)
    {
        Err(CheckpointError::Ack(error)) => error,
        other => panic!("{other:?}"),
    };
    let is_count = |error| matches!(error, AckError::Processes { .. });
    assert!(is_count(refused(10, 2, std::slice::from_ref(&first))));
    assert!(is_count(refused(10, 1, &[first.clone(), first.clone()])));
    assert!(is_count(refused(10, 0, std::slice::from_ref(&first))));
    assert!(matches!(
        refused(11, 1, std::slice::from_ref(&first)),
        AckError::AsOf { .. }
    ));
    let mut other = first.clone();
    other.id.generation += 1;
    assert!(matches!(
        refused(10, 1, &[other]),
        AckError::Generation { .. }
    ));
    let mut gap = first.clone();
    gap.since_ns = Some(5);
    assert!(matches!(refused(10, 1, &[gap]), AckError::Gap { .. }));
    generation.commit(parts(10, 1), &[first]).unwrap();
    let second = ack(&store, &generation, 9, Some(10), &[]);
    let error = generation.commit(parts(9, 1), &[second]).unwrap_err();
    assert_eq!(error.to_string(), "a checkpoint as of 9 after one as of 10");
}
