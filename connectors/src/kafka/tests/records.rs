//! What is in records.

use rdkafka::producer::Producer as _;

use super::*;

#[test]
fn headers_keys_and_fields_of_json_reach_the_line() {
    let Some(broker) = broker::shared() else {
        return;
    };
    broker.create_topic("json", 1);
    let sender = broker.sender();
    let millis = 1_700_000_000_000;
    let of = |n: i64, host: &str, value: Option<&[u8]>| {
        sender.send_with(("json", 0), "key", value, &[("host", host)], millis + n);
    };
    of(0, "web1", Some(br#"{"x":{"message":"one"}}"#));
    of(1, "web2", Some(br#"{"x":{"message":"two"}}"#));
    of(2, "web2", None);
    of(3, "web2", Some(b"not json"));
    of(
        4,
        "web2",
        Some(br#"{"x":{"message":"three and what is beyond the limit"}}"#),
    );
    sender.flush();
    let mut config = config(broker, "json");
    config.json_field = Some("x.message".to_owned());
    config.line_bytes_max = 5;
    config.record_labels = RecordLabels {
        key: true,
        headers: true,
        ..RecordLabels::default()
    };
    let mut source = open(&config, Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 3);
    let lines: Vec<_> = (outlet.lines.iter())
        .map(|line| {
            (
                &*line.text,
                line.offset,
                line.is_cut,
                line.time_ns.unwrap() / 1_000_000 - millis,
            )
        })
        .collect();
    let expected = [
        ("one", 0, false, 0),
        ("two", 1, false, 1),
        ("three", 4, true, 4),
    ];
    assert_eq!(lines, expected);
    let counters = source.counters();
    for (count, n) in [
        (Count::RecordsEmpty, 1),
        (Count::Refused, 1),
        (Count::LinesCut, 1),
    ] {
        assert_eq!(counters.get(count), n, "{count:?}");
    }
}

#[test]
fn only_what_was_committed_is_seen_and_markers_at_the_end_hold_nobody_up() {
    let Some(broker) = broker::shared() else {
        return;
    };
    broker.create_topic("transactions", 1);
    let sender = broker.transactional_sender("tests");
    let run = |lines: std::ops::Range<u32>, is_committed: bool| {
        sender.producer.begin_transaction().unwrap();
        for line in numbered(lines) {
            sender.send("transactions", 0, line.as_bytes());
        }
        sender.producer.flush(Duration::from_secs(30)).unwrap();
        if is_committed {
            sender
                .producer
                .commit_transaction(Duration::from_secs(30))
                .unwrap();
        } else {
            sender
                .producer
                .abort_transaction(Duration::from_secs(30))
                .unwrap();
        }
    };
    run(0..3, true);
    run(3..6, false);
    run(6..9, true);
    let mut source = open(&config(broker, "transactions"), Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 6);
    let texts = ["line 0", "line 1", "line 2", "line 6", "line 7", "line 8"];
    assert_eq!(outlet.texts(), texts);
    // 9 records and 3 markers, of which the last two are none of a line.
    let name = PartitionName::new("transactions/0");
    let before = system_clock()();
    outlet.until(&mut source, |outlet| has_caught_up(outlet, 1, before));
    assert_eq!(outlet.positions[&name].offset, 12);
    // An open transaction: its records are not there yet, and neither is what comes behind them.
    sender.producer.begin_transaction().unwrap();
    sender.send("transactions", 0, b"open");
    sender.producer.flush(Duration::from_secs(30)).unwrap();
    broker
        .sender()
        .send_lines("transactions", 0, numbered(20..21));
    outlet.during(&mut source, Duration::from_secs(2));
    let before = system_clock()();
    outlet.until(&mut source, |outlet| has_caught_up(outlet, 1, before));
    assert_eq!(outlet.lines.len(), 6);
    sender
        .producer
        .abort_transaction(Duration::from_secs(30))
        .unwrap();
    outlet.until_lines(&mut source, 7);
    let before = system_clock()();
    outlet.until(&mut source, |outlet| has_caught_up(outlet, 1, before));
    assert_eq!(outlet.positions[&name].offset, 15);
    // Positions behind markers are positions like others.
    broker
        .sender()
        .send_lines("transactions", 0, numbered(30..31));
    let mut again = open(
        &config(broker, "transactions"),
        Resume::From(outlet.positions),
    );
    let mut second = Checked::default();
    second.until_lines(&mut again, 1);
    assert_eq!(second.texts(), ["line 30"]);
}

#[test]
fn records_that_are_no_use_are_counted_with_their_place_and_stop_nobody() {
    let Some(broker) = broker::shared() else {
        return;
    };
    broker.create_topic("useless", 1);
    let sender = broker.sender();
    let place = ("useless", 0);
    // A sender's clock that is half an hour ahead, which is as much as a broker takes by itself.
    let future_ms = system_clock()() / 1_000_000 + 1_800_000;
    let huge = format!(r#"{{"message":"{}"}}"#, "x".repeat(200_000));
    for value in [
        Some(&b"\xff\xfe no JSON"[..]),
        Some(br#"{"other":"field"}"#),
        None,
        Some(huge.as_bytes()),
        Some(br#"{"message":"good"}"#),
    ] {
        sender.send_with(place, "k", value, &[], future_ms);
    }
    sender.flush();
    let mut config = config(broker, "useless");
    config.json_field = Some("message".to_owned());
    let mut source = open(&config, Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 2);
    assert!(outlet.lines[0].is_cut);
    assert_eq!(outlet.lines[0].text.len(), config.line_bytes_max);
    assert_eq!(
        (outlet.lines[1].offset, &*outlet.lines[1].text),
        (4, "good")
    );
    // What the sender claims is told; how far it is believed is for whoever runs the job.
    assert_eq!(outlet.lines[1].time_ns, Some(future_ms * 1_000_000));
    let counters = source.counters();
    for (count, n) in [
        (Count::Refused, 2),
        (Count::RecordsEmpty, 1),
        (Count::LinesCut, 1),
        (Count::Errors, 0),
    ] {
        assert_eq!(counters.get(count), n, "{count:?}");
    }
    let samples = counters.take_samples();
    let text = &samples[0].text;
    assert!(text.starts_with("useless/0 at 0: "), "{text}");
    let before = system_clock()();
    outlet.until(&mut source, |outlet| has_caught_up(outlet, 1, before));
}

#[test]
fn what_came_to_a_topic_before_one_listens_is_not_given_and_the_rest_once() {
    let Some(broker) = broker::shared() else {
        return;
    };
    broker.create_topic("orders", 2);
    let sender = broker.sender();
    sender.send_lines("orders", 0, numbered(0..3));
    let brokers = vec![broker.address()];
    let mut topic = Newest::new("orders", brokers, "orders", Access::default()).unwrap();
    let mut records = Vec::new();
    let wait = Duration::from_millis(20);
    let mut poll = |records: &mut Vec<String>| {
        let mut each = |record: &[u8]| records.push(String::from_utf8_lossy(record).into_owned());
        topic.poll(wait, &mut each).unwrap();
        topic.has_begun()
    };
    let since = Instant::now();
    while !poll(&mut records) {
        assert!(since.elapsed() < Duration::from_secs(60));
    }
    sender.send_lines("orders", 0, numbered(3..5));
    sender.send_lines("orders", 1, numbered(5..6));
    while records.len() < 3 {
        poll(&mut records);
        assert!(since.elapsed() < Duration::from_secs(120), "{records:?}");
    }
    for _ in 0..10 {
        poll(&mut records);
    }
    records.sort();
    assert_eq!(records, ["line 3", "line 4", "line 5"]);
}
