//! One pour into a table that holds many buckets, alone and with its way there.
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark stops when its input is wrong"
)]

use std::sync::Arc;

use divan::{Bencher, counter::ItemsCount};
use overspill_bucket::{
    Change, KEY_GROUPS, Key, Kind, NoExpressions, Order, Pour, ScenarioId, Spec, Stamp, Table,
    TableConfig,
};
use overspill_dataflow::batch::{BATCH_RECORDS, HAS_TIME, PourBatch, PourDistributor, PourHead};
use timely::communication::Push;
use timely::dataflow::channels::Message;
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::progress::Stamp as Times;

fn main() {
    divan::main();
}

const KEYS: [u64; 3] = [1_000, 1_000_000, 10_000_000];
/// Pours between two steps of the watermark.
const STEP: u64 = 1_024;
/// Nanoseconds between two pours.
const PACE_NS: i64 = 10_000;
/// An ordinary encoded event.
const EVIDENCE: [u8; 300] = [b'e'; 300];

/// Spreads numbers as a keyed hash would (the finaliser of splitmix64).
fn mixed(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn key_of(key: u64) -> Key {
    Key([mixed(key + 1), mixed(key ^ 0x9e37_79b9_7f4a_7c15)])
}

fn pour(key: Key, offset: u64, ns: i64) -> Pour {
    Pour {
        key,
        order: Order {
            eff_ns: ns,
            partition: 0,
            offset,
            seq: 0,
        },
        scenario: ScenarioId(0),
        time: Some(Stamp { ns, zone_secs: 0 }),
        distinct: None,
        cancel: false,
    }
}

/// A table and the pours it is given.
struct World {
    table: Table,
    n_keys: u64,
    offset: u64,
    changes: Vec<Change>,
}

impl World {
    /// A table in which every key has a bucket of a leaky scenario with capacity 5 that lives for
    /// hours: every sixth pour of a key overflows.
    fn new(config: TableConfig, n_keys: u64) -> Self {
        let spec = Spec {
            capacity: 5,
            leak_ns: 3_600_000_000_000,
            ..Spec::new(Kind::Leaky)
        };
        // Nothing is evicted: this measures pours.
        let config = TableConfig {
            keys_per_group_max: usize::MAX,
            bytes_per_group_max: u64::MAX,
            ..config
        };
        let mut world = Self {
            table: Table::new(&Arc::from([spec]), config),
            n_keys,
            offset: 0,
            changes: Vec::new(),
        };
        for key in 0..n_keys {
            world.pour(key);
        }
        world
    }

    fn pour(&mut self, key: u64) {
        self.offset += 1;
        let ns = i64::try_from(self.offset).unwrap() * PACE_NS;
        let pour = pour(key_of(key), self.offset, ns);
        self.table
            .pour(pour, &EVIDENCE, &mut NoExpressions, &mut self.changes);
        if self.offset.is_multiple_of(STEP) {
            self.advance();
        }
    }

    fn advance(&mut self) {
        let ns = i64::try_from(self.offset).unwrap() * PACE_NS;
        self.table
            .advance(ns, &mut NoExpressions, &mut self.changes);
        self.changes.clear();
    }

    /// A pour into a key by chance, the same in every run.
    fn any(&mut self) {
        self.pour(mixed(self.offset) % self.n_keys);
    }
}

fn run(bencher: Bencher<'_, '_>, config: TableConfig, n_keys: u64) {
    let mut world = World::new(config, n_keys);
    // An iteration is one step of the watermark: neither the step nor its work is left out.
    bencher.counter(ItemsCount::new(STEP)).bench_local(|| {
        for _ in 0..STEP {
            world.any();
        }
    });
}

/// Pours wait for the watermark.
#[divan::bench(args = KEYS)]
fn replay(bencher: Bencher<'_, '_>, n_keys: u64) {
    run(bencher, TableConfig::replay(60_000_000_000), n_keys);
}

/// What a worker was sent.
#[derive(Default)]
struct Received(Vec<PourBatch>);

impl Push<Message<u64, PourBatch>> for Received {
    fn push(&mut self, message: &mut Option<Message<u64, PourBatch>>) {
        self.0.extend(message.take().map(|message| message.data));
    }
}

impl World {
    /// Builds a batch of pours, sends it through the distributor of two workers and pours what
    /// comes out. One table takes both shares.
    fn exchange(&mut self, distributor: &mut PourDistributor) {
        let mut batch = PourBatch::default();
        for n in 0..BATCH_RECORDS as u64 {
            let offset = self.offset + n + 1;
            let key = mixed(offset) % self.n_keys;
            let ns = i64::try_from(offset).unwrap() * PACE_NS;
            let (start, len) = batch.add_payload(&EVIDENCE);
            batch.push(PourHead {
                key: key_of(key).0,
                eff_ns: ns,
                time_ns: ns,
                offset,
                start,
                len,
                flags: HAS_TIME,
                ..PourHead::default()
            });
        }
        let mut workers = [Received::default(), Received::default()];
        let stamp = Times::from_elem(0_u64);
        distributor.partition(&mut batch, &stamp, &mut workers);
        distributor.flush(&stamp, &mut workers);
        for batch in workers.iter().flat_map(|worker| &worker.0) {
            for head in batch.heads() {
                let pour = pour(Key(head.key), head.offset, head.eff_ns);
                let payload = batch.payload(head);
                self.table
                    .pour(pour, payload, &mut NoExpressions, &mut self.changes);
            }
        }
        self.offset += BATCH_RECORDS as u64;
        if self.offset.is_multiple_of(STEP) {
            self.advance();
        }
    }
}

/// From a batch through the distributor to the settled table.
#[divan::bench(args = KEYS)]
fn exchange_replay(bencher: Bencher<'_, '_>, n_keys: u64) {
    let mut world = World::new(TableConfig::replay(60_000_000_000), n_keys);
    let mut distributor = PourDistributor::new(2);
    bencher.counter(ItemsCount::new(STEP)).bench_local(|| {
        for _ in 0..STEP / BATCH_RECORDS as u64 {
            world.exchange(&mut distributor);
        }
    });
}

/// Pours are applied at arrival and settled later.
#[divan::bench(args = &KEYS[..2])]
fn live(bencher: Bencher<'_, '_>, n_keys: u64) {
    run(bencher, TableConfig::live(60_000_000_000), n_keys);
}

/// All of a key group for a checkpoint, one group after the other.
#[divan::bench(args = &KEYS[..2])]
fn write_groups(bencher: Bencher<'_, '_>, n_keys: u64) {
    let mut world = World::new(TableConfig::live(60_000_000_000), n_keys);
    world.advance();
    let n_groups = u64::from(KEY_GROUPS);
    (0..KEY_GROUPS).for_each(|group| {
        let _first = world.table.write_group(group, &mut Vec::new());
    });
    let (mut next, mut memory) = (0, Vec::new());
    bencher
        .counter(ItemsCount::new(n_keys / n_groups))
        .bench_local(|| {
            next = (next + 1) % KEY_GROUPS;
            world.table.write_whole(next);
            let piece = world.table.write_group(next, &mut memory);
            memory = piece.map_or_else(Vec::new, |piece| piece.bytes);
        });
}
