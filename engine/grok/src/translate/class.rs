//! Bracketed classes, escapes of single characters and Unicode classes.

use super::{TranslateError, TranslateErrorKind, Translator};

/// General categories that Go's tables name; anything else is looked up as a script.
const CATEGORIES: &[&str] = &[
    "C", "Cc", "Cf", "Co", "Cs", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N",
    "Nd", "Nl", "No", "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So",
    "Z", "Zl", "Zp", "Zs",
];

const POSIX: &[&str] = &[
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

impl Translator<'_> {
    /// A class; the cursor is on the opening bracket.
    pub(super) fn class(&mut self) -> Result<(), TranslateError> {
        self.at += 1;
        self.out.push('[');
        if self.peek() == Some('^') {
            self.at += 1;
            self.out.push('^');
        }
        let body = self.out.len();
        let mut first = true;
        loop {
            match self.peek() {
                None => return Err(self.error(TranslateErrorKind::MissingBracket)),
                Some(']') if !first => break,
                Some(_) => self.class_item()?,
            }
            first = false;
        }
        self.at += 1;
        if self.out.len() == body {
            // Only surrogates stood here: an empty set, which Rust cannot write as `[]`.
            self.out.push_str("a&&b");
        }
        self.out.push(']');
        self.item();
        Ok(())
    }

    fn class_item(&mut self) -> Result<(), TranslateError> {
        if self.rest().starts_with("[:") && self.posix_class()? {
            return Ok(());
        }
        if self.rest().starts_with('\\') {
            let members = match self.rest().chars().nth(1) {
                Some('d') => Some("0-9"),
                Some('D') => Some("[^0-9]"),
                Some('s') => Some(r"\t\n\x0C\r "),
                Some('S') => Some(r"[^\t\n\x0C\r ]"),
                Some('w') => Some("0-9A-Za-z_"),
                Some('W') => Some("[^0-9A-Za-z_]"),
                Some('p' | 'P') => {
                    let class = self.unicode_class()?;
                    self.out.push_str(&class);
                    return Ok(());
                }
                _ => None,
            };
            if let Some(members) = members {
                self.out.push_str(members);
                self.at += 2;
                return Ok(());
            }
        }
        let low = self.class_char()?;
        let mut ahead = self.rest().chars();
        let range = ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']');
        if !range {
            if let Some(c) = low {
                self.class_literal(c);
            }
            return Ok(());
        }
        self.at += 1;
        let high = self.class_char()?;
        self.class_range(low, high)
    }

    /// `low-high`; `None` is a surrogate, which stands between U+D7FF and U+E000.
    fn class_range(&mut self, low: Option<char>, high: Option<char>) -> Result<(), TranslateError> {
        let (low, high) = match (low, high) {
            (Some(low), Some(high)) if low > high => {
                return Err(self.error(TranslateErrorKind::ClassRange));
            }
            (Some(low), None) if low > '\u{E000}' => {
                return Err(self.error(TranslateErrorKind::ClassRange));
            }
            (None, None) => return Ok(()),
            (low, high) => (low.unwrap_or('\u{E000}'), high.unwrap_or('\u{D7FF}')),
        };
        self.class_literal(low);
        self.out.push('-');
        self.class_literal(high);
        Ok(())
    }

    fn class_literal(&mut self, c: char) {
        if matches!(c, '\\' | ']' | '[' | '^' | '-' | '&' | '~') {
            self.out.push('\\');
        }
        self.out.push(c);
    }

    fn class_char(&mut self) -> Result<Option<char>, TranslateError> {
        if self.peek() == Some('\\') {
            return self.escaped_char();
        }
        match self.next() {
            Some(c) => Ok(Some(c)),
            None => Err(self.error(TranslateErrorKind::MissingBracket)),
        }
    }

    /// `[:name:]`; false when the text is no such thing and `[` is just a character.
    fn posix_class(&mut self) -> Result<bool, TranslateError> {
        let after = self.rest().get(2..).unwrap_or_default();
        let Some(end) = after.find(":]") else {
            return Ok(false);
        };
        let name = after.get(..end).unwrap_or_default();
        if !POSIX.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(self.error(TranslateErrorKind::ClassName));
        }
        let length = end + 4;
        self.out
            .push_str(self.rest().get(..length).unwrap_or_default());
        self.at += length;
        Ok(true)
    }

    /// `\pL`, `\p{Greek}`, `\P{^Lu}`: the Rust spelling, cursor moved behind it.
    pub(super) fn unicode_class(&mut self) -> Result<String, TranslateError> {
        let mut negated = self.rest().starts_with(r"\P");
        let after = self.rest().get(2..).unwrap_or_default();
        let (name, length) = if let Some(body) = after.strip_prefix('{') {
            let name = body.split('}').next().unwrap_or_default();
            if name.len() == body.len() {
                return Err(self.error(TranslateErrorKind::ClassName));
            }
            (name, name.len() + 4)
        } else {
            let Some(c) = after.chars().next() else {
                return Err(self.error(TranslateErrorKind::ClassName));
            };
            let length = c.len_utf8();
            (after.get(..length).unwrap_or_default(), 2 + length)
        };
        let bare = match name.strip_prefix('^') {
            Some(bare) => {
                negated = !negated;
                bare
            }
            None => name,
        };
        self.at += length;
        let letter = if negated { 'P' } else { 'p' };
        if bare == "Any" || CATEGORIES.contains(&bare) {
            return Ok(format!(r"\{letter}{{{bare}}}"));
        }
        let script = bare.len() > 2
            && bare.starts_with(|c: char| c.is_ascii_uppercase())
            && bare.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
        if !script {
            return Err(self.error(TranslateErrorKind::ClassName));
        }
        let class = format!(r"\{letter}{{Script={bare}}}");
        // Only the tables know which scripts exist.
        match regex_syntax::Parser::new().parse(&class) {
            Ok(_) => Ok(class),
            Err(_) => Err(self.error(TranslateErrorKind::ClassName)),
        }
    }

    /// An escape that stands for one character. `None` is a surrogate code point.
    pub(super) fn escaped_char(&mut self) -> Result<Option<char>, TranslateError> {
        self.at += 1;
        let Some(c) = self.next() else {
            return Err(self.error(TranslateErrorKind::TrailingBackslash));
        };
        let plain = match c {
            'a' => '\x07',
            'f' => '\x0C',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0B',
            'x' => return self.hex_char(),
            '0'..='7' => return self.octal_char(c),
            _ if c.is_ascii() && !c.is_ascii_alphanumeric() => c,
            _ => return Err(self.error(TranslateErrorKind::Escape)),
        };
        Ok(Some(plain))
    }

    /// `\0`, `\012`, `\12`: a single non-zero digit would be a back-reference.
    fn octal_char(&mut self, first: char) -> Result<Option<char>, TranslateError> {
        let more = self.peek().is_some_and(|c| ('0'..='7').contains(&c));
        if first != '0' && !more {
            return Err(self.error(TranslateErrorKind::Escape));
        }
        let mut value = first.to_digit(8).unwrap_or_default();
        for _ in 0..2 {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(8)) else {
                break;
            };
            value = value * 8 + digit;
            self.at += 1;
        }
        Ok(char::from_u32(value))
    }

    /// `\x41` or `\x{10FFFF}`; the cursor is behind the `x`.
    fn hex_char(&mut self) -> Result<Option<char>, TranslateError> {
        let rest = self.rest();
        let (digits, length) = match rest.strip_prefix('{') {
            Some(body) => {
                let digits = body.split('}').next().unwrap_or_default();
                (
                    digits,
                    if digits.len() < body.len() {
                        digits.len() + 2
                    } else {
                        0
                    },
                )
            }
            None => (rest.get(..2).unwrap_or_default(), 2),
        };
        let hex = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        // Leading zeros are free; a number that does not fit is past the last code point anyway.
        let value = u32::from_str_radix(digits, 16)
            .ok()
            .filter(|v| *v <= 0x10_FFFF);
        match value {
            Some(value) if hex && length > 0 => {
                self.at += length;
                Ok(char::from_u32(value))
            }
            _ => Err(self.error(TranslateErrorKind::Escape)),
        }
    }
}
