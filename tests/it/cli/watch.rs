//! A live job that is watched: metrics, health, `top`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{ChildStderr, Stdio};

use serde_json::Value;

use super::run::{AHEAD_S, Job, append, lines, signal, unix_secs, wait_for};
use super::{Dir, command, run};

/// A job with metrics, and what it goes on to say.
struct Watched {
    job: Job,
    err: BufReader<ChildStderr>,
    address: String,
}

fn start(dir: &Dir, more: &[&str]) -> Watched {
    let (acquis, state, alerts) = (
        dir.path("acquis.yaml"),
        dir.path("state"),
        dir.path("alerts.jsonl"),
    );
    let args = [
        "run",
        "--acquis",
        &acquis,
        "--state",
        &state,
        "--alerts",
        &alerts,
        "--listen",
        "127.0.0.1:0",
        "--checkpoint-every",
        "300ms",
        "--lateness",
        "1s",
        "--idle",
        "1s",
        "--node",
        "test",
    ];
    let mut child = command(&[&args[..], more].concat())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let job = Job(child);
    let mut said = String::new();
    let address = loop {
        let mut line = String::new();
        assert!(err.read_line(&mut line).unwrap() > 0, "{said}");
        if let Some(rest) = line.strip_prefix("metrics    http://") {
            break rest.trim_end().trim_end_matches("/metrics").to_owned();
        }
        said.push_str(&line);
    };
    Watched { job, err, address }
}

impl Watched {
    /// The status and the body of an answer.
    fn get(&self, path: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    fn metrics(&self) -> BTreeMap<String, f64> {
        let (status, text) = self.get("/metrics");
        assert_eq!(status, 200);
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        samples
            .map(|line| {
                let (series, value) = line.rsplit_once(' ').unwrap();
                (series.to_owned(), value.parse().unwrap())
            })
            .collect()
    }

    /// Ends the job by a signal; answers with its exit code and the rest of what it said.
    fn end(mut self) -> (Option<i32>, String) {
        signal(&self.job, "TERM");
        let mut said = String::new();
        self.err.read_to_string(&mut said).unwrap();
        (self.job.0.wait().unwrap().code(), said)
    }
}

#[test]
fn a_job_tells_what_it_counts_and_whether_it_is_well() {
    let dir = Dir::new();
    let log = dir.path("access.log");
    append(&log, &[]);
    dir.file(
        "acquis.yaml",
        format!("filename: {log}\nname: web\nstart: beginning\nlabels: {{ type: nginx }}\n"),
    );
    let watched = start(&dir, &["--workers", "2"]);
    assert_eq!(watched.get("/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(watched.get("/").0, 404);
    wait_for("its gate", || watched.get("/readyz").0 == 200);
    append(&log, &lines(unix_secs() + AHEAD_S, 3));
    append(&log, &["no request at all\n".to_owned()]);
    let series = |name: &str, rest: &str| format!("{name}{{source=\"{log}\",{rest}}}");
    let hits = series(
        "cs_filesource_hits_total",
        "datasource_type=\"file\",acquis_type=\"nginx\"",
    );
    wait_for("its lines", || watched.metrics().get(&hits) == Some(&601.0));
    let kept = "overspill_checkpoints_total";
    let overflowed = |name: &str| name.starts_with("cs_bucket_overflowed_total{");
    wait_for("a checkpoint, and final overflows", || {
        let metrics = watched.metrics();
        let of_buckets = metrics.iter().filter(|(name, _)| overflowed(name));
        metrics[kept] >= 1.0 && of_buckets.map(|(_, n)| n).sum::<f64>() >= 40.0
    });
    values_are_those_of_the_job(&watched, &log);
    every_metric_is_listed(&watched);
    top_shows(&watched);
    let address = watched.address.clone();
    let (code, said) = watched.end();
    assert_eq!(code, Some(0), "{said}");
    run(&["top", "--once", "--url", &format!("http://{address}")]).is(
        1,
        "",
        &format!("nobody answers at {address}"),
    );
}

/// After the lines of the test came.
fn values_are_those_of_the_job(watched: &Watched, log: &str) {
    let series = |name: &str, rest: &str| format!("{name}{{source=\"{log}\",{rest}}}");
    let metrics = watched.metrics();
    for (name, value) in [
        (series("cs_parser_hits_total", "type=\"file\""), 601.0),
        (
            series(
                "cs_parser_hits_ok_total",
                "type=\"file\",acquis_type=\"nginx\"",
            ),
            600.0,
        ),
        (
            series(
                "cs_parser_hits_ko_total",
                "type=\"file\",acquis_type=\"nginx\"",
            ),
            1.0,
        ),
        (
            "overspill_lines_total{outcome=\"unparsed\"}".to_owned(),
            1.0,
        ),
        ("overspill_lines_read_total".to_owned(), 601.0),
        ("overspill_source_up{source=\"web\"}".to_owned(), 1.0),
        (
            "overspill_source_total{source=\"web\",what=\"lines\"}".to_owned(),
            601.0,
        ),
        (
            format!("overspill_source_lag_bytes{{source=\"web\",partition=\"{log}\"}}"),
            0.0,
        ),
        ("overspill_ready".to_owned(), 1.0),
        ("overspill_workers".to_owned(), 2.0),
        ("overspill_workers_silent".to_owned(), 0.0),
        ("overspill_generation".to_owned(), 1.0),
    ] {
        assert_eq!(metrics.get(&name), Some(&value), "{name}: {metrics:#?}");
    }
    assert!(metrics["overspill_alerts_total{what=\"given\"}"] >= 40.0);
}

fn every_metric_is_listed(watched: &Watched) {
    let metrics = watched.metrics();
    for start in [
        "cs_node_hits_total{",
        "cs_bucket_poured_total{",
        "cs_bucket_instantiation_total{",
        "cs_buckets{",
        "overspill_watermark_lag_seconds{",
        "overspill_speculation_depth_seconds",
        "overspill_checkpoint_age_seconds",
        "overspill_checkpoint_duration_seconds_bucket{",
        "overspill_alerts_file_bytes",
        "overspill_thread_cpu_seconds_total{thread=\"timely:work-1\"}",
        "process_resident_memory_bytes",
    ] {
        let is_there = |name: &String| name.starts_with(start);
        assert!(metrics.keys().any(is_there), "{start}: {metrics:#?}");
    }
    let listed: BTreeSet<&str> = overspill::live::metrics::catalog::ALL
        .iter()
        .map(|metric| metric.name)
        .collect();
    for name in metrics.keys() {
        let family = name.split('{').next().unwrap();
        let of_histogram = ["_bucket", "_sum", "_count"];
        let is_listed = listed.contains(family)
            || of_histogram
                .iter()
                .filter_map(|end| family.strip_suffix(end))
                .any(|family| listed.contains(family));
        assert!(is_listed, "{name} is in no list");
    }
}

fn top_shows(watched: &Watched) {
    let url = format!("http://{}/metrics", watched.address);
    let shown = run(&["top", "--url", &url, "--once", "--interval", "200ms"]);
    shown.is(0, "ready", "");
    for text in [
        "  test  up ",
        "lines 601 (",
        "SOURCE",
        "web",
        "access.log",
        "overspill/http-probing",
        "203.0.113.",
        "worker 0",
        "worker 1",
        " kept",
    ] {
        assert!(shown.out.contains(text), "no {text:?} in {}", shown.out);
    }
    let json = run(&["top", "--url", &url, "-o", "json"]).json();
    assert_eq!(json["lines"], 601);
    assert_eq!(json["sources"][0]["id"], "web");
    assert_eq!(json["unready"], Value::Null);
    run(&["top", "--url", &url]).is(1, "", "--once prints one frame");
}

#[test]
fn the_configuration_of_crowdsec_says_where_to_listen() {
    let dir = Dir::new();
    let log = dir.path("access.log");
    append(&log, &lines(unix_secs(), 1));
    // It ends by itself.
    let acquis = dir.file(
        "acquis.yaml",
        format!("filename: {log}\nmode: cat\nlabels: {{ type: nginx }}\n"),
    );
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = dir.file(
        "config.yaml",
        format!("prometheus: {{ enabled: true, level: full, listen_port: {port} }}\n"),
    );
    dir.file(
        "scenarios/x.yaml",
        "type: trigger\nname: me/x\ndescription: d\nfilter: evt.Meta.x == 'y'\nlabels: {}\n",
    );
    let with = |more: &[&str]| {
        let args = [
            "run",
            "--config",
            &config,
            "--acquis",
            &acquis,
            "--no-checkpoints",
        ];
        run(&[&args[..], more].concat())
    };
    let told = format!("metrics are not answered: listen on 127.0.0.1:{port}");
    with(&[]).is(0, "", &told);
    let ran = with(&["--listen", "none"]);
    ran.is(0, "", "");
    assert!(!ran.err.contains("metrics"), "{ran:?}");
    let address = format!("127.0.0.1:{port}");
    with(&["--listen", &address]).is(1, "", &format!("--listen {address}"));
    drop(taken);
    with(&[]).is(0, "", &format!("metrics    http://{address}/metrics"));
}

#[test]
fn a_collector_is_told_of_alerts_and_the_log_is_json() {
    let dir = Dir::new();
    let log = dir.file("access.log", super::probing());
    let acquis = dir.file(
        "acquis.yaml",
        format!("filename: {log}\nmode: cat\nlabels: {{ type: nginx }}\n"),
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let collector = std::thread::Builder::new()
        .name("collector".to_owned())
        .spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut text = Vec::new();
            let mut piece = [0; 4_096];
            // The last member of a span is its status.
            while !String::from_utf8_lossy(&text).ends_with("]}]}") {
                let n = stream.read(&mut piece).unwrap();
                assert!(n > 0, "{}", String::from_utf8_lossy(&text));
                text.extend_from_slice(&piece[..n]);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            String::from_utf8(text).unwrap()
        })
        .unwrap();
    let state = dir.path("state");
    let args = ["run", "--acquis", &acquis, "--state", &state];
    let ran = run(&[&args[..], &["--traces", &url, "--log-format", "json"]].concat());
    ran.is(0, "203.0.113.9", "\"level\":\"info\"");
    for line in ran.err.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(
            line["time"].is_string() && line["message"].is_string(),
            "{line}"
        );
    }
    let told = collector.join().unwrap();
    assert!(
        told.contains("\"alert\"") && told.contains("overspill/http-probing"),
        "{told}"
    );
    run(&[&args[..], &["--traces", "https://x:1"]].concat()).is(
        1,
        "",
        "--traces: \"https://x:1\" is no address",
    );
}
