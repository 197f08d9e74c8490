//! Interrupts: what was read is finished, shown and marked; a second one ends everything at once.
//!
//! Inputs are named pipes. Opening one for writing waits until the command reads it, and it does
//! that only when it is ready for signals.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use super::{Dir, command, counted, request};

/// A pipe with a name.
fn pipe(dir: &Dir, name: &str) -> String {
    let path = dir.path(name);
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    path
}

fn writer(path: &str) -> File {
    File::options().write(true).open(path).unwrap()
}

fn spawn(args: &[&str]) -> Child {
    command(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-s", name, &pid]).status();
    assert!(sent.unwrap().success());
}

#[test]
fn an_interrupted_replay_shows_what_it_has() {
    let dir = Dir::new();
    for (name, extra) in [("INT", &[][..]), ("TERM", &["--processes", "2"])] {
        let (one, two) = (
            pipe(&dir, &format!("1{name}")),
            pipe(&dir, &format!("2{name}")),
        );
        let args = ["replay", &one, &two, "--type", "nginx", "-o", "json"];
        let child = spawn(&[&args[..], extra].concat());
        let (mut one, mut two) = (writer(&one), writer(&two));
        for writer in [&mut one, &mut two] {
            writer.write_all(request(0, "/a").as_bytes()).unwrap();
        }
        signal(&child, name);
        // The pipes are still open: only the signal can end it.
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{name} {err}");
        assert!(err.contains("interrupted"), "{name} {err}");
        let document = serde_json::from_slice(&output.stdout).unwrap();
        assert!(counted(&document) <= 2);
        assert_eq!(document["interrupted"], true);
    }
}

/// A hub with which every line, an address and more, is an alert.
fn alert_on_everything(dir: &Dir) -> String {
    let parser = "name: me/raw\nonsuccess: next_stage\nstatics:\n- meta: source_ip\n  expression: \
                  Split(evt.Line.Raw, ' ')[0]\n- target: evt.StrTime\n  value: \
                  2026-03-10T06:00:00Z\n- method: ParseDate\n  expression: evt.StrTime\n";
    dir.file("hub/parsers/s00-raw/me/raw.yaml", parser);
    let scenario = "type: trigger\nname: me/all\ndescription: all\nfilter: 'true'\n\
                    groupby: evt.Meta.source_ip\nlabels: {remediation: true}\n";
    dir.file("hub/scenarios/me/all.yaml", scenario);
    dir.path("hub")
}

#[test]
fn a_second_interrupt_ends_it_at_once() {
    let dir = Dir::new();
    let hub = alert_on_everything(&dir);
    let (input, results) = (pipe(&dir, "input"), pipe(&dir, "results"));
    let args = ["replay", &input, "--type", "x", "--hub", &hub, "--all"];
    let mut child = spawn(&[&args[..], &["--alerts", &results]].concat());
    let mut results = File::open(&results).unwrap();
    let mut input = writer(&input);
    // More than fits between the pipe and the parsers, so that alerts have been found after it.
    for n in 0..1_000 {
        let line = format!("192.0.{}.{} {}\n", n / 250, n % 250, "x".repeat(4_000));
        input.write_all(line.as_bytes()).unwrap();
    }
    signal(&child, "INT");
    // The first alert is there, so the rest is being written, and waits for somebody to take it.
    results.read_exact(&mut [0]).unwrap();
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
