//! Splitting.

use memchr::memmem;

use super::{decode_rune, trim::is_space};

/// The parts between separators. An empty separator parts the characters, with each byte that is
/// not UTF-8 on its own; the empty text has one part, or none if the separator is empty too.
#[must_use]
pub fn split<'t>(text: &'t [u8], separator: &[u8]) -> Vec<&'t [u8]> {
    split_keeping(text, separator, 0, None)
}

/// At most `n` parts, the last of which is the unsplit rest; all if `n` is negative. `None`, Go's
/// nil list, if `n` is 0.
#[must_use]
pub fn split_n<'t>(text: &'t [u8], separator: &[u8], n: i64) -> Option<Vec<&'t [u8]>> {
    (n != 0).then(|| split_keeping(text, separator, 0, usize::try_from(n).ok()))
}

/// As [`split`], each part with the separator after it.
#[must_use]
pub fn split_after<'t>(text: &'t [u8], separator: &[u8]) -> Vec<&'t [u8]> {
    split_keeping(text, separator, separator.len(), None)
}

/// As [`split_n`], each part with the separator after it.
#[must_use]
pub fn split_after_n<'t>(text: &'t [u8], separator: &[u8], n: i64) -> Option<Vec<&'t [u8]>> {
    (n != 0).then(|| split_keeping(text, separator, separator.len(), usize::try_from(n).ok()))
}

/// The parts between runs of Unicode white space; none of them is empty.
#[must_use]
pub fn fields(text: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut start = None;
    let mut at = 0;
    while let Some((rune, len)) = decode_rune(&text[at..]) {
        if !is_space(rune) {
            start = start.or(Some(at));
        } else if let Some(start) = start.take() {
            parts.push(&text[start..at]);
        }
        at += len;
    }
    if let Some(start) = start {
        parts.push(&text[start..]);
    }
    parts
}

fn split_keeping<'t>(
    text: &'t [u8],
    separator: &[u8],
    kept: usize,
    limit: Option<usize>,
) -> Vec<&'t [u8]> {
    let limit = limit.unwrap_or(usize::MAX);
    if separator.is_empty() {
        return explode(text, limit);
    }
    let mut parts = Vec::new();
    let mut start = 0;
    for at in memmem::find_iter(text, separator).take(limit - 1) {
        parts.push(&text[start..at + kept]);
        start = at + separator.len();
    }
    parts.push(&text[start..]);
    parts
}

fn explode(text: &[u8], limit: usize) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((_, len)) = decode_rune(rest) {
        if parts.len() + 1 == limit {
            parts.push(rest);
            break;
        }
        let (head, tail) = rest.split_at(len);
        parts.push(head);
        rest = tail;
    }
    parts
}
