//! Cross-crate tests: arrows, command line, replays, conformance.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod arrows;
mod cli;
mod hub;
mod library;
mod replay;
mod sample;
