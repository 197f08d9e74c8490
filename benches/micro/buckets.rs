//! One pour into a table that holds many buckets.
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark stops when its input is wrong"
)]

use std::sync::Arc;

use divan::{Bencher, counter::ItemsCount};
use overspill_bucket::{
    Change, Key, Kind, NoExpressions, Order, Pour, ScenarioId, Spec, Stamp, Table, TableConfig,
};

fn main() {
    divan::main();
}

const KEYS: [u64; 2] = [1_000, 1_000_000];
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
        let pour = Pour {
            key: Key([mixed(key + 1), mixed(key ^ 0x9e37_79b9_7f4a_7c15)]),
            order: Order {
                eff_ns: ns,
                partition: 0,
                offset: self.offset,
                seq: 0,
            },
            scenario: ScenarioId(0),
            time: Some(Stamp { ns, zone_secs: 0 }),
            distinct: None,
            cancel: false,
        };
        self.table
            .pour(pour, &EVIDENCE, &mut NoExpressions, &mut self.changes);
        if self.offset.is_multiple_of(STEP) {
            self.table
                .advance(ns, &mut NoExpressions, &mut self.changes);
            self.changes.clear();
        }
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

/// Pours are applied at arrival and settled later.
#[divan::bench(args = KEYS)]
fn live(bencher: Bencher<'_, '_>, n_keys: u64) {
    run(bencher, TableConfig::live(60_000_000_000), n_keys);
}
