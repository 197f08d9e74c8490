//! Reading.

use crate::strings::decode_rune;

/// Deepest nesting of arrays and objects.
pub const DEPTH_MAX: usize = 1000;

/// Why a text is no JSON document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The text ends before the document does.
    #[error("unexpected end of JSON input")]
    End,
    /// Something that cannot stand where it stands.
    #[error("invalid JSON at byte {0}")]
    Syntax(usize),
    /// Text after the document.
    #[error("text after the JSON document at byte {0}")]
    Trailing(usize),
    /// A number that no `f64` can hold.
    #[error("JSON number out of range at byte {0}")]
    NumberRange(usize),
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("JSON nested deeper than {DEPTH_MAX} levels")]
    Depth,
}

/// Makes values of what a document says, from the leaves up.
///
/// Members come in the order of the text, duplicates included: the last of them must count.
pub trait Build {
    /// What is made.
    type Value;

    /// Makes `null`.
    fn null(&mut self) -> Self::Value;
    /// Makes a boolean.
    fn boolean(&mut self, value: bool) -> Self::Value;
    /// Makes a number.
    fn number(&mut self, value: f64) -> Self::Value;
    /// Makes a string, escapes undone.
    fn string(&mut self, value: &str) -> Self::Value;
    /// Makes an array.
    fn array(&mut self, items: Vec<Self::Value>) -> Self::Value;
    /// Makes an object.
    fn object(&mut self, members: Vec<(String, Self::Value)>) -> Self::Value;
}

/// Reads one JSON document and has its values made by `build`.
///
/// # Errors
///
/// As [`super::decode`].
pub fn decode_with<B: Build>(text: &[u8], build: &mut B) -> Result<B::Value, JsonError> {
    let mut reader = Reader {
        text,
        at: 0,
        scratch: String::new(),
    };
    let mut open: Vec<Open<B::Value>> = Vec::new();
    loop {
        let mut value = match reader.begin_value(build)? {
            Begun::Value(value) => value,
            Begun::Open(container) => {
                if open.len() >= DEPTH_MAX {
                    return Err(JsonError::Depth);
                }
                open.push(container);
                continue;
            }
        };
        // A value is complete: put it into what is open, and close all that ends with it.
        loop {
            let Some(container) = open.last_mut() else {
                reader.skip_blanks();
                return match reader.peek() {
                    None => Ok(value),
                    Some(_) => Err(JsonError::Trailing(reader.at)),
                };
            };
            if reader.add(container, value)? == Next::Value {
                break;
            }
            value = match open.pop() {
                Some(Open::Array(items)) => build.array(items),
                Some(Open::Object { members, .. }) => build.object(members),
                None => unreachable!("the loop above saw an open container"),
            };
        }
    }
}

enum Open<V> {
    Array(Vec<V>),
    Object {
        members: Vec<(String, V)>,
        key: String,
    },
}

enum Begun<V> {
    Value(V),
    Open(Open<V>),
}

#[derive(PartialEq)]
enum Next {
    Value,
    Close,
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    scratch: String,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// The byte after blanks; it is not taken.
    fn next_token(&mut self) -> Result<u8, JsonError> {
        self.skip_blanks();
        self.peek().ok_or(JsonError::End)
    }

    fn unexpected<T>(&self) -> Result<T, JsonError> {
        Err(if self.at < self.text.len() {
            JsonError::Syntax(self.at)
        } else {
            JsonError::End
        })
    }

    fn begin_value<B: Build>(&mut self, build: &mut B) -> Result<Begun<B::Value>, JsonError> {
        let value = match self.next_token()? {
            b'{' => {
                self.at += 1;
                if self.next_token()? == b'}' {
                    self.at += 1;
                    build.object(Vec::new())
                } else {
                    let key = self.key()?;
                    return Ok(Begun::Open(Open::Object {
                        members: Vec::new(),
                        key,
                    }));
                }
            }
            b'[' => {
                self.at += 1;
                if self.next_token()? == b']' {
                    self.at += 1;
                    build.array(Vec::new())
                } else {
                    return Ok(Begun::Open(Open::Array(Vec::new())));
                }
            }
            b'"' => build.string(self.string()?),
            b't' => self.word(b"true", build.boolean(true))?,
            b'f' => self.word(b"false", build.boolean(false))?,
            b'n' => self.word(b"null", build.null())?,
            b'-' | b'0'..=b'9' => build.number(self.number()?),
            _ => return self.unexpected(),
        };
        Ok(Begun::Value(value))
    }

    /// Puts a value into a container; afterwards the next value is due, or the container ended.
    fn add<V>(&mut self, container: &mut Open<V>, value: V) -> Result<Next, JsonError> {
        let token = self.next_token()?;
        let close = match container {
            Open::Array(items) => {
                items.push(value);
                b']'
            }
            Open::Object { members, key } => {
                members.push((std::mem::take(key), value));
                b'}'
            }
        };
        if token == close {
            self.at += 1;
            return Ok(Next::Close);
        }
        if token != b',' {
            return self.unexpected();
        }
        self.at += 1;
        if let Open::Object { key, .. } = container {
            *key = self.key()?;
        }
        Ok(Next::Value)
    }

    fn key(&mut self) -> Result<String, JsonError> {
        if self.next_token()? != b'"' {
            return self.unexpected();
        }
        let key = self.string()?.to_owned();
        if self.next_token()? != b':' {
            return self.unexpected();
        }
        self.at += 1;
        Ok(key)
    }

    fn word<V>(&mut self, word: &[u8], value: V) -> Result<V, JsonError> {
        for expected in word {
            if self.peek() != Some(*expected) {
                return self.unexpected();
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn number(&mut self) -> Result<f64, JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = std::str::from_utf8(&self.text[start..self.at]).unwrap_or_default();
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(JsonError::NumberRange(start)),
        }
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            self.unexpected()
        } else {
            Ok(())
        }
    }

    /// The string whose opening quote is next, escapes undone.
    fn string(&mut self) -> Result<&str, JsonError> {
        self.at += 1;
        let start = self.at;
        loop {
            match self.peek() {
                None => return Err(JsonError::End),
                Some(b'"') => break,
                Some(b'\\') => return self.string_slow(start),
                Some(0..0x20) => return Err(JsonError::Syntax(self.at)),
                Some(_) => self.at += 1,
            }
        }
        // Most strings are UTF-8 without escapes and are handed over where they stand.
        let raw: &'t [u8] = &self.text[start..self.at];
        match std::str::from_utf8(raw) {
            Ok(valid) => {
                self.at += 1;
                Ok(valid)
            }
            Err(_) => self.string_slow(start),
        }
    }

    fn string_slow(&mut self, start: usize) -> Result<&str, JsonError> {
        self.scratch.clear();
        self.at = start;
        loop {
            match self.peek() {
                None => return Err(JsonError::End),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.scratch);
                }
                Some(b'\\') => {
                    self.at += 1;
                    let rune = self.escape()?;
                    self.scratch.push(rune);
                }
                Some(0..0x20) => return Err(JsonError::Syntax(self.at)),
                Some(byte) if byte.is_ascii() => {
                    self.at += 1;
                    self.scratch.push(char::from(byte));
                }
                Some(_) => {
                    let rest = &self.text[self.at..];
                    let (rune, len) = decode_rune(rest).unwrap_or((char::REPLACEMENT_CHARACTER, 1));
                    self.scratch.push(rune);
                    self.at += len;
                }
            }
        }
    }

    /// What stands after a backslash.
    fn escape(&mut self) -> Result<char, JsonError> {
        let rune = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\x08',
            Some(b'f') => '\x0c',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape();
            }
            _ => return self.unexpected(),
        };
        self.at += 1;
        Ok(rune)
    }

    /// The four digits after `\u`, and a second escape if the two make one character.
    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let unit = self.hex4()?;
        if let Some(rune) = char::from_u32(unit) {
            return Ok(rune);
        }
        // Half of a pair. Whatever follows that does not complete it is read on its own.
        let back = self.at;
        if (0xd800..0xdc00).contains(&unit)
            && let Some([b'\\', b'u']) = self.text.get(self.at..self.at + 2)
        {
            self.at += 2;
            let low = self.hex4()?;
            if (0xdc00..0xe000).contains(&low) {
                let code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = back;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let mut number = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else {
                return self.unexpected();
            };
            number = number << 4 | digit;
            self.at += 1;
        }
        Ok(number)
    }
}
