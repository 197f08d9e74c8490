//! A whole line with the embedded library: all parser stages, then the scenarios' filters; and how
//! long it takes to compile the library.
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark stops when its input is wrong"
)]

use divan::{Bencher, black_box, counter::BytesCount};
use overspill_benches::{Engine, Runner, audit_lines, nginx_lines, sshd_lines};
use overspill_scenarios::{Options, compile, embedded};

fn main() {
    divan::main();
}

const ENGINES: [Engine; 2] = [Engine::Fast, Engine::Reference];

/// A line each iteration, in turn.
fn run(
    bencher: Bencher<'_, '_>,
    (label, lines): (&str, &[String]),
    engine: Engine,
    line: impl Fn(&mut Runner, &[u8]) -> usize,
) {
    let mut runner = Runner::new(label, engine).unwrap();
    let n_parsed = lines
        .iter()
        .filter(|line| runner.parse(line.as_bytes()))
        .count();
    assert!(n_parsed * 4 > lines.len(), "{n_parsed} lines are too few");
    let bytes: usize = lines.iter().map(String::len).sum();
    let mut next = lines.iter().cycle();
    bencher
        .counter(BytesCount::new(bytes / lines.len()))
        .bench_local(|| {
            let text = next.next().unwrap();
            line(&mut runner, black_box(text.as_bytes()))
        });
}

fn parse(runner: &mut Runner, line: &[u8]) -> usize {
    usize::from(runner.parse(line))
}

fn parse_and_match(runner: &mut Runner, line: &[u8]) -> usize {
    if runner.parse(line) {
        runner.matches()
    } else {
        0
    }
}

#[divan::bench(args = ENGINES, sample_size = 200, sample_count = 200)]
fn nginx_parse(bencher: Bencher<'_, '_>, engine: Engine) {
    run(bencher, ("nginx", &nginx_lines()), engine, parse);
}

#[divan::bench(args = ENGINES, sample_size = 200, sample_count = 200)]
fn nginx_parse_and_match(bencher: Bencher<'_, '_>, engine: Engine) {
    run(bencher, ("nginx", &nginx_lines()), engine, parse_and_match);
}

#[divan::bench(args = ENGINES, sample_size = 200, sample_count = 200)]
fn sshd_parse(bencher: Bencher<'_, '_>, engine: Engine) {
    run(bencher, ("syslog", &sshd_lines()), engine, parse);
}

#[divan::bench(args = ENGINES, sample_size = 200, sample_count = 200)]
fn sshd_parse_and_match(bencher: Bencher<'_, '_>, engine: Engine) {
    run(bencher, ("syslog", &sshd_lines()), engine, parse_and_match);
}

#[divan::bench(args = ENGINES, sample_size = 200, sample_count = 200)]
fn audit_parse_and_match(bencher: Bencher<'_, '_>, engine: Engine) {
    run(
        bencher,
        ("k8s-audit", &audit_lines()),
        engine,
        parse_and_match,
    );
}

/// The first compilation of a process is dearer: later ones find their regexes compiled.
#[divan::bench]
fn compile_library() -> usize {
    let compiled = compile(&embedded(), &Options::default()).unwrap();
    compiled.report.n_loaded()
}
