//! The worked examples of the description of CrowdSec's buckets, with its numbers.
//!
//! Each runs on a replaying and on a live table, in order of lines.

use overspill_bucket::{Kind, ScenarioId, Spec, TableConfig};
use std::sync::Arc;

use super::world::{Fleet, Outcome, SECOND, TestPour, bayes, leaky, pour_at, sum};

fn run(specs: &[Spec], pours: &[TestPour]) -> Vec<Outcome> {
    let specs: Arc<[Spec]> = specs.into();
    let mut results = Vec::new();
    for config in [TableConfig::replay(i64::MAX), TableConfig::live(i64::MAX)] {
        let mut fleet = Fleet::new(&specs, config, 1);
        // Line order: effective time never falls.
        let mut eff_ns = i64::MIN;
        for (n, pour) in pours.iter().enumerate() {
            let mut pour = *pour;
            eff_ns = eff_ns.max(pour.pour.time.map_or(i64::MIN, |time| time.ns));
            pour.pour.order.eff_ns = eff_ns;
            pour.pour.order.offset = n as u64;
            fleet.pour(&pour);
        }
        fleet.finish(i64::MAX);
        results.push(sum(&fleet.changes));
    }
    assert_eq!(results[0], results[1], "replay and live");
    results.swap_remove(0)
}

fn at(times: &[f64]) -> Vec<TestPour> {
    times
        .iter()
        .map(|&time| pour_at(0, (time * 1e9).round() as i64))
        .collect()
}

/// Overflow time, first time, total and length of the queue of each overflow, in seconds.
fn shape(outcomes: &[Outcome]) -> Vec<(f64, f64, u32, usize)> {
    let seconds = |ns: i64| ns as f64 / 1e9;
    let shape = |o: &Outcome| {
        (
            seconds(o.overflow_ns),
            seconds(o.first_ns),
            o.total,
            o.queue.len(),
        )
    };
    outcomes.iter().map(shape).collect()
}

fn check(name: &str, spec: Spec, pours: &[TestPour], expected: &[(f64, f64, u32, usize)]) {
    assert_eq!(shape(&run(&[spec], pours)), expected, "{name}");
}

#[test]
fn leaky_buckets_count_as_crowdsec_counts() {
    let burst = |start: f64, n: usize| vec![start; n];
    let spec = || leaky(5, 10);
    check(
        "22.1 burst",
        spec(),
        &at(&[0., 1., 2., 3., 4., 5.]),
        &[(5., 0., 6, 6)],
    );
    let exact = [burst(0., 5), vec![10., 20., 30., 40., 50., 50.]].concat();
    check(
        "22.2 leak compensates",
        spec(),
        &at(&exact),
        &[(50., 0., 11, 6)],
    );
    let old_first = [0., 55., 110., 165., 166., 167., 168., 169., 170.];
    check(
        "22.3 old first event",
        spec(),
        &at(&old_first),
        &[(170., 0., 9, 6)],
    );
    let joins = [vec![0.], burst(60., 6)].concat();
    check("22.4 at the span", spec(), &at(&joins), &[(60., 0., 7, 6)]);
    let new_bucket = [vec![0.], burst(61., 6)].concat();
    check(
        "22.4 after the span",
        spec(),
        &at(&new_bucket),
        &[(61., 61., 6, 6)],
    );
    let slow: Vec<f64> = (0..12).map(|n| f64::from(n) * 8.).collect();
    check(
        "22.5 slow overfill",
        leaky(3, 10),
        &at(&slow),
        &[(88., 0., 12, 4)],
    );
    check(
        "22.6 out of order",
        leaky(2, 10),
        &at(&[10., 0., 10., 10.]),
        &[(10., 10., 4, 3)],
    );
    let boundary = [0., 2.999_999_999];
    check(
        "22.7 refused",
        leaky(1, 3),
        &at(&boundary),
        &[(2.999_999_999, 0., 2, 2)],
    );
    check("22.7 allowed", leaky(1, 3), &at(&[0., 3.]), &[]);
}

#[test]
fn a_blackhole_ends_exactly_at_its_end() {
    let spec = Spec {
        blackhole_ns: Some(60 * SECOND),
        ..leaky(5, 10)
    };
    let bursts = [
        vec![0., 1., 2., 3., 4., 5.],
        vec![64.; 6],
        vec![65.; 6],
        vec![66.; 6],
    ]
    .concat();
    check(
        "22.8",
        spec,
        &at(&bursts),
        &[(5., 0., 6, 6), (65., 65., 6, 6)],
    );
}

#[test]
fn colliding_scenarios_pour_twice_into_the_creators_bucket() {
    let creator = leaky(5, 15 * 60);
    let other = leaky(50, 1);
    let (a, b) = (18_324.643, 18_826.809 + 1_200.);
    assert!(b - a > 1_702. && b - a < 1_702.2);
    let lines = [a, b, a, b, a];
    let pours: Vec<TestPour> = at(&lines)
        .into_iter()
        .zip(lines)
        .flat_map(|(mut pour, line)| {
            pour.event = if line == a { b'A' } else { b'B' };
            let mut second = pour;
            second.pour.scenario = ScenarioId(1);
            [pour, second]
        })
        .collect();
    let outcomes = run(&[creator, other], &pours);
    assert_eq!(outcomes.len(), 1);
    assert_eq!((outcomes[0].total, outcomes[0].scenario), (9, 0));
    assert_eq!(outcomes[0].queue, b"BAABBA");
}

#[test]
fn distinct_drops_what_was_seen() {
    let spec = Spec {
        distinct: true,
        ..leaky(3, 10)
    };
    let mut pours = at(&[0., 1., 2., 3., 4., 5., 6.]);
    for (pour, value) in pours.iter_mut().zip([1, 1, 2, 2, 3, 3, 4]) {
        pour.pour.distinct = Some([value, 0]);
    }
    check("22.10", spec.clone(), &pours, &[(6., 0., 4, 4)]);
    for pour in &mut pours {
        pour.pour.distinct = None;
    }
    check(
        "not evaluated: accepted",
        spec,
        &pours[..4],
        &[(3., 0., 4, 4)],
    );
}

#[test]
fn cancel_on_kills_without_an_alert_and_after_distinct() {
    let spec = Spec {
        cancel_on: true,
        ..leaky(4, 10)
    };
    let mut pours = at(&(0..11).map(f64::from).collect::<Vec<f64>>());
    pours[4].pour.cancel = true;
    check("22.11", spec.clone(), &pours, &[(9., 5., 5, 5)]);
    for pour in &mut pours {
        pour.pour.distinct = Some([u64::from(pour.pour.cancel), 0]);
    }
    pours[3].pour.distinct = Some([1, 0]);
    let spec = Spec {
        distinct: true,
        ..spec
    };
    check("a duplicate cannot cancel", spec, &pours, &[]);
}

#[test]
fn bayesian_buckets_remember_with_the_guillotine() {
    let spec = |guillotine| Spec {
        capacity: -1,
        leak_ns: 10 * SECOND,
        bayes: Some(bayes(guillotine)),
        ..Spec::new(Kind::Bayesian)
    };
    // The first condition holds for odd events, the second for events above 3 in a queue of two.
    let mut pours = at(&[0., 1.]);
    (pours[0].event, pours[1].event) = (1, 4);
    check("22.12", spec(true), &pours, &[(1., 0., 2, 2)]);
    check("without guillotine", spec(false), &pours, &[]);
    pours[1].event = 5;
    check("both hold at once", spec(false), &pours, &[(1., 0., 2, 2)]);
}

#[test]
fn conditional_buckets_overflow_by_their_condition_only() {
    let spec = Spec {
        capacity: -1,
        leak_ns: SECOND,
        condition: true,
        ..Spec::new(Kind::Conditional)
    };
    // The condition holds when the queue has three equal events.
    check(
        "22.13 same second",
        spec.clone(),
        &at(&[0., 0., 0.]),
        &[(0., 0., 3, 3)],
    );
    check(
        "22.13 within a second",
        spec.clone(),
        &at(&[0., 1., 2.]),
        &[(2., 0., 3, 3)],
    );
    check("22.13 too late", spec.clone(), &at(&[0., 1., 2.001]), &[]);
    let capacity_left_out = Spec {
        capacity: 0,
        ..spec
    };
    check("sees one event only", capacity_left_out, &at(&[0.; 9]), &[]);
}

#[test]
fn a_condition_on_another_type_overflows_whichever_comes_first() {
    let spec = |capacity| Spec {
        condition: true,
        ..leaky(capacity, 10)
    };
    check(
        "condition first",
        spec(5),
        &at(&[0., 0., 0.]),
        &[(0., 0., 3, 3)],
    );
    check(
        "both: one overflow",
        spec(2),
        &at(&[0., 0., 0.]),
        &[(0., 0., 3, 3)],
    );
    check(
        "capacity first",
        spec(1),
        &at(&[0., 0., 0.]),
        &[(0., 0., 2, 2)],
    );
}

#[test]
fn cache_size_limits_the_events_and_not_the_count() {
    let spec = Spec {
        capacity: 40,
        leak_ns: SECOND / 2,
        cache_size: 5,
        ..Spec::new(Kind::Leaky)
    };
    assert_eq!(spec.span_ns(), 20_500_000_000);
    check("22.14", spec, &at(&[3.; 41]), &[(3., 3., 41, 6)]);
    let spec = Spec {
        cache_size: 2,
        ..leaky(5, 10)
    };
    check("section 7", spec, &at(&[0.; 6]), &[(0., 0., 6, 3)]);
}

#[test]
fn a_trigger_overflows_at_every_event_and_its_expressions_are_ignored() {
    let spec = Spec {
        distinct: true,
        cancel_on: true,
        condition: true,
        ..Spec::new(Kind::Trigger)
    };
    let mut pours = at(&[0., 1., 1.]);
    for pour in &mut pours {
        pour.pour.distinct = Some([1, 1]);
        pour.pour.cancel = true;
    }
    let expected = [(0., 0., 1, 1), (1., 1., 1, 1), (1., 1., 1, 1)];
    check("trigger", spec.clone(), &pours, &expected);
    let spec = Spec {
        blackhole_ns: Some(SECOND),
        ..spec
    };
    check(
        "blackholed trigger",
        spec,
        &pours,
        &[(0., 0., 1, 1), (1., 1., 1, 1)],
    );
}

#[test]
fn a_counter_overflows_one_duration_after_its_first_event() {
    let spec = Spec {
        capacity: -1,
        duration_ns: 10 * SECOND,
        ..Spec::new(Kind::Counter)
    };
    check(
        "deadline passed by a pour",
        spec.clone(),
        &at(&[0., 9., 10., 11.]),
        &[(10., 0., 3, 3), (21., 11., 1, 1)],
    );
    check(
        "deadline passed by the end",
        spec.clone(),
        &at(&[5.]),
        &[(15., 5., 1, 1)],
    );
    let specs: Arc<[Spec]> = [spec].into();
    for config in [TableConfig::replay(0), TableConfig::live(0)] {
        let mut fleet = Fleet::new(&specs, config, 1);
        fleet.pour(&pour_at(0, 0));
        fleet.advance(10 * SECOND - 1);
        assert_eq!(fleet.changes.len(), 0);
        fleet.advance(10 * SECOND);
        assert_eq!(shape(&sum(&fleet.changes)), [(10., 0., 1, 1)]);
        fleet.finish(100 * SECOND);
        assert_eq!(fleet.changes.len(), 1);
    }
}

#[test]
fn an_event_without_a_time_is_neither_counted_nor_kept_but_conditions_are_asked() {
    let mut pours = at(&[0., 0., 0., 0.]);
    pours[1].pour.time = None;
    check("not counted", leaky(2, 10), &pours, &[(0., 0., 3, 3)]);
    let spec = Spec {
        capacity: -1,
        leak_ns: 100 * SECOND,
        condition: true,
        ..Spec::new(Kind::Conditional)
    };
    // Three equal events are queued, but the condition is false until an equal event asks.
    for (pour, event) in pours.iter_mut().zip([1, 1, 1, 1]) {
        pour.event = event;
    }
    pours[1].pour.time = None;
    check("asked on the old queue", spec, &pours, &[(0., 0., 3, 3)]);
    let mut trigger = at(&[4.]);
    trigger.push(TestPour {
        pour: overspill_bucket::Pour {
            time: None,
            ..trigger[0].pour
        },
        event: 0,
    });
    check(
        "trigger takes the effective time",
        Spec::new(Kind::Trigger),
        &trigger,
        &[(4., 4., 1, 1), (4., 4., 1, 1)],
    );
}

#[test]
fn overflow_filter_comes_before_the_blackhole() {
    let spec = Spec {
        overflow_filter: true,
        blackhole_ns: Some(100 * SECOND),
        ..Spec::new(Kind::Trigger)
    };
    // The filter refuses events whose first byte is a multiple of four.
    let mut pours = at(&[0., 1., 2., 3.]);
    for (pour, event) in pours.iter_mut().zip([4, 5, 8, 5]) {
        pour.event = event;
    }
    check(
        "the refused overflow opens no blackhole",
        spec,
        &pours,
        &[(1., 1., 1, 1)],
    );
}
