//! Instruction counts, which other load does not disturb.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Whether valgrind can be run.
pub(crate) fn is_there() -> bool {
    let version = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

/// Instructions that a program takes, all threads together.
pub(crate) fn count(program: &Path, args: &[OsString]) -> Result<u64> {
    count_with(&[], program, args)
}

/// Those that it takes in one of its functions, and in what that calls.
pub(crate) fn count_in(function: &str, program: &Path, args: &[OsString]) -> Result<u64> {
    let option = format!("--toggle-collect=*{function}*");
    count_with(&[&option], program, args)
}

fn count_with(options: &[&str], program: &Path, args: &[OsString]) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(options)
        .arg(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .context("run valgrind")?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let told: Vec<&str> = text.lines().rev().take(5).collect();
        bail!("{} under valgrind: {told:?}", program.display());
    }
    collected(&text).with_context(|| format!("{}: no count from valgrind", program.display()))
}

/// `==123== Collected : 327088154`
fn collected(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_found_in_what_valgrind_says() {
        let text = "==7== Events    : Ir\n==7== Collected : 327088154\n==7==\n";
        assert_eq!(collected(text), Some(327_088_154));
        assert_eq!(collected("==7== Events    : Ir\n"), None);
    }
}
