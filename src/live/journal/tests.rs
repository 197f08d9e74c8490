use std::path::Path;
use std::sync::Arc;

use overspill_connectors::sink::FileSink;
use overspill_event::Alert;

use super::*;

fn open(path: &Path, cursors: Option<&Cursors>) -> Journal {
    let sink = FileSink::open("file", path).unwrap();
    Journal::open(vec![writes(Form::Alert, sink)], cursors).unwrap()
}

fn writes(form: Form, sink: impl RecordSink + 'static) -> Writes {
    let sink = Box::new(sink);
    Writes { form, sink }
}

/// The cursor of the only place.
fn of_file(cursors: &Cursors) -> &Cursor {
    &cursors["file"]
}

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
    let mut journal = open(&path, None);
    journal.take(&alert("a"), 10, 1);
    journal.take(&alert("later"), 35, 1);
    // What is final is not in a checkpoint for that.
    journal.settle(37);
    let cursors = journal.ack(20).unwrap().durable().unwrap();
    assert_eq!(
        of_file(&cursors).unconfirmed,
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

    let mut journal = open(&path, Some(&cursors));
    assert_eq!(
        std::fs::read(&path).unwrap(),
        whole,
        "the torn line is cut off"
    );
    journal.take(&alert("b"), 30, 1);
    journal.take(&alert("later"), 35, 1);
    // A checkpoint in between takes along what is not confirmed.
    journal.settle(32);
    let cursors = journal.ack(32).unwrap().durable().unwrap();
    drop(journal);
    let mut journal = open(&path, Some(&cursors));
    for (uuid, eff_ns) in [("later", 35), ("twice", 50), ("new", 60)] {
        journal.take(&alert(uuid), eff_ns, 1);
    }
    journal.settle(100);
    journal.flush().unwrap();
    journal.forget(100);
    let book = &journal.books[0];
    assert!(book.claimed.is_empty() && book.written.is_empty());
    assert_eq!(standing(&path), names(["a", "b", "later", "twice", "new"]));
}

#[test]
fn a_file_that_was_put_away_is_begun_anew_and_without_one_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alerts.jsonl");
    let cursor = Cursor {
        place: vec![1_000],
        unconfirmed: BTreeMap::from([("a".to_owned(), (5, 1)), ("b".to_owned(), (6, 1))]),
    };
    let cursors = Cursors::from([("file".to_owned(), cursor)]);
    let mut journal = open(&path, Some(&cursors));
    journal.take(&alert("a"), 5, 1);
    journal.settle(10);
    journal.flush().unwrap();
    // It stands in the file that was put away.
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "{\"withdrawn\":\"b\"}\n"
    );
    let mut nowhere = Journal::open(Vec::new(), Some(&cursors)).unwrap();
    nowhere.take(&alert("a"), 5, 1);
    assert!(nowhere.ack(9).unwrap().durable().unwrap().is_empty());
}

#[test]
fn without_a_checkpoint_everything_in_the_file_may_be_derived_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alerts.jsonl");
    let mut journal = open(&path, None);
    journal.take(&alert("a"), 5, 1);
    journal.take(&alert("b"), 6, 1);
    journal.flush().unwrap();
    drop(journal);
    let mut journal = open(&path, None);
    journal.take(&alert("b"), 6, 1);
    journal.settle(5);
    journal.flush().unwrap();
    assert_eq!(standing(&path), names(["b"]));
}

#[test]
fn each_place_is_settled_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let [one, two, three] = ["one", "two", "three"].map(|name| dir.path().join(name));
    let both = |cursors: Option<&Cursors>, paths: &[&Path]| {
        let sink = |path: &&Path| {
            let name = path.file_name().unwrap().to_string_lossy();
            writes(Form::Alert, FileSink::open(&name, path).unwrap())
        };
        Journal::open(paths.iter().map(sink).collect(), cursors).unwrap()
    };
    let mut journal = both(None, &[&one, &two]);
    journal.take(&alert("a"), 5, 1);
    let cursors = journal.ack(6).unwrap().durable().unwrap();
    // A crash between the first place and the second.
    journal.take(&alert("b"), 7, 1);
    journal.books[0].flush().unwrap();
    drop(journal);
    // One that is new has nothing of ours, whatever stands in it.
    std::fs::write(&three, "{\"uuid\":\"old\",\"overspill\":{\"at_ns\":1}}\n").unwrap();
    let mut journal = both(Some(&cursors), &[&one, &two, &three]);
    journal.take(&alert("b"), 7, 1);
    journal.settle(100);
    journal.flush().unwrap();
    assert_eq!(standing(&one), names(["a", "b"]));
    assert_eq!(standing(&two), names(["a", "b"]));
    assert_eq!(standing(&three), names(["b", "old"]));
}

fn banned(uuid: &str, until_ns: i64) -> Alert {
    Alert {
        decisions: vec![overspill_event::Decision {
            kind: "ban".to_owned(),
            value: uuid.to_owned(),
            until_ns,
            ..overspill_event::Decision::default()
        }],
        ..alert(uuid)
    }
}

#[test]
fn the_decision_log_has_each_decision_once_and_ends_those_of_alerts_that_do_not_stand() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("decisions");
    let open = |cursors: Option<&Cursors>| {
        let sink = decisions::DecisionSink::open(&path, Arc::default(), |_| ()).unwrap();
        Journal::open(vec![writes(Form::Decisions, sink)], cursors).unwrap()
    };
    let active = || -> Vec<String> {
        let reader = decisions::DecisionReader::open(&path).unwrap();
        let active = reader.log().active();
        active.map(|decision| decision.value.clone()).collect()
    };
    let mut journal = open(None);
    journal.take(&banned("a", 100), 5, 1);
    journal.take(&alert("decides nothing"), 5, 1);
    let cursors = journal.ack(9).unwrap().durable().unwrap();
    journal.take(&banned("again", 200), 12, 1);
    journal.take(&banned("not again", 200), 13, 1);
    journal.flush().unwrap();
    drop(journal);
    assert_eq!(active(), ["a", "again", "not again"]);

    let mut journal = open(Some(&cursors));
    journal.take(&banned("again", 200), 12, 1);
    journal.take(&banned("new", 300), 14, 1);
    journal.settle(20);
    journal.flush().unwrap();
    assert_eq!(active(), ["a", "again", "new"]);
    journal.advance(150).unwrap();
    assert_eq!(active(), ["again", "new"]);
    let reader = decisions::DecisionReader::open(&path).unwrap();
    // Three begin, one is taken back, one more begins, one ends.
    assert_eq!(reader.log().head().seq.0, 6);
}
