//! Counters add up: nothing that comes in is lost without a number.

use overspill_dataflow::{Mode, Output};
use proptest::prelude::*;

use crate::content::{SCENARIOS, plan};
use crate::jobs::{Given, How, config, run};
use crate::lines::{arrivals, line, partitions};

/// The sums that hold for every job.
fn check(given: &Given, n_lines: usize) -> Result<(), TestCaseError> {
    let stats = &given.stats;
    prop_assert_eq!(stats.lines, n_lines as u64);
    let outcomes = stats.parsed + stats.unparsed + stats.whitelisted + stats.refused;
    prop_assert_eq!(stats.lines, outcomes);

    let buckets = |name: &str| stats.buckets[name];
    let applied = buckets("poured") + buckets("late") + buckets("repeated");
    prop_assert_eq!(stats.pours, applied + buckets("of unknown scenarios"));
    prop_assert_eq!(buckets("late") + buckets("repeated"), 0);
    let discarded = buckets("filtered") + buckets("blackholed");
    prop_assert_eq!(buckets("overflowed"), buckets("emitted") + discarded);

    let pours: u64 = stats.scenarios.values().map(|counts| counts.0).sum();
    prop_assert_eq!(pours, stats.pours);
    let overflows: u64 = stats.scenarios.values().map(|counts| counts.1).sum();
    prop_assert_eq!(overflows, buckets("emitted"));
    let (mut n_records, mut n_whitelisted, mut n_alerts) = (0, 0, 0);
    for output in &given.outputs {
        match output {
            Output::Overflow(record) => {
                n_records += record.diff;
                n_whitelisted += record.diff * i64::from(record.overflow.whitelisted);
            }
            Output::Alert { diff, .. } => n_alerts += diff,
            _ => {}
        }
    }
    let without_source = stats.others.get("overflows without a source");
    let lost = stats.alerts_failed + without_source.copied().unwrap_or(0);
    prop_assert_eq!(n_records.unsigned_abs() + lost, overflows);
    prop_assert_eq!(n_whitelisted.unsigned_abs(), stats.overflows_whitelisted);
    prop_assert_eq!(n_alerts.unsigned_abs(), given.alerts);
    prop_assert!(n_alerts >= 0);
    Ok(())
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn counters_of_a_job_add_up(
        partitions in partitions(),
        script in arrivals(),
        workers in 1usize..4,
        mode in prop::sample::select(&[Mode::Replay, Mode::Speculative][..]),
    ) {
        let plan = plan(SCENARIOS);
        let how = How { mode, ..How::replay(workers) };
        let given = run(&plan, &partitions, &script, how);
        check(&given, partitions.iter().map(Vec::len).sum())?;
    }
}

#[test]
fn each_outcome_of_a_line_has_its_counter() {
    let plan = plan(SCENARIOS);
    let lines = vec![
        line(0, "a 192.0.2.1 y"),
        line(1, "a 192.0.2.1 ok"),
        line(2, "UNKNOWN 192.0.2.1 y"),
        "no line of ours".to_owned(),
        line(3, "a 192.0.2.1 list"),
        // Understood, without a date that can be read: it counts as of the job's now.
        "99:99 a 192.0.2.1 y".to_owned(),
    ];
    let given = run(&plan, &[lines], &[], How::replay(1));
    let stats = &given.stats;
    let outcomes = (
        stats.parsed,
        stats.whitelisted,
        stats.unparsed,
        stats.refused,
    );
    assert_eq!(outcomes, (2, 1, 2, 1));
    assert_eq!(stats.unparsed_samples.len(), 2);
    check(&given, 6).unwrap();
}

#[test]
fn events_older_than_their_partition_are_counted_and_count() {
    let plan = plan(SCENARIOS);
    let lines = [5_000, 4_000, 3_000].map(|ms| line(ms, "a 192.0.2.1 y"));
    let given = run(&plan, &[lines.to_vec()], &[], How::replay(1));
    assert_eq!(given.stats.clamped, 2);
    assert_eq!(given.stats.buckets["late"], 0);
    // Capacity 2: the third line of the address is one too many, whatever its date.
    assert_eq!(given.by_scenario()["t/leaky"], 1);
}

#[test]
fn a_partition_that_failed_is_told_and_what_came_before_counts() {
    use overspill_dataflow::feed::Feed;
    use overspill_dataflow::{Job, Layout, Progress};

    let (feeders, partitions) = crate::jobs::partition_pairs(2);
    let lines = [line(0, "c 192.0.2.1 y")];
    assert!(feeders[0].send(Feed::Lines(crate::jobs::batch(&lines, 0).into())));
    assert!(feeders[0].send(Feed::Failed("disk on fire".to_owned())));
    // The other reader dies without a word.
    drop(feeders);
    let job = Job {
        plan: plan(SCENARIOS),
        settings: How::replay(2).settings(),
        layout: Layout::Threads(2),
        partitions,
        outputs: None,
        recorder: None,
        progress: Progress::default().into(),
        live: None,
    };
    let mut stats = job.run().unwrap();
    stats.read_errors.sort();
    assert_eq!(stats.lines, 1);
    assert_eq!(
        stats.read_errors,
        vec!["disk on fire", "the reader ended without a word"]
    );
    assert_eq!(stats.scenarios["t/again"], (1, 1));
}
