//! Records that are written to a topic.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::producer::Producer as _;

use super::*;
use crate::kafka::{TopicSink, TopicSinkConfig};
use crate::sink::{From, Record, RecordSink, SinkError};

fn sink(broker: &Broker, topic: &str, halt: &Arc<AtomicBool>) -> TopicSink {
    let config = TopicSinkConfig {
        brokers: vec![broker.address()],
        topic: topic.to_owned(),
        writer: format!("writer of {topic}"),
        access: Access::default(),
    };
    TopicSink::new(config, Arc::clone(halt)).unwrap()
}

fn records(range: std::ops::Range<u32>) -> Vec<Record> {
    let record = |n: u32| Record {
        key: format!("key {}", n % 7),
        line: format!("{{\"n\":{n}}}").into_bytes(),
    };
    range.map(record).collect()
}

fn recovered(sink: &mut TopicSink, from: &From) -> Vec<String> {
    let mut lines = Vec::new();
    sink.recover(from, &mut |line| {
        lines.push(String::from_utf8_lossy(line).into_owned());
    })
    .unwrap();
    lines
}

fn sorted(range: std::ops::Range<u32>) -> Vec<String> {
    let mut lines: Vec<String> = range.map(|n| format!("{{\"n\":{n}}}")).collect();
    lines.sort();
    lines
}

#[test]
fn records_of_a_writer_are_there_once_and_what_it_left_open_is_gone() {
    let Some(broker) = broker::shared() else {
        return;
    };
    broker.create_topic("sink", 3);
    let halt = Arc::new(AtomicBool::new(false));
    let mut first = sink(broker, "sink", &halt);
    assert!(recovered(&mut first, &From::Beginning).is_empty());
    first.write(&records(0..100)).unwrap();
    let place = first.place().unwrap();
    first.write(&records(100..150)).unwrap();
    first.write(&[]).unwrap();
    // A writer that dies within a transaction.
    let dying = broker.transactional_sender("writer of sink");
    dying.producer.begin_transaction().unwrap();
    dying.send("sink", 0, b"{\"n\":1000}");
    dying.producer.flush(Duration::from_secs(30)).unwrap();
    // The one before it writes no more.
    let error = first.write(&records(2_000..2_001)).unwrap_err();
    assert!(matches!(error, SinkError::Superseded { .. }), "{error}");
    let mut second = sink(broker, "sink", &halt);
    let mut after = recovered(&mut second, &From::Place(place));
    after.sort();
    assert_eq!(after, sorted(100..150));
    second.write(&records(150..160)).unwrap();
    let mut third = sink(broker, "sink", &halt);
    let all = recovered(&mut third, &From::Beginning);
    let mut by_key: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for line in &all {
        let n: u32 = line[5..line.len() - 1].parse().unwrap();
        by_key.entry(n % 7).or_default().push(n);
    }
    assert_eq!(all.len(), 160);
    for numbers in by_key.values() {
        assert!(numbers.is_sorted(), "{numbers:?}");
    }
    let mut fourth = sink(broker, "sink", &halt);
    assert!(recovered(&mut fourth, &From::End).is_empty());
}

#[test]
fn a_broker_that_is_away_holds_records_back_and_doubles_none() {
    let Some(mut broker) = broker::own() else {
        return;
    };
    broker.create_topic("away", 2);
    let halt = Arc::new(AtomicBool::new(false));
    let mut writer = sink(&broker, "away", &halt);
    assert!(recovered(&mut writer, &From::Beginning).is_empty());
    writer.write(&records(0..50)).unwrap();
    broker.kill();
    let writing = std::thread::Builder::new()
        .name("writing".to_owned())
        .spawn(move || {
            for n in 50..60 {
                writer.write(&records(n..n + 1)).unwrap();
            }
            writer
        })
        .unwrap();
    broker.restart().unwrap();
    let mut writer = writing.join().unwrap();
    let place = writer.place().unwrap();
    assert_eq!(place.len(), 2);
    let mut reader = sink(&broker, "away", &halt);
    let mut all = recovered(&mut reader, &From::Beginning);
    all.sort();
    assert_eq!(all, sorted(0..60));
    // A job that ends waits for nobody.
    broker.kill();
    halt.store(true, Ordering::SeqCst);
    let error = reader.write(&records(60..61)).unwrap_err();
    assert!(matches!(error, SinkError::Ended { .. }), "{error}");
}

#[test]
fn a_topic_that_is_not_there_is_an_error_with_its_name() {
    let Some(broker) = broker::shared() else {
        return;
    };
    // Else it is waited for.
    let halt = Arc::new(AtomicBool::new(true));
    let mut sink = sink(broker, "no-such-topic", &halt);
    let error = sink.recover(&From::Beginning, &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("no-such-topic"), "{error}");
}
