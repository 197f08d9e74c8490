//! Positions that the log does not reach any more.

use super::*;
use crate::source::Retry;

/// Reads ten lines of a new topic, and answers the positions behind five of them and behind all.
fn read_ten(broker: &Broker, topic: &str) -> (KafkaSource, Checked, Positions) {
    broker.create_topic(topic, 1);
    broker.sender().send_lines(topic, 0, numbered(0..10));
    let mut source = open(&config(broker, topic), Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 10);
    let fifth = &outlet.lines[5];
    let positions = BTreeMap::from([(fifth.partition.clone(), fifth.position.clone())]);
    (source, outlet, positions)
}

fn lost(source: &KafkaSource) -> Vec<String> {
    let samples = source.counters().take_samples().into_iter();
    let lost = samples.filter(|sample| sample.count == Count::PositionsLost);
    lost.map(|sample| sample.text).collect()
}

#[test]
fn deleted_records_are_a_lost_position_and_reading_goes_on_as_configured() {
    let Some(broker) = broker::shared() else {
        return;
    };
    let (source, _, positions) = read_ten(broker, "deleted");
    drop(source);
    broker.delete_records("deleted", 0, 8);
    let mut config = config(broker, "deleted");
    let mut source = open(&config, Resume::From(positions.clone()));
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 2);
    assert_eq!(outlet.texts(), ["line 8", "line 9"]);
    let text = "deleted/0: position 5 is gone: the log begins at 8; on at 8";
    assert_eq!(lost(&source), [text]);
    // One partition all along: its offsets ascend.
    assert_eq!(outlet.begun.len(), 1);

    config.on_loss = OnLoss::Newest;
    let mut source = open(&config, Resume::From(positions.clone()));
    let mut outlet = Checked::default();
    let before = system_clock()();
    outlet.until(&mut source, |outlet| has_caught_up(outlet, 1, before));
    broker.sender().send_lines("deleted", 0, numbered(10..11));
    outlet.until_lines(&mut source, 1);
    assert_eq!(outlet.texts(), ["line 10"]);
    assert_eq!(source.counters().get(Count::PositionsLost), 1);

    config.on_loss = OnLoss::Stop;
    let mut source = open(&config, Resume::From(positions));
    let mut outlet = Checked::default();
    let since = Instant::now();
    let error = loop {
        match outlet.poll(&mut source) {
            Ok(_) => assert!(since.elapsed() < Duration::from_secs(30)),
            Err(error) => break error,
        }
    };
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(source.counters().get(Count::PositionsLost), 1);
}

#[test]
fn records_deleted_under_a_reader_that_is_behind_are_a_lost_position() {
    let Some(broker) = broker::shared() else {
        return;
    };
    broker.create_topic("behind", 1);
    let sender = broker.sender();
    let line = |n: u32| format!("{n} {}", "x".repeat(990));
    sender.send_lines("behind", 0, (0..8_000).map(line));
    let mut config = config(broker, "behind");
    config.queue_bytes = 64 * 1024;
    config.fetch.bytes_max = 64 * 1024;
    let mut source = open(&config, Resume::First);
    let mut outlet = Checked::default();
    outlet.until(&mut source, |outlet| outlet.lines.len() > 100);
    broker.delete_records("behind", 0, 7_990);
    outlet.until(&mut source, |outlet| {
        outlet.lines.last().is_some_and(|line| line.offset == 7_999)
    });
    assert_eq!(source.counters().get(Count::PositionsLost), 1);
    assert!(outlet.lines.len() < 7_000, "{}", outlet.lines.len());
    assert_eq!(outlet.begun.len(), 1);
}

#[test]
fn a_topic_that_was_created_again_is_another_one_also_when_it_is_longer() {
    let Some(broker) = broker::shared() else {
        return;
    };
    let (mut source, mut outlet, positions) = read_ten(broker, "again");
    broker.delete_topic("again");
    broker.create_topic("again", 1);
    broker.sender().send_lines("again", 0, numbered(100..130));
    outlet.until(&mut source, |outlet| outlet.lines.len() >= 40);
    let texts: Vec<String> = numbered(0..10).chain(numbered(100..130)).collect();
    assert_eq!(outlet.texts(), texts);
    assert_eq!(
        outlet.begun.len(),
        2,
        "offsets begin anew, so it is another partition"
    );
    let told = lost(&source);
    assert!(
        told.len() == 1 && told[0].contains("created again"),
        "{told:?}"
    );
    // And for who comes back with a position of the old one.
    let mut late = open(&config(broker, "again"), Resume::From(positions));
    let mut outlet = Checked::default();
    outlet.until_lines(&mut late, 30);
    assert_eq!(outlet.lines[0].text, "line 100");
    let told = lost(&late);
    assert!(
        told.len() == 1 && told[0].contains("created again"),
        "{told:?}"
    );
}

#[test]
fn a_topic_that_is_gone_ends_and_begins_when_it_comes_back() {
    let Some(broker) = broker::shared() else {
        return;
    };
    let (mut source, mut outlet, _) = read_ten(broker, "gone");
    broker.delete_topic("gone");
    outlet.until(&mut source, |outlet| !outlet.ended.is_empty());
    let name = PartitionName::new("gone/0");
    assert!(matches!(&outlet.ended[&name], Left::At(position) if position.offset == 10));
    broker.create_topic("gone", 1);
    broker.sender().send_lines("gone", 0, numbered(50..52));
    outlet.until_lines(&mut source, 12);
    assert_eq!(outlet.lines[10].text, "line 50");
    assert_eq!(source.counters().get(Count::PositionsLost), 1);
}
