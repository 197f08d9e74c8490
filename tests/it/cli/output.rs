//! What a replay prints and writes.

use serde_json::Value;

use super::{Dir, counted, probing, run, sample};

#[test]
fn the_counters_of_every_sample_add_up() {
    for (log, log_type) in [("access.log", "nginx"), ("auth.log", "syslog")] {
        for workers in ["1", "3"] {
            let log = sample(log);
            let args = ["replay", &log, "--type", log_type, "--workers", workers];
            let ran = run(&[&args[..], &["-o", "json"]].concat());
            ran.is(0, "", "");
            assert!(counted(&ran.json()) >= 2_000);
        }
    }
}

#[test]
fn processes_add_up_as_one_does() {
    let (access, auth) = (sample("access.log"), sample("access.log.gz"));
    let args = ["replay", &access, &auth, "--type", "nginx", "-o", "json"];
    let one = run(&args).json();
    let two = run(&[&args[..], &["--processes", "2"]].concat()).json();
    assert_eq!(counted(&one), counted(&two));
    for name in ["nodes", "parsing", "expressions", "others", "scenarios"] {
        assert_eq!(one["counters"][name], two["counters"][name], "{name}");
    }
    assert_eq!(one["alerts"], two["alerts"]);
}

#[test]
fn a_document_has_alerts_decisions_and_counters() {
    let dir = Dir::new();
    let log = dir.file("a.log", probing());
    let ran = run(&["replay", &log, "--type", "nginx", "-o", "json"]);
    ran.is(0, "", "");
    let document = ran.json();
    let keys: Vec<&String> = document.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        ["alerts", "counters", "decisions", "input", "interrupted"]
    );
    assert_eq!(document["interrupted"], false);
    assert_eq!(document["alerts"][0]["source"]["value"], "203.0.113.9");
    assert_eq!(document["decisions"][0]["type"], "ban");
    let parsing = document["counters"]["parsing"].as_object().unwrap();
    assert!(
        parsing.contains_key("dates that no layout fits"),
        "{parsing:?}"
    );
    let expressions = document["counters"]["expressions"].as_object().unwrap();
    assert!(expressions.len() >= 6, "{expressions:?}");
}

#[test]
fn raw_is_csv_with_a_header() {
    let dir = Dir::new();
    let log = dir.file("a.log", probing());
    let ran = run(&["replay", &log, "--type", "nginx", "-o", "raw"]);
    let mut lines = ran.out.lines();
    let header = "start_at,stop_at,scope,value,country,as,scenario,events_count";
    assert_eq!(lines.next(), Some(header));
    let first = lines.next().unwrap();
    assert!(first.starts_with("2026-03-10T06:00:00Z,"), "{first}");
    assert_eq!(first.split(',').count(), header.split(',').count());
}

#[test]
fn alerts_on_standard_output_stand_there_alone() {
    let dir = Dir::new();
    let log = dir.file("a.log", probing());
    let ran = run(&["replay", &log, "--type", "nginx", "--alerts", "-"]);
    ran.is(0, "", "30 lines in");
    assert!(!ran.out.is_empty());
    for line in ran.out.lines() {
        let alert: Value = serde_json::from_str(line).unwrap();
        assert_eq!(alert["source"]["value"], "203.0.113.9");
    }
    let both = [
        "replay", &log, "--type", "nginx", "--alerts", "-", "-o", "json",
    ];
    run(&both).is(1, "", "not two of them");
}

#[test]
fn files_of_results_are_opened_before_the_work() {
    let dir = Dir::new();
    let log = dir.file("a.log", probing());
    let (alerts, decisions) = (dir.path("alerts"), dir.file("decisions", "old"));
    let args = ["replay", &log, "--type", "nginx", "--alerts", &alerts];
    run(&[&args[..], &["--decisions", &decisions]].concat()).is(0, "overspill/http-probing", "");
    let n_lines = |path: &str| std::fs::read_to_string(path).unwrap().lines().count();
    assert!(n_lines(&alerts) > 0);
    assert!(!std::fs::read_to_string(&decisions).unwrap().contains("old"));
    let nowhere = dir.path("nowhere/alerts");
    let ran = run(&["replay", &log, "--type", "nginx", "--alerts", &nowhere]);
    ran.is(1, "", &format!("error: create {nowhere}"));
    assert_eq!(ran.out, "", "the replay ran all the same");
    run(&[&args[..], &["--decisions", &alerts]].concat()).is(1, "", "name the same file");
}
