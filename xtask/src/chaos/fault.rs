//! What can go wrong.

use std::fmt::{self, Display, Formatter};

/// How a job is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) processes: u64,
    /// Of each process.
    pub(crate) workers: u64,
}

impl Display for Layout {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.processes, self.workers)
    }
}

/// When the job is started again, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Again {
    pub(crate) down_ms: u64,
    pub(crate) layout: Layout,
}

/// What is done to the newest checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    /// One bit of the manifest is another.
    Flip,
    /// The manifest ends early.
    Cut,
    /// The manifest has no bytes at all.
    Empty,
    /// A segment that no older checkpoint needs ends early.
    CutSegment,
}

/// How a log is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// The file gets another name; the writer goes on writing to it for so long.
    Rename { held_ms: u64 },
    /// The file is copied, then cut.
    Copy,
}

/// How the content changes. Scenarios that are compared stay what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// One more scenario, which has nothing to do with the others.
    Add,
    /// One less of those.
    Remove,
    /// A scenario is described with other words; its number among those that are.
    Describe(u64),
    /// A file that cannot be understood is there for so long.
    Break { for_ms: u64 },
}

/// How shards change; which ones is left to chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reshard {
    Split(u64),
    Merge(u64),
}

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `kill -9`.
    Kill(Again),
    /// The same twice; the second time so long after the start.
    KillAtStart { after_ms: u64, again: Again },
    /// `kill -9` so long after a checkpoint has begun to be written.
    KillInCheckpoint { after_us: u64, again: Again },
    /// `kill -9` of one process of several; the supervisor starts all again.
    KillChild,
    /// SIGTERM.
    Stop(Again),
    /// SIGSTOP, and SIGCONT so much later.
    Freeze { for_ms: u64 },
    /// `kill -9`, and the newest checkpoint is damaged.
    Damage { harm: Harm, again: Again },
    /// A log is rotated.
    Rotate { file: u64, how: Rotation },
    /// `kill -9` of the broker.
    KillBroker { down_ms: u64 },
    /// Nothing passes between job and broker.
    Stall { for_ms: u64 },
    /// What passes between them comes later.
    Delay { by_ms: u64, for_ms: u64 },
    /// All connections to the broker are cut.
    Reset,
    /// There is no room for checkpoints.
    FillState { for_ms: u64 },
    /// There is no room for alerts.
    FillAlerts { for_ms: u64 },
    /// The job's clock is wrong by so many seconds.
    Jump { by_s: i64, for_ms: u64 },
    /// The content is another, and the job is told so.
    Reload(Change),
    /// A shard of the stream is split, or two are merged.
    Reshard(Reshard),
    /// A machine is cut off from the others.
    CutLink { machine: u64, for_ms: u64 },
    /// What a machine sends and gets comes later, and some of it not at all.
    BadLink {
        machine: u64,
        delay_ms: u64,
        loss_percent: u64,
        for_ms: u64,
    },
}

impl Fault {
    /// Whether it is done to a job that runs.
    pub(crate) fn is_of_job(&self) -> bool {
        matches!(
            self,
            Self::Kill(_)
                | Self::KillAtStart { .. }
                | Self::KillInCheckpoint { .. }
                | Self::Stop(_)
                | Self::Freeze { .. }
                | Self::Damage { .. }
        )
    }

    /// Whether it comes between the job and its broker or stream.
    #[cfg(test)]
    pub(crate) fn is_of_network(&self) -> bool {
        matches!(
            self,
            Self::KillBroker { .. } | Self::Stall { .. } | Self::Delay { .. } | Self::Reset
        )
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Kill(_) => "kill",
            Self::KillAtStart { .. } => "kill at start",
            Self::KillInCheckpoint { .. } => "kill in checkpoint",
            Self::KillChild => "kill one process",
            Self::Stop(_) => "stop",
            Self::Freeze { .. } => "freeze",
            Self::Damage { .. } => "damaged checkpoint",
            Self::Rotate {
                how: Rotation::Copy,
                ..
            } => "copy and truncate",
            Self::Rotate { .. } => "rename",
            Self::KillBroker { .. } => "broker kill",
            Self::Stall { .. } => "network stall",
            Self::Delay { .. } => "network delay",
            Self::Reset => "network reset",
            Self::FillState { .. } => "full state disk",
            Self::FillAlerts { .. } => "full alerts disk",
            Self::Jump { .. } => "clock jump",
            Self::Reload(Change::Break { .. }) => "reload of a broken file",
            Self::Reload(_) => "reload",
            Self::Reshard(Reshard::Split(_)) => "shard split",
            Self::Reshard(Reshard::Merge(_)) => "shard merge",
            Self::CutLink { .. } => "link cut",
            Self::BadLink { .. } => "link slow and lossy",
        }
    }
}
