//! Watching a live job from a terminal: what `/top.json` holds, how it is asked for, and how it looks.

mod fetch;
mod history;
mod view;

use serde::{Deserialize, Serialize};

pub use fetch::{Address, FetchError, fetch};
pub use history::History;
pub use view::{draw, plain};

/// Most entries of each list of a [`Top`].
pub const TOP_MAX: usize = 50;

/// A job at a moment. What a job of another version does not say is left at its default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Top {
    /// Version of the job.
    pub version: String,
    /// Its machine.
    pub node: String,
    /// When that is, in nanoseconds since 1970.
    pub now_ns: i64,
    /// How long the process runs, in seconds.
    pub uptime_secs: f64,
    /// Why it does not do its work; none when it does.
    pub unready: Option<String>,
    /// Lines that came to the parsers.
    pub lines: u64,
    /// Of these, lines that were not understood.
    pub unparsed: u64,
    /// Alerts that were given.
    pub alerts_given: u64,
    /// Alerts that were taken back.
    pub alerts_withdrawn: u64,
    /// Live buckets.
    pub live_buckets: u64,
    /// How far the newest event is beyond what is final, in nanoseconds.
    pub depth_ns: Option<i64>,
    /// Event time up to which everything is final, in nanoseconds since 1970.
    pub final_ns: Option<i64>,
    /// Partitions that are open.
    pub n_partitions: usize,
    /// Workers that have not answered.
    pub n_silent: usize,
    /// The workers.
    pub threads: Vec<Thread>,
    /// The sources.
    pub sources: Vec<Source>,
    /// Those that are furthest behind, first.
    pub partitions: Vec<Partition>,
    /// Those with most pours first.
    pub scenarios: Vec<Scenario>,
    /// Those with most alerts first.
    pub attackers: Vec<Attacker>,
    /// Checkpoints, if there are any.
    pub checkpoint: Option<Checkpoint>,
}

/// A thread.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Thread {
    /// Its name.
    pub name: String,
    /// CPU time since it began, in seconds.
    pub cpu_secs: f64,
}

/// A source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Source {
    /// Its name.
    pub id: String,
    /// What it is, such as `file`.
    pub module: String,
    /// Whether it is being read.
    pub is_read: bool,
    /// Lines that it gave.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that it has not given yet, where known.
    pub lag_bytes: Option<u64>,
    /// Lines that it has not given yet, where known.
    pub lag_lines: Option<u64>,
    /// What was dropped or lost.
    pub lost: u64,
    /// Failures from which it recovers.
    pub errors: u64,
}

/// A partition.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Partition {
    /// Name of its source.
    pub source: String,
    /// Its name.
    pub name: String,
    /// Event time that it has passed, in nanoseconds since 1970.
    pub watermark_ns: Option<i64>,
    /// Batches that nobody has taken.
    pub queued: usize,
}

/// A scenario.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// Pours into its buckets.
    pub pours: u64,
    /// Overflows that stand.
    pub overflows: u64,
    /// Live buckets.
    pub live: u64,
}

/// Somebody about whom there are alerts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attacker {
    /// Address, or what else the alerts are about.
    pub value: String,
    /// Scenario of the last one.
    pub scenario: String,
    /// How many stand.
    pub alerts: u64,
}

/// Checkpoints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checkpoint {
    /// Time since the last one, in seconds; none before the first.
    pub age_secs: Option<f64>,
    /// Bytes that it wrote.
    pub bytes: u64,
    /// How many were committed.
    pub kept: u64,
    /// How many could not be written.
    pub failed: u64,
}
