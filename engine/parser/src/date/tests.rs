//! The kept answers are the answers.

use super::{Dates, KEPT_BYTES};

#[test]
fn an_answer_depends_on_text_layout_and_year() {
    let mut dates = Dates::default();
    let mut ask = |text: &str, layout: &str, year| {
        dates
            .parse(text.as_bytes(), layout.as_bytes(), year)
            .map(|(_, marshaled)| String::from_utf8(marshaled.to_vec()).unwrap())
    };
    for _ in 0..3 {
        assert_eq!(
            ask("Jan  2 03:04:05", "", 2024).unwrap(),
            "2024-01-02T03:04:05Z"
        );
        assert_eq!(
            ask("Jan  2 03:04:05", "", 2025).unwrap(),
            "2025-01-02T03:04:05Z"
        );
        assert_eq!(
            ask("01/02/2024 03:04:05", "", 2024).unwrap(),
            "2024-01-02T03:04:05Z"
        );
        assert_eq!(
            ask("01/02/2024 03:04:05", "02/01/2006 15:04:05", 2024).unwrap(),
            "2024-02-01T03:04:05Z"
        );
        assert_eq!(ask("nonsense", "", 2024), None);
        assert_eq!(ask("", "", 2024), None);
    }
}

#[test]
fn more_dates_than_are_kept_are_answered_right() {
    let mut dates = Dates::default();
    for round in 0..3 {
        for second in 0..10 {
            let text = format!("2024-01-02T03:04:0{second}Z");
            let (time, marshaled) = dates.parse(text.as_bytes(), b"", 2024).unwrap();
            assert_eq!(marshaled, text.as_bytes(), "round {round}");
            assert_eq!(time.second(), second);
        }
    }
}

#[test]
fn overlong_dates_are_answered_but_not_kept() {
    let mut dates = Dates::default();
    let text = format!("1700000000.{}", "1".repeat(KEPT_BYTES));
    for _ in 0..2 {
        let (_, marshaled) = dates.parse(text.as_bytes(), b"", 2024).unwrap();
        assert_eq!(marshaled, b"2023-11-14T22:13:20Z");
    }
    assert!(dates.known.iter().all(|known| known.text.is_empty()));
}

#[test]
fn years_at_the_ends_are_answered() {
    let mut dates = Dates::default();
    let cases = [
        // The first year stands for a date without one, and the first moment for none at all.
        ("0000-01-01T00:00:00Z", Some("2024-01-01T00:00:00Z")),
        ("0000-02-29T12:00:00Z", Some("2024-02-29T12:00:00Z")),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:01Z", Some("0001-01-01T00:00:01Z")),
        ("1677-09-21T00:12:43Z", Some("1677-09-21T00:12:43Z")),
        ("2262-04-11T23:47:17Z", Some("2262-04-11T23:47:17Z")),
        (
            "9999-12-31T23:59:59.999999999Z",
            Some("9999-12-31T23:59:59.999999999Z"),
        ),
        ("10000-01-01T00:00:00Z", None),
        ("-0001-01-01T00:00:00Z", None),
        ("2024-13-01T00:00:00Z", None),
        ("1700000000123", Some("55840-11-08T22:15:23Z")),
        ("9223372036854775807", Some("292277026596-12-04T15:30:07Z")),
        ("9223372036854775808", None),
        ("-1", None),
        ("0", None),
    ];
    for (text, expected) in cases {
        let found = dates.parse(text.as_bytes(), b"", 2024);
        let found = found.map(|(_, marshaled)| String::from_utf8(marshaled.to_vec()).unwrap());
        assert_eq!(found.as_deref(), expected, "{text}");
    }
    // Nanoseconds, in which buckets reckon, reach from 1677 to 2262 and stop there.
    let mut unix_ns = |text: &str| {
        let (time, _) = dates.parse(text.as_bytes(), b"", 2024).unwrap();
        time.unix_ns()
    };
    assert_eq!(unix_ns("0001-01-01T00:00:01Z"), i64::MIN);
    assert_eq!(unix_ns("9999-12-31T23:59:59Z"), i64::MAX);
    assert_eq!(unix_ns("9223372036854775807"), i64::MAX);
}
