//! Joining the parts: sources into partitions, content into a plan, a job into its results.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use crossbeam_channel::{RecvTimeoutError, bounded};
use overspill_connectors::{Source, SourceError, Step};
use overspill_dataflow::feed::{Feed, Feeder, Waker, partition};
use overspill_dataflow::record::Recorder;
use overspill_dataflow::{Job, Layout, Mode, Output, Plan, Progress, Settings, Stats};
use overspill_event::LineBatch;
use overspill_golike::time::Time;

use crate::report::progress::InputBytes;
use crate::warnings::Warnings;

/// Outputs in flight between the job and whoever takes them.
const OUTPUTS_IN_FLIGHT: usize = 1_024;
/// How often a quiet job is asked whether it is to stop.
const STOP_LOOK: Duration = Duration::from_millis(50);
/// Stack of a reader thread, which may also decode; what is not touched takes no memory, and there may
/// be hundreds.
const READER_STACK: usize = 2 << 20;
/// Most live buckets unless configured otherwise.
pub const BUCKETS_MAX: usize = 1 << 22;
/// Most bytes of retained events unless configured otherwise: 512 MiB.
pub const EVIDENCE_BYTES_MAX: u64 = 1 << 29;

/// Opens a source; called on the thread that reads it.
pub type Open = Box<dyn FnOnce() -> Result<Box<dyn Source>, SourceError> + Send>;

/// One partition to be read.
pub struct Input {
    /// Number of the partition.
    pub id: u32,
    /// What its lines share.
    pub origin: overspill_event::Origin,
    /// Opens it.
    pub open: Open,
}

/// Settings of a replay with every default.
#[must_use]
pub fn settings(now: Time) -> Settings {
    Settings {
        mode: Mode::Replay,
        gives_overflows: false,
        lateness_ns: 0,
        idle_ns: 0,
        now,
        grace_ns: 0,
        buckets_max: BUCKETS_MAX,
        evidence_bytes_max: EVIDENCE_BYTES_MAX,
        stop: Arc::new(AtomicBool::new(false)),
    }
}

/// A job's surroundings.
pub struct Run {
    /// What runs.
    pub plan: Arc<Plan>,
    /// How.
    pub settings: Settings,
    /// Where.
    pub layout: Layout,
    /// Partitions that this process reads.
    pub inputs: Vec<Input>,
    /// Looks on.
    pub recorder: Option<Arc<dyn Recorder>>,
    /// Keeps the warnings of the plan's services.
    pub warnings: Arc<Warnings>,
    /// How far it is.
    pub progress: Arc<Progress>,
    /// Stored bytes read, for the progress bar.
    pub bytes: Arc<InputBytes>,
}

impl Run {
    /// Runs to the end; `take` gets the outputs in order, on this thread.
    ///
    /// # Errors
    /// When threads cannot be started, or a worker dies.
    pub fn run(self, take: impl FnMut(Output) -> Result<()>) -> Result<Stats> {
        self.run_until(take, || {})
    }

    /// As [`Run::run`]; calls `stopping` once, soon after [`Settings::stop`] was set. The job then
    /// ends with what its workers had taken from the readers.
    ///
    /// # Errors
    /// As [`Run::run`].
    pub fn run_until(
        self,
        mut take: impl FnMut(Output) -> Result<()>,
        stopping: impl FnOnce(),
    ) -> Result<Stats> {
        let stop = Arc::clone(&self.settings.stop);
        let mut partitions = Vec::new();
        let mut readers = Vec::new();
        let mut wakers = Vec::new();
        for input in self.inputs {
            let (feeder, partition) = partition(input.id, input.origin);
            wakers.push(feeder.waker());
            partitions.push(partition);
            readers.push(reader(input.id, input.open, feeder, &self.bytes, &stop)?);
        }
        let (sender, receiver) = bounded(OUTPUTS_IN_FLIGHT);
        let job = Job {
            plan: self.plan,
            settings: self.settings,
            layout: self.layout,
            partitions,
            outputs: Some(sender),
            recorder: self.recorder,
            progress: self.progress,
            live: None,
        };
        let job = std::thread::Builder::new()
            .name("job".into())
            .spawn(move || job.run())
            .context("start the job")?;
        let mut taken = Ok(());
        let mut stopping = Some(stopping);
        loop {
            match receiver.recv_timeout(STOP_LOOK) {
                Ok(output) if taken.is_ok() => {
                    taken = take(output);
                    if taken.is_err() {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if stop.load(Ordering::Relaxed) {
                // Again each time: the first call may come before the worker can be woken.
                wakers.iter().for_each(Waker::wake);
                if let Some(stopping) = stopping.take() {
                    stopping();
                }
            }
        }
        let mut stats = job.join().map_err(|_| anyhow!("the job panicked"))??;
        for reader in readers {
            // One that waits for its input may do so for ever; it ends with the process.
            if !stop.load(Ordering::Relaxed) || reader.is_finished() {
                reader.join().map_err(|_| anyhow!("a reader panicked"))?;
            }
        }
        self.warnings.move_to(&mut stats);
        taken.map(|()| stats)
    }
}

/// A thread that pumps a source into its partition.
fn reader(
    id: u32,
    open: Open,
    feeder: Feeder,
    bytes: &Arc<InputBytes>,
    stop: &Arc<AtomicBool>,
) -> Result<JoinHandle<()>> {
    let (bytes, stop) = (Arc::clone(bytes), Arc::clone(stop));
    std::thread::Builder::new()
        .name(format!("reader-{id}"))
        .stack_size(READER_STACK)
        .spawn(move || {
            let end = match open() {
                Ok(source) => pump(source, &feeder, &bytes, &stop),
                Err(error) => Feed::Failed(chain(&error)),
            };
            feeder.send(end);
        })
        .context("start a reader")
}

fn pump(
    mut source: Box<dyn Source>,
    feeder: &Feeder,
    bytes: &InputBytes,
    stop: &AtomicBool,
) -> Feed {
    let mut counted = 0;
    loop {
        let mut batch = LineBatch::default();
        let step = source.read(&mut batch);
        let (read, _) = source.progress();
        bytes
            .read
            .fetch_add(read.saturating_sub(counted), Ordering::Relaxed);
        counted = read;
        if !batch.lines.is_empty() && !feeder.send(Feed::Lines(batch.into())) {
            return Feed::End;
        }
        match step {
            Ok(Step::More) if stop.load(Ordering::Relaxed) => return Feed::End,
            Ok(Step::More) => {}
            Ok(Step::End) => return Feed::End,
            Err(error) => return Feed::Failed(chain(&error)),
        }
    }
}

/// An error with its sources, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
