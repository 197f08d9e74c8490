use std::sync::Arc;

use overspill_event::Alert;

use super::*;

fn alert(uuid: &str) -> Alert {
    Alert {
        uuid: uuid.to_owned(),
        events: Arc::default(),
        ..Alert::default()
    }
}

/// What stands in a file: ids, by how often.
fn standing(path: &Path) -> BTreeMap<String, i64> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for line in text.lines() {
        let line: Line = serde_json::from_str(line).unwrap();
        match (line.uuid, line.withdrawn) {
            (Some(uuid), None) => *sums.entry(uuid).or_default() += 1,
            (None, Some(uuid)) => *sums.entry(uuid).or_default() -= 1,
            odd => panic!("{odd:?}"),
        }
    }
    sums.retain(|_, n| *n != 0);
    sums
}

fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, i64> {
    names.into_iter().map(|name| (name.to_owned(), 1)).collect()
}

#[test]
fn what_is_derived_again_is_not_written_again_and_what_is_not_is_withdrawn() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alerts.jsonl");
    let mut journal = Journal::open(Some(&path), None).unwrap();
    journal.take(&alert("a"), 10, 1);
    journal.take(&alert("later"), 35, 1);
    // What is final is not in a checkpoint for that.
    journal.settle(37);
    let cursor = journal.cursor(20).unwrap();
    assert_eq!(
        cursor.unconfirmed,
        BTreeMap::from([("later".to_owned(), (35, 1))])
    );
    // After the checkpoint as of 20, and before the crash:
    journal.take(&alert("b"), 30, 1);
    journal.take(&alert("not"), 40, 1);
    journal.take(&alert("back"), 45, 1);
    journal.take(&alert("back"), 45, -1);
    journal.take(&alert("twice"), 50, 1);
    journal.take(&alert("twice"), 50, -1);
    journal.take(&alert("twice"), 50, 1);
    journal.flush().unwrap();
    drop(journal);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(
        &path,
        [&whole[..], b"{\"uuid\":\"torn\",\"overspi"].concat(),
    )
    .unwrap();

    let mut journal = Journal::open(Some(&path), Some(&cursor)).unwrap();
    assert_eq!(
        std::fs::read(&path).unwrap(),
        whole,
        "the torn line is cut off"
    );
    journal.take(&alert("b"), 30, 1);
    journal.take(&alert("later"), 35, 1);
    // A checkpoint in between takes along what is not confirmed.
    journal.settle(32);
    let cursor = journal.cursor(32).unwrap();
    drop(journal);
    let mut journal = Journal::open(Some(&path), Some(&cursor)).unwrap();
    for (uuid, eff_ns) in [("later", 35), ("twice", 50), ("new", 60)] {
        journal.take(&alert(uuid), eff_ns, 1);
    }
    journal.settle(100);
    journal.flush().unwrap();
    journal.forget(100);
    assert!(journal.claimed.is_empty() && journal.written.is_empty());
    assert_eq!(standing(&path), names(["a", "b", "later", "twice", "new"]));
}

#[test]
fn a_file_that_was_put_away_is_begun_anew_and_without_one_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alerts.jsonl");
    let cursor = Cursor {
        bytes: 1_000,
        unconfirmed: BTreeMap::from([("a".to_owned(), (5, 1)), ("b".to_owned(), (6, 1))]),
    };
    let mut journal = Journal::open(Some(&path), Some(&cursor)).unwrap();
    journal.take(&alert("a"), 5, 1);
    journal.settle(10);
    journal.flush().unwrap();
    // It stands in the file that was put away.
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "{\"withdrawn\":\"b\"}\n"
    );
    let mut nowhere = Journal::open(None, Some(&cursor)).unwrap();
    nowhere.take(&alert("a"), 5, 1);
    assert_eq!(nowhere.cursor(9).unwrap().bytes, 0);
}

#[test]
fn without_a_checkpoint_everything_in_the_file_may_be_derived_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alerts.jsonl");
    let mut journal = Journal::open(Some(&path), None).unwrap();
    journal.take(&alert("a"), 5, 1);
    journal.take(&alert("b"), 6, 1);
    journal.flush().unwrap();
    drop(journal);
    let mut journal = Journal::open(Some(&path), None).unwrap();
    journal.take(&alert("b"), 6, 1);
    journal.settle(5);
    journal.flush().unwrap();
    assert_eq!(standing(&path), names(["b"]));
}
