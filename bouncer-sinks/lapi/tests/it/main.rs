//! The API over the network: as clients see it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may panic"
)]

mod allowlists;
mod apart;
mod certificates;
mod client;
mod conformance;
#[allow(
    dead_code,
    unused_macros,
    reason = "the tests of the store use all of it, and these a little"
)]
#[path = "../../../store/tests/it/support.rs"]
mod database;
mod debian;
mod kills;
mod nodes;
mod ours;
mod peers;
mod restart;
mod rude;
#[expect(clippy::print_stderr, reason = "it says what was not tested")]
#[path = "../../../../connectors/tests/support/server.rs"]
mod server;
mod steps;
mod yaml;
