//! Conformance with a checkout of the CrowdSec Hub: its own tests, and its tests' logs replayed
//! with everything in the hub at once, in several layouts and with the slow and obvious matcher.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::command::{binary, step, value};

/// The moment that dates without a year refer to.
const NOW: &str = "2026-08-22T12:00:00Z";

/// Ways to run one replay. The alerts are the same in all of them.
const LAYOUTS: [(&str, &[&str]); 5] = [
    ("1 worker", &[]),
    ("2 workers", &["--workers", "2"]),
    ("4 workers", &["--workers", "4"]),
    ("2 processes", &["--processes", "2"]),
    ("plain regexes and no index", &["--reference-matcher"]),
];

/// Runs both. Says loudly when there is no hub to run against.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let given = value(args, "--hub")
        .map(str::to_owned)
        .or_else(|| std::env::var("OVERSPILL_HUB").ok());
    let Some(hub) = given else {
        println!("\n==================================================================");
        println!("== HUB CONFORMANCE NOT RUN: no hub. Set OVERSPILL_HUB or --hub. ==");
        println!("==================================================================");
        return Ok(());
    };
    let binary = binary()?;
    let program = binary.to_str().context("path of the binary")?;
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
        step(&title, program, &args, &[])?;
    }
    replay_all(&binary, Path::new(&hub))
}

/// Replays the logs of the hub's tests, by log type, with all of the hub loaded.
fn replay_all(binary: &Path, hub: &Path) -> Result<()> {
    println!("\n== logs of the hub's tests with everything in the hub");
    let logs = logs(hub)?;
    let scratch = std::env::temp_dir().join(format!("overspill-hub-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let mut n_alerts = 0;
    for (kind, paths) in &logs {
        let results = LAYOUTS
            .iter()
            .map(|(_, flags)| replay(binary, hub, kind, paths, flags, &scratch))
            .collect::<Result<Vec<_>>>()
            .with_context(|| format!("replay the logs of type {kind}"))?;
        let Some((first, others)) = results.split_first() else {
            continue;
        };
        for (other, (layout, _)) in others.iter().zip(LAYOUTS.iter().skip(1)) {
            if other != first {
                bail!("logs of type {kind}: {layout} give other results than 1 worker");
            }
        }
        n_alerts += first.alerts.lines().count();
    }
    fs::remove_dir_all(&scratch)?;
    let n_logs: usize = logs.values().map(Vec::len).sum();
    println!(
        "{n_logs} logs of {} types: {n_alerts} alerts, the same at 1, 2 and 4 workers, 2 processes, and \
         with --reference-matcher",
        logs.len()
    );
    if n_alerts == 0 {
        bail!("no alert at all: the replay proves nothing");
    }
    Ok(())
}

/// What a replay wrote.
#[derive(PartialEq, Eq)]
struct Written {
    alerts: String,
    decisions: String,
}

fn replay(
    binary: &Path,
    hub: &Path,
    kind: &str,
    paths: &[PathBuf],
    flags: &[&str],
    scratch: &Path,
) -> Result<Written> {
    let alerts = scratch.join("alerts.jsonl");
    let decisions = scratch.join("decisions.jsonl");
    let output = Command::new(binary)
        .arg("replay")
        .args(paths)
        .args(["--type", kind, "--all", "--now", NOW, "--hub"])
        .arg(hub)
        .arg("--alerts")
        .arg(&alerts)
        .arg("--decisions")
        .arg(&decisions)
        .args(flags)
        .stdout(Stdio::null())
        .output()?;
    if !output.status.success() {
        bail!(
            "{}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(Written {
        alerts: fs::read_to_string(&alerts)?,
        decisions: fs::read_to_string(&decisions)?,
    })
}

/// The logs of the hub's tests by their type.
fn logs(hub: &Path) -> Result<BTreeMap<String, Vec<PathBuf>>> {
    let mut logs: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let tests = hub.join(".tests");
    for entry in fs::read_dir(&tests).with_context(|| format!("read {}", tests.display()))? {
        let dir = entry?.path();
        let Ok(config) = fs::read_to_string(dir.join("config.yaml")) else {
            continue;
        };
        let of = |key: &str| {
            let line = config.lines().find_map(|line| line.strip_prefix(key))?;
            let text = line.split(" #").next().unwrap_or(line);
            let text = text.trim().trim_matches(['"', '\'']);
            (!text.is_empty()).then(|| text.to_owned())
        };
        let (Some(kind), Some(log)) = (of("log_type:"), of("log_file:")) else {
            continue;
        };
        let path = dir.join(log);
        if path.is_file() {
            logs.entry(kind).or_default().push(path);
        }
    }
    for paths in logs.values_mut() {
        paths.sort();
    }
    Ok(logs)
}
