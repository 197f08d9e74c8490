//! What rots in the store while the job runs.

use std::fs;

use super::run::{append, lines, signal, start_with, unix_secs, wait_for};
use super::{Dir, run};

/// The segments of a store.
fn segments(dir: &Dir) -> Vec<String> {
    let Ok(generations) = fs::read_dir(dir.path("state/checkpoints/segments")) else {
        return Vec::new();
    };
    let files =
        generations.flat_map(|generation| fs::read_dir(generation.unwrap().path()).unwrap());
    files
        .map(|file| file.unwrap().path().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn damage_that_is_found_while_the_job_runs_is_made_good() {
    let dir = Dir::new();
    let log = dir.path("log");
    dir.file(
        "acquis.yaml",
        format!("filename: {log}\nstart: beginning\nlabels: {{ type: nginx }}\n"),
    );
    let now = unix_secs();
    append(&log, &lines(now - 20, 1));
    let mut job = start_with(&dir, &[]);
    wait_for("a segment", || !segments(&dir).is_empty());
    for segment in segments(&dir) {
        let zeros = vec![0; fs::read(&segment).unwrap().len()];
        fs::write(&segment, zeros).unwrap();
    }
    // Of the damaged segment only what belongs to one address is needed any more: the rest is put together with others.
    let mut others = lines(now - 10, 1);
    others.retain(|line| !line.starts_with("203.0.113.7 "));
    append(&log, &others);
    let err = || fs::read_to_string(dir.path("err")).unwrap();
    wait_for("a word about it", || {
        err().contains("is made good with the next one")
    });
    // Nothing about that address has changed since.
    append(&log, &lines(now, 1)[..1]);
    let store = dir.path("state/checkpoints");
    wait_for("a whole checkpoint", || {
        run(&["checkpoint", "verify", &store]).code == Some(0)
    });
    signal(&job, "KILL");
    assert_eq!(job.0.wait().unwrap().code(), None);
    let mut job = start_with(&dir, &[]);
    wait_for("a start", || err().contains("checkpoint"));
    signal(&job, "TERM");
    assert_eq!(job.0.wait().unwrap().code(), Some(0));
    assert!(!err().contains("damaged"), "{}", err());
}
