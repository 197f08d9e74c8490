//! Records made into lines.

use std::collections::BTreeMap;
use std::sync::Arc;

use overspill_event::{LineBatch, Origin};
use rdkafka::Message;
use rdkafka::message::Headers;

use super::config::{KafkaConfig, RecordLabels};
use super::field;
use crate::lines::BATCH_BYTES;
use crate::source::{Batch, Count, Counters, PartitionId, Position, Run};

/// Most headers of a record that become labels.
const HEADERS_MAX: usize = 16;
/// Longest name of such a header in bytes; one that is longer is left out.
const NAME_BYTES_MAX: usize = 64;
/// Longest value of such a header, or key, in bytes; it is cut there.
const VALUE_BYTES_MAX: usize = 1_024;
/// Bytes of a record that an example shows.
const SHOWN_BYTES: usize = 160;
/// Nanoseconds of a millisecond.
const MILLISECOND_NS: i64 = 1_000_000;

/// How records become lines.
#[derive(Debug)]
pub(super) struct Shape {
    origin: Origin,
    labels: RecordLabels,
    json_field: Option<String>,
    line_bytes_max: usize,
}

impl Shape {
    pub(super) fn new(config: &KafkaConfig) -> Self {
        Self {
            origin: config.origin.clone(),
            labels: config.record_labels,
            json_field: config.json_field.clone(),
            line_bytes_max: config.line_bytes_max.max(1),
        }
    }

    /// What the lines of a partition share.
    pub(super) fn origin(&self, topic: &str, partition: i32) -> Arc<Origin> {
        let mut more = BTreeMap::new();
        if self.labels.topic {
            more.insert("kafka_topic".to_owned(), topic.to_owned());
        }
        if self.labels.partition {
            more.insert("kafka_partition".to_owned(), partition.to_string());
        }
        let origin = Origin {
            src: topic.to_owned(),
            ..self.origin.clone()
        };
        Arc::new(with_labels(&origin, more))
    }

    /// Labels that a record has of its own.
    fn labels(&self, record: &impl Message) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::new();
        if self.labels.key
            && let Some(key) = record.key()
        {
            labels.insert("kafka_key".to_owned(), text(key));
        }
        if self.labels.headers
            && let Some(headers) = record.headers()
        {
            let named = headers.iter().take(HEADERS_MAX);
            for header in named.filter(|header| header.key.len() <= NAME_BYTES_MAX) {
                let name = format!("kafka_header_{}", header.key);
                labels.insert(name, text(header.value.unwrap_or_default()));
            }
        }
        labels
    }
}

/// A value as the text of a label.
fn text(bytes: &[u8]) -> String {
    let bytes = bytes.get(..VALUE_BYTES_MAX).unwrap_or(bytes);
    String::from_utf8_lossy(bytes).into_owned()
}

/// The labels of the configuration come first: a sender cannot change them.
fn with_labels(origin: &Origin, mut labels: BTreeMap<String, String>) -> Origin {
    labels.extend(origin.labels.iter().cloned());
    Origin {
        labels: labels.into_iter().collect(),
        ..origin.clone()
    }
}

/// A batch that is being filled.
#[derive(Debug, Default)]
pub(super) struct Filler {
    lines: LineBatch,
    times_ns: Vec<i64>,
    is_untimed: bool,
    runs: Vec<Run>,
    /// Labels of the latest line beside those of its partition.
    labels: BTreeMap<String, String>,
}

impl Filler {
    pub(super) fn is_full(&self) -> bool {
        self.lines.data.len() >= BATCH_BYTES
    }

    /// Adds a record, unless there is nothing in it.
    pub(super) fn add(
        &mut self,
        record: &impl Message,
        shape: &Shape,
        origin: &Arc<Origin>,
        counters: &Counters,
    ) {
        let value = record.payload().unwrap_or_default();
        let picked = match &shape.json_field {
            Some(path) if !value.is_empty() => match field::pick(value, path) {
                Ok(text) => Some(text),
                Err(why) => {
                    let (partition, offset) = (record.partition(), record.offset());
                    let shown = value.get(..SHOWN_BYTES).unwrap_or(value);
                    let shown = String::from_utf8_lossy(shown);
                    let text = format!("{}/{partition} at {offset}: {why}: {shown}", origin.src);
                    counters.sample(Count::Refused, text);
                    return;
                }
            },
            _ => None,
        };
        let line = picked.as_deref().map_or(value, str::as_bytes);
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            counters.add(Count::RecordsEmpty, 1);
            return;
        }
        let labels = shape.labels(record);
        if labels != self.labels {
            let origin = Arc::new(with_labels(origin, labels.clone()));
            let first = self.lines.lines.len();
            self.runs.push(Run { first, origin });
            self.labels = labels;
        }
        let kept = line.get(..shape.line_bytes_max).unwrap_or(line);
        let offset = u64::try_from(record.offset()).unwrap_or(0);
        self.lines.push(kept, offset, kept.len() < line.len());
        let millis = record.timestamp().to_millis();
        self.is_untimed |= millis.is_none();
        self.times_ns
            .push(millis.unwrap_or(0).saturating_mul(MILLISECOND_NS));
    }

    /// The batch, if it holds a line. Topics of the oldest message format have no times.
    pub(super) fn into_batch(
        self,
        partition: PartitionId,
        position: Position,
        arrival_ns: i64,
    ) -> Option<Batch> {
        let has_times = !self.is_untimed;
        (!self.lines.lines.is_empty()).then(|| Batch {
            partition,
            lines: self.lines,
            context: position.context,
            next_offset: position.offset,
            arrival_ns,
            times_ns: self.times_ns.into_iter().filter(|_| has_times).collect(),
            runs: self.runs,
        })
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::Timestamp;
    use rdkafka::message::{Header, OwnedHeaders, OwnedMessage};

    use super::*;

    fn config() -> KafkaConfig {
        let origin = Origin {
            src: String::new(),
            module: "kafka".to_owned(),
            labels: vec![("type".to_owned(), "nginx".to_owned())],
        };
        KafkaConfig::new("k", Vec::new(), Vec::new(), origin)
    }

    fn record(offset: i64, value: Option<&[u8]>, headers: Option<OwnedHeaders>) -> OwnedMessage {
        let key = Some(b"key\xff".to_vec());
        let time = Timestamp::CreateTime(1_700_000_000_123);
        let value = value.map(<[u8]>::to_vec);
        OwnedMessage::new(value, key, "t".to_owned(), time, 3, offset, headers)
    }

    fn fill(config: &KafkaConfig, records: &[OwnedMessage]) -> (Option<Batch>, Counters) {
        let (shape, counters) = (Shape::new(config), Counters::default());
        let (mut filler, origin) = (Filler::default(), shape.origin("t", 3));
        for record in records {
            filler.add(record, &shape, &origin, &counters);
        }
        let position = Position {
            offset: 100,
            context: Arc::from([]),
        };
        (filler.into_batch(PartitionId(0), position, 5), counters)
    }

    #[test]
    fn a_record_is_a_line_and_one_without_a_value_is_counted() {
        let mut config = config();
        config.line_bytes_max = 8;
        let (batch, counters) = fill(
            &config,
            &[
                record(1, Some(b"one\r\n"), None),
                record(2, None, None),
                record(3, Some(b""), None),
                record(5, Some(b"a\nb\xff"), None),
                record(7, Some(b"123456789"), None),
                record(8, Some(b"\n"), None),
            ],
        );
        let batch = batch.unwrap();
        let lines: Vec<(u64, &[u8], bool)> = (batch.lines.lines.iter())
            .map(|line| (line.offset, batch.lines.bytes(line), line.is_cut))
            .collect();
        let expected: [(u64, &[u8], bool); 3] = [
            (1, b"one", false),
            (5, b"a\nb\xff", false),
            (7, b"12345678", true),
        ];
        assert_eq!(lines, expected);
        assert_eq!(batch.times_ns, [1_700_000_000_123_000_000; 3]);
        assert_eq!(batch.next_offset, 100);
        assert!(batch.runs.is_empty());
        assert_eq!(counters.get(Count::RecordsEmpty), 3);
        let mut untimed = record(1, Some(b"x"), None);
        untimed = untimed.set_timestamp(Timestamp::NotAvailable);
        let (batch, _) = fill(&config, &[record(0, Some(b"x"), None), untimed]);
        assert!(batch.unwrap().times_ns.is_empty());
        assert!(fill(&config, &[record(2, None, None)]).0.is_none());
    }

    #[test]
    fn a_field_of_json_is_the_line_and_what_has_none_is_counted() {
        let mut config = config();
        config.json_field = Some("log.message".to_owned());
        let (batch, counters) = fill(
            &config,
            &[
                record(1, Some(br#"{"log":{"message":"one\n"}}"#), None),
                record(2, Some(b"no json"), None),
                record(3, Some(br#"{"message":"two"}"#), None),
                record(4, None, None),
            ],
        );
        let batch = batch.unwrap();
        assert_eq!(batch.lines.data, b"one");
        assert_eq!(counters.get(Count::Refused), 2);
        assert_eq!(counters.get(Count::RecordsEmpty), 1);
        let samples = counters.take_samples();
        assert!(
            samples[0].text.starts_with("t/3 at 2: no json"),
            "{samples:?}"
        );
        assert!(samples[1].text.contains("no field \"log.message\""));
    }

    #[test]
    fn labels_of_records_come_in_runs_are_bounded_and_change_no_label_of_ours() {
        let mut config = config();
        config.record_labels = RecordLabels {
            topic: true,
            partition: true,
            key: true,
            headers: true,
        };
        config
            .origin
            .labels
            .insert(0, ("kafka_key".to_owned(), "ours".to_owned()));
        let headers = |host: &str| {
            let mut headers = OwnedHeaders::new();
            for (key, value) in [
                ("host", host),
                (&"n".repeat(65), "long"),
                ("big", &"v".repeat(2_000)),
            ] {
                let value = Some(value);
                headers = headers.insert(Header { key, value });
            }
            for n in 0..40 {
                let (key, value) = (&*format!("h{n:02}"), Some("x"));
                headers = headers.insert(Header { key, value });
            }
            Some(headers)
        };
        let (batch, _) = fill(
            &config,
            &[
                record(1, Some(b"a"), headers("web1")),
                record(2, Some(b"b"), headers("web1")),
                record(3, Some(b"c"), headers("web2")),
                record(4, Some(b"d"), None),
            ],
        );
        let runs = batch.unwrap().runs;
        assert_eq!(
            runs.iter().map(|run| run.first).collect::<Vec<_>>(),
            [0, 2, 3]
        );
        let labels: BTreeMap<_, _> = runs[0].origin.labels.iter().cloned().collect();
        assert!(runs[0].origin.labels.is_sorted());
        assert_eq!(runs[0].origin.src, "t");
        for (name, value) in [
            ("type", "nginx"),
            ("kafka_topic", "t"),
            ("kafka_partition", "3"),
            ("kafka_key", "ours"),
            ("kafka_header_host", "web1"),
            ("kafka_header_h12", "x"),
        ] {
            assert_eq!(labels.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(labels["kafka_header_big"].len(), VALUE_BYTES_MAX);
        assert!(!labels.contains_key("kafka_header_h13"));
        assert_eq!(labels.len(), 4 + 15);
    }
}
