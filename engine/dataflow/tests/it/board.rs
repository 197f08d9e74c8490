//! What the board says of a job: while it runs, and at its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::Builder;
use std::time::{Duration, Instant};

use overspill_dataflow::board::{Board, View};
use overspill_dataflow::feed::{Feed, Feeder, partition};
use overspill_dataflow::{Job, Layout, Mode, Progress, Stats};
use overspill_event::Origin;
use proptest::prelude::*;

use crate::content::{SCENARIOS, plan};
use crate::jobs::{How, Running, batch, config, origin, partition_pairs, start};
use crate::lines::{line, partitions};

/// Longest wait for something that has to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks, and waits for the answer.
fn ask(board: &Board) -> View {
    let question = board.ask();
    wait_for("an answer", || board.is_answered(question));
    board.view()
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_there() {
        assert!(Instant::now() < until, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(1));
    }
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn at_the_end_the_board_says_what_the_job_gives(
        partitions in partitions(),
        workers in 1usize..4,
        mode in prop::sample::select(&[Mode::Replay, Mode::Speculative][..]),
    ) {
        let (feeders, owned) = partition_pairs(partitions.len());
        let progress = Arc::new(Progress::default());
        let how = How { mode, ..How::replay(workers) };
        let job = Job {
            plan: plan(SCENARIOS),
            settings: how.settings(),
            layout: Layout::Threads(workers),
            partitions: owned,
            outputs: None,
            recorder: None,
            progress: Arc::clone(&progress),
            live: None,
        };
        let job = Builder::new().name("job".into()).spawn(move || job.run()).unwrap();
        for (feeder, lines) in feeders.iter().zip(&partitions) {
            feeder.send(Feed::Lines(batch(lines, 0).into()));
            // Somebody asks at any time.
            progress.board().ask();
            feeder.send(Feed::End);
        }
        let stats = job.join().unwrap().unwrap();
        let view = progress.board().view();
        prop_assert_eq!(&view.stats, &stats);
        prop_assert!(view.workers.iter().all(|worker| worker.has_ended));
        let of_buckets = |count: fn(&overspill_bucket::ScenarioCounts) -> u64| -> u64 {
            view.scenarios.values().map(count).sum()
        };
        let counted = |name: &str| stats.buckets[name];
        prop_assert_eq!(of_buckets(|counts| counts.created), counted("created"));
        prop_assert_eq!(of_buckets(|counts| counts.overflowed), counted("overflowed"));
        prop_assert_eq!(of_buckets(|counts| counts.underflowed), counted("underflowed"));
        prop_assert_eq!(of_buckets(|counts| counts.cancelled), counted("cancelled"));
        prop_assert_eq!(of_buckets(|counts| counts.live), counted("live at the end"));
        let given = view.gauges.alerts_given - view.gauges.alerts_withdrawn;
        prop_assert_eq!(given, progress.alerts());
    }
}

fn add(running: &Running, number: u32, src: &str) -> Feeder {
    let origin = Origin {
        src: src.to_owned(),
        ..origin()
    };
    let (feeder, lane) = partition(number, origin);
    running.intake.add(lane);
    feeder
}

fn sum_by_source(view: &View) -> (Stats, BTreeMap<&str, u64>) {
    let mut sum = Stats::default();
    let mut pours = BTreeMap::new();
    for source in &view.sources {
        sum.lines += source.outcomes.lines;
        sum.parsed += source.outcomes.parsed;
        sum.unparsed += source.outcomes.unparsed;
        sum.whitelisted += source.outcomes.whitelisted;
        for node in &source.nodes {
            assert_eq!(node.hits, node.ok + node.ko, "{node:?}");
            let counts = sum.nodes.entry(node.name.clone()).or_default();
            *counts = (counts.0 + node.hits, counts.1 + node.ok);
        }
        for (name, n) in &source.pours {
            *pours.entry(name.as_str()).or_default() += n;
        }
    }
    (sum, pours)
}

/// Counters of nodes, without the one that overflows come to.
fn of_parsers(stats: &Stats) -> BTreeMap<String, (u64, u64)> {
    let mut nodes = stats.nodes.clone();
    assert!(nodes.remove("t/forgiven").is_some());
    nodes
}

/// Ten of them are no lines of ours, and ten are whitelisted.
fn ninety_lines() -> Vec<String> {
    (0..90)
        .map(|n| match n % 9 {
            7 => "no line of ours".to_owned(),
            8 => line(n * 100, "a 192.0.2.1 ok"),
            _ => line(n * 100, &format!("a 192.0.2.{} y", n % 3)),
        })
        .collect()
}

#[test]
fn a_job_that_runs_says_what_it_has_counted_by_source() {
    let running = start(2);
    let feeders = [
        add(&running, 0, "one.log"),
        add(&running, 1, "two.log"),
        // The same log again, under another number.
        add(&running, 2, "one.log"),
    ];
    running.intake.open_gate();
    let lines = ninety_lines();
    for feeder in &feeders {
        assert!(feeder.send(Feed::Lines(batch(&lines, 0).into())));
    }
    wait_for("its lines", || running.progress.lines() == 270);
    let view = ask(running.progress.board());
    assert_eq!(view.stats.lines, 270);
    assert_eq!((view.stats.unparsed, view.stats.whitelisted), (30, 30));
    let sources: Vec<(&str, &str, &str, u64)> = view
        .sources
        .iter()
        .map(|source| {
            let lines = source.outcomes.lines;
            (&*source.src, &*source.module, &*source.kind, lines)
        })
        .collect();
    assert_eq!(
        sources,
        [("one.log", "file", "t", 180), ("two.log", "file", "t", 90)]
    );
    let (sum, pours) = sum_by_source(&view);
    assert_eq!(
        (sum.lines, sum.parsed, sum.unparsed, sum.whitelisted),
        (270, 210, 30, 30)
    );
    assert_eq!(sum.nodes, of_parsers(&view.stats));
    let whitelisted: u64 = view
        .sources
        .iter()
        .flat_map(|source| &source.nodes)
        .filter_map(|node| node.whitelist.as_ref())
        .map(|(_, n)| n)
        .sum();
    assert_eq!(whitelisted, 30);
    let of_lines: BTreeMap<&str, u64> = view
        .stats
        .scenarios
        .iter()
        .filter(|(_, counts)| counts.0 > 0)
        .map(|(name, counts)| (name.as_str(), counts.0))
        .collect();
    assert_eq!(pours, of_lines);
    // Everybody's lines were seen, so the watermark is theirs and the newest event is not beyond it.
    wait_for("its watermarks", || {
        let view = ask(running.progress.board());
        let stands = |ns: Option<i64>| ns == view.gauges.newest_ns && ns.is_some();
        view.partitions.len() == 3
            && view.partitions.iter().all(|lane| stands(lane.watermark_ns))
            && view.batches_out == 0
            && view.parked_bytes == 0
            && view.gauges.depth_ns().is_some_and(|ns| ns < 1_000_000_000)
    });
    for feeder in &feeders {
        feeder.send(Feed::End);
    }
    running.intake.close();
    let stats = running.job.join().unwrap().unwrap();
    let view = running.progress.board().view();
    assert_eq!(view.stats, stats);
    assert_eq!(sum_by_source(&view).0.nodes, of_parsers(&stats));
}

#[test]
fn more_sources_than_are_told_apart_are_counted_as_others() {
    let running = start(1);
    running.intake.open_gate();
    let text = [line(0, "a 192.0.2.1 y")];
    for number in 0..1_100 {
        let feeder = add(&running, number, &format!("{number:04}.log"));
        assert!(feeder.send(Feed::Lines(batch(&text, 0).into())));
        feeder.send(Feed::End);
    }
    wait_for("its lines", || running.progress.lines() == 1_100);
    let view = ask(running.progress.board());
    let others = view.sources.iter().find(|source| source.src == "other");
    assert_eq!(view.sources.len(), 1_025);
    assert_eq!(others.unwrap().outcomes.lines, 76);
    running.halt.store(true, Ordering::SeqCst);
    running.job.join().unwrap().unwrap();
}
