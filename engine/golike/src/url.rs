//! Percent-escapes and query strings as Go's `net/url` reads and writes them.

mod parse;

use std::collections::BTreeMap;

pub use parse::raw_query;

/// What is wrong with a URL or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// A percent sign without two hexadecimal digits after it, or an escape that may not stand
    /// where it stands.
    #[error("invalid URL escape {0:?}")]
    Escape(String),
    /// A semicolon in a query string, which used to be a separator.
    #[error("invalid semicolon separator in query")]
    Semicolon,
    /// A byte below 0x20, or 0x7f.
    #[error("invalid control character in URL")]
    Control,
    /// Nothing before the first colon.
    #[error("missing protocol scheme")]
    MissingScheme,
    /// `a:b` without a scheme.
    #[error("first path segment in URL cannot contain colon")]
    ColonInPath,
    /// Bad characters before the `@`.
    #[error("invalid userinfo")]
    UserInfo,
    /// A host that is no host.
    #[error("invalid host")]
    Host,
    /// A port that is no number.
    #[error("invalid port after host")]
    Port,
}

/// Keys and values of a query string, in order.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// Values by key, in the order of the query string.
pub type Values = BTreeMap<Vec<u8>, Vec<Vec<u8>>>;

/// Undoes percent-escapes; a `+` stays.
///
/// # Errors
///
/// When a percent sign is not followed by two hexadecimal digits.
pub fn path_unescape(text: &[u8]) -> Result<Vec<u8>, UrlError> {
    unescape(text, b'+', BadEscape::Refuse)
}

/// Undoes percent-escapes; a `+` becomes a blank.
///
/// # Errors
///
/// When a percent sign is not followed by two hexadecimal digits.
pub fn query_unescape(text: &[u8]) -> Result<Vec<u8>, UrlError> {
    unescape(text, b' ', BadEscape::Refuse)
}

/// As [`query_unescape`], but a percent sign that begins no escape stands for itself.
#[must_use]
pub fn query_unescape_lenient(text: &[u8]) -> Vec<u8> {
    unescape(text, b' ', BadEscape::Keep).unwrap_or_default()
}

/// Escapes what may not stand in a segment of a path.
#[must_use]
pub fn path_escape(text: &[u8]) -> Vec<u8> {
    escape(text, |byte| {
        is_unreserved(byte) || b"$&+:=@".contains(&byte)
    })
}

/// Escapes what may not stand in a key or a value of a query; a blank becomes a `+`.
#[must_use]
pub fn query_escape(text: &[u8]) -> Vec<u8> {
    let mut out = escape(text, |byte| is_unreserved(byte) || byte == b' ');
    for byte in out.iter_mut().filter(|byte| **byte == b' ') {
        *byte = b'+';
    }
    out
}

/// Reads a query string (Go's `url.ParseQuery`).
///
/// # Errors
///
/// When a pair has a semicolon or a bad escape. Go still returns the other pairs then; nobody
/// here wants them.
pub fn parse_query(query: &[u8]) -> Result<Pairs, UrlError> {
    let mut pairs = Pairs::new();
    for pair in query
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
    {
        if pair.contains(&b';') {
            return Err(UrlError::Semicolon);
        }
        let (key, value) = cut(pair, b'=');
        pairs.push((query_unescape(key)?, query_unescape(value)?));
    }
    Ok(pairs)
}

/// Reads a query string as CrowdSec's WAF does: a semicolon is data, a percent sign that begins no
/// escape stands for itself, nothing is an error.
#[must_use]
pub fn parse_query_lenient(query: &[u8]) -> Pairs {
    let pairs = query
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = cut(pair, b'=');
            (query_unescape_lenient(key), query_unescape_lenient(value))
        })
        .collect()
}

/// The values of each key.
#[must_use]
pub fn group(pairs: Pairs) -> Values {
    let mut values = Values::new();
    for (key, value) in pairs {
        values.entry(key).or_default().push(value);
    }
    values
}

/// What stands before and after the first separator; nothing after it if there is none.
fn cut(text: &[u8], separator: u8) -> (&[u8], &[u8]) {
    match memchr::memchr(separator, text) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[]),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum BadEscape {
    Refuse,
    Keep,
}

fn unescape(text: &[u8], plus: u8, bad: BadEscape) -> Result<Vec<u8>, UrlError> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (byte, tail) {
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                out.push(hex(*high).unwrap_or(0) << 4 | hex(*low).unwrap_or(0));
                rest = after;
            }
            (b'%', _) if bad == BadEscape::Refuse => {
                let shown = &tail[..tail.len().min(2)];
                return Err(UrlError::Escape(format!(
                    "%{}",
                    String::from_utf8_lossy(shown)
                )));
            }
            (b'+', _) => out.push(plus),
            _ => out.push(*byte),
        }
    }
    Ok(out)
}

fn escape(text: &[u8], stands: impl Fn(u8) -> bool) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(text.len() + 8);
    for byte in text.iter().copied() {
        if stands(byte) {
            out.push(byte);
        } else {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend([b'%', DIGITS[high], DIGITS[low]]);
        }
    }
    out
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)
}

#[cfg(test)]
mod tests;
