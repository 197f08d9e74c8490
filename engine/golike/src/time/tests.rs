use proptest::prelude::*;

use super::*;

fn utc(year: i64, month: u32, day: u32, hour: u32, minute: u32, second: u32) -> Time {
    let wall = WallClock {
        year,
        month,
        day,
        hour,
        minute,
        second,
    };
    Time::from_wall_clock(&wall, 0, 0)
}

fn nano_text(time: &Time) -> String {
    let mut out = Vec::new();
    append_rfc3339_nano(time, &mut out);
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn check_parse(layout: &str, text: &str, expected: &str) {
    let parsed = match Layout::compile(layout).parse(text.as_bytes()) {
        Ok(time) => nano_text(&time),
        Err(err) => err
            .to_string()
            .trim_start_matches("cannot parse time: ")
            .to_owned(),
    };
    assert_eq!(parsed, expected, "{text:?} in {layout:?}");
}

#[test]
fn elements_are_read_as_go_reads_them() {
    for (layout, text, expected) in [
        ("2006-01-02", "2022-12-31", "2022-12-31T00:00:00Z"),
        ("06 1 2 3:4:5 PM", "69 1 2 3:4:5 PM", "1969-01-02T15:04:05Z"),
        (
            "06 1 2 3:4:5 PM",
            "68 11 22 12:0:0 AM",
            "2068-11-22T00:00:00Z",
        ),
        ("3PM", "12PM", "0000-01-01T12:00:00Z"),
        ("3pm", "3PM", "bad value for AM or PM"),
        (
            "Monday, January 2 2006",
            "FRIDAY, august 5 2022",
            "2022-08-05T00:00:00Z",
        ),
        ("Mon Jan _2 2006", "Sun Aug  5 2022", "2022-08-05T00:00:00Z"),
        ("2006-002", "2024-060", "2024-02-29T00:00:00Z"),
        ("2006-002", "2023-366", "day of year out of range"),
        ("2006 __2", "2024   1", "2024-01-01T00:00:00Z"),
        ("15:04:05", "7:04:05", "0000-01-01T07:04:05Z"),
        ("15:04:05", "24:04:05", "hour out of range"),
        ("15:04:05", "07:60:05", "minute out of range"),
        ("15:04:05", "07:00:60", "second out of range"),
        ("15:04:05", "07:4:05", "bad value for minute"),
    ] {
        check_parse(layout, text, expected);
    }
}

#[test]
fn fractions_and_zones_are_read_as_go_reads_them() {
    for (layout, text, expected) in [
        ("04:05.000", "01:02.123", "0000-01-01T00:01:02.123Z"),
        ("04:05.000", "01:02.12", "bad value for fractional second"),
        ("04:05.000", "01:02.1234", "extra text"),
        ("04:05,999", "01:02.1234", "0000-01-01T00:01:02.1234Z"),
        ("04:05.999 x", "01:02 x", "0000-01-01T00:01:02Z"),
        (
            "2006-01-02 -0700",
            "2022-01-02 -0230",
            "2022-01-02T00:00:00-02:30",
        ),
        (
            "2006-01-02 -07",
            "2022-01-02 +02",
            "2022-01-02T00:00:00+02:00",
        ),
        ("2006-01-02 Z07:00", "2022-01-02 Z", "2022-01-02T00:00:00Z"),
        (
            "2006-01-02 Z07:00",
            "2022-01-02 +25:00",
            "time zone offset out of range",
        ),
        (
            "2006-01-02 Z0700",
            "2022-01-02 +0200",
            "2022-01-02T00:00:00+02:00",
        ),
        ("2006-01-02 MST", "2022-01-02 CEST", "2022-01-02T00:00:00Z"),
        (
            "2006-01-02 MST",
            "2022-01-02 GMT+3",
            "2022-01-02T03:00:00+03:00",
        ),
        ("2006-01-02 MST", "2022-01-02 GMT+24", "extra text"),
        (
            "2006-01-02 MST",
            "2022-01-02 ABCDE",
            "bad value for time zone name",
        ),
        ("Jan  2", "Feb 30", "day out of range"),
        ("Jan  2", "Feb 29", "0000-02-29T00:00:00Z"),
        (
            "2006 Jan",
            "2022Jan",
            "the text does not match the layout's fixed parts",
        ),
        ("2006 ", "2022", "2022-01-01T00:00:00Z"),
        ("Month 2006", "Month 2022", "2022-01-01T00:00:00Z"),
        ("", "", "0000-01-01T00:00:00Z"),
    ] {
        check_parse(layout, text, expected);
    }
}

#[test]
fn elements_are_written_as_go_writes_them() {
    let time = Time {
        nanos: 120_000_000,
        offset_secs: -(2 * 3600 + 1800),
        ..utc(2024, 2, 3, 4, 5, 6)
    };
    for (layout, expected) in [
        ("2006-01-02T15:04:05Z07:00", "2024-02-03T01:35:06-02:30"),
        (
            "06 1 Jan January 2 _2 02 002 __2",
            "24 2 Feb February 3  3 03 034  34",
        ),
        (
            "Mon Monday 3:4:5 PM 03:04:05pm",
            "Sat Saturday 1:35:6 AM 01:35:06am",
        ),
        (".000 .999 ,00 ,9 .000000000", ".120 .12 ,12 ,1 .120000000"),
        (
            "-07 -0700 -07:00 -070000 MST",
            "-02 -0230 -02:30 -023000 -0230",
        ),
        ("Z07:00 x Month é", "-02:30 x Month é"),
        ("1504", "0135"),
    ] {
        assert_eq!(Layout::compile(layout).format(&time), expected, "{layout}");
    }
    assert_eq!(
        Layout::compile("Z07:00 MST -0700").format(&time.in_utc()),
        "Z UTC +0000"
    );
    assert_eq!(
        Layout::compile("2006").format(&utc(55_840, 1, 1, 0, 0, 0)),
        "55840"
    );
    assert_eq!(
        Layout::compile("2006").format(&utc(-5, 1, 1, 0, 0, 0)),
        "-0005"
    );
    assert_eq!(Layout::compile("5.999").format(&utc(1, 1, 1, 0, 0, 7)), "7");
}

#[test]
fn the_default_text_repeats_the_offset_unless_it_is_zero() {
    let time = utc(2022, 1, 1, 10, 0, 0);
    assert_eq!(time.default_text(), "2022-01-01 10:00:00 +0000 UTC");
    let zoned = Time {
        offset_secs: 3600,
        nanos: 1_500_000,
        ..time
    };
    assert_eq!(zoned.default_text(), "2022-01-01 11:00:00.0015 +0100 +0100");
}

#[test]
fn rfc3339_is_read_with_the_leniency_of_go() {
    for (text, expected) in [
        ("2024-01-02T03:04:05Z", Some("2024-01-02T03:04:05Z")),
        ("2024-01-02T3:04:05,5Z", Some("2024-01-02T03:04:05.5Z")),
        (
            "2024-01-02T03:04:05-00:30",
            Some("2024-01-02T03:04:05-00:30"),
        ),
        ("2024-01-02T03:04:05", None),
        ("2024-01-02 03:04:05Z", None),
        ("", None),
    ] {
        let text = parse_rfc3339(text.as_bytes()).map(|time| nano_text(&time));
        assert_eq!(text.as_deref(), expected);
    }
}

#[test]
fn calendar_fields_are_those_of_the_own_zone() {
    let time = Time {
        offset_secs: 3600,
        ..utc(2023, 12, 31, 23, 30, 15)
    };
    let fields = (
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
    );
    assert_eq!(fields, (2024, 1, 1, 0, 30));
    assert_eq!((time.second(), time.year_day()), (15, 1));
    assert_eq!(weekday_name(time.weekday()), "Monday");
    assert_eq!(weekday_name(time.in_utc().weekday()), "Sunday");
    assert_eq!(
        (time.unix(), time.unix_milli()),
        (1_704_065_415, 1_704_065_415_000)
    );
}

#[test]
fn arithmetic_carries_and_saturates() {
    let time = utc(2024, 2, 29, 12, 0, 0);
    assert_eq!(nano_text(&time.add_years(1)), "2025-03-01T12:00:00Z");
    assert_eq!(nano_text(&time.add_date(0, 12, 1)), "2025-03-02T12:00:00Z");
    assert_eq!(nano_text(&time.add(-1)), "2024-02-29T11:59:59.999999999Z");
    assert_eq!(time.sub(&time.add(7)), -7);
    assert_eq!(time.sub(&Time::ZERO), i64::MAX);
    assert_eq!(Time::ZERO.sub(&time), i64::MIN);
    let odd = time.add(90_000_000_000 + 5);
    assert_eq!(
        nano_text(&odd.truncate(60_000_000_000)),
        "2024-02-29T12:01:00Z"
    );
    assert_eq!(
        nano_text(&odd.round(60_000_000_000)),
        "2024-02-29T12:02:00Z"
    );
    assert_eq!(odd.truncate(0), odd);
    assert_eq!(odd.round(-1), odd);
    assert!(time.before(&odd) && odd.after(&time) && !time.before(&time));
}

#[test]
fn far_years_do_not_panic() {
    for secs in [i64::MIN, i64::MIN / 2, 1_700_000_000_123, i64::MAX] {
        for offset_secs in [i32::MIN, 0, i32::MAX] {
            let time = Time {
                secs,
                nanos: 999_999_999,
                offset_secs,
            };
            let shifted = [
                time.add(i64::MAX),
                time.add(i64::MIN),
                time.truncate(i64::MAX),
                time.round(i64::MAX),
                time.add_date(i64::MAX, i64::MAX, i64::MAX),
                time.add_date(i64::MIN, i64::MIN, i64::MIN),
            ];
            for time in shifted {
                assert!(time.nanos < 1_000_000_000);
                assert!((1..=366).contains(&time.year_day()));
                assert!(
                    time.default_text()
                        .ends_with(if offset_secs == 0 { "UTC" } else { "" })
                );
                assert!(!nano_text(&time).is_empty());
                assert_eq!(time.unix_milli() < 0, time.unix() < 0);
                assert_eq!(time.unix_micro() < 0, time.unix() < 0);
            }
        }
    }
}

proptest! {
    #[test]
    fn what_a_layout_writes_it_reads_back(secs in -62_135_596_800_i64..253_402_300_799, nanos in 0..1_000_000_000_u32, minutes in -1439..1440_i32) {
        let time = Time { secs, nanos, offset_secs: minutes * 60 };
        prop_assume!((0..10_000).contains(&time.year()));
        let layout = Layout::compile("Mon, 02 Jan 2006 15:04:05.000000000 -0700");
        prop_assert_eq!(layout.parse(layout.format(&time).as_bytes()), Ok(time));
        prop_assert_eq!(parse_rfc3339(nano_text(&time).as_bytes()), Some(time));
    }

    #[test]
    fn what_a_layout_reads_is_a_time(layout in "[0-9A-Za-z_.,:-]{0,12}", text in proptest::collection::vec(any::<u8>(), 0..24), secs in any::<i64>()) {
        let layout = Layout::compile(&layout);
        let written = layout.format(&Time { secs, nanos: 5, offset_secs: 1 });
        for text in [&text[..], written.as_bytes()] {
            let nanos = layout.parse(text).map_or(0, |time| time.nanos);
            prop_assert!(nanos < 1_000_000_000);
        }
    }
}
