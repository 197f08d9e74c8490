//! `ParseKV` and `ParseKVLax`: `key=value` pairs of a line.

use std::borrow::Cow;

use overspill_golike::strings::trim_space;

/// The line has no pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid input format: no key/value pair")]
pub struct NoPairs;

/// A key and its value as they stand in the line.
pub type Pair<'t> = (&'t [u8], &'t [u8]);

/// A key and its value, without the backslashes that stood for quoting.
pub type LaxPair<'t> = (&'t [u8], Cow<'t, [u8]>);

/// The pairs of `ParseKV`, in order; the last of equal keys counts.
///
/// A key is a run of characters other than `=` and white space. Its value is a text in double
/// quotes, in which a backslash takes the next character along and stays; or else a run of
/// characters other than `=` and white space; or else nothing.
///
/// # Errors
///
/// When there is no pair.
pub fn parse(line: &[u8]) -> Result<Vec<Pair<'_>>, NoPairs> {
    let mut pairs = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while let Some(byte) = line.get(at) {
        match byte {
            b'=' if at > from => {
                let key = &line[from..at];
                let (value, end) = value(line, at + 1);
                pairs.push((key, value));
                from = end;
                at = end;
            }
            b'=' | b' ' | b'\t' | b'\n' | b'\x0c' | b'\r' => {
                at += 1;
                from = at;
            }
            _ => at += 1,
        }
    }
    if pairs.is_empty() {
        Err(NoPairs)
    } else {
        Ok(pairs)
    }
}

/// The value that begins at `start`, and where reading goes on.
fn value(line: &[u8], start: usize) -> (&[u8], usize) {
    let rest = &line[start..];
    if let Some(len) = rest.strip_prefix(b"\"").and_then(quoted_len) {
        return (&rest[1..=len], start + len + 2);
    }
    let ends = |byte: &u8| matches!(byte, b'=' | b' ' | b'\t' | b'\n' | b'\x0c' | b'\r');
    let len = rest.iter().position(ends).unwrap_or(rest.len());
    (&rest[..len], start + len)
}

/// The length of a text up to its closing quote; `None` if there is none, or if a backslash
/// stands before a line end.
fn quoted_len(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', &text[at..])?;
        if text[at] == b'"' {
            return Some(at);
        }
        if *text.get(at + 1)? == b'\n' {
            return None;
        }
        at += 2;
    }
}

/// The pairs of `ParseKVLax`, in order; the last of equal keys counts.
///
/// A key is a name (letters, digits, `_`, `.`, `-`, not beginning with a digit, `.` or `-`) before
/// a `=`, outside double quotes. Its value goes on to the next key, without white space at its
/// ends. Quotes around a value are removed, and backslashes before quotes and backslashes in it.
///
/// # Errors
///
/// When there is no key.
pub fn parse_lax(line: &[u8]) -> Result<Vec<LaxPair<'_>>, NoPairs> {
    let keys = lax_keys(line);
    let mut pairs = Vec::with_capacity(keys.len());
    for (index, (start, end)) in keys.iter().enumerate() {
        let value_end = keys.get(index + 1).map_or(line.len(), |next| next.0);
        let value = trim_space(&line[end + 1..value_end]);
        pairs.push((&line[*start..*end], lax_value(value)));
    }
    if pairs.is_empty() {
        Err(NoPairs)
    } else {
        Ok(pairs)
    }
}

/// Where each key begins and ends.
fn lax_keys(line: &[u8]) -> Vec<(usize, usize)> {
    let mut keys = Vec::new();
    let mut name_from = None;
    let mut in_quotes = false;
    let mut backslashes = 0_usize;
    for (at, byte) in line.iter().enumerate() {
        match byte {
            b'=' => {
                if let Some((start, false)) = name_from {
                    keys.push((start, at));
                }
                name_from = None;
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => name_from = name_from.or(Some((at, in_quotes))),
            // May go on a name, but not begin it.
            b'0'..=b'9' | b'.' | b'-' => {}
            _ => name_from = None,
        }
        if *byte == b'"' && backslashes.is_multiple_of(2) {
            in_quotes = !in_quotes;
        }
        backslashes = if *byte == b'\\' { backslashes + 1 } else { 0 };
    }
    keys
}

fn lax_value(value: &[u8]) -> Cow<'_, [u8]> {
    let Some(body) = value.strip_prefix(b"\"") else {
        return Cow::Borrowed(value);
    };
    let Some(body) = body.strip_suffix(b"\"") else {
        return Cow::Borrowed(body);
    };
    if !body.contains(&b'\\') {
        return Cow::Borrowed(body);
    }
    // Two passes, as CrowdSec has it: what the first one leaves before a quote goes, too.
    let once = without_backslash_before(body, b'\\');
    Cow::Owned(without_backslash_before(&once, b'"'))
}

fn without_backslash_before(text: &[u8], escaped: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        match tail {
            [next, after @ ..] if *byte == b'\\' && *next == escaped => {
                out.push(escaped);
                rest = after;
            }
            _ => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests;
