//! The samples and other made logs: the built-in library finds every attack that their manifests
//! announce, and accuses nobody else.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use overspill_datasets::{Kind, Options, part_path, write_dataset};
use serde_json::Value;

/// Dates without a year belong to the year in which the data sets play.
const NOW: &str = "2024-03-11T00:00:00Z";

/// The alerts of a replay with the built-in library.
fn alerts(files: &[PathBuf], log_type: &str, flags: &[&str]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_overspill"))
        .args(["replay", "--output", "json", "--now", NOW])
        .args(["--type", log_type])
        .args(flags)
        .args(files)
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    list(&report["alerts"])
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What one announced attack may be accused as: its addresses, its network, its account.
fn names(campaign: &Value) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = list(&campaign["addresses"]).iter().map(text).collect();
    names.extend(["network", "user"].map(|key| text(&campaign[key])));
    names.remove("");
    names
}

/// Every complete attack set off its scenarios, and every alert is about an attacker.
fn check(manifest: &Path, alerts: &[Value]) {
    let manifest: Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
    let campaigns = list(&manifest["campaigns"]);
    let mut n_expected = 0;
    for campaign in campaigns.iter().filter(|c| c["complete"] == true) {
        let names = names(campaign);
        for scenario in list(&campaign["scenarios"]) {
            n_expected += 1;
            let found = alerts.iter().any(|alert| {
                alert["scenario"] == scenario && names.contains(&text(&alert["source"]["value"]))
            });
            assert!(found, "{scenario} does not know of {campaign}");
        }
    }
    assert!(n_expected > 0, "nothing was announced");
    let attackers: BTreeSet<String> = campaigns.iter().flat_map(names).collect();
    for alert in alerts {
        let accused = match alert["source"]["scope"].as_str() {
            // Several attacks may try one account: then all who tried it must be attackers.
            Some("username") => senders(alert),
            _ => BTreeSet::from([text(&alert["source"]["value"])]),
        };
        let innocent: Vec<&String> = accused.difference(&attackers).collect();
        assert!(innocent.is_empty(), "{innocent:?}: {}", alert["message"]);
    }
}

/// The addresses in an alert's events.
fn senders(alert: &Value) -> BTreeSet<String> {
    let events = list(&alert["events"]);
    let metas = events.iter().flat_map(|event| list(&event["meta"]));
    metas
        .filter(|meta| meta["key"] == "source_ip")
        .map(|meta| text(&meta["value"]))
        .collect()
}

#[test]
fn every_attack_in_the_samples_is_found_and_nobody_else_is_accused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/sample");
    for (file, manifest, log_type) in [
        ("access.log", "access.log", "nginx"),
        ("access.log.gz", "access.log", "nginx"),
        ("auth.log", "auth.log", "syslog"),
        ("audit.json", "audit.json", "k8s-audit"),
    ] {
        check(
            &folder.join(format!("{manifest}.manifest.json")),
            &alerts(&[folder.join(file)], log_type, &[]),
        );
    }
}

/// Each attack is spread over three nodes, whose lines come out of order and late.
#[test]
fn attacks_over_several_nodes_are_found_in_lines_out_of_order() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, flags) in [
        (Kind::Nginx, [].as_slice()),
        (Kind::Sshd, [].as_slice()),
        (Kind::K8s, ["--label", "program=nginx"].as_slice()),
        (Kind::K8sAudit, [].as_slice()),
        (Kind::Mixed, [].as_slice()),
    ] {
        let options = Options::new(kind)
            .lines(6000)
            .seed(8)
            .attack_ppm(200_000)
            .partitions(3)
            .disorder_ms(2000)
            .late_ppm(10_000);
        let path = folder.path().join(kind.name());
        write_dataset(&options, &path, false).unwrap();
        let files: Vec<PathBuf> = (0..3).map(|n| part_path(&path, n, 3)).collect();
        // The latest line is ten times two seconds late.
        let flags = [flags, &["--lateness", "20s", "--workers", "2"]].concat();
        let manifest = folder.path().join(format!("{}.manifest.json", kind.name()));
        check(&manifest, &alerts(&files, kind.log_type(), &flags));
    }
}
