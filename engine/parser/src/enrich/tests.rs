//! Numbers as text.

use super::append_decimal;

#[test]
fn numbers_are_written_in_decimal() {
    for number in [0, 7, -7, 10, 13335, i64::MAX, i64::MIN] {
        let mut text = Vec::new();
        append_decimal(number, &mut text);
        assert_eq!(String::from_utf8(text).unwrap(), number.to_string());
    }
}
