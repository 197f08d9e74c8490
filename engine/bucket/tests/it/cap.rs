//! Limits: each is reached, counted, and behaves as written.

use std::sync::Arc;

use overspill_bucket::{Key, Kind, Spec, TableConfig};

use super::world::{Fleet, SECOND, TestPour, leaky, pour_at, sum};

fn keyed(key: u64, offset: u64) -> TestPour {
    let mut pour = pour_at(offset, offset as i64);
    pour.pour.key = Key([key, key]);
    pour.pour.order.eff_ns = offset as i64;
    pour
}

#[test]
fn a_flood_of_keys_does_not_evict_those_that_pour_again() {
    let specs: Arc<[Spec]> = [leaky(3, 10)].into();
    for speculative in [false, true] {
        let config = TableConfig {
            speculative,
            keys_per_group_max: 16,
            ..TableConfig::replay(i64::MAX)
        };
        let mut fleet = Fleet::new(&specs, config, 1);
        let mut offset = 0;
        for round in 0..4 {
            // One attacker pours twice in a row, then a thousand spoofed keys come by.
            for key in [1, 1]
                .into_iter()
                .chain((0..1_000).map(|n| 2 + round * 1_000 + n))
            {
                fleet.pour(&keyed(key, offset));
                offset += 1;
            }
            fleet.advance(offset as i64 - 1);
            assert!(fleet.tables[0].counters().keys <= 16);
        }
        let outcomes = sum(&fleet.changes);
        assert_eq!(
            outcomes.len(),
            2,
            "the attacker overflowed at every fourth pour"
        );
        assert!(outcomes.iter().all(|outcome| outcome.key == Key([1, 1])));
        assert!(fleet.tables[0].counters().evicted > 3_900);
    }
}

#[test]
fn bytes_are_capped_by_group() {
    let specs: Arc<[Spec]> = [leaky(50, 10)].into();
    for speculative in [false, true] {
        let config = TableConfig {
            speculative,
            bytes_per_group_max: 300,
            ..TableConfig::replay(i64::MAX)
        };
        let mut fleet = Fleet::new(&specs, config, 1);
        for offset in 0..1_000 {
            fleet.pour(&keyed(offset % 20, offset));
        }
        fleet.advance(1_000);
        let counters = fleet.tables[0].counters();
        assert!(counters.kept_bytes <= 300, "{counters:?}");
        assert!(counters.evicted > 0);
        assert_eq!(counters.kept_bytes, counters.kept_events * 3);
    }
}

#[test]
fn an_unlimited_queue_and_a_distinct_set_have_limits_and_counters() {
    let spec = Spec {
        capacity: -1,
        leak_ns: 10 * SECOND,
        distinct: true,
        ..Spec::new(Kind::Conditional)
    };
    let specs: Arc<[Spec]> = [spec].into();
    let config = TableConfig {
        queue_len_max: 10,
        distinct_max: 20,
        ..TableConfig::replay(i64::MAX)
    };
    let mut fleet = Fleet::new(&specs, config, 1);
    for offset in 0..30 {
        let mut pour = keyed(1, offset);
        pour.pour.distinct = Some([offset, 0]);
        fleet.pour(&pour);
    }
    fleet.advance(100);
    let counters = fleet.tables[0].counters();
    assert_eq!((counters.kept_events, counters.queue_capped), (10, 20));
    assert_eq!(counters.distinct_capped, 10);
}

#[test]
fn one_bucket_cannot_crowd_out_its_key_group() {
    let specs: Arc<[Spec]> = [
        Spec {
            capacity: -1,
            leak_ns: SECOND,
            ..Spec::new(Kind::Conditional)
        },
        leaky(5, 10),
    ]
    .into();
    let config = TableConfig {
        bytes_per_group_max: 300,
        queue_bytes_max: 30,
        ..TableConfig::replay(i64::MAX)
    };
    let mut fleet = Fleet::new(&specs, config, 1);
    for offset in 0..1_020 {
        let mut pour = keyed(if offset < 20 { offset } else { 99 }, offset);
        pour.pour.scenario.0 = u32::from(offset < 20);
        fleet.pour(&pour);
    }
    fleet.advance(2_000);
    let counters = fleet.tables[0].counters();
    assert_eq!((counters.keys, counters.evicted), (21, 0));
    assert_eq!((counters.kept_events, counters.queue_capped), (30, 990));
}

#[test]
fn an_eviction_takes_back_what_pours_ahead_made_of_the_evicted_bucket() {
    let specs: Arc<[Spec]> = [leaky(1, 10)].into();
    let config = TableConfig {
        keys_per_group_max: 2,
        ..TableConfig::live(i64::MAX)
    };
    let mut fleet = Fleet::new(&specs, config, 1);
    fleet.pour(&keyed(1, 0));
    fleet.advance(0);
    fleet.pour(&keyed(1, 50));
    assert_eq!(sum(&fleet.changes).len(), 1);
    fleet.pour(&keyed(2, 1));
    fleet.pour(&keyed(3, 2));
    fleet.advance(10);
    assert_eq!(fleet.tables[0].counters().evicted, 1);
    assert_eq!(sum(&fleet.changes).len(), 0, "its first pour was evicted");
    fleet.pour(&keyed(1, 60));
    fleet.finish(100);
    assert_eq!(sum(&fleet.changes).len(), 1);
    assert_eq!(sum(&fleet.changes)[0].first_ns, 50);
}

#[test]
fn a_hot_key_in_disorder_is_deferred_and_comes_out_right() {
    let specs: Arc<[Spec]> = [leaky(4, 1)].into();
    let run = |config: TableConfig| {
        let mut fleet = Fleet::new(&specs, config, 1);
        // Two partitions, one of them a long way behind.
        for offset in 0..2_000 {
            fleet.pour(&keyed(1, 2_000 + offset));
            fleet.pour(&keyed(1, offset));
        }
        let redone = fleet.tables[0].counters().redone;
        for watermark in (0..5_000).step_by(100) {
            fleet.advance(watermark);
        }
        let counters = fleet.tables[0].counters();
        assert_eq!((counters.waiting, counters.poured), (0, 4_000));
        // The key is not deferred for ever: another burst is seen at once.
        if config.speculative {
            let n_changes = fleet.changes.len();
            for offset in 0..5 {
                fleet.pour(&keyed(1, 10_000 + offset));
            }
            assert_eq!(fleet.changes.len(), n_changes + 1);
            fleet.changes.truncate(n_changes);
        }
        (sum(&fleet.changes), redone, counters.deferred)
    };
    let (replayed, _, _) = run(TableConfig::replay(i64::MAX));
    let (live, redone, deferred) = run(TableConfig::live(i64::MAX));
    assert_eq!(replayed.len(), 800);
    assert_eq!(live, replayed);
    assert!(redone < 10_000, "{redone}");
    assert!(deferred > 3_000, "{deferred}");
}

#[test]
fn a_grace_lets_the_table_forget() {
    let specs: Arc<[Spec]> = [
        Spec {
            blackhole_ns: Some(20 * SECOND),
            ..Spec::new(Kind::Trigger)
        },
        leaky(5, 1),
    ]
    .into();
    for speculative in [false, true] {
        let config = TableConfig {
            speculative,
            ..TableConfig::replay(5 * SECOND)
        };
        let mut fleet = Fleet::new(&specs, config, 1);
        for offset in 0..100 {
            let mut pour = keyed(offset, offset);
            pour.pour.scenario.0 = (offset % 2) as u32;
            fleet.pour(&pour);
        }
        fleet.advance(10 * SECOND);
        assert_eq!(fleet.tables[0].counters().keys, 100);
        // Spans of 6 s and graces of 5 s are over; blackholes of 20 s are not.
        fleet.advance(13 * SECOND);
        assert_eq!(fleet.tables[0].counters().keys, 50);
        assert_eq!(fleet.tables[0].counters().underflowed, 50);
        fleet.advance(27 * SECOND);
        assert_eq!(fleet.tables[0].counters().keys, 0);
    }
}

/// Bytes of memory that a live bucket of an ordinary scenario may take, its event's bytes apart.
const BUCKET_BYTES_MAX: u64 = 128;

#[test]
fn an_ordinary_bucket_is_small_and_gone_keys_leave_nothing() {
    let specs: Arc<[Spec]> = [leaky(3, 10)].into();
    let n_keys = 200_000;
    let mut fleet = Fleet::new(&specs, TableConfig::replay(0), 1);
    let pour = |fleet: &mut Fleet, key: u64, offset: u64| {
        let mut pour = keyed(key.wrapping_mul(0x9e37_79b9_7f4a_7c15), offset);
        pour.pour.order.eff_ns = offset as i64 * 1_000;
        pour.pour.time = pour.pour.time.map(|time| overspill_bucket::Stamp {
            ns: pour.pour.order.eff_ns,
            ..time
        });
        fleet.pour(&pour);
        if offset.is_multiple_of(1_000) {
            fleet.advance(pour.pour.order.eff_ns);
        }
    };
    for offset in 1..=n_keys {
        pour(&mut fleet, offset, offset);
    }
    let footprint = fleet.tables[0].footprint();
    assert_eq!(fleet.tables[0].counters().live_buckets, n_keys);
    // What is allocated in advance is at most as much again.
    let bytes = footprint.total() / n_keys;
    assert!(bytes <= 2 * BUCKET_BYTES_MAX, "{footprint:?}");
    assert_eq!((footprint.lists, footprint.wide), (0, 0), "one event each");
    // As many others come when these are over; the table does not grow.
    fleet.advance(100 * SECOND);
    assert_eq!(fleet.tables[0].counters().keys, 0);
    for offset in 200_000_000..200_000_000 + n_keys {
        pour(&mut fleet, offset, offset);
    }
    assert!(fleet.tables[0].footprint().total() <= footprint.total() + footprint.total() / 4);
}
