//! The server, and clients who mean no good.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod server;
mod spans;
