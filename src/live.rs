//! The live job: sources that do not end, checkpoints, alerts that are written exactly once.
//!
//! ```text
//!  source threads          job (timely)              journal thread           keeper thread
//!  poll ==lines==> lanes ─────────────> outputs ────> alerts.jsonl ──ack──┐
//!    ^                    └──────────── pieces ─────────────────────────> checkpoint
//!    └───────────────────────── committed positions ──────────────────────┘
//! ```
//!
//! A checkpoint is asked for by the keeper, made of what the workers give as of one event time and of where the
//! journal stood when all alerts up to then were in it, and only then told to the sources. In a job of several
//! processes each has sources and workers of its own; the first one has the journal and the keeper, the others a
//! clerk (see `message.rs` and [`cluster`]).

mod begin;
mod clerk;
pub mod cluster;
pub mod control;
mod journal;
mod keeper;
mod loss;
mod message;
pub mod metrics;
mod outlet;
mod part;
pub mod places;
pub mod reload;
mod running;
pub mod sources;
mod topic;
mod transform;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use crossbeam_channel::bounded;
use overspill_connectors::acquis::Acquisition;
use overspill_connectors::source::system_clock;
use overspill_dataflow::{Plan, Settings};
use overspill_event::Alert;

use crate::lapi::Api;
use crate::warnings::Warnings;
use cluster::Cluster;
use journal::Journal;
use metrics::Meters;
use reload::Reload;
use running::{Ends, Running};

/// Words in flight to whoever looks on. When it does not keep up, alerts wait, and with them the job.
const WORDS_IN_FLIGHT: usize = 1_024;
/// How often a quiet thread looks whether there is something.
const LOOK: Duration = Duration::from_millis(50);

/// What a live job runs with.
pub struct Config {
    /// What runs.
    pub plan: Arc<Plan>,
    /// How.
    pub settings: Settings,
    /// Workers.
    pub workers: usize,
    /// How long a partition that is silent, and not at its end, may hold up the others.
    pub skew: Duration,
    /// What is read.
    pub acquisitions: Vec<Acquisition>,
    /// Names this machine in the names of what only it can read.
    pub node: String,
    /// Where checkpoints are: a directory, or the address of an object store. None: nothing is kept.
    pub checkpoints: Option<String>,
    /// Wall time between checkpoints.
    pub every: Duration,
    /// Where alerts are written: files, and topics as `kafka://BROKERS/TOPIC`.
    pub alerts: Vec<String>,
    /// Directory of the decision log, in a job that keeps one.
    pub decisions: Option<PathBuf>,
    /// The Local API that is served beside the job, if one is.
    pub api: Option<Arc<Api>>,
    /// What runs, by name and hash, for the checkpoint.
    pub content: Vec<String>,
    /// Fingerprint of all of it.
    pub digest: reload::Digest,
    /// Keeps the warnings of the plan's services.
    pub warnings: Arc<Warnings>,
    /// Where metrics are answered, if they are.
    pub listen: Option<metrics::Listen>,
    /// What they are made of.
    pub meters: Arc<Meters>,
    /// What of the content and the acquisitions was refused, rendered.
    pub refused: Vec<String>,
    /// Where other content is announced.
    pub reload: Arc<Reload>,
    /// The other processes, if there are any.
    pub cluster: Option<Cluster>,
}

/// What a job did until it ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended {
    /// Lines that were read.
    pub lines: u64,
    /// Alerts that stood.
    pub alerts: u64,
    /// It is to begin again, with the content that was compiled meanwhile.
    pub again: bool,
}

/// Something that whoever looks at a live job is told.
#[derive(Debug)]
pub enum Word {
    /// It goes on from a checkpoint.
    Resumed {
        /// Number of the checkpoint.
        number: u64,
        /// Its event time, in nanoseconds.
        upto_ns: i64,
        /// Partitions in it.
        n_partitions: usize,
    },
    /// An alert, or that one is withdrawn.
    Alert(Box<Alert>, i64),
    /// Something is wrong, and the job goes on.
    Trouble(String),
    /// Metrics are answered at this address.
    Listening(String),
}

/// Runs until it is stopped, or all sources have ended.
///
/// # Errors
/// When it cannot begin, or cannot go on.
pub fn run(config: Config, tell: impl FnMut(Word)) -> Result<Ended> {
    config.reload.begin();
    let clock = system_clock();
    let meters = Arc::clone(&config.meters);
    let mut tell = tell;
    let mut tell = |word| {
        meters.saw(&word);
        tell(word);
    };
    // It answers while the checkpoint is read, too.
    let _server = metrics::serve(config.listen.as_ref(), &meters, &clock, &mut tell)?;
    let (words, told) = bounded(WORDS_IN_FLIGHT);
    let hear = &mut || told.try_iter().for_each(&mut tell);
    let Some(begun) = begin::begin(&config, &clock, &words, hear)? else {
        return Ok(Ended::default());
    };
    if let Some(resumed) = begun.resumed() {
        tell(resumed);
    }
    let ends = Ends::new(&config);
    let journal = match begun.index {
        0 => {
            let cursors = begun.found.is_some().then_some(&begun.kept.alerts);
            Some(Journal::open(
                places::open(&config, &ends.halt, &words)?,
                cursors,
            )?)
        }
        // Alerts come together at the first process.
        _ => None,
    };
    Running::start(config, begun, journal, ends, &clock, words)?.attend(told, tell)
}
