//! The whole suite, as CI runs it.

use anyhow::Result;

use crate::command::step;
use crate::{fuzz, gate, hub, reference};

/// Seconds each fuzz target runs in CI.
const FUZZ_SECONDS: u32 = 60;

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
    kafka()?;
    aws()?;
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
    fuzz::all(FUZZ_SECONDS)
}

/// Topics, against a broker of its own.
fn kafka() -> Result<()> {
    optional("kafka")
}

/// Streams of Kinesis and log groups of CloudWatch, against servers that speak as theirs do.
fn aws() -> Result<()> {
    optional("aws")
}

/// Sources that are not in an ordinary build.
fn optional(feature: &str) -> Result<()> {
    let package = ["-p", "overspill-connectors", "--features", feature];
    let clippy = [
        &["clippy", "--all-targets", "--quiet"][..],
        &package,
        &["--", "--deny", "warnings"],
    ];
    let name = format!("lints of {feature}");
    step(&name, "cargo", &clippy.concat(), &[])?;
    let test = [&["test"][..], &package];
    let name = format!("tests of {feature}");
    step(&name, "cargo", &test.concat(), &[])
}
