//! The log on a real disk, with torn ends and damage.

use std::sync::Arc;

use super::*;

fn record(message: &str) -> Record<'_> {
    Record {
        time_ns: 7,
        is_cut: false,
        sender: b"192.0.2.1",
        message: message.as_bytes(),
    }
}

fn config(dir: &Path) -> WalConfig {
    WalConfig {
        segment_bytes: 200,
        ..WalConfig::new(dir.join("wal"))
    }
}

/// Offsets and messages.
type Messages = Vec<(u64, String)>;

/// All messages from an offset on with their offsets, and what was lost.
fn read(wal: &Wal, offset: u64) -> (Messages, Vec<(u64, u64)>) {
    let mut reader = WalReader::new(offset);
    let (mut records, mut lost) = (Vec::new(), Vec::new());
    loop {
        match reader.next(wal).unwrap() {
            Next::Record(offset, record) => {
                assert_eq!((record.time_ns, record.sender), (7, &b"192.0.2.1"[..]));
                let text = String::from_utf8(record.message.to_vec()).unwrap();
                records.push((offset, text));
            }
            Next::Lost(from, to) => lost.push((from, to)),
            Next::End => return (records, lost),
        }
    }
}

fn texts(records: &[(u64, String)]) -> Vec<&str> {
    records.iter().map(|(_, text)| text.as_str()).collect()
}

fn n_segments(wal: &Wal) -> usize {
    fs::read_dir(wal.dir()).unwrap().count()
}

#[test]
fn records_come_back_from_any_offset_and_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let wal = Wal::open(config(dir.path()), 0).unwrap();
    let messages: Vec<String> = (0..50).map(|n| format!("message {n}")).collect();
    for pair in messages.chunks(2) {
        let records: Vec<Record<'_>> = pair.iter().map(|text| record(text)).collect();
        assert_eq!(wal.append(&records).unwrap(), Appended::Yes);
    }
    let (all, lost) = read(&wal, 0);
    assert_eq!(texts(&all), messages);
    assert!(lost.is_empty() && n_segments(&wal) > 5);
    for (at, (offset, _)) in all.iter().enumerate() {
        assert_eq!(read(&wal, *offset).0, all[at..]);
    }
    let end = wal.end();
    drop(wal);
    let wal = Wal::open(config(dir.path()), 0).unwrap();
    assert_eq!(wal.end(), end);
    wal.append(&[record("after")]).unwrap();
    assert_eq!(read(&wal, end).0, [(end, "after".to_owned())]);
    assert_eq!(read(&wal, 0).0.len(), 51);
}

#[test]
fn a_torn_end_is_cut_off_at_every_length() {
    let dir = tempfile::tempdir().unwrap();
    let whole = Wal::open(WalConfig::new(dir.path().join("wal")), 0).unwrap();
    whole.append(&[record("one"), record("two")]).unwrap();
    let path = segment_path(whole.dir(), 0);
    let bytes = fs::read(&path).unwrap();
    drop(whole);
    let second = 8 + (bytes.len() - 8) / 2;
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        let wal = Wal::open(WalConfig::new(dir.path().join("wal")), 0).unwrap();
        let expected: &[&str] = if length < second { &[] } else { &["one"] };
        assert_eq!(texts(&read(&wal, 0).0), expected, "cut at {length}");
        wal.append(&[record("more")]).unwrap();
        assert_eq!(texts(&read(&wal, 0).0).last(), Some(&"more"));
    }
}

#[test]
fn segments_below_a_checkpoint_are_deleted_and_the_rest_stays() {
    let dir = tempfile::tempdir().unwrap();
    let wal = Wal::open(config(dir.path()), 0).unwrap();
    for n in 0..40 {
        wal.append(&[record(&format!("message {n}"))]).unwrap();
    }
    let (all, _) = read(&wal, 0);
    let before = n_segments(&wal);
    let (offset, _) = all[20];
    wal.delete_below(offset).unwrap();
    assert!(n_segments(&wal) < before && wal.start() <= offset);
    assert_eq!(read(&wal, offset).0, all[20..]);
    // What is asked for and gone is told.
    let (rest, lost) = read(&wal, 0);
    assert_eq!(lost, [(0, wal.start())]);
    assert!(rest.len() >= 20);
    wal.delete_below(wal.end()).unwrap();
    let wal = {
        drop(wal);
        Wal::open(config(dir.path()), 0).unwrap()
    };
    assert!(wal.end() > offset, "offsets are not used twice");
}

#[test]
fn a_damaged_record_costs_its_segment_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let wal = Wal::open(config(dir.path()), 0).unwrap();
    for n in 0..40 {
        wal.append(&[record(&format!("message {n}"))]).unwrap();
    }
    let path = segment_path(wal.dir(), 0);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() - 1;
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
    let (records, lost) = read(&wal, 0);
    assert_eq!(lost.len(), 1);
    assert_eq!(records.len(), 39);
}

#[test]
fn a_full_log_makes_wait_until_something_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let config = WalConfig {
        bytes_max: 400,
        fsync: Fsync::Always,
        ..config(dir.path())
    };
    let wal = Arc::new(Wal::open(config, 0).unwrap());
    let mut n = 0;
    while wal.append(&[record("message")]).unwrap() == Appended::Yes {
        n += 1;
    }
    assert!((5..12).contains(&n), "{n} records");
    let other = Arc::clone(&wal);
    let waits = std::thread::Builder::new().spawn(move || {
        while other.append(&[record("late")]).unwrap() == Appended::Full {
            other.wait_for_room(Duration::from_secs(10));
        }
    });
    wal.delete_below(wal.end()).unwrap();
    waits.unwrap().join().unwrap();
    let (records, _) = read(&wal, wal.start());
    assert_eq!(records.last().unwrap().1, "late");
    let large = "x".repeat(300_000);
    wal.delete_below(wal.end()).unwrap();
    // What is larger than the log is let in once all else is gone, however little that is.
    wal.append(&[record("little")]).unwrap();
    assert_eq!(wal.append(&[record(&large)]).unwrap(), Appended::Full);
    wal.delete_below(wal.end()).unwrap();
    assert_eq!(wal.append(&[record(&large)]).unwrap(), Appended::Yes);
    let (records, _) = read(&wal, wal.start());
    assert_eq!(records.last().unwrap().1, large);
}

#[test]
fn a_log_that_ends_before_a_checkpoint_goes_on_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let wal = Wal::open(config(dir.path()), 0).unwrap();
    wal.append(&[record("one")]).unwrap();
    let end = wal.end();
    drop(wal);
    let wal = Wal::open(config(dir.path()), end + 1_000).unwrap();
    assert_eq!(wal.end(), end + 1_000);
    wal.append(&[record("two")]).unwrap();
    let (records, lost) = read(&wal, 0);
    assert_eq!(texts(&records), ["one", "two"]);
    assert_eq!(lost, [(end, end + 1_000)]);
}
