//! One event on its way into one bucket.
//!
//! A pour has two times (`docs/adr/0007-line-order-and-event-time.md`). Its [`Order`] says when it
//! is processed; its [`Stamp`], the event's own time, is what buckets calculate with. What the
//! bucket keeps of the event is [`Evidence`], bytes that this crate never looks into.

use std::cell::OnceCell;
use std::sync::Arc;

use crate::key::Key;
use crate::spec::ScenarioId;

/// What a bucket keeps of an event: opaque bytes, shared by all that hold them.
pub type Evidence = Arc<[u8]>;

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

/// The evidence of an event that is being poured: borrowed until somebody keeps it.
///
/// Use one payload for all pours of one event: then all buckets that keep the event share one
/// allocation, and none is made when no bucket keeps it.
#[derive(Debug)]
pub struct Payload<'a> {
    bytes: &'a [u8],
    shared: OnceCell<Evidence>,
}

impl<'a> Payload<'a> {
    /// A payload in somebody's buffer.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            shared: OnceCell::new(),
        }
    }

    /// A payload that is evidence already.
    #[must_use]
    pub fn of(evidence: &'a Evidence) -> Self {
        Self {
            bytes: evidence,
            shared: OnceCell::from(Arc::clone(evidence)),
        }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes, to keep.
    #[must_use]
    pub fn share(&self) -> Evidence {
        Arc::clone(self.shared.get_or_init(|| Evidence::from(self.bytes)))
    }
}
