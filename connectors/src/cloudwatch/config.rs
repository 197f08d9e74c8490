//! What is to be followed, and how.

use std::time::Duration;

use overspill_event::Origin;

use crate::aws::Access;
use crate::lines::LINE_BYTES_MAX;
use crate::policy::Belongs;
use crate::source::PartitionName;
use crate::tail::Exclude;

/// Which streams of a group are read.
#[derive(Debug, Clone)]
pub enum Streams {
    /// All, and those that come.
    All,
    /// The one of this name.
    One(String),
    /// Those whose names this finds, and those that come: an expression of Go, compiled as for paths.
    Matching(Exclude),
}

/// Where a group begins when a source is started for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// With events of the time from then on.
    #[default]
    Newest,
    /// With the oldest event that is there.
    Oldest,
}

/// What is to be followed, and how.
#[derive(Debug, Clone)]
pub struct CloudWatchConfig {
    /// Name of the source.
    pub id: String,
    /// The log group.
    pub group: String,
    /// Its streams.
    pub streams: Streams,
    /// Who one is, and where.
    pub access: Access,
    /// Module and labels of the lines; `src` becomes the group and the stream.
    pub origin: Origin,
    /// Longest line in bytes.
    pub line_bytes_max: usize,
    /// Where to begin when there is no checkpoint.
    pub start: Start,
    /// Whether the time of an event is put before its text.
    pub prepends_time: bool,
    /// Events of one page, at most 10,000.
    pub page_events: i32,
    /// The group is looked at after this.
    pub poll_every: Duration,
    /// Pages come no faster than this: an account may ask five times a second.
    pub page_every: Duration,
    /// How far each look goes back behind the newest event: what comes later than that is not seen.
    pub overlap: Duration,
    /// How late after it was taken in an event may be seen for the first time, so that it is not known.
    pub settle: Duration,
    /// How long the group may not be there before that is the end of it.
    pub gone_wait: Duration,
    /// Bytes that are fetched ahead; a page (1 MB) may come on top.
    pub queue_bytes: usize,
    /// Whether the group is this process's.
    pub belongs: Belongs,
}

impl CloudWatchConfig {
    /// Follows all streams of this group, with everything else as it is by default.
    #[must_use]
    pub fn new(id: &str, group: &str, origin: Origin) -> Self {
        Self {
            id: id.to_owned(),
            group: group.to_owned(),
            streams: Streams::All,
            access: Access::default(),
            origin,
            line_bytes_max: LINE_BYTES_MAX,
            start: Start::Newest,
            prepends_time: false,
            page_events: 1_000,
            poll_every: Duration::from_secs(10),
            page_every: Duration::from_millis(250),
            overlap: Duration::from_secs(300),
            settle: Duration::from_secs(60),
            gone_wait: Duration::from_secs(60),
            queue_bytes: 1 << 20,
            belongs: Belongs::default(),
        }
    }

    /// Name of the one partition.
    pub(super) fn name(&self) -> PartitionName {
        PartitionName::new(&self.group)
    }

    /// Whether lines of a stream are wanted.
    pub(super) fn is_wanted(&self, stream: &str) -> bool {
        match &self.streams {
            Streams::All => true,
            Streams::One(name) => name == stream,
            Streams::Matching(pattern) => pattern.is_excluded(stream),
        }
    }
}
