//! Floods of things that differ: a million user agents, addresses, paths, programs, users.
//!
//! Here it is the whole program that counts, its tables of buckets and its caches: a flood that fills
//! them may cost more a byte than an ordinary log, within the same bounds as a line.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::case::release;
use super::cpu::{run as run_timed, timed};
use super::hostile::{GROWTH_MAX, TIMES_MAX};
use super::report::figure;
use crate::command::{target_dir, value};

/// Name, and the label `type` of its lines.
const FLOODS: [(&str, &str); 5] = [
    ("agents", "nginx"),
    ("addresses", "nginx"),
    ("urls", "nginx"),
    ("programs", "syslog"),
    ("users", "syslog"),
];

/// What a replay cost.
struct Cost {
    ns: f64,
    bytes: f64,
    /// Most memory, in MB.
    peak_mb: f64,
}

pub(crate) fn run(args: &[String], hub: Option<&Path>) -> Result<()> {
    let lines: u64 = value(args, "--flood")
        .unwrap_or("1000000")
        .parse()
        .context("--flood")?;
    let dir = target_dir().join("bench-floods");
    std::fs::create_dir_all(&dir)?;
    println!(
        "\n| flood of {lines} | ns a byte | ordinary | times | from half the lines | peak MB | |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | --- |"
    );
    let mut ordinary: Option<(&str, f64)> = None;
    for (name, log_type) in FLOODS {
        let kind = if log_type == "nginx" { "nginx" } else { "sshd" };
        let start_up = cost(&make(&dir, &["flood", name], 1)?, log_type, hub)?;
        let usual = match ordinary {
            Some((of, usual)) if of == log_type => usual,
            _ => {
                let log = cost(&make(&dir, &[kind], 200_000)?, log_type, hub)?;
                (log.ns - start_up.ns) / log.bytes
            }
        };
        ordinary = Some((log_type, usual));
        let half = cost(&make(&dir, &["flood", name], lines / 2)?, log_type, hub)?;
        let whole = cost(&make(&dir, &["flood", name], lines)?, log_type, hub)?;
        let per_byte = (whole.ns - start_up.ns) / whole.bytes;
        let growth = (whole.ns - start_up.ns) / (half.ns - start_up.ns).max(1.0);
        let is_bad = per_byte > TIMES_MAX * usual || growth > GROWTH_MAX;
        println!(
            "| {name} | {} | {} | {} | {growth:.2} | {} | {} |",
            figure(per_byte),
            figure(usual),
            figure(per_byte / usual),
            figure(whole.peak_mb),
            if is_bad { "too much" } else { "" }
        );
    }
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

/// A log from the generator, written once.
pub(super) fn make(dir: &Path, words: &[&str], lines: u64) -> Result<PathBuf> {
    let path = dir.join(format!("{}-{lines}.log", words.join("-")));
    if !path.exists() {
        let status = Command::new(release("datasets"))
            .args(words)
            .args(["--lines", &lines.to_string()])
            .stdout(File::create(&path)?)
            .status()
            .context("run the generator")?;
        if !status.success() {
            bail!("the generator failed");
        }
    }
    Ok(path)
}

fn cost(log: &Path, log_type: &str, hub: Option<&Path>) -> Result<Cost> {
    // The shell that `timed` makes takes the time; this one inside it reads the peak of memory.
    let mut command = timed(Path::new("bash"));
    command
        .args([
            "-c",
            "\"$@\" >/dev/null 2>&1 & wait_for=$!; peak=0; \
              while line=$(grep VmHWM /proc/$wait_for/status 2>/dev/null); do \
              peak=$line; sleep 0.2; done; wait $wait_for && echo \"$peak\"",
            "bash",
        ])
        .arg(release("overspill"))
        .arg("replay")
        .arg(log)
        .args([
            "--type",
            log_type,
            "-o",
            "json",
            "--now",
            "2024-03-12T00:00:00Z",
        ]);
    if let Some(hub) = hub {
        let words: [OsString; 3] = ["--all".into(), "--hub".into(), hub.into()];
        command.args(words);
    }
    let ran = run_timed(&mut command)?;
    Ok(Cost {
        ns: ran.cpu_ns,
        bytes: std::fs::metadata(log)?.len() as f64,
        peak_mb: peak_mb(&ran.stdout),
    })
}

/// `VmHWM:   123456 kB`; nothing was seen of a program that ends at once.
fn peak_mb(text: &str) -> f64 {
    let words = text.split_whitespace();
    words
        .filter_map(|word| word.parse::<f64>().ok())
        .next_back()
        .unwrap_or(0.0)
        / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_from_the_status_of_a_process() {
        assert!((peak_mb("VmHWM:\t  2048 kB\n") - 2.0).abs() < 1e-9);
        assert!(peak_mb("0\n").abs() < 1e-9);
    }
}
