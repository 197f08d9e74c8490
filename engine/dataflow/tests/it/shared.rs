//! Workers share the lines of a partition, and nothing shows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{Builder, scope};

use overspill_dataflow::clock::TICK_EVENTS_MAX;
use overspill_dataflow::feed::Feed;
use overspill_dataflow::{Job, JobError, Layout, Mode, Plan, Progress};
use proptest::prelude::*;

use crate::content::{SCENARIOS, plan, remembering_plan, timeless_plan};
use crate::jobs::{Given, How, batch, config, partition_pairs, run, run_watched};
use crate::lines::{Arrival, line};
use crate::watch::Watch;

/// A partition with all kinds of lines, some of them out of order.
fn mixed(n: i64, seed: i64) -> Vec<String> {
    (0..n)
        .map(|n| {
            let chance = (n + seed).wrapping_mul(0x9e37_79b9) >> 7 & 0xffff;
            let kind = ["a", "a", "b", "b", "c", "UNKNOWN"][(chance % 6) as usize];
            let value = ["x", "y", "z", "stop", "ok", "list"][(chance / 6 % 6) as usize];
            let back_ms = if chance % 11 == 0 { 2_500 } else { 0 };
            let rest = format!("{kind} 192.0.2.{} {value}", chance / 36 % 12);
            line(60_000 + n * 120 - back_ms + seed, &rest)
        })
        .collect()
}

/// Batches of so many lines, in turn from each of the partitions.
fn in_batches(partitions: &[Vec<String>], n_lines: usize) -> Vec<Arrival> {
    let longest = partitions.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest.div_ceil(n_lines) * partitions.len())
        .map(|n| Arrival {
            partition: n % partitions.len(),
            n_lines,
            is_settled: false,
        })
        .collect()
}

/// Compares a run whose workers are held up at random with one of one worker.
fn check(plan: &Arc<Plan>, partitions: &[Vec<String>], n_lines: usize, how: How, seed: u64) {
    let one = run(
        plan,
        partitions,
        &[],
        How {
            mode: Mode::Replay,
            workers: 1,
            ..how
        },
    );
    assert!(!one.by_scenario().is_empty());
    let script = in_batches(partitions, n_lines);
    let watch = Arc::new(Watch::with_delays(seed));
    let many = run_watched(plan, partitions, &script, how, Some(watch));
    same(&one, &many, how.mode);
}

fn same(one: &Given, many: &Given, mode: Mode) {
    match mode {
        Mode::Replay => assert_eq!(one.outputs, many.outputs),
        Mode::Speculative => assert_eq!(one.settled(), many.settled()),
    }
    let counters = |given: &Given| {
        let stats = &given.stats;
        (
            [
                stats.lines,
                stats.bytes,
                stats.parsed,
                stats.unparsed,
                stats.whitelisted,
                stats.refused,
                stats.without_time,
                stats.clamped,
                stats.moved_on,
                stats.pours,
            ],
            stats.scenarios.clone(),
            stats.parsing.clone(),
            stats.unparsed_samples.clone(),
            stats.error_samples.clone(),
        )
    };
    assert_eq!(counters(one), counters(many));
    if mode == Mode::Replay {
        // Overflows that are taken back have gone through post-overflow nodes, too.
        assert_eq!(one.stats.nodes, many.stats.nodes);
    }
    assert_eq!(many.stats.buckets["late"], 0);
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn however_workers_are_held_up_they_give_what_one_gives(
        sizes in prop::collection::vec(0i64..400, 1..4),
        n_lines in 1usize..40,
        workers in 2usize..5,
        lateness_s in prop::sample::select(&[0i64, 3][..]),
        is_live in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let mut partitions: Vec<Vec<String>> =
            sizes.iter().zip(0..).map(|(n, at)| mixed(*n, at * 37)).collect();
        // Something alerts in every case.
        partitions[0].extend(mixed(300, 5));
        let how = if is_live { How::speculative(workers) } else { How::replay(workers) };
        let how = How { lateness_ns: lateness_s * 1_000_000_000, ..how };
        check(&plan(SCENARIOS), &partitions, n_lines, how, seed);
    }
}

#[test]
fn lines_without_time_keep_their_order() {
    let partitions = [mixed(400, 0), mixed(100, 3)];
    let one = run(&timeless_plan(SCENARIOS), &partitions, &[], How::replay(1));
    assert_eq!(one.stats.without_time, one.stats.parsed);
    for workers in [2, 4] {
        check(
            &timeless_plan(SCENARIOS),
            &partitions,
            9,
            How::replay(workers),
            1,
        );
    }
}

#[test]
fn a_watermark_that_stands_moves_on_at_the_same_line_for_all() {
    let n = i64::from(TICK_EVENTS_MAX) + 5_000;
    let lines: Vec<String> = (0..n)
        .map(|n| line(1_000, &format!("c 192.0.2.{} y", n % 7)))
        .collect();
    let plan = plan(SCENARIOS);
    let partitions = [lines];
    let script = in_batches(&partitions, 1_000);
    let one = run(&plan, &partitions, &script, How::replay(1));
    assert_eq!(one.stats.moved_on, 1);
    let many = run(&plan, &partitions, &script, How::replay(3));
    same(&one, &many, Mode::Replay);
}

#[test]
fn parsers_that_remember_see_the_lines_of_a_partition_in_order() {
    let plan = remembering_plan(SCENARIOS);
    let partitions = [mixed(300, 0), mixed(200, 11), mixed(50, 4)];
    let forgetful = run(
        &crate::content::plan(SCENARIOS),
        &partitions,
        &[],
        How::replay(1),
    );
    let one = run(&plan, &partitions, &[], How::replay(1));
    assert_ne!(
        one.settled(),
        forgetful.settled(),
        "what is remembered matters"
    );
    for workers in [2, 4] {
        check(&plan, &partitions, 5, How::replay(workers), 3);
    }
    let watch = Arc::new(Watch::with_delays(8));
    let script = in_batches(&partitions, 5);
    let many = run_watched(
        &plan,
        &partitions,
        &script,
        How::replay(4),
        Some(Arc::<Watch>::clone(&watch)),
    );
    for partition in 0..3 {
        assert_eq!(watch.threads_of(partition).len(), 1);
    }
    let alone = "inputs that one worker parsed alone, for a parser with a stash";
    assert_eq!(many.stats.parsing[alone], 3);
    assert!(!forgetful.stats.parsing.contains_key(alone));
}

/// Lines of a batch in the tests below.
const BATCH: usize = 10;

#[test]
fn a_worker_that_is_held_up_holds_up_no_other_and_what_waits_for_it_is_bounded() {
    const WORKERS: usize = 3;
    // Sixteen batches a worker, half of them of one partition, this one included.
    const OTHERS: u64 = WORKERS as u64 * 16 / 2 - 1;
    let plan = plan(SCENARIOS);
    let partitions = [mixed(1_000, 0)];
    let highest = Arc::new(AtomicU64::new(0));
    let watch = {
        let highest = Arc::clone(&highest);
        Watch::new(move |watch, position| {
            if position.offset == 0 {
                // The first line is not done before all that may be are.
                watch.wait_for(BATCH as u64, OTHERS as usize * BATCH);
                highest.store(watch.highest(), Ordering::Relaxed);
            }
        })
    };
    let watch = Arc::new(watch);
    let script = in_batches(&partitions, BATCH);
    let recorder = Some(Arc::<Watch>::clone(&watch) as _);
    let many = run_watched(&plan, &partitions, &script, How::replay(WORKERS), recorder);
    assert!(watch.threads_of(0).len() > 1);
    assert!(highest.load(Ordering::Relaxed) < (OTHERS + 1) * BATCH as u64);
    same(
        &run(&plan, &partitions, &[], How::replay(1)),
        &many,
        Mode::Replay,
    );
}

#[test]
fn a_job_told_to_stop_gives_what_a_shorter_input_gives() {
    let plan = plan(SCENARIOS);
    let lines = mixed(600, 0);
    let (feeders, partitions) = partition_pairs(1);
    let settings = How::replay(3).settings();
    let stop = Arc::clone(&settings.stop);
    let (sender, receiver) = crossbeam_channel::bounded(64);
    let progress = Arc::new(Progress::default());
    let watch = Watch::new(move |_, position| {
        // Somewhere in the middle of a batch, while others are out.
        if position.offset == 305 {
            stop.store(true, Ordering::Relaxed);
        }
    });
    let job = Job {
        plan: Arc::clone(&plan),
        settings,
        layout: Layout::Threads(3),
        partitions,
        outputs: Some(sender),
        recorder: Some(Arc::new(watch)),
        progress: Arc::clone(&progress),
        live: None,
    };
    let given = scope(|scope| {
        let job = Builder::new()
            .name("job".into())
            .spawn_scoped(scope, || job.run())
            .unwrap();
        let lines = &lines;
        Builder::new()
            .name("feeder".into())
            .spawn_scoped(scope, move || {
                for (n, chunk) in lines.chunks(BATCH).enumerate() {
                    if !feeders[0].send(Feed::Lines(batch(chunk, n * BATCH).into())) {
                        return;
                    }
                }
            })
            .unwrap();
        Given {
            outputs: receiver.iter().collect(),
            stats: job.join().unwrap().unwrap(),
            alerts: progress.alerts(),
        }
    });
    let n_lines = usize::try_from(given.stats.lines).unwrap();
    assert!(n_lines > 305 && n_lines.is_multiple_of(BATCH), "{n_lines}");
    let shorter = [lines[..n_lines].to_vec()];
    same(
        &run(&plan, &shorter, &[], How::replay(1)),
        &given,
        Mode::Replay,
    );
}

#[test]
fn a_reader_that_fails_in_the_middle_gives_what_came_before() {
    let plan = plan(SCENARIOS);
    let lines = mixed(400, 0);
    let (feeders, partitions) = partition_pairs(1);
    let (sender, receiver) = crossbeam_channel::bounded(64);
    let progress = Arc::new(Progress::default());
    let job = Job {
        plan: Arc::clone(&plan),
        settings: How::replay(2).settings(),
        layout: Layout::Threads(2),
        partitions,
        outputs: Some(sender),
        recorder: Some(Arc::new(Watch::with_delays(2))),
        progress: Arc::clone(&progress),
        live: None,
    };
    let given = scope(|scope| {
        let job = Builder::new()
            .name("job".into())
            .spawn_scoped(scope, || job.run())
            .unwrap();
        let lines = &lines;
        Builder::new()
            .name("feeder".into())
            .spawn_scoped(scope, move || {
                for (n, chunk) in lines.chunks(BATCH).enumerate() {
                    assert!(feeders[0].send(Feed::Lines(batch(chunk, n * BATCH).into())));
                }
                assert!(feeders[0].send(Feed::Failed("torn".to_owned())));
            })
            .unwrap();
        Given {
            outputs: receiver.iter().collect(),
            stats: job.join().unwrap().unwrap(),
            alerts: progress.alerts(),
        }
    });
    assert_eq!(given.stats.read_errors, vec!["torn"]);
    same(
        &run(&plan, &[lines], &[], How::replay(1)),
        &given,
        Mode::Replay,
    );
}

#[test]
fn a_worker_that_breaks_in_a_shared_partition_ends_the_job() {
    let (feeders, partitions) = partition_pairs(1);
    for (n, chunk) in mixed(80, 0).chunks(BATCH).enumerate() {
        assert!(feeders[0].send(Feed::Lines(batch(chunk, n * BATCH).into())));
    }
    let watch = Watch::new(|_, position| assert!(position.offset != 33, "broken on purpose"));
    let job = Job {
        plan: plan(SCENARIOS),
        settings: How::replay(3).settings(),
        layout: Layout::Threads(3),
        partitions,
        outputs: None,
        recorder: Some(Arc::new(watch)),
        progress: Arc::default(),
        live: None,
    };
    // The reader has not come to its end, and the batch will not come home.
    let error = job.run().unwrap_err();
    assert!(matches!(error, JobError::Worker(_)), "{error:?}");
    assert!(!feeders[0].send(Feed::End));
}
