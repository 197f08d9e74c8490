//! Replays of the shipped samples: golden alerts, the same in every layout, on every run.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use expect_test::{ExpectFile, expect_file};
use serde_json::Value;
use tempfile::TempDir;

/// The moment replays count as the present.
const NOW: &str = "2026-08-22T12:00:00Z";

/// Ways to run one replay.
const LAYOUTS: [&[&str]; 5] = [
    &[],
    &["--workers", "2"],
    &["--workers", "4"],
    &["--processes", "2"],
    &["--processes", "2", "--workers", "2"],
];

/// What a replay wrote, and its counters.
#[derive(Debug)]
struct Written {
    alerts: String,
    decisions: String,
    summary: Value,
}

fn sample(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("datasets/sample").join(name)
}

fn replay(inputs: &[PathBuf], kind: &str, flags: &[&str]) -> Written {
    let scratch = TempDir::new().unwrap();
    let alerts = scratch.path().join("alerts.jsonl");
    let decisions = scratch.path().join("decisions.jsonl");
    let output = Command::new(env!("CARGO_BIN_EXE_overspill"))
        .arg("replay")
        .args(inputs)
        .args(["--type", kind, "--now", NOW, "-o", "json"])
        .args(flags)
        .arg("--alerts")
        .arg(&alerts)
        .arg("--decisions")
        .arg(&decisions)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{kind} {flags:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Written {
        alerts: fs::read_to_string(alerts).unwrap(),
        decisions: fs::read_to_string(decisions).unwrap(),
        summary: serde_json::from_slice(&output.stdout).unwrap(),
    }
}

/// One line for each alert: what a reader of the golden file can check by eye.
fn brief(written: &Written) -> String {
    let mut out = String::new();
    for line in written.alerts.lines() {
        let alert: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let decisions = alert["decisions"].as_array().map_or(0, Vec::len);
        out.push_str(&format!(
            "{} {} {}:{} events={} decisions={decisions}\n",
            text(&alert["start_at"]),
            text(&alert["scenario"]),
            text(&alert["source"]["scope"]),
            text(&alert["source"]["value"]),
            alert["events_count"],
        ));
    }
    out
}

fn same_everywhere(name: &str, kind: &str, golden: ExpectFile) {
    let input = [sample(name)];
    let one = replay(&input, kind, &[]);
    golden.assert_eq(&brief(&one));
    for flags in LAYOUTS {
        let other = replay(&input, kind, flags);
        assert_eq!(other.alerts, one.alerts, "{name}: alerts with {flags:?}");
        assert_eq!(
            other.decisions, one.decisions,
            "{name}: decisions with {flags:?}"
        );
    }
}

#[test]
fn http_alerts_are_the_same_in_every_layout() {
    let golden = expect_file!["../golden/access.log.alerts"];
    same_everywhere("access.log", "nginx", golden);
}

#[test]
fn ssh_alerts_are_the_same_in_every_layout() {
    let golden = expect_file!["../golden/auth.log.alerts"];
    same_everywhere("auth.log", "syslog", golden);
}

#[test]
fn kubernetes_alerts_are_the_same_in_every_layout() {
    let golden = expect_file!["../golden/audit.json.alerts"];
    same_everywhere("audit.json", "k8s-audit", golden);
}

#[test]
fn compression_changes_nothing() {
    let plain = replay(&[sample("access.log")], "nginx", &[]);
    let packed = replay(&[sample("access.log.gz")], "nginx", &[]);
    assert_eq!(brief(&packed), brief(&plain));
    assert_eq!(packed.decisions, plain.decisions);
}

#[test]
fn the_slow_and_obvious_path_gives_the_same() {
    for (name, kind) in [
        ("access.log", "nginx"),
        ("auth.log", "syslog"),
        ("audit.json", "k8s-audit"),
    ] {
        let fast = replay(&[sample(name)], kind, &[]);
        let slow = replay(&[sample(name)], kind, &["--reference-matcher"]);
        assert_eq!(fast.alerts, slow.alerts, "{name}");
    }
}

/// Inputs that workers share unevenly: a long one, one in disorder, a short compressed one.
#[test]
fn files_of_all_kinds_give_the_same_in_every_layout() {
    let scratch = TempDir::new().unwrap();
    let text = fs::read_to_string(sample("access.log")).unwrap();
    let part = |from: usize, to: usize| {
        let lines = text.lines().enumerate();
        let own = lines.filter(move |(n, _)| (from..to).contains(&(n % 10)));
        own.map(|(_, line)| format!("{line}\n"))
    };
    let long: String = part(0, 6).collect();
    let mut disordered: Vec<String> = part(6, 9).collect();
    disordered.chunks_mut(5).for_each(<[String]>::reverse);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let short: String = part(9, 10).collect();
    packed.write_all(short.as_bytes()).unwrap();
    let contents = [
        ("long.log", long.into_bytes()),
        ("disordered.log", disordered.concat().into_bytes()),
        ("short.log.gz", packed.finish().unwrap()),
    ];
    let inputs = contents.map(|(name, content)| {
        let path = scratch.path().join(name);
        fs::write(&path, content).unwrap();
        path
    });
    for lateness in ["0s", "3s"] {
        let flags = |layout: &[&'static str]| [layout, &["--lateness", lateness]].concat();
        let one = replay(&inputs, "nginx", &flags(&[]));
        assert!(!one.alerts.is_empty());
        for layout in LAYOUTS {
            let other = replay(&inputs, "nginx", &flags(layout));
            assert_eq!(other.alerts, one.alerts, "{layout:?} {lateness}");
            assert_eq!(other.decisions, one.decisions, "{layout:?} {lateness}");
            for counter in ["scenarios", "nodes", "unparsed_samples", "clamped"] {
                let (other, one) = (&other.summary["counters"], &one.summary["counters"]);
                assert_eq!(other[counter], one[counter], "{counter}, {layout:?}");
            }
        }
    }
}

/// What every alert is about, without what depends on how lines of one second are ordered.
fn subjects(written: &Written) -> BTreeSet<(String, String)> {
    written
        .alerts
        .lines()
        .map(|line| {
            let alert: Value = serde_json::from_str(line).unwrap();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (text(&alert["scenario"]), text(&alert["source"]["value"]))
        })
        .collect()
}

/// The lines of one log, dealt out over the logs of several nodes.
#[test]
fn an_attack_spread_over_nodes_is_counted_once() {
    let scratch = TempDir::new().unwrap();
    let text = fs::read_to_string(sample("auth.log")).unwrap();
    let nodes: Vec<PathBuf> = (0..5)
        .map(|node| {
            let path = scratch.path().join(format!("node-{node}.log"));
            let lines: Vec<&str> = text.lines().skip(node).step_by(5).collect();
            fs::write(&path, lines.join("\n") + "\n").unwrap();
            path
        })
        .collect();
    let whole = subjects(&replay(&[sample("auth.log")], "syslog", &[]));
    for flags in LAYOUTS {
        let spread = subjects(&replay(&nodes, "syslog", flags));
        assert_eq!(spread, whole, "{flags:?}");
    }
}

#[test]
fn counters_add_up() {
    for (name, kind) in [
        ("access.log", "nginx"),
        ("auth.log", "syslog"),
        ("audit.json", "k8s-audit"),
    ] {
        for flags in LAYOUTS {
            let written = replay(&[sample(name)], kind, flags);
            let counters = &written.summary["counters"];
            let count = |key: &str| {
                let value = counters[key].as_u64();
                value.unwrap_or_else(|| panic!("no counter {key} in {counters}"))
            };
            let sum: u64 = ["parsed", "unparsed", "whitelisted", "refused"]
                .iter()
                .map(|key| count(key))
                .sum();
            assert_eq!(count("lines"), sum, "{name} {flags:?}");
            let n_lines = fs::read_to_string(sample(name)).unwrap().lines().count();
            assert_eq!(count("lines"), n_lines as u64, "{name} {flags:?}");
        }
    }
}
