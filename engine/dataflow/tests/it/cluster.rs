//! Two processes, as far as the dataflow can tell: their workers meet over loopback.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{Builder, scope};
use std::time::{Duration, Instant};

use overspill_dataflow::feed::{Feed, Partition};
use overspill_dataflow::{Job, Layout, Mode, Output, Plan, Progress, Socket, Stats};
use overspill_peers::{Generation, Identity, Limits, Link, Peers, PeersSpec, Secret, connect};

use crate::content::{SCENARIOS, plan};
use crate::jobs::{Given, How, batch, partition_pairs, run};
use crate::lines::line;

/// A link, as the dataflow takes it.
#[derive(Debug)]
struct Wire(Link);

impl Read for Wire {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Socket for Wire {
    fn another(&self) -> io::Result<Box<dyn Socket>> {
        Ok(Box::new(Self(self.0.try_clone()?)))
    }

    fn set_nonblocking(&self, is_nonblocking: bool) -> io::Result<()> {
        self.0.set_nonblocking(is_nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}

/// The sockets of a process, once all have met.
pub(crate) fn meet(
    index: usize,
    listener: TcpListener,
    addresses: &[SocketAddr],
) -> Vec<Option<Box<dyn Socket>>> {
    let peers = Peers {
        index,
        spec: PeersSpec::fixed(addresses),
        secret: Secret::new(&[3; 32]).unwrap(),
        generation: Generation::Given(1),
        identity: Identity::default(),
        tls: None,
        limits: Limits {
            patience: Some(Duration::from_secs(60)),
            ..Limits::DEFAULT
        },
    };
    let meeting = connect(listener, &peers, &|_notice| (), Instant::now).unwrap();
    let boxed = |link| Box::new(Wire(link)) as Box<dyn Socket>;
    let links = meeting.links.into_iter();
    links.map(|link| link.map(boxed)).collect()
}

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
        let sockets = meet(index, listener, &addresses);
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
            live: None,
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
                        assert!(feeder.send(Feed::Lines(batch(chunk, n * 7).into())));
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
