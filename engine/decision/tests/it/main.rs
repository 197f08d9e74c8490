//! Tests of the crate as its users see it.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its setup too"
)]

mod alert;
mod harness;
mod log_model;
mod policy;
mod sources;
mod wire;
