//! Our own library: its tests pass, and no item of it is without one.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// `overspill hubtest WORDS` on the library.
fn hubtest(words: &[&str]) -> Output {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/library");
    Command::new(env!("CARGO_BIN_EXE_overspill"))
        .args(["hubtest", "--output", "json", "--hub"])
        .arg(library)
        .args(words)
        .output()
        .unwrap()
}

fn report(output: &Output) -> Value {
    let complaints = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {complaints}"))
}

#[test]
fn every_test_of_the_library_passes() {
    for workers in ["1", "2"] {
        let output = hubtest(&["run", "--all", "--workers", workers]);
        let report = report(&output);
        assert!(output.status.success(), "{:#}", report["fail"]);
        assert_eq!(report["fail"], Value::Array(Vec::new()));
        assert!(report["success"].as_array().unwrap().len() >= 39);
    }
}

#[test]
fn every_item_of_the_library_has_a_test() {
    for kind in ["parsers", "scenarios"] {
        let report = report(&hubtest(&["coverage", &format!("--{kind}")]));
        let items = report[kind]["items"].as_array().unwrap();
        assert!(items.len() >= 13, "{kind}: {}", items.len());
        let untested: Vec<&Value> = items.iter().filter(|item| item["tests"] == 0).collect();
        assert!(untested.is_empty(), "{kind}: {untested:?}");
    }
}
