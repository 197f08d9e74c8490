use std::sync::Arc;

use overspill_connectors::sink::{From, Place, Record, RecordSink};
use overspill_decision::Cursor;
use proptest::prelude::*;

use super::*;

fn alert(n: u8) -> Alert {
    let decision = |value: u8| Decision {
        uuid: format!("decision-{n}-{value}"),
        origin: "crowdsec".to_owned(),
        kind: "ban".to_owned(),
        scope: "Ip".to_owned(),
        value: format!("192.0.2.{}", value % 4),
        duration: "4h".to_owned(),
        scenario: "a/b".to_owned(),
        until_ns: 1_000 + i64::from(n) * 100,
        ..Decision::default()
    };
    Alert {
        uuid: format!("alert-{n}"),
        decisions: vec![decision(n), decision(n + 1)],
        ..Alert::default()
    }
}

fn record(line: Vec<u8>) -> Record {
    Record {
        key: String::new(),
        line,
    }
}

fn open(dir: &Path, file_bytes: u64) -> DecisionSink {
    let mut sink = DecisionSink::open(dir, Arc::default(), |_| ()).unwrap();
    sink.file_bytes = file_bytes;
    sink
}

fn begin(dir: &Path, file_bytes: u64, from: &From) -> (DecisionSink, Vec<String>) {
    let mut sink = open(dir, file_bytes);
    let mut lines = Vec::new();
    sink.recover(from, &mut |line| {
        lines.push(String::from_utf8_lossy(line).into_owned());
    })
    .unwrap();
    (sink, lines)
}

/// A log in other words: what a reader by cursor learns from the beginning, and what is active.
fn content(log: &DecisionLog) -> (Cursor, Vec<Arc<Decision>>) {
    (log.head(), log.active().cloned().collect())
}

#[derive(Debug, Clone)]
enum Step {
    Stand(u8),
    Withdraw(u8),
    Pass(i64),
    Checkpoint,
    /// The job dies; the last line is torn after so many bytes of it.
    Crash(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0_u8..40).prop_map(Step::Stand),
        2 => (0_u8..40).prop_map(Step::Withdraw),
        1 => (0_i64..6_000).prop_map(Step::Pass),
        2 => Just(Step::Checkpoint),
        1 => (0_usize..60).prop_map(Step::Crash),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn who_reads_the_files_knows_what_the_writer_knows(steps in steps(), file_bytes in 1_u64..4_000) {
        let dir = tempfile::tempdir().unwrap();
        let mut model = DecisionLog::new(LogLimits::default(), 0);
        let mut generation = 1;
        model.begin_generation(generation).unwrap();
        let (mut sink, _) = begin(dir.path(), file_bytes, &From::Beginning);
        let mut follower = DecisionReader::open(dir.path()).unwrap();
        let mut now_ns = 0;
        let mut place: Place = Vec::new();
        let mut since: Vec<String> = Vec::new();
        for step in steps {
            match step {
                Step::Stand(n) => {
                    let alert = alert(n);
                    let written = line(&alert, 7);
                    since.push(String::from_utf8(written.clone()).unwrap());
                    sink.write(&[record(written)]).unwrap();
                    model.apply(&alert.uuid, &alert.decisions);
                }
                Step::Withdraw(n) => {
                    let uuid = alert(n).uuid;
                    let written = format!("{{\"withdrawn\":\"{uuid}\"}}");
                    since.push(written.clone());
                    sink.write(&[record(written.into_bytes())]).unwrap();
                    model.retract(&uuid);
                }
                Step::Pass(upto_ns) => {
                    now_ns = now_ns.max(upto_ns);
                    sink.advance(now_ns).unwrap();
                    model.advance(now_ns);
                }
                Step::Checkpoint => {
                    place = sink.place().unwrap();
                    since.clear();
                }
                Step::Crash(n) => {
                    drop(sink);
                    let (_, last) = numbered(dir.path(), LINES).unwrap().pop_last().unwrap();
                    let mut bytes = std::fs::read(&last).unwrap();
                    let torn = line(&alert(3), 9);
                    bytes.extend_from_slice(&torn[..n.min(torn.len())]);
                    std::fs::write(&last, bytes).unwrap();
                    let lines;
                    (sink, lines) = begin(dir.path(), file_bytes, &From::Place(place.clone()));
                    let ours = |text: &&String| text.contains("uuid") || text.contains("withdrawn");
                    prop_assert_eq!(lines.iter().filter(ours).collect::<Vec<_>>(), since.iter().collect::<Vec<_>>());
                    sink.advance(now_ns).unwrap();
                    generation += 1;
                    model.begin_generation(generation).unwrap();
                }
            }
            let reader = DecisionReader::open(dir.path()).unwrap();
            prop_assert_eq!(content(reader.log()), content(&model));
            if follower.catch_up().is_err() {
                follower = DecisionReader::open(dir.path()).unwrap();
            }
            prop_assert_eq!(content(follower.log()), content(&model));
        }
    }
}

#[test]
fn one_job_writes_and_its_end_lets_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), 1);
    let lock = File::open(dir.path().join("lock")).unwrap();
    assert!(lock.try_lock().is_err());
    drop(first);
    lock.try_lock().unwrap();
}

#[test]
fn lines_that_are_missing_or_something_else_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (mut sink, _) = begin(dir.path(), 1, &From::Beginning);
    for n in 0..4 {
        sink.write(&[record(line(&alert(n), 1))]).unwrap();
        sink.place().unwrap();
    }
    drop(sink);
    let states = numbered(dir.path(), STATE).unwrap();
    assert_eq!(states.len(), 2, "older ones are gone");
    let error = |what: &str| match DecisionReader::open(dir.path()) {
        Ok(_) => panic!("{what}"),
        Err(error) => format!("{error:#}"),
    };
    // The newest is damaged: the one before does.
    let [older, newest] = [0, 1].map(|at| states.values().nth(at).unwrap());
    let whole = DecisionReader::open(dir.path()).unwrap();
    std::fs::write(newest, "OSDL").unwrap();
    let reader = DecisionReader::open(dir.path()).unwrap();
    assert_eq!(content(reader.log()), content(whole.log()));
    std::fs::remove_file(older).unwrap();
    let text = error("no state is whole");
    assert!(
        text.contains("begin later") && text.contains("state-"),
        "{text}"
    );

    let other = tempfile::tempdir().unwrap();
    std::fs::write(path(other.path(), LINES, 0), "{\"passed_ns\":5}\nwhat\n").unwrap();
    let error = DecisionReader::open(other.path()).err().unwrap();
    let text = format!("{error:#}");
    assert!(text.contains("byte 16"), "{text}");
}
