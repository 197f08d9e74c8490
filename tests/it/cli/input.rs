//! What may be named as input, and what may stand in it.

use std::io::Write;

use super::{Dir, counted, probing, request, run, run_with, sample};

#[test]
fn what_cannot_be_read_is_said_before_the_work() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path("hollow")).unwrap();
    let log = dir.file("a.log", probing());
    let hollow = dir.path("hollow");
    let nowhere = dir.path("nowhere.log");
    let pattern = dir.path("*.gz");
    let dsn = format!("file://{log}?tail=1");
    let cases: [(&[&str], i32, &str); 9] = [
        (&["--no-such-flag"], 2, "--no-such-flag"),
        (&[&log, "--type", "nginx", "--workers", "many"], 2, "many"),
        (
            &[&log, "--type", "nginx", "--lateness", "2 parsecs"],
            1,
            "try 2s",
        ),
        (&[&log], 1, "--type is missing"),
        (&["--type", "nginx"], 1, "nothing to replay"),
        (
            &[&nowhere, "--type", "nginx"],
            1,
            "nowhere.log: no such file",
        ),
        (&[&hollow, "--type", "nginx"], 1, "hollow: no file in it"),
        (&[&pattern, "--type", "nginx"], 1, "*.gz: no file in it"),
        (
            &["--dsn", &dsn, "--type", "nginx"],
            1,
            "unknown parameter \"tail\"",
        ),
    ];
    for (args, code, err) in cases {
        let ran = run(&[&["replay"], args].concat());
        ran.is(code, "", err);
        assert_eq!(ran.out, "", "{args:?}");
    }
}

#[test]
fn an_empty_file_is_no_error() {
    let dir = Dir::new();
    let log = dir.file("empty.log", "");
    run(&["replay", &log, "--type", "nginx"]).is(0, "No line was read", "");
}

#[test]
fn the_same_lines_give_the_same_alerts_in_whatever_form_they_come() {
    let dir = Dir::new();
    let lines = probing();
    let plain = dir.file("plain/a.log", &lines);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(lines.as_bytes()).unwrap();
    let gz = dir.file("a.bin", gzip.finish().unwrap());
    let zst = dir.file("b.bin", zstd::encode_all(lines.as_bytes(), 3).unwrap());
    let folder = dir.path("plain");
    let glob = dir.path("plain/*.lo[g]");
    let dsn = format!("file://{plain}");
    let expected = run(&["replay", &plain, "--type", "nginx", "-o", "raw"]);
    expected.is(0, "overspill/http-probing", "");
    let cases: [&[&str]; 6] = [
        &[&gz],
        &[&zst],
        &[&folder],
        &[&glob],
        &["--dsn", &dsn],
        &["-"],
    ];
    for args in cases {
        let args = [&["replay", "--type", "nginx", "-o", "raw"], args].concat();
        let ran = run_with(&args, lines.as_bytes());
        assert_eq!((ran.code, &ran.out), (Some(0), &expected.out), "{args:?}");
    }
}

#[test]
fn a_damaged_file_gives_its_lines_and_its_error_and_the_others_go_on() {
    let dir = Dir::new();
    let whole = std::fs::read(sample("access.log.gz")).unwrap();
    let half = dir.file("half.gz", &whole[..whole.len() / 2]);
    let good = dir.file("good.log", probing());
    let ran = run(&["replay", &half, &good, "--type", "nginx", "-o", "json"]);
    ran.is(1, "", &format!("error: read {half} after "));
    let document = ran.json();
    assert!(
        counted(&document) > 30,
        "nothing came out of the damaged file"
    );
    assert_eq!(
        document["counters"]["read_errors"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert!(
        ran.out.contains("203.0.113.9"),
        "the other file's alerts are missing"
    );
    run(&["replay", &half, &good, "--type", "nginx"]).is(
        1,
        "1 input was not read to its end",
        "incomplete deflate stream",
    );
}

#[test]
fn bytes_that_no_log_should_have_are_lines_like_others() {
    let dir = Dir::new();
    let mut bytes = request(0, "/a\0b").into_bytes();
    bytes.extend_from_slice(b"\xff\xfe\x00\x1b[2J not UTF-8 \xc3(\n");
    bytes.extend_from_slice(request(1, &"/long".repeat(100)).as_bytes());
    bytes.extend_from_slice(b"\r\n\n");
    bytes.extend_from_slice(request(2, "/no-line-end").trim_end().as_bytes());
    let log = dir.file("odd.log", bytes);
    let args = ["replay", &log, "--type", "nginx", "--line-max", "300"];
    let ran = run(&[&args[..], &["-o", "json"]].concat());
    ran.is(0, "", "");
    let document = ran.json();
    assert_eq!(counted(&document), 4);
    assert_eq!(document["counters"]["lines_cut"], 1);
    let ran = run(&[&args[..], &["--unparsed"]].concat());
    ran.is(0, "1 lines were longer than the limit", "");
    let controls = |c: char| c.is_control() && c != '\n';
    assert!(!ran.out.contains(controls), "{ran:?}");
}
