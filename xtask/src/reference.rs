//! Whole generated logs through the paths of a real run, and through plain regexes and filters without
//! an index: the alerts and decisions are the same, byte for byte.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::bench::{build, hub, release};
use crate::command::target_dir;

/// Kind of log, label `type`, further label.
const LOGS: [(&str, &str, &str); 5] = [
    ("nginx", "nginx", ""),
    ("sshd", "syslog", ""),
    ("k8s", "containerd", "program=nginx"),
    ("k8s-audit", "k8s-audit", ""),
    ("mixed", "syslog", ""),
];
/// Lines of each.
const LINES: &str = "10000";
/// The moment that dates without a year refer to.
const NOW: &str = "2024-03-12T00:00:00Z";

/// With the built-in library, and with the whole hub where there is one.
pub(crate) fn run(args: &[String]) -> Result<()> {
    build()?;
    let dir = target_dir().join("reference");
    fs::create_dir_all(&dir)?;
    compare(&dir, None)?;
    match hub(args)? {
        Some(hub) => compare(&dir, Some(&hub))?,
        None => println!("== NOT COMPARED WITH THE WHOLE HUB: no hub. Set OVERSPILL_HUB or --hub."),
    }
    fs::remove_dir_all(&dir)?;
    Ok(())
}

fn compare(dir: &Path, hub: Option<&Path>) -> Result<()> {
    let content = if hub.is_some() {
        "whole hub"
    } else {
        "own library"
    };
    for (kind, log_type, label) in LOGS {
        let log = dir.join(format!("{kind}.log"));
        if !log.exists() {
            let output = Command::new(release("datasets"))
                .args([kind, "--lines", LINES])
                .output()
                .context("run the generator")?;
            if !output.status.success() {
                bail!("the generator failed");
            }
            fs::write(&log, output.stdout)?;
        }
        let mut flags = vec!["--type", log_type, "--now", NOW, "-o", "json"];
        if !label.is_empty() {
            flags.extend(["--label", label]);
        }
        let fast = replay(dir, &log, hub, &flags)?;
        flags.push("--reference-matcher");
        let slow = replay(dir, &log, hub, &flags)?;
        let n_alerts = fast.0.lines().count();
        if fast != slow {
            let first = fast
                .0
                .lines()
                .zip(slow.0.lines())
                .find(|(one, other)| one != other);
            bail!(
                "{kind} with the {content}: {n_alerts} alerts, {} with --reference-matcher; first \
                 difference: {first:?}",
                slow.0.lines().count()
            );
        }
        if n_alerts == 0 {
            bail!("{kind} with the {content}: no alert at all proves nothing");
        }
        println!("{kind} with the {content}: {n_alerts} alerts, the same with --reference-matcher");
    }
    Ok(())
}

/// Alerts and decisions.
fn replay(dir: &Path, log: &Path, hub: Option<&Path>, flags: &[&str]) -> Result<(String, String)> {
    let (alerts, decisions) = (dir.join("alerts.jsonl"), dir.join("decisions.jsonl"));
    let mut command = Command::new(release("overspill"));
    command.arg("replay").arg(log).args(flags);
    command
        .arg("--alerts")
        .arg(&alerts)
        .arg("--decisions")
        .arg(&decisions);
    if let Some(hub) = hub {
        command.arg("--all").arg("--hub").arg(hub);
    }
    let output = command.output().context("run overspill")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok((
        fs::read_to_string(&alerts)?,
        fs::read_to_string(&decisions)?,
    ))
}
