//! Records made into lines.

use std::collections::BTreeMap;
use std::sync::Arc;

use overspill_event::{LineBatch, Origin};

use super::config::{KinesisConfig, RecordLabels};
use super::desk::Record;
use super::kpl::{self, Packed};
use super::place::Context;
use super::subscription;
use crate::lines::BATCH_BYTES;
use crate::source::{Batch, Count, Counters, PartitionId, Run};

/// Longest value of a label in bytes; it is cut there.
const LABEL_BYTES_MAX: usize = 1_024;
/// Bytes of a record that an example shows.
const SHOWN_BYTES: usize = 120;

/// Labels of a line beside those of its partition.
type Labels = Arc<BTreeMap<String, String>>;

/// How records become lines.
#[derive(Debug)]
pub(super) struct Shape {
    origin: Origin,
    labels: RecordLabels,
    from_subscription: bool,
    line_bytes_max: usize,
}

impl Shape {
    pub(super) fn new(config: &KinesisConfig) -> Self {
        let origin = Origin {
            src: config.stream.to_string(),
            ..config.origin.clone()
        };
        Self {
            origin,
            labels: config.record_labels,
            from_subscription: config.from_subscription,
            line_bytes_max: config.line_bytes_max.max(1),
        }
    }

    /// What the lines of a shard share.
    pub(super) fn origin(&self, shard: &str) -> Arc<Origin> {
        let mut more = BTreeMap::new();
        if self.labels.shard {
            more.insert("kinesis_shard".to_owned(), shard.to_owned());
        }
        Arc::new(with_labels(&self.origin, &more))
    }

    /// Opens a record. One that cannot be understood has nothing in it, and is counted.
    pub(super) fn open(
        &self,
        record: Record,
        shard: &str,
        hashes: (u128, u128),
        counters: &Counters,
    ) -> Opened {
        let refuse = |why: &str| {
            let shown = record.data.get(..SHOWN_BYTES).unwrap_or(&record.data);
            let shown = String::from_utf8_lossy(shown);
            let sequence = &record.sequence;
            let text = format!("{shard} at {sequence}: {why}: {shown}");
            counters.sample(Count::Refused, text);
        };
        let inside = if self.from_subscription {
            match subscription::read(&record.data) {
                Ok(payloads) => Inside::Events(self.events(payloads).collect()),
                Err(why) => {
                    refuse(&why);
                    Inside::Nothing
                }
            }
        } else {
            match kpl::unpack(&record.data, hashes) {
                Ok(None) => Inside::Whole,
                Ok(Some(packed)) => Inside::Packed(packed),
                Err(why) => {
                    refuse(why);
                    Inside::Nothing
                }
            }
        };
        Opened {
            record,
            inside,
            n_taken: 0,
        }
    }

    fn events(
        &self,
        payloads: Vec<subscription::Payload>,
    ) -> impl Iterator<Item = (Labels, String)> {
        payloads.into_iter().flat_map(|payload| {
            let mut labels = BTreeMap::new();
            for (is_wanted, name, value) in [
                (self.labels.owner, "cloudwatch_owner", &payload.owner),
                (self.labels.group, "cloudwatch_group", &payload.log_group),
                (self.labels.stream, "cloudwatch_stream", &payload.log_stream),
            ] {
                if is_wanted {
                    labels.insert(name.to_owned(), cut(value).to_owned());
                }
            }
            let labels = Arc::new(labels);
            let events = payload.log_events.into_iter();
            events.map(move |event| (Arc::clone(&labels), event.message))
        })
    }

    fn key_labels(&self, key: &[u8]) -> Labels {
        let mut labels = BTreeMap::new();
        if self.labels.partition_key {
            let key = String::from_utf8_lossy(key);
            labels.insert("kinesis_partition_key".to_owned(), cut(&key).to_owned());
        }
        Arc::new(labels)
    }
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LABEL_BYTES_MAX))
        .unwrap_or(text)
}

/// The labels of the configuration come first: a sender cannot change them.
fn with_labels(origin: &Origin, labels: &BTreeMap<String, String>) -> Origin {
    let mut labels = labels.clone();
    labels.extend(origin.labels.iter().cloned());
    Origin {
        labels: labels.into_iter().collect(),
        ..origin.clone()
    }
}

#[derive(Debug)]
enum Inside {
    /// It is a line as it is.
    Whole,
    Packed(Vec<Packed>),
    Events(Vec<(Labels, String)>),
    Nothing,
}

/// A record of which lines are taken. Each thing in it has an offset, whether it makes a line or not, and a record
/// with nothing in it has one too.
#[derive(Debug)]
pub(super) struct Opened {
    record: Record,
    inside: Inside,
    n_taken: usize,
}

impl Opened {
    /// How many offsets it takes.
    fn n_offsets(&self) -> usize {
        match &self.inside {
            Inside::Whole | Inside::Nothing => 1,
            Inside::Packed(packed) => packed.len().max(1),
            Inside::Events(events) => events.len().max(1),
        }
    }

    /// Puts the next thing of it into a batch, or passes over it; answers whether there was one.
    pub(super) fn step(
        &mut self,
        offset: u64,
        is_wanted: bool,
        filler: &mut Filler,
        about: &About<'_>,
    ) -> bool {
        let n = self.n_taken;
        if n >= self.n_offsets() {
            return false;
        }
        self.n_taken += 1;
        if !is_wanted {
            return true;
        }
        let data = &self.record.data;
        let key = self.record.partition_key.as_bytes();
        let (labels, line) = match &self.inside {
            Inside::Nothing => return true,
            Inside::Whole => (about.shape.key_labels(key), data.as_slice()),
            Inside::Packed(packed) => {
                let Some(one) = packed.get(n) else {
                    about.counters.add(Count::RecordsEmpty, 1);
                    return true;
                };
                if !one.is_of_shard {
                    let text =
                        format!("{}: a packed record of another shard", self.record.sequence);
                    about.counters.sample(Count::Refused, text);
                    return true;
                }
                let key = data.get(one.key.clone()).unwrap_or_default();
                let line = data.get(one.data.clone()).unwrap_or_default();
                (about.shape.key_labels(key), line)
            }
            Inside::Events(events) => match events.get(n) {
                Some((labels, message)) => (Arc::clone(labels), message.as_bytes()),
                None => return true,
            },
        };
        filler.add(line, offset, self.record.arrival_ns, labels, about);
        true
    }
}

/// What lines are made with.
#[derive(Debug)]
pub(super) struct About<'a> {
    pub(super) shape: &'a Shape,
    pub(super) origin: &'a Arc<Origin>,
    pub(super) counters: &'a Counters,
    /// Of the record of which lines are taken.
    pub(super) context: &'a Context,
}

/// A batch that is being filled.
#[derive(Debug, Default)]
pub(super) struct Filler {
    lines: LineBatch,
    times_ns: Vec<i64>,
    is_untimed: bool,
    runs: Vec<Run>,
    /// Labels of the latest line beside those of its partition.
    labels: Labels,
    /// Of the record of the first line.
    context: Arc<[u8]>,
}

impl Filler {
    pub(super) fn is_full(&self) -> bool {
        self.lines.data.len() >= BATCH_BYTES
    }

    fn add(
        &mut self,
        line: &[u8],
        offset: u64,
        arrival_ns: Option<i64>,
        labels: Labels,
        about: &About<'_>,
    ) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            about.counters.add(Count::RecordsEmpty, 1);
            return;
        }
        if self.lines.lines.is_empty() {
            self.context = about.context.to_bytes();
        }
        if labels != self.labels {
            let origin = Arc::new(with_labels(about.origin, &labels));
            let first = self.lines.lines.len();
            self.runs.push(Run { first, origin });
            self.labels = labels;
        }
        let kept = line.get(..about.shape.line_bytes_max).unwrap_or(line);
        self.lines.push(kept, offset, kept.len() < line.len());
        self.is_untimed |= arrival_ns.is_none();
        self.times_ns.push(arrival_ns.unwrap_or(0));
    }

    /// The batch, if it holds a line.
    pub(super) fn into_batch(
        self,
        partition: PartitionId,
        next_offset: u64,
        arrival_ns: i64,
    ) -> Option<Batch> {
        let has_times = !self.is_untimed;
        (!self.lines.lines.is_empty()).then(|| Batch {
            partition,
            lines: self.lines,
            context: self.context,
            next_offset,
            arrival_ns,
            times_ns: self.times_ns.into_iter().filter(|_| has_times).collect(),
            runs: self.runs,
        })
    }
}
