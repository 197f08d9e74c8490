//! Buckets: plain state machines, and the table that holds them.
//!
//! A [`Table`] is handed [`Pour`]s (an event matched a scenario and belongs to this key) and
//! watermarks (no earlier pour will come), and answers with [`Change`]s: an [`Overflow`] came true,
//! or, with speculation, did not after all. [`Spec`] says how the buckets of a scenario count;
//! [`Judge`] evaluates the expressions that look into a bucket.
//!
//! ```
//! use std::sync::Arc;
//! use overspill_bucket::{
//!     Key, Kind, NoExpressions, Order, Pour, ScenarioId, Spec, Stamp, Table, TableConfig,
//! };
//!
//! let leaky = Spec { capacity: 1, leak_ns: 10_000_000_000, ..Spec::new(Kind::Leaky) };
//! let specs: Arc<[Spec]> = Arc::from([leaky]);
//! let mut table = Table::new(&specs, TableConfig::live(i64::MAX));
//! let mut changes = Vec::new();
//! for offset in 0..2 {
//!     let time_ns = 1_000_000_000;
//!     let pour = Pour {
//!         key: Key([7, 7]),
//!         order: Order { eff_ns: time_ns, partition: 0, offset, seq: 0 },
//!         scenario: ScenarioId(0),
//!         time: Some(Stamp { ns: time_ns, zone_secs: 0 }),
//!         distinct: None,
//!         cancel: false,
//!     };
//!     table.pour(pour, b"event", &mut NoExpressions, &mut changes);
//! }
//! assert_eq!(changes.len(), 1);
//! assert_eq!(changes[0].overflow.total, 2);
//! ```
//!
//! What each module promises:
//!
//! * `rules`: CrowdSec's semantics in its time machine mode, and every decision where ours differ.
//! * `table`: the result is that of applying all pours in [`Order`], whatever the arrival, the
//!   batching, the steps of the watermark and the number of tables; memory is bounded by key group.
//! * `table/snapshot`: state as of the watermark, by key group, in a versioned format.
//!
//! The crate reads no clock, does no IO, evaluates no expression and knows no worker. Pours and
//! snapshots may be hostile: nothing panics, whatever the times.

mod codec;
mod counters;
mod events;
mod judge;
mod key;
mod overflow;
mod pour;
mod queue;
mod rules;
mod spec;
mod state;
mod table;

pub use counters::{Counters, ScenarioCounts};
pub use judge::{BucketView, Judge, NoExpressions};
pub use key::{KEY_GROUPS, Key, group_owner, key_group, owner};
pub use overflow::{Change, Kept, Overflow};
pub use pour::{Order, Pour, Stamp};
pub use spec::{Bayes, BayesCondition, Kind, ScenarioId, Spec};
pub use table::{
    BYTES_PER_GROUP_MAX, DEFER_AFTER, DISTINCT_MAX, Footprint, GroupPiece, KEYS_PER_GROUP_MAX,
    QUEUE_BYTES_MAX, QUEUE_LEN_MAX, SnapshotError, Table, TableConfig,
};
