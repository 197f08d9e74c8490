//! What parsers remember from line to line, over a restart.

use serde_json::Value;

use super::run::{Job, RFC_3339, append, date, signal, standing, start_with, unix_secs, wait_for};
use super::{Dir, run};

/// Who opened something is asked for when it fails.
fn hub(dir: &Dir) {
    dir.file(
        "hub/parsers/s00-raw/me/raw.yaml",
        "name: me/raw\nonsuccess: next_stage\nstatics:\n- target: evt.StrTime\n  expression: \
         Split(evt.Line.Raw, ' ')[0]\n- parsed: what\n  expression: Split(evt.Line.Raw, ' ')[1]\n\
         - parsed: id\n  expression: Split(evt.Line.Raw, ' ')[2]\n",
    );
    dir.file(
        "hub/parsers/s01-parse/me/pairs.yaml",
        "name: me/pairs\nonsuccess: next_stage\nnodes:\n- filter: evt.Parsed.what == 'open'\n  \
         statics:\n  - meta: what\n    value: open\n  stash:\n  - name: opened\n    key: \
         evt.Parsed.id\n    value: Split(evt.Line.Raw, ' ')[3]\n    ttl: 1h\n    size: 100\n\
         - filter: evt.Parsed.what == 'fail'\n  statics:\n  - meta: source_ip\n    expression: \
         GetFromStash('opened', evt.Parsed.id)\n",
    );
    dir.file(
        "hub/parsers/s02-enrich/me/date.yaml",
        "name: me/date\nstatics:\n- method: ParseDate\n  expression: evt.StrTime\n- target: \
         MarshaledTime\n  expression: evt.Enriched.MarshaledTime\n",
    );
    dir.file(
        "hub/scenarios/me/fails.yaml",
        "type: leaky\nname: me/fails\ndescription: fails\nfilter: evt.Meta.source_ip == \
         '192.0.2.7'\ngroupby: evt.Meta.source_ip\ncapacity: 2\nleakspeed: 1h\nlabels: \
         {remediation: true}\n",
    );
}

fn start(dir: &Dir) -> Job {
    start_with(dir, &["--hub", &dir.path("hub"), "--all"])
}

/// Event time of the newest checkpoint, in seconds.
fn as_of(dir: &Dir) -> i64 {
    let store = dir.path("state/checkpoints");
    let listed = run(&["checkpoint", "list", &store, "-o", "json"]).out;
    let listed: Value = serde_json::from_str(&listed).unwrap_or_default();
    let all = listed.as_array().into_iter().flatten();
    all.filter_map(|entry| entry["as_of_ns"].as_i64())
        .max()
        .unwrap_or(0)
        / 1_000_000_000
}

#[test]
fn what_parsers_remember_is_in_checkpoints() {
    let dir = Dir::new();
    hub(&dir);
    let log = dir.path("log");
    dir.file(
        "acquis.yaml",
        format!("filename: {log}\nstart: beginning\nlabels: {{ type: x }}\n"),
    );
    let now = unix_secs();
    append(
        &log,
        &[format!("{} open 41 192.0.2.7\n", date(now, RFC_3339))],
    );
    let mut job = start(&dir);
    // Then the line is counted, and not read again.
    wait_for("a checkpoint", || as_of(&dir) > now + 1);
    signal(&job, "KILL");
    assert_eq!(job.0.wait().unwrap().code(), None);
    let fail = format!("{} fail 41\n", date(unix_secs(), RFC_3339));
    append(&log, &vec![fail; 3]);
    let mut job = start(&dir);
    wait_for("an alert", || !standing(&dir.path("alerts")).is_empty());
    signal(&job, "TERM");
    assert_eq!(job.0.wait().unwrap().code(), Some(0));
    let alerts = std::fs::read_to_string(dir.path("alerts")).unwrap();
    assert!(alerts.contains("\"192.0.2.7\""), "{alerts}");
}
