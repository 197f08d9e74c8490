//! From a bucket's overflow to an alert, to decisions, to the numbered log.
//!
//! ```text
//!  overflow, events ─▶ AlertBuilder ─▶ Overflow (one Alert a source)
//!                                         │  post-overflow stages, elsewhere
//!                                         ▼
//!                  wire (JSON) ◀─────── Alert ─▶ Policy::receive ─▶ decisions ─▶ DecisionLog
//!                                                profiles, allowlist, safe list       │
//!                                                             sinks and bouncers ◀── since(cursor)
//! ```
//!
//! [`AlertBuilder`] says whom an overflow is about and in what words. [`Policy`] decides what to do
//! about an alert. [`DecisionLog`] holds what is decided, numbers every change, and ends decisions
//! in time. Each is a plain value: no clock, no files, no network, no randomness, so the same
//! events lead to the same alerts, identities and decisions, wherever and however often they are
//! derived.

#![forbid(unsafe_code)]

mod allowlist;
mod block;
mod build;
mod encode;
mod identity;
mod log;
pub mod order;
mod profile;
mod receive;
pub mod wire;

pub use allowlist::{AllowEntry, Allowed, Allowlist, NotAnAddress, SafeList};
pub use block::{Block, Family};
pub use build::{AlertBuilder, AlertContext, AlertSpec, BuildError, Spill, fill_overflow_event};
pub use encode::{IpInts, ip_range_ints, is_address_scope};
pub use identity::mapkey;
pub use log::{
    Applied, Change, Cursor, CursorLost, DecisionLog, Entry, GenerationUsed, LogCounters,
    LogDecodeError, LogLimits, Page, Reason, Seq,
};
pub use order::go_sort;
pub use profile::{Notice, OnError, OnFailure, OnSuccess, Profile, ProfileError, Profiles, Remedy};
pub use receive::{Discard, Policy, ReceiveError, Received, normalise_scope};
