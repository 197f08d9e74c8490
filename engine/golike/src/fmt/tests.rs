use proptest::prelude::*;

use super::*;

fn str(text: &str) -> Arg {
    Arg::Str(text.as_bytes().to_vec())
}

#[track_caller]
fn check(format: &str, args: &[Arg], expected: &str) {
    let text = sprintf(format.as_bytes(), args);
    assert_eq!(String::from_utf8_lossy(&text), expected, "{format:?}");
}

#[test]
fn verbs_print_what_go_prints() {
    let list = Arg::List {
        items: vec![Arg::int(1), str("a"), Arg::Nil],
        go_type: "[]interface {}",
    };
    let map = Arg::Map {
        members: vec![(b"a".to_vec(), Arg::int(1))],
        go_type: "map[string]int",
    };
    for (format, arg, expected) in [
        ("%v", Arg::Float64(1e6), "1e+06"),
        ("%v", Arg::Float32(0.1), "0.1"),
        ("%v", Arg::Nil, "<nil>"),
        ("%t", Arg::Bool(true), "true"),
        (
            "%d|%x|%X|%o|%b",
            Arg::int(10),
            "10|%!x(MISSING)|%!X(MISSING)|%!o(MISSING)|%!b(MISSING)",
        ),
        ("%x", Arg::int(-255), "-ff"),
        ("%#x", Arg::int(255), "0xff"),
        ("%c", Arg::int(233), "é"),
        ("%q", Arg::int(233), "'é'"),
        ("%U", Arg::int(0x1f600), "U+1F600"),
        ("%s", str("a\u{e9}"), "a\u{e9}"),
        ("%q", str("a\"b\n"), r#""a\"b\n""#),
        ("%x", str("hi"), "6869"),
        ("% X", str("hi"), "68 69"),
        ("%v", Arg::Bytes(b"hi".to_vec()), "[104 105]"),
        ("%s", Arg::Bytes(b"hi".to_vec()), "hi"),
        ("%v", list.clone(), "[1 a <nil>]"),
        (
            "%#v",
            list.clone(),
            "[]interface {}{1, \"a\", interface {}(nil)}",
        ),
        ("%d", list, "[1 %!d(string=a) <nil>]"),
        ("%v", map.clone(), "map[a:1]"),
        ("%T", map, "map[string]int"),
        ("%v", Arg::Duration(90_000_000_000), "1m30s"),
        ("%d", Arg::Duration(5), "5"),
        (
            "%s",
            Arg::Time(Time::from_unix(0)),
            "1970-01-01 00:00:00 +0000 UTC",
        ),
        (
            "%v",
            Arg::Other {
                text: b"Saturday".to_vec(),
                go_type: "time.Weekday",
            },
            "Saturday",
        ),
    ] {
        check(format, &[arg], expected);
    }
}

#[test]
fn width_precision_and_flags_are_honoured() {
    for (format, arg, expected) in [
        ("%5d|", Arg::int(42), "   42|"),
        ("%-5d|", Arg::int(42), "42   |"),
        ("%05d|", Arg::int(-42), "-0042|"),
        ("%+d", Arg::int(42), "+42"),
        ("%.5d", Arg::int(42), "00042"),
        ("%8.3d|", Arg::int(42), "     042|"),
        ("%.2f", Arg::Float64(2.345), "2.35"),
        ("%08.2f", Arg::Float64(-2.5), "-0002.50"),
        ("%e", Arg::Float64(1234.5), "1.234500e+03"),
        ("%G", Arg::Float64(1e-10), "1E-10"),
        ("%#g", Arg::Float64(1.0), "1.00000"),
        ("%.3s", str("abcdef"), "abc"),
        ("%6.3s|", str("éèêë"), "   éèê|"),
        ("%6v|", Arg::Float64(f64::INFINITY), "  +Inf|"),
    ] {
        check(format, &[arg], expected);
    }
}

#[test]
fn arguments_can_be_chosen_and_can_be_widths() {
    let args = [Arg::int(5), Arg::int(7), str("x")];
    check("%[2]d %[1]d", &args, "7 5");
    check("%*d|%s", &args, "    7|x");
    check("%[1]*[2]d|", &args, "    7|");
    check("%.*f", &[Arg::int(2), Arg::Float64(1.0)], "1.00");
}

#[test]
fn a_format_that_does_not_fit_leaves_a_marker() {
    for (format, args, expected) in [
        ("%s", vec![], "%!s(MISSING)"),
        ("%d", vec![Arg::Float64(5.0)], "%!d(float64=5)"),
        ("%s", vec![Arg::int(5)], "%!s(int=5)"),
        ("%d", vec![Arg::Nil], "%!d(<nil>)"),
        (
            "x",
            vec![Arg::int(1), str("a")],
            "x%!(EXTRA int=1, string=a)",
        ),
        ("%", vec![], "%!(NOVERB)"),
        ("%!", vec![], "%!!(MISSING)"),
        ("100%%", vec![], "100%"),
        ("%[5]d", vec![Arg::int(1)], "%!d(BADINDEX)"),
        ("%[x]d", vec![Arg::int(1)], "%!d(BADINDEX)"),
        ("%*d", vec![str("a"), Arg::int(1)], "%!(BADWIDTH)1"),
        ("%.*d", vec![str("a"), Arg::int(1)], "%!(BADPREC)1"),
    ] {
        check(format, &args, expected);
    }
}

#[test]
fn texts_have_a_limit() {
    let format = "%1000000d".repeat(1000);
    let args = vec![Arg::int(1); 1000];
    assert_eq!(sprintf(format.as_bytes(), &args).len(), TEXT_BYTES_MAX);
    let list = Arg::List {
        items: args,
        go_type: "[]interface {}",
    };
    assert_eq!(sprintf(b"%9999999d", &[list]).len(), TEXT_BYTES_MAX);
}

proptest! {
    #[test]
    fn no_format_exceeds_the_limit(format in "[%a-zA-Z0-9.*#+\\[\\] -]{0,16}", number in any::<i64>(), float in any::<f64>()) {
        let args = [Arg::int(number), Arg::Float64(float), str("text"), Arg::Nil];
        prop_assert!(sprintf(format.as_bytes(), &args).len() <= TEXT_BYTES_MAX);
    }
}
