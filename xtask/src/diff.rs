//! The same generated logs through Debian's crowdsec and through overspill: their alerts.
//!
//! CrowdSec's replays are not deterministic, so it runs several times, and again while something
//! differs. An alert that every run gives must be ours too; an alert of ours must be one that some
//! run gives.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{step, target_dir, value};
use crate::crowdsec::Peer;

struct Case {
    name: &'static str,
    kind: &'static str,
    log_type: &'static str,
    collections: &'static [&'static str],
    port: u16,
}

const CASES: [Case; 2] = [
    Case {
        name: "nginx",
        kind: "nginx",
        log_type: "nginx",
        collections: &["crowdsecurity/linux", "crowdsecurity/nginx"],
        port: 18_180,
    },
    Case {
        name: "sshd",
        kind: "sshd",
        log_type: "syslog",
        collections: &["crowdsecurity/linux"],
        port: 18_181,
    },
];

/// Times the peer runs on each log, and at most while something differs.
const PEER_RUNS: usize = 3;
const PEER_RUNS_MAX: usize = 10;

pub(crate) type Counts = BTreeMap<String, usize>;

pub(crate) fn counts(alerts: &[String]) -> Counts {
    let mut counts = Counts::new();
    for alert in alerts {
        *counts.entry(alert.clone()).or_default() += 1;
    }
    counts
}

/// Compares alerts; fails if they differ beyond what the peer itself varies.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let lines = value(args, "--lines").unwrap_or("20000");
    build()?;
    let mut n_bad = 0;
    for case in &CASES {
        let log = generate(case, lines)?;
        let peer = Peer::set_up(case.name, case.collections, case.port)?;
        let ours = counts(&overspill(case, &peer, &log)?);
        n_bad += settle(case.name, &ours, &mut Vec::new(), || {
            Ok(peer.replay(&log, case.log_type)?.alerts)
        })?;
    }
    if n_bad > 0 {
        bail!("{n_bad} alerts differ");
    }
    Ok(())
}

/// Runs the peer until it was run often enough, and on while something differs; says what is the
/// same and what is not. Answers how many alerts differ.
pub(crate) fn settle(
    name: &str,
    ours: &Counts,
    runs: &mut Vec<Counts>,
    mut again: impl FnMut() -> Result<Vec<String>>,
) -> Result<usize> {
    while runs.len() < PEER_RUNS
        || (runs.len() < PEER_RUNS_MAX && !compare(ours, runs).different.is_empty())
    {
        runs.push(counts(&again()?));
    }
    Ok(report(name, ours, runs))
}

/// What the runs agree on and what they do not.
#[derive(Default)]
struct Comparison {
    n_same: usize,
    n_varying: usize,
    /// Alert; how often we give it; how often the peer does, at least and at most.
    different: Vec<(String, usize, usize, usize)>,
}

fn compare(ours: &Counts, runs: &[Counts]) -> Comparison {
    let of = |counts: &Counts, alert: &String| counts.get(alert).copied().unwrap_or(0);
    let mut all: Vec<&String> = runs
        .iter()
        .flat_map(BTreeMap::keys)
        .chain(ours.keys())
        .collect();
    all.sort();
    all.dedup();
    let mut comparison = Comparison::default();
    for alert in all {
        let least = runs.iter().map(|run| of(run, alert)).min().unwrap_or(0);
        let most = runs.iter().map(|run| of(run, alert)).max().unwrap_or(0);
        let mine = of(ours, alert);
        comparison.n_same += least.min(mine);
        comparison.n_varying += usize::from(least != most);
        if mine < least || mine > most {
            let alert = alert.clone();
            comparison.different.push((alert, mine, least, most));
        }
    }
    comparison
}

fn report(name: &str, ours: &Counts, runs: &[Counts]) -> usize {
    let Comparison {
        n_same,
        n_varying,
        different,
    } = compare(ours, runs);
    for (alert, mine, least, most) in &different {
        println!("  ours {mine}, crowdsec {least} to {most}: {alert}");
    }
    println!(
        "{name}: {} alerts of ours, {n_same} given by each of {} crowdsec runs, {n_varying} that \
         crowdsec itself gives only sometimes, {} different",
        ours.values().sum::<usize>(),
        runs.len(),
        different.len()
    );
    different.len()
}

fn build() -> Result<()> {
    step(
        "release build",
        "cargo",
        &["build", "--release", "--quiet", "--workspace"],
        &[],
    )
}

fn release(binary: &str) -> PathBuf {
    target_dir().join("release").join(binary)
}

fn generate(case: &Case, lines: &str) -> Result<PathBuf> {
    let log = target_dir().join(format!("diff-{}-{lines}.log", case.name));
    let status = Command::new(release("datasets"))
        .args([case.kind, "--lines", lines, "--out"])
        .arg(&log)
        .status()
        .context("run the generator")?;
    if !status.success() {
        bail!("the generator failed");
    }
    Ok(log)
}

/// Replays with overspill on the peer's content; alerts as the peer words them.
fn overspill(case: &Case, peer: &Peer, log: &Path) -> Result<Vec<String>> {
    let alerts = target_dir().join(format!("diff-{}.alerts", case.name));
    let mut command = Command::new(release("overspill"));
    command
        .arg("replay")
        .arg(log)
        .args(["--type", case.log_type, "-o", "json", "--hub"])
        .arg(peer.hub())
        .arg("--data")
        .arg(peer.data())
        .arg("--alerts")
        .arg(&alerts);
    for collection in case.collections {
        command.args(["--collection", collection]);
    }
    let output = command.output().context("run overspill")?;
    if !output.status.success() {
        bail!(
            "overspill failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let mut messages = Vec::new();
    for line in fs::read_to_string(&alerts)?.lines() {
        let alert: serde_json::Value = serde_json::from_str(line)?;
        let message = alert["message"].as_str().context("an alert's message")?;
        messages.push(message.to_owned());
    }
    Ok(messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(alerts: &[&str]) -> Counts {
        counts(
            &alerts
                .iter()
                .map(|alert| (*alert).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn what_the_peer_varies_is_no_difference() {
        let runs = [of(&["a", "b"]), of(&["a", "b", "b"])];
        assert!(compare(&of(&["a", "b", "b"]), &runs).different.is_empty());
        assert_eq!(compare(&of(&["a", "b"]), &runs).n_varying, 1);
    }

    #[test]
    fn an_alert_too_many_or_missing_is_one() {
        let runs = [of(&["a"]), of(&["a"])];
        assert_eq!(compare(&of(&[]), &runs).different.len(), 1);
        assert_eq!(compare(&of(&["a", "a"]), &runs).different.len(), 1);
    }

    #[test]
    fn the_peer_runs_on_while_something_differs() {
        let mut answers = vec![vec!["a"], vec![], vec![], vec![]].into_iter();
        let mut again = || {
            let answer: Vec<&str> = answers.next().unwrap_or_default();
            Ok(answer.into_iter().map(str::to_owned).collect())
        };
        let mut runs = Vec::new();
        let n_bad = settle("x", &of(&["a"]), &mut runs, &mut again).unwrap();
        assert_eq!((n_bad, runs.len()), (0, PEER_RUNS));
        let n_bad = settle("x", &of(&["b"]), &mut runs, &mut again).unwrap();
        assert_eq!((n_bad, runs.len()), (1, PEER_RUNS_MAX));
    }
}
