//! Text to tokens (expr-lang 1.17.8, `parser/lexer`).

mod number;
mod string;

use crate::error::CompileError;
use crate::value::Bytes;

/// One token and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    /// First byte in the text.
    pub(crate) start: usize,
    /// Byte after the last.
    pub(crate) end: usize,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TokenKind {
    /// A name that is no operator word; its text is the token's.
    Name,
    Int(i64),
    Float(f64),
    Str(Bytes),
    /// `b'...'`.
    ByteStr(Bytes),
    /// An operator, operator word or punctuation.
    Op(&'static str),
    /// One of `( ) [ ] { }`.
    Bracket(char),
    End,
}

/// Words that are operators wherever they do not follow a dot.
const WORDS: [&str; 11] = [
    "not",
    "in",
    "or",
    "and",
    "matches",
    "contains",
    "startsWith",
    "endsWith",
    "let",
    "if",
    "else",
];

/// Punctuation, longer ones first.
const MARKS: [&str; 29] = [
    "||", "&&", "==", "!=", "<=", ">=", "**", "..", "?.", "??", "::", "|", "!", "=", "<", ">", "*",
    "/", "%", "^", "+", "-", ".", "?", ":", ",", ";", "#", "&",
];

/// All tokens of a text, the last one being [`TokenKind::End`].
pub(crate) fn lex(text: &str) -> Result<Vec<Token>, CompileError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        let is_end = token.kind == TokenKind::End;
        tokens.push(token);
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn error(&self, at: usize, message: impl Into<String>) -> CompileError {
        CompileError::at(self.text, at, message)
    }

    /// Moves past white space and comments.
    fn skip_blanks(&mut self) -> Result<(), CompileError> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("//") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                let Some(end) = trimmed.find("*/") else {
                    return Err(self.error(self.at, "unclosed comment"));
                };
                self.at += end + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Token, CompileError> {
        self.skip_blanks()?;
        let start = self.at;
        let Some(first) = self.peek() else {
            return Ok(Token {
                kind: TokenKind::End,
                start,
                end: start,
            });
        };
        let second = self.rest().chars().nth(1);
        let kind = match first {
            '0'..='9' => self.number()?,
            '.' if second.is_some_and(|c| c.is_ascii_digit()) => self.number()?,
            '\'' | '"' => {
                self.at += 1;
                TokenKind::Str(self.quoted(first, start)?)
            }
            '`' => {
                self.at += 1;
                TokenKind::Str(self.raw_string(start)?)
            }
            'b' if matches!(second, Some('\'' | '"')) => {
                self.at += 2;
                TokenKind::ByteStr(self.quoted(second.unwrap_or('"'), start)?)
            }
            '(' | ')' | '[' | ']' | '{' | '}' => {
                self.at += 1;
                TokenKind::Bracket(first)
            }
            c if is_name_start(c) => self.word(),
            _ => self.mark(start)?,
        };
        Ok(Token {
            kind,
            start,
            end: self.at,
        })
    }

    fn word(&mut self) -> TokenKind {
        let rest = self.rest();
        let len = rest.find(|c| !is_name_part(c)).unwrap_or(rest.len());
        let word = rest.get(..len).unwrap_or_default();
        self.at += len;
        WORDS
            .iter()
            .find(|w| **w == word)
            .map_or(TokenKind::Name, |w| TokenKind::Op(w))
    }

    fn mark(&mut self, start: usize) -> Result<TokenKind, CompileError> {
        let rest = self.rest();
        match MARKS.iter().find(|mark| rest.starts_with(**mark)) {
            Some(mark) if *mark != "&" => {
                self.at += mark.len();
                Ok(TokenKind::Op(mark))
            }
            _ => {
                let c = self.peek().unwrap_or_default();
                Err(self.error(start, format!("unrecognized character {c:?}")))
            }
        }
    }
}

pub(crate) fn is_name_start(c: char) -> bool {
    c == '_' || c == '$' || c.is_alphabetic()
}

fn is_name_part(c: char) -> bool {
    is_name_start(c) || c.is_numeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        lex(text)
            .unwrap()
            .into_iter()
            .map(|token| token.kind)
            .collect()
    }

    fn check_string(text: &str, want: &[u8]) {
        assert_eq!(
            kinds(text),
            [TokenKind::Str(want.into()), TokenKind::End],
            "{text}"
        );
    }

    #[test]
    fn strings_take_the_escapes_of_the_language_and_no_others() {
        check_string(r"'a\n\t\\\''", b"a\n\t\\'");
        check_string(
            r#""\x41\u0042\U00000043\u{1F600}\101""#,
            "ABC\u{1F600}A".as_bytes(),
        );
        check_string(r"'\xff'", b"\xff");
        check_string("`a\\.``b`", b"a\\.`b");
        for bad in [
            r"'\.'", r"'\d'", "'a\nb'", "'abc", r"'\x4'", r"'\u{}'", "'\\", "`a",
        ] {
            assert!(lex(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_come_in_all_bases_and_overflow_is_an_error() {
        use TokenKind::{End, Float, Int};
        assert_eq!(
            kinds("0x1F 0b101 0o17 1_000"),
            [Int(31), Int(5), Int(15), Int(1000), End]
        );
        assert_eq!(
            kinds(".5 1e3 2.5E-1"),
            [Float(0.5), Float(1000.0), Float(0.25), End]
        );
        assert_eq!(kinds("1..3"), [Int(1), TokenKind::Op(".."), Int(3), End]);
        for bad in ["9223372036854775808", "1a", "0x", "0b12", "1.5.2x"] {
            assert!(lex(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn comments_and_line_ends_are_blanks() {
        assert_eq!(
            kinds("a // b\n/* c */ d"),
            [TokenKind::Name, TokenKind::Name, TokenKind::End]
        );
        assert!(lex("/* a").is_err());
        assert!(lex("a & b").is_err());
    }
}
