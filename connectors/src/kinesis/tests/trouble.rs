//! What goes wrong, and how it goes on.

use super::*;
use crate::aws::testing::faults::Faults;
use crate::source::Retry;

/// A stream before which stands somebody who makes errors.
fn faulty(at: &'static At, stream: &str) -> (Api, Faults, KinesisConfig) {
    let api = Api::create(at, stream, 1);
    let faults = Faults::before(at.port);
    let mut config = api.config();
    config.access.endpoint = Some(faults.address());
    (api, faults, config)
}

#[test]
fn errors_that_pass_cost_time_and_no_line() {
    let Some(at) = moto() else {
        return;
    };
    let (api, faults, config) = faulty(at, "errors");
    for (call, error) in [
        ("ListShards", "LimitExceededException"),
        ("GetShardIterator", "ProvisionedThroughputExceededException"),
        ("GetRecords", "ProvisionedThroughputExceededException"),
        ("GetRecords", "ExpiredIteratorException"),
        ("GetRecords", "ExpiredTokenException"),
    ] {
        faults.fail(call, "", error, 1);
    }
    faults.cut("GetRecords", 1);
    let mut source = open(&config, Resume::First);
    let mut outlet = Checked::default();
    api.put(numbered(0, 0..100));
    outlet.until_lines(&mut source, 100);
    let texts: Vec<String> = numbered(0, 0..100).map(|(_, text)| text).collect();
    assert_eq!(outlet.texts(), texts);
    assert_eq!(faults.n_left(), 0);
    assert_eq!(source.counters().get(Count::Errors), 6);
    let samples = source.counters().take_samples();
    let has = |text: &str| samples.iter().any(|sample| sample.text.contains(text));
    assert!(
        has("ListShards: LimitExceededException: as the test wants it"),
        "{samples:?}"
    );
    assert!(has(
        "ExpiredTokenException: as the test wants it: look at the credentials"
    ));
    // One in the midst of reading.
    faults.fail("GetRecords", "", "ExpiredIteratorException", 1);
    outlet.until(&mut source, |_| faults.n_left() == 0);
    api.put(numbered(0, 100..110));
    outlet.until_lines(&mut source, 110);
    assert_eq!(outlet.lines[100].text, "line 100");
}

#[test]
fn a_position_that_is_gone_is_counted_and_what_follows_is_as_configured() {
    let Some(at) = moto() else {
        return;
    };
    let (api, faults, mut config) = faulty(at, "gone");
    api.put(numbered(0, 0..10));
    let mut source = open(&config, Resume::First);
    let mut first = Checked::default();
    first.until_lines(&mut source, 10);
    drop(source);
    let line = &first.lines[4];
    let positions = BTreeMap::from([(line.partition.clone(), line.position.clone())]);
    let lose = || {
        faults.fail(
            "GetShardIterator",
            "AT_SEQUENCE",
            "InvalidArgumentException",
            1,
        )
    };
    lose();
    let mut source = open(&config, Resume::From(positions.clone()));
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 10);
    assert_eq!(
        (outlet.lines[0].offset, &*outlet.lines[0].text),
        (4, "line 0")
    );
    assert_eq!(source.counters().get(Count::PositionsLost), 1);
    let text = source.counters().take_samples().remove(0).text;
    assert!(
        text.starts_with("gone/shardId-000000000000: position is gone: "),
        "{text}"
    );
    drop(source);
    config.on_loss = OnLoss::Newest;
    std::thread::sleep(Duration::from_millis(1_100));
    lose();
    let mut source = open(&config, Resume::From(positions.clone()));
    let mut outlet = Checked::default();
    let before = system_clock()();
    outlet.until(&mut source, |outlet| has_caught_up(outlet, 1, before));
    api.put(numbered(0, 10..11));
    outlet.until_lines(&mut source, 1);
    assert_eq!(outlet.texts(), ["line 10"]);
    assert_eq!(source.counters().get(Count::PositionsLost), 1);
    drop(source);
    config.on_loss = OnLoss::Stop;
    lose();
    let mut source = open(&config, Resume::From(positions));
    let mut outlet = Checked::default();
    let error = loop {
        if let Err(error) = outlet.poll(&mut source) {
            break error;
        }
    };
    assert_eq!(error.retry(), Retry::Never);
}

#[test]
fn a_stream_that_is_not_there_is_waited_for_and_one_that_goes_is_left_where_it_was() {
    let Some(at) = moto() else {
        return;
    };
    let elsewhere = Api::create(at, "elsewhere", 1);
    let mut config = elsewhere.config();
    config.stream = StreamRef::Name("later".to_owned());
    let mut source = open(&config, Resume::First);
    let mut outlet = Checked::default();
    let n_errors = |source: &KinesisSource| source.counters().get(Count::Errors);
    while n_errors(&source) == 0 {
        outlet.poll(&mut source).unwrap();
    }
    let text = source.counters().take_samples().remove(0).text;
    assert!(
        text.starts_with("ListShards: ResourceNotFoundException: "),
        "{text}"
    );
    let api = Api::create(at, "later", 1);
    api.put(numbered(0, 0..3));
    outlet.until_lines(&mut source, 3);
    let delete = api.client.delete_stream().stream_name("later");
    at.wait(delete.send()).unwrap();
    outlet.until(&mut source, |outlet| !outlet.ended.is_empty());
    let left = outlet.ended.values().next().unwrap();
    assert!(
        matches!(left, Left::At(position) if position.offset == 3),
        "{left:?}"
    );
}

#[test]
fn a_shard_whose_time_is_over_is_forgotten_and_what_was_not_read_of_it_is_counted() {
    // Nobody answers there; what is listed is said by the test.
    let stream = StreamRef::Name("s".to_owned());
    let mut config = KinesisConfig::new("k", stream, overspill_event::Origin::default());
    config.access.region = Some("us-east-1".to_owned());
    config.access.endpoint = Some("http://127.0.0.1:1".to_owned());
    config.start = Start::Oldest;
    config.gone_wait = Duration::ZERO;
    let look = |source: &KinesisSource, shards: &[(&str, bool)]| {
        let listed = |(shard, is_closed): &(&str, bool)| Listed {
            shard: Arc::from(*shard),
            parents: Vec::new(),
            hashes: (0, u128::MAX),
            is_closed: *is_closed,
        };
        source.desk.show(Look {
            begun: Instant::now(),
            shards: Some(shards.iter().map(listed).collect()),
        });
    };
    let mut source = open(&config, Resume::First);
    let mut outlet = Checked::default();
    look(&source, &[("a", true), ("b", false)]);
    outlet.until(&mut source, |outlet| outlet.begun.len() == 2);
    look(&source, &[("b", false)]);
    outlet.until(&mut source, |outlet| !outlet.ended.is_empty());
    let a = PartitionName::new("s/a");
    assert_eq!(outlet.ended[&a], Left::Nothing);
    assert_eq!(source.counters().get(Count::PositionsLost), 1);
    drop(source);
    // One that was read to its end is forgotten too, and that is no loss.
    let ended = Position {
        offset: 7,
        context: Context::beginning(Place::Ended, Vec::new()).to_bytes(),
    };
    let positions = Positions::from([(a.clone(), ended)]);
    let mut source = open(&config, Resume::From(positions));
    let mut outlet = Checked::default();
    look(&source, &[("a", true), ("b", false)]);
    outlet.until(&mut source, |outlet| outlet.begun.len() == 1);
    assert!(outlet.ended.is_empty());
    look(&source, &[("b", false)]);
    outlet.until(&mut source, |outlet| !outlet.ended.is_empty());
    assert_eq!(outlet.ended[&a], Left::Nothing);
    assert_eq!(source.counters().get(Count::PositionsLost), 0);
}
