//! `run`: logs that are followed, over kills and restarts.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::{Dir, command, run};

/// How far lines are ahead of the clock.
pub(super) const AHEAD_S: i64 = 5;

/// Longest wait for something that has to happen.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn unix_secs() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "a live job follows the clock")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// The form of a date that sorts.
pub(super) const RFC_3339: &str = "+%Y-%m-%dT%H:%M:%SZ";
/// That of access logs.
const ACCESS_LOG: &str = "+%d/%b/%Y:%H:%M:%S +0000";

/// A date in a form. The times of a test lie within a minute, so few are asked for.
pub(super) fn date(secs: i64, form: &str) -> String {
    let output = std::process::Command::new("date")
        .args(["-u", "-d", &format!("@{secs}"), form])
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Requests of forty addresses in turn, for files that are not there, ten a second and address.
pub(super) fn lines(from: i64, seconds: i64) -> Vec<String> {
    (from..from + seconds)
        .flat_map(|second| {
            let date = date(second, ACCESS_LOG);
            (0..200).map(move |n| {
                let address = n % 40;
                format!(
                    "203.0.113.{address} - - [{date}] \"GET /a{second}-{n} HTTP/1.1\" 404 1 \"-\" \"-\"\n"
                )
            })
        })
        .collect()
}

pub(super) fn append(path: &str, lines: &[String]) {
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    file.write_all(lines.concat().as_bytes()).unwrap();
}

/// A job that does not outlive its test.
pub(super) struct Job(pub(super) Child);

impl Drop for Job {
    fn drop(&mut self) {
        // It has mostly ended by then.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

impl Job {
    /// Waits for its end; answers with its exit code and what it said.
    pub(super) fn end(&mut self) -> (Option<i32>, String) {
        let mut err = String::new();
        let stderr = self.0.stderr.as_mut().unwrap();
        stderr.read_to_string(&mut err).unwrap();
        (self.0.wait().unwrap().code(), err)
    }
}

pub(super) fn start(dir: &Dir, workers: &str) -> Job {
    let (acquis, state, alerts) = (
        dir.path("acquis.yaml"),
        dir.path("state"),
        dir.path("alerts.jsonl"),
    );
    let child = command(&[
        "run",
        "--acquis",
        &acquis,
        "--state",
        &state,
        "--alerts",
        &alerts,
        "--workers",
        workers,
        "--checkpoint-every",
        "300ms",
        "--lateness",
        "1s",
        "--idle",
        "1s",
        "--node",
        "test",
    ])
    .stdin(Stdio::null())
    .stdout(Stdio::null())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    Job(child)
}

/// A job whose directories and files are those of the test, and what it says in `err`; `words` come besides.
pub(super) fn start_with(dir: &Dir, words: &[&str]) -> Job {
    let (acquis, state, alerts) = (
        dir.path("acquis.yaml"),
        dir.path("state"),
        dir.path("alerts"),
    );
    let child = command(&["run", "--acquis", &acquis, "--state", &state])
        .args(["--alerts", &alerts, "--checkpoint-every", "300ms"])
        .args(["--lateness", "1s", "--idle", "1s"])
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(dir.path("err")).unwrap())
        .spawn()
        .unwrap();
    Job(child)
}

pub(super) fn signal(job: &Job, name: &str) {
    let pid = job.0.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-s", name, &pid])
        .status();
    assert!(sent.unwrap().success());
}

/// Alerts that stand, by what they say and not by their id, which is made of the partition's number.
pub(super) fn standing(path: &str) -> BTreeMap<String, i64> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut by_id: BTreeMap<String, (i64, String)> = BTreeMap::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if let Some(id) = line["withdrawn"].as_str() {
            by_id.get_mut(id).unwrap().0 -= 1;
            continue;
        }
        let what = ["scenario", "start_at", "stop_at", "events_count", "message"]
            .map(|key| line[key].to_string())
            .join(" ");
        let entry = by_id
            .entry(line["uuid"].as_str().unwrap().to_owned())
            .or_insert((0, what));
        entry.0 += 1;
    }
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for (n, what) in by_id.into_values() {
        *sums.entry(what).or_default() += n;
    }
    sums.retain(|_, n| *n != 0);
    sums
}

pub(super) fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_there() {
        assert!(Instant::now() < until, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Entries of the log of checkpoints: each start and each checkpoint adds one.
fn n_entries(dir: &Dir) -> usize {
    std::fs::read_dir(dir.path("state/checkpoints/log")).map_or(0, Iterator::count)
}

/// Name of the newest checkpoint, if there is one. Beside them stand markers of generations.
pub(super) fn newest_checkpoint(dir: &Dir) -> Option<String> {
    let entries = std::fs::read_dir(dir.path("state/checkpoints/log")).ok()?;
    let is_checkpoint = |path: &std::path::PathBuf| {
        let text = std::fs::read(path).unwrap_or_default();
        String::from_utf8_lossy(&text).contains("\"checkpoint\":")
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let newest = paths.filter(is_checkpoint).max()?;
    Some(newest.display().to_string())
}

/// Waits until these alerts stand, and no others.
pub(super) fn settles_at(path: &str, expected: &BTreeMap<String, i64>) {
    let until = Instant::now() + PATIENCE;
    while standing(path) != *expected && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    let given = standing(path);
    let differs = |(what, n): &(&String, &i64)| given.get(*what) != Some(*n);
    let missing: Vec<_> = expected.iter().filter(differs).collect();
    let differs = |(what, n): &(&String, &i64)| expected.get(*what) != Some(*n);
    let extra: Vec<_> = given.iter().filter(differs).collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "missing {missing:#?}, extra {extra:#?}"
    );
}

#[test]
fn kills_and_restarts_leave_the_alerts_of_a_replay() {
    let dir = Dir::new();
    let (one, two) = (dir.path("one.log"), dir.path("two.log"));
    dir.file(
        "acquis.yaml",
        format!("filenames: [{one}, {two}]\nstart: beginning\nlabels: {{ type: nginx }}\n"),
    );
    // An attacker's requests go to the two logs in turn: neither has enough of them.
    let mut next = unix_secs() + AHEAD_S;
    let mut more = || {
        // Later than what a partition that has nothing lets pass, however slow this machine is.
        let all = lines(next, 3);
        next = (unix_secs() + AHEAD_S).max(next + 3);
        for (at, path) in [&one, &two].into_iter().enumerate() {
            let half: Vec<String> = all.iter().skip(at).step_by(2).cloned().collect();
            append(path, &half);
        }
    };
    more();
    for (life, workers) in ["2", "1", "2", "4"].into_iter().enumerate() {
        let before = newest_checkpoint(&dir);
        let mut job = start(&dir, workers);
        wait_for("an alert", || {
            !standing(&dir.path("alerts.jsonl")).is_empty()
        });
        wait_for("a checkpoint", || newest_checkpoint(&dir) > before);
        more();
        // Anywhere in what it does.
        std::thread::sleep(Duration::from_millis(170 * u64::try_from(life).unwrap()));
        signal(&job, "KILL");
        assert_eq!(job.end().0, None);
    }
    let n_before = n_entries(&dir);
    let mut job = start(&dir, "2");
    // It writes there once it is ready for signals.
    wait_for("its generation", || n_entries(&dir) > n_before);
    let replay = [
        "replay",
        &one,
        &two,
        "--type",
        "nginx",
        "--lateness",
        "1s",
        "--alerts",
    ];
    let expected = dir.path("expected.jsonl");
    run(&[&replay[..], &[&expected]].concat()).is(0, "", "");
    let expected = standing(&expected);
    assert!(expected.len() >= 40, "{expected:?}");
    settles_at(&dir.path("alerts.jsonl"), &expected);
    signal(&job, "TERM");
    let (code, err) = job.end();
    assert_eq!(code, Some(0), "{err}");
    assert!(
        err.contains("resumed    checkpoint") && !err.contains("warning"),
        "{err}"
    );
    assert_eq!(standing(&dir.path("alerts.jsonl")), expected);
    assert_eq!(decided(&dir), expected.values().sum::<i64>());
    // What is done is not done again.
    let n_before = n_entries(&dir);
    let mut job = start(&dir, "1");
    wait_for("its generation", || n_entries(&dir) > n_before);
    signal(&job, "INT");
    let (code, err) = job.end();
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(standing(&dir.path("alerts.jsonl")), expected);
    assert_eq!(decided(&dir), expected.values().sum::<i64>());
}

/// How many decisions are active by the decision log, whose entries have to lead there, without gaps.
fn decided(dir: &Dir) -> i64 {
    let state = dir.path("state");
    let log = |since: &[&str]| {
        let args = ["decisions", "log", "--state", &state, "-o", "json"];
        run(&[&args[..], since].concat())
            .is(0, "\"next\":", "")
            .out
            .clone()
    };
    let n_active = log(&[]).matches("{\"active\":").count();
    let entries = log(&["--since", "0:0"]);
    let mut sum = 0;
    for (at, line) in entries
        .lines()
        .filter(|line| line.contains("\"change\""))
        .enumerate()
    {
        let entry: Value = serde_json::from_str(line).unwrap();
        let place = entry["at"].as_str().unwrap();
        assert_eq!(place.split_once(':').unwrap().1, (at + 1).to_string());
        sum += if entry["change"] == "new" { 1 } else { -1 };
    }
    assert_eq!(sum, i64::try_from(n_active).unwrap());
    sum
}

#[test]
fn inputs_that_end_end_the_job_with_the_alerts_of_a_replay() {
    let dir = Dir::new();
    let log = dir.file("access.log", super::probing());
    let acquis = dir.file(
        "acquis.yaml",
        format!("filename: {log}\nmode: cat\nlabels: {{ type: nginx }}\n"),
    );
    let state = dir.path("state");
    let ran = run(&["run", "--acquis", &acquis, "--state", &state, "-o", "json"]);
    ran.is(0, "\"scenario\":\"overspill/http-probing\"", "");
    run(&["run", "--acquis", &acquis, "--no-checkpoints"]).is(0, "203.0.113.9", "30 lines");
}

#[test]
fn a_configuration_says_what_flags_would_and_flags_come_first() {
    let dir = Dir::new();
    let log = dir.file("access.log", super::probing());
    dir.file(
        "acquis.yaml",
        format!("filename: {log}\nmode: cat\nlabels: {{ type: nginx }}\n"),
    );
    let config = dir.file(
        "config.yaml",
        "crowdsec_service: { acquisition_path: acquis.yaml }\noverspill: { state: here, alerts: \
         [alerts.jsonl], checkpoint: { every: 1s }, limits: { buckets: 100 } }\n",
    );
    dir.file(
        "parsers/s01-parse/any.yaml",
        "name: me/any\nstatics:\n- meta: any\n  value: thing\n",
    );
    run(&["run", "--config", &config]).is(0, "", "1 process");
    assert!(std::fs::exists(dir.path("here/checkpoints")).unwrap());
    assert!(std::fs::exists(dir.path("alerts.jsonl")).unwrap());
    let (state, alerts) = (dir.path("there"), dir.path("others.jsonl"));
    run(&[
        "run", "--config", &config, "--state", &state, "--alerts", &alerts,
    ])
    .is(0, "", "");
    assert!(std::fs::exists(dir.path("there/decisions")).unwrap());
    assert!(std::fs::exists(&alerts).unwrap());
    let wrong = dir.file("wrong.yaml", "overspill: { latness: 1s }\n");
    run(&["run", "--config", &wrong]).is(1, "", "did you mean `lateness`?");
    run(&["run", "--process", "1"]).is(1, "", "--process is of use with --peers only");
}

#[test]
fn what_cannot_be_run_is_said_with_its_place() {
    let dir = Dir::new();
    run(&["run"]).is(1, "", "what is to be read? --acquis FILE");
    let gone = dir.path("gone.yaml");
    run(&["run", "--acquis", &gone]).is(1, "", "gone.yaml: not there");
    let odd = dir.file("odd.yaml", "source: kafkaesque\nlabels: { type: x }\n");
    let state = dir.path("state");
    run(&["run", "--acquis", &odd, "--state", &state])
        .is(
            1,
            "",
            "odd.yaml:1:1: key `source`: no source is called \"kafkaesque\"",
        )
        .is(1, "", "nothing to read");
    let good = dir.file(
        "good.yaml",
        "filename: /nonexistent/*.log\nlabels: { type: x }\n",
    );
    for (flag, value) in [
        ("--lateness", "2 s"),
        ("--idle", "soon"),
        ("--checkpoint-every", "-1s"),
    ] {
        let flag = format!("{flag}={value}");
        run(&["run", "--acquis", &good, "--state", &state, &flag]).is(1, "", "is no duration");
    }
    let taken = dir.file("taken", "");
    run(&["run", "--acquis", &good, "--state", &taken]).is(1, "", "taken");
    // A disk that is full ends the job, which has nothing else to say.
    let log = dir.file("access.log", super::probing());
    let cat = dir.file(
        "cat.yaml",
        format!("filename: {log}\nmode: cat\nlabels: {{ type: nginx }}\n"),
    );
    run(&[
        "run",
        "--acquis",
        &cat,
        "--state",
        &state,
        "--alerts",
        "/dev/full",
    ])
    .is(1, "", "error: write /dev/full");
    // A configuration names what is read.
    dir.file("crowdsec/acquis.d/odd.yml", "filename: [\n");
    dir.file(
        "crowdsec/parsers/s01-parse/any.yaml",
        "name: me/any\nstatics:\n- meta: any\n  value: thing\n",
    );
    let config = dir.file(
        "crowdsec/config.yaml",
        "crowdsec_service: { acquisition_dir: acquis.d }\n",
    );
    run(&["run", "-c", &config, "--state", &state]).is(1, "", "odd.yml:");
}
