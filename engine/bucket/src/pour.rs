//! One event on its way into one bucket.
//!
//! A pour has two times (`docs/adr/0007-line-order-and-event-time.md`). Its [`Order`] says when it
//! is processed; its [`Stamp`], the event's own time, is what buckets calculate with. What a bucket
//! keeps of the event is its *evidence*, bytes that this crate never looks into.

use crate::key::Key;
use crate::spec::ScenarioId;

/// Place of a pour in the total order of processing. No two pours have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Order {
    /// Effective time, decided at the event's partition.
    pub eff_ns: i64,
    /// Partition of the line.
    pub partition: u32,
    /// Offset of the line in its partition.
    pub offset: u64,
    /// Rank of the pour within its event: the order of scenarios.
    pub seq: u32,
}

impl Order {
    /// Whether both pours come from one event.
    pub(crate) fn is_same_event(&self, other: &Self) -> bool {
        (self.eff_ns, self.partition, self.offset) == (other.eff_ns, other.partition, other.offset)
    }
}

/// An event's own time, with the zone it was written in (alerts show it in that zone).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    /// Nanoseconds since the Unix epoch.
    pub ns: i64,
    /// Seconds east of UTC.
    pub zone_secs: i32,
}

/// One pour, without its evidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pour {
    /// The bucket.
    pub key: Key,
    /// When it is processed.
    pub order: Order,
    /// The pouring scenario: it creates the bucket when there is none.
    pub scenario: ScenarioId,
    /// The event's own time. Without one the event is neither counted nor kept, but the
    /// conditions are still asked (`scenarios.md` 4).
    pub time: Option<Stamp>,
    /// Keyed hash of the `distinct` value; `None` when it could not be evaluated.
    pub distinct: Option<[u64; 2]>,
    /// `cancel_on` was true.
    pub cancel: bool,
}
