//! `source: kafka`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use overspill_event::Origin;

use super::table::Table;
use super::{AcquisitionKind, Finding, Value};
use crate::kafka::{Access, Fetch, KafkaConfig, OnLoss, RecordLabels, Sasl, Secret, Start, Tls};

/// Largest line that can be asked for.
const LINE_BYTES_MOST: u64 = 1 << 30;
/// Most bytes that can be asked to be fetched at once, or ahead.
const FETCH_BYTES_MOST: u64 = 64 << 20;
/// Most records that can be asked to wait.
const RECORDS_MOST: u64 = 10_000_000;
/// Longest time that a broker can be asked to wait for records.
const WAIT_MOST: Duration = Duration::from_secs(300);
/// Longest name of a topic.
const TOPIC_BYTES_MAX: usize = 249;
/// Whether this build has TLS for Kafka.
const HAS_TLS: bool = cfg!(feature = "kafka-tls");
/// What to say where it is asked for and not there.
const NO_TLS: &str = "not in this build: it is in builds with `--features kafka-tls`";

/// Reads what is left of a document; answers what identifies the source, and the source.
pub(super) fn read(
    table: &mut Table<'_>,
    origin: Origin,
    mode: &str,
) -> Option<(Vec<String>, AcquisitionKind)> {
    if !matches!(mode, "tail" | "server") {
        table.refuse_key(
            "mode",
            &format!("a topic has no end, so it cannot be {mode}"),
        );
    }
    let brokers = brokers(table);
    let topics = topics(table);
    let group_id = table.text("group_id");
    let partition = partition(table);
    if group_id.is_some() && partition.is_some() {
        table.refuse_key("partition", "excludes group_id");
    }
    let timeout = timeout(table);
    let access = access(table);
    let fetch = table.child("batch", |table| Some(fetch(table)));
    let start = start(table, group_id.is_some());
    let on_loss = on_loss(table);
    let record_labels = record_labels(table);
    let json_field = table.text("json_field");
    let line_bytes_max = size(table, "max_buffer_size", LINE_BYTES_MOST);
    let queue_bytes = size(table, "queue_bytes", FETCH_BYTES_MOST);
    let refresh_every = table.duration("refresh_interval");

    let identity = std::iter::once("kafka".to_owned())
        .chain(brokers.iter().cloned())
        .chain(topics.iter().map(ToString::to_string))
        .collect();
    let mut config = KafkaConfig::new("", brokers, topics, origin);
    config.partition = partition;
    config.group_id = group_id;
    config.timeout = timeout.unwrap_or(config.timeout);
    config.access = access;
    config.fetch = fetch.unwrap_or_default();
    config.start = start;
    config.on_loss = on_loss;
    config.record_labels = record_labels;
    config.json_field = json_field;
    config.line_bytes_max = line_bytes_max.unwrap_or(config.line_bytes_max);
    config.queue_bytes = queue_bytes.unwrap_or(config.queue_bytes);
    config.refresh_every = refresh_every
        .unwrap_or(config.refresh_every)
        .max(Duration::from_secs(1));
    Some((identity, AcquisitionKind::Kafka(Box::new(config))))
}

/// Reads a document that says how brokers let one in, apart from what is read or written there: `tls` and `sasl`, as
/// in an acquisition. `file` is its name, for messages. It is of use if nothing was found; a document without
/// anything in it asks for nothing.
#[must_use]
pub fn topic_access(document: &Value, file: &str) -> (Access, Vec<Finding>) {
    if document.is_null() {
        return (Access::default(), Vec::new());
    }
    let mut table = Table::new(document, file);
    let access = access(&mut table);
    (access, table.finish())
}

fn access(table: &mut Table<'_>) -> Access {
    let tls = table.child("tls", |table| Some(tls(table)));
    if tls.is_some() && !HAS_TLS {
        table.refuse_key("tls", NO_TLS);
    }
    let sasl = table.child("sasl", sasl);
    Access { tls, sasl }
}

fn size(table: &mut Table<'_>, key: &str, most: u64) -> Option<usize> {
    let number = table.number(key, most)?;
    usize::try_from(number).ok()
}

fn brokers(table: &mut Table<'_>) -> Vec<String> {
    let brokers = table.texts("brokers");
    if brokers.is_empty() {
        table.refuse_key("brokers", "missing: name at least one, as host:port");
    }
    for (broker, at) in &brokers {
        if broker.is_empty() || broker.contains([',', '\0', ' ']) {
            let message = format!("{broker:?} is no broker: write host:port");
            table.refuse_at(*at, "brokers", &message);
        }
    }
    brokers.into_iter().map(|(broker, _)| broker).collect()
}

/// CrowdSec's one `topic`, and our `topics`.
fn topics(table: &mut Table<'_>) -> Vec<Arc<str>> {
    let mut topics = table.texts("topics");
    topics.extend(table.text_at("topic"));
    if topics.is_empty() {
        table.refuse_key("topic", "missing");
    }
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let mut names: Vec<Arc<str>> = Vec::new();
    for (topic, at) in topics {
        let is_name = (1..=TOPIC_BYTES_MAX).contains(&topic.len()) && topic.chars().all(is_of_name);
        if !is_name {
            let message = format!("{topic:?} is no topic: patterns are not read");
            table.refuse_at(at, "topic", &message);
        } else if !names.iter().any(|name| **name == *topic) {
            names.push(Arc::from(topic));
        }
    }
    names
}

/// A number from 0 on. CrowdSec takes 0 for a key that is not there, and reads 0 then.
fn partition(table: &mut Table<'_>) -> Option<i32> {
    let (text, at) = table.text_at("partition")?;
    let number = text.parse::<i32>().ok().filter(|number| *number >= 0);
    if number.is_none() {
        let message = format!("{text:?} is no number of a partition");
        table.refuse_at(at, "partition", &message);
    }
    number
}

/// A number of seconds, as a text; ours: also a duration.
fn timeout(table: &mut Table<'_>) -> Option<Duration> {
    let text = table.text("timeout")?;
    match text.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => table.duration("timeout"),
    }
}

/// CrowdSec wants all three files; here those will do that are needed.
fn tls(table: &mut Table<'_>) -> Tls {
    let client_cert = table.text("client_cert").map(PathBuf::from);
    let client_key = table.text("client_key").map(PathBuf::from);
    if client_cert.is_some() != client_key.is_some() {
        let (there, other) = if client_cert.is_some() {
            ("client_cert", "client_key")
        } else {
            ("client_key", "client_cert")
        };
        table.refuse_key(there, &format!("needs {other}"));
    }
    Tls {
        ca_cert: table.text("ca_cert").map(PathBuf::from),
        client_cert,
        client_key,
        is_verified: !table.flag("insecure_skip_verify").unwrap_or(false),
    }
}

fn sasl(table: &mut Table<'_>) -> Option<Sasl> {
    let mechanism = table
        .text("mechanism")
        .unwrap_or_else(|| "PLAIN".to_owned());
    let mechanism = mechanism.to_ascii_uppercase();
    match mechanism.as_str() {
        "PLAIN" => {}
        "SCRAM-SHA-256" | "SCRAM-SHA-512" if HAS_TLS => {}
        "SCRAM-SHA-256" | "SCRAM-SHA-512" => table.refuse_key("mechanism", NO_TLS),
        _ => {
            let message =
                format!("{mechanism:?} is none of PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512");
            table.refuse_key("mechanism", &message);
        }
    }
    let (username, password) = (table.text("username"), table.text("password"));
    for (key, value) in [("username", &username), ("password", &password)] {
        if value.is_none() {
            table.refuse_key(key, "missing");
        }
    }
    Some(Sasl {
        mechanism,
        username: username?,
        password: Secret::new(&password?),
    })
}

fn fetch(table: &mut Table<'_>) -> Fetch {
    let mut fetch = Fetch::default();
    fetch.bytes_min = size(table, "min_bytes", FETCH_BYTES_MOST).unwrap_or(fetch.bytes_min);
    fetch.bytes_max = size(table, "max_bytes", FETCH_BYTES_MOST).unwrap_or(fetch.bytes_max);
    if let Some(wait) = table.duration("max_wait") {
        fetch.wait = wait.min(WAIT_MOST);
    }
    fetch.queue_records = table
        .number("queue_size", RECORDS_MOST)
        .and_then(|number| u32::try_from(number).ok());
    // Offsets are committed after a checkpoint, and at no other time.
    table.duration("commit_interval");
    fetch
}

/// As in CrowdSec unless it is said: at the end, and with a group where that was.
fn start(table: &mut Table<'_>, has_group: bool) -> Start {
    match table.text("start").as_deref() {
        None if has_group => Start::Committed,
        None | Some("newest") => Start::Newest,
        Some("oldest") => Start::Oldest,
        Some("committed") => {
            if !has_group {
                table.refuse_key("start", "\"committed\" needs group_id");
            }
            Start::Committed
        }
        Some(other) => {
            let message = format!("{other:?} is none of oldest, newest and committed");
            table.refuse_key("start", &message);
            Start::Newest
        }
    }
}

fn on_loss(table: &mut Table<'_>) -> OnLoss {
    match table.text("on_loss").as_deref() {
        None | Some("oldest") => OnLoss::Oldest,
        Some("newest") => OnLoss::Newest,
        Some("stop") => OnLoss::Stop,
        Some(other) => {
            let message = format!("{other:?} is none of oldest, newest and stop");
            table.refuse_key("on_loss", &message);
            OnLoss::Oldest
        }
    }
}

fn record_labels(table: &mut Table<'_>) -> RecordLabels {
    let mut labels = RecordLabels::default();
    for (name, at) in table.texts("record_labels") {
        match name.as_str() {
            "topic" => labels.topic = true,
            "partition" => labels.partition = true,
            "key" => labels.key = true,
            "headers" => labels.headers = true,
            _ => {
                let message = format!("{name:?} is none of topic, partition, key and headers");
                table.refuse_at(at, "record_labels", &message);
            }
        }
    }
    labels
}
