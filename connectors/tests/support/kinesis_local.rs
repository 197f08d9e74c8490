//! A server that behaves as Kinesis does when shards are split and merged, and pushes records: kinesis-local, an npm
//! package.
//!
//! Not a test by itself: whoever needs it takes this file in with `#[path]`. It is fetched once, through whatever mirror npm
//! is set up with, into the target directory.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each user of the file needs some of it"
)]

use std::process::Command;
use std::sync::OnceLock;

use super::server::{Server, fetched, free_port, run, told};

const VERSION: &str = "0.6.2";

/// The server that tests share.
pub fn shared() -> Option<&'static Server> {
    static SHARED: OnceLock<Result<Server, String>> = OnceLock::new();
    told("kinesis-local", SHARED.get_or_init(start).as_ref())
}

fn start() -> Result<Server, String> {
    let name = format!("kinesis-local-{VERSION}");
    let main = "node_modules/kinesis-local/main.js";
    let dir = fetched(&name, main, |dir| {
        run(Command::new("npm")
            .args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
            .arg(dir)
            .arg(format!("kinesis-local@{VERSION}")))
    })?;
    let tls_port = free_port()?;
    Server::start("/healthcheck", |port| {
        let mut command = Command::new("node");
        command
            .arg(dir.join(main))
            .env(
                "KINESIS_MOCK_CERT_PATH",
                dir.join("node_modules/kinesis-local/server.json"),
            )
            .env("KINESIS_MOCK_TLS_PORT", tls_port.to_string())
            .env("KINESIS_MOCK_PLAIN_PORT", port.to_string())
            .env("SHARD_LIMIT", "500")
            .env("LOG_LEVEL", "ERROR");
        for duration in [
            "CREATE_STREAM_DURATION",
            "DELETE_STREAM_DURATION",
            "DEREGISTER_STREAM_CONSUMER_DURATION",
            "MERGE_SHARDS_DURATION",
            "REGISTER_STREAM_CONSUMER_DURATION",
            "SPLIT_SHARD_DURATION",
            "UPDATE_SHARD_COUNT_DURATION",
        ] {
            command.env(duration, "10ms");
        }
        command
    })
}
