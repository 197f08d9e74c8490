//! Go's `strings` package over byte strings that need not be UTF-8.
//!
//! Go reads a character at a time and takes each byte that is not UTF-8 for one U+FFFD; functions
//! that look at characters do the same here. Functions that only compare bytes leave bytes alone.
//! Everything is linear in the input, but for [`index_any`], [`trim`] and kin, which multiply by
//! the length of the set.

mod case;
mod split;
mod trim;

use std::borrow::Cow;

use memchr::memmem;

pub use case::{lower, lower_rune, upper, upper_rune};
pub use split::{fields, split, split_after, split_after_n, split_n};
pub use trim::{is_space, trim, trim_left, trim_prefix, trim_right, trim_space, trim_suffix};

/// Largest text that [`replace`] and [`repeat`] make; what would be longer is refused.
pub const RESULT_BYTES_MAX: usize = 64 << 20;

/// A text would be larger than [`RESULT_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("resulting text would be larger than {RESULT_BYTES_MAX} bytes")]
pub struct TooLarge;

const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// The first character and its length; U+FFFD and 1 when the text does not begin with UTF-8.
/// `None` for the empty text.
#[must_use]
pub fn decode_rune(text: &[u8]) -> Option<(char, usize)> {
    let first = *text.first()?;
    if first.is_ascii() {
        return Some((char::from(first), 1));
    }
    let head = &text[..text.len().min(4)];
    let valid = match std::str::from_utf8(head) {
        Ok(valid) => valid,
        Err(err) => std::str::from_utf8(&head[..err.valid_up_to()]).unwrap_or_default(),
    };
    let rune = valid.chars().next();
    Some(rune.map_or((char::REPLACEMENT_CHARACTER, 1), |rune| {
        (rune, rune.len_utf8())
    }))
}

/// The last character and its length, as [`decode_rune`].
#[must_use]
pub fn decode_last_rune(text: &[u8]) -> Option<(char, usize)> {
    let last = *text.last()?;
    if last.is_ascii() {
        return Some((char::from(last), 1));
    }
    for len in 2..=text.len().min(4) {
        let tail = &text[text.len() - len..];
        if let Some((rune, rune_len)) = decode_rune(tail)
            && rune_len == len
        {
            return Some((rune, len));
        }
    }
    Some((char::REPLACEMENT_CHARACTER, 1))
}

/// The characters of a text, with where each begins.
pub fn runes(text: &[u8]) -> impl Iterator<Item = (usize, char)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (rune, len) = decode_rune(&text[at..])?;
        let start = at;
        at += len;
        Some((start, rune))
    })
}

/// The number of characters; a byte that is not UTF-8 counts as one.
#[must_use]
pub fn rune_count(text: &[u8]) -> usize {
    text.utf8_chunks()
        .map(|chunk| chunk.valid().chars().count() + chunk.invalid().len())
        .sum()
}

/// The text with each byte that is not UTF-8 replaced by U+FFFD, as a Go loop over characters
/// sees it. (`String::from_utf8_lossy` makes one of several bytes.)
#[must_use]
pub fn to_valid(text: &[u8]) -> Cow<'_, [u8]> {
    if std::str::from_utf8(text).is_ok() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len() + 8);
    for chunk in text.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        for _ in chunk.invalid() {
            out.extend_from_slice(REPLACEMENT);
        }
    }
    Cow::Owned(out)
}

/// [`to_valid`] as a string.
#[must_use]
pub fn to_valid_string(text: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(text) {
        return Cow::Borrowed(text);
    }
    match to_valid(text) {
        Cow::Borrowed(valid) => String::from_utf8_lossy(valid),
        Cow::Owned(valid) => Cow::Owned(
            String::from_utf8(valid)
                .unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into_owned()),
        ),
    }
}

/// Whether `part` occurs in the text; the empty part does.
#[must_use]
pub fn contains(text: &[u8], part: &[u8]) -> bool {
    memmem::find(text, part).is_some()
}

/// Where `part` first occurs.
#[must_use]
pub fn index(text: &[u8], part: &[u8]) -> Option<usize> {
    memmem::find(text, part)
}

/// Where `part` last occurs; the empty part at the end.
#[must_use]
pub fn last_index(text: &[u8], part: &[u8]) -> Option<usize> {
    memmem::rfind(text, part)
}

/// Where the first character that is in `chars` stands. A byte that is not UTF-8 is found by any
/// other such byte, and by U+FFFD.
#[must_use]
pub fn index_any(text: &[u8], chars: &[u8]) -> Option<usize> {
    let set: Vec<char> = runes(chars).map(|(_, rune)| rune).collect();
    runes(text)
        .find(|(_, rune)| set.contains(rune))
        .map(|(at, _)| at)
}

/// The number of places where `part` occurs without overlap; for the empty part one more than
/// there are characters.
#[must_use]
pub fn count(text: &[u8], part: &[u8]) -> usize {
    if part.is_empty() {
        rune_count(text) + 1
    } else {
        memmem::find_iter(text, part).count()
    }
}

/// The text with the first `limit` occurrences of `old` replaced; all of them if `limit` is
/// negative. The empty `old` occurs before each character and at the end.
///
/// # Errors
///
/// When the result would be larger than [`RESULT_BYTES_MAX`].
pub fn replace<'t>(
    text: &'t [u8],
    old: &[u8],
    new: &[u8],
    limit: i64,
) -> Result<Cow<'t, [u8]>, TooLarge> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if old == new || limit == 0 {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = Vec::new();
    let mut copied_to = 0;
    let mut replace_at = |at: usize, len: usize| {
        out.extend_from_slice(&text[copied_to..at]);
        out.extend_from_slice(new);
        copied_to = at + len;
        if out.len() > RESULT_BYTES_MAX {
            Err(TooLarge)
        } else {
            Ok(())
        }
    };
    if old.is_empty() {
        let ends = runes(text).map(|(at, _)| at).chain([text.len()]);
        ends.take(limit).try_for_each(|at| replace_at(at, 0))?;
    } else {
        memmem::find_iter(text, old)
            .take(limit)
            .try_for_each(|at| replace_at(at, old.len()))?;
    }
    if copied_to == 0 && out.is_empty() {
        return Ok(Cow::Borrowed(text));
    }
    out.extend_from_slice(&text[copied_to..]);
    if out.len() > RESULT_BYTES_MAX {
        Err(TooLarge)
    } else {
        Ok(Cow::Owned(out))
    }
}

/// The text `n` times.
///
/// # Errors
///
/// When the result would be larger than [`RESULT_BYTES_MAX`].
pub fn repeat(text: &[u8], n: usize) -> Result<Vec<u8>, TooLarge> {
    match text.len().checked_mul(n) {
        Some(len) if len <= RESULT_BYTES_MAX => Ok(text.repeat(n)),
        _ => Err(TooLarge),
    }
}

/// The parts with a separator between them.
#[must_use]
pub fn join<T: AsRef<[u8]>>(parts: &[T], separator: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(separator);
        }
        out.extend_from_slice(part.as_ref());
    }
    out
}

#[cfg(test)]
mod tests;
