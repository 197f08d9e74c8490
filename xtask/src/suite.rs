//! The whole suite, as CI runs it.

use anyhow::{Context, Result};

use crate::command::{root, step, value};
use crate::fuzz;

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
    let docs = ["doc", "--workspace", "--no-deps", "--quiet"];
    step(
        "docs",
        "cargo",
        &docs,
        &[("RUSTDOCFLAGS", "--deny warnings")],
    )?;
    step(
        "release build",
        "cargo",
        &["build", "--release", "--quiet"],
        &[],
    )?;
    hub(&[])?;
    fuzz::all(FUZZ_SECONDS)
}

/// The conformance run. Says loudly when there is no hub to run against.
pub(crate) fn hub(args: &[String]) -> Result<()> {
    let given = value(args, "--hub")
        .map(str::to_owned)
        .or_else(|| std::env::var("OVERSPILL_HUB").ok());
    let Some(hub) = given else {
        println!("\n==================================================================");
        println!("== HUB CONFORMANCE NOT RUN: no hub. Set OVERSPILL_HUB or --hub. ==");
        println!("==================================================================");
        return Ok(());
    };
    step(
        "release build",
        "cargo",
        &["build", "--release", "--quiet"],
        &[],
    )?;
    let binary = root().join(target_dir()).join("release/overspill");
    let binary = binary.to_str().context("path of the binary")?;
    for workers in ["1", "4"] {
        let title = format!("hub conformance, {workers} workers");
        let args = [
            "hubtest",
            "run",
            "--all",
            "--hub",
            &hub,
            "--workers",
            workers,
        ];
        step(&title, binary, &args, &[])?;
    }
    Ok(())
}

/// Where cargo builds.
pub(crate) fn target_dir() -> String {
    std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned())
}
