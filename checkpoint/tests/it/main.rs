//! Tests of the crate as its users see it.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its setup too"
)]

mod collect;
mod faults;
mod fencing;
mod harness;
mod kill;
mod local;
mod model;
mod writer;
