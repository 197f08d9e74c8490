//! The client library: how it is set up, and what it says besides records.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;
use serde::Deserialize;

use super::config::{Access, KafkaConfig, Sasl, Tls};
use crate::source::{Count, Counters};

/// A client that hears.
pub(super) type Consumer = BaseConsumer<Heard>;

/// Up to where each partition was fetched, of those that have nothing more: by topic and number.
pub(super) type Fetched = BTreeMap<String, BTreeMap<i32, u64>>;

/// A group has to have a name, even if nobody joins it and nothing is committed under it.
const GROUP: &str = "overspill";
/// A report of what was fetched comes after this, in milliseconds.
const REPORT_MS: u32 = 1_000;
/// Pause before a full queue is looked at again, in milliseconds: it bounds how fast a partition can be read.
const FULL_PAUSE_MS: u32 = 20;
/// Longest pause between two attempts to connect, in milliseconds.
const RECONNECT_MS_MAX: u32 = 10_000;
/// Most bytes of one answer of a broker.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// What the library says at its most talkative when a topic has another id; the two ids follow.
const CHANGED_ID: &str = " changed id from ";
/// The id of no topic.
const NO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// Makes a client. It connects by itself, again and again.
pub(super) fn connect(config: &KafkaConfig, counters: &Arc<Counters>) -> KafkaResult<Consumer> {
    let heard = Heard {
        counters: Arc::clone(counters),
        said: Mutex::default(),
    };
    let mut settings = settings(config);
    // The ids of topics are told at this level only.
    settings.set_log_level(RDKafkaLogLevel::Debug);
    settings.create_with_context(heard)
}

fn settings(config: &KafkaConfig) -> ClientConfig {
    let mut settings = ClientConfig::new();
    let mut set = |key: &str, value: &str| {
        settings.set(key, value);
    };
    set("bootstrap.servers", &config.brokers.join(","));
    set("client.id", "overspill");
    set("group.id", config.group_id.as_deref().unwrap_or(GROUP));
    set("enable.auto.commit", "false");
    set("enable.auto.offset.store", "false");
    set("enable.partition.eof", "true");
    set("isolation.level", "read_committed");
    // What is not there any more is told, not jumped over.
    set("auto.offset.reset", "error");
    set("allow.auto.create.topics", "false");
    set("check.crcs", "true");
    set("debug", "topic");
    set("log.connection.close", "false");
    set("statistics.interval.ms", &REPORT_MS.to_string());
    // Nobody hands partitions out, so nobody takes them away from who is slow.
    set("max.poll.interval.ms", "86400000");
    set("reconnect.backoff.ms", "100");
    set("reconnect.backoff.max.ms", &RECONNECT_MS_MAX.to_string());
    let timeout_ms = config.timeout.as_millis().clamp(1_000, 300_000);
    set(
        "socket.connection.setup.timeout.ms",
        &timeout_ms.to_string(),
    );
    let fetch = &config.fetch;
    let queue_kib = (config.queue_bytes / 1024).max(1);
    set("queued.max.messages.kbytes", &queue_kib.to_string());
    set("fetch.queue.backoff.ms", &FULL_PAUSE_MS.to_string());
    set("fetch.message.max.bytes", &fetch.bytes_max.to_string());
    set("fetch.min.bytes", &fetch.bytes_min.to_string());
    set("fetch.wait.max.ms", &fetch.wait.as_millis().to_string());
    if let Some(records) = fetch.queue_records {
        set("queued.min.messages", &records.to_string());
    }
    let answer_max = ANSWER_BYTES_MAX.max(fetch.bytes_max);
    set("fetch.max.bytes", &answer_max.to_string());
    set_access(&config.access, &mut settings);
    settings
}

/// Says how brokers let us in.
pub(super) fn set_access(access: &Access, settings: &mut ClientConfig) {
    let mut set = |key: &str, value: &str| {
        settings.set(key, value);
    };
    let protocol = match (&access.tls, &access.sasl) {
        (None, None) => "plaintext",
        (Some(_), None) => "ssl",
        (None, Some(_)) => "sasl_plaintext",
        (Some(_), Some(_)) => "sasl_ssl",
    };
    set("security.protocol", protocol);
    if let Some(tls) = &access.tls {
        set_tls(tls, &mut set);
    }
    if let Some(sasl) = &access.sasl {
        set_sasl(sasl, &mut set);
    }
}

fn set_tls(tls: &Tls, set: &mut dyn FnMut(&str, &str)) {
    let files = [
        ("ssl.ca.location", &tls.ca_cert),
        ("ssl.certificate.location", &tls.client_cert),
        ("ssl.key.location", &tls.client_key),
    ];
    for (key, path) in files {
        if let Some(path) = path {
            set(key, &path.to_string_lossy());
        }
    }
    if !tls.is_verified {
        set("enable.ssl.certificate.verification", "false");
    }
}

fn set_sasl(sasl: &Sasl, set: &mut dyn FnMut(&str, &str)) {
    set("sasl.mechanism", &sasl.mechanism);
    set("sasl.username", &sasl.username);
    set("sasl.password", sasl.password.reveal());
}

/// What the library said.
#[derive(Debug)]
pub(super) struct Heard {
    counters: Arc<Counters>,
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    /// Things said.
    n: u64,
    topic_ids: BTreeMap<String, String>,
    /// Times that an id changed.
    n_ids: u64,
    fetched: Fetched,
    n_reports: u64,
}

impl Heard {
    fn lock(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many things were said: when a call says nothing more, there is nothing more.
    pub(super) fn n_said(&self) -> u64 {
        self.lock().n
    }

    /// Ids of topics, if there are others than at the last call.
    pub(super) fn topic_ids_since(&self, seen: &mut u64) -> Option<BTreeMap<String, String>> {
        let said = self.lock();
        (std::mem::replace(seen, said.n_ids) != said.n_ids).then(|| said.topic_ids.clone())
    }

    /// The latest report, if there is another one than at the last call.
    pub(super) fn fetched_since(&self, seen: &mut u64) -> Option<Fetched> {
        let mut said = self.lock();
        let is_new = std::mem::replace(seen, said.n_reports) != said.n_reports;
        is_new.then(|| std::mem::take(&mut said.fetched))
    }
}

impl ClientContext for Heard {
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, text: &str) {
        let mut said = self.lock();
        said.n += 1;
        if let Some((topic, id)) = changed_id(text) {
            said.topic_ids.insert(topic, id);
            said.n_ids += 1;
        }
    }

    fn stats_raw(&self, report: &[u8]) {
        let fetched = fetched(report);
        let mut said = self.lock();
        said.n += 1;
        said.n_reports += 1;
        said.fetched = fetched;
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.lock().n += 1;
        let expected = [
            RDKafkaErrorCode::PartitionEOF,
            RDKafkaErrorCode::AutoOffsetReset,
        ];
        if !error
            .rdkafka_error_code()
            .is_some_and(|code| expected.contains(&code))
        {
            self.counters
                .sample(Count::Errors, format!("{error}: {reason}"));
        }
    }
}

impl ConsumerContext for Heard {
    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        self.lock().n += 1;
        if let Err(error) = result {
            self.counters.sample(Count::Errors, error.to_string());
        }
    }
}

/// A topic and its id, when the library says so.
fn changed_id(text: &str) -> Option<(String, String)> {
    let (before, ids) = text.split_once(CHANGED_ID)?;
    let (_, topic) = before.rsplit_once("Topic ")?;
    let (_, id) = ids.split_once(" to ")?;
    let is_id = |letter: char| {
        letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '+' | '/' | '=')
    };
    let id = id.trim();
    let is_known = !id.is_empty() && id.chars().all(is_id) && !id.starts_with(NO_ID);
    is_known.then(|| (topic.to_owned(), id.to_owned()))
}

#[derive(Deserialize)]
struct Report {
    #[serde(default)]
    topics: BTreeMap<String, TopicReport>,
}

#[derive(Deserialize)]
struct TopicReport {
    #[serde(default)]
    partitions: BTreeMap<i32, PartitionReport>,
}

#[derive(Deserialize)]
struct PartitionReport {
    fetch_state: String,
    next_offset: i64,
    eof_offset: i64,
}

/// Partitions that were fetched up to their end.
fn fetched(report: &[u8]) -> Fetched {
    let Ok(report) = serde_json::from_slice::<Report>(report) else {
        return Fetched::new();
    };
    let of_topic = |(topic, report): (String, TopicReport)| {
        let at_end = |(partition, report): (i32, PartitionReport)| {
            let is_at_end =
                report.fetch_state == "active" && report.eof_offset == report.next_offset;
            let offset = u64::try_from(report.next_offset).ok()?;
            is_at_end.then_some((partition, offset))
        };
        (
            topic,
            report.partitions.into_iter().filter_map(at_end).collect(),
        )
    };
    report.topics.into_iter().map(of_topic).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_topics_are_read_out_of_what_the_library_says() {
        let one = "u1FSoSpLTFSpzChdLbqUWQ";
        for (text, expected) in [
            (
                format!("[thrd:main]: Topic web.a-b changed id from {NO_ID} to {one}"),
                Some(("web.a-b", one)),
            ),
            (format!("Topic t changed id from {one} to {NO_ID}"), None),
            ("Topic t [3] Leader 1 Epoch 0".to_owned(), None),
            (" changed id from  to ".to_owned(), None),
        ] {
            let expected = expected.map(|(topic, id)| (topic.to_owned(), id.to_owned()));
            assert_eq!(changed_id(&text), expected, "{text}");
        }
    }

    #[test]
    fn a_report_names_partitions_that_have_nothing_more() {
        let partition = |state: &str, next: i64, end: i64| {
            format!(r#"{{"fetch_state":"{state}","next_offset":{next},"eof_offset":{end},"x":1}}"#)
        };
        let text = format!(
            r#"{{"ts":1,"topics":{{"t":{{"partitions":{{"0":{},"1":{},"2":{},"-1":{}}}}},"u":{{}}}}}}"#,
            partition("active", 7, 7),
            partition("active", 7, 5),
            partition("stopped", 7, 7),
            partition("none", -1001, -1001),
        );
        let fetched_to = fetched(text.as_bytes());
        assert_eq!(fetched_to["t"], BTreeMap::from([(0, 7)]));
        assert!(fetched(b"[]").is_empty());
    }

    #[test]
    fn what_is_configured_reaches_the_library_and_passwords_are_not_shown() {
        let origin = overspill_event::Origin::default();
        let mut config = KafkaConfig::new(
            "k",
            vec!["a:1".to_owned(), "b:2".to_owned()],
            Vec::new(),
            origin,
        );
        config.access.sasl = Some(Sasl {
            mechanism: "PLAIN".to_owned(),
            username: "u".to_owned(),
            password: super::super::Secret::new("hush"),
        });
        let of = settings(&config);
        for (key, value) in [
            ("bootstrap.servers", "a:1,b:2"),
            ("security.protocol", "sasl_plaintext"),
            ("sasl.password", "hush"),
            ("isolation.level", "read_committed"),
            ("queued.max.messages.kbytes", "1024"),
            ("group.id", "overspill"),
        ] {
            assert_eq!(of.get(key), Some(value), "{key}");
        }
        assert!(!format!("{config:?}").contains("hush"));
        assert!(connect(&config, &Arc::default()).is_ok());
    }
}
