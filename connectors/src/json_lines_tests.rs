use std::io::Write;
use std::sync::Arc;

use super::*;
use crate::ledger::Ledger;
use crate::open::{AHEAD_BYTES_MAX, open_path};
use crate::rows::choose::Wanted;
use crate::window::{TimeUnit, Window};

fn read(
    text: &str,
    message: Option<&str>,
    time: Option<&str>,
    window: Window,
) -> (Vec<String>, Arc<Ledger>) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let ledger = Arc::new(Ledger::default());
    let options = Options {
        wanted: Wanted {
            message: message.map(str::to_owned),
            columns: None,
            time: time.map(str::to_owned),
        },
        window,
        unit: TimeUnit::Auto,
        line_bytes_max: 1_000,
        threads: 1,
        ahead_bytes_max: AHEAD_BYTES_MAX,
        ledger: Arc::clone(&ledger),
    };
    let origin = Origin {
        src: file.path().display().to_string(),
        ..Origin::default()
    };
    let mut source = open_path(origin, options).unwrap();
    let mut lines = Vec::new();
    loop {
        let mut batch = LineBatch::default();
        let step = source.read(&mut batch).unwrap();
        lines.extend(batch.lines.iter().map(|line| {
            let text = String::from_utf8(batch.bytes(line).to_vec()).unwrap();
            format!("{} {text}", line.offset)
        }));
        if step == Step::End {
            return (lines, ledger);
        }
    }
}

const LINES: &str = r#"{"t":"2026-11-25T10:00:00Z","m":"one"}
{"t":1795600800,"m":"two \"quoted\"","deep":{"m":[1,{"t":2}]}}
{"t":null,"m":"three"}
{"t":1795600800000}
nothing
{"t":1795600800.5,"m":7}
{"t":1795600801,"m":null}
"#;

#[test]
fn a_member_is_the_line_and_what_has_none_is_dead_or_empty() {
    let (lines, ledger) = read(LINES, Some("m"), None, Window::default());
    assert_eq!(lines, ["0 one", "39 two \"quoted\"", "102 three"]);
    let account = ledger.account();
    let rows: Vec<_> = account
        .dead_letters
        .iter()
        .map(|letter| letter.row)
        .collect();
    assert_eq!(rows, [Some(3), Some(4), Some(5)]);
    assert!(account.dead_letters[0].reason.contains("missing"));
    assert!(account.dead_letters[2].reason.contains("not text"));
    assert_eq!(account.counts.rows_empty, 1);
}

#[test]
fn a_time_member_cuts_lines_and_they_stay_as_they_are() {
    let window = Window {
        since_ns: Some(1_795_600_800_000_000_000),
        until_ns: Some(1_795_600_801_000_000_000),
    };
    let (lines, ledger) = read(LINES, None, Some("t"), window);
    let starts: Vec<&str> = lines
        .iter()
        .map(|line| line.split(',').next().unwrap())
        .collect();
    assert_eq!(
        starts,
        [
            r#"0 {"t":"2026-11-25T10:00:00Z""#,
            r#"39 {"t":1795600800"#,
            r#"125 {"t":1795600800000}"#,
            r#"153 {"t":1795600800.5"#,
        ]
    );
    let counts = ledger.account().counts;
    assert_eq!((counts.rows_outside, counts.rows_without_time), (1, 1));
    assert_eq!(counts.dead_letters, 1);
}

#[test]
fn without_flags_the_object_is_the_line_and_is_not_looked_at() {
    let (lines, ledger) = read(LINES, None, None, Window::default());
    assert_eq!(lines.len(), 7);
    assert_eq!(ledger.account().counts.rows, 0);
}

#[test]
fn text_cannot_be_cut_by_time_and_says_what_to_do() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let origin = Origin {
        src: file.path().display().to_string(),
        ..Origin::default()
    };
    let options = Options {
        wanted: Wanted::default(),
        window: Window {
            since_ns: Some(0),
            until_ns: None,
        },
        unit: TimeUnit::Auto,
        line_bytes_max: 1_000,
        threads: 1,
        ahead_bytes_max: AHEAD_BYTES_MAX,
        ledger: Arc::default(),
    };
    let Err(SourceError::Open { source, .. }) = open_path(origin, options) else {
        panic!("it was opened");
    };
    assert!(source.to_string().contains("--time-column"));
}
