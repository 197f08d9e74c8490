//! Trimming.

use super::{decode_last_rune, decode_rune, runes};

/// Whether Go's `unicode.IsSpace` holds.
#[must_use]
pub fn is_space(rune: char) -> bool {
    rune.is_whitespace()
}

/// The text without white space at its ends.
#[must_use]
pub fn trim_space(text: &[u8]) -> &[u8] {
    right_while(left_while(text, is_space), is_space)
}

/// The text without characters of a set at its ends.
#[must_use]
pub fn trim<'t>(text: &'t [u8], set: &[u8]) -> &'t [u8] {
    let set = Set::new(set);
    right_while(left_while(text, |rune| set.has(rune)), |rune| set.has(rune))
}

/// The text without characters of a set at its beginning.
#[must_use]
pub fn trim_left<'t>(text: &'t [u8], set: &[u8]) -> &'t [u8] {
    let set = Set::new(set);
    left_while(text, |rune| set.has(rune))
}

/// The text without characters of a set at its end.
#[must_use]
pub fn trim_right<'t>(text: &'t [u8], set: &[u8]) -> &'t [u8] {
    let set = Set::new(set);
    right_while(text, |rune| set.has(rune))
}

/// The text without a prefix, if it has it.
#[must_use]
pub fn trim_prefix<'t>(text: &'t [u8], prefix: &[u8]) -> &'t [u8] {
    text.strip_prefix(prefix).unwrap_or(text)
}

/// The text without a suffix, if it has it.
#[must_use]
pub fn trim_suffix<'t>(text: &'t [u8], suffix: &[u8]) -> &'t [u8] {
    text.strip_suffix(suffix).unwrap_or(text)
}

/// A set of characters.
struct Set(Vec<char>);

impl Set {
    fn new(chars: &[u8]) -> Self {
        Self(runes(chars).map(|(_, rune)| rune).collect())
    }

    fn has(&self, rune: char) -> bool {
        self.0.contains(&rune)
    }
}

fn left_while(mut text: &[u8], drop: impl Fn(char) -> bool) -> &[u8] {
    while let Some((rune, len)) = decode_rune(text) {
        if !drop(rune) {
            break;
        }
        text = &text[len..];
    }
    text
}

fn right_while(mut text: &[u8], drop: impl Fn(char) -> bool) -> &[u8] {
    while let Some((rune, len)) = decode_last_rune(text) {
        if !drop(rune) {
            break;
        }
        text = &text[..text.len() - len];
    }
    text
}
