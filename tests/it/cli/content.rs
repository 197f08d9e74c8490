//! What is said of content: at load, while it runs, and in the counters.

use super::{Dir, counted, probing, run, run_with};

/// A hub with one parser for each stage and one scenario, with these keys added.
fn hub(first: &str, scenario: &str) -> Dir {
    let dir = Dir::new();
    let raw = format!(
        "name: me/raw\nonsuccess: next_stage\nstatics:\n- parsed: message\n  expression: \
         evt.Line.Raw\n- meta: word\n  expression: evt.Line.Raw\n{first}"
    );
    dir.file("parsers/s00-raw/me/raw.yaml", raw);
    let date = "name: me/date\nstatics:\n- target: evt.StrTime\n  value: \
                2026-03-10T06:00:00Z\n- method: ParseDate\n  expression: evt.StrTime\n- target: \
                MarshaledTime\n  expression: evt.Enriched.MarshaledTime\n";
    dir.file("parsers/s01-parse/me/date.yaml", date);
    let text = format!(
        "type: leaky\nname: me/many\ndescription: many\ncapacity: 2\nleakspeed: 10s\nlabels: \
         {{remediation: true}}\n{scenario}"
    );
    dir.file("scenarios/me/many.yaml", text);
    dir
}

/// The counters of a replay of words with such a hub, and what the table form says.
fn replay(hub: &Dir, words: &str) -> (serde_json::Value, String) {
    let root = hub.path("");
    let args = ["replay", "-", "--type", "x", "--hub", &root, "--all"];
    let ran = run_with(&[&args[..], &["-o", "json"]].concat(), words.as_bytes());
    ran.is(0, "", "");
    let document = ran.json();
    counted(&document);
    let human = run_with(&[&args[..], &["--metrics"]].concat(), words.as_bytes());
    human.is(0, "", "");
    (document["counters"].clone(), human.out)
}

const WORDS: &str = "one\ntwo\nthree\nfour\nfive\n";

#[test]
fn warnings_of_a_run_are_counted_and_shown() {
    let hub = hub("", "filter: int(evt.Meta.word) > 3\n");
    let (counters, human) = replay(&hub, WORDS);
    assert_eq!(counters["filter_errors"], 5, "{counters:#}");
    let samples = counters["error_samples"].as_array().unwrap();
    assert!(!samples.is_empty());
    let distinct: std::collections::BTreeSet<_> = samples.iter().map(|s| s.as_str()).collect();
    assert_eq!(distinct.len(), samples.len(), "{samples:?}");
    assert!(
        human.contains("5 events met a filter that raised an error"),
        "{human}"
    );

    let hub = self::hub("filter: int(evt.Line.Raw) > 3\n", "filter: 'true'\n");
    let (counters, human) = replay(&hub, WORDS);
    assert_eq!(counters["parsing"]["filters that raised an error"], 5);
    let warnings = counters["warnings"].as_object().unwrap();
    assert!(
        warnings.keys().any(|text| text.contains("me/raw")),
        "{warnings:?}"
    );
    assert!(
        human.contains("run-time warnings, such as: filter of node `me/raw`"),
        "{human}"
    );
    assert!(
        human.contains("5      filters that raised an error"),
        "{human}"
    );
}

#[test]
fn stash_entries_that_leave_are_counted_and_said() {
    let stash = "stash:\n- {name: s, key: evt.Line.Raw, value: evt.Line.Raw, ttl: \
                 10s, size: 2}\n";
    let (counters, human) = replay(&hub(stash, "filter: 'false'\n"), WORDS);
    assert_eq!(
        counters["parsing"]["stash entries that left a full cache"],
        3
    );
    assert!(
        human.contains("3 stash entries that left a full cache"),
        "{human}"
    );
}

#[test]
fn decisions_against_safe_addresses_are_counted_and_said() {
    let source = "- meta: source_ip\n  expression: evt.Line.Raw\n";
    let (counters, human) = replay(&hub(source, "filter: 'true'\n"), &"127.0.0.1\n".repeat(4));
    let name = "decisions against an address that is never banned";
    assert_eq!(counters["others"][name], 1, "{counters:#}");
    assert!(human.contains(&format!("1 {name}")), "{human}");
}

#[test]
fn a_group_that_is_no_text_is_warned_of_and_counted() {
    let hub = hub("", "filter: 'true'\ngroupby: len(evt.Meta.word)\n");
    let root = hub.path("");
    let check = run(&["config", "check", "--hub", &root, "--all"]);
    check.is(0, "key `groupby`: gives int, not a string", "");
    let (counters, human) = replay(&hub, WORDS);
    let name = "times a groupby gave no text: one bucket for all of these";
    assert_eq!(counters["expressions"][name], 5);
    assert!(human.contains(&format!("5 {name}")), "{human}");
}

#[test]
fn a_configuration_without_profiles_is_warned_of_once() {
    let dir = hub("", "filter: evt.Meta.word == 'one'\n");
    let config = dir.file("config.yaml", "config_paths: {}\n");
    let args = ["replay", "-", "--type", "x", "--config", &config];
    let ran = run_with(&args, WORDS.as_bytes());
    ran.is(0, "5 lines in", "there are no profiles");
    assert_eq!(ran.err.matches("no profiles").count(), 1, "{}", ran.err);
    run(&["config", "check", "--config", &config]).is(0, "there are no profiles", "");
}

#[test]
fn the_library_as_a_hub_says_no_more_than_the_built_in_one() {
    let dir = Dir::new();
    let log = dir.file("a.log", probing());
    let library = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/library");
    let args = ["replay", &log, "--type", "nginx", "-o", "raw"];
    let built_in = run(&args);
    let as_hub = run(&[&args[..], &["--hub", library, "--all"]].concat());
    assert_eq!((built_in.code, &*built_in.err), (Some(0), ""));
    assert_eq!(as_hub.err, "");
    assert_eq!(as_hub.out, built_in.out);
}

#[test]
fn strict_makes_what_was_refused_an_exit_code() {
    let hub = hub("", "filter: evt.NoSuch == 1\n");
    let root = hub.path("");
    let content = ["--hub", &root, "--all", "--type", "x"];
    let replay = [&["replay", "-"], &content[..]].concat();
    run(&replay).is(0, "", "of 3 items were refused");
    let strict = |args: &[&str]| run(&[args, &["--strict"]].concat()).code;
    assert_eq!(strict(&replay), Some(3));
    let explain = [&["explain", "--log", "one"], &content[..]].concat();
    assert_eq!(run(&explain).code, Some(0));
    assert_eq!(strict(&explain), Some(3));
    let check = ["config", "check", "--hub", &root, "--all"];
    assert_eq!((run(&check).code, strict(&check)), (Some(1), Some(3)));
}

#[test]
fn nothing_is_decided_against_an_allowlisted_address() {
    let dir = Dir::new();
    dir.file(
        "allow.txt",
        "# ours\n45.189.125.4 # the office\n\n5.0.152.0/24\n",
    );
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/datasets/sample/access.log");
    let list = dir.path("allow.txt");
    let args = ["replay", sample, "--type", "nginx", "-o", "json"];
    let all = run(&args).json();
    let ran = run(&[&args[..], &["--allowlist", &list]].concat());
    ran.is(0, "", "");
    let some = ran.json();
    let count = |document: &serde_json::Value| document["alerts"].as_array().unwrap().len();
    assert_eq!(count(&some), count(&all) - 2);
    assert_eq!(some["counters"]["others"]["alerts allowlisted"], 2);
    assert!(!ran.out.contains("45.189.125.4"), "{}", ran.out);
}

#[test]
fn a_wrong_line_of_an_allowlist_is_named() {
    let dir = Dir::new();
    dir.file("allow.txt", "192.0.2.1\nexample.com\n192.0.2.0/33\n");
    let list = dir.path("allow.txt");
    let args = ["replay", "-", "--type", "nginx", "--allowlist", &list];
    let ran = run(&args);
    ran.is(1, "", "allow.txt:2: `example.com` is neither");
    ran.is(1, "", "allow.txt:3: `192.0.2.0/33` is neither");
}
