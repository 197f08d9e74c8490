//! The whole suite, as CI runs it.

use anyhow::Result;

use crate::command::step;
use crate::{chaos, fuzz, gate, hub, reference};

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

/// The source that is not in an ordinary build, against a broker of its own.
fn kafka() -> Result<()> {
    let package = ["-p", "overspill-connectors", "--features", "kafka"];
    let clippy = [
        &["clippy", "--all-targets", "--quiet"][..],
        &package,
        &["--", "--deny", "warnings"],
    ];
    step("lints of kafka", "cargo", &clippy.concat(), &[])?;
    let test = [&["test"][..], &package];
    step("tests of kafka", "cargo", &test.concat(), &[])
}
