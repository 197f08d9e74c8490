//! Running a job in this process and looking at what it gave.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::{Builder, JoinHandle, scope};

use overspill_dataflow::feed::{Feed, Feeder, Partition, partition};
use overspill_dataflow::intake::Intake;
use overspill_dataflow::record::Recorder;
use overspill_dataflow::{
    Job, JobError, Layout, Live, Mode, Output, Plan, Progress, Settings, Stats,
};
use overspill_event::{LineBatch, Origin};
use overspill_golike::time::Time;
use proptest::test_runner::Config as ProptestConfig;

use crate::content::{SCENARIOS, plan};
use crate::lines::Arrival;

/// So many cases by default, for each runs several jobs; `PROPTEST_CASES` asks for another number.
/// Failures are not written to the tree.
pub(crate) fn config(cases: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").map_or(cases, |text| text.parse().unwrap());
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

/// How a test runs a job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    pub(crate) mode: Mode,
    pub(crate) workers: usize,
    pub(crate) lateness_ns: i64,
    pub(crate) grace_ns: i64,
    pub(crate) buckets_max: usize,
}

impl How {
    pub(crate) fn replay(workers: usize) -> Self {
        Self {
            mode: Mode::Replay,
            workers,
            lateness_ns: 0,
            grace_ns: 0,
            buckets_max: 1 << 20,
        }
    }

    pub(crate) fn speculative(workers: usize) -> Self {
        Self {
            mode: Mode::Speculative,
            ..Self::replay(workers)
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            mode: self.mode,
            lateness_ns: self.lateness_ns,
            idle_ns: 0,
            now: Time::from_unix_ns(1_735_725_600_000_000_000),
            grace_ns: self.grace_ns,
            gives_overflows: true,
            buckets_max: self.buckets_max,
            evidence_bytes_max: 1 << 30,
            stop: Arc::new(AtomicBool::new(false)),
        }
    }
}

/// What a job gave.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) outputs: Vec<Output>,
    pub(crate) stats: Stats,
    pub(crate) alerts: u64,
}

impl Given {
    /// Alerts with their decisions, and overflows with their events, by how often they stand.
    pub(crate) fn settled(&self) -> BTreeMap<String, i64> {
        let mut sums = BTreeMap::new();
        for output in &self.outputs {
            let (text, diff) = match output {
                Output::Overflow(record) => {
                    let mut record = record.clone();
                    let diff = std::mem::replace(&mut record.diff, 0);
                    (format!("{record:?}"), diff)
                }
                Output::Alert { alert, diff, .. } => (format!("{alert:?}"), *diff),
                Output::Allowlisted(_) | Output::Final(_) => continue,
            };
            *sums.entry(text).or_default() += diff;
        }
        sums.retain(|_, sum| *sum != 0);
        sums
    }

    /// Names of the scenarios of standing alerts, with how many each has.
    pub(crate) fn by_scenario(&self) -> BTreeMap<&str, i64> {
        let mut sums = BTreeMap::new();
        for output in &self.outputs {
            if let Output::Alert { alert, diff, .. } = output {
                *sums.entry(alert.scenario.as_str()).or_default() += diff;
            }
        }
        sums.retain(|_, sum| *sum != 0);
        sums
    }

    /// How many alerts were taken back.
    pub(crate) fn n_taken_back(&self) -> usize {
        let is_taken_back =
            |output: &&Output| matches!(output, Output::Alert { diff, .. } if *diff < 0);
        self.outputs.iter().filter(is_taken_back).count()
    }
}

/// Feeders and partitions of a job over so many partitions.
pub(crate) fn partition_pairs(n: usize) -> (Vec<Feeder>, Vec<Partition>) {
    (0..n)
        .map(|id| partition(u32::try_from(id).unwrap(), origin()))
        .unzip()
}

pub(crate) fn origin() -> Origin {
    Origin {
        src: "test.log".to_owned(),
        module: "file".to_owned(),
        labels: vec![("type".to_owned(), "t".to_owned())],
    }
}

/// A batch of the lines from this offset on.
pub(crate) fn batch(lines: &[String], from: usize) -> LineBatch {
    let mut batch = LineBatch::default();
    for (line, offset) in lines.iter().zip(from..) {
        batch.push(line.as_bytes(), offset as u64, false);
    }
    batch
}

/// Sends lines as a script says, then what it left over, then the ends.
fn feed(partitions: &[Vec<String>], script: &[Arrival], feeders: Vec<Feeder>, progress: &Progress) {
    let mut sent = vec![0; partitions.len()];
    let mut n_sent = 0;
    let mut send = |at: usize, n_lines: usize| -> u64 {
        let from = sent[at];
        let to = partitions[at].len().min(from + n_lines);
        if from < to {
            sent[at] = to;
            n_sent += (to - from) as u64;
            let lines = batch(&partitions[at][from..to], from);
            assert!(feeders[at].send(Feed::Lines(lines.into())));
        }
        n_sent
    };
    for arrival in script {
        let n_sent = send(arrival.partition % partitions.len(), arrival.n_lines);
        while arrival.is_settled && progress.lines() < n_sent {
            std::thread::yield_now();
        }
    }
    for (at, lines) in partitions.iter().enumerate() {
        send(at, lines.len());
        feeders[at].send(Feed::End);
    }
}

/// Runs a job over these partitions, whose lines arrive as the script says.
pub(crate) fn run(
    plan: &Arc<Plan>,
    partitions: &[Vec<String>],
    script: &[Arrival],
    how: How,
) -> Given {
    run_watched(plan, partitions, script, how, None)
}

/// As [`run`], with somebody who looks on.
pub(crate) fn run_watched(
    plan: &Arc<Plan>,
    partitions: &[Vec<String>],
    script: &[Arrival],
    how: How,
    recorder: Option<Arc<dyn Recorder>>,
) -> Given {
    let (feeders, owned) = partition_pairs(partitions.len());
    let (sender, receiver) = crossbeam_channel::bounded(64);
    let progress = Arc::new(Progress::default());
    let job = Job {
        plan: Arc::clone(plan),
        settings: how.settings(),
        layout: Layout::Threads(how.workers),
        partitions: owned,
        outputs: Some(sender),
        recorder,
        progress: Arc::clone(&progress),
        live: None,
    };
    scope(|scope| {
        let job = Builder::new()
            .name("job".into())
            .spawn_scoped(scope, || job.run())
            .unwrap();
        Builder::new()
            .name("feeder".into())
            .spawn_scoped(scope, || feed(partitions, script, feeders, &progress))
            .unwrap();
        let outputs = receiver.iter().collect();
        Given {
            outputs,
            stats: job.join().unwrap().unwrap(),
            alerts: progress.alerts(),
        }
    })
}

/// A job that runs until its intake is closed.
pub(crate) struct Running {
    pub(crate) job: JoinHandle<Result<Stats, JobError>>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) halt: Arc<AtomicBool>,
    pub(crate) progress: Arc<Progress>,
}

/// A live job without checkpoints, whose partitions are still to come.
pub(crate) fn start(workers: usize) -> Running {
    let intake = Arc::new(Intake::default());
    let halt = Arc::new(AtomicBool::new(false));
    let progress = Arc::new(Progress::default());
    let job = Job {
        plan: plan(SCENARIOS),
        settings: How::speculative(workers).settings(),
        layout: Layout::Threads(workers),
        partitions: Vec::new(),
        outputs: None,
        recorder: None,
        progress: Arc::clone(&progress),
        live: Some(Live {
            intake: Arc::clone(&intake),
            checkpoints: None,
            restored: None,
            halt: Arc::clone(&halt),
            post: None,
        }),
    };
    let job = Builder::new()
        .name("job".into())
        .spawn(move || job.run())
        .unwrap();
    Running {
        job,
        intake,
        halt,
        progress,
    }
}
