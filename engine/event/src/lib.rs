//! The event: what a log line becomes, and what an overflow carries.
//!
//! One [`Event`] holds every text of one line in a single growable buffer; a field is a span of
//! that buffer, found by a [`Slot`] number that was interned when the content was compiled
//! ([`Schema`]). So an ordinary line costs no allocation, copying a field copies eight bytes, and
//! no map of strings is ever built on the hot path. Fields whose names are known only at run time
//! go to a small bounded side list.
//!
//! The crate does no IO and reads no clock. It knows nothing of parsers, buckets or workers.

mod alert;
mod bytes;
mod encode;
mod event;
mod lines;
mod meta;
mod schema;
mod tree;

pub use alert::{Alert, AlertEvent, Decision, MetaItem, Overflow, Source};
pub use bytes::{ByteReader, Malformed, encode_bytes, encode_len};
pub use encode::{DecodeError, Keep, KeepPlan};
pub use event::{Event, EventKind, ExpectMode, Origin, Position, Span, TextField};
pub use lines::{LineBatch, LineRef};
pub use meta::{MetaItems, MetaList, MetaRef};
pub use schema::{FieldMap, Schema, SchemaBuilder, SchemaFull, Slot};
pub use tree::{StringMap, Tree, TreeMap};
