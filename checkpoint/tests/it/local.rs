//! A directory as a store.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use overspill_checkpoint::{
    BlobError, Blobs, Depth, Fault, LocalBlobs, Op, PieceKey, Put, open_store,
};

use super::harness::{as_of, commit, state, vault};

const KEY: PieceKey = PieceKey::group(0, 1);

fn open(dir: &Path) -> Arc<dyn Blobs> {
    open_store(dir.to_str().unwrap()).unwrap()
}

#[test]
fn checkpoints_come_back_after_the_directory_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("a/b");
    let store = open(&root);
    let mut generation = vault(&store).begin_generation(1).unwrap();
    for n in 1..=6 {
        let bytes = [u8::try_from(n).unwrap(); 10];
        let since_ns = Some(n - 1).filter(|n| *n > 0);
        commit(&store, &mut generation, n, since_ns, &[(KEY, &bytes)]).unwrap();
        generation.collect(0).unwrap();
    }
    drop((generation, store));
    let store = open_store(&format!("file://{}", root.display())).unwrap();
    let mut generation = vault(&store).begin_generation(2).unwrap();
    let found = generation.restore(Depth::Whole).unwrap();
    assert_eq!(as_of(&found), Some(6));
    let expected = [(KEY, vec![6; 10])].into();
    assert_eq!(state(&found.restored.unwrap()), expected);
    assert_eq!(fs::read_dir(root.join("tmp")).unwrap().count(), 0);
    let files = fs::read_dir(root.join("segments/00000000000000000001")).unwrap();
    assert_eq!(files.count(), 3);
}

#[test]
fn one_of_many_writers_wins_and_nobody_sees_a_part() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let n_won: usize = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8_u8)
            .map(|n| {
                let store = Arc::clone(&store);
                scope.spawn(move || {
                    let mut n_won = 0;
                    for round in 0..20 {
                        let name = format!("log/{round}");
                        let put = store.put_if_absent(&name, &[n; 50_000]).unwrap();
                        n_won += usize::from(put == Put::Written);
                        let read = store.get(&name).unwrap().unwrap();
                        assert!(read.len() == 50_000 && read.iter().all(|b| *b == read[0]));
                    }
                    n_won
                })
            })
            .collect();
        writers.into_iter().map(|w| w.join().unwrap()).sum()
    });
    assert_eq!(n_won, 20);
}

#[test]
fn foreign_files_are_left_alone_and_what_died_half_written_is_swept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut generation = vault(&store).begin_generation(0).unwrap();
    commit(&store, &mut generation, 1, None, &[(KEY, b"x")]).unwrap();
    let foreign = [
        "log/.hidden",
        "log/notes.txt",
        "log/7.manifest",
        "log/99999999999999999999999.manifest",
        "segments/x y",
        "segments/loose",
        "other",
    ];
    for name in foreign {
        fs::write(dir.path().join(name), b"mine").unwrap();
    }
    fs::create_dir(dir.path().join("log/folder")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("log/link")).unwrap();
    fs::write(dir.path().join("tmp/1-1"), b"half").unwrap();
    let found = generation.restore(Depth::Whole).unwrap();
    assert_eq!(as_of(&found), Some(1));
    let expected = [
        "log/7.manifest",
        "log/99999999999999999999999.manifest",
        "log/notes.txt",
    ];
    assert_eq!(found.foreign, expected);
    generation.collect(0).unwrap();
    assert!(
        dir.path().join("tmp/1-1").exists(),
        "it may be in the making"
    );
    // In the year 2200.
    generation.collect(7_258_118_400_000_000_000).unwrap();
    assert!(!dir.path().join("tmp/1-1").exists());
    for name in foreign {
        assert!(dir.path().join(name).exists(), "{name}");
    }
}

#[test]
fn ranges_end_where_the_object_does_and_names_cannot_leave_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.put_if_absent("log/a", b"0123456789").unwrap();
    let range = |from, n| store.get_range("log/a", from, n).unwrap().unwrap();
    assert_eq!(range(2, 3), b"234");
    assert_eq!(range(8, u64::MAX), b"89");
    assert_eq!(range(10, 1), b"");
    assert_eq!(range(u64::MAX >> 1, 1), b"");
    assert_eq!(store.get_range("log/b", 0, 1).unwrap(), None);
    store.delete("log/absent").unwrap();
    for name in [
        "../a",
        "log/../../a",
        "/etc/passwd",
        "",
        "log/",
        "log/.a",
        "a\0b",
    ] {
        let error = store.put_if_absent(name, b"x").unwrap_err();
        assert_eq!(error.fault, Fault::Unsuitable, "{name}");
        assert!(store.get(name).is_err() && store.delete(name).is_err());
    }
}

#[test]
fn errors_say_what_and_where_and_whether_it_may_pass() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), b"x").unwrap();
    let error = LocalBlobs::open(&dir.path().join("file/x")).unwrap_err();
    assert_eq!((error.op, error.may_pass()), (Op::Open, false));
    assert!(error.to_string().ends_with("file/x"), "{error}");
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let error = BlobError::io(Op::Write, "log/1".to_owned(), full);
    assert_eq!((error.fault, error.may_pass()), (Fault::Full, true));
    // A store whose folder for new files is gone, as an unmounted one.
    let store = open(&dir.path().join("store"));
    fs::remove_dir(dir.path().join("store/tmp")).unwrap();
    let error = store.put_if_absent("log/1", b"x").unwrap_err();
    assert_eq!((error.op, error.may_pass()), (Op::Write, true));
    assert!(open_store("gopher://host/path").is_err());
}

#[cfg(not(feature = "object-store"))]
#[test]
fn an_address_of_an_object_store_says_which_feature_is_missing() {
    let error = open_store("s3://bucket/prefix").unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "s3:// needs a build with --features object-store");
}
