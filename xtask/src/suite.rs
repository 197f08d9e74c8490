//! The whole suite, as CI runs it.

use anyhow::Result;

use crate::command::step;
use crate::{chaos, fuzz, gate, hub, reference};

/// Seconds each fuzz target runs in CI.
const FUZZ_SECONDS: u32 = 40;

pub(crate) fn run(args: &[String]) -> Result<()> {
    let is_quick = args.iter().any(|arg| arg == "--quick");
    step("format", "cargo", &["fmt", "--all", "--check"], &[])?;
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "--deny",
        "warnings",
    ];
    step("lints", "cargo", &clippy, &[])?;
    step(
        "tests",
        "cargo",
        &["test", "--workspace", "--no-fail-fast"],
        &[],
    )?;
    if is_quick {
        return Ok(());
    }
    optional()?;
    let docs = ["doc", "--workspace", "--no-deps", "--quiet"];
    step(
        "docs",
        "cargo",
        &docs,
        &[("RUSTDOCFLAGS", "--deny warnings")],
    )?;
    gate::run(&[])?;
    reference::run(&[])?;
    hub::run(&[])?;
    chaos::of_suite()?;
    fuzz::all(FUZZ_SECONDS)
}

/// What is not in an ordinary build: Kafka against a broker of its own, Kinesis and CloudWatch against servers that
/// speak as Amazon's do.
fn optional() -> Result<()> {
    const FEATURES: &str = "kafka,aws";
    let clippy = [
        "clippy",
        "--all-targets",
        "--quiet",
        "-p",
        "overspill",
        "-p",
        "overspill-connectors",
        "--features",
        FEATURES,
        "--",
        "--deny",
        "warnings",
    ];
    step("lints of kafka and aws", "cargo", &clippy, &[])?;
    let test = ["test", "-p", "overspill-connectors", "--features", FEATURES];
    step("tests of kafka and aws", "cargo", &test, &[])
}
