//! Jobs that are killed and taken up again from their checkpoints sum up to the replay.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Builder;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, unbounded};
use overspill_bucket::GroupPiece;
use overspill_dataflow::checkpoint::{
    Checkpoints, Damaged, Groups, Piece, Restored, STAGES, Spare,
};
use overspill_dataflow::feed::{Feed, Feeder, Lines, Partition, partition};
use overspill_dataflow::intake::Intake;
use overspill_dataflow::restart::{Mark, RestartPoint, Resumed, Start};
use overspill_dataflow::{Job, Layout, Live, Output, Plan, Progress};
use proptest::prelude::*;

use crate::content::{SCENARIOS, plan};
use crate::jobs::{Given, How, batch, config, origin, run};
use crate::lines::{Arrival, arrivals, line, partitions};

/// A checkpoint as somebody stores it.
#[derive(Debug, Clone, Default)]
struct Stored {
    upto_ns: Option<i64>,
    groups: Groups,
    points: BTreeMap<u32, RestartPoint>,
    ended: BTreeSet<u32>,
}

/// Puts pieces together.
struct Store {
    pieces: Receiver<Piece>,
    outputs: Receiver<Output>,
    /// What was given so far.
    given: Vec<Output>,
    final_ns: i64,
    /// All pieces as of this time are here.
    whole_ns: Option<i64>,
    wanted: Arc<AtomicU64>,
    damaged: Damaged,
    /// Groups that were said to be damaged, and were not given again.
    lost: BTreeSet<(u8, u16)>,
    workers: usize,
    newest: Stored,
    groups: BTreeMap<(u8, u16), GroupPiece>,
    points: BTreeMap<u32, RestartPoint>,
    n_done: usize,
    n_stored: usize,
}

impl Store {
    fn new(
        pieces: Receiver<Piece>,
        outputs: Receiver<Output>,
        wanted: Arc<AtomicU64>,
        workers: usize,
        newest: Stored,
    ) -> Self {
        Self {
            pieces,
            outputs,
            given: Vec::new(),
            final_ns: i64::MIN,
            whole_ns: None,
            wanted,
            damaged: Damaged::default(),
            lost: BTreeSet::new(),
            workers,
            newest,
            groups: BTreeMap::new(),
            points: BTreeMap::new(),
            n_done: 0,
            n_stored: 0,
        }
    }

    /// Waits for a checkpoint, for so long.
    fn wait(&mut self, wait: Duration) {
        let until = Instant::now() + wait;
        let n_stored = self.n_stored;
        while Instant::now() < until && self.n_stored == n_stored {
            self.look();
            std::thread::yield_now();
        }
    }

    fn look(&mut self) {
        for output in self.outputs.try_iter() {
            if let Output::Final(final_ns) = output {
                self.final_ns = final_ns;
            }
            self.given.push(output);
        }
        // What is at or before it must have been given, too.
        if let Some(upto_ns) = self.whole_ns.take_if(|upto_ns| *upto_ns <= self.final_ns) {
            self.complete(upto_ns);
        }
        let wanted = self.wanted.load(Ordering::SeqCst);
        while let Ok(piece) = self.pieces.try_recv() {
            match piece {
                Piece::Group {
                    number,
                    stage,
                    group,
                    piece,
                    ..
                } => {
                    assert_eq!(number, wanted);
                    assert!(self.groups.insert((stage, group), piece).is_none());
                }
                Piece::Partitions { number, points } => {
                    assert_eq!(number, wanted);
                    self.points
                        .extend(points.into_iter().map(|point| (point.partition, point)));
                }
                Piece::Done {
                    number, upto_ns, ..
                } => {
                    assert_eq!(number, wanted);
                    self.n_done += 1;
                    if self.n_done == self.workers * STAGES.len() {
                        self.whole_ns = Some(upto_ns);
                    }
                }
            }
        }
    }

    fn complete(&mut self, upto_ns: i64) {
        self.n_done = 0;
        self.n_stored += 1;
        self.newest.upto_ns = Some(upto_ns);
        for (key, piece) in std::mem::take(&mut self.groups) {
            let pieces = self.newest.groups.entry(key).or_default();
            if piece.is_whole {
                pieces.clear();
            }
            assert!(piece.is_whole || !self.lost.contains(&key), "{key:?}");
            self.lost.remove(&key);
            pieces.push(piece.bytes);
        }
        assert!(self.lost.is_empty(), "not given again: {:?}", self.lost);
        // Some of what is stored is said to be damaged, and has to come again with the next one.
        for (at, &(stage, group)) in self.newest.groups.keys().enumerate() {
            if at % 3 == self.n_stored % 3 {
                self.lost.insert((stage, group));
                self.damaged.add(stage, group);
            }
        }
        self.newest.points = std::mem::take(&mut self.points);
        let ended = self.newest.points.values().filter(|point| point.is_ended);
        self.newest.ended.extend(ended.map(|point| point.partition));
        self.wanted.fetch_add(1, Ordering::SeqCst);
    }
}

/// How a life of a job goes.
struct Way<'a> {
    workers: usize,
    script: &'a [Arrival],
    /// Whether it is killed at the end of its script, or goes on to the end of its lines.
    is_killed: bool,
    /// How many of the last partitions come when half of the script is done. Event time is held until then.
    n_late: usize,
}

/// The readers' side of a job.
struct Readers<'a> {
    partitions: &'a [Vec<String>],
    feeders: Vec<Option<Feeder>>,
    sent: Vec<usize>,
    n_sent: u64,
    progress: Arc<Progress>,
    /// Partitions that have not come yet.
    late: Vec<Partition>,
}

fn context(at: usize) -> Arc<[u8]> {
    Arc::from(u32::try_from(at).unwrap().to_le_bytes())
}

impl<'a> Readers<'a> {
    /// Begins where the checkpoint says.
    fn begin(partitions: &'a [Vec<String>], n_late: usize, from: &Stored, intake: &Intake) -> Self {
        let mut readers = Self {
            partitions,
            feeders: Vec::new(),
            sent: Vec::new(),
            n_sent: 0,
            progress: Arc::default(),
            late: Vec::new(),
        };
        for (id, lines) in (0..).zip(partitions) {
            if from.ended.contains(&id) {
                readers.feeders.push(None);
                readers.sent.push(lines.len());
                continue;
            }
            let (feeder, mut partition) = partition(id, origin());
            let at = readers.sent.len();
            if let (Some(point), Some(upto_ns)) = (from.points.get(&id), from.upto_ns) {
                assert_eq!(point.mark.context, context(at));
                partition.start = Start {
                    mark: point.mark.clone(),
                    stash: point.stash.clone(),
                    resumed: Some(Resumed {
                        upto_ns,
                        counted_below: point.counted_below,
                        clock: point.clock,
                    }),
                };
            } else {
                partition.start.mark.context = context(at);
            }
            readers
                .sent
                .push(usize::try_from(partition.start.mark.offset).unwrap());
            if at + n_late < partitions.len() {
                intake.add(partition);
            } else {
                readers.late.push(partition);
            }
            readers.feeders.push(Some(feeder));
        }
        if !readers.late.is_empty() {
            intake.hold();
        }
        intake.open_gate();
        readers
    }

    /// The rest comes.
    fn come(&mut self, intake: &Intake) {
        if !self.late.is_empty() {
            self.late
                .drain(..)
                .for_each(|partition| intake.add(partition));
            intake.release();
        }
    }

    /// Sends some lines and waits until they are parsed.
    fn send(&mut self, at: usize, n_lines: usize) {
        let Some(feeder) = &self.feeders[at] else {
            return;
        };
        let id = u32::try_from(at).unwrap();
        if self.late.iter().any(|partition| partition.id == id) {
            return;
        }
        let lines = &self.partitions[at];
        let (begin, end) = (self.sent[at], lines.len().min(self.sent[at] + n_lines));
        if begin < end {
            self.sent[at] = end;
            self.n_sent += (end - begin) as u64;
            let lines = Lines {
                context: context(at),
                next_offset: end as u64,
                ..Lines::from(batch(&lines[begin..end], begin))
            };
            assert!(feeder.send(Feed::Lines(lines)));
            while self.progress.lines() < self.n_sent {
                std::thread::yield_now();
            }
        }
        // As of long ago: it moves nothing but the place.
        let next = Mark {
            offset: self.sent[at] as u64,
            context: context(at),
        };
        if feeder.has_room() {
            feeder.send(Feed::CaughtUp { as_of_ns: 0, next });
        }
    }
}

/// One life of a job; answers what it gave, and the newest checkpoint.
fn live(
    plan: &Arc<Plan>,
    partitions: &[Vec<String>],
    how: How,
    way: &Way<'_>,
    from: Stored,
) -> (Vec<Output>, Stored) {
    let how = How {
        workers: way.workers,
        ..how
    };
    let (sender, outputs) = unbounded();
    let (pieces, received) = unbounded();
    let wanted = Arc::new(AtomicU64::new(1));
    let intake = Arc::new(Intake::default());
    let halt = Arc::new(AtomicBool::new(false));
    let mut readers = Readers::begin(partitions, way.n_late, &from, &intake);
    let restored = from
        .upto_ns
        .map(|upto_ns| Restored::new(upto_ns, from.groups.clone()));
    let mut store = Store::new(received, outputs, Arc::clone(&wanted), way.workers, from);
    let job = Job {
        plan: Arc::clone(plan),
        settings: how.settings(),
        layout: Layout::Threads(way.workers),
        partitions: Vec::new(),
        outputs: Some(sender),
        recorder: None,
        progress: Arc::clone(&readers.progress),
        live: Some(Live {
            intake: Arc::clone(&intake),
            checkpoints: Some(Checkpoints {
                wanted,
                pieces,
                damaged: store.damaged.clone(),
                spare: Spare::default(),
            }),
            restored,
            halt: Arc::clone(&halt),
            post: None,
        }),
    };
    let job = Builder::new()
        .name("job".into())
        .spawn(move || job.run())
        .unwrap();
    for (at, arrival) in way.script.iter().enumerate() {
        if at == way.script.len() / 2 {
            readers.come(&intake);
        }
        readers.send(arrival.partition % partitions.len(), arrival.n_lines);
        if arrival.is_settled {
            store.wait(Duration::from_millis(2));
        }
    }
    if way.is_killed {
        store.look();
        halt.store(true, Ordering::SeqCst);
        job.join().unwrap().unwrap();
        return (store.given, store.newest);
    }
    readers.come(&intake);
    for at in 0..partitions.len() {
        readers.send(at, usize::MAX / 2);
        store.look();
    }
    for feeder in readers.feeders.iter().flatten() {
        feeder.send(Feed::End);
    }
    intake.close();
    job.join().unwrap().unwrap();
    store.look();
    (store.given, store.newest)
}

/// What stands of a life that was killed: what is final in the checkpoint that the next began with.
fn standing(outputs: Vec<Output>, upto_ns: Option<i64>) -> Vec<Output> {
    let eff_ns = |output: &Output| match output {
        Output::Overflow(record) => Some(record.order.0),
        Output::Alert { eff_ns, .. } => Some(*eff_ns),
        _ => None,
    };
    outputs
        .into_iter()
        .filter(|output| eff_ns(output) <= upto_ns && eff_ns(output).is_some())
        .collect()
}

/// All lives of a job; answers what stands, and how many checkpoints lives began with.
fn lives(
    plan: &Arc<Plan>,
    partitions: &[Vec<String>],
    how: How,
    ways: &[Way<'_>],
) -> (Given, usize) {
    let mut stored = Stored::default();
    let mut all = Vec::new();
    let mut n_taken_up = 0;
    for way in ways {
        n_taken_up += usize::from(stored.upto_ns.is_some());
        let (outputs, newest) = live(plan, partitions, how, way, stored);
        if way.is_killed {
            all.extend(standing(outputs, newest.upto_ns));
        } else {
            all.extend(outputs);
        }
        stored = newest;
    }
    let given = Given {
        outputs: all,
        stats: overspill_dataflow::Stats::default(),
        alerts: 0,
    };
    (given, n_taken_up)
}

proptest! {
    #![proptest_config(config(32))]

    #[test]
    fn lives_of_any_size_sum_up_to_the_replay(
        partitions in partitions(),
        scripts in proptest::collection::vec((arrivals(), prop::sample::select(&[1usize, 2, 3][..])), 1..4),
        last in prop::sample::select(&[1usize, 2, 4][..]),
        lateness_s in prop::sample::select(&[0i64, 3][..]),
        is_speculative: bool,
        is_graceful: bool,
        n_late in 0..3_usize,
    ) {
        let plan = plan(SCENARIOS);
        let how = How {
            lateness_ns: lateness_s * 1_000_000_000,
            grace_ns: if is_graceful { i64::MAX } else { 0 },
            ..if is_speculative { How::speculative(1) } else { How::replay(1) }
        };
        let replay = How { mode: How::replay(1).mode, ..how };
        let replayed = run(&plan, &partitions, &[], replay);
        let mut ways: Vec<Way<'_>> = scripts
            .iter()
            .map(|(script, workers)| Way { workers: *workers, script, is_killed: true, n_late })
            .collect();
        ways.push(Way { workers: last, script: &[], is_killed: false, n_late });
        let (given, _) = lives(&plan, &partitions, how, &ways);
        prop_assert_eq!(given.settled(), replayed.settled());
    }
}

#[test]
fn a_long_job_is_taken_up_again_and_again() {
    let plan = plan(SCENARIOS);
    // Two partitions that pour into the same keys, in step, for two minutes.
    let lines = |from: i64| -> Vec<String> {
        (0..1_200)
            .map(|n| {
                let kind = ["a", "b", "c"][usize::try_from(n / 7 % 3).unwrap()];
                let value = ["x", "y", "z", "stop"][usize::try_from(n % 11 % 4).unwrap()];
                line(
                    60_000 + n * 100 + from,
                    &format!("{kind} 192.0.2.{} {value}", n % 5),
                )
            })
            .collect()
    };
    let partitions = [lines(0), lines(30)];
    let script: Vec<Arrival> = (0..24)
        .map(|n| Arrival {
            partition: n % 2,
            n_lines: 25,
            is_settled: true,
        })
        .collect();
    let ways: Vec<Way<'_>> = [2, 1, 4, 3, 2, 1, 2]
        .into_iter()
        .enumerate()
        .map(|(at, workers)| Way {
            workers,
            script: &script,
            is_killed: at < 6,
            n_late: at % 2,
        })
        .collect();
    let how = How::speculative(1);
    let replayed = run(&plan, &partitions, &[], How::replay(1));
    let (given, n_taken_up) = lives(&plan, &partitions, how, &ways);
    assert!(
        replayed.by_scenario().len() > 5,
        "{:?}",
        replayed.by_scenario()
    );
    assert_eq!(given.settled(), replayed.settled());
    // How many of the six there were depends on the machine; without any this would test nothing.
    assert!(n_taken_up > 0, "no life began with a checkpoint");
}
