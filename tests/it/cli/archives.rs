//! Columnar archives: written by `archive`, read by `replay`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::Value;

use super::{Dir, counted, probing, request, run, sample};

const NOW: [&str; 2] = ["--now", "2026-08-22T12:00:00Z"];

/// The alerts of a replay, one JSON a line, without what depends on the name of the file: an event's
/// `datasource_path`, and identifiers, which are made of all of an alert. And the summary.
fn alerts(args: &[&str]) -> (String, Value) {
    let dir = Dir::new();
    let file = dir.path("alerts.jsonl");
    let flags = [&["replay", "-o", "json", "--alerts", &file], args, &NOW].concat();
    let ran = run(&flags);
    ran.is(0, "", "");
    let text = std::fs::read_to_string(&file).unwrap();
    let lines = text.lines().map(|line| {
        let mut alert: Value = serde_json::from_str(line).unwrap();
        without_names(&mut alert);
        format!("{alert}\n")
    });
    (lines.collect(), ran.json())
}

fn without_names(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("uuid");
            if members
                .get("key")
                .is_some_and(|key| key == "datasource_path")
            {
                members.remove("value");
            }
            members.values_mut().for_each(without_names);
        }
        Value::Array(values) => values.iter_mut().for_each(without_names),
        _ => {}
    }
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn an_archive_gives_the_alerts_of_the_logs_that_it_was_made_of() {
    for (name, kind) in [
        ("access.log", "nginx"),
        ("auth.log", "syslog"),
        ("audit.json", "k8s-audit"),
    ] {
        let log = sample(name);
        let (expected, _) = alerts(&[&log, "--type", kind]);
        assert!(!expected.is_empty());
        for by in ["none", "day", "hour"] {
            let dir = Dir::new();
            let to = dir.path("archive");
            let args = [
                "archive",
                &log,
                "--type",
                kind,
                "--to",
                &to,
                "--partition-by",
                by,
            ];
            run(&[&args[..], &NOW].concat()).is(0, " lines in ", "");
            let (actual, summary) = alerts(&[&to, "--type", kind]);
            assert!(actual == expected, "{name} by {by}");
            assert_eq!(summary["input"]["counts"]["dead_letters"], 0);
        }
    }
}

#[test]
fn rows_of_columns_are_json_for_parsers_of_json() {
    let dir = Dir::new();
    let times = (0..30).map(|n| 1_773_122_400_000_000 + n / 3 * 1_000_000);
    let texts = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; 30])) };
    let paths: Vec<String> = (0..30).map(|n| format!("/missing{n}")).collect();
    let batch = RecordBatch::try_from_iter([
        (
            "time",
            Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
                as ArrayRef,
        ),
        ("remote_addr", texts("203.0.113.9")),
        ("request_method", texts("GET")),
        ("request_uri", Arc::new(StringArray::from(paths))),
        ("status", Arc::new(Int32Array::from(vec![404; 30]))),
        ("http_user_agent", texts("curl/8")),
        ("unused", texts("\"\\\n")),
    ])
    .unwrap();
    let path = dir.file("rows.bin", "");
    let file = std::fs::File::create(&path).unwrap();
    let properties = WriterProperties::builder().build();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let plain = dir.file("plain.log", probing());
    let brief = |args: &[&str]| {
        let ran = run(&[&["replay", "-o", "raw"], args].concat());
        ran.is(0, "overspill/http-probing", "");
        ran.out
    };
    let expected = brief(&[&plain, "--type", "nginx"]);
    assert_eq!(brief(&[&path, "--type", "http-json"]), expected);
    let columns = "time,remote_addr,request_method,request_uri,status,http_user_agent";
    let only = [&path, "--type", "http-json", "--columns", columns];
    assert_eq!(brief(&only), expected);
    let json = run(&["replay", &path, "--type", "http-json", "-o", "json"]).json();
    assert_eq!(counted(&json), 30);
    assert_eq!(json["input"]["counts"]["rows"], 30);
}

/// A thousand requests on each of three days, a second apart, in minutes 0 to 15 again and again.
fn three_days() -> String {
    (0..3_000)
        .map(|n| {
            let (day, minute, second) = (10 + n / 1_000, n / 60 % 16, n % 60);
            format!(
                "192.0.2.1 - - [{day}/Mar/2026:06:{minute:02}:{second:02} +0000] \"GET /{n} \
                 HTTP/1.1\" 200 5 \"-\" \"curl/8\"\n"
            )
        })
        .collect()
}

#[test]
fn a_span_of_time_leaves_out_files_row_groups_and_rows_and_counts_them() {
    let dir = Dir::new();
    let log = dir.file("access.log", three_days());
    let to = dir.path("archive");
    let args = [
        "archive",
        &log,
        "--type",
        "nginx",
        "--to",
        &to,
        "--row-group-rows",
        "100",
    ];
    run(&args).is(0, "3,000 lines in 3 files", "");
    let replay = |flags: &[&str]| {
        let args = [
            &[
                "replay",
                &to,
                "--type",
                "nginx",
                "-o",
                "json",
                "--lateness",
                "1h",
            ],
            flags,
        ];
        let ran = run(&args.concat());
        ran.is(0, "", "");
        ran.json()
    };
    assert_eq!(counted(&replay(&[])), 3_000);
    let json = replay(&[
        "--since",
        "2026-03-11T06:02:00Z",
        "--until",
        "2026-03-11T06:03:00Z",
    ]);
    // The 11th has 1000 rows; the minutes come round every 16.
    let expected = (1_000..2_000).filter(|n| n / 60 % 16 == 2).count() as u64;
    assert_eq!(counted(&json), expected);
    let counts = &json["input"]["counts"];
    assert_eq!(counts["files_pruned"], 2);
    assert!(
        counts["row_groups_pruned"].as_u64().unwrap() > 5,
        "{counts:#}"
    );
    let n = |name: &str| counts[name].as_u64().unwrap();
    assert_eq!(n("rows") + n("rows_pruned"), 1_000);
    assert_eq!(n("rows") - n("rows_outside"), expected);
    // A duration counts back from --now.
    let json = replay(&["--since", "1d", "--now", "2026-03-13T00:00:00Z"]);
    assert_eq!(counted(&json), 1_000);
    run(&[
        "replay",
        &to,
        "--type",
        "nginx",
        "--since",
        "2026-03-11",
        "--until",
        "2026-03-12",
    ])
    .is(0, "2 files outside the time by their path", "");
    run(&["replay", &to, "--type", "nginx", "--since", "2027-01-01"]).is(0, "No line was read", "");
}

#[test]
fn what_time_flags_cannot_do_is_said() {
    let dir = Dir::new();
    let log = dir.file("a.log", probing());
    let cases: [(&[&str], &str); 7] = [
        (&["--time-column", "t"], "are for --since and --until"),
        (&["--since", "4h"], "lines of text have no time column"),
        (&["--since", "tomorrow"], "try 2026-03-10T06:00:00Z"),
        (&["--until", "soon"], "--until"),
        (
            &["--since", "1h", "--until", "2h"],
            "--since is not before --until",
        ),
        (&["--readers", "0"], "--readers 0: name 1 to 256"),
        (
            &["--dead-letters", "/no/such/dir/x"],
            "create /no/such/dir/x",
        ),
    ];
    for (flags, err) in cases {
        run(&[&["replay", &log, "--type", "nginx"], flags].concat()).is(1, "", err);
    }
    for flags in [
        &["--time-unit", "fortnights"][..],
        &["--message-column", "a", "--columns", "b"],
    ] {
        run(&[&["replay", &log, "--type", "nginx"], flags].concat()).is(2, "", flags[0]);
    }
    // A path that lies inside the span says enough.
    let log = dir.file("day=20260310/a.log", probing());
    let args = ["replay", &log, "--type", "nginx", "--since", "2026-03-09"];
    run(&args).is(0, "overspill/http-probing", "");
}

#[test]
fn a_file_that_cannot_be_read_is_a_dead_letter_in_every_layout_and_the_others_go_on() {
    let dir = Dir::new();
    let log = dir.file("access.log", probing());
    let to = dir.path("good.parquet");
    let args = [
        "archive",
        &log,
        "--type",
        "nginx",
        "--to",
        &to,
        "--partition-by",
        "none",
    ];
    run(&args).is(0, "30 lines in 1 files", "");
    let whole = std::fs::read(&to).unwrap();
    let cut = dir.file("cut.parquet", &whole[..whole.len() - 20]);
    let letters = dir.path("letters.jsonl");
    for flags in [&[][..], &["--processes", "2"]] {
        let args = [
            &[
                "replay",
                &cut,
                &to,
                "--type",
                "nginx",
                "--dead-letters",
                &letters,
            ],
            flags,
        ];
        let ran = run(&args.concat());
        ran.is(
            1,
            "overspill/http-probing",
            &format!("error: {cut}: it does not end"),
        );
        assert!(
            ran.out.contains("1 part(s) of the input could not be read"),
            "{ran:?}"
        );
        let letter: Value =
            serde_json::from_str(&std::fs::read_to_string(&letters).unwrap()).unwrap();
        assert_eq!(letter["path"], cut);
        assert_eq!(letter["row"], Value::Null);
    }
    let args = ["replay", &to, "--type", "nginx", "--message-column", "text"];
    run(&args).is(1, "No line was read", "it has no column \"text\"");
    let args = [
        "replay",
        &to,
        "--type",
        "nginx",
        "--message-column",
        "offset",
    ];
    run(&args).is(1, "No line was read", "\"offset\" is Int64, not text");
}

#[test]
fn an_archive_is_written_whole_or_not_at_all_and_replaces_nothing() {
    let dir = Dir::new();
    let log = dir.file("access.log", probing());
    let to = dir.path("out");
    let args = ["archive", &log, "--type", "nginx", "--to", &to];
    run(&args).is(0, "30 lines in 1 files", "");
    let expected = Path::new(&to).join("date=2026-03-10/00000-access.log.parquet");
    assert_eq!(files_below(Path::new(&to)), std::slice::from_ref(&expected));
    let before = std::fs::read(&expected).unwrap();
    run(&args).is(1, "", "exists; --force replaces it");
    assert_eq!(files_below(Path::new(&to)), std::slice::from_ref(&expected));
    assert_eq!(std::fs::read(&expected).unwrap(), before);
    run(&[&args[..], &["--force", "--level", "19"]].concat()).is(0, "", "");
    let cases: [(&[&str], &str); 5] = [
        (&["--to", "x.parquet"], "--partition-by none"),
        (&["--to", &log], "neither a directory nor"),
        (
            &["--to", &to, "--label", "time=x"],
            "has a column of that name",
        ),
        (&["--to", &to, &log], "exists"),
        (&["--to", "y.parquet", "--message-only", &log], "2 inputs"),
    ];
    for (flags, err) in cases {
        let args = [&["archive", &log, "--type", "nginx"], flags].concat();
        run(&args).is(1, "", err);
    }
    run(&["archive", &log, "--to", &to]).is(1, "", "--type is missing");
    run(&["archive", &log, "--to", &to, "--level", "99"]).is(2, "", "--level");
}

#[test]
fn messages_alone_need_no_type_and_keep_every_byte_when_asked() {
    let dir = Dir::new();
    let mut bytes = request(0, "/a").into_bytes();
    bytes.extend_from_slice(b"\xff\xfe not UTF-8\n");
    let log = dir.file("odd.log", bytes);
    let to = dir.path("odd.parquet");
    let args = ["archive", &log, "--message-only", "--to", &to];
    run(&args).is(0, "1 lines are not UTF-8", "");
    let args = [&args[..], &["--force", "--binary"]].concat();
    let ran = run(&args);
    ran.is(0, "2 lines in 1 files", "");
    assert!(!ran.out.contains("UTF-8"), "{ran:?}");
    let json = run(&["replay", &to, "--type", "nginx", "-o", "json"]).json();
    assert_eq!(counted(&json), 2);
    assert_eq!(
        json["counters"]["bytes"],
        std::fs::metadata(&log).unwrap().len() - 2
    );
}
