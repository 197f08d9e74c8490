//! `acquis.yaml`: CrowdSec's keys, and ours beside them, made into sources.
//!
//! A document is one source. The same keys, defaults and strictness as in CrowdSec: what it accepts is
//! accepted unchanged, an unknown key or a value of the wrong shape refuses the document, with file,
//! line and key; all findings of a document are told at once, and other documents load. Keys that have no
//! effect here are accepted and said so once.
//!
//! This module reads no YAML. It is handed a [`Value`], a tree with places, by whoever has a reader for it; and
//! it compiles no expression: [`Surroundings::exclude`] and [`Surroundings::transform`] do, for CrowdSec's are Go's.

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "aws")]
mod cloudwatch;
mod file;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "aws")]
mod kinesis;
mod listen;
mod program;
mod table;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::io;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use overspill_event::Origin;
use siphasher::sip::SipHasher13;

#[cfg(feature = "aws")]
use crate::cloudwatch::{CloudWatchConfig, CloudWatchSource};
use crate::command::{CommandConfig, CommandSource};
use crate::file::FileSource;
#[cfg(feature = "kafka")]
use crate::kafka::{KafkaConfig, KafkaSource};
#[cfg(feature = "aws")]
use crate::kinesis::{KinesisConfig, KinesisSource};
use crate::limit::{Limited, Limits, Quotas, Shared};
use crate::once::{OnceInput, OnceSource};
use crate::pipe::PipeSource;
use crate::policy::Belongs;
use crate::source::{Clock, LiveSource, Resume, SourceError, divides_to};
use crate::syslog::{DatagramSource, StreamConfig, StreamSource, SyslogConfig, TlsError};
use crate::tail::{Exclude, TailConfig, TailSource};
use crate::transform::{self, Transform, Transformed};
#[cfg(feature = "kafka")]
pub use kafka::topic_access;
use table::Table;
pub use value::{Kind, Place, Value};

/// Largest rate that can be asked for.
const RATE_MOST: u64 = 1 << 40;

/// Sources of CrowdSec that this build does not have.
const NOT_BUILT: [&str; 9] = [
    "appsec",
    "docker",
    "http",
    "journalctl",
    "k8s-audit",
    "loki",
    "s3",
    "victorialogs",
    "wineventlog",
];

/// Sources that are only in some builds, and the feature of those.
const OPTIONAL: [(&str, &str); 3] = [
    ("cloudwatch", "aws"),
    ("kafka", "kafka"),
    ("kinesis", "aws"),
];

/// What a document is read with.
pub struct Surroundings<'a> {
    /// The file, for messages.
    pub file: &'a str,
    /// Makes an exclusion of a Go expression that is searched in a path; answers what is wrong with it.
    pub exclude: &'a dyn Fn(&str) -> Result<Exclude, String>,
    /// Makes a transform of an expression; answers what is wrong with it.
    pub transform: &'a dyn Fn(&str) -> Result<Transform, String>,
    /// Where sources keep what they have to keep.
    pub state_dir: &'a Path,
    /// What the sources of each tenant may read together.
    pub tenants: &'a BTreeMap<String, Shared>,
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// Whether a finding keeps a document from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It does.
    Error,
    /// It does not.
    Warning,
}

/// Something about a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{}:{}: key `{key}`: {message}", at.line, at.column)]
pub struct Finding {
    /// The file.
    pub file: String,
    /// Where in it.
    pub at: Place,
    /// The key, such as `tls.server_cert`; empty for the document.
    pub key: String,
    /// What, as a lowercase fragment.
    pub message: String,
    /// How bad it is.
    pub severity: Severity,
}

/// A source that is configured.
#[derive(Debug, Clone)]
pub struct Acquisition {
    /// Name of the source: the same as long as what it reads is, whatever else is changed.
    pub id: String,
    /// `name`, for people.
    pub name: Option<String>,
    /// `log_level`: how much this source says.
    pub log_level: Option<String>,
    /// `use_time_machine`. Event time counts in any case.
    pub use_time_machine: bool,
    /// `transform`: what each line becomes.
    pub transform: Option<Transform>,
    /// How fast it may be read.
    pub limits: Limits,
    /// `tenant`: what it may read together with the others of its tenant.
    pub tenant: Option<Shared>,
    /// What it is.
    pub kind: AcquisitionKind,
}

/// The kinds of source.
#[derive(Debug, Clone)]
pub enum AcquisitionKind {
    /// Files that are followed.
    Tail(TailConfig),
    /// Files that are read once.
    Once(TailConfig),
    /// A syslog listener for datagrams.
    Datagrams(SyslogConfig),
    /// A syslog listener for connections.
    Streams(SyslogConfig, Box<StreamConfig>),
    /// Standard input.
    Stdin {
        /// Module and labels.
        origin: Origin,
        /// Longest line.
        line_bytes_max: usize,
    },
    /// The output of a program.
    Command(CommandConfig),
    /// Topics of Kafka.
    #[cfg(feature = "kafka")]
    Kafka(Box<KafkaConfig>),
    /// A stream of Kinesis.
    #[cfg(feature = "aws")]
    Kinesis(Box<KinesisConfig>),
    /// A log group of CloudWatch Logs.
    #[cfg(feature = "aws")]
    CloudWatch(Box<CloudWatchConfig>),
}

/// Why a configured source cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Its certificates or keys cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// It cannot be started.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// Reads a document. There is no acquisition when a finding is an error, or the document is empty.
#[must_use]
pub fn read(
    document: &Value,
    surroundings: &Surroundings<'_>,
) -> (Option<Acquisition>, Vec<Finding>) {
    if document.is_null() {
        return (None, Vec::new());
    }
    let mut table = Table::new(document, surroundings.file);
    let acquisition = read_table(&mut table, surroundings);
    let findings = table.finish();
    let is_refused = findings
        .iter()
        .any(|finding| finding.severity == Severity::Error);
    (acquisition.filter(|_| !is_refused), findings)
}

fn read_table(table: &mut Table<'_>, surroundings: &Surroundings<'_>) -> Option<Acquisition> {
    let kind = module(table)?;
    let labels = table.labels();
    if labels.is_empty() {
        table.refuse_key(
            "labels",
            "missing: every source needs labels, `type` among them",
        );
    }
    let name = table.text("name");
    let log_level = table.text("log_level");
    if let Some(level) = &log_level {
        let known = [
            "panic", "fatal", "error", "warn", "warning", "info", "debug", "trace",
        ];
        if !known.contains(&level.to_ascii_lowercase().as_str()) {
            table.refuse_key("log_level", &format!("{level:?} is no level"));
        }
    }
    let use_time_machine = table.flag("use_time_machine").unwrap_or(false);
    // An id that users do not set; ours is made of what the source reads.
    let _unused = table.text("unique_id");
    let transform = transform(table, surroundings);
    let limits = limits(table);
    let tenant = tenant(table, surroundings);
    let mode = table.text("mode");
    let origin = Origin {
        src: String::new(),
        module: kind.to_owned(),
        labels: labels.into_iter().collect(),
    };
    let mode = mode.as_deref().unwrap_or("tail");
    let (identity, kind) = match kind {
        "file" => file::read(table, surroundings, origin, mode),
        "syslog" => listen::read(table, surroundings, origin, mode),
        "stdin" => program::stdin(table, origin),
        #[cfg(feature = "kafka")]
        "kafka" => kafka::read(table, origin, mode),
        #[cfg(feature = "aws")]
        "kinesis" => kinesis::read(table, origin, mode),
        #[cfg(feature = "aws")]
        "cloudwatch" => cloudwatch::read(table, surroundings, origin, mode),
        _ => program::command(table, origin, mode),
    }?;
    let id = name.clone().unwrap_or_else(|| id_of(&identity));
    Some(Acquisition {
        kind: kind.with_id(&id, surroundings.state_dir),
        id,
        name,
        log_level,
        use_time_machine,
        transform,
        limits,
        tenant,
    })
}

/// `max_lines_per_second` and `max_bytes_per_second`.
fn limits(table: &mut Table<'_>) -> Limits {
    let mut rate = |key| table.number(key, RATE_MOST).and_then(NonZeroU64::new);
    Limits {
        lines: rate("max_lines_per_second"),
        bytes: rate("max_bytes_per_second"),
    }
}

/// `tenant`.
fn tenant(table: &mut Table<'_>, surroundings: &Surroundings<'_>) -> Option<Shared> {
    let (name, at) = table.text_at("tenant")?;
    let tenant = surroundings.tenants.get(&name);
    if tenant.is_none() {
        let message = format!("{name:?} is none of `overspill.tenants` of the configuration");
        table.refuse_at(at, "tenant", &message);
    }
    tenant.cloned()
}

/// `transform`.
fn transform(table: &mut Table<'_>, surroundings: &Surroundings<'_>) -> Option<Transform> {
    let (text, at) = table.text_at("transform")?;
    match (surroundings.transform)(&text) {
        Ok(transform) => Some(transform),
        Err(why) => {
            table.refuse_at(at, "transform", &why);
            None
        }
    }
}

/// What kind of source a document is.
fn module(table: &mut Table<'_>) -> Option<&'static str> {
    let Some(source) = table.text("source") else {
        // As CrowdSec tells it when `source` is not there.
        if table.has("filename") || table.has("filenames") {
            return Some("file");
        }
        if table.has("journalctl_filter") {
            table.refuse_key(
                "journalctl_filter",
                "source journalctl is not in this build",
            );
        } else {
            table.refuse_key("source", "missing");
        }
        table.take_all();
        return None;
    };
    let built = [
        "file",
        "syslog",
        "stdin",
        "command",
        #[cfg(feature = "kafka")]
        "kafka",
        #[cfg(feature = "aws")]
        "kinesis",
        #[cfg(feature = "aws")]
        "cloudwatch",
    ];
    if let Some(kind) = built.into_iter().find(|kind| *kind == source) {
        return Some(kind);
    }
    let optional = OPTIONAL.iter().find(|(name, _)| *name == source);
    let why = if let Some((_, feature)) = optional {
        format!("source {source} is not in this build: it is in builds with `--features {feature}`")
    } else if NOT_BUILT.contains(&source.as_str()) {
        format!("source {source} is not in this build")
    } else {
        format!("no source is called {source:?}")
    };
    table.refuse_key("source", &why);
    table.take_all();
    None
}

/// A name made of what identifies a source.
fn id_of(identity: &[String]) -> String {
    let mut hasher = SipHasher13::new();
    for part in identity {
        hasher.write(part.as_bytes());
        hasher.write(&[0]);
    }
    let kind = identity.first().map_or("", String::as_str);
    format!("{kind}-{:016x}", hasher.finish())
}

/// Makes the names of sources different: the second one of a name gets `-2`, in order.
pub fn tell_apart(acquisitions: &mut [Acquisition], state_dir: &Path) {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for acquisition in acquisitions {
        let n = seen.entry(acquisition.id.clone()).or_default();
        *n += 1;
        if *n > 1 {
            acquisition.id = format!("{}-{n}", acquisition.id);
            let kind = acquisition.kind.clone();
            acquisition.kind = kind.with_id(&acquisition.id, state_dir);
        }
    }
}

/// The files of an acquisition: the one that is named, if it is there, and those of the directory: `*.yaml`,
/// then `*.yml`, each in order of their names.
///
/// # Errors
/// When the directory cannot be listed.
pub fn files(path: Option<&Path>, dir: Option<&Path>) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = path
        .filter(|path| path.exists())
        .map(Path::to_owned)
        .into_iter()
        .collect();
    if let Some(dir) = dir {
        for suffix in [".yaml", ".yml"] {
            let mut found = Vec::new();
            for entry in std::fs::read_dir(dir)? {
                let path = entry?.path();
                if path.to_string_lossy().ends_with(suffix) {
                    found.push(path);
                }
            }
            found.sort();
            files.append(&mut found);
        }
    }
    Ok(files)
}

impl AcquisitionKind {
    fn with_id(mut self, id: &str, state_dir: &Path) -> Self {
        match &mut self {
            Self::Tail(config) | Self::Once(config) => config.id = id.to_owned(),
            Self::Datagrams(config) => config.id = id.to_owned(),
            Self::Streams(config, stream) => {
                config.id = id.to_owned();
                // A log of its own, unless the configuration named one.
                if stream.wal.dir.as_os_str().is_empty() || stream.wal.dir.starts_with(state_dir) {
                    let name = id.replace(['/', '\0'], "_");
                    stream.wal.dir = state_dir.join("wal").join(name);
                }
            }
            Self::Stdin { .. } => {}
            Self::Command(config) => config.id = id.to_owned(),
            #[cfg(feature = "kafka")]
            Self::Kafka(config) => config.id = id.to_owned(),
            #[cfg(feature = "aws")]
            Self::Kinesis(config) => config.id = id.to_owned(),
            #[cfg(feature = "aws")]
            Self::CloudWatch(config) => config.id = id.to_owned(),
        }
        self
    }
}

impl Acquisition {
    /// Whether every process of a job can read it. What is not shared is read on one machine only: its files, its
    /// ports.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        match &self.kind {
            #[cfg(feature = "kafka")]
            AcquisitionKind::Kafka(_) => true,
            #[cfg(feature = "aws")]
            AcquisitionKind::Kinesis(_) | AcquisitionKind::CloudWatch(_) => true,
            AcquisitionKind::Tail(_)
            | AcquisitionKind::Once(_)
            | AcquisitionKind::Datagrams(_)
            | AcquisitionKind::Streams(..)
            | AcquisitionKind::Stdin { .. }
            | AcquisitionKind::Command(_) => false,
        }
    }

    /// What process `index` of `n` reads of it: of a shared source a part, see [`crate::source::divides_to`], of any other
    /// one all.
    #[must_use]
    pub fn share(&self, index: usize, n: usize) -> Self {
        let belongs = Belongs::new(move |name| divides_to(name, n) == index);
        let mut ours = self.clone();
        match &mut ours.kind {
            #[cfg(feature = "kafka")]
            AcquisitionKind::Kafka(config) => config.belongs = belongs,
            #[cfg(feature = "aws")]
            AcquisitionKind::Kinesis(config) => config.belongs = belongs,
            #[cfg(feature = "aws")]
            AcquisitionKind::CloudWatch(config) => config.belongs = belongs,
            AcquisitionKind::Tail(_)
            | AcquisitionKind::Once(_)
            | AcquisitionKind::Datagrams(_)
            | AcquisitionKind::Streams(..)
            | AcquisitionKind::Stdin { .. }
            | AcquisitionKind::Command(_) => drop(belongs),
        }
        ours
    }

    /// Makes the source.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build(&self, resume: Resume, clock: Clock) -> Result<Box<dyn LiveSource>, BuildError> {
        let inner = transform::plain(resume.clone());
        let source = self.open(inner, Arc::clone(&clock))?;
        // Datagrams do not wait; their source drops what is over.
        let is_held = !matches!(self.kind, AcquisitionKind::Datagrams(_));
        let source = match self.quotas().filter(|_| is_held) {
            Some(quotas) => Box::new(Limited::new(source, quotas, clock)),
            None => source,
        };
        Ok(match &self.transform {
            Some(transform) => Box::new(Transformed::new(source, transform.clone(), &resume)),
            None => source,
        })
    }

    fn quotas(&self) -> Option<Quotas> {
        Quotas::of(self.limits, self.tenant.as_ref())
    }

    /// The source alone.
    fn open(&self, resume: Resume, clock: Clock) -> Result<Box<dyn LiveSource>, BuildError> {
        Ok(match &self.kind {
            AcquisitionKind::Tail(config) => {
                Box::new(TailSource::new(config.clone(), resume, clock))
            }
            AcquisitionKind::Once(config) => {
                let inputs = once_inputs(config);
                Box::new(OnceSource::new(self.id.clone(), inputs, resume, clock))
            }
            AcquisitionKind::Datagrams(config) => {
                let source = DatagramSource::new(config.clone(), &resume, clock);
                Box::new(source.with_quotas(self.quotas()))
            }
            AcquisitionKind::Streams(config, stream) => {
                let (config, stream) = (config.clone(), stream.as_ref().clone());
                Box::new(StreamSource::new(config, stream, resume, clock)?)
            }
            AcquisitionKind::Stdin {
                origin,
                line_bytes_max,
            } => {
                let (origin, max) = (origin.clone(), *line_bytes_max);
                Box::new(PipeSource::stdin(&self.id, origin, max, &resume, clock)?)
            }
            AcquisitionKind::Command(config) => {
                Box::new(CommandSource::new(config.clone(), &resume, clock))
            }
            #[cfg(feature = "kafka")]
            AcquisitionKind::Kafka(config) => {
                Box::new(KafkaSource::new(config.as_ref().clone(), resume, clock)?)
            }
            #[cfg(feature = "aws")]
            AcquisitionKind::Kinesis(config) => {
                Box::new(KinesisSource::new(config.as_ref().clone(), resume, clock)?)
            }
            #[cfg(feature = "aws")]
            AcquisitionKind::CloudWatch(config) => Box::new(CloudWatchSource::new(
                config.as_ref().clone(),
                resume,
                clock,
            )?),
        })
    }
}

/// The files that a `cat` reads, in order. What is no file is passed over, as in CrowdSec.
fn once_inputs(config: &TailConfig) -> Vec<OnceInput> {
    let input = |path: PathBuf| {
        let origin = Origin {
            src: path.display().to_string(),
            ..config.origin.clone()
        };
        let (to_open, line_bytes_max) = (origin.clone(), config.line_bytes_max);
        OnceInput {
            origin,
            open: Box::new(move || Ok(Box::new(FileSource::open(to_open, line_bytes_max)?))),
        }
    };
    crate::tail::paths(config)
        .into_iter()
        .filter(|path| path.is_file())
        .map(input)
        .collect()
}
