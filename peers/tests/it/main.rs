//! Tests of the crate from outside: greetings, real sockets on loopback, real processes.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod greeting;
mod helper;
mod lost_host;
mod meeting;
mod strangers;
mod supervised;
mod tls;
mod util;
