//! The tolerant scanner.
//!
//! It knows strings, brackets and the colon after a key, and looks at nothing else.

use std::borrow::Cow;
use std::ops::Range;

use super::{Kind, Raw};

/// What a search came upon.
pub(super) enum Found {
    /// The value of the last step begins here, blanks aside.
    Value(usize),
    /// An array begins here, and the step at `level` asks for a place in an array.
    Array { at: usize, level: usize },
}

/// Looks for the value of the last step, or for the first array that a step asks for.
pub(super) fn search(text: &[u8], steps: &[Box<[u8]>]) -> Option<Found> {
    if steps.is_empty() {
        return Some(Found::Value(0));
    }
    // How many objects are open, and how many of the steps they stand for. Both may fall below
    // zero on stray braces; nothing is found from then on.
    let (mut depth, mut matched) = (0_isize, 0_isize);
    let mut last_key_matched = true;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                let key_start = at + 1;
                let (len, escaped) = string_len(&text[key_start..])?;
                at = next_token(text, key_start + len + 1)?;
                // A string without a colon after it is a value; what follows it is read next.
                if text[at] != b':' {
                    continue;
                }
                let level = usize::try_from(depth).ok()?.checked_sub(1)?;
                let key = &text[key_start..key_start + len];
                let key = if escaped {
                    unescape(key)?
                } else {
                    Cow::Borrowed(key)
                };
                last_key_matched = *key == **steps.get(level)?;
                if last_key_matched && matched == depth - 1 {
                    matched += 1;
                    if level + 1 == steps.len() {
                        return Some(Found::Value(at + 1));
                    }
                }
            }
            b'{' if last_key_matched => depth += 1,
            b'{' => at += block_len(&text[at..], b'{', b'}')? - 1,
            b'}' => {
                depth -= 1;
                if depth == matched {
                    matched -= 1;
                }
            }
            b'[' => {
                if depth == matched {
                    let level = usize::try_from(depth).ok()?;
                    // CrowdSec's scanner fails on an empty step here.
                    if *steps.get(level)?.first()? == b'[' {
                        return Some(Found::Array { at, level });
                    }
                }
                at += block_len(&text[at..], b'[', b']')? - 1;
            }
            b':' => return None,
            _ => {}
        }
        at += 1;
    }
    None
}

/// The value that begins at `at`, blanks aside, and where it ends.
pub(super) fn value_at(text: &[u8], at: usize) -> Option<(Raw<'_>, usize)> {
    let at = next_token(text, at)?;
    let rest = &text[at..];
    let (kind, len) = match rest[0] {
        b'"' => {
            let (len, _) = string_len(&rest[1..])?;
            let raw = Raw {
                kind: Kind::String,
                text: &rest[1..=len],
            };
            return Some((raw, at + len + 2));
        }
        b'[' => (Kind::Array, block_len(rest, b'[', b']')?),
        b'{' => (Kind::Object, block_len(rest, b'{', b'}')?),
        first => {
            let ends =
                |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b',' | b'}' | b']');
            let len = rest.iter().position(ends).unwrap_or(rest.len());
            let kind = match (first, &rest[..len]) {
                (_, b"true" | b"false") => Kind::Bool,
                (_, b"null") => Kind::Null,
                (b'0'..=b'9' | b'-', _) => Kind::Number,
                _ => return None,
            };
            (kind, len)
        }
    };
    Some((
        Raw {
            kind,
            text: &rest[..len],
        },
        at + len,
    ))
}

/// Where an element of the array that the text begins with stands, quotes included. Only what
/// comes before the element has to be well-formed.
pub(super) fn element(text: &[u8], place: usize) -> Option<Range<usize>> {
    let mut at = next_token(text, 1)?;
    if text[at] == b']' {
        return None;
    }
    for index in 0.. {
        let start = next_token(text, at)?;
        let (_, end) = value_at(text, at)?;
        if index == place {
            return Some(start..end);
        }
        let separator = next_token(text, end)?;
        if text[separator] != b',' {
            return None;
        }
        at = separator + 1;
    }
    None
}

/// The first byte at `from` or after it that is no blank.
fn next_token(text: &[u8], from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
    Some(from + rest.iter().position(|byte| !is_blank(byte))?)
}

/// The length of a string whose opening quote came before, and whether there is a backslash in it.
fn string_len(text: &[u8]) -> Option<(usize, bool)> {
    let mut escaped = false;
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some((at, escaped));
        }
        escaped = true;
        at += 2;
    }
}

/// The length of a block, brackets of its kind inside it counted, strings skipped.
fn block_len(text: &[u8], open: u8, close: u8) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if *byte == b'"' {
            at += 1 + string_len(&text[at + 1..])?.0;
        } else if *byte == open {
            depth += 1;
        } else if *byte == close {
            depth -= 1;
            if depth == 0 {
                return Some(at + 1);
            }
        }
        at += 1;
    }
    None
}

/// A string's text with its escapes undone; `None` if one is malformed.
pub(super) fn unescape(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    let Some(first) = memchr::memchr(b'\\', text) else {
        return Some(Cow::Borrowed(text));
    };
    let mut out = Vec::with_capacity(text.len());
    out.extend_from_slice(&text[..first]);
    let mut rest = &text[first..];
    while let [byte, tail @ ..] = rest {
        if *byte != b'\\' {
            out.push(*byte);
            rest = tail;
            continue;
        }
        let (symbol, after) = tail.split_first()?;
        rest = after;
        out.push(match symbol {
            b'"' | b'\\' | b'/' => *symbol,
            b'b' => b'\x08',
            b'f' => b'\x0c',
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let (rune, after) = code_unit(after)?;
                rest = after;
                out.extend_from_slice(rune.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return None,
        });
    }
    Some(Cow::Owned(out))
}

/// The character of the digits after `\u`. Half of a pair must have the other half after it.
fn code_unit(text: &[u8]) -> Option<(char, &[u8])> {
    let (unit, rest) = hex4(text)?;
    if let Some(rune) = char::from_u32(unit) {
        return Some((rune, rest));
    }
    // Any escape's first two bytes will do; so it is in the scanner this one imitates.
    let (low, rest) = hex4(rest.get(2..)?)?;
    let low = low.checked_sub(0xdc00)?;
    let code = 0x1_0000 + ((unit - 0xd800) << 10) + low;
    Some((
        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
        rest,
    ))
}

fn hex4(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<4>()?;
    let mut number = 0;
    for digit in digits {
        number = number << 4 | char::from(*digit).to_digit(16)?;
    }
    Some((number, rest))
}
