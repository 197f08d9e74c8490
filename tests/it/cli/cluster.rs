//! `run` over several processes: counted once over all of them, whichever dies.

use std::net::TcpListener;
use std::process::Stdio;

use super::run::{
    AHEAD_S, Job, append, lines, newest_checkpoint, settles_at, signal, standing, unix_secs,
    wait_for,
};
use super::{Dir, command, run};

const SECRET: &str = "a secret of the processes of a test";

/// Requests for two logs in turn: neither has enough of them of any address.
struct Attack<'a> {
    logs: [&'a str; 2],
    next: i64,
}

impl Attack<'_> {
    fn more(&mut self) {
        let all = lines(self.next, 3);
        self.next = (unix_secs() + AHEAD_S).max(self.next + 3);
        for (at, path) in self.logs.into_iter().enumerate() {
            let half: Vec<String> = all.iter().skip(at).step_by(2).cloned().collect();
            append(path, &half);
        }
    }

    /// What a replay of all of it gives.
    fn settles(&self, dir: &Dir) {
        let expected = dir.path("expected.jsonl");
        let [one, two] = self.logs;
        let replay = ["replay", one, two, "--type", "nginx", "--lateness", "1s"];
        run(&[&replay[..], &["--alerts", &expected]].concat()).is(0, "", "");
        let expected = standing(&expected);
        assert!(expected.len() >= 40, "{expected:?}");
        settles_at(&dir.path("alerts.jsonl"), &expected);
    }
}

fn start(dir: &Dir, acquis: &str, flags: &[&str]) -> Job {
    let (state, alerts) = (dir.path("state"), dir.path("alerts.jsonl"));
    let always = [
        "run",
        "--acquis",
        acquis,
        "--state",
        &state,
        "--alerts",
        &alerts,
        "--checkpoint-every",
        "300ms",
        "--lateness",
        "1s",
        "--idle",
        "1s",
    ];
    let child = command(&[&always[..], flags].concat())
        .env("OVERSPILL_SECRET", SECRET)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Job(child)
}

/// A file with ports that nobody uses.
fn peers(dir: &Dir, n: usize) -> String {
    let listeners: Vec<TcpListener> = (0..n)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let text: String = listeners
        .iter()
        .map(|listener| format!("{}\n", listener.local_addr().unwrap()))
        .collect();
    dir.file("peers", text)
}

/// Processes that a process has started.
fn children(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

#[test]
fn two_machines_count_an_attacker_once_whichever_is_killed() {
    let dir = Dir::new();
    let logs = [dir.path("a.log"), dir.path("b.log")];
    let acquis = [0, 1].map(|at: usize| {
        let log = &logs[at];
        dir.file(
            &format!("acquis-{at}.yaml"),
            format!("filename: {log}\nstart: beginning\nlabels: {{ type: nginx }}\n"),
        )
    });
    let mut attack = Attack {
        logs: [&logs[0], &logs[1]],
        next: unix_secs() + AHEAD_S,
    };
    attack.more();
    let both = |workers: &str| {
        let peers = peers(&dir, 2);
        [("0", "a"), ("1", "b")].map(|(process, node)| {
            let at: usize = process.parse().unwrap();
            let flags = ["--peers", &peers, "--process", process, "--node", node];
            start(
                &dir,
                &acquis[at],
                &[&flags[..], &["--workers", workers]].concat(),
            )
        })
    };
    for (workers, killed) in [("1", 1), ("2", 0)] {
        let before = newest_checkpoint(&dir);
        let mut jobs = both(workers);
        wait_for("a checkpoint", || newest_checkpoint(&dir) > before);
        attack.more();
        signal(&jobs[killed], "KILL");
        assert_eq!(jobs[killed].end().0, None);
        // Nobody is left behind, whichever of its threads misses the other first.
        let (code, err) = jobs[1 - killed].end();
        assert!(matches!(code, Some(70 | 75)), "{code:?}: {err}");
    }
    // What was given before the kill may stand already; they have to have met all the same.
    let before = newest_checkpoint(&dir);
    let mut jobs = both("1");
    wait_for("a checkpoint", || newest_checkpoint(&dir) > before);
    attack.settles(&dir);
    // Either may be asked to end.
    signal(&jobs[1], "TERM");
    for job in &mut jobs {
        let (code, err) = job.end();
        assert_eq!(code, Some(0), "{err}");
    }
    // One machine goes on alone, with its log and the counts of both.
    let mut job = start(&dir, &acquis[0], &["--node", "a"]);
    let before = newest_checkpoint(&dir);
    wait_for("a checkpoint", || newest_checkpoint(&dir) > before);
    attack.settles(&dir);
    signal(&job, "TERM");
    let (code, err) = job.end();
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("2 partitions"), "{err}");
}

#[test]
fn a_supervisor_starts_all_again_when_one_is_killed() {
    let dir = Dir::new();
    let logs = [dir.path("one.log"), dir.path("two.log")];
    let [one, two] = &logs;
    let acquis = dir.file(
        "acquis.yaml",
        format!("filenames: [{one}, {two}]\nstart: beginning\nlabels: {{ type: nginx }}\n"),
    );
    let mut attack = Attack {
        logs: [one, two],
        next: unix_secs() + AHEAD_S,
    };
    attack.more();
    let flags = ["--processes", "3", "--workers", "2", "--node", "test"];
    let mut job = start(&dir, &acquis, &flags);
    let three_others = |before: &[u32]| {
        wait_for("three other processes", || {
            let pids = children(job.0.id());
            pids.len() == 3 && pids.iter().all(|pid| !before.contains(pid))
        });
        children(job.0.id())
    };
    let mut before = Vec::new();
    for killed in [2, 0, 1] {
        let newest = newest_checkpoint(&dir);
        before = three_others(&before);
        wait_for("a checkpoint", || newest_checkpoint(&dir) > newest);
        attack.more();
        let pid = before[killed].to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", "KILL", &pid])
            .status();
        assert!(sent.unwrap().success());
    }
    three_others(&before);
    attack.settles(&dir);
    signal(&job, "TERM");
    let (code, err) = job.end();
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("supervisor start 4 of processes"), "{err}");
    assert!(err.contains("resumed    checkpoint"), "{err}");
    // Fewer go on where more were.
    let mut job = start(&dir, &acquis, &["--node", "test"]);
    attack.more();
    attack.settles(&dir);
    signal(&job, "TERM");
    let (code, err) = job.end();
    assert_eq!(code, Some(0), "{err}");
}

#[test]
fn what_processes_cannot_begin_with_is_said() {
    let dir = Dir::new();
    let acquis = dir.file(
        "acquis.yaml",
        "filename: /nonexistent/*.log\nlabels: { type: x }\n",
    );
    let peers = peers(&dir, 2);
    let state = dir.path("state");
    let base = ["run", "--acquis", &acquis, "--state", &state];
    let with = |flags: &[&str]| run(&[&base[..], flags].concat());
    with(&["--peers", &peers, "--process", "2"]).is(1, "", "--process 2: there are 2 processes");
    with(&["--peers", &peers, "--process", "0"]).is(1, "", "processes need a secret");
    let short = dir.file("short", "secret\n");
    let flags = ["--peers", &peers, "--process", "0", "--secret-file", &short];
    with(&flags).is(1, "", "--secret-file");
    with(&["--peers", "dns:logs.example", "--process", "0"]).is(1, "", "--peers dns:logs.example");
    with(&["--processes", "1000"]).is(1, "", "--processes: at most 64");
    // Nor does a supervisor try that again.
    with(&["--processes", "2", "--lateness", "soon"]).is(2, "", "--lateness: \"soon\"");
}
