//! The crate as its callers see it: events in, hits out, with the index and without.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod content;
mod index;
mod keys;
mod limits;
