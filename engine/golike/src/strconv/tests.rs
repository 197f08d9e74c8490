use proptest::prelude::*;

use super::*;

fn written(value: f64, form: FloatForm, precision: Option<usize>) -> String {
    let mut out = Vec::new();
    append_float(value, form, precision, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn shortest_texts_have_an_exponent_from_six_places_on() {
    for (value, expected) in [
        (200.0, "200"),
        (999_999.0, "999999"),
        (123_456.5, "123456.5"),
        (1e6, "1e+06"),
        (1_234_567.0, "1.234567e+06"),
        (123_456_789.0, "1.23456789e+08"),
        (2.1e7, "2.1e+07"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (0.0, "0"),
        (-0.0, "-0"),
        (f64::MAX, "1.7976931348623157e+308"),
        (f64::from_bits(1), "5e-324"),
        // Halfway between two shorter numbers: the even one.
        (
            f64::from_bits(4_836_495_003_942_949_949),
            "2.1590508504445592e+15",
        ),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
        (f64::NAN, "NaN"),
    ] {
        assert_eq!(format_shortest(value), expected);
    }
}

#[test]
fn json_has_an_exponent_only_where_numbers_are_far_from_one() {
    for (value, expected) in [
        (1e20, Ok("100000000000000000000")),
        (1e21, Ok("1e+21")),
        (0.000_001, Ok("0.000001")),
        (1e-7, Ok("1e-7")),
        (1.5e-10, Ok("1.5e-10")),
        (401.0, Ok("401")),
        (-0.0, Ok("-0")),
        (f64::NAN, Err(NotFinite)),
    ] {
        assert_eq!(format_json_float(value), expected.map(str::to_owned));
    }
    let mut out = Vec::new();
    append_json_float32(0.1, &mut out).unwrap();
    append_json_float32(f32::from_bits(3_365_028_308), &mut out).unwrap();
    assert_eq!(out, b"0.1-299534.62");
}

#[test]
fn six_places_are_written_for_statics() {
    for (value, expected) in [
        (401.0, "401.000000"),
        (7.181, "7.181000"),
        (0.000_000_5, "0.000000"),
        (0.000_001_5, "0.000002"),
        (-1.5, "-1.500000"),
        (1e21, "1000000000000000000000.000000"),
    ] {
        assert_eq!(format_fixed6(value), expected);
    }
}

#[test]
fn precision_counts_places_or_digits() {
    for (value, form, precision, expected) in [
        (2.5, FloatForm::Fixed, 0, "2"),
        (0.5, FloatForm::Exponent, 0, "5e-01"),
        (0.0, FloatForm::Exponent, 3, "0.000e+00"),
        (100_000.0, FloatForm::General, 5, "1e+05"),
        (100_000.0, FloatForm::General, 6, "100000"),
        (1234.5678, FloatForm::General, 6, "1234.57"),
        (9.99, FloatForm::Fixed, 1, "10.0"),
        (0.05, FloatForm::Fixed, 1, "0.1"),
    ] {
        assert_eq!(written(value, form, Some(precision)), expected);
    }
    assert_eq!(written(1.0, FloatForm::Fixed, Some(100_000)).len(), 100_002);
    assert_eq!(
        written(1.0, FloatForm::Exponent, Some(100_000)).len(),
        100_006
    );
}

#[test]
fn floats_are_read_as_go_reads_them() {
    for (text, expected) in [
        ("1.5", Ok(1.5)),
        (".5e1", Ok(5.0)),
        ("1_000.5", Ok(1000.5)),
        ("0x1.8p1", Ok(3.0)),
        ("-0X_1p-2", Ok(-0.25)),
        ("0x1.fffffffffffff8p0", Ok(2.0)),
        ("0x1.fffffffffffff7p0", Ok(1.999_999_999_999_999_8)),
        ("0x1p-1075", Ok(0.0)),
        ("0x1.8p-1075", Ok(5e-324)),
        ("iNf", Ok(f64::INFINITY)),
        ("-infinity", Ok(f64::NEG_INFINITY)),
        ("1e400", Err(FloatError::Range(f64::INFINITY))),
        ("-0x1p1024", Err(FloatError::Range(f64::NEG_INFINITY))),
        ("1__0", Err(FloatError::Syntax)),
        ("_1", Err(FloatError::Syntax)),
        ("0x1", Err(FloatError::Syntax)),
        ("0x", Err(FloatError::Syntax)),
        ("1e", Err(FloatError::Syntax)),
        ("+nan", Err(FloatError::Syntax)),
        ("infi", Err(FloatError::Syntax)),
        (" 1", Err(FloatError::Syntax)),
        ("", Err(FloatError::Syntax)),
    ] {
        assert_eq!(parse_float(text.as_bytes()), expected, "{text:?}");
    }
    assert!(parse_float(b"NaN").is_ok_and(f64::is_nan));
}

#[test]
fn integers_are_read_as_go_reads_them() {
    for (text, base, bits, expected) in [
        ("+42", 10, 64, Ok(42)),
        ("-9223372036854775808", 10, 64, Ok(i64::MIN)),
        (
            "9223372036854775808",
            10,
            64,
            Err(IntError::Range(i64::MAX)),
        ),
        ("-129", 10, 8, Err(IntError::Range(-128))),
        ("1_000", 10, 64, Err(IntError::Syntax)),
        ("1_000", 0, 64, Ok(1000)),
        ("0x_ff", 0, 64, Ok(255)),
        ("0o17", 0, 64, Ok(15)),
        ("017", 0, 64, Ok(15)),
        ("0b101", 0, 64, Ok(5)),
        ("0", 0, 64, Ok(0)),
        ("zz", 36, 64, Ok(1295)),
        ("1.5", 10, 64, Err(IntError::Syntax)),
        (" 1", 10, 64, Err(IntError::Syntax)),
        ("", 10, 64, Err(IntError::Syntax)),
        ("1", 1, 64, Err(IntError::Syntax)),
        ("1", 10, 0, Err(IntError::Syntax)),
    ] {
        assert_eq!(parse_int(text.as_bytes(), base, bits), expected, "{text:?}");
    }
    assert_eq!(parse_uint(b"18446744073709551615", 10), Ok(u64::MAX));
    assert_eq!(parse_uint(b"+1", 10), Err(IntError::Syntax));
}

#[test]
fn what_is_not_printable_is_escaped_in_quotes() {
    for (text, expected) in [
        (&b"plain \xc3\xa9"[..], "\"plain \u{e9}\""),
        (b"\"\\\n\x00\x7f", r#""\"\\\n\x00\x7f""#),
        (b"\xff\xe2\x82", r#""\xff\xe2\x82""#),
        (
            "\u{2028}\u{a0}\u{10ffff}\u{fffd}".as_bytes(),
            "\"\\u2028\\u00a0\\U0010ffff\u{fffd}\"",
        ),
        ("e\u{301}".as_bytes(), "\"e\u{301}\""),
    ] {
        assert_eq!(quote(text), expected);
    }
}

#[test]
fn integers_are_written_in_decimal() {
    for number in [0, 7, -7, 10, 13_335, i64::MAX, i64::MIN] {
        let mut text = Vec::new();
        append_decimal(number, &mut text);
        assert_eq!(String::from_utf8(text).unwrap(), number.to_string());
    }
    let mut text = Vec::new();
    append_int(-5, 4, &mut text);
    append_int(12_345, 4, &mut text);
    assert_eq!(text, b"-000512345");
}

proptest! {
    #[test]
    fn shortest_texts_read_back(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        prop_assert_eq!(parse_float(format_shortest(value).as_bytes()), Ok(value));
        prop_assert_eq!(parse_float(format_json_float(value).unwrap().as_bytes()), Ok(value));
    }

    #[test]
    fn integers_that_are_read_fit_their_size(text in "[-+0-9a-fxXpP._]{0,20}", base in 0..40_u32, bits in 0..70_u32) {
        if let Ok(number) = parse_int(text.as_bytes(), base, bits) {
            prop_assert!(i128::from(number).unsigned_abs() <= 1 << (bits - 1));
            prop_assert!(number < 0 || text.starts_with('+') || parse_uint(text.as_bytes(), base) == Ok(number.unsigned_abs()) || number == 0);
        }
        prop_assert!(parse_float(text.as_bytes()).is_ok_and(f64::is_infinite) == text.contains("inf"));
    }
}
