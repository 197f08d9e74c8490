//! Against a real broker.

#[path = "../../tests/support/kafka.rs"]
mod broker;
mod guarded;
mod loss;
mod outage;
mod records;
mod sink;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use overspill_event::Origin;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};

use super::*;
use crate::source::check::Checked;
use crate::source::{PartitionName, Position, system_clock};
use broker::Broker;

fn config(broker: &Broker, topic: &str) -> KafkaConfig {
    let origin = Origin {
        module: "kafka".to_owned(),
        labels: vec![("type".to_owned(), "x".to_owned())],
        ..Origin::default()
    };
    let mut config = KafkaConfig::new("k", vec![broker.address()], vec![Arc::from(topic)], origin);
    config.start = Start::Oldest;
    config.refresh_every = Duration::from_secs(1);
    config.look_every = Duration::from_millis(100);
    config.gone_wait = Duration::from_secs(2);
    config.timeout = Duration::from_secs(2);
    config
}

fn open(config: &KafkaConfig, resume: Resume) -> KafkaSource {
    KafkaSource::new(config.clone(), resume, system_clock()).unwrap()
}

fn numbered(range: std::ops::Range<u32>) -> impl Iterator<Item = String> {
    range.map(|n| format!("line {n}"))
}

#[test]
fn a_source_has_begun_when_brokers_have_said_what_there_is() {
    // Nobody listens there.
    let config = KafkaConfig::new(
        "k",
        vec!["127.0.0.1:1".to_owned()],
        vec![Arc::from("t")],
        Origin::default(),
    );
    let mut source = open(&config, Resume::First);
    let mut outlet = Checked::default();
    source.poll(&mut outlet, Duration::ZERO).unwrap();
    assert!(!source.has_begun());
    let mut source = open(&config, Resume::From(Positions::new()));
    source.poll(&mut outlet, Duration::ZERO).unwrap();
    assert!(source.has_begun());
    let Some(broker) = broker::shared() else {
        return;
    };
    broker.create_topic("begun", 3);
    let mut source = open(&self::config(broker, "begun"), Resume::First);
    let mut outlet = Checked::default();
    while !source.has_begun() {
        source.poll(&mut outlet, Duration::from_millis(10)).unwrap();
    }
    assert_eq!(outlet.begun.len(), 3);
}

/// Whether all these partitions have caught up with what was there at a time.
fn has_caught_up(outlet: &Checked, n: usize, since_ns: i64) -> bool {
    let late = outlet
        .caught_up
        .values()
        .filter(|as_of| **as_of >= since_ns);
    late.count() >= n
}

#[test]
fn lines_come_in_the_order_of_their_partition_and_again_from_any_position() {
    let Some(broker) = broker::shared() else {
        return;
    };
    broker.create_topic("order", 3);
    let sender = broker.sender();
    for n in 0..6_000 {
        sender.send(
            "order",
            n % 3,
            format!("line {n} {}", "x".repeat(60)).as_bytes(),
        );
    }
    sender.flush();
    let config = config(broker, "order");
    let mut source = open(&config, Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 6_000);
    for partition in 0..3 {
        let lines = outlet.texts_of(&format!("order/{partition}"));
        let numbers = lines.iter().map(|line| line.split(' ').nth(1).unwrap());
        let numbers: Vec<u32> = numbers.map(|n| n.parse().unwrap()).collect();
        let expected: Vec<u32> = (0..2_000).map(|n| n * 3 + partition).collect();
        assert_eq!(numbers, expected);
    }
    let mut seen: BTreeMap<PartitionName, u64> = BTreeMap::new();
    for line in &outlet.lines {
        let next = seen.entry(line.partition.clone()).or_default();
        assert_eq!(line.offset, *next);
        assert_eq!(line.src, "order");
        assert!(line.time_ns.unwrap() > 1_600_000_000_000_000_000);
        *next += 1;
    }
    assert_eq!(source.counters().get(Count::Lines), 6_000);
    let mut n_partitions = 0;
    source.lags(&mut |_, lag| {
        n_partitions += 1;
        assert_eq!((lag.offset, lag.lines), (2_000, Some(0)));
    });
    assert_eq!(n_partitions, 3);
    for at in [0, 1, 777, 3_001, 5_999] {
        let line = &outlet.lines[at];
        let mut positions = outlet.positions.clone();
        positions.insert(line.partition.clone(), line.position.clone());
        let mut again = open(&config, Resume::From(positions));
        let mut second = Checked::default();
        let n_left = usize::try_from(2_000 - line.offset).unwrap();
        second.until_lines(&mut again, n_left);
        assert_eq!(second.lines[0].text, line.text);
        assert_eq!(second.lines[0].offset, line.offset);
        let before = system_clock()();
        second.until(&mut again, |outlet| has_caught_up(outlet, 3, before));
        assert_eq!(second.positions, outlet.positions);
        assert_eq!(again.counters().get(Count::PositionsLost), 0);
    }
}

#[test]
fn a_source_begins_where_its_configuration_says_and_commits_for_those_who_watch() {
    let Some(broker) = broker::shared() else {
        return;
    };
    broker.create_topic("start", 1);
    let sender = broker.sender();
    sender.send_lines("start", 0, numbered(0..10));
    let mut config = config(broker, "start");
    config.start = Start::Committed;
    config.group_id = Some("watched".to_owned());
    let mut source = open(&config, Resume::First);
    let mut outlet = Checked::default();
    let before = system_clock()();
    // Nothing was committed, so it is the end.
    outlet.until(&mut source, |outlet| has_caught_up(outlet, 1, before));
    sender.send_lines("start", 0, numbered(10..20));
    outlet.until_lines(&mut source, 10);
    assert_eq!(outlet.lines[0].text, "line 10");
    let position = outlet.lines[4].position.clone();
    let name = outlet.lines[4].partition.clone();
    source.committed(&BTreeMap::from([(name, position)]));
    let asks: BaseConsumer = broker.client().set("group.id", "watched").create().unwrap();
    let since = Instant::now();
    loop {
        let mut list = TopicPartitionList::new();
        list.add_partition("start", 0);
        let list = asks
            .committed_offsets(list, Duration::from_secs(10))
            .unwrap();
        if list.elements()[0].offset() == Offset::Offset(14) {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(30), "{list:?}");
        outlet.poll(&mut source).unwrap();
    }
    // What the broker remembers is asked only where there is no checkpoint.
    let mut first = open(&config, Resume::First);
    let mut from_group = Checked::default();
    from_group.until_lines(&mut first, 6);
    assert_eq!(from_group.lines[0].text, "line 14");
    let mut resumed = open(&config, Resume::From(outlet.positions));
    let mut from_checkpoint = Checked::default();
    sender.send_lines("start", 0, numbered(20..21));
    from_checkpoint.until_lines(&mut resumed, 1);
    assert_eq!(from_checkpoint.texts(), ["line 20"]);
}

#[test]
fn a_new_partition_begins_at_its_beginning_and_others_are_left_alone() {
    let Some(broker) = broker::shared() else {
        return;
    };
    broker.create_topic("grows", 2);
    let sender = broker.sender();
    sender.send_lines("grows", 0, numbered(0..3));
    let mut config = config(broker, "grows");
    config.start = Start::Newest;
    config.belongs = Belongs::new(|name| !name.0.ends_with("/1"));
    let mut source = open(&config, Resume::First);
    let mut outlet = Checked::default();
    let before = system_clock()();
    outlet.until(&mut source, |outlet| has_caught_up(outlet, 1, before));
    broker.add_partitions("grows", 4);
    // The one above does not know them yet.
    let sender = broker.sender();
    sender.send_lines("grows", 1, numbered(10..13));
    sender.send_lines("grows", 2, numbered(20..23));
    sender.send_lines("grows", 3, numbered(30..33));
    outlet.until_lines(&mut source, 6);
    assert_eq!(
        outlet.texts_of("grows/2"),
        ["line 20", "line 21", "line 22"]
    );
    assert_eq!(
        outlet.texts_of("grows/3"),
        ["line 30", "line 31", "line 32"]
    );
    assert_eq!(outlet.begun.len(), 3);
    // What is not in a checkpoint is new since.
    let mut positions = outlet.positions.clone();
    positions.remove(&PartitionName::new("grows/2"));
    let mut again = open(&config, Resume::From(positions));
    let mut second = Checked::default();
    second.until_lines(&mut again, 3);
    assert_eq!(second.texts(), ["line 20", "line 21", "line 22"]);
}

#[test]
fn a_partition_without_room_waits_in_the_broker_and_keeps_no_other_waiting() {
    let Some(broker) = broker::shared() else {
        return;
    };
    broker.create_topic("full", 2);
    let sender = broker.sender();
    let line = |n: u32| format!("{n} {}", "x".repeat(990));
    sender.send_lines("full", 0, (0..12_000).map(line));
    sender.send_lines("full", 1, (0..10).map(line));
    let mut config = config(broker, "full");
    config.queue_bytes = 256 * 1024;
    config.fetch.bytes_max = 256 * 1024;
    let mut source = open(&config, Resume::First);
    let mut outlet = Checked::default();
    let held = PartitionName::new("full/0");
    outlet.full.insert(held.clone());
    outlet.until_lines(&mut source, 10);
    let before = system_clock()();
    outlet.until(&mut source, |outlet| has_caught_up(outlet, 1, before));
    outlet.during(&mut source, Duration::from_secs(2));
    assert!(
        !outlet.caught_up.contains_key(&held),
        "it holds something back"
    );
    source.lags(&mut |_, lag| assert!([0, 10].contains(&lag.offset)));
    sender.send_lines("full", 1, (10..20).map(line));
    outlet.until_lines(&mut source, 20);
    outlet.full.clear();
    outlet.until_lines(&mut source, 12_020);
    let texts = outlet.texts_of("full/0");
    assert!(
        texts
            .iter()
            .enumerate()
            .all(|(n, text)| **text == line(n as u32))
    );
    let before = system_clock()();
    outlet.until(&mut source, |outlet| has_caught_up(outlet, 2, before));
}
