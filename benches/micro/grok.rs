//! One pattern on one line, by both engines.
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark stops when its input is wrong"
)]

use divan::{Bencher, black_box, counter::BytesCount};
use overspill_benches::{nginx_lines, sshd_lines, sshd_messages};
use overspill_grok::{Engine, Library, Matcher, Pattern, Scratch};

fn main() {
    divan::main();
}

const ENGINES: [Engine; 2] = [Engine::Specialised, Engine::Reference];

const NGINX: &str = r#"^%{IPORHOST:remote_addr} - %{NOTSPACE:remote_user} \[%{HTTPDATE:time_local}\] "%{WORD:verb} %{DATA:request} HTTP/%{NUMBER:http_version}" %{INT:status} %{INT:body_bytes_sent} "%{DATA:http_referer}" "%{DATA:http_user_agent}""#;
const SSHD: &str = r"^Failed password for (?:invalid user )?%{USERNAME:user} from %{IP:source_ip} port %{INT:port}";
const SYSLOG: &str = r"^%{SYSLOGTIMESTAMP:timestamp} %{SYSLOGHOST:logsource} %{PROG:program}(?:\[%{POSINT:pid}\])?: %{GREEDYDATA:message}";

/// A line each iteration, in turn.
fn run(bencher: Bencher<'_, '_>, engine: Engine, pattern: &str, lines: &[String], matching: bool) {
    let library = Library::builtin();
    let matcher = Matcher::compile_with(&library, Pattern::Text(pattern), None, engine).unwrap();
    let mut scratch = Scratch::new();
    let lines: Vec<&[u8]> = lines
        .iter()
        .map(|line| line.as_bytes())
        .filter(|line| matcher.run(&mut scratch, line) == matching)
        .collect();
    assert!(lines.len() > 100, "{} lines are too few", lines.len());
    let bytes: usize = lines.iter().map(|line| line.len()).sum();
    let mut next = lines.iter().cycle();
    bencher
        .counter(BytesCount::new(bytes / lines.len()))
        .bench_local(|| {
            let line = next.next().unwrap();
            matcher.run(&mut scratch, black_box(line))
        });
}

#[divan::bench(args = ENGINES, sample_size = 200, sample_count = 200)]
fn nginx_access(bencher: Bencher<'_, '_>, engine: Engine) {
    run(bencher, engine, NGINX, &nginx_lines(), true);
}

#[divan::bench(args = ENGINES, sample_size = 200, sample_count = 200)]
fn sshd_failed_password(bencher: Bencher<'_, '_>, engine: Engine) {
    run(bencher, engine, SSHD, &sshd_messages(), true);
}

#[divan::bench(args = ENGINES, sample_size = 200, sample_count = 200)]
fn sshd_other_message(bencher: Bencher<'_, '_>, engine: Engine) {
    run(bencher, engine, SSHD, &sshd_messages(), false);
}

#[divan::bench(args = ENGINES, sample_size = 200, sample_count = 200)]
fn syslog_header(bencher: Bencher<'_, '_>, engine: Engine) {
    run(bencher, engine, SYSLOG, &sshd_lines(), true);
}
