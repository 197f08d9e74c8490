//! Calls of functions, and pipes.

use super::Parser;
use super::predicate::{Argument, predicate_arguments};
use crate::ast::{Ast, Kind};
use crate::builtins::is_builtin;
use crate::calls::is_helper;
use crate::error::CompileError;
use crate::lex::TokenKind;

impl Parser<'_> {
    /// A call of `name`, whose opening parenthesis is next; `piped` is the first argument.
    pub(super) fn call(
        &mut self,
        start: usize,
        name: &str,
        piped: Option<Ast>,
    ) -> Result<Ast, CompileError> {
        let is_overridden = is_helper(name) || self.env.defines(name);
        self.any_call(
            start,
            name,
            piped,
            !is_overridden && is_builtin(name),
            false,
        )
    }

    /// `::name(...)`.
    pub(super) fn builtin_call(&mut self, start: usize) -> Result<Ast, CompileError> {
        if *self.kind() != TokenKind::Name {
            return Err(self.unexpected());
        }
        let name = self.token_text(self.token());
        self.advance();
        self.any_call(start, &name, None, is_builtin(&name), true)
    }

    /// `left | name(args)`, from behind the pipe.
    pub(super) fn piped(&mut self, left: Ast) -> Result<Ast, CompileError> {
        let start = left.start;
        if *self.kind() != TokenKind::Name {
            return Err(self.unexpected());
        }
        let name = self.token_text(self.token());
        self.advance();
        let call = self.call(start, &name, Some(left))?;
        self.postfix(call)
    }

    fn any_call(
        &mut self,
        start: usize,
        name: &str,
        piped: Option<Ast>,
        uses_builtin: bool,
        is_builtin: bool,
    ) -> Result<Ast, CompileError> {
        let first: Vec<Ast> = piped.into_iter().collect();
        let shape = if uses_builtin {
            predicate_arguments(name)
        } else {
            None
        };
        let args = match shape {
            Some(shape) => self.shaped_arguments(shape, first)?,
            None => self.arguments(first)?,
        };
        self.node(
            start,
            Kind::Call {
                name: name.into(),
                args,
                is_builtin,
            },
        )
    }

    /// `(a, b, ...)`, a last comma allowed.
    pub(super) fn arguments(&mut self, first: Vec<Ast>) -> Result<Vec<Ast>, CompileError> {
        let mut args = first;
        self.expect_bracket('(')?;
        while !self.is_bracket(')') {
            args.push(self.expression(0)?);
            if !self.accept(",") {
                break;
            }
        }
        self.expect_bracket(')')?;
        Ok(args)
    }

    /// Arguments of a builtin that takes a predicate.
    fn shaped_arguments(
        &mut self,
        shape: &[Argument],
        first: Vec<Ast>,
    ) -> Result<Vec<Ast>, CompileError> {
        let n_piped = first.len();
        let mut args = first;
        self.expect_bracket('(')?;
        for (at, argument) in shape.iter().enumerate().skip(n_piped) {
            if argument.is_optional && self.is_bracket(')') {
                break;
            }
            if at > n_piped {
                self.expect(",")?;
                if argument.is_optional && self.is_bracket(')') {
                    break;
                }
            }
            args.push(if argument.is_predicate {
                self.predicate()?
            } else {
                self.expression(0)?
            });
        }
        self.accept(",");
        self.expect_bracket(')')?;
        Ok(args)
    }
}
