//! Upper and lower case, one character to one character.
//!
//! Rust maps a character to several where Unicode's special casing says so (`ß` to `SS`); Go maps
//! by the simple mapping alone (`ß` to `ß`).

use std::borrow::Cow;

use super::REPLACEMENT;

/// The text in upper case.
#[must_use]
pub fn upper(text: &[u8]) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return if text.iter().any(u8::is_ascii_lowercase) {
            Cow::Owned(text.to_ascii_uppercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    Cow::Owned(map(text, upper_rune))
}

/// The text in lower case.
#[must_use]
pub fn lower(text: &[u8]) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return if text.iter().any(u8::is_ascii_uppercase) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    Cow::Owned(map(text, lower_rune))
}

/// One character in upper case, by Unicode's simple mapping.
#[must_use]
pub fn upper_rune(rune: char) -> char {
    let mut full = rune.to_uppercase();
    match (full.next(), full.next()) {
        (Some(single), None) => single,
        // Greek letters with iota subscript have a simple mapping besides the full one.
        _ => match u32::from(rune) {
            code @ (0x1f80..=0x1f87 | 0x1f90..=0x1f97 | 0x1fa0..=0x1fa7) => {
                char::from_u32(code + 8).unwrap_or(rune)
            }
            code @ (0x1fb3 | 0x1fc3 | 0x1ff3) => char::from_u32(code + 9).unwrap_or(rune),
            _ => rune,
        },
    }
}

/// One character in lower case, by Unicode's simple mapping.
#[must_use]
pub fn lower_rune(rune: char) -> char {
    let mut full = rune.to_lowercase();
    match (full.next(), full.next()) {
        (Some(single), None) => single,
        // The only full mapping to several characters: the capital I with a dot above.
        _ if rune == '\u{130}' => 'i',
        _ => rune,
    }
}

fn map(text: &[u8], map_rune: fn(char) -> char) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 8);
    for chunk in text.utf8_chunks() {
        for rune in chunk.valid().chars() {
            out.extend_from_slice(map_rune(rune).encode_utf8(&mut [0; 4]).as_bytes());
        }
        for _ in chunk.invalid() {
            out.extend_from_slice(REPLACEMENT);
        }
    }
    out
}
