//! What is to be followed, and how.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use overspill_event::Origin;

use crate::aws::Access;
use crate::lines::LINE_BYTES_MAX;
use crate::policy::{Belongs, OnLoss};
use crate::source::PartitionName;

/// A stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StreamRef {
    /// By its name, in the account and region of whoever asks.
    Name(String),
    /// By its ARN, which may be of another account.
    Arn(String),
}

impl StreamRef {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Arn(arn) => arn.rsplit_once('/').map_or(arn, |(_, name)| name),
        }
    }

    pub(super) fn to_name(&self) -> Option<String> {
        match self {
            Self::Name(name) => Some(name.clone()),
            Self::Arn(_) => None,
        }
    }

    pub(super) fn to_arn(&self) -> Option<String> {
        match self {
            Self::Name(_) => None,
            Self::Arn(arn) => Some(arn.clone()),
        }
    }
}

impl fmt::Display for StreamRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Name(text) | Self::Arn(text)) = self;
        f.write_str(text)
    }
}

/// Where a shard begins that is there when a source is started for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// With what comes from then on, as in CrowdSec.
    #[default]
    Newest,
    /// With the oldest record that is there.
    Oldest,
}

/// What of a record becomes labels of its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordLabels {
    /// `kinesis_shard`.
    pub shard: bool,
    /// `kinesis_partition_key`.
    pub partition_key: bool,
    /// `cloudwatch_owner`, of a subscription's record.
    pub owner: bool,
    /// `cloudwatch_group`, of a subscription's record.
    pub group: bool,
    /// `cloudwatch_stream`, of a subscription's record.
    pub stream: bool,
}

/// A consumer to which records are pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FanOut {
    /// Its name, which is registered if it is not.
    pub consumer: String,
    /// Looks at whether it is registered before that is an error; the pauses between them grow by 200 ms.
    pub looks_max: u32,
    /// No shard is subscribed to again before this has passed.
    pub again_wait: Duration,
}

/// What is to be followed, and how.
#[derive(Debug, Clone)]
pub struct KinesisConfig {
    /// Name of the source.
    pub id: String,
    /// The stream.
    pub stream: StreamRef,
    /// Who one is, and where.
    pub access: Access,
    /// Records are pushed to this consumer; without it they are asked for.
    pub fan_out: Option<FanOut>,
    /// Records are packed logs that a subscription of CloudWatch Logs sends.
    pub from_subscription: bool,
    /// Module and labels of the lines; `src` becomes the stream.
    pub origin: Origin,
    /// Longest line in bytes.
    pub line_bytes_max: usize,
    /// Where to begin when there is no checkpoint.
    pub start: Start,
    /// How to go on when a position is lost.
    pub on_loss: OnLoss,
    /// What of a record becomes labels.
    pub record_labels: RecordLabels,
    /// A shard that has nothing more is asked again after this.
    pub poll_every: Duration,
    /// One that has more is asked again after this: a shard answers five times a second, to all together.
    pub busy_every: Duration,
    /// Shards are looked for anew after this.
    pub refresh_every: Duration,
    /// How long a shard or the stream may not be there before that is the end of it.
    pub gone_wait: Duration,
    /// Bytes of each shard that are fetched ahead; an answer of the service (10 MiB at most) may come on top.
    pub queue_bytes: usize,
    /// Which shards are this process's.
    pub belongs: Belongs,
}

impl KinesisConfig {
    /// Follows this stream, with everything else as it is by default.
    #[must_use]
    pub fn new(id: &str, stream: StreamRef, origin: Origin) -> Self {
        Self {
            id: id.to_owned(),
            stream,
            access: Access::default(),
            fan_out: None,
            from_subscription: false,
            origin,
            line_bytes_max: LINE_BYTES_MAX,
            start: Start::Newest,
            on_loss: OnLoss::Oldest,
            record_labels: RecordLabels::default(),
            poll_every: Duration::from_secs(1),
            busy_every: Duration::from_millis(250),
            refresh_every: Duration::from_secs(30),
            gone_wait: Duration::from_secs(60),
            queue_bytes: 1 << 20,
            belongs: Belongs::default(),
        }
    }

    /// Name of the partition of a shard. There is no `/` in either.
    pub(super) fn name_of(&self, shard: &str) -> PartitionName {
        PartitionName::new(&format!("{}/{shard}", self.stream.name()))
    }

    /// The shard of a name, if it is of this stream.
    pub(super) fn shard_of(&self, name: &PartitionName) -> Option<Arc<str>> {
        let (stream, shard) = name.0.rsplit_once('/')?;
        (stream == self.stream.name()).then(|| Arc::from(shard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_named_by_their_stream_and_found_again() {
        let arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/web".to_owned();
        for stream in [StreamRef::Name("web".to_owned()), StreamRef::Arn(arn)] {
            let config = KinesisConfig::new("k", stream, Origin::default());
            let name = config.name_of("shardId-000000000007");
            assert_eq!(&*name.0, "web/shardId-000000000007");
            assert_eq!(
                config.shard_of(&name).as_deref(),
                Some("shardId-000000000007")
            );
            assert_eq!(config.shard_of(&PartitionName::new("other/x")), None);
        }
    }
}
