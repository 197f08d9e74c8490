//! What follows a value: members, methods, indexes, slices.

use super::Parser;
use crate::ast::{Ast, Kind, Step, StepKind};
use crate::error::CompileError;
use crate::lex::{TokenKind, is_name_start};

impl Parser<'_> {
    /// All steps that follow `base`. Parentheses around a chain do not end it.
    pub(super) fn postfix(&mut self, base: Ast) -> Result<Ast, CompileError> {
        let mut steps = Vec::new();
        while let Some(step) = self.step()? {
            steps.push(step);
        }
        if steps.is_empty() {
            return Ok(base);
        }
        let start = base.start;
        let kind = match base.kind {
            Kind::Chain(inner, mut earlier) => {
                earlier.append(&mut steps);
                Kind::Chain(inner, earlier)
            }
            kind => Kind::Chain(Box::new(Ast { kind, ..base }), steps),
        };
        // The steps were counted one by one.
        self.uncounted(start, kind)
    }

    fn step(&mut self) -> Result<Option<Step>, CompileError> {
        let is_optional = self.is_op("?.");
        if is_optional || self.is_op(".") {
            self.advance();
            if !(is_optional && self.is_bracket('[')) {
                let kind = self.member()?;
                return Ok(Some(Step {
                    kind,
                    is_optional,
                    end: self.end(),
                }));
            }
        }
        if !self.accept_bracket('[') {
            return Ok(None);
        }
        self.count(1, self.end())?;
        let kind = self.index()?;
        self.expect_bracket(']')?;
        Ok(Some(Step {
            kind,
            is_optional,
            end: self.end(),
        }))
    }

    fn member(&mut self) -> Result<StepKind, CompileError> {
        let start = self.token().start;
        let name = match self.kind() {
            TokenKind::Name => self.token_text(self.token()),
            TokenKind::Op(word) if word.starts_with(is_name_start) => (*word).to_owned(),
            _ => return Err(self.error(start, "expected name")),
        };
        self.advance();
        // The access and the name are a node each in CrowdSec's count, and so is a call.
        self.count(2, start)?;
        if self.is_bracket('(') {
            self.count(1, start)?;
            let args = self.arguments(Vec::new())?;
            return Ok(StepKind::Method(name.into_boxed_str(), args));
        }
        Ok(StepKind::Member(name.into_boxed_str()))
    }

    fn index(&mut self) -> Result<StepKind, CompileError> {
        let from = if self.is_op(":") {
            None
        } else {
            Some(self.expression(0)?)
        };
        let from = match (from, self.accept(":")) {
            (Some(index), false) => return Ok(StepKind::Index(index)),
            (from, _) => from,
        };
        let to = if self.is_bracket(']') {
            None
        } else {
            Some(self.expression(0)?)
        };
        Ok(StepKind::Slice(from, to))
    }
}
