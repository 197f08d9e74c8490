//! Which way dependencies point: the rules of ARCHITECTURE.md, over `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Direct dependencies (not those for tests) of every package of the workspace.
fn graph() -> Graph {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap();
            let normal = dependencies
                .iter()
                .filter(|dependency| dependency["kind"].is_null());
            (
                text(&package["name"]),
                normal.map(|dependency| text(&dependency["name"])).collect(),
            )
        })
        .collect()
}

fn ours(graph: &Graph, package: &str) -> BTreeSet<String> {
    graph[package]
        .iter()
        .filter_map(|name| name.strip_prefix("overspill-"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn crates_depend_only_on_those_below_them() {
    let graph = graph();
    let allowed: [(&str, &[&str]); 20] = [
        ("golike", &[]),
        ("memo", &[]),
        ("grok", &["memo"]),
        ("event", &["golike"]),
        ("exprlib", &["golike", "grok"]),
        ("expr", &["golike", "event", "exprlib", "grok"]),
        ("filters", &["memo", "event", "expr"]),
        (
            "parser",
            &["golike", "memo", "event", "expr", "grok", "filters"],
        ),
        ("bucket", &["event"]),
        ("matcher", &["golike", "event", "expr", "filters", "bucket"]),
        ("decision", &["golike", "event", "expr"]),
        (
            "dataflow",
            &[
                "golike", "event", "expr", "parser", "matcher", "bucket", "decision",
            ],
        ),
        (
            "scenarios",
            &[
                "golike", "event", "expr", "exprlib", "grok", "parser", "matcher", "bucket",
                "decision",
            ],
        ),
        ("connectors", &["event"]),
        ("checkpoint", &["golike"]),
        ("peers", &[]),
        ("telemetry", &[]),
        ("store", &["golike", "event", "decision"]),
        ("lapi", &["golike", "event", "expr", "decision", "store"]),
        ("datasets", &[]),
    ];
    for (package, below) in allowed {
        let below: BTreeSet<String> = below.iter().map(|name| (*name).to_owned()).collect();
        let actual = ours(&graph, &format!("overspill-{package}"));
        let beyond: Vec<&String> = actual.difference(&below).collect();
        assert!(
            beyond.is_empty(),
            "overspill-{package} depends on {beyond:?}"
        );
    }
}

#[test]
fn nothing_depends_on_the_root_package() {
    for (package, dependencies) in graph() {
        assert!(
            !dependencies.contains("overspill"),
            "{package} depends on the root"
        );
    }
}

#[test]
fn only_the_dataflow_crate_names_timely() {
    for (package, dependencies) in graph() {
        let names_it = dependencies
            .iter()
            .any(|name| name.starts_with("timely") || name.starts_with("differential"));
        assert!(
            !names_it || package == "overspill-dataflow",
            "{package} names timely"
        );
    }
}

#[test]
fn the_engine_has_no_network_and_no_database() {
    let banned = [
        "tokio", "hyper", "reqwest", "ureq", "rusqlite", "sqlx", "rdkafka", "axum", "rustls",
        "socket2", "rustix",
    ];
    for (package, dependencies) in graph() {
        let engine = [
            "golike", "event", "exprlib", "expr", "grok", "parser", "matcher", "bucket",
            "decision", "dataflow",
        ];
        if engine
            .iter()
            .any(|name| package == format!("overspill-{name}"))
        {
            let bad: Vec<&String> = dependencies
                .iter()
                .filter(|name| banned.contains(&name.as_str()))
                .collect();
            assert!(bad.is_empty(), "{package} depends on {bad:?}");
        }
    }
}

#[test]
fn the_engine_opens_no_sockets() {
    let engine = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("engine");
    let mut folders: Vec<_> = std::fs::read_dir(&engine)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("src"))
        .filter(|path| path.is_dir())
        .collect();
    let mut n_files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            n_files += 1;
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            for socket in ["TcpStream", "TcpListener", "UdpSocket", "UnixStream"] {
                assert!(!text.contains(socket), "{path:?} names {socket}");
            }
        }
    }
    assert!(n_files > 100, "{n_files} files");
}
