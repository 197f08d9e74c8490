//! The Local API from the command line: bouncers, machines, a server.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use super::run::{
    AHEAD_S, Job, append, lines, newest_checkpoint, signal, start_with, unix_secs, wait_for,
};
use super::{Dir, command, run};

/// A server over a directory's database, and where it listens.
fn serve(state: &str) -> (Job, String) {
    let mut child = command(&["lapi", "serve", "--state", state, "--listen", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let job = Job(child);
    let mut said = String::new();
    loop {
        let mut line = String::new();
        assert!(err.read_line(&mut line).unwrap() > 0, "{said}");
        if let Some(rest) = line.strip_prefix("api        ") {
            return (job, rest.split(' ').next().unwrap().to_owned());
        }
        said.push_str(&line);
    }
}

fn ask(address: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let len = body.len();
    let request =
        format!("{head}\r\nHost: x\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_key_that_was_added_opens_the_api_and_one_that_was_deleted_does_not() {
    let dir = Dir::new();
    let state = dir.path("state");
    let bouncers = |args: &[&str]| run(&[&["bouncers", "--state", &state], args].concat());
    let added = bouncers(&["add", "firewall-1", "-o", "raw"]);
    added.is(0, "", "");
    let key = &added.out;
    assert_eq!(key.len(), 43, "only the key: {added:?}");
    bouncers(&["add", "firewall-1"]).is(1, "", "bouncer firewall-1 already exists");

    let (mut job, address) = serve(&state);
    let pull = format!(
        "GET /v1/decisions/stream?startup=true HTTP/1.1\r\nX-Api-Key: {key}\r\nUser-Agent: test/v1"
    );
    let answer = ask(&address, &pull, "");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let listed = bouncers(&["list", "-o", "json"]).json();
    assert_eq!(listed[0]["name"], "firewall-1");
    assert_eq!(listed[0]["type"], "test");
    assert_eq!(listed[0]["ip_address"], "127.0.0.1");
    assert_eq!(listed[0]["revoked"], false);
    bouncers(&["list", "-o", "raw"]).is(
        0,
        "name,ip,revoked,last_pull,type,version,auth_type\nfirewall-1,127.0.0.1,validated,",
        "",
    );
    bouncers(&["list"]).is(0, "firewall-1", "");
    bouncers(&["delete", "firewall-1"]).is(0, "", "deleted successfully");
    let answer = ask(&address, &pull, "");
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    bouncers(&["delete", "firewall-1"]).is(1, "", "bouncer firewall-1 does not exist");
    bouncers(&["delete", "firewall-1", "--ignore-missing"]).is(0, "", "");
    signal(&job, "TERM");
    assert!(job.0.wait().unwrap().success());
}

#[test]
fn a_machine_logs_in_with_the_credentials_that_were_written() {
    let dir = Dir::new();
    let (state, file) = (dir.path("state"), dir.path("credentials.yaml"));
    let machines = |args: &[&str]| run(&[&["machines", "--state", &state], args].concat());
    machines(&[
        "add",
        "web-1",
        "--auto",
        "--file",
        &file,
        "--url",
        "http://api:8080",
    ])
    .is(0, "", "Machine 'web-1' successfully added");
    machines(&["add", "web-1", "--auto", "--file", &file]).is(1, "", "is there already");
    let other = dir.path("other.yaml");
    machines(&["add", "web-1", "--auto", "--file", &other]).is(1, "", "already exists");
    let written = std::fs::read_to_string(&file).unwrap();
    let password = written
        .lines()
        .find_map(|line| line.strip_prefix("password: "))
        .unwrap()
        .trim_matches('"');
    assert!(written.contains("url: \"http://api:8080\""), "{written}");
    let (_job, address) = serve(&state);
    let login = "POST /v1/watchers/login HTTP/1.1\r\nUser-Agent: crowdsec/v1.7.8-linux";
    let body = format!(r#"{{"machine_id":"web-1","password":"{password}","scenarios":["a","b"]}}"#);
    let answer = ask(&address, login, &body);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let listed: Value = machines(&["list", "-o", "json"]).json();
    assert_eq!(listed[0]["machineId"], "web-1");
    assert_eq!(listed[0]["isValidated"], true);
    assert_eq!(listed[0]["version"], "v1.7.8-linux");

    let register = "POST /v1/watchers HTTP/1.1";
    let body = r#"{"machine_id":"web-2","password":"a password"}"#;
    assert!(ask(&address, register, body).starts_with("HTTP/1.1 201"));
    let body = r#"{"machine_id":"web-2","password":"a password","scenarios":[]}"#;
    assert!(ask(&address, login, body).contains("machine web-2 not validated"));
    machines(&["validate", "web-2"]).is(0, "", "validated successfully");
    assert!(ask(&address, login, body).starts_with("HTTP/1.1 200"));
    machines(&["validate", "web-3"]).is(1, "", "machine web-3 does not exist");
    machines(&["delete", "web-2"]).is(0, "", "deleted successfully");
    assert!(ask(&address, login, body).starts_with("HTTP/1.1 401"));
    machines(&["add", "web-4"]).is(1, "", "--password PASSWORD, or --auto");
}

#[test]
fn a_configuration_that_cannot_be_served_is_refused_with_its_key() {
    let dir = Dir::new();
    let config = dir.path("config.yaml");
    for (text, said) in [
        (
            "api: {server: {listen_uri: nowhere}}\n",
            "api.server.listen_uri",
        ),
        ("api: {server: {enable: false}}\n", "api.server.enable"),
        ("db_config: {type: mysql}\n", "db_config.type: `mysql`"),
        (
            "db_config: {type: sqlite, db_path: /dev/null/x.db}\n",
            "/dev/null",
        ),
    ] {
        std::fs::write(&config, text).unwrap();
        run(&[
            "lapi",
            "serve",
            "--config",
            &config,
            "--state",
            &dir.path("state"),
        ])
        .is(1, "", said);
    }
}

/// Identities of the alerts that stand in a file.
fn standing_ids(path: &str) -> BTreeSet<String> {
    let mut standing = BTreeSet::new();
    for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
        // The last one may be torn.
        let Ok(line) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        match (line["uuid"].as_str(), line["withdrawn"].as_str()) {
            (Some(uuid), _) => standing.insert(uuid.to_owned()),
            (None, Some(uuid)) => standing.remove(uuid),
            (None, None) => false,
        };
    }
    standing
}

/// The first word behind what a job says, once it says it.
fn said(dir: &Dir, what: &str) -> String {
    let mut found = None;
    wait_for(what, || {
        let said = std::fs::read_to_string(dir.path("err")).unwrap_or_default();
        let line = said.lines().find_map(|line| line.strip_prefix(what));
        let word = line.and_then(|rest| rest.split_whitespace().next());
        found = word.map(str::to_owned);
        found.is_some()
    });
    found.unwrap()
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

/// The token of the machine `admin`.
fn log_in(address: &str, password: &str) -> String {
    let login = "POST /v1/watchers/login HTTP/1.1\r\nUser-Agent: test/v1";
    let who = format!(r#"{{"machine_id":"admin","password":"{password}","scenarios":[]}}"#);
    let answer = ask(address, login, &who);
    let token: Value = serde_json::from_str(body(&answer)).unwrap();
    token["token"].as_str().unwrap().to_owned()
}

/// A job with the log and the API, started four times and killed at different moments.
fn killed_again_and_again(dir: &Dir, words: &[&str]) {
    let alerts = dir.path("alerts");
    let mut next = unix_secs() + AHEAD_S;
    for life in 0..4 {
        append(&dir.path("access.log"), &lines(next, 3));
        next = (unix_secs() + AHEAD_S).max(next + 3);
        let before = newest_checkpoint(dir);
        let mut job = start_with(dir, words);
        wait_for("an alert", || !standing_ids(&alerts).is_empty());
        wait_for("a checkpoint", || newest_checkpoint(dir) > before);
        std::thread::sleep(Duration::from_millis(130 * life));
        signal(&job, "KILL");
        assert!(!job.0.wait().unwrap().success());
    }
}

/// Asks for the metrics of a job whose API was asked.
fn shows_the_api(metrics: &str) {
    let page = ask(
        metrics.trim_end_matches("/metrics"),
        "GET /metrics HTTP/1.1",
        "",
    );
    for series in [
        "cs_lapi_route_requests_total{route=\"/v1/alerts\",method=\"GET\"} ",
        "cs_lapi_decisions_ok_total{bouncer=\"firewall-1\"} 1",
        "cs_active_decisions{reason=\"overspill/http-probing\",origin=\"crowdsec\",action=\"ban\"} ",
        "overspill_lapi_decisions{what=\"held\"} ",
    ] {
        assert!(page.contains(series), "no {series} in {page}");
    }
}

#[test]
fn what_a_job_detects_is_in_its_api_once_over_kills() {
    let dir = Dir::new();
    let (log, alerts) = (dir.path("access.log"), dir.path("alerts"));
    dir.file(
        "acquis.yaml",
        format!("filenames: [{log}]\nstart: beginning\nlabels: {{ type: nginx }}\n"),
    );
    let state = dir.path("state");
    let key = run(&[
        "bouncers",
        "--state",
        &state,
        "add",
        "firewall-1",
        "-o",
        "raw",
    ])
    .out;
    let password = "a password of a machine";
    let credentials = dir.path("credentials.yaml");
    let add = [
        "machines",
        "--state",
        &state,
        "add",
        "admin",
        "-p",
        password,
        "-f",
        &credentials,
    ];
    run(&add).is(0, "", "successfully added");
    let words = [
        "--api",
        "127.0.0.1:0",
        "--listen",
        "127.0.0.1:0",
        "--node",
        "test",
    ];
    killed_again_and_again(&dir, &words);
    let _job = start_with(&dir, &words);
    let address = said(&dir, "api        ");
    let metrics = said(&dir, "metrics    http://");
    let token = log_in(&address, password);
    let list = format!("GET /v1/alerts?limit=0 HTTP/1.1\r\nAuthorization: Bearer {token}");
    let stored = || {
        let answer = ask(&address, &list, "");
        let alerts: Value = serde_json::from_str(body(&answer)).unwrap();
        let alerts = alerts.as_array().cloned().unwrap_or_default();
        let ids = alerts
            .iter()
            .map(|alert| alert["uuid"].as_str().unwrap().to_owned());
        ids.collect::<Vec<String>>()
    };
    // Both are written one after the other, so they are the same when both rest.
    wait_for("the same alerts in the API as in the file", || {
        let (mut stored, standing) = (stored(), standing_ids(&alerts));
        stored.sort();
        !stored.is_empty() && stored.into_iter().eq(standing)
    });
    let pull = format!("GET /v1/decisions?ip=203.0.113.7 HTTP/1.1\r\nX-Api-Key: {key}");
    let answer = ask(&address, &pull, "");
    let decisions: Value = serde_json::from_str(body(&answer)).unwrap();
    assert_eq!(decisions[0]["origin"], "crowdsec", "{answer}");
    assert_eq!(decisions[0]["type"], "ban", "{answer}");
    shows_the_api(&metrics);
}

#[test]
fn nobody_bans_the_machine_that_serves() {
    let dir = Dir::new();
    let state = dir.path("state");
    let password = "a password of a machine";
    let file = dir.path("credentials.yaml");
    let add = [
        "machines", "--state", &state, "add", "admin", "-p", password, "-f", &file,
    ];
    run(&add).is(0, "", "successfully added");
    let (_job, address) = serve(&state);
    let token = log_in(&address, password);
    let push = format!("POST /v1/alerts HTTP/1.1\r\nAuthorization: Bearer {token}");
    let alert = |value: &str| {
        let decision = format!(
            r#"{{"duration":"4h","origin":"cscli","scenario":"s","scope":"Range","type":"ban","value":"{value}"}}"#
        );
        format!(
            r#"[{{"capacity":0,"decisions":[{decision}],"events":[],"events_count":1,"leakspeed":"0","message":"m",
            "scenario":"s","scenario_hash":"","scenario_version":"","simulated":false,
            "source":{{"scope":"Range","value":"{value}"}},"start_at":"now","stop_at":"now"}}]"#
        )
    };
    for value in ["0.0.0.0/0", "203.0.113.0/24"] {
        let answer = ask(&address, &push, &alert(value));
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
    let key = run(&[
        "bouncers",
        "--state",
        &state,
        "add",
        "firewall-1",
        "-o",
        "raw",
    ])
    .out;
    let pull = format!("GET /v1/decisions HTTP/1.1\r\nX-Api-Key: {key}");
    let answer = ask(&address, &pull, "");
    let decisions: Value = serde_json::from_str(body(&answer)).unwrap();
    let values: Vec<&str> = decisions
        .as_array()
        .unwrap()
        .iter()
        .map(|decision| decision["value"].as_str().unwrap())
        .collect();
    assert_eq!(values, ["203.0.113.0/24"]);
}
