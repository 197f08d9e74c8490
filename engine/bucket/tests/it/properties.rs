//! Random scenarios and pours: every way to run them equals the reference.

use std::sync::Arc;

use overspill_bucket::{Key, Kind, Order, Pour, ScenarioId, Spec, Stamp, TableConfig};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRng;

use super::model;
use super::world::{Fleet, Outcome, SECOND, TestPour, bayes, config, sum};

/// Everything random about a run.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) specs: Arc<[Spec]>,
    pub(crate) grace_ns: i64,
    pub(crate) defer_after: usize,
    pub(crate) keys_per_group_max: usize,
    pub(crate) bytes_per_group_max: u64,
    pub(crate) pours: Vec<TestPour>,
    /// Index of the pour that arrives n-th.
    pub(crate) arrival: Vec<usize>,
    /// After how many arrivals the watermark moves, and how far it stays behind what it could be.
    pub(crate) steps: Vec<(usize, i64)>,
}

impl Case {
    pub(crate) fn config(&self, speculative: bool) -> TableConfig {
        TableConfig {
            speculative,
            defer_after: self.defer_after,
            keys_per_group_max: self.keys_per_group_max,
            bytes_per_group_max: self.bytes_per_group_max,
            queue_len_max: 6,
            queue_bytes_max: [2, 10, 16, 100][self.defer_after % 4],
            ..TableConfig::replay(self.grace_ns)
        }
    }

    pub(crate) fn end(&self) -> i64 {
        self.pours
            .iter()
            .map(|pour| pour.pour.order.eff_ns)
            .max()
            .unwrap_or(0)
    }

    pub(crate) fn expected(&self) -> Vec<Outcome> {
        model::outcomes(&self.specs, self.config(false), &self.pours, self.end())
    }

    /// Feeds all pours, calling `at_watermark` after each advance.
    pub(crate) fn feed(&self, fleet: &mut Fleet, mut at_watermark: impl FnMut(&mut Fleet, i64)) {
        let mut watermark = i64::MIN;
        let mut n_poured = 0;
        for (n, &index) in self.arrival.iter().enumerate() {
            for &(_, lag) in self.steps.iter().filter(|step| step.0 == n) {
                let rest = self.arrival[n..].iter();
                let possible = rest
                    .map(|&index| self.pours[index].pour.order.eff_ns)
                    .min()
                    .unwrap()
                    - 1;
                let next = possible.saturating_sub(lag);
                if next > watermark {
                    watermark = next;
                    match self.defer_after % 3 {
                        0 => fleet.advance(watermark),
                        // What comes meanwhile is above the watermark.
                        n_keys => fleet.advance_in_steps(watermark, n_keys, |fleet| {
                            n_poured = n_poured.max(n);
                            if let Some(&index) = self.arrival.get(n_poured) {
                                fleet.pour(&self.pours[index]);
                                n_poured += 1;
                            }
                        }),
                    }
                    at_watermark(fleet, watermark);
                }
            }
            if n >= n_poured {
                fleet.pour(&self.pours[index]);
            }
        }
    }
}

fn spec() -> impl Strategy<Value = Spec> {
    let flags = vec(proptest::bool::weighted(0.25), 6);
    let numbers = (0..5_usize, 1..5_i64, 1..40_i64, 0..4_i64, 0..30_i64);
    (numbers, flags).prop_map(|((kind, capacity, leak, cache, blackhole), flags)| {
        let kind = [
            Kind::Leaky,
            Kind::Trigger,
            Kind::Counter,
            Kind::Conditional,
            Kind::Bayesian,
        ][kind];
        let capacity = match kind {
            Kind::Leaky => capacity,
            Kind::Trigger => 0,
            Kind::Conditional if capacity > 2 => capacity,
            _ => -1,
        };
        let is_timed = kind == Kind::Counter || (flags[0] && flags[1] && kind != Kind::Trigger);
        Spec {
            kind,
            capacity,
            leak_ns: leak * SECOND / 10,
            duration_ns: if is_timed { leak * SECOND / 5 } else { 0 },
            blackhole_ns: flags[2].then_some(blackhole * SECOND / 10),
            cache_size: cache,
            distinct: flags[3],
            cancel_on: flags[4],
            overflow_filter: flags[5],
            condition: kind == Kind::Conditional || flags[0],
            bayes: (kind == Kind::Bayesian).then(|| bayes(flags[1])),
            fingerprint: 0,
        }
    })
}

/// A pour but for its offset: key, eff, time back, distinct, cancel, event.
fn pour(n_keys: u64, n_specs: u32, span_ms: i64) -> impl Strategy<Value = TestPour> {
    let when = (
        0..span_ms,
        prop_oneof![6 => Just(0), 2 => 0..3_000_i64, 1 => Just(-1)],
    );
    let what = (
        0..n_keys,
        0..3_u8,
        proptest::bool::weighted(0.05),
        0..9_u8,
        0..4_u64,
    );
    (when, what, 0..10_u32).prop_map(move |((eff, back), what, other)| {
        let (key, collides, cancel, event, value) = what;
        // Most keys have one scenario; some are shared by two.
        let scenario = key as u32 % n_specs;
        let is_collision = collides == 0 && other < 5;
        let scenario = if is_collision {
            (scenario + 1) % n_specs
        } else {
            scenario
        };
        let time_ns = (eff - back) * 1_000_000;
        // Keys lie in four groups, one in each quarter of the space.
        let key = Key([
            (key % 4) << 62 | key,
            key.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        ]);
        TestPour {
            pour: Pour {
                key,
                order: Order {
                    eff_ns: eff * 1_000_000,
                    partition: 0,
                    offset: 0,
                    seq: scenario,
                },
                scenario: ScenarioId(scenario),
                time: (back >= 0).then_some(Stamp {
                    ns: time_ns,
                    zone_secs: 3_600,
                }),
                distinct: (value > 0).then_some([value, 1]),
                cancel,
            },
            event,
        }
    })
}

/// Swaps in the order of arrival, each over a bounded distance: real disorder is local.
fn arrival(n: usize, distance: usize) -> impl Strategy<Value = Vec<usize>> {
    vec(0..=distance, n).prop_perturb(move |jitter, _: TestRng| {
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by_key(|&index| index + jitter[index]);
        order
    })
}

fn case(keys_per_group_max: usize, bytes_per_group_max: u64) -> impl Strategy<Value = Case> {
    let sizes = (
        1..120_usize,
        1..20_u64,
        1..5_usize,
        prop_oneof![Just(0), 0..12_usize, 0..200_usize],
    );
    case_of(sizes, keys_per_group_max, bytes_per_group_max)
}

/// Of so many pours, keys and scenarios, and pours by which one may arrive too late.
fn case_of(
    sizes: impl Strategy<Value = (usize, u64, usize, usize)>,
    keys_per_group_max: usize,
    bytes_per_group_max: u64,
) -> impl Strategy<Value = Case> {
    sizes.prop_flat_map(move |(n, n_keys, n_specs, distance)| {
        let span_ms = prop_oneof![Just(4_000_i64), Just(30_000), Just(20)];
        let grace = prop_oneof![Just(i64::MAX), Just(0), Just(SECOND), Just(4 * SECOND)];
        let steps = vec((0..=n, prop_oneof![Just(0), 0..3 * SECOND]), 0..12);
        (
            vec(spec(), n_specs),
            span_ms,
            grace,
            steps,
            0..20_usize,
            arrival(n, distance),
        )
            .prop_flat_map(
                move |(specs, span_ms, grace_ns, steps, defer_after, arrival)| {
                    let pours = vec(pour(n_keys, n_specs as u32, span_ms), n);
                    (Just((specs, grace_ns, steps, defer_after, arrival)), pours)
                },
            )
            .prop_map(
                move |((specs, grace_ns, steps, defer_after, arrival), mut pours)| {
                    pours.sort_by_key(|pour| pour.pour.order);
                    for (offset, pour) in pours.iter_mut().enumerate() {
                        pour.pour.order.offset = offset as u64;
                    }
                    pours.sort_by_key(|pour| pour.pour.order);
                    Case {
                        specs: specs.into(),
                        grace_ns,
                        defer_after,
                        keys_per_group_max,
                        bytes_per_group_max,
                        pours,
                        arrival,
                        steps,
                    }
                },
            )
    })
}

/// Settled changes must be right at every watermark, and all of them at the end.
pub(crate) fn check_all_ways(case: &Case) -> Result<(), TestCaseError> {
    let expected = case.expected();
    let mut totals = Vec::new();
    for speculative in [false, true] {
        for n_tables in [1, 2, 4] {
            let mut fleet = Fleet::new(&case.specs, case.config(speculative), n_tables);
            let mut failure = None;
            case.feed(&mut fleet, |fleet, watermark| {
                let is_due = |outcome: &&Outcome| outcome.order.eff_ns <= watermark;
                let settled = sum(&fleet.changes);
                let wrong: Vec<&Outcome> = settled
                    .iter()
                    .filter(is_due)
                    .filter(|o| !expected.contains(o))
                    .collect();
                let missing: Vec<&Outcome> = expected
                    .iter()
                    .filter(is_due)
                    .filter(|o| !settled.contains(o))
                    .collect();
                if !(wrong.is_empty() && missing.is_empty()) && failure.is_none() {
                    failure = Some(format!(
                        "{watermark}: wrong {wrong:#?}, missing {missing:#?}"
                    ));
                }
            });
            prop_assert!(
                failure.is_none(),
                "{speculative} {n_tables} at {}",
                failure.unwrap()
            );
            fleet.finish(case.end());
            prop_assert_eq!(
                &sum(&fleet.changes),
                &expected,
                "{} {}",
                speculative,
                n_tables
            );
            if !speculative {
                prop_assert!(fleet.changes.iter().all(|change| change.diff == 1));
                if n_tables == 1 {
                    let orders = fleet
                        .changes
                        .iter()
                        .map(|change| change.overflow.order.eff_ns);
                    prop_assert!(orders.is_sorted());
                }
            }
            let counters: Vec<[u64; 14]> = fleet.tables.iter().map(totals_of).collect();
            totals.push(counters.iter().fold([0; 14], |mut sums, next| {
                sums.iter_mut()
                    .zip(next)
                    .for_each(|(sum, next)| *sum += next);
                sums
            }));
        }
    }
    for total in &totals {
        prop_assert_eq!(total, &totals[0], "counters do not depend on the way");
    }
    Ok(())
}

fn totals_of(table: &overspill_bucket::Table) -> [u64; 14] {
    let c = table.counters();
    assert_eq!(c.waiting, 0);
    assert_eq!(c.emitted + c.filtered + c.blackholed, c.overflowed);
    [
        c.poured,
        c.created,
        c.overflowed,
        c.filtered,
        c.blackholed,
        c.underflowed,
        c.cancelled,
        c.not_distinct,
        c.timeless,
        c.queue_capped,
        c.evicted,
        c.keys,
        c.live_buckets,
        c.kept_events,
    ]
}

/// Runs that no cap disturbs.
pub(crate) fn roomy() -> impl Strategy<Value = Case> {
    case(4_096, 1 << 20)
}

/// Runs that evict, by keys or by bytes.
pub(crate) fn crowded() -> impl Strategy<Value = Case> {
    let caps = prop_oneof![
        (1..5_usize, Just(1 << 20)),
        (Just(4_096), 0..60_u64),
        (1..9_usize, 9..60_u64)
    ];
    caps.prop_flat_map(|(keys, bytes)| case(keys, bytes))
}

/// Runs that evict while watermarks are reached in steps, with few keys, of which much is above the watermark.
fn in_steps() -> impl Strategy<Value = Case> {
    let caps = (1..4_usize, 9..60_u64);
    let case = caps.prop_flat_map(|(keys, bytes)| {
        case_of(
            (60..120_usize, 1..6_u64, 1..4_usize, 8..100_usize),
            keys,
            bytes,
        )
    });
    // One key at a time, or two.
    case.prop_map(|case| Case {
        defer_after: case.defer_after / 3 * 3 + 1 + case.defer_after % 2,
        ..case
    })
}

/// Runs of scenarios that have nothing but a limiter, whose pours are counted where buckets lie.
fn plain() -> impl Strategy<Value = Case> {
    prop_oneof![roomy(), crowded()].prop_map(|case| {
        let plain = |spec: &Spec| Spec {
            capacity: spec.capacity.max(1),
            leak_ns: spec.leak_ns,
            blackhole_ns: spec.blackhole_ns,
            cache_size: spec.cache_size,
            ..Spec::new(Kind::Leaky)
        };
        Case {
            specs: case.specs.iter().map(plain).collect(),
            ..case
        }
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn plain_buckets_give_the_reference_too(case in plain()) {
        check_all_ways(&case)?;
    }

    #[test]
    fn every_arrival_batching_and_split_gives_the_reference(case in roomy()) {
        check_all_ways(&case)?;
    }

    #[test]
    fn a_full_key_group_evicts_the_same_keys_in_every_way(case in crowded()) {
        check_all_ways(&case)?;
    }

    #[test]
    fn a_full_key_group_may_be_settled_a_key_at_a_time(case in in_steps()) {
        check_all_ways(&case)?;
    }
}
