//! Brokers that do not answer, and that have lost what they answer.

use std::net::TcpListener;

use super::*;

#[test]
fn a_broker_that_is_killed_loses_and_doubles_nothing_and_nothing_is_said_meanwhile() {
    let Some(mut broker) = broker::own() else {
        return;
    };
    broker.create_topic("killed", 2);
    let sender = broker.sender();
    for partition in 0..2 {
        sender.send_lines("killed", partition, numbered(0..500));
    }
    let config = config(&broker, "killed");
    let mut source = open(&config, Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 1_000);
    let before = system_clock()();
    outlet.until(&mut source, |outlet| has_caught_up(outlet, 2, before));

    broker.kill();
    let killed = system_clock()();
    outlet.during(&mut source, Duration::from_secs(8));
    assert!(!has_caught_up(&outlet, 1, killed), "{:?}", outlet.caught_up);
    assert!(source.counters().get(Count::Errors) > 0);
    assert!(outlet.ended.is_empty());

    // Also one that is started meanwhile.
    let mut second = open(&config, Resume::From(outlet.positions.clone()));
    let mut late = Checked::default();
    late.poll(&mut second).unwrap();
    assert_eq!(late.begun.len(), 2, "a watermark has to wait for them");
    late.during(&mut second, Duration::from_secs(1));
    assert!(late.caught_up.is_empty());

    broker.restart().unwrap();
    let sender = broker.sender();
    for partition in 0..2 {
        sender.send_lines("killed", partition, numbered(500..1_000));
    }
    outlet.until_lines(&mut source, 2_000);
    late.until_lines(&mut second, 1_000);
    for partition in ["killed/0", "killed/1"] {
        let expected: Vec<String> = numbered(0..1_000).collect();
        assert_eq!(outlet.texts_of(partition), expected);
        assert_eq!(late.texts_of(partition), expected[500..]);
    }
    let before = system_clock()();
    outlet.until(&mut source, |outlet| has_caught_up(outlet, 2, before));
    late.until(&mut second, |outlet| has_caught_up(outlet, 2, before));
    for source in [&source, &second] {
        assert_eq!(source.counters().get(Count::PositionsLost), 0);
    }
}

#[test]
fn without_a_broker_partitions_of_the_checkpoint_are_there_and_nothing_is_said_of_them() {
    // A port that nobody listens on, and one behind which nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let brokers = vec![closed.to_string(), silent.local_addr().unwrap().to_string()];
    let mut config = KafkaConfig::new("k", brokers, vec![Arc::from("t")], Origin::default());
    config.timeout = Duration::from_secs(1);
    let at = |offset| Position {
        offset,
        context: Arc::from([]),
    };
    let positions = BTreeMap::from([
        (PartitionName::new("t/0"), at(7)),
        (PartitionName::new("u/0"), at(8)),
    ]);
    let mut source = open(&config, Resume::From(positions));
    let mut outlet = Checked::default();
    outlet.during(&mut source, Duration::from_secs(3));
    assert_eq!(outlet.begun.len(), 1);
    assert_eq!(outlet.positions[&PartitionName::new("t/0")].offset, 7);
    assert!(outlet.caught_up.is_empty() && outlet.ended.is_empty());
    assert!(source.counters().get(Count::Errors) > 0);
    // A topic that is not followed any more is not passed over in silence.
    assert_eq!(source.counters().get(Count::PositionsLost), 1);
    source.close();
    assert_eq!(
        source.poll(&mut outlet, Duration::ZERO).unwrap(),
        Turn::Ended
    );
}

#[test]
fn a_quiet_topic_is_said_to_be_so_again_and_again() {
    let Some(broker) = broker::shared() else {
        return;
    };
    broker.create_topic("quiet", 2);
    let mut source = open(&config(broker, "quiet"), Resume::First);
    let mut outlet = Checked::default();
    outlet.until(&mut source, |outlet| outlet.caught_up.len() == 2);
    for _ in 0..3 {
        let since = system_clock()();
        outlet.until(&mut source, |outlet| has_caught_up(outlet, 2, since));
        let took = system_clock()() - since;
        assert!(took < 3_000_000_000, "{took} ns");
    }
    // A line and the word that it was the last come in this order.
    broker.sender().send_lines("quiet", 1, numbered(0..1));
    let since = system_clock()();
    outlet.until(&mut source, |outlet| has_caught_up(outlet, 2, since));
    assert_eq!(outlet.texts(), ["line 0"]);
}

#[test]
fn a_damaged_batch_is_left_out_and_said_and_what_follows_is_read() {
    let Some(broker) = broker::shared() else {
        return;
    };
    broker.create_topic("damaged", 3);
    let sender = broker.sender();
    for partition in 0..3 {
        for first in [0, 10, 20] {
            sender.send_lines("damaged", partition, numbered(first..first + 10));
        }
    }
    // In the middle of one partition, and at the end of another one.
    broker.damage("damaged", 0, "line 14");
    broker.damage("damaged", 1, "line 27");
    let mut source = open(&config(broker, "damaged"), Resume::First);
    let mut outlet = Checked::default();
    let since = system_clock()();
    outlet.until(&mut source, |outlet| has_caught_up(outlet, 3, since));

    // What the batch had in which the line is; whole, if the sender put ten lines into each.
    let left_out = |lines: &[&str]| -> Vec<u32> {
        let is_given = |n: &u32| lines.contains(&format!("line {n}").as_str());
        (0..30).filter(|n| !is_given(n)).collect()
    };
    for (partition, line, batch) in [("damaged/0", 14, 10..20), ("damaged/1", 27, 20..30)] {
        let lines = outlet.texts_of(partition);
        let gone = left_out(&lines);
        assert!(gone.contains(&line), "{gone:?}");
        assert!(gone.iter().all(|n| batch.contains(n)), "{gone:?}");
        assert_eq!(lines.len() + gone.len(), 30, "none is given twice");
    }
    assert_eq!(outlet.texts_of("damaged/2").len(), 30);
    let counters = Arc::clone(source.counters());
    assert_eq!(counters.get(Count::Refused), 2);
    assert!(counters.get(Count::Errors) > 0);
    let samples = counters.take_samples();
    for partition in ["damaged/0@1", "damaged/1@2"] {
        let mut texts = samples.iter().map(|sample| &sample.text);
        let is_said = texts.any(|text| text.starts_with(partition) && text.contains("left out"));
        assert!(is_said, "{samples:?}");
    }

    // Nobody stands still.
    for partition in 0..3 {
        sender.send_lines("damaged", partition, numbered(30..40));
    }
    let n_lines = outlet.lines.len();
    outlet.until_lines(&mut source, n_lines + 30);
    assert_eq!(counters.get(Count::PositionsLost), 0);
}
