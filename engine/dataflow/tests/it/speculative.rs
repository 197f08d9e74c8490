//! What is given at once and taken back sums up to the replay, however lines arrive.

use overspill_dataflow::Output;
use proptest::prelude::*;

use crate::content::{SCENARIOS, plan};
use crate::jobs::{How, config, run};
use crate::lines::{Arrival, arrivals, line, partitions};

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn any_arrival_at_any_number_of_workers_sums_up_to_the_replay(
        partitions in partitions(),
        script in arrivals(),
        workers in prop::sample::select(&[1usize, 2, 3, 4][..]),
        lateness_s in prop::sample::select(&[0i64, 3][..]),
        is_graceful in any::<bool>(),
    ) {
        let plan = plan(SCENARIOS);
        let with = |how: How| How {
            lateness_ns: lateness_s * 1_000_000_000,
            grace_ns: if is_graceful { i64::MAX } else { 0 },
            ..how
        };
        let replayed = run(&plan, &partitions, &[], with(How::replay(1)));
        let live = run(&plan, &partitions, &script, with(How::speculative(workers)));
        prop_assert_eq!(live.settled(), replayed.settled());
        prop_assert_eq!(replayed.n_taken_back(), 0);
        // What is settled is counted alike, however often it was redone on the way.
        for name in ["poured", "created", "overflowed", "emitted", "filtered", "blackholed", "cancelled", "not distinct", "late"] {
            prop_assert_eq!(live.stats.buckets[name], replayed.stats.buckets[name], "{}", name);
        }
        prop_assert_eq!(&live.stats.scenarios, &replayed.stats.scenarios);
        prop_assert_eq!(live.stats.reprocessed, replayed.stats.reprocessed);
        prop_assert_eq!(live.stats.reprocess_refused, replayed.stats.reprocess_refused);
        prop_assert_eq!(live.stats.overflows_whitelisted, replayed.stats.overflows_whitelisted);
        prop_assert_eq!(live.alerts, replayed.alerts);
        check_finals(&live.outputs)?;
    }
}

/// What was said to be final is: nothing at or before it comes or goes afterwards.
fn check_finals(outputs: &[Output]) -> Result<(), TestCaseError> {
    let mut final_ns = i64::MIN;
    for output in outputs {
        match output {
            Output::Final(ns) => {
                prop_assert!(*ns > final_ns);
                final_ns = *ns;
            }
            Output::Overflow(record) => prop_assert!(record.order.0 > final_ns),
            _ => {}
        }
    }
    prop_assert_eq!(final_ns, i64::MAX, "the end is final");
    Ok(())
}

/// Partition 1 is worked off before partition 0 gives a line.
fn latter_first() -> Vec<Arrival> {
    vec![Arrival {
        partition: 1,
        n_lines: usize::MAX / 2,
        is_settled: true,
    }]
}

fn at(times_ms: &[i64], rest: &str) -> Vec<String> {
    times_ms.iter().map(|ms| line(*ms, rest)).collect()
}

#[test]
fn an_alert_is_given_at_once_and_taken_back_when_an_older_line_changes_it() {
    let plan = plan(SCENARIOS);
    // Three lines fill the bucket. An older one makes it overflow at the second of them.
    let partitions = [
        at(&[1_000], "a 192.0.2.1 y"),
        at(&[1_100, 1_200, 1_300], "a 192.0.2.1 y"),
    ];
    let live = run(&plan, &partitions, &latter_first(), How::speculative(1));
    let replayed = run(&plan, &partitions, &[], How::replay(1));
    assert!(live.n_taken_back() > 0, "{:#?}", live.by_scenario());
    assert_eq!(live.settled(), replayed.settled());
    assert_eq!(live.by_scenario()["t/leaky"], 1);
}

#[test]
fn every_scenario_of_the_tests_alerts_and_changes_its_mind() {
    // Otherwise the property would say nothing about it.
    let plan = plan(SCENARIOS);
    let ms = |from: i64, step: i64, n: i64| (0..n).map(|i| from + i * step).collect::<Vec<_>>();
    let mut partitions = [Vec::new(), Vec::new()];
    for (at_s, kind) in [(0, "a"), (100, "b"), (200, "c")] {
        for (n, value) in [(0, "y"), (1, "x"), (2, "z")] {
            for (offset, lines) in [(0, 0), (150, 1)] {
                for address in ["192.0.2.1", "192.0.2.2"] {
                    let times = ms(at_s * 1_000 + n * 1_100 + offset, 700, 4);
                    let rest = format!("{kind} {address} {value}");
                    partitions[lines].extend(at(&times, &rest));
                }
            }
        }
    }
    partitions.iter_mut().for_each(|lines| lines.sort());
    let live = run(&plan, &partitions, &latter_first(), How::speculative(1));
    let replayed = run(&plan, &partitions, &[], How::replay(1));
    assert_eq!(live.settled(), replayed.settled());
    let alerts = replayed.by_scenario();
    for scenario in plan.rules.scenarios() {
        assert!(alerts.contains_key(&*scenario.name), "{}", scenario.name);
    }
    let mut taken_back = std::collections::BTreeSet::new();
    for output in &live.outputs {
        if let Output::Alert {
            alert, diff: -1, ..
        } = output
        {
            taken_back.insert(alert.scenario.as_str());
        }
    }
    for scenario in plan.rules.scenarios() {
        let is_final = ["t/of-overflows", "t/counter", "t/timed"].contains(&&*scenario.name);
        assert!(
            is_final || taken_back.contains(&*scenario.name),
            "{} of {taken_back:?}",
            scenario.name
        );
    }
}

#[test]
fn a_hot_key_in_disorder_is_deferred_and_sums_up_all_the_same() {
    let plan = plan(SCENARIOS);
    // The later half arrives first: each of the others would redo all of it.
    let times = |from: i64| (0..300).map(|i| from + i * 20).collect::<Vec<_>>();
    let partitions = [
        at(&times(0), "a 192.0.2.1 y"),
        at(&times(3_010), "a 192.0.2.1 x"),
    ];
    let live = run(&plan, &partitions, &latter_first(), How::speculative(1));
    let replayed = run(&plan, &partitions, &[], How::replay(1));
    assert!(live.stats.buckets["deferred"] > 0);
    assert_eq!(live.settled(), replayed.settled());
}
