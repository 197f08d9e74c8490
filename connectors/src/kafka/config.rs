//! What is to be followed, and how.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use overspill_event::Origin;

use super::Key;
use crate::lines::LINE_BYTES_MAX;
use crate::policy::{Belongs, OnLoss};
use crate::source::PartitionName;

/// Where a partition begins that is there when a source is started for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// At its end, as in CrowdSec without a group.
    #[default]
    Newest,
    /// At its beginning.
    Oldest,
    /// Where the group committed last, else at its end, as in CrowdSec with a group.
    Committed,
}

/// What of a record becomes labels of its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordLabels {
    /// `kafka_topic`.
    pub topic: bool,
    /// `kafka_partition`.
    pub partition: bool,
    /// `kafka_key`.
    pub key: bool,
    /// `kafka_header_` and the name of the header.
    pub headers: bool,
}

/// How records are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    /// A broker waits until it has so many bytes,
    pub bytes_min: usize,
    /// but no longer than this.
    pub wait: Duration,
    /// Most bytes of a partition in one answer; a larger batch of a producer comes whole.
    pub bytes_max: usize,
    /// Records of a partition that are waiting for their turn, beside the limit of bytes.
    pub queue_records: Option<u32>,
}

impl Default for Fetch {
    fn default() -> Self {
        Self {
            bytes_min: 1,
            wait: Duration::from_millis(500),
            bytes_max: 1 << 20,
            queue_records: None,
        }
    }
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Encryption, and who one is by a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Who signs the certificates of brokers; the system's authorities without it.
    pub ca_cert: Option<PathBuf>,
    /// Certificate shown to brokers.
    pub client_cert: Option<PathBuf>,
    /// Its key.
    pub client_key: Option<PathBuf>,
    /// Whether the certificates of brokers are checked.
    pub is_verified: bool,
}

/// Who one is by a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sasl {
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub mechanism: String,
    /// Name.
    pub username: String,
    /// Password.
    pub password: Secret,
}

/// How brokers let one in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// Encryption.
    pub tls: Option<Tls>,
    /// Name and password.
    pub sasl: Option<Sasl>,
}

/// What is to be followed, and how.
#[derive(Debug, Clone)]
pub struct KafkaConfig {
    /// Name of the source.
    pub id: String,
    /// Brokers to begin with, as `host:port`; they name the others.
    pub brokers: Vec<String>,
    /// Topics.
    pub topics: Vec<Arc<str>>,
    /// The only partition that is read; all without it.
    pub partition: Option<i32>,
    /// Group under which offsets are committed, for whoever watches its lag.
    pub group_id: Option<String>,
    /// Module and labels of the lines; `src` becomes the topic.
    pub origin: Origin,
    /// Longest line in bytes.
    pub line_bytes_max: usize,
    /// Where to begin when there is no checkpoint.
    pub start: Start,
    /// How to go on when a position is lost.
    pub on_loss: OnLoss,
    /// A field of the record, read as JSON, that is the line; the whole record without it.
    pub json_field: Option<String>,
    /// What of a record becomes labels.
    pub record_labels: RecordLabels,
    /// How long a broker may take to let us in, and to answer.
    pub timeout: Duration,
    /// Partitions are looked for anew after this.
    pub refresh_every: Duration,
    /// Ends of partitions are looked at after this.
    pub look_every: Duration,
    /// How long a topic may not be there before its partitions end.
    pub gone_wait: Duration,
    /// Bytes of each partition that are fetched ahead; an answer of a broker may come on top.
    pub queue_bytes: usize,
    /// How records are fetched.
    pub fetch: Fetch,
    /// How brokers let us in.
    pub access: Access,
    /// Which partitions are this process's.
    pub belongs: Belongs,
}

impl KafkaConfig {
    /// Follows these topics, with everything else as it is by default.
    #[must_use]
    pub fn new(id: &str, brokers: Vec<String>, topics: Vec<Arc<str>>, origin: Origin) -> Self {
        Self {
            id: id.to_owned(),
            brokers,
            topics,
            partition: None,
            group_id: None,
            origin,
            line_bytes_max: LINE_BYTES_MAX,
            start: Start::Newest,
            on_loss: OnLoss::Oldest,
            json_field: None,
            record_labels: RecordLabels::default(),
            timeout: Duration::from_secs(10),
            refresh_every: Duration::from_secs(30),
            look_every: Duration::from_millis(500),
            gone_wait: Duration::from_secs(10),
            queue_bytes: 1 << 20,
            fetch: Fetch::default(),
            access: Access::default(),
            belongs: Belongs::default(),
        }
    }

    /// Whether a partition is to be read.
    pub(super) fn is_wanted(&self, key: &Key) -> bool {
        self.partition.is_none_or(|only| only == key.1) && self.belongs.to_us(&name_of(key))
    }
}

/// Name of a partition. There is no `/` in the name of a topic.
pub(super) fn name_of((topic, partition): &Key) -> PartitionName {
    PartitionName::new(&format!("{topic}/{partition}"))
}

/// Topic and number of a name.
pub(super) fn key_of(name: &PartitionName) -> Option<(&str, i32)> {
    let (topic, partition) = name.0.rsplit_once('/')?;
    Some((topic, partition.parse().ok()?))
}
