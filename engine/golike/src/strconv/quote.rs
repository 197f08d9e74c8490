//! Quoted strings.

use crate::strings::decode_rune;

/// The text in double quotes, with escapes for what is not printable (Go's `strconv.Quote`).
/// Bytes that are not UTF-8 are written as `\x..`.
#[must_use]
pub fn quote(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    append_quoted(text, &mut out);
    String::from_utf8(out).unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into())
}

/// Appends the text of [`quote`].
pub fn append_quoted(text: &[u8], out: &mut Vec<u8>) {
    append_quoted_as(text, Charset::Unicode, out);
}

/// What may stand unescaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charset {
    /// Whatever is printable.
    Unicode,
    /// Printable ASCII.
    Ascii,
}

pub(crate) fn append_quoted_as(text: &[u8], charset: Charset, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some((rune, len)) = decode_rune(rest) {
        if rune == char::REPLACEMENT_CHARACTER && len == 1 {
            out.extend_from_slice(format!("\\x{:02x}", rest[0]).as_bytes());
        } else {
            append_rune(rune, b'"', charset, out);
        }
        rest = &rest[len..];
    }
    out.push(b'"');
}

/// Appends a character as it stands between quotes of a kind.
pub(crate) fn append_rune(rune: char, quote: u8, charset: Charset, out: &mut Vec<u8>) {
    if rune == '\\' || rune == char::from(quote) {
        out.extend([b'\\', u8::try_from(rune).unwrap_or(quote)]);
        return;
    }
    if is_print(rune) && (charset == Charset::Unicode || rune.is_ascii()) {
        out.extend_from_slice(rune.encode_utf8(&mut [0; 4]).as_bytes());
        return;
    }
    let text = match rune {
        '\x07' => "\\a".to_owned(),
        '\x08' => "\\b".to_owned(),
        '\x0c' => "\\f".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\x0b' => "\\v".to_owned(),
        _ => match u32::from(rune) {
            code @ (0..0x20 | 0x7f) => format!("\\x{code:02x}"),
            code @ 0x20..0x1_0000 => format!("\\u{code:04x}"),
            code => format!("\\U{code:08x}"),
        },
    };
    out.extend_from_slice(text.as_bytes());
}

/// Whether a text can be written between backquotes.
pub(crate) fn can_backquote(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| {
        text.chars().all(|rune| match rune {
            '\t' => true,
            '`' | '\x7f' | '\u{feff}' => false,
            _ => rune >= ' ',
        })
    })
}

/// Whether Go prints a character as it is: letters, marks, numbers, punctuation, symbols, and the
/// blank. Characters newer than the standard library's tables count as not printable.
#[must_use]
pub fn is_print(rune: char) -> bool {
    if rune.is_ascii() {
        return (' '..='~').contains(&rune);
    }
    // The standard library's own idea of "printable" is the same; it shows only in how it escapes
    // a character that does not begin a string.
    let mut text = [b'a', 0, 0, 0, 0];
    let len = 1 + rune.encode_utf8(&mut text[1..]).len();
    let text = std::str::from_utf8(&text[..len]).unwrap_or_default();
    text.escape_debug().nth(1) == Some(rune)
}
