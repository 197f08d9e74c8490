use proptest::prelude::*;

use super::super::append_rfc3339_nano;
use super::*;

fn marshalled(date: ParsedDate) -> String {
    let mut out = Vec::new();
    append_rfc3339_nano(&date.time, &mut out);
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn check(text: &str, layout: &str, expected: Option<&str>) {
    let date = parse_date(text.as_bytes(), Some(layout), 2026).map(marshalled);
    assert_eq!(date.as_deref(), expected, "{text:?} in {layout:?}");
}

#[test]
fn listed_layouts_are_tried_in_order() {
    for (text, expected) in [
        (
            "2024-01-02T03:04:05.123456789+02:00",
            Some("2024-01-02T03:04:05.123456789+02:00"),
        ),
        (
            "10/Oct/2000:13:55:36 -0700",
            Some("2000-10-10T13:55:36-07:00"),
        ),
        ("10/Mar/2024:06:00:00 +0000", Some("2024-03-10T06:00:00Z")),
        ("Mon Oct 3 13:55:36 2022", Some("2022-10-03T13:55:36Z")),
        (
            "Mon Oct  3 13:55:36.123456 2022",
            Some("2022-10-03T13:55:36.123456Z"),
        ),
        (
            "02-Jan-2022 15:04:05 europe/paris",
            Some("2022-01-02T15:04:05Z"),
        ),
        ("12/31/2023 23:59:59", Some("2023-12-31T23:59:59Z")),
        (
            "2022-01-02 15:04:05.123 +0200 CEST",
            Some("2022-01-02T15:04:05.123+02:00"),
        ),
        (
            "2022-01-02 15:04:05 +0200 UTC",
            Some("2022-01-02T15:04:05Z"),
        ),
        ("Feb 29 10:11:12", Some("2026-03-01T10:11:12Z")),
        ("Dec  1 8:07:43", Some("2026-12-01T08:07:43Z")),
        ("dec 17 08:07:43.5", Some("2026-12-17T08:07:43.5Z")),
        ("2022/01/02", Some("2022-01-02T00:00:00Z")),
        ("2022/01/02 15:04", Some("2022-01-02T15:04:00Z")),
        ("2022-01-02", Some("2022-01-02T00:00:00Z")),
        ("2022-01-02 15:04", Some("2022-01-02T15:04:00Z")),
        ("2022/01/02 15:04:05", Some("2022-01-02T15:04:05Z")),
        ("2022-01-02 15:04:05,123", Some("2022-01-02T15:04:05.123Z")),
        ("2022-01-02T15:04:05", Some("2022-01-02T15:04:05Z")),
        ("0000-02-29 00:00:00", Some("2026-03-01T00:00:00Z")),
    ] {
        check(text, "", expected);
    }
}

#[test]
fn what_fits_nothing_is_no_date() {
    for text in [
        "",
        "2022/1/2 15:04:05",
        "Feb 30 10:11:12",
        " 2022-01-02 15:04:05",
        "2022-01-02 15:04:05 ",
        "2024-01-02T03:04:05+0200",
        "2024-01-02t03:04:05z",
        "2023-02-29 00:00:00",
        "2022-01-02 24:00:00",
        "2024-01-02T03:04:05+24:00",
        "0001-01-01T00:00:00Z",
        "-1700000000",
        "0",
        "0.5",
        "99999999999999999999",
    ] {
        check(text, "", None);
    }
}

#[test]
fn a_number_is_seconds_since_the_epoch() {
    check("1700000000.123", "", Some("2023-11-14T22:13:20Z"));
    check("1700000000123", "", Some("55840-11-08T22:15:23Z"));
    let form = parse_date(b"1700000000", None, 2026).map(|date| date.form);
    assert_eq!(form, Some(DateForm::Unix));
}

#[test]
fn an_explicit_layout_comes_first_and_the_list_after_it() {
    for (text, layout, expected) in [
        ("240102 15:04:05", "060102 15:04:05", "2024-01-02T15:04:05Z"),
        ("0102 15:04:05", "0102 15:04:05", "2026-01-02T15:04:05Z"),
        (
            "2022-01-02 15:04:05",
            "01/02/2006, 15:04:05",
            "2022-01-02T15:04:05Z",
        ),
        (
            "01/02/2006, 3:04:05 PM",
            "01/02/2006, 3:04:05 PM",
            "2006-01-02T15:04:05Z",
        ),
        (
            "2022 2 15.04.05 Jan",
            "2006 2 15.04.05 Jan",
            "2022-01-02T15:04:05Z",
        ),
        (
            "2022-01-02 15:04:05.123-0700",
            "2006-01-02 15:04:05.000-0700",
            "2022-01-02T15:04:05.123-07:00",
        ),
        (
            "2022-01-02T15:04:05.1Z",
            "2006-01-02T15:04:05.999Z",
            "2022-01-02T15:04:05.1Z",
        ),
    ] {
        check(text, layout, Some(expected));
    }
    check("240230 15:04:05", "060102 15:04:05", None);
}

#[test]
fn layouts_from_hostile_lines_do_not_pile_up() {
    for round in 0..100 {
        let layout = format!("2006-01-02 {round}x");
        check("2022-01-02 15:04:05", &layout, Some("2022-01-02T15:04:05Z"));
    }
    check(
        "2022-01-02 15:04:05",
        &"2006".repeat(100_000),
        Some("2022-01-02T15:04:05Z"),
    );
    EXPLICIT.with_borrow(|kept| {
        assert!(kept.len() <= EXPLICIT_KEPT);
        assert!(
            kept.iter()
                .all(|(layout, _)| layout.len() <= EXPLICIT_KEPT_BYTES)
        );
    });
}

/// Texts that are dates, nearly dates, or look like dates.
fn date_like() -> impl Strategy<Value = Vec<u8>> {
    let number = |from: u32, to: u32| (from..to).prop_map(|number| format!("{number:02}"));
    let parts = (
        (
            0_u32..3000,
            number(0, 14),
            number(0, 33),
            number(0, 26),
            number(0, 62),
            number(0, 62),
        ),
        prop::sample::select(vec![
            "Jan", "feb", "MAR", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "nov", "Dec",
            "Mon", "xyz",
        ]),
        prop::sample::select(vec!["", ".5", ",123456789", ".1234567890123", ".", ".x"]),
        prop::sample::select(vec![
            "",
            "Z",
            "+02:00",
            "-07:30",
            "+24:00",
            "+00:60",
            " +0200",
            " -0730",
            " +2400",
            " +0200 CEST",
        ]),
        0..8_usize,
    );
    let dates = parts.prop_map(|((y, m, d, hh, mm, ss), name, fraction, zone, form)| {
        let clock = format!("{hh}:{mm}:{ss}{fraction}");
        match form {
            0 => format!("{y:04}-{m}-{d}T{clock}{zone}"),
            1 => format!("{y:04}-{m}-{d} {clock}{zone}"),
            2 => format!("{y:04}/{m}/{d} {clock}"),
            3 => format!("{d}/{name}/{y:04}:{clock}{zone}"),
            4 => format!("{d}/{name}/{y:04}:{hh}:{mm}:{ss} +0000"),
            5 => format!("{name} {d} {clock}"),
            6 => format!("{name} {:>2} {clock}", d.trim_start_matches('0')),
            _ => format!("{name}  {clock}"),
        }
    });
    (
        dates,
        prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    )
        .prop_map(|(date, change)| {
            let mut bytes = date.into_bytes();
            if let Some((at, byte)) = change {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn recognised_dates_are_those_of_the_layouts(text in date_like(), year in 1990_i64..2100) {
        if let Some(time) = recognise::listed(&text, year) {
            prop_assert_eq!(Some(time), parse_listed(&text, year));
        }
    }

    #[test]
    fn layouts_passed_over_do_not_fit(text in date_like(), year in 1990_i64..2100) {
        let all = LISTED_LAYOUTS
            .iter()
            .filter_map(|layout| layout.parse(&text).ok())
            .find_map(|time| accept(time, year));
        prop_assert_eq!(parse_listed(&text, year), all);
    }

    #[test]
    fn no_bytes_are_the_zero_time(text in proptest::collection::vec(any::<u8>(), 0..40), layout in ".{0,20}") {
        let date = parse_date(&text, Some(&layout), 2026);
        prop_assert!(date.is_none_or(|date| !date.time.is_zero()));
    }
}

#[test]
fn common_forms_are_recognised_without_the_layouts() {
    for text in [
        "2024-01-02T03:04:05Z",
        "2024-01-02T03:04:05.123+02:00",
        "2024-01-02T03:04:05",
        "2024-01-02 03:04:05,5",
        "2024/01/02 03:04:05",
        "10/Mar/2024:06:00:00 +0000",
        "Mar 10 06:00:00",
        "Mar  1 06:00:00",
        "Feb 29 06:00:00",
    ] {
        assert!(recognise::listed(text.as_bytes(), 2026).is_some(), "{text}");
    }
}
