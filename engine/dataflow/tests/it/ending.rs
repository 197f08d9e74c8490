//! Jobs end: when told to, when a worker breaks, when nobody takes what they give.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, scope};

use overspill_dataflow::feed::Feed;
use overspill_dataflow::record::{LineObserver, Recorder};
use overspill_dataflow::{Job, JobError, Layout, Progress};
use overspill_event::{Event, Position};
use overspill_matcher::Hit;
use overspill_parser::{Observer, Outcome};

use crate::content::{SCENARIOS, plan};
use crate::jobs::{How, batch, partition_pairs};
use crate::lines::line;

fn lines(n: i64) -> Vec<String> {
    (0..n).map(|n| line(n, "a 192.0.2.1 y")).collect()
}

/// So many scenarios that every line of this kind pours into.
fn many_scenarios(n: usize) -> String {
    let one = |n| {
        format!(
            "type: leaky\nname: t/{n}\ndescription: d\nfilter: evt.Meta.log_type == 'a'\n\
             capacity: 5\nleakspeed: 1ms\n"
        )
    };
    let all: Vec<String> = (0..n).map(one).collect();
    all.join("---\n")
}

#[test]
fn a_job_told_to_stop_ends_though_its_reader_says_nothing() {
    let (feeders, partitions) = partition_pairs(2);
    let how = How::replay(2);
    let settings = how.settings();
    let stop = Arc::clone(&settings.stop);
    let progress = Arc::new(Progress::default());
    let job = Job {
        plan: plan(SCENARIOS),
        settings,
        layout: Layout::Threads(2),
        partitions,
        outputs: None,
        recorder: None,
        progress: Arc::clone(&progress),
        live: None,
    };
    let stats = scope(|scope| {
        let job = Builder::new()
            .name("job".into())
            .spawn_scoped(scope, || job.run())
            .unwrap();
        assert!(feeders[0].send(Feed::Lines(batch(&lines(100), 0).into())));
        while progress.lines() < 100 {
            std::thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        job.join().unwrap().unwrap()
    });
    assert_eq!(stats.parsed, 100);
    // Readers learn that nobody listens any more.
    assert!(!feeders[0].send(Feed::End));
    assert!(!feeders[1].send(Feed::Lines(batch(&lines(1), 0).into())));
}

#[test]
fn a_reader_that_dies_while_the_job_waits_for_it_is_told_of() {
    let (mut feeders, partitions) = partition_pairs(1);
    let progress = Arc::new(Progress::default());
    let job = Job {
        plan: plan(SCENARIOS),
        settings: How::replay(1).settings(),
        layout: Layout::Threads(1),
        partitions,
        outputs: None,
        recorder: None,
        progress: Arc::clone(&progress),
        live: None,
    };
    let stats = scope(|scope| {
        let job = Builder::new()
            .name("job".into())
            .spawn_scoped(scope, || job.run())
            .unwrap();
        assert!(feeders[0].send(Feed::Lines(batch(&lines(10), 0).into())));
        while progress.lines() < 10 {
            std::thread::yield_now();
        }
        feeders.clear();
        job.join().unwrap().unwrap()
    });
    assert_eq!((stats.parsed, stats.read_errors.len()), (10, 1));
}

#[test]
fn a_partition_far_ahead_waits_for_the_one_that_lags() {
    let (feeders, partitions) = partition_pairs(2);
    let progress = Arc::new(Progress::default());
    let job = Job {
        plan: plan(&many_scenarios(40)),
        settings: How::replay(2).settings(),
        layout: Layout::Threads(2),
        partitions,
        outputs: None,
        recorder: None,
        progress: Arc::clone(&progress),
        live: None,
    };
    // Far more than 100,000 pours, and those of the batches that may be out besides, over far more
    // than 10 s.
    let ahead: Vec<String> = (0..12_000).map(|n| line(n * 50, "a 192.0.2.1 y")).collect();
    let lagging = [line(0, "a 192.0.2.1 y")];
    let stats = scope(|scope| {
        let job = Builder::new()
            .name("job".into())
            .spawn_scoped(scope, || job.run())
            .unwrap();
        assert!(feeders[0].send(Feed::Lines(batch(&lagging, 0).into())));
        let feeder = &feeders[1];
        Builder::new()
            .name("feeder".into())
            .spawn_scoped(scope, || {
                for (n, chunk) in ahead.chunks(100).enumerate() {
                    assert!(feeder.send(Feed::Lines(batch(chunk, n * 100).into())));
                }
                feeder.send(Feed::End);
            })
            .unwrap();
        while progress.credit_waits() == 0 && progress.lines() < 12_001 {
            std::thread::yield_now();
        }
        // Now the one that lagged comes to its end, and the other goes on.
        assert!(feeders[0].send(Feed::End));
        job.join().unwrap().unwrap()
    });
    assert!(progress.credit_waits() > 0, "nobody waited");
    assert_eq!((stats.parsed, stats.pours), (12_001, 40 * 12_001));
    assert_eq!(stats.buckets["late"], 0);
}

#[test]
fn a_job_whose_outputs_nobody_takes_runs_on_and_counts() {
    let (feeders, partitions) = partition_pairs(1);
    assert!(feeders[0].send(Feed::Lines(batch(&lines(100), 0).into())));
    assert!(feeders[0].send(Feed::End));
    let (sender, receiver) = crossbeam_channel::bounded(1);
    drop(receiver);
    let progress = Arc::new(Progress::default());
    let job = Job {
        plan: plan(SCENARIOS),
        settings: How::replay(1).settings(),
        layout: Layout::Threads(1),
        partitions,
        outputs: Some(sender),
        recorder: None,
        progress: Arc::clone(&progress),
        live: None,
    };
    let stats = job.run().unwrap();
    assert_eq!(stats.lines, 100);
    assert!(progress.alerts() > 0);
}

#[test]
fn no_worker_is_one_worker() {
    let given = crate::jobs::run(&plan(SCENARIOS), &[lines(10)], &[], How::replay(0));
    assert_eq!(given.stats.lines, 10);
}

/// Panics at the line of this offset: a defect of ours, in the middle of a job.
#[derive(Debug)]
struct Breaks(u64);

struct Quiet;

impl Observer for Quiet {}

impl LineObserver for Quiet {
    fn done(&mut self, _event: &Event, _outcome: &Outcome) {}
}

impl Recorder for Breaks {
    fn line(&self, _position: Position) -> Box<dyn LineObserver> {
        Box::new(Quiet)
    }

    fn overflow(&self, _position: Position, _scenario: &str) -> Box<dyn LineObserver> {
        Box::new(Quiet)
    }

    fn poured(&self, event: &Event, _hits: &[Hit]) {
        let Position { partition, offset } = event.position;
        assert!((partition, offset) != (1, self.0), "broken on purpose");
    }
}

#[test]
fn a_worker_that_breaks_ends_the_job_with_an_error() {
    let (feeders, partitions) = partition_pairs(3);
    for feeder in &feeders {
        assert!(feeder.send(Feed::Lines(batch(&lines(20), 0).into())));
    }
    let job = Job {
        plan: plan(SCENARIOS),
        settings: How::replay(3).settings(),
        layout: Layout::Threads(3),
        partitions,
        outputs: None,
        recorder: Some(Arc::new(Breaks(10))),
        progress: Arc::new(Progress::default()),
        live: None,
    };
    // The other readers have not come to their ends: the job must not wait for them.
    let error = job.run().unwrap_err();
    assert!(matches!(error, JobError::Worker(_)), "{error:?}");
    assert!(!feeders[0].send(Feed::End));
}
