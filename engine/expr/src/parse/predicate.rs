//! Predicates of `any`, `filter` and their kin, and the element they speak of.

use super::Parser;
use crate::ast::{Ast, Kind};
use crate::error::CompileError;
use crate::lex::TokenKind;

/// One argument of a builtin that takes a predicate.
#[derive(Debug)]
pub(super) struct Argument {
    pub(super) is_predicate: bool,
    pub(super) is_optional: bool,
}

const LIST: Argument = Argument {
    is_predicate: false,
    is_optional: false,
};
const PREDICATE: Argument = Argument {
    is_predicate: true,
    is_optional: false,
};
const MAYBE_PREDICATE: Argument = Argument {
    is_predicate: true,
    is_optional: true,
};
const MAYBE_VALUE: Argument = Argument {
    is_predicate: false,
    is_optional: true,
};

/// The arguments of a builtin, if it takes a predicate.
pub(super) fn predicate_arguments(name: &str) -> Option<&'static [Argument]> {
    Some(match name {
        "all" | "none" | "any" | "one" | "filter" | "map" | "find" | "findIndex" | "findLast"
        | "findLastIndex" | "groupBy" => &[LIST, PREDICATE],
        "count" | "sum" => &[LIST, MAYBE_PREDICATE],
        "sortBy" | "reduce" => &[LIST, PREDICATE, MAYBE_VALUE],
        _ => return None,
    })
}

impl Parser<'_> {
    /// `{ body }` or a bare body.
    pub(super) fn predicate(&mut self) -> Result<Ast, CompileError> {
        let start = self.token().start;
        let is_braced = self.accept_bracket('{');
        self.predicates += 1;
        let body = if is_braced {
            self.sequence()?
        } else {
            self.expression(0)?
        };
        self.predicates -= 1;
        if is_braced {
            self.expect_bracket('}')?;
        } else if self.is_op(";") {
            let message = "a predicate with ; needs braces around it";
            return Err(self.error(self.token().start, message));
        }
        self.node(start, Kind::Predicate(Box::new(body)))
    }

    /// `#`, `#index`, `#acc`, or the element that a leading dot implies.
    pub(super) fn element(&mut self) -> Result<Ast, CompileError> {
        let start = self.token().start;
        let kind = if self.accept("#") {
            match self.kind() {
                TokenKind::Name => {
                    let name = self.token_text(self.token());
                    self.advance();
                    match name.as_str() {
                        "index" => Kind::ElementIndex,
                        "acc" => Kind::Accumulator,
                        _ => {
                            return Err(self.error(start, format!("unknown pointer #{name}")));
                        }
                    }
                }
                _ => Kind::Element,
            }
        } else {
            Kind::Element
        };
        let element = self.node(start, kind)?;
        self.postfix(element)
    }
}
