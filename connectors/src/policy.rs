//! What whoever runs a job decides for a source: which partitions are its own, and how to go on after a loss.

use std::fmt;
use std::sync::Arc;

use crate::source::PartitionName;

/// How to go on when a position cannot be honoured. It is counted in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnLoss {
    /// With the oldest record that is there.
    #[default]
    Oldest,
    /// With the next record that comes.
    Newest,
    /// Not at all: the source is at its end.
    Stop,
}

/// Tells whether a partition is read by this process: a function of its name alone.
#[derive(Clone)]
pub struct Belongs(Arc<dyn Fn(&PartitionName) -> bool + Send + Sync>);

impl Belongs {
    /// Those of which this is so.
    #[must_use]
    pub fn new(is_ours: impl Fn(&PartitionName) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_ours))
    }

    /// Whether this one does.
    #[must_use]
    pub fn to_us(&self, name: &PartitionName) -> bool {
        (self.0)(name)
    }
}

impl Default for Belongs {
    fn default() -> Self {
        Self::new(|_| true)
    }
}

impl fmt::Debug for Belongs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Belongs")
    }
}
