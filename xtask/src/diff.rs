//! The same generated logs through Debian's crowdsec and through overspill: alerts and CPU.
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
use crate::crowdsec::{Peer, PeerRun};

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

type Counts = BTreeMap<String, usize>;

fn counts(alerts: &[String]) -> Counts {
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
        let ours = counts(&overspill(case, &peer, &log)?.alerts);
        let mut runs: Vec<Counts> = Vec::new();
        while runs.len() < PEER_RUNS
            || (runs.len() < PEER_RUNS_MAX && !compare(&ours, &runs).different.is_empty())
        {
            runs.push(counts(&peer.replay(&log, case.log_type)?.alerts));
        }
        n_bad += report(case.name, &ours, &runs);
    }
    if n_bad > 0 {
        bail!("{n_bad} alerts differ");
    }
    Ok(())
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

/// CPU a line of both, in one run.
pub(crate) fn bench(args: &[String]) -> Result<()> {
    let lines = value(args, "--lines").unwrap_or("200000");
    let peer_lines = value(args, "--peer-lines").unwrap_or("10000");
    build()?;
    println!(
        "| log | overspill us/line | crowdsec us/line | ratio |\n| --- | ---: | ---: | ---: |"
    );
    for case in &CASES {
        let peer = Peer::set_up(case.name, case.collections, case.port)?;
        let empty = generate(case, "10")?;
        let start_up = peer.replay(&empty, case.log_type)?.cpu_secs;
        let log = generate(case, peer_lines)?;
        let theirs = (peer.replay(&log, case.log_type)?.cpu_secs - start_up) * 1e6
            / peer_lines.parse::<f64>()?;
        let our_start_up = overspill(case, &peer, &empty)?.cpu_secs;
        let log = generate(case, lines)?;
        let mut ours: Vec<f64> = (0..5)
            .map(|_| Ok(overspill(case, &peer, &log)?.cpu_secs))
            .collect::<Result<_>>()?;
        ours.sort_by(f64::total_cmp);
        let median = (ours[2] - our_start_up) * 1e6 / lines.parse::<f64>()?;
        println!(
            "| {} | {median:.2} | {theirs:.0} | {:.0} |",
            case.name,
            theirs / median
        );
    }
    Ok(())
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
fn overspill(case: &Case, peer: &Peer, log: &Path) -> Result<PeerRun> {
    let alerts = target_dir().join(format!("diff-{}.alerts", case.name));
    let mut command = Command::new("bash");
    command
        .arg("-c")
        .arg("TIMEFORMAT='cpu %U %S'; time \"$@\"")
        .arg("bash")
        .arg(release("overspill"))
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
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!("overspill failed: {errors}");
    }
    let cpu_secs = errors
        .lines()
        .rev()
        .find_map(|line| {
            let mut parts = line.strip_prefix("cpu ")?.split(' ').map(str::parse::<f64>);
            Some(parts.next()?.ok()? + parts.next()?.ok()?)
        })
        .context("no CPU time of overspill")?;
    let mut messages = Vec::new();
    for line in fs::read_to_string(&alerts)?.lines() {
        let alert: serde_json::Value = serde_json::from_str(line)?;
        messages.push(
            alert["message"]
                .as_str()
                .context("an alert's message")?
                .to_owned(),
        );
    }
    Ok(PeerRun {
        alerts: messages,
        cpu_secs,
    })
}
