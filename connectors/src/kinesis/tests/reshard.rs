//! Shards that are split and merged while they are read.

use std::collections::BTreeSet;

use super::*;

/// Keys in order of their hashes.
const KEYS: u32 = 8;

fn hash(key: u32) -> u128 {
    u128::from(key) << 125
}

/// Puts lines that say which key they are of and the how many-th of it.
fn put(api: &Api, of_key: std::ops::Range<u32>) {
    let lines = of_key.flat_map(|n| (0..KEYS).map(move |key| (hash(key), format!("{key} {n}"))));
    api.put(lines);
}

/// A stream with a history: shards 1 and 2 came of 0, 3 and 4 of 1, 5 of 4 and 2.
fn resharded(api: &Api, mut between: impl FnMut(u32)) -> u32 {
    let shard = |n: u32| format!("shardId-{n:012}");
    put(api, 0..5);
    between(1);
    api.split(&shard(0), hash(4));
    put(api, 5..10);
    between(2);
    api.split(&shard(1), hash(2));
    put(api, 10..15);
    between(3);
    api.merge(&shard(4), &shard(2));
    put(api, 15..20);
    between(4);
    20
}

/// Each line once, and those of each key in order.
fn check(texts: &[&str], of_key: u32) {
    let mut next = [0; KEYS as usize];
    for text in texts {
        let (key, n) = text.split_once(' ').unwrap();
        let (key, n): (usize, u32) = (key.parse().unwrap(), n.parse().unwrap());
        assert_eq!(n, next[key], "of key {key} in {texts:?}");
        next[key] += 1;
    }
    assert_eq!(next, [of_key; KEYS as usize]);
}

fn ended(outlet: &Checked) -> BTreeSet<u32> {
    let number = |name: &PartitionName| name.0.rsplit_once('-').unwrap().1.parse().unwrap();
    outlet.ended.keys().map(number).collect()
}

#[test]
fn children_are_read_when_their_parents_are_at_their_end_and_all_lines_come_in_order() {
    let Some(at) = local() else {
        return;
    };
    let api = Api::create(at, "live", 1);
    let mut source = open(&api.config(), Resume::First);
    let mut outlet = Checked::default();
    let n = resharded(&api, |round| {
        let n = usize::try_from(round * 5 * KEYS).unwrap();
        outlet.until_lines(&mut source, n);
    });
    check(&outlet.texts(), n);
    let closed = BTreeSet::from([0, 1, 2, 4]);
    outlet.until(&mut source, |outlet| ended(outlet) == closed);
    assert_eq!(outlet.begun.len(), 6);
    for (name, left) in &outlet.ended {
        assert!(matches!(left, Left::At(_)), "{name}: {left:?}");
    }
    let before = system_clock()();
    outlet.until(&mut source, |outlet| has_caught_up(outlet, 2, before));
    assert_eq!(source.counters().get(Count::PositionsLost), 0);
    // Nothing is read again, and what is at its end does not begin.
    drop(source);
    put(&api, n..n + 1);
    let mut again = open(&api.config(), Resume::From(outlet.positions));
    let mut second = Checked::default();
    second.until_lines(&mut again, usize::try_from(KEYS).unwrap());
    assert_eq!(second.begun.len(), 2);
}

#[test]
fn a_restart_in_the_midst_of_it_loses_nothing_and_doubles_nothing() {
    let Some(at) = local() else {
        return;
    };
    let api = Api::create(at, "restarts", 1);
    let n = resharded(&api, |_| {});
    let mut config = api.config();
    // So that a piece is what one answer holds, and there is a checkpoint between any two.
    config.queue_bytes = 1;
    let n_lines = usize::try_from(n * KEYS).unwrap();
    for stop_at in (0..n_lines).step_by(13) {
        let mut texts = Vec::new();
        let mut resume = Resume::First;
        for stop in [stop_at, n_lines] {
            let mut source = open(&config, resume);
            let mut outlet = Checked::default();
            outlet.until(&mut source, |outlet| {
                texts.len() + outlet.lines.len() >= stop && !outlet.begun.is_empty()
            });
            let given = outlet.lines.iter().map(|line| line.text.clone());
            texts.extend(given);
            resume = Resume::From(outlet.positions);
        }
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        check(&texts, n);
    }
}

#[test]
fn a_source_that_begins_with_what_comes_reads_children_from_their_beginning() {
    let Some(at) = local() else {
        return;
    };
    let api = Api::create(at, "newest", 1);
    put(&api, 0..1);
    api.split("shardId-000000000000", hash(4));
    put(&api, 1..2);
    // So that times of arrival are before that at which it is started.
    std::thread::sleep(Duration::from_millis(50));
    let mut config = api.config();
    config.start = Start::Newest;
    let mut source = open(&config, Resume::First);
    let mut outlet = Checked::default();
    let before = system_clock()();
    outlet.until(&mut source, |outlet| has_caught_up(outlet, 2, before));
    assert_eq!(outlet.texts(), [""; 0]);
    assert_eq!(ended(&outlet), BTreeSet::from([0]));
    // It is stopped while a shard is split, and what came before it was started first is no news then either.
    drop(source);
    api.split("shardId-000000000001", hash(2));
    put(&api, 2..4);
    let mut source = open(&config, Resume::From(outlet.positions));
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, usize::try_from(2 * KEYS).unwrap());
    let before = system_clock()();
    outlet.until(&mut source, |outlet| has_caught_up(outlet, 3, before));
    assert!(outlet.texts().iter().all(|text| text.ends_with(['2', '3'])));
    assert_eq!(source.counters().get(Count::PositionsLost), 0);
}
