//! Fuzzing on the stable toolchain: libFuzzer with the compiler's own coverage pass.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{root, value};

/// What the coverage-guided fuzzer needs of the compiler; stable code generation options.
const RUSTFLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Ccodegen-units=1 --cfg fuzzing";

pub(crate) fn run(args: &[String]) -> Result<()> {
    all(value(args, "--seconds")
        .unwrap_or("60")
        .parse()
        .context("--seconds")?)
}

/// Builds and runs every target of `engine/fuzz` for some seconds each.
pub(crate) fn all(seconds: u32) -> Result<()> {
    let dir = root().join("engine/fuzz");
    let status = Command::new("cargo")
        .args([
            "build",
            "--release",
            "--quiet",
            "--target",
            "x86_64-unknown-linux-gnu",
        ])
        .env("RUSTFLAGS", RUSTFLAGS)
        .env("CARGO_TARGET_DIR", dir.join("target"))
        .current_dir(&dir)
        .status()
        .context("build the fuzz targets")?;
    if !status.success() {
        bail!("the fuzz targets do not build");
    }
    let mut targets: Vec<String> = fs::read_dir(dir.join("fuzz_targets"))?
        .flatten()
        .filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    targets.sort();
    for target in &targets {
        one(&dir, target, seconds)?;
    }
    println!(
        "\n{} fuzz targets ran {seconds} s each without a finding",
        targets.len()
    );
    Ok(())
}

fn one(dir: &Path, target: &str, seconds: u32) -> Result<()> {
    println!("\n== fuzz {target}, {seconds} s");
    let seeds = dir.join("corpus").join(target);
    let found = dir.join("target/corpus").join(target);
    let artifacts = dir.join("artifacts").join(target);
    for folder in [&seeds, &found, &artifacts] {
        fs::create_dir_all(folder)?;
    }
    let output = Command::new(
        dir.join("target/x86_64-unknown-linux-gnu/release")
            .join(target),
    )
    .args([&found, &seeds])
    .arg(format!("-max_total_time={seconds}"))
    .args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"])
    .arg(format!("-artifact_prefix={}/", artifacts.display()))
    .output()
    .with_context(|| format!("run fuzz target {target}"))?;
    let log = String::from_utf8_lossy(&output.stderr);
    for line in log
        .lines()
        .filter(|line| line.starts_with("stat::number_of_executed_units"))
    {
        println!("{line}");
    }
    if !output.status.success() {
        let tail: Vec<&str> = log.lines().rev().take(40).collect();
        for line in tail.iter().rev() {
            println!("{line}");
        }
        bail!(
            "fuzz target {target} found something: see {}",
            artifacts.display()
        );
    }
    Ok(())
}
