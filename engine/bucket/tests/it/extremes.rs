//! No time, number or order makes the table panic, and none makes the two modes differ.

use std::sync::Arc;

use overspill_bucket::{Key, Kind, Order, Pour, ScenarioId, Spec, Stamp, TableConfig};
use proptest::collection::vec;
use proptest::prelude::*;

use super::world::{Fleet, TestPour, bayes, config, sum};

fn extreme() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(i64::MIN),
        Just(i64::MIN + 1),
        Just(-1),
        Just(0),
        Just(1),
        Just(i64::MAX - 1),
        Just(i64::MAX),
        any::<i64>(),
    ]
}

fn spec() -> impl Strategy<Value = Spec> {
    let numbers = [extreme(), extreme(), extreme(), extreme(), extreme()];
    (0..5_usize, numbers, any::<[bool; 6]>()).prop_map(|(kind, numbers, flags)| Spec {
        kind: [
            Kind::Leaky,
            Kind::Trigger,
            Kind::Counter,
            Kind::Conditional,
            Kind::Bayesian,
        ][kind],
        capacity: numbers[0],
        leak_ns: numbers[1],
        duration_ns: if flags[0] { numbers[2] } else { 0 },
        blackhole_ns: flags[1].then_some(numbers[3]),
        cache_size: numbers[4],
        distinct: flags[2],
        cancel_on: flags[3],
        overflow_filter: flags[4],
        condition: flags[5],
        bayes: flags[0].then(|| bayes(flags[1])),
        fingerprint: 0,
    })
}

fn pour() -> impl Strategy<Value = TestPour> {
    (
        0..3_u64,
        extreme(),
        proptest::option::of(extreme()),
        0..5_u32,
        any::<bool>(),
        any::<u8>(),
    )
        .prop_map(|(key, eff_ns, time_ns, scenario, cancel, event)| TestPour {
            pour: Pour {
                key: Key([key << 62, key]),
                order: Order {
                    eff_ns,
                    partition: u32::MAX,
                    offset: 0,
                    seq: 0,
                },
                scenario: ScenarioId(scenario),
                time: time_ns.map(|ns| Stamp {
                    ns,
                    zone_secs: i32::MIN,
                }),
                distinct: Some([u64::from(event), 0]),
                cancel,
            },
            event,
        })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn extreme_times_and_numbers_are_only_numbers(
        specs in vec(spec(), 4),
        pours in vec(pour(), 0..40),
        watermarks in vec((0..40_usize, extreme()), 0..6),
        grace_ns in extreme(),
        end in extreme(),
    ) {
        let mut specs = specs;
        for (n, spec) in (0..).zip(&mut specs) {
            spec.fingerprint = n;
        }
        let specs: Arc<[Spec]> = specs.into();
        let mut results = Vec::new();
        for speculative in [false, true] {
            let config = TableConfig { speculative, ..TableConfig::replay(grace_ns) };
            let mut fleet = Fleet::new(&specs, config, 1);
            for (offset, mut pour) in pours.iter().copied().enumerate() {
                pour.pour.order.offset = offset as u64;
                fleet.pour(&pour);
                for &(_, watermark) in watermarks.iter().filter(|step| step.0 == offset) {
                    fleet.advance(watermark);
                }
            }
            // The end is no earlier than any pour.
            let last = pours.iter().map(|pour| pour.pour.order.eff_ns).max();
            fleet.finish(last.map_or(end, |last| last.max(end)));
            let table = &fleet.tables[0];
            prop_assert_eq!(table.counters().waiting, 0);
            results.push((sum(&fleet.changes), table.counters().late, table.counters().unknown));
        }
        prop_assert_eq!(&results[0], &results[1]);
    }
}
