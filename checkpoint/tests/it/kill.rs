//! A process that is killed while it writes, again and again: what it was told is committed is there.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use overspill_checkpoint::{Depth, PieceKey, Restored, open_store};

use super::harness::{ack, as_of, parts, state, vault};

/// Names the directory to the child.
const DIR: &str = "OVERSPILL_CHECKPOINT_TEST_DIR";
const GROUPS: i64 = 40;
const ROUNDS: usize = 12;

fn bytes(group: i64, as_of_ns: i64) -> Vec<u8> {
    format!("group {group} as of {as_of_ns} ")
        .into_bytes()
        .repeat(60)
}

fn key(group: i64) -> PieceKey {
    PieceKey::group(0, u16::try_from(group).unwrap())
}

/// Group g changes in the checkpoints whose time is g modulo the number of groups, and in the first of all.
fn changed_last(group: i64, as_of_ns: i64) -> i64 {
    let since = (as_of_ns - group).rem_euclid(GROUPS);
    (as_of_ns - since).max(1)
}

fn assert_whole(restored: &Restored) {
    let as_of_ns = restored.manifest().parts.as_of_ns;
    let state = state(restored);
    assert_eq!(state.len(), usize::try_from(GROUPS).unwrap());
    for group in 0..GROUPS {
        let expected = bytes(group, changed_last(group, as_of_ns));
        assert_eq!(state[&key(group)], expected, "as of {as_of_ns}");
    }
}

/// The child: restores, and then makes checkpoints for ever, saying each that is committed.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let store = open_store(dir.to_str().unwrap()).unwrap();
    let mut generation = vault(&store).begin_generation(0).unwrap();
    let found = generation.restore(Depth::Whole).unwrap();
    assert!(found.skipped.is_empty(), "{:?}", found.skipped);
    let mut since_ns = as_of(&found);
    found.restored.iter().for_each(assert_whole);
    loop {
        let as_of_ns = since_ns.unwrap_or(0) + 1;
        let changes: Vec<(PieceKey, Vec<u8>)> = (0..GROUPS)
            .filter(|group| changed_last(*group, as_of_ns) == as_of_ns)
            .map(|group| (key(group), bytes(group, as_of_ns)))
            .collect();
        let changes: Vec<(PieceKey, &[u8])> = changes
            .iter()
            .map(|(key, bytes)| (key.clone(), bytes.as_slice()))
            .collect();
        let acknowledged = ack(&store, &generation, as_of_ns, since_ns, &changes);
        generation
            .commit(parts(as_of_ns, 1), &[acknowledged])
            .unwrap();
        let mut out = std::io::stdout();
        writeln!(out, "committed {as_of_ns}").unwrap();
        generation.collect(0).unwrap();
        since_ns = Some(as_of_ns);
    }
}

/// Lets a child work for some checkpoints, kills it, and answers the last one it has told of.
fn run_and_kill(dir: &Path, n_checkpoints: usize) -> i64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["kill::child", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let number = |line: String| -> Option<i64> {
        let (_, number) = line.split_once("committed ")?;
        number.parse().ok()
    };
    let mut told = lines
        .by_ref()
        .map_while(Result::ok)
        .filter_map(number)
        .take(n_checkpoints)
        .last();
    // Somewhere within the next one.
    child.kill().unwrap();
    child.wait().unwrap();
    for line in lines.map_while(Result::ok) {
        told = number(line).or(told);
    }
    told.unwrap()
}

#[test]
fn what_was_committed_survives_kills_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let mut last = 0;
    for round in 0..ROUNDS {
        let told = run_and_kill(dir.path(), 1 + round % 5 * 7);
        assert!(told > last, "{told} after {last}");
        last = told;
        let store = open_store(dir.path().to_str().unwrap()).unwrap();
        let found = vault(&Arc::clone(&store)).newest(Depth::Whole).unwrap();
        assert!(found.skipped.is_empty(), "{:?}", found.skipped);
        let restored = found.restored.unwrap();
        // The one after it may have been committed and not told.
        let as_of_ns = restored.manifest().parts.as_of_ns;
        assert!((told..=told + 1).contains(&as_of_ns), "{as_of_ns}");
        assert_whole(&restored);
        last = last.max(as_of_ns);
    }
}
