//! Numbers and timestamps: `Atof`, `FloatApproxEqual`, `ParseUnix`.

use overspill_golike::strconv::{FloatError, parse_float};
use overspill_golike::time;

/// The number a text stands for; 0 if it stands for none, an infinity if it is too large.
#[must_use]
pub fn atof(text: &[u8]) -> f64 {
    match parse_float(text) {
        Ok(number) | Err(FloatError::Range(number)) => number,
        Err(FloatError::Syntax) => 0.0,
    }
}

/// Whether two numbers differ by less than a millionth.
#[must_use]
pub fn float_approx_equal(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-6
}

/// A Unix timestamp in RFC 3339, in UTC; what follows the first `.` does not count. `None` if the
/// text has no positive number there, where the helper yields the empty string.
#[must_use]
pub fn parse_unix(text: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(20);
    time::append_rfc3339(&time::parse_unix(text)?, &mut out);
    Some(out.into_iter().map(char::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_or_is_zero() {
        for (text, expected) in [
            ("1.5", 1.5),
            ("1_000.5", 1000.5),
            ("0x1p-2", 0.25),
            ("", 0.0),
            (" 1", 0.0),
            ("1e999", f64::INFINITY),
            ("-1e999", f64::NEG_INFINITY),
        ] {
            assert_eq!(atof(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn numbers_that_are_close_are_equal() {
        assert!(float_approx_equal(0.1 + 0.2, 0.3));
        assert!(!float_approx_equal(1.0, 1.000_01));
        assert!(!float_approx_equal(f64::INFINITY, f64::INFINITY));
    }

    #[test]
    fn only_positive_seconds_are_a_timestamp() {
        for (text, expected) in [
            ("1700000000", Some("2023-11-14T22:13:20Z")),
            ("1700000000.999", Some("2023-11-14T22:13:20Z")),
            ("1700000000123", Some("55840-11-08T22:15:23Z")),
            ("1700000000.x", Some("2023-11-14T22:13:20Z")),
            ("0", None),
            ("-5", None),
            ("x", None),
            (".5", None),
        ] {
            assert_eq!(parse_unix(text.as_bytes()).as_deref(), expected, "{text}");
        }
    }
}
