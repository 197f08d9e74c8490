use proptest::prelude::*;

use super::*;

#[test]
fn texts_are_read_as_go_reads_them() {
    for (text, expected) in [
        ("0", Some(0)),
        ("-0", Some(0)),
        ("10s", Some(10_000_000_000)),
        ("1h30m", Some(5_400_000_000_000)),
        ("-1.5h", Some(-5_400_000_000_000)),
        ("+.5s", Some(500_000_000)),
        ("1.s", Some(1_000_000_000)),
        ("1us2µs3μs", Some(6_000)),
        ("1.0000000000000000000001s", Some(1_000_000_000)),
        ("9223372036854775807ns", Some(i64::MAX)),
        ("-9223372036854775808ns", Some(i64::MIN)),
        ("9223372036854775808ns", None),
        ("2562048h", None),
        ("", None),
        ("-", None),
        ("10", None),
        ("1 s", None),
        ("s", None),
        (".s", None),
        ("1d", None),
        ("1s-1s", None),
    ] {
        assert_eq!(parse(text).ok(), expected, "{text:?}");
    }
}

#[test]
fn errors_say_what_is_missing() {
    assert_eq!(
        parse("10"),
        Err(DurationError::MissingUnit("10".to_owned()))
    );
    let unit = DurationError::UnknownUnit {
        unit: "d".to_owned(),
        text: "1d".to_owned(),
    };
    assert_eq!(
        parse("1d").map_err(|err| err.to_string()),
        Err(unit.to_string())
    );
}

#[test]
fn days_may_come_first() {
    for (text, expected) in [
        ("7d", Some(7 * NS_PER_DAY)),
        ("-1d12h", Some(-(NS_PER_DAY + 43_200_000_000_000))),
        (" 4h ", Some(14_400_000_000_000)),
        ("1d1d", None),
        ("1h1d", None),
        ("1.5d", None),
        ("d", None),
        ("1d-1h", None),
        ("--1h", None),
        ("--1d", Some(NS_PER_DAY)),
        ("1d+1h", Some(NS_PER_DAY + 3_600_000_000_000)),
        ("-", Some(0)),
        ("106752d", None),
        ("", None),
        ("  ", None),
    ] {
        assert_eq!(parse_with_days(text).ok(), expected, "{text:?}");
    }
}

#[test]
fn texts_are_written_as_go_writes_them() {
    for (ns, expected) in [
        (0, "0s"),
        (1, "1ns"),
        (1_100, "1.1µs"),
        (35_776, "35.776µs"),
        (100_000_000, "100ms"),
        (1_500_000_000, "1.5s"),
        (-5_000_000_000, "-5s"),
        (60_000_000_000, "1m0s"),
        (170_000_000_000, "2m50s"),
        (3_600_000_000_000, "1h0m0s"),
        (7_265_000_000_001, "2h1m5.000000001s"),
        (i64::MAX, "2562047h47m16.854775807s"),
        (i64::MIN, "-2562047h47m16.854775808s"),
    ] {
        assert_eq!(format(ns), expected);
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(ns in any::<i64>(), shift in 0..63_u32) {
        let ns = ns >> shift;
        prop_assert_eq!(parse(&format(ns)), Ok(ns));
    }

    #[test]
    fn texts_that_are_read_are_written_and_read_again(text in "[-+0-9.nuµmshd ]{0,24}") {
        if let Ok(ns) = parse(&text) {
            prop_assert_eq!(parse(&format(ns)), Ok(ns));
            prop_assert_eq!(parse_with_days(&text), Ok(ns));
        }
    }
}
