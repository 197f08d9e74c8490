//! Names, literals, lists and maps.

use super::Parser;
use crate::ast::{Ast, Kind};
use crate::error::CompileError;
use crate::lex::TokenKind;
use crate::value::Bytes;

impl Parser<'_> {
    /// A value that is neither parenthesised nor has an operator before it.
    pub(super) fn secondary(&mut self) -> Result<Ast, CompileError> {
        let start = self.token().start;
        let kind = match self.kind() {
            TokenKind::Int(value) => Kind::Int(*value),
            TokenKind::Float(value) => Kind::Float(*value),
            TokenKind::Str(value) => Kind::Str(Bytes::clone(value)),
            TokenKind::ByteStr(value) => Kind::ByteStr(Bytes::clone(value)),
            TokenKind::Bracket('[') => return self.list(),
            TokenKind::Bracket('{') => return self.map(),
            TokenKind::Name => {
                let name = self.token_text(self.token());
                self.advance();
                return match name.as_str() {
                    "true" => self.node(start, Kind::Bool(true)),
                    "false" => self.node(start, Kind::Bool(false)),
                    "nil" => self.node(start, Kind::Nil),
                    _ if self.is_bracket('(') => self.call(start, &name, None),
                    _ => self.node(start, Kind::Name(name.into_boxed_str())),
                };
            }
            TokenKind::Op(_) | TokenKind::Bracket(_) | TokenKind::End => {
                return Err(self.unexpected());
            }
        };
        self.advance();
        self.node(start, kind)
    }

    fn list(&mut self) -> Result<Ast, CompileError> {
        let start = self.token().start;
        self.expect_bracket('[')?;
        let mut items = Vec::new();
        while !self.is_bracket(']') {
            items.push(self.expression(0)?);
            if !self.accept(",") {
                break;
            }
        }
        self.expect_bracket(']')?;
        self.node(start, Kind::List(items))
    }

    fn map(&mut self) -> Result<Ast, CompileError> {
        let start = self.token().start;
        self.expect_bracket('{')?;
        let mut entries = Vec::new();
        while !self.is_bracket('}') {
            let key = self.map_key()?;
            self.expect(":")?;
            entries.push((key, self.expression(0)?));
            if !self.accept(",") {
                break;
            }
        }
        self.expect_bracket('}')?;
        self.node(start, Kind::Map(entries))
    }

    fn map_key(&mut self) -> Result<Ast, CompileError> {
        let token = self.token().clone();
        let text = match &token.kind {
            TokenKind::Bracket('(') => return self.expression(0),
            TokenKind::Str(value) => Bytes::clone(value),
            TokenKind::Name | TokenKind::Int(_) | TokenKind::Float(_) => {
                self.token_text(&token).into_bytes().into()
            }
            _ => {
                let message = "a map key must be a quoted string, a number, an identifier, or an \
                               expression in parentheses";
                return Err(self.error(token.start, message));
            }
        };
        self.advance();
        self.node(token.start, Kind::Str(text))
    }
}
