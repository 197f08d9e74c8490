//! Two processes, as far as the dataflow can tell: their workers meet over loopback.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread::{Builder, scope};
use std::time::{Duration, Instant};

use overspill_dataflow::cluster::{Peers, connect};
use overspill_dataflow::feed::{Feed, Partition};
use overspill_dataflow::{Job, Layout, Mode, Output, Plan, Progress, Stats};

use crate::content::{SCENARIOS, plan};
use crate::jobs::{Given, How, batch, partition_pairs, run};
use crate::lines::line;

/// Runs a job as two processes of two workers; each owns the partitions of its workers.
fn run_twice(plan: &Arc<Plan>, lines: &[Vec<String>], mode: Mode) -> Given {
    let listeners = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses: Vec<_> = listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap())
        .collect();
    let (feeders, partitions) = partition_pairs(lines.len());
    let (ours, theirs): (Vec<Partition>, Vec<Partition>) = partitions
        .into_iter()
        .partition(|partition| Job::worker_of(partition.id, 4) < 2);
    let (sender, receiver) = crossbeam_channel::bounded(64);
    let progress = Arc::new(Progress::default());
    let process = |index: usize, listener, partitions, outputs| {
        let peers = Peers {
            index,
            addresses: addresses.clone(),
            secret: [3; 32],
            generation: 1,
        };
        let sockets = connect(&listener, &peers, Duration::from_secs(60), Instant::now).unwrap();
        let job = Job {
            plan: Arc::clone(plan),
            settings: How {
                mode,
                ..How::replay(2)
            }
            .settings(),
            layout: Layout::Process {
                threads: 2,
                index,
                sockets,
            },
            partitions,
            outputs,
            recorder: None,
            progress: Arc::clone(&progress),
        };
        job.run().unwrap()
    };
    let process = &process;
    let [first, second] = listeners;
    scope(|scope| {
        let named = |name: &str| Builder::new().name(name.to_owned());
        let jobs = [
            named("process-0").spawn_scoped(scope, move || process(0, first, ours, Some(sender))),
            named("process-1").spawn_scoped(scope, move || process(1, second, theirs, None)),
        ];
        named("feeder")
            .spawn_scoped(scope, || {
                for (feeder, lines) in feeders.iter().zip(lines) {
                    for (n, chunk) in lines.chunks(7).enumerate() {
                        assert!(feeder.send(Feed::Lines(batch(chunk, n * 7))));
                    }
                    feeder.send(Feed::End);
                }
            })
            .unwrap();
        let outputs: Vec<Output> = receiver.iter().collect();
        let mut stats = Stats::default();
        for job in jobs {
            stats.add(&job.unwrap().join().unwrap());
        }
        Given {
            outputs,
            stats,
            alerts: progress.alerts(),
        }
    })
}

#[test]
fn two_processes_give_what_one_worker_gives() {
    let lines = |partition: i64, n: i64| -> Vec<String> {
        (0..n)
            .map(|n| {
                let kind = ["a", "b", "c"][(n as usize + partition as usize) % 3];
                let value = ["x", "y", "z", "stop"][(n as usize / 5) % 4];
                let rest = format!("{kind} 192.0.2.{} {value}", n * 7 % 11);
                line(n * 250 + partition * 33, &rest)
            })
            .collect()
    };
    check(
        &(0..5)
            .map(|partition| lines(partition, 300))
            .collect::<Vec<_>>(),
    );
    // One process has nothing to read.
    check(&[lines(0, 1_000)]);
}

fn check(lines: &[Vec<String>]) {
    let plan = plan(SCENARIOS);
    let one = run(&plan, lines, &[], How::replay(1));
    assert!(one.by_scenario().len() > 6, "{:?}", one.by_scenario());
    let two = run_twice(&plan, lines, Mode::Replay);
    assert_eq!(one.outputs, two.outputs);
    assert_eq!(one.stats.scenarios, two.stats.scenarios);
    assert_eq!(one.stats.lines, two.stats.lines);
    let live = run_twice(&plan, lines, Mode::Speculative);
    assert_eq!(one.settled(), live.settled());
}
