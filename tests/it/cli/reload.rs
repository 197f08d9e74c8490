//! Other content for a job that runs.

use std::fs::File;
use std::process::Stdio;

use super::run::{
    AHEAD_S, Job, RFC_3339, append, date, newest_checkpoint, signal, unix_secs, wait_for,
};
use super::{Dir, command};

/// Events for a bucket of `192.0.2.N`, now.
fn events(address: u8, n: usize) -> Vec<String> {
    let date = date(unix_secs() + AHEAD_S, RFC_3339);
    vec![format!("{} 192.0.2.{address}\n", date); n]
}

fn scenario(dir: &Dir, name: &str, address: u8, capacity: &str) {
    let text = format!(
        "type: leaky\nname: me/{name}\ndescription: {name}\nfilter: evt.Meta.source_ip == \
         '192.0.2.{address}'\ngroupby: evt.Meta.source_ip\ncapacity: {capacity}\nleakspeed: 1h\n\
         labels: {{remediation: true}}\n"
    );
    dir.file(&format!("hub/scenarios/me/{name}.yaml"), text);
}

fn hub(dir: &Dir) {
    dir.file(
        "hub/parsers/s00-raw/me/raw.yaml",
        "name: me/raw\nonsuccess: next_stage\nstatics:\n- meta: source_ip\n  expression: \
         Split(evt.Line.Raw, ' ')[1]\n- target: evt.StrTime\n  expression: Split(evt.Line.Raw, ' \
         ')[0]\n",
    );
    dir.file(
        "hub/parsers/s01-parse/me/date.yaml",
        "name: me/date\nstatics:\n- method: ParseDate\n  expression: evt.StrTime\n- target: \
         MarshaledTime\n  expression: evt.Enriched.MarshaledTime\n",
    );
}

#[test]
fn a_hangup_changes_content_at_one_moment_and_buckets_go_on() {
    changes(&[]);
}

#[test]
fn processes_change_their_content_together() {
    changes(&["--processes", "2", "--workers", "2"]);
}

fn changes(flags: &[&str]) {
    let dir = Dir::new();
    hub(&dir);
    scenario(&dir, "kept", 1, "4");
    scenario(&dir, "other", 2, "5");
    let log = dir.path("log");
    append(&log, &events(1, 3));
    let acquis = dir.file(
        "acquis.yaml",
        format!("filename: {log}\nstart: beginning\nlabels: {{ type: x }}\n"),
    );
    let (state, alerts, err) = (dir.path("state"), dir.path("alerts"), dir.path("err"));
    let root = dir.path("hub");
    let child = command(&["run", "--acquis", &acquis, "--hub", &root, "--all"])
        .args(["--state", &state, "--alerts", &alerts, "--idle", "1s"])
        .args(["--checkpoint-every", "300ms"])
        .args(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&err).unwrap())
        .spawn()
        .unwrap();
    let mut job = Job(child);
    let said = |text: &str| std::fs::read_to_string(&err).unwrap().contains(text);
    let given =
        |text: &str| std::fs::read_to_string(&alerts).is_ok_and(|alerts| alerts.contains(text));
    // By then all processes listen for hangups.
    wait_for("a checkpoint", || newest_checkpoint(&dir).is_some());
    // A file that is wrong changes nothing.
    scenario(&dir, "other", 2, "five");
    signal(&job, "HUP");
    wait_for("a refusal", || said("nothing is changed"));
    append(&log, &events(1, 1));
    // One event more than the new capacity, and less than the old one.
    scenario(&dir, "other", 2, "1");
    scenario(&dir, "more", 3, "1");
    signal(&job, "HUP");
    wait_for("a change", || said("resumed    checkpoint"));
    append(&log, &events(2, 2));
    append(&log, &events(3, 2));
    wait_for("an alert of what changed", || given("\"me/other\""));
    wait_for("an alert of what is new", || given("\"me/more\""));
    assert!(!given("\"me/kept\""));
    append(&log, &events(1, 1));
    wait_for("an alert of what was counted before and after", || {
        given("\"me/kept\"")
    });
    signal(&job, "TERM");
    assert_eq!(job.0.wait().unwrap().code(), Some(0));
    let text = std::fs::read_to_string(&alerts).unwrap();
    assert!(!text.contains("withdrawn"), "{text}");
    let kept = text.lines().find(|line| line.contains("\"me/kept\""));
    assert!(kept.unwrap().contains("\"events_count\":5"), "{kept:?}");
}
