//! Against servers that behave as Kinesis does.

mod behind;
mod push;
mod reshard;
mod trouble;
mod unpack;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;

use super::*;
use crate::aws::testing::{Place as At, local, moto};
use crate::source::check::Checked;
use crate::source::{PartitionName, system_clock};

/// The first hash of the upper half.
const UPPER: u128 = 1 << 127;

/// A stream on a server.
struct Api {
    at: &'static At,
    client: Client,
    stream: String,
}

impl Api {
    fn create(at: &'static At, stream: &str, shards: i32) -> Self {
        let api = Self {
            at,
            client: Client::new(&at.settings()),
            stream: stream.to_owned(),
        };
        let create = api.client.create_stream().stream_name(stream);
        at.wait(create.shard_count(shards).send()).unwrap();
        api.until_active();
        api
    }

    fn until_active(&self) {
        loop {
            let about = self.client.describe_stream_summary();
            let about = self
                .at
                .wait(about.stream_name(&self.stream).send())
                .unwrap();
            let about = about.stream_description_summary.unwrap();
            if about.stream_status.as_str() == "ACTIVE" {
                return;
            }
        }
    }

    fn arn(&self) -> String {
        let about = self.client.describe_stream_summary();
        let about = self
            .at
            .wait(about.stream_name(&self.stream).send())
            .unwrap();
        about.stream_description_summary.unwrap().stream_arn
    }

    /// Puts records whose keys have these hashes.
    fn put<D: Into<Vec<u8>>>(&self, records: impl IntoIterator<Item = (u128, D)>) {
        let entry = |(hash, data): (u128, D)| {
            PutRecordsRequestEntry::builder()
                .partition_key(format!("key {hash}"))
                .explicit_hash_key(hash.to_string())
                .data(Blob::new(data))
                .build()
                .unwrap()
        };
        let entries: Vec<_> = records.into_iter().map(entry).collect();
        for chunk in entries.chunks(500) {
            let put = self.client.put_records().stream_name(&self.stream);
            let put = put.set_records(Some(chunk.to_vec())).send();
            let put = self.at.wait(put).unwrap();
            assert_eq!(put.failed_record_count.unwrap_or(0), 0);
        }
    }

    fn split(&self, shard: &str, at: u128) {
        let split = self.client.split_shard().stream_name(&self.stream);
        let split = split
            .shard_to_split(shard)
            .new_starting_hash_key(at.to_string());
        self.at.wait(split.send()).unwrap();
        self.until_active();
    }

    fn merge(&self, shard: &str, with: &str) {
        let merge = self.client.merge_shards().stream_name(&self.stream);
        let merge = merge.shard_to_merge(shard).adjacent_shard_to_merge(with);
        self.at.wait(merge.send()).unwrap();
        self.until_active();
    }

    fn config(&self) -> KinesisConfig {
        let origin = overspill_event::Origin {
            module: "kinesis".to_owned(),
            labels: vec![("type".to_owned(), "x".to_owned())],
            ..overspill_event::Origin::default()
        };
        let stream = StreamRef::Name(self.stream.clone());
        let mut config = KinesisConfig::new("k", stream, origin);
        config.access = self.at.access.clone();
        config.start = Start::Oldest;
        config.poll_every = Duration::from_millis(50);
        config.busy_every = Duration::from_millis(10);
        config.refresh_every = Duration::from_millis(300);
        config.gone_wait = Duration::from_secs(2);
        config
    }
}

fn open(config: &KinesisConfig, resume: Resume) -> KinesisSource {
    KinesisSource::new(config.clone(), resume, system_clock()).unwrap()
}

fn numbered(hash: u128, range: std::ops::Range<u32>) -> impl Iterator<Item = (u128, String)> {
    range.map(move |n| (hash, format!("line {n}")))
}

/// Whether so many partitions have caught up with what was there at a time.
fn has_caught_up(outlet: &Checked, n: usize, since_ns: i64) -> bool {
    let late = outlet
        .caught_up
        .values()
        .filter(|as_of| **as_of >= since_ns);
    late.count() >= n
}

#[test]
fn lines_come_in_the_order_of_their_shard_and_again_from_any_position() {
    let Some(at) = moto() else {
        return;
    };
    let api = Api::create(at, "order", 2);
    let line = |n: u32| format!("line {n} {}", "x".repeat(60));
    let half = |n: u32| if n.is_multiple_of(2) { 0 } else { UPPER };
    api.put((0..4_000).map(|n| (half(n), line(n))));
    let config = api.config();
    let mut source = open(&config, Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 4_000);
    let before = system_clock()();
    outlet.until(&mut source, |outlet| has_caught_up(outlet, 2, before));
    for shard in 0..2 {
        let name = format!("order/shardId-00000000000{shard}");
        let expected: Vec<String> = (0..2_000).map(|n| line(2 * n + shard)).collect();
        assert_eq!(outlet.texts_of(&name), expected);
    }
    let mut seen: BTreeMap<PartitionName, u64> = BTreeMap::new();
    for line in &outlet.lines {
        let next = seen.entry(line.partition.clone()).or_default();
        assert_eq!((line.offset, line.src.as_str()), (*next, "order"));
        assert!(line.time_ns.unwrap() > 1_600_000_000_000_000_000);
        *next += 1;
    }
    assert_eq!(source.counters().get(Count::Lines), 4_000);
    source.lags(&mut |_, lag| assert_eq!(lag.offset, 2_000));
    for at in [0, 1, 777, 2_001, 3_999] {
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
        second.until(&mut again, |outlet| has_caught_up(outlet, 2, before));
        let offsets = |of: &Checked| -> Vec<u64> {
            of.positions
                .values()
                .map(|position| position.offset)
                .collect()
        };
        assert_eq!(offsets(&second), offsets(&outlet));
        assert_eq!(again.counters().get(Count::PositionsLost), 0);
    }
}

#[test]
fn a_source_begins_with_what_comes_and_goes_on_there_even_if_nothing_came() {
    let Some(at) = moto() else {
        return;
    };
    let api = Api::create(at, "start", 1);
    api.put(numbered(0, 0..10));
    // Moto keeps times of arrival as whole seconds.
    std::thread::sleep(Duration::from_millis(1_100));
    let mut config = api.config();
    config.start = Start::Newest;
    let mut source = open(&config, Resume::First);
    let mut outlet = Checked::default();
    let before = system_clock()();
    outlet.until(&mut source, |outlet| has_caught_up(outlet, 1, before));
    assert_eq!(outlet.texts(), [""; 0]);
    drop(source);
    api.put(numbered(0, 10..20));
    let mut source = open(&config, Resume::From(outlet.positions));
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 10);
    assert_eq!(outlet.lines[0].text, "line 10");
    drop(source);
    let mut source = open(&config, Resume::From(outlet.positions));
    let mut outlet = Checked::default();
    api.put(numbered(0, 20..21));
    outlet.until_lines(&mut source, 1);
    assert_eq!(outlet.texts(), ["line 20"]);
}

#[test]
fn a_shard_without_room_waits_in_the_service_and_keeps_no_other_waiting() {
    let Some(at) = moto() else {
        return;
    };
    let api = Api::create(at, "full", 2);
    let line = |n: u32| format!("{n} {}", "x".repeat(990));
    api.put((0..3_000).map(|n| (0, line(n))));
    api.put((0..10).map(|n| (UPPER, line(n))));
    let mut config = api.config();
    config.queue_bytes = 64 * 1024;
    let mut source = open(&config, Resume::First);
    let mut outlet = Checked::default();
    let held = PartitionName::new("full/shardId-000000000000");
    outlet.full.insert(held.clone());
    outlet.until_lines(&mut source, 10);
    let before = system_clock()();
    outlet.until(&mut source, |outlet| has_caught_up(outlet, 1, before));
    assert!(
        !outlet.caught_up.contains_key(&held),
        "it holds something back"
    );
    api.put((10..20).map(|n| (UPPER, line(n))));
    outlet.until_lines(&mut source, 20);
    outlet.full.clear();
    outlet.until_lines(&mut source, 3_020);
    let texts = outlet.texts_of("000");
    assert!(
        texts
            .iter()
            .enumerate()
            .all(|(n, text)| **text == line(n as u32))
    );
    let before = system_clock()();
    outlet.until(&mut source, |outlet| has_caught_up(outlet, 2, before));
}

#[test]
fn shards_are_divided_over_processes_by_their_names() {
    let Some(at) = moto() else {
        return;
    };
    let api = Api::create(at, "shared", 2);
    api.put(numbered(0, 0..3));
    api.put(numbered(UPPER, 10..13));
    let mut config = api.config();
    let mut seen = Vec::new();
    for ours in ["0", "1"] {
        config.belongs = Belongs::new(move |name| name.0.ends_with(ours));
        let mut source = open(&config, Resume::First);
        let mut outlet = Checked::default();
        outlet.until_lines(&mut source, 3);
        assert_eq!(outlet.begun.len(), 1);
        seen.extend(outlet.lines.into_iter().map(|line| line.text));
    }
    seen.sort();
    let expected = [0, 1, 10, 11, 12, 2].map(|n| format!("line {n}"));
    assert_eq!(seen, expected);
}
