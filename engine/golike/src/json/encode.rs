//! Writing.

use super::{Json, strconv};
use crate::strings::decode_rune;

/// Which characters a string is escaped for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// `<`, `>` and `&` too, as Go's `json.Marshal` does.
    Html,
    /// Only what JSON and JavaScript need.
    Plain,
}

/// A string in quotes. Bytes that are not UTF-8 become `\ufffd`.
#[must_use]
pub fn quote(text: &[u8], escape: Escape) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    append_string(text, escape, &mut out);
    String::from_utf8(out).unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into())
}

/// Appends a string in quotes.
pub fn append_string(text: &[u8], escape: Escape, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut copied_to = 0;
    let mut at = plain_words(text, escape);
    while let Some(byte) = text.get(at).copied() {
        let len = if byte.is_ascii() {
            if is_plain(byte, escape) {
                at += 1;
                continue;
            }
            1
        } else {
            let (rune, len) = decode_rune(&text[at..]).unwrap_or((char::REPLACEMENT_CHARACTER, 1));
            let is_bad = rune == char::REPLACEMENT_CHARACTER && len == 1;
            if !is_bad && !matches!(rune, '\u{2028}' | '\u{2029}') {
                at += len;
                continue;
            }
            len
        };
        out.extend_from_slice(&text[copied_to..at]);
        match (byte, len) {
            (b'"' | b'\\', _) => out.extend_from_slice(&[b'\\', byte]),
            (b'\x08', _) => out.extend_from_slice(b"\\b"),
            (b'\x0c', _) => out.extend_from_slice(b"\\f"),
            (b'\n', _) => out.extend_from_slice(b"\\n"),
            (b'\r', _) => out.extend_from_slice(b"\\r"),
            (b'\t', _) => out.extend_from_slice(b"\\t"),
            (_, 1) if !byte.is_ascii() => out.extend_from_slice(b"\\ufffd"),
            (_, 1) => out.extend_from_slice(format!("\\u{:04x}", byte).as_bytes()),
            // The last byte tells the two line separators apart.
            _ => {
                let last = text.get(at + len - 1).map_or(8, |byte| byte & 0xf);
                out.extend_from_slice(if last == 9 { b"\\u2029" } else { b"\\u2028" });
            }
        }
        at += len;
        copied_to = at;
    }
    out.extend_from_slice(&text[copied_to..]);
    out.push(b'"');
}

/// Appends a value without blanks, keys in byte order.
///
/// # Errors
///
/// For a number that is not finite; something may have been appended then.
pub fn append_value(
    value: &Json,
    escape: Escape,
    out: &mut Vec<u8>,
) -> Result<(), strconv::NotFinite> {
    match value {
        Json::Null => out.extend_from_slice(b"null"),
        Json::Bool(true) => out.extend_from_slice(b"true"),
        Json::Bool(false) => out.extend_from_slice(b"false"),
        Json::Number(number) => strconv::append_json_float(*number, out)?,
        Json::Str(text) => append_string(text.as_bytes(), escape, out),
        Json::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                append_value(item, escape, out)?;
            }
            out.push(b']');
        }
        Json::Object(object) => {
            out.push(b'{');
            for (index, (key, member)) in object.members().iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                append_string(key.as_bytes(), escape, out);
                out.push(b':');
                append_value(member, escape, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

/// How many bytes at the beginning are surely plain: nearly all texts are so to their end, and are
/// looked at eight bytes at a time.
fn plain_words(text: &[u8], escape: Escape) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    // The high bit of each byte that is zero, and perhaps of one above such a byte.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    let any = |word: u64, byte: u8| zeros(word ^ (ONES * u64::from(byte)));
    let (words, rest) = text.as_chunks::<8>();
    let is_plain_word = |bytes: &[u8; 8]| {
        let word = u64::from_ne_bytes(*bytes);
        let below_space = word.wrapping_sub(ONES * 0x20) & !word;
        let mut found = word | below_space | any(word, b'"') | any(word, b'\\');
        if escape == Escape::Html {
            found |= any(word, b'<') | any(word, b'>') | any(word, b'&');
        }
        found & HIGHS == 0
    };
    let n_words = words.iter().take_while(|word| is_plain_word(word)).count();
    let at = n_words * 8;
    if n_words < words.len() {
        return at;
    }
    at + rest
        .iter()
        .take_while(|byte| byte.is_ascii() && is_plain(**byte, escape))
        .count()
}

fn is_plain(byte: u8, escape: Escape) -> bool {
    match byte {
        b'"' | b'\\' | 0..0x20 => false,
        b'<' | b'>' | b'&' => escape == Escape::Plain,
        _ => true,
    }
}
