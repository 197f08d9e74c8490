//! Overflows poured again: final ones only, in their order, and no deeper than stated.

use crate::content::{SCENARIOS, plan};
use crate::jobs::{How, run};
use crate::lines::{Arrival, line};

/// Three overflows of different addresses, of which the second stage makes one.
fn lines() -> Vec<String> {
    (1i64..=3)
        .map(|n| line(n * 500, &format!("c 192.0.2.{n} y")))
        .collect()
}

#[test]
fn a_third_depth_is_refused_and_counted() {
    let plan = plan(SCENARIOS);
    for how in [How::replay(1), How::replay(2), How::speculative(2)] {
        let given = run(&plan, &[lines()], &[], how);
        assert_eq!(given.stats.scenarios["t/again"], (3, 3));
        // One overflow of two pours and one that `distinct` let alone; an alert for each source.
        assert_eq!(given.stats.scenarios["t/of-overflows"], (3, 1));
        assert_eq!(given.by_scenario()["t/of-overflows"], 2);
        assert_eq!(given.stats.reprocessed, 3);
        // The scenario on overflows asks for `reprocess` as well.
        assert_eq!(given.stats.reprocess_refused, 1);
    }
}

#[test]
fn whitelisted_overflows_are_not_poured_again() {
    let plan = plan(SCENARIOS);
    let mut lines = lines();
    lines.truncate(1);
    lines.push(line(3_000, "c 192.0.2.9 y"));
    let given = run(&plan, &[lines], &[], How::replay(1));
    assert_eq!(given.stats.overflows_whitelisted, 1);
    assert_eq!(given.stats.reprocessed, 1);
    assert!(!given.by_scenario().contains_key("t/of-overflows"));
}

#[test]
fn the_second_stage_takes_nothing_back() {
    let plan = plan(SCENARIOS);
    // An older line of the same address moves its overflow, and swallows the one that was given.
    let older = vec![line(100, "c 192.0.2.1 y")];
    let partitions = [older, lines()];
    let script = [Arrival {
        partition: 1,
        n_lines: 3,
        is_settled: true,
    }];
    let live = run(&plan, &partitions, &script, How::speculative(1));
    let replayed = run(&plan, &partitions, &[], How::replay(1));
    assert!(live.n_taken_back() > 0);
    assert_eq!(live.settled(), replayed.settled());
    for output in &live.outputs {
        if let overspill_dataflow::Output::Overflow(record) = output {
            assert!(record.depth == 0 || record.diff == 1, "{record:?}");
        }
    }
}
