//! A table that is too small gives the same at any number of workers, in either mode.

use crate::content::{SCENARIOS, plan};
use crate::jobs::{How, run};
use crate::lines::{Arrival, line};

#[test]
fn evictions_are_the_same_for_all_and_counted() {
    let plan = plan(SCENARIOS);
    // Far more keys than key groups, each of which may hold one.
    let lines = |from: u32| -> Vec<String> {
        (0..1_500u32)
            .map(|n| {
                let address = format!("10.0.{}.{}", (from + n) % 700 / 256, (from + n) % 256);
                line(i64::from(n) * 10, &format!("a {address} y"))
            })
            .collect()
    };
    let partitions = [lines(0), lines(350), lines(0)];
    let small = |how: How| How {
        buckets_max: 1,
        ..how
    };
    let one = run(&plan, &partitions, &[], small(How::replay(1)));
    let evicted = "evicted because a key group was full";
    assert!(one.stats.buckets[evicted] > 100);
    let roomy = run(&plan, &partitions, &[], How::replay(1));
    assert_eq!(roomy.stats.buckets[evicted], 0);
    assert_ne!(one.settled(), roomy.settled(), "the cap changes nothing");
    let late = [Arrival {
        partition: 2,
        n_lines: 1_500,
        is_settled: true,
    }];
    for how in [How::replay(2), How::speculative(1), How::speculative(3)] {
        let other = run(&plan, &partitions, &late, small(how));
        assert_eq!(one.settled(), other.settled(), "{how:?}");
        assert_eq!(
            one.stats.buckets[evicted], other.stats.buckets[evicted],
            "{how:?}"
        );
    }
}
