//! String literals and their escapes.

use super::Lexer;
use crate::error::CompileError;
use crate::value::Bytes;

impl Lexer<'_> {
    /// The rest of a string whose opening quote was read.
    pub(super) fn quoted(&mut self, quote: char, start: usize) -> Result<Bytes, CompileError> {
        let mut out = Vec::new();
        loop {
            let at = self.at;
            let Some(c) = self.peek() else {
                return Err(self.error(start, "literal not terminated"));
            };
            self.at += c.len_utf8();
            match c {
                c if c == quote => return Ok(out.into()),
                '\n' => return Err(self.error(at, "line end in a quoted string")),
                '\\' => self.escape(quote, at, &mut out)?,
                c => push_char(c, &mut out),
            }
        }
    }

    /// The rest of a backtick string: no escapes but the doubled backtick.
    pub(super) fn raw_string(&mut self, start: usize) -> Result<Bytes, CompileError> {
        let mut out = Vec::new();
        loop {
            let rest = self.rest();
            let Some(end) = rest.find('`') else {
                return Err(self.error(start, "literal not terminated"));
            };
            out.extend_from_slice(rest.as_bytes().get(..end).unwrap_or_default());
            self.at += end + 1;
            if self.peek() != Some('`') {
                return Ok(out.into());
            }
            out.push(b'`');
            self.at += 1;
        }
    }

    /// What stands after a backslash.
    fn escape(&mut self, quote: char, at: usize, out: &mut Vec<u8>) -> Result<(), CompileError> {
        let Some(c) = self.peek() else {
            return Err(self.error(at, "literal not terminated"));
        };
        self.at += c.len_utf8();
        let byte = match c {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 11,
            '\\' => b'\\',
            '0'..='3' => {
                self.at -= 1;
                self.digits(3, 8, at)?.try_into().unwrap_or(u8::MAX)
            }
            'x' | 'X' => self.digits(2, 16, at)?.try_into().unwrap_or(u8::MAX),
            'u' if self.peek() == Some('{') => return self.braced(at, out),
            'u' => return self.code_point(4, at, out),
            'U' => return self.code_point(8, at, out),
            c if c == quote => {
                push_char(c, out);
                return Ok(());
            }
            c => return Err(self.error(at, format!("unknown escape sequence \\{c}"))),
        };
        out.push(byte);
        Ok(())
    }

    fn digits(&mut self, n: usize, base: u32, at: usize) -> Result<u32, CompileError> {
        let text = self.rest().get(..n).unwrap_or_default();
        let are_digits = text.len() == n && text.chars().all(|c| c.is_digit(base));
        match u32::from_str_radix(text, base) {
            Ok(value) if are_digits => {
                self.at += n;
                Ok(value)
            }
            _ => Err(self.error(at, "bad number in an escape sequence")),
        }
    }

    fn code_point(&mut self, n: usize, at: usize, out: &mut Vec<u8>) -> Result<(), CompileError> {
        let value = self.digits(n, 16, at)?;
        self.push_code_point(value, at, out)
    }

    fn braced(&mut self, at: usize, out: &mut Vec<u8>) -> Result<(), CompileError> {
        let len = self.rest().find('}').filter(|len| (2..=7).contains(len));
        let Some(len) = len else {
            return Err(self.error(at, "bad number in an escape sequence"));
        };
        self.at += 1;
        let value = self.digits(len - 1, 16, at)?;
        self.at += 1;
        self.push_code_point(value, at, out)
    }

    fn push_code_point(
        &self,
        value: u32,
        at: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), CompileError> {
        let Some(c) = char::from_u32(value) else {
            return Err(self.error(at, "escape sequence is no code point"));
        };
        push_char(c, out);
        Ok(())
    }
}

fn push_char(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}
