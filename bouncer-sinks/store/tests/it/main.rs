//! Tests of the crate as its users see it: each on SQLite, and on a PostgreSQL that is started for them.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its setup too"
)]

#[macro_use]
mod support;

mod alerts;
mod allowlists;
mod bouncers;
mod decisions;
mod engine;
mod filters;
mod flush;
mod following;
mod items;
mod kill;
mod log;
mod machines;
mod model;
mod opening;
