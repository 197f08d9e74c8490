//! `transform` of acquisitions, over kills.

use super::run::{
    AHEAD_S, append, lines, newest_checkpoint, settles_at, signal, standing, start, unix_secs,
    wait_for,
};
use super::{Dir, run};

/// Requests that one line holds.
const PACKED: usize = 30;

#[test]
fn lines_that_are_made_of_lines_count_once_whenever_the_job_is_killed() {
    let dir = Dir::new();
    let (packed, plain) = (dir.path("packed.log"), dir.path("plain.log"));
    dir.file(
        "acquis.yaml",
        format!(
            "filename: {packed}\nstart: beginning\nlabels: {{ type: nginx }}\n\
             transform: Split(evt.Line.Raw, '|')\n"
        ),
    );
    let mut next = unix_secs() + AHEAD_S;
    let mut more = || {
        let all = lines(next, 3);
        next = (unix_secs() + AHEAD_S).max(next + 3);
        append(&plain, &all);
        let pack = |lines: &[String]| {
            let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
            format!("{}\n", lines.join("|"))
        };
        append(&packed, &all.chunks(PACKED).map(pack).collect::<Vec<_>>());
    };
    more();
    let alerts = dir.path("alerts.jsonl");
    for workers in ["1", "2"] {
        let before = newest_checkpoint(&dir);
        let mut job = start(&dir, workers);
        wait_for("an alert", || !standing(&alerts).is_empty());
        wait_for("a checkpoint", || newest_checkpoint(&dir) > before);
        more();
        signal(&job, "KILL");
        assert_eq!(job.end().0, None);
    }
    let mut job = start(&dir, "2");
    let expected = dir.path("expected.jsonl");
    let replay = ["replay", &plain, "--type", "nginx", "--lateness", "1s"];
    run(&[&replay[..], &["--alerts", &expected]].concat()).is(0, "", "");
    let expected = standing(&expected);
    assert!(expected.len() >= 40, "{expected:?}");
    settles_at(&alerts, &expected);
    signal(&job, "TERM");
    let (code, err) = job.end();
    assert_eq!(code, Some(0), "{err}");
    assert!(!err.contains("warning"), "{err}");
}
