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
