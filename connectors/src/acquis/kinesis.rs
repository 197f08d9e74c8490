//! `source: kinesis`.

use std::time::Duration;

use overspill_event::Origin;

use super::AcquisitionKind;
use super::aws;
use super::table::Table;
use crate::kinesis::{FanOut, KinesisConfig, RecordLabels, Start, StreamRef};

/// Largest line that can be asked for.
const LINE_BYTES_MOST: u64 = 1 << 30;
/// Most bytes of a shard that can be asked to be fetched ahead.
const QUEUE_BYTES_MOST: u64 = 64 << 20;
/// Looks at whether a consumer is registered.
const LOOKS: u32 = 10;
/// Most of them that can be asked for.
const LOOKS_MOST: u64 = 1_000;
/// A subscription within five seconds of the last one is refused.
const AGAIN_WAIT: Duration = Duration::from_secs(5);
/// The region where none is named, as in CrowdSec.
const REGION: &str = "us-east-1";
/// A shard answers five times a second.
const POLL_LEAST: Duration = Duration::from_millis(250);
/// Longest name of a stream or consumer.
const NAME_BYTES_MAX: usize = 128;

/// Reads what is left of a document; answers what identifies the source, and the source.
pub(super) fn read(
    table: &mut Table<'_>,
    origin: Origin,
    mode: &str,
) -> Option<(Vec<String>, AcquisitionKind)> {
    if !matches!(mode, "tail" | "server") {
        let message = format!("a stream has no end, so it cannot be {mode}");
        table.refuse_key("mode", &message);
    }
    let is_pushed = table.flag("use_enhanced_fanout").unwrap_or(false);
    let stream = stream(table, is_pushed);
    let consumer = consumer(table, is_pushed);
    let looks_max = looks_max(table);
    let from_subscription = table.flag("from_subscription").unwrap_or(false);
    let mut access = aws::access(table);
    let region = access.region.get_or_insert_with(|| REGION.to_owned());
    let identity = stream.as_ref().map(|stream| {
        let parts = ["kinesis".to_owned(), stream.to_string(), region.clone()];
        parts.to_vec()
    });
    let starts_with_oldest = aws::starts_with_oldest(table);
    let on_loss = aws::on_loss(table);
    let record_labels = record_labels(table);
    let line_bytes_max = table.number("max_buffer_size", LINE_BYTES_MOST);
    let queue_bytes = table.number("queue_bytes", QUEUE_BYTES_MOST);
    let poll_every = table.duration("poll_interval");
    let refresh_every = table.duration("refresh_interval");

    let mut config = KinesisConfig::new("", stream?, origin);
    let size = |number: u64| usize::try_from(number).ok();
    config.access = access;
    config.fan_out = consumer.map(|consumer| FanOut {
        consumer,
        looks_max,
        again_wait: AGAIN_WAIT,
    });
    config.from_subscription = from_subscription;
    if starts_with_oldest {
        config.start = Start::Oldest;
    }
    config.on_loss = on_loss;
    config.record_labels = record_labels;
    config.line_bytes_max = line_bytes_max
        .and_then(size)
        .unwrap_or(config.line_bytes_max);
    config.queue_bytes = queue_bytes.and_then(size).unwrap_or(config.queue_bytes);
    config.poll_every = poll_every.unwrap_or(config.poll_every).max(POLL_LEAST);
    config.refresh_every = refresh_every
        .unwrap_or(config.refresh_every)
        .max(Duration::from_secs(1));
    Some((identity?, AcquisitionKind::Kinesis(Box::new(config))))
}

/// `stream_name` or `stream_arn`: one of them, and the second for records that are pushed.
fn stream(table: &mut Table<'_>, is_pushed: bool) -> Option<StreamRef> {
    let (name, arn) = (table.text_at("stream_name"), table.text_at("stream_arn"));
    let (key, message) = match (name, arn) {
        (Some(_), Some(_)) => ("stream_arn", "excludes stream_name"),
        (Some(_), None) if is_pushed => ("stream_name", "use_enhanced_fanout needs stream_arn"),
        (None, None) if is_pushed => ("stream_arn", "missing: use_enhanced_fanout needs it"),
        (None, None) => ("stream_name", "missing"),
        (Some((name, at)), None) => {
            if !is_name(&name) {
                let message = format!("{name:?} is no name of a stream");
                table.refuse_at(at, "stream_name", &message);
            }
            return Some(StreamRef::Name(name));
        }
        (None, Some((arn, at))) => {
            if !is_arn(&arn) {
                let message = format!(
                    "{arn:?} is no ARN of a stream: it is like arn:aws:kinesis:REGION:ACCOUNT:stream/NAME"
                );
                table.refuse_at(at, "stream_arn", &message);
            }
            return Some(StreamRef::Arn(arn));
        }
    };
    table.refuse_key(key, message);
    None
}

fn is_name(name: &str) -> bool {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(is_of_name)
}

fn is_arn(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [prefix, _, service, _, _, resource] = parts.as_slice() else {
        return false;
    };
    let name = resource.strip_prefix("stream/");
    *prefix == "arn" && *service == "kinesis" && name.is_some_and(is_name)
}

fn consumer(table: &mut Table<'_>, is_pushed: bool) -> Option<String> {
    let consumer = table.text_at("consumer_name");
    match (&consumer, is_pushed) {
        (None, true) => table.refuse_key("consumer_name", "missing: use_enhanced_fanout needs it"),
        (Some((name, at)), true) if !is_name(name) => {
            let message = format!("{name:?} is no name of a consumer");
            table.refuse_at(*at, "consumer_name", &message);
        }
        // CrowdSec takes it and does nothing with it.
        (Some(_), false) => {
            table.warn_key("consumer_name", "has no effect without use_enhanced_fanout");
        }
        _ => {}
    }
    consumer.filter(|_| is_pushed).map(|(name, _)| name)
}

/// As in CrowdSec a number that is not above zero is as if there were none.
fn looks_max(table: &mut Table<'_>) -> u32 {
    let Some((text, at)) = table.text_at("max_retries") else {
        return LOOKS;
    };
    match text.parse::<i64>().map(u64::try_from) {
        Ok(Err(_)) | Ok(Ok(0)) => LOOKS,
        Ok(Ok(number)) if number <= LOOKS_MOST => u32::try_from(number).unwrap_or(LOOKS),
        _ => {
            let message = format!("{text:?} is no number up to {LOOKS_MOST}");
            table.refuse_at(at, "max_retries", &message);
            LOOKS
        }
    }
}

fn record_labels(table: &mut Table<'_>) -> RecordLabels {
    let mut labels = RecordLabels::default();
    for (name, at) in table.texts("record_labels") {
        match name.as_str() {
            "shard" => labels.shard = true,
            "partition_key" => labels.partition_key = true,
            "owner" => labels.owner = true,
            "group" => labels.group = true,
            "stream" => labels.stream = true,
            _ => {
                let message =
                    format!("{name:?} is none of shard, partition_key, owner, group and stream");
                table.refuse_at(at, "record_labels", &message);
            }
        }
    }
    labels
}
