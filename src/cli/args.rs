//! What may be typed: commands, flags, and their help.

mod api;
mod cluster;
mod decisions;
mod run;
mod top;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use api::{
    BouncersArgs, BouncersCommand, LapiArgs, LapiCommand, LapiServeArgs, MachinesArgs,
    MachinesCommand, StoreArgs,
};
pub use cluster::ClusterArgs;
pub use decisions::{DecisionLogArgs, DecisionsArgs, DecisionsCommand};
pub use run::{LogFormat, RunArgs};
pub use top::TopArgs;

/// Detection engine for logs: CrowdSec's parsers and scenarios, counted over the whole fleet.
#[derive(Debug, Parser)]
#[command(name = "overspill", version, disable_help_subcommand = false)]
#[command(after_help = "Curious? overspill replay access.log --type nginx")]
pub struct Cli {
    /// Form of the output.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Human)]
    pub output: Format,
    /// Colour: yes, no, or only on a terminal. NO_COLOR is honoured.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables for people.
    Human,
    /// One JSON document.
    Json,
    /// CSV with a header.
    Raw,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// Always.
    Yes,
    /// Never.
    No,
    /// On terminals.
    Auto,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run logs through parsers and scenarios; show whom they would have alerted on and banned.
    #[command(
        after_help = "Examples:\n  overspill replay access.log.gz --type nginx\n  \
        overspill replay /var/log/auth.log* --type syslog --hub /path/to/hub --collection \
        crowdsecurity/linux --alerts alerts.jsonl\n  \
        overspill replay archive/ --type nginx --since 4h --lateness 1h"
    )]
    Replay(Box<ReplayArgs>),
    /// Follow logs: alerts within milliseconds, checkpoints, nothing lost or doubled by a crash.
    #[command(
        after_help = "Examples:\n  overspill run --config /etc/crowdsec/config.yaml\n  \
        overspill run --acquis acquis.yaml --alerts alerts.jsonl --state /var/lib/overspill"
    )]
    Run(Box<RunArgs>),
    /// Watch a job that runs: sources, watermarks, hottest scenarios, workers, checkpoints.
    #[command(
        after_help = "Examples:\n  overspill top\n  overspill top --url http://web1:6060 --once"
    )]
    Top(TopArgs),
    /// Write logs as Parquet: compressed, sorted by time, in a folder a day, quick to replay.
    #[command(
        after_help = "Examples:\n  overspill archive access.log.gz --type nginx --to archive/\n  \
        overspill archive auth.log --message-only --to auth.parquet --partition-by none\n  \
        overspill replay archive/ --type nginx --since 2d"
    )]
    Archive(Box<ArchiveArgs>),
    /// Show what each parser did to a line, where it was poured, and why not elsewhere.
    #[command(
        after_help = "Examples:\n  overspill explain --type nginx --log '1.2.3.4 - - ...'\n  \
        overspill explain --type syslog --file auth.log --failures"
    )]
    Explain(ExplainArgs),
    /// Run the tests that come with hub content.
    #[command(
        alias = "hubtests",
        after_help = "Examples:\n  overspill hubtest run --all --hub scenarios/library\n  \
        overspill hubtest create my-test --type nginx --parsers me/my-logs --hub /path/to/hub"
    )]
    Hubtest(HubtestArgs),
    /// Check and show the configuration and the content it loads.
    #[command(
        after_help = "Examples:\n  overspill config check --config /etc/crowdsec/config.yaml\n  \
        overspill config show --effective"
    )]
    Config(ConfigArgs),
    /// Look at the checkpoints of a live job.
    #[command(
        after_help = "Examples:\n  overspill checkpoint list /var/lib/overspill/checkpoints\n  \
        overspill checkpoint verify s3://bucket/prefix"
    )]
    Checkpoint(CheckpointArgs),
    /// Look at what a live job has decided.
    #[command(after_help = "Examples:\n  overspill decisions log\n  \
        overspill decisions log --since 3:120 --follow -o json")]
    Decisions(DecisionsArgs),
    /// Serve CrowdSec's Local API.
    #[command(
        after_help = "Examples:\n  overspill lapi serve --config /etc/crowdsec/config.yaml\n  \
        overspill lapi serve --state /var/lib/overspill --listen 0.0.0.0:8080"
    )]
    Lapi(LapiArgs),
    /// Say which bouncers may ask what is decided.
    #[command(
        alias = "bouncer",
        after_help = "Examples:\n  overspill bouncers add firewall-1\n  overspill bouncers list"
    )]
    Bouncers(BouncersArgs),
    /// Say which machines may push alerts and change decisions.
    #[command(
        alias = "machine",
        after_help = "Examples:\n  overspill machines add web-1 --auto --file credentials.yaml\n  \
        overspill machines list"
    )]
    Machines(MachinesArgs),
    /// Print the version.
    #[command(after_help = "Example:\n  overspill version")]
    Version,
    /// Print a completion script for a shell.
    #[command(after_help = "Examples:\n  overspill completion bash > \
        /etc/bash_completion.d/overspill\n  overspill completion fish | source")]
    Completion {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print a manual page, of the program or of one command.
    #[command(after_help = "Examples:\n  overspill man > overspill.1\n  \
        overspill man replay | man -l -")]
    Man {
        /// The command.
        command: Option<String>,
    },
}

/// Which parsers and scenarios run.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Content")]
pub struct ContentArgs {
    /// Directory with hub content (parsers/, scenarios/, ...). Without it, the built-in library.
    #[arg(long, value_name = "DIR")]
    pub hub: Option<PathBuf>,
    /// Collection to load from the hub; may be given several times.
    #[arg(long = "collection", value_name = "NAME")]
    pub collections: Vec<String>,
    /// Single parser, scenario or postoverflow to load from the hub, by name or path.
    #[arg(long = "item", value_name = "NAME")]
    pub items: Vec<String>,
    /// Load everything in the hub.
    #[arg(long)]
    pub all: bool,
    /// CrowdSec's config.yaml: load what is installed there.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory with data files and GeoIP databases.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Directory with grok patterns that come beside the built-in ones.
    #[arg(long, value_name = "DIR")]
    pub patterns: Option<PathBuf>,
    /// Profiles that turn alerts into decisions.
    #[arg(long, value_name = "FILE")]
    pub profiles: Option<PathBuf>,
    /// Addresses and ranges that nothing is decided against: one a line, `#` begins a comment.
    #[arg(long, value_name = "FILE")]
    pub allowlist: Option<PathBuf>,
    /// Fail if any item was refused (exit code 3).
    #[arg(long)]
    pub strict: bool,
    /// Run groks on the plain regex engine and filters without the index: slow and obvious.
    #[arg(long)]
    pub reference_matcher: bool,
}

/// Which log, and what it is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Input")]
pub struct InputArgs {
    /// Type of the log: the label `type`, as in acquis.yaml.
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    pub log_type: Option<String>,
    /// Further labels, key=value or key:value.
    #[arg(long = "label", alias = "labels", value_name = "KEY=VALUE")]
    pub labels: Vec<String>,
    /// CrowdSec's form of an input: file://PATH_OR_GLOB.
    #[arg(short, long, value_name = "DSN")]
    pub dsn: Option<String>,
    /// Longest line in bytes; the rest of a longer one is dropped and counted.
    #[arg(long, value_name = "BYTES")]
    pub line_max: Option<usize>,
}

/// How rows of columnar files become lines, and which rows.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Rows (Parquet, Arrow, JSON lines)")]
pub struct RowArgs {
    /// Column (of JSON lines: member) whose text is the line. Without it a sole text column called
    /// message, line, raw or log is the line, else each row is a line of JSON.
    #[arg(long, value_name = "NAME", conflicts_with = "columns")]
    pub message_column: Option<String>,
    /// Only these columns in a row's JSON; fewer are read faster.
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    pub columns: Option<Vec<String>>,
    /// Only rows from this time on: RFC 3339, a date, or how long before --now, such as 4h or 2d.
    /// Lines of text have no column to cut them by and are refused, unless their path tells.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only rows before this time; as --since.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Column (of JSON lines: member) with the time of a row, for --since and --until. Default: a
    /// timestamp column called time, timestamp or @timestamp.
    #[arg(long, value_name = "NAME")]
    pub time_column: Option<String>,
    /// What whole numbers in the time column count since 1970; auto: told by their size.
    #[arg(long, value_name = "UNIT", value_enum, default_value_t = EpochUnit::Auto)]
    pub time_unit: EpochUnit,
    /// Threads that decode row groups, shared by all inputs; default: the number of cores.
    #[arg(long, value_name = "N")]
    pub readers: Option<usize>,
    /// Write here what could not be read, one JSON a line: path, row_group, row, reason.
    #[arg(long, value_name = "FILE")]
    pub dead_letters: Option<PathBuf>,
}

/// What a number in a time column counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum EpochUnit {
    /// Told by the size of the number.
    #[default]
    Auto,
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
}

/// Flags of `archive`.
#[derive(Debug, Clone, Args)]
pub struct ArchiveArgs {
    /// Logs: what `replay` reads.
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
    /// A directory, or a file that ends in .parquet (one input, --partition-by none).
    #[arg(long, value_name = "DIR|FILE")]
    pub to: PathBuf,
    /// What the log is.
    #[command(flatten)]
    pub input: InputArgs,
    /// What reads the times.
    #[command(flatten)]
    pub content: ContentArgs,
    /// How rows of other archives become lines.
    #[command(flatten)]
    pub rows: RowArgs,
    /// Write only the column `message`: no parsing, no times, no partitions.
    #[arg(long, help_heading = "Archive")]
    pub message_only: bool,
    /// Write lines as bytes, so that one that is not UTF-8 stays as it is; else it loses those bytes.
    #[arg(long, help_heading = "Archive")]
    pub binary: bool,
    /// Folders in Hive's style: date=2026-11-25, or date=2026-11-25/hour=06.
    #[arg(long, value_enum, default_value_t = PartitionBy::Day, help_heading = "Archive")]
    pub partition_by: PartitionBy,
    /// Level of zstd, 1 to 22.
    #[arg(long, value_name = "N", default_value_t = 3, help_heading = "Archive",
        value_parser = clap::value_parser!(i32).range(1..=22))]
    pub level: i32,
    /// Most rows of a row group: what is sorted in memory, and what a reader may leave out.
    #[arg(long, value_name = "N", default_value_t = 131_072, help_heading = "Archive",
        value_parser = clap::value_parser!(u64).range(1..=16_777_216))]
    pub row_group_rows: u64,
    /// Replace files that exist.
    #[arg(long, help_heading = "Archive")]
    pub force: bool,
    /// The time that dates without a year refer to, RFC 3339; default: now.
    #[arg(long, value_name = "TIME", help_heading = "Input")]
    pub now: Option<String>,
}

/// How an archive is spread over folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PartitionBy {
    /// A folder a day.
    Day,
    /// A folder an hour.
    Hour,
    /// One file an input.
    None,
}

/// Flags of `replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// Files, globs, directories, or `-` for standard input: text, also packed with gzip or zstd,
    /// Parquet, Arrow IPC, JSON lines. Builds with object-store also take s3://, gs://, az://, http(s)://.
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
    /// What the log is.
    #[command(flatten)]
    pub input: InputArgs,
    /// Rows into lines.
    #[command(flatten)]
    pub rows: RowArgs,
    /// What runs.
    #[command(flatten)]
    pub content: ContentArgs,
    /// Write alerts here, one JSON a line in the Local API's form (`-`: standard output; tables
    /// then go to standard error). Opened and emptied before the replay, written after it.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub alerts: Option<PathBuf>,
    /// Write decisions here, one JSON a line, as --alerts.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub decisions: Option<PathBuf>,
    /// Show lines that were not understood.
    #[arg(long, help_heading = "Output")]
    pub unparsed: bool,
    /// Show counters of parsers, scenarios, buckets and expressions, and run-time warnings.
    #[arg(long, help_heading = "Output")]
    pub metrics: bool,
    /// Workers in each process.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        help_heading = "Resources"
    )]
    pub workers: usize,
    /// Processes, connected over loopback.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        help_heading = "Resources"
    )]
    pub processes: usize,
    /// How far out of order the lines of one file may be, such as 2s.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "0s",
        help_heading = "Resources"
    )]
    pub lateness: String,
    /// Most live buckets; beyond, the least useful ones are dropped and counted.
    #[arg(
        long,
        value_name = "N",
        default_value_t = crate::wire::BUCKETS_MAX,
        help_heading = "Resources"
    )]
    pub buckets_max: usize,
    /// Give alerts at arrival and take them back where a late line changes them, as a live job.
    #[arg(long, hide = true)]
    pub speculative: bool,
    /// The time that dates without a year refer to, RFC 3339; default: now.
    #[arg(long, value_name = "TIME", help_heading = "Input")]
    pub now: Option<String>,
    /// Internal: this is process I of a job whose parent speaks on standard input.
    #[arg(long, hide = true)]
    pub child: Option<usize>,
}

/// Flags of `explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// The line itself.
    #[arg(short, long, value_name = "LINE", conflicts_with_all = ["file", "dsn"])]
    pub log: Option<String>,
    /// A file with lines (`-`: standard input).
    #[arg(short, long, value_name = "FILE", conflicts_with = "dsn")]
    pub file: Option<String>,
    /// What the log is.
    #[command(flatten)]
    pub input: InputArgs,
    /// What runs.
    #[command(flatten)]
    pub content: ContentArgs,
    /// Show every change, and scenarios that did not match with the reason.
    #[arg(short, long)]
    pub verbose: bool,
    /// Only lines that were not understood.
    #[arg(long)]
    pub failures: bool,
    /// Leave out parsers that did nothing.
    #[arg(long)]
    pub only_successful_parsers: bool,
    /// The time that dates without a year refer to, RFC 3339; default: now.
    #[arg(long, value_name = "TIME")]
    pub now: Option<String>,
}

/// Flags of `hubtest`.
#[derive(Debug, Clone, Args)]
pub struct HubtestArgs {
    /// The hub.
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    pub hub: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub command: HubtestCommand,
}

/// What `hubtest` does.
#[derive(Debug, Clone, Subcommand)]
pub enum HubtestCommand {
    /// Run tests by name, or all of them.
    Run {
        /// Names of tests.
        names: Vec<String>,
        /// Run every test.
        #[arg(long)]
        all: bool,
        /// Workers of each test's dataflow.
        #[arg(long, value_name = "N", default_value_t = 1)]
        workers: usize,
        /// Tests at a time; default: the number of cores.
        #[arg(long, value_name = "N")]
        max_jobs: Option<usize>,
        /// Name the tests that passed, too.
        #[arg(long)]
        report_success: bool,
    },
    /// List the tests.
    List,
    /// Show what a test consists of.
    Info {
        /// Names of tests.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Which items of the index have tests.
    Coverage {
        /// Parsers only.
        #[arg(long)]
        parsers: bool,
        /// Scenarios only.
        #[arg(long)]
        scenarios: bool,
        /// Only the percentage.
        #[arg(long)]
        percent: bool,
    },
    /// Evaluate an expression on a test's parser results.
    Eval {
        /// The expression.
        #[arg(short, long, value_name = "EXPR")]
        expr: String,
        /// Names of tests.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Explain the lines of a test.
    Explain {
        /// Names of tests.
        #[arg(required = true)]
        names: Vec<String>,
        /// Every change.
        #[arg(short, long)]
        verbose: bool,
        /// Only lines that were not understood.
        #[arg(long)]
        failures: bool,
    },
    /// Make the skeleton of a new test.
    Create {
        /// Name of the test.
        name: String,
        /// Type of the log.
        #[arg(short = 't', long = "type", value_name = "TYPE")]
        log_type: String,
        /// Parsers.
        #[arg(short, long, value_name = "NAME")]
        parsers: Vec<String>,
        /// Scenarios.
        #[arg(short, long, value_name = "NAME")]
        scenarios: Vec<String>,
        /// Postoverflows.
        #[arg(long, value_name = "NAME")]
        postoverflows: Vec<String>,
        /// Do not check parser results.
        #[arg(long)]
        ignore_parsers: bool,
    },
}

/// Flags of `config`.
#[derive(Debug, Clone, Args)]
pub struct ConfigArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// What `config` does.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Load everything and say what is refused, unknown or missing. Exit code 1, or 3 with
    /// --strict, if something is refused.
    #[command(
        after_help = "Examples:\n  overspill config check --config /etc/crowdsec/config.yaml\n  \
        overspill config check --hub /path/to/hub --all --output json"
    )]
    Check {
        /// What to load.
        #[command(flatten)]
        content: ContentArgs,
    },
    /// Print the configuration.
    #[command(after_help = "Examples:\n  overspill config show --effective\n  \
        overspill config show --key limits.line")]
    Show {
        /// What to load.
        #[command(flatten)]
        content: ContentArgs,
        /// With every default.
        #[arg(long)]
        effective: bool,
        /// Only this key.
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
    },
}

/// Flags of `checkpoint`.
#[derive(Debug, Clone, Args)]
pub struct CheckpointArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: CheckpointCommand,
}

/// What `checkpoint` does. Nothing of it changes anything.
#[derive(Debug, Clone, Subcommand)]
pub enum CheckpointCommand {
    /// List checkpoints and the beginnings of generations, oldest first.
    #[command(
        after_help = "Example:\n  overspill checkpoint list /var/lib/overspill/checkpoints -o json"
    )]
    List {
        /// Directory, or address of an object store.
        store: String,
    },
    /// Show what is in a checkpoint: where sources begin again, content, segments.
    #[command(
        after_help = "Example:\n  overspill checkpoint inspect /var/lib/overspill/checkpoints 57"
    )]
    Inspect {
        /// Directory, or address of an object store.
        store: String,
        /// Which; default: the newest whose manifest and segments are there.
        number: Option<u64>,
    },
    /// Read all of every checkpoint, or of one, and compare checksums. Exit code 1 if anything is
    /// damaged.
    #[command(
        after_help = "Example:\n  overspill checkpoint verify /var/lib/overspill/checkpoints"
    )]
    Verify {
        /// Directory, or address of an object store.
        store: String,
        /// Which; default: all.
        number: Option<u64>,
    },
}
