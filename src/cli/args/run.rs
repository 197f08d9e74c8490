//! Flags of a job that follows logs. What is not given is in section `overspill` of the configuration, or has a default
//! (`src/cli/defaults.rs`).

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{ClusterArgs, ContentArgs};

/// Form of what is said on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line: time, level, message.
    Json,
}

/// Flags of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// What is read: a file of acquisitions. Default: what --config names.
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    pub acquis: Option<PathBuf>,
    /// Directory of such files: *.yaml and *.yml.
    #[arg(long, value_name = "DIR", help_heading = "Input")]
    pub acquis_dir: Option<PathBuf>,
    /// How far out of order the lines of one partition may be. Default: 2s.
    #[arg(long, value_name = "DURATION", help_heading = "Input")]
    pub lateness: Option<String>,
    /// How far event time stays behind the clock where there are no lines: what arrives later than
    /// this after it happened counts as of now. Default: 5s.
    #[arg(long, value_name = "DURATION", help_heading = "Input")]
    pub idle: Option<String>,
    /// How long a partition that is silent, and not at its end, may hold up the others: a partition
    /// whose broker is away. What it gives later counts as of after that. Default: 10m.
    #[arg(long, value_name = "DURATION", help_heading = "Input")]
    pub skew: Option<String>,
    /// What runs.
    #[command(flatten)]
    pub content: ContentArgs,
    /// Write alerts here, one JSON a line, each once over all restarts: a file, or in builds with
    /// kafka a topic as kafka://HOST:PORT/TOPIC. Can be given several times. An alert that a late
    /// line changes is followed by a line that withdraws it.
    #[arg(long, value_name = "PLACE", help_heading = "Output")]
    pub alerts: Vec<String>,
    /// Directory of what is kept: checkpoints, logs of sources. Default: /var/lib/overspill for root,
    /// else ~/.local/state/overspill.
    #[arg(long, value_name = "DIR", help_heading = "State")]
    pub state: Option<PathBuf>,
    /// Where checkpoints are, if not in --state: a directory; in builds with object-store also
    /// s3://, gs://, az://.
    #[arg(long, value_name = "ADDRESS", help_heading = "State")]
    pub checkpoints: Option<String>,
    /// Time between checkpoints. Default: 10s.
    #[arg(long, value_name = "DURATION", help_heading = "State")]
    pub checkpoint_every: Option<String>,
    /// Keep nothing: a restart begins anew.
    #[arg(long, conflicts_with = "checkpoints", help_heading = "State")]
    pub no_checkpoints: bool,
    /// Name of this machine in the names of what only it can read. Default: its host name.
    #[arg(long, value_name = "NAME", help_heading = "State")]
    pub node: Option<String>,
    /// Answer /metrics, /healthz, /readyz and /top.json here, such as 127.0.0.1:6060; port 0 is any that
    /// is free, `none` is nowhere. Default: section `prometheus` of --config. Processes of one
    /// supervisor take this port and those after it.
    #[arg(long, value_name = "ADDRESS", help_heading = "Watching")]
    pub listen: Option<String>,
    /// Send spans of checkpoints, restores and alerts to a collector of OpenTelemetry, such as
    /// http://127.0.0.1:4318 (OTLP as JSON over HTTP).
    #[arg(long, value_name = "URL", help_heading = "Watching")]
    pub traces: Option<String>,
    /// Form of what is said on standard error.
    #[arg(long, value_enum, default_value_t = LogFormat::Text, help_heading = "Watching")]
    pub log_format: LogFormat,
    /// Look every few seconds whether files of the content have changed, and reload them as at SIGHUP.
    #[arg(long, help_heading = "Input")]
    pub watch: bool,
    /// Take orders to reload the content from this topic (builds with `kafka`):
    /// `kafka://HOST:PORT[,HOST:PORT]/TOPIC[?config=FILE]`.
    #[arg(long, value_name = "TOPIC", help_heading = "Input")]
    pub control: Option<String>,
    /// Serve the Local API here, whatever api.server.listen_uri of the configuration says. The first process does.
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        conflicts_with = "no_api",
        help_heading = "Output"
    )]
    pub api: Option<String>,
    /// Serve no Local API, although the configuration has one.
    #[arg(long, help_heading = "Output")]
    pub no_api: bool,
    /// The other processes, if there are any.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Workers of each process. Default: 1.
    #[arg(long, value_name = "N", help_heading = "Resources")]
    pub workers: Option<usize>,
    /// Most live buckets; beyond, the least useful ones are dropped and counted. Default: 4,194,304.
    #[arg(long, value_name = "N", help_heading = "Resources")]
    pub buckets_max: Option<usize>,
}
