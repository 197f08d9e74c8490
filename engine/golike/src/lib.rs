//! What Go prints and parses, where a user of CrowdSec can see it.
//!
//! Dates, durations, number texts, `fmt` verbs, string functions over bytes, addresses, URL
//! escapes, JSON and base64, each with the results of Go's standard library, because the texts
//! end up in alerts and are compared by scenarios. Input is bytes and may be hostile: nothing
//! here panics, recurses without a bound or takes more than linear time in its input unless its
//! documentation says so.
//!
//! This crate depends on none of ours, reads no clock and keeps no state that changes a result.

#![forbid(unsafe_code)]

pub mod base64;
pub mod duration;
pub mod fmt;
pub mod json;
pub mod net;
pub mod strconv;
pub mod strings;
pub mod time;
pub mod url;
