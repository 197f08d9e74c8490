//! Running other programs and saying what runs.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// The value of a flag `--name VALUE`.
pub(crate) fn value<'a>(args: &'a [String], name: &str) -> Option<&'a str> {
    let at = args.iter().position(|arg| arg == name)?;
    args.get(at + 1).map(String::as_str)
}

/// Whether a flag without a value was given.
pub(crate) fn has_flag(args: &[String], name: &str) -> bool {
    args.iter().any(|arg| arg == name)
}

/// Runs a program in the repository's root; fails if it fails.
pub(crate) fn step(title: &str, program: &str, args: &[&str], env: &[(&str, &str)]) -> Result<()> {
    println!("\n== {title}: {program} {}", args.join(" "));
    let started = Instant::now();
    let status = Command::new(program)
        .args(args)
        .envs(env.iter().copied())
        .current_dir(root())
        .status()
        .with_context(|| format!("run {program}"))?;
    println!("== {title}: {:.1} s", started.elapsed().as_secs_f64());
    if !status.success() {
        bail!("{title} failed ({status})");
    }
    Ok(())
}

/// Builds the product for release and gives the path of its program.
pub(crate) fn binary() -> Result<PathBuf> {
    step(
        "release build",
        "cargo",
        &["build", "--release", "--quiet"],
        &[],
    )?;
    Ok(target_dir().join("release/overspill"))
}

/// Where cargo builds.
pub(crate) fn target_dir() -> PathBuf {
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    root().join(target)
}
