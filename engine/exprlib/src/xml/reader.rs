//! The pieces of an XML text, as strict as Go's reader.

/// One piece of a document.
pub(super) enum Token {
    /// A start tag, or an empty element.
    Start {
        name: Vec<u8>,
        attributes: Vec<(Vec<u8>, Vec<u8>)>,
        is_empty: bool,
    },
    /// An end tag.
    End { name: Vec<u8> },
    /// Character data, decoded; also of a CDATA section.
    Text(Vec<u8>),
    /// A comment.
    Comment,
    /// A processing instruction or a directive.
    Other,
}

pub(super) struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The next piece; `Some(None)` at the end, `None` if the text is malformed.
    #[expect(
        clippy::option_option,
        reason = "both answers are plain, and `?` reads well"
    )]
    pub(super) fn next(&mut self) -> Option<Option<Token>> {
        let rest = self.rest();
        let token = match rest {
            [] => return Some(None),
            [b'<', b'/', ..] => {
                self.at += 2;
                let name = self.name()?;
                self.skip_blanks();
                self.expect(b">")?;
                Token::End { name }
            }
            [b'<', b'?', ..] => {
                self.at += 2;
                self.instruction()?
            }
            [b'<', b'!', b'-', ..] => {
                self.expect(b"<!--")?;
                self.comment()?
            }
            [b'<', b'!', b'[', ..] => {
                self.expect(b"<![CDATA[")?;
                let len = memchr::memmem::find(self.rest(), b"]]>")?;
                let text = checked(with_line_ends(&self.rest()[..len]))?;
                self.at += len + 3;
                Token::Text(text)
            }
            [b'<', b'!', ..] => {
                self.at += 2;
                self.directive()?
            }
            [b'<', ..] => {
                self.at += 1;
                self.start_tag()?
            }
            _ => {
                let len = memchr::memchr(b'<', rest).unwrap_or(rest.len());
                self.at += len;
                Token::Text(decoded(&rest[..len], Place::Text)?)
            }
        };
        Some(Some(token))
    }

    fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn expect(&mut self, text: &[u8]) -> Option<()> {
        self.rest().starts_with(text).then(|| self.at += text.len())
    }

    fn skip_blanks(&mut self) {
        let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\r' | b'\n' | b'\t');
        self.at += self.rest().iter().take_while(is_blank).count();
    }

    /// A name with at most one colon. There must be something after it.
    fn name(&mut self) -> Option<Vec<u8>> {
        let name = self.plain_name()?;
        (name.iter().filter(|byte| **byte == b':').count() < 2).then_some(name)
    }

    fn plain_name(&mut self) -> Option<Vec<u8>> {
        let rest = self.rest();
        let len = rest.iter().position(|byte| !is_name_byte(*byte))?;
        let name = &rest[..len];
        self.at += len;
        is_name(name).then(|| name.to_vec())
    }

    fn start_tag(&mut self) -> Option<Token> {
        let name = self.name()?;
        let mut attributes = Vec::new();
        loop {
            self.skip_blanks();
            match self.rest() {
                [b'/', b'>', ..] => {
                    self.at += 2;
                    return Some(Token::Start {
                        name,
                        attributes,
                        is_empty: true,
                    });
                }
                [b'>', ..] => {
                    self.at += 1;
                    return Some(Token::Start {
                        name,
                        attributes,
                        is_empty: false,
                    });
                }
                _ => {
                    let name = self.name()?;
                    self.skip_blanks();
                    self.expect(b"=")?;
                    self.skip_blanks();
                    attributes.push((name, self.quoted()?));
                }
            }
        }
    }

    fn quoted(&mut self) -> Option<Vec<u8>> {
        let [quote @ (b'"' | b'\''), inner @ ..] = self.rest() else {
            return None;
        };
        let len = memchr::memchr(*quote, inner)?;
        self.at += len + 2;
        decoded(&inner[..len], Place::Attribute)
    }

    fn comment(&mut self) -> Option<Token> {
        let len = memchr::memmem::find(self.rest(), b"--")?;
        self.at += len;
        self.expect(b"-->")?;
        Some(Token::Comment)
    }

    fn instruction(&mut self) -> Option<Token> {
        let target = self.plain_name()?;
        self.skip_blanks();
        let len = memchr::memmem::find(self.rest(), b"?>")?;
        let content = &self.rest()[..len];
        self.at += len + 2;
        let version = pseudo_attribute(content, b"version=");
        let is_known = matches!(version, b"" | b"1.0");
        (target != b"xml" || is_known).then_some(Token::Other)
    }

    /// `<!DOCTYPE ...>` and the like: up to the bracket that closes it, those in quotes and in
    /// comments not counted.
    fn directive(&mut self) -> Option<Token> {
        let mut depth = 0_usize;
        let mut open_quote = None;
        // The first byte is part of the directive whatever it is.
        self.at += 1;
        loop {
            let byte = *self.rest().first()?;
            match (open_quote, byte) {
                (Some(quote), byte) if quote == byte => open_quote = None,
                (Some(_), _) => {}
                (None, b'"' | b'\'') => open_quote = Some(byte),
                (None, b'>') if depth == 0 => {
                    self.at += 1;
                    return Some(Token::Other);
                }
                (None, b'>') => depth -= 1,
                (None, b'<') if self.rest().starts_with(b"<!--") => {
                    let len = memchr::memmem::find(&self.rest()[4..], b"-->")?;
                    self.at += len + 6;
                }
                (None, b'<') => depth += 1,
                _ => {}
            }
            self.at += 1;
        }
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'.' | b'-') || !byte.is_ascii()
}

fn is_name(name: &[u8]) -> bool {
    let begins = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':');
    name.first()
        .is_some_and(|byte| begins(byte) || !byte.is_ascii())
        && std::str::from_utf8(name).is_ok()
}

/// The value of `name="..."` in a processing instruction; empty if there is none.
fn pseudo_attribute<'t>(content: &'t [u8], name: &[u8]) -> &'t [u8] {
    let mut rest = content;
    while let Some(at) = memchr::memmem::find(rest, name) {
        let after = rest.get(at + name.len()..).unwrap_or_default();
        match after {
            [quote @ (b'"' | b'\''), value @ ..] => {
                let len = memchr::memchr(*quote, value);
                return len.and_then(|len| value.get(..len)).unwrap_or_default();
            }
            [_, tail @ ..] => rest = tail,
            [] => break,
        }
    }
    &[]
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Text,
    Attribute,
}

/// Text with its entities decoded and line ends made `\n`.
fn decoded(text: &[u8], place: Place) -> Option<Vec<u8>> {
    let bad_end: &[u8] = match place {
        Place::Text => b"]]>",
        Place::Attribute => b"<",
    };
    if memchr::memmem::find(text, bad_end).is_some() {
        return None;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'&', rest) {
        out.extend(with_line_ends(&rest[..at]));
        let inner = &rest[at + 1..];
        let len = memchr::memchr(b';', inner)?;
        let rune = entity(&inner[..len])?;
        out.extend_from_slice(rune.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &inner[len + 1..];
    }
    out.extend(with_line_ends(rest));
    checked(out)
}

/// The character of an entity: one of the five that need no declaration, or a number.
fn entity(name: &[u8]) -> Option<char> {
    let (digits, radix) = match name {
        b"lt" => return Some('<'),
        b"gt" => return Some('>'),
        b"amp" => return Some('&'),
        b"apos" => return Some('\''),
        b"quot" => return Some('"'),
        [b'#', b'x', digits @ ..] => (digits, 16),
        [b'#', digits @ ..] => (digits, 10),
        _ => return None,
    };
    if digits.is_empty() {
        return None;
    }
    let mut code = 0_u32;
    for digit in digits {
        let digit = char::from(*digit).to_digit(radix)?;
        code = code
            .checked_mul(radix)?
            .checked_add(digit)
            .filter(|code| *code <= 0x10_ffff)?;
    }
    Some(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
}

/// Carriage returns, with or without a line feed after them, become line feeds.
fn with_line_ends(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'\r' => out.push(b'\n'),
            b'\n' if at > 0 && text[at - 1] == b'\r' => {}
            _ => out.push(*byte),
        }
    }
    out
}

/// The text, if it is UTF-8 without characters that XML does not allow.
fn checked(text: Vec<u8>) -> Option<Vec<u8>> {
    let is_allowed = |rune: char| match rune {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        _ => rune >= ' ',
    };
    let is_good = std::str::from_utf8(&text).is_ok_and(|text| text.chars().all(is_allowed));
    is_good.then_some(text)
}
