//! Number literals.

use super::{Lexer, TokenKind, is_name_part};
use crate::error::CompileError;

impl Lexer<'_> {
    /// A number that starts here.
    pub(super) fn number(&mut self) -> Result<TokenKind, CompileError> {
        let start = self.at;
        let rest = self.rest();
        let base = match rest.get(..2) {
            Some("0x" | "0X") => 16,
            Some("0b" | "0B") => 2,
            Some("0o" | "0O") => 8,
            _ => 10,
        };
        let len = if base == 10 {
            decimal_len(rest)
        } else {
            2 + digits_len(&rest[2..], base)
        };
        let text = rest.get(..len).unwrap_or_default();
        self.at += len;
        if self.peek().is_some_and(is_name_part) {
            return Err(self.error(start, format!("bad number syntax: {text:?}")));
        }
        let plain: String = text.chars().filter(|c| *c != '_').collect();
        let bad = |_| self.error(start, format!("invalid number: {text}"));
        if base != 10 {
            let digits = plain.get(2..).unwrap_or_default();
            return i64::from_str_radix(digits, base)
                .map(TokenKind::Int)
                .map_err(bad);
        }
        if plain.contains(['.', 'e', 'E']) {
            let value: Result<f64, _> = plain.parse();
            return match value {
                Ok(value) if value.is_finite() => Ok(TokenKind::Float(value)),
                _ => Err(self.error(start, format!("invalid float: {text}"))),
            };
        }
        plain.parse().map(TokenKind::Int).map_err(bad)
    }
}

/// Length of a decimal number: digits, a fraction unless a range follows, an exponent.
fn decimal_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut len = digits_len(text, 10);
    if bytes.get(len) == Some(&b'.') && bytes.get(len + 1) != Some(&b'.') {
        len += 1 + digits_len(text.get(len + 1..).unwrap_or_default(), 10);
    }
    if matches!(bytes.get(len), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(len + 1), Some(b'+' | b'-')));
        len += 1 + sign;
        len += digits_len(text.get(len..).unwrap_or_default(), 10);
    }
    len
}

fn digits_len(text: &str, base: u32) -> usize {
    text.find(|c: char| c != '_' && !c.is_digit(base))
        .unwrap_or(text.len())
}
