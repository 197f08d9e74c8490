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
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
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

/// Runs a program, and counts each call of one of its functions by itself: what the program wrote to
/// standard output, and the instructions of each call in turn.
pub(crate) fn count_calls(
    program: &Path,
    args: &[OsString],
    function: &str,
    scratch: &Path,
) -> Result<(String, Vec<u64>)> {
    if scratch.exists() {
        std::fs::remove_dir_all(scratch)?;
    }
    std::fs::create_dir_all(scratch)?;
    let out = scratch.join("callgrind.out");
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(format!("--toggle-collect=*{function}*"))
        .arg(format!("--dump-after=*{function}*"))
        .arg(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .context("run valgrind")?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let told: Vec<&str> = text.lines().rev().take(5).collect();
        bail!("{} under valgrind: {told:?}", program.display());
    }
    // Dumps are numbered from 1.
    let mut counts = Vec::new();
    for number in 1.. {
        let dump = scratch.join(format!("callgrind.out.{number}"));
        let Ok(text) = std::fs::read_to_string(&dump) else {
            break;
        };
        let totals = totals(&text).with_context(|| format!("{}: no totals", dump.display()))?;
        counts.push(totals);
    }
    std::fs::remove_dir_all(scratch)?;
    Ok((String::from_utf8_lossy(&output.stdout).into_owned(), counts))
}

/// `totals: 12345` of a dump; `summary: ` in some versions.
fn totals(text: &str) -> Option<u64> {
    let of = |line: &str| {
        line.strip_prefix("totals: ")
            .or(line.strip_prefix("summary: "))?
            .trim()
            .parse()
            .ok()
    };
    text.lines().find_map(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_found_in_what_valgrind_says() {
        let text = "==7== Events    : Ir\n==7== Collected : 327088154\n==7==\n";
        assert_eq!(collected(text), Some(327_088_154));
        assert_eq!(
            totals("version: 1\nevents: Ir\nsummary: 42\n\nfn=(0) x\ntotals: 42\n"),
            Some(42)
        );
        assert_eq!(totals("version: 1\n"), None);
    }
}
