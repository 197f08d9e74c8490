//! Tokens to a tree (expr-lang 1.17.8, `parser/parser.go`).
//!
//! Precedence climbing with the operator table of the language. The tree has at most
//! [`NODES_MAX`] nodes and [`DEPTH_MAX`] levels, and nesting is refused before the stack suffers.

mod call;
mod literal;
mod operator;
mod postfix;
mod predicate;

use crate::ast::{Ast, Binary, DEPTH_MAX, Kind, Unary};
use crate::env::Env;
use crate::error::CompileError;
use crate::lex::{Token, TokenKind, lex};
use operator::{Assoc, binary_operator, is_chainable, negates};

/// Most nodes of one expression, as in CrowdSec.
const NODES_MAX: usize = 10_000;
/// Most expressions within expressions while parsing. Bounds the stack.
const NESTING_MAX: u16 = 400;

/// Parses a whole text.
pub(crate) fn parse(text: &str, env: &Env) -> Result<Ast, CompileError> {
    let tokens = lex(text)?;
    let mut parser = Parser {
        text,
        tokens,
        at: 0,
        env,
        nodes: 0,
        nesting: 0,
        predicates: 0,
    };
    let ast = parser.sequence()?;
    match parser.kind() {
        TokenKind::End => Ok(ast),
        _ => Err(parser.unexpected()),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    env: &'a Env,
    nodes: usize,
    nesting: u16,
    /// How many predicates surround this place.
    predicates: usize,
}

impl Parser<'_> {
    /// The current token; the last one is the end and is never passed.
    fn token(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn kind(&self) -> &TokenKind {
        &self.token().kind
    }

    fn advance(&mut self) {
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
    }

    /// Byte after the last token that was read.
    fn end(&self) -> usize {
        self.at
            .checked_sub(1)
            .and_then(|at| self.tokens.get(at))
            .map_or(0, |token| token.end)
    }

    fn token_text(&self, token: &Token) -> String {
        self.text
            .get(token.start..token.end)
            .unwrap_or_default()
            .to_owned()
    }

    fn is_op(&self, op: &str) -> bool {
        matches!(self.kind(), TokenKind::Op(found) if *found == op)
    }

    fn is_bracket(&self, bracket: char) -> bool {
        matches!(self.kind(), TokenKind::Bracket(found) if *found == bracket)
    }

    /// Moves past an operator if it is here.
    fn accept(&mut self, op: &str) -> bool {
        let is_here = self.is_op(op);
        if is_here {
            self.advance();
        }
        is_here
    }

    fn accept_bracket(&mut self, bracket: char) -> bool {
        let is_here = self.is_bracket(bracket);
        if is_here {
            self.advance();
        }
        is_here
    }

    fn expect(&mut self, op: &str) -> Result<(), CompileError> {
        if self.accept(op) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn expect_bracket(&mut self, bracket: char) -> Result<(), CompileError> {
        if self.accept_bracket(bracket) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn error(&self, at: usize, message: impl Into<String>) -> CompileError {
        CompileError::at(self.text, at, message)
    }

    fn unexpected(&self) -> CompileError {
        let token = self.token();
        let what = match token.kind {
            TokenKind::End => "end of the expression".to_owned(),
            _ => format!("token {}", self.token_text(token)),
        };
        self.error(token.start, format!("unexpected {what}"))
    }

    /// Makes a node that ends before the current token.
    fn node(&mut self, start: usize, kind: Kind) -> Result<Ast, CompileError> {
        self.count(1, start)?;
        self.uncounted(start, kind)
    }

    fn uncounted(&self, start: usize, kind: Kind) -> Result<Ast, CompileError> {
        let mut ast = Ast {
            kind,
            start,
            end: self.end().max(start),
            depth: 1,
        };
        let below = ast
            .children()
            .into_iter()
            .map(|child| child.depth)
            .max()
            .unwrap_or(0);
        ast.depth = below.saturating_add(1);
        if ast.depth > DEPTH_MAX {
            return Err(self.error(start, "expression is nested too deeply"));
        }
        Ok(ast)
    }

    fn count(&mut self, n: usize, at: usize) -> Result<(), CompileError> {
        self.nodes = self.nodes.saturating_add(n);
        if self.nodes > NODES_MAX {
            return Err(self.error(at, "expression exceeds the maximum of 10000 nodes"));
        }
        Ok(())
    }

    /// A second copy of a node, which counts like the first.
    fn copy(&mut self, ast: &Ast) -> Result<Ast, CompileError> {
        self.count(ast.count(), ast.start)?;
        Ok(ast.clone())
    }

    /// Expressions with `;` between them; a last `;` may stand alone.
    fn sequence(&mut self) -> Result<Ast, CompileError> {
        let start = self.token().start;
        let first = self.expression(0)?;
        if !self.is_op(";") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.accept(";") {
            if matches!(self.kind(), TokenKind::End | TokenKind::Bracket(')' | '}')) {
                break;
            }
            items.push(self.expression(0)?);
        }
        match items.len() {
            1 => items.pop().ok_or_else(|| self.unexpected()),
            _ => self.node(start, Kind::Seq(items)),
        }
    }

    /// An expression whose operators bind at least as tightly as `precedence`.
    fn expression(&mut self, precedence: u16) -> Result<Ast, CompileError> {
        self.nesting += 1;
        if self.nesting > NESTING_MAX {
            return Err(self.error(self.token().start, "expression is nested too deeply"));
        }
        let result = self.expression_inner(precedence);
        self.nesting -= 1;
        result
    }

    fn expression_inner(&mut self, precedence: u16) -> Result<Ast, CompileError> {
        if precedence == 0 && self.is_op("let") {
            return self.declaration();
        }
        if precedence == 0 && self.is_op("if") {
            return self.if_else();
        }
        let start = self.token().start;
        let mut left = self.primary()?;
        let mut previous = "";
        while let TokenKind::Op(mut op) = *self.kind() {
            let op_start = self.token().start;
            let negate_at = self.at;
            let negate = op == "not";
            if negate {
                self.advance();
                op = match *self.kind() {
                    TokenKind::Op(word) if negates(word) => word,
                    _ => return Err(self.unexpected()),
                };
            }
            let Some(found) = binary_operator(op).filter(|found| found.precedence >= precedence)
            else {
                self.at = negate_at;
                break;
            };
            self.advance();
            if op == "|" {
                left = self.piped(left)?;
            } else if previous == "??" && op != "??" {
                let message = format!("operator {op} and ?? cannot be mixed without parentheses");
                return Err(self.error(op_start, message));
            } else if is_chainable(op) {
                left = self.comparison(start, left, op, found.precedence)?;
            } else {
                let tighter = found.precedence + u16::from(found.assoc == Assoc::Left);
                let right = self.expression(tighter)?;
                left = self.binary(start, op, left, right)?;
                if negate {
                    left = self.node(start, Kind::Unary(Unary::Not, Box::new(left)))?;
                }
            }
            previous = op;
        }
        if precedence == 0 {
            self.conditional(start, left)
        } else {
            Ok(left)
        }
    }

    /// A node of a binary operator; `and`, `or` and `+` grow the list on their left.
    fn binary(
        &mut self,
        start: usize,
        op: &str,
        left: Ast,
        right: Ast,
    ) -> Result<Ast, CompileError> {
        let logic = match op {
            "and" | "&&" => Some(true),
            "or" | "||" => Some(false),
            _ => None,
        };
        let (kind, depth) = match left.kind {
            Kind::Logic(is_and, items) if logic == Some(is_and) => {
                (Kind::Logic(is_and, grown(items, right)), left.depth)
            }
            Kind::Sum(items) if op == "+" => (Kind::Sum(grown(items, right)), left.depth),
            kind => {
                let left = Ast { kind, ..left };
                let kind = match (logic, op) {
                    (Some(is_and), _) => Kind::Logic(is_and, vec![left, right]),
                    (None, "+") => Kind::Sum(vec![left, right]),
                    _ => {
                        let Some(op) = binary_kind(op) else {
                            return Err(self.unexpected());
                        };
                        Kind::Binary(op, Box::new([left, right]))
                    }
                };
                return self.node(start, kind);
            }
        };
        self.count(1, start)?;
        let last = match &kind {
            Kind::Logic(_, items) | Kind::Sum(items) => items.last().map_or(0, |item| item.depth),
            _ => 0,
        };
        let depth = depth.max(last.saturating_add(1));
        if depth > DEPTH_MAX {
            return Err(self.error(start, "expression is nested too deeply"));
        }
        Ok(Ast {
            kind,
            start,
            end: self.end(),
            depth,
        })
    }

    /// `a < b < c`: each neighbour pair must hold.
    fn comparison(
        &mut self,
        start: usize,
        first: Ast,
        first_op: &'static str,
        precedence: u16,
    ) -> Result<Ast, CompileError> {
        let mut op = first_op;
        let mut left = first;
        let mut root: Option<Ast> = None;
        loop {
            let right = self.expression(precedence + 1)?;
            let next = match *self.kind() {
                TokenKind::Op(next) if is_chainable(next) => Some(next),
                _ => None,
            };
            let kept = if next.is_some() {
                Some(self.copy(&right)?)
            } else {
                None
            };
            let pair = self.binary(left.start, op, left, right)?;
            root = Some(match root {
                None => pair,
                Some(root) => self.binary(start, "&&", root, pair)?,
            });
            match (next, kept, root) {
                (Some(next), Some(kept), still) => {
                    (op, left, root) = (next, kept, still);
                    self.advance();
                }
                (_, _, Some(root)) => return Ok(root),
                _ => return Err(self.unexpected()),
            }
        }
    }

    /// `c ? a : b` and `a ?: b` after a complete expression.
    fn conditional(&mut self, start: usize, condition: Ast) -> Result<Ast, CompileError> {
        let mut ast = condition;
        while self.accept("?") {
            let then = if self.is_op(":") {
                self.copy(&ast)?
            } else {
                self.expression(0)?
            };
            self.expect(":")?;
            let otherwise = self.expression(0)?;
            ast = self.node(start, Kind::Cond(Box::new([ast, then, otherwise])))?;
        }
        Ok(ast)
    }

    /// `let name = value; body`.
    fn declaration(&mut self) -> Result<Ast, CompileError> {
        let start = self.token().start;
        self.expect("let")?;
        if *self.kind() != TokenKind::Name {
            return Err(self.unexpected());
        }
        let name = self.token_text(self.token()).into_boxed_str();
        self.advance();
        self.expect("=")?;
        let value = Box::new(self.expression(0)?);
        self.expect(";")?;
        let body = Box::new(self.sequence()?);
        self.node(start, Kind::Let { name, value, body })
    }

    /// `if c { a } else { b }`, with `else if` chains.
    fn if_else(&mut self) -> Result<Ast, CompileError> {
        let start = self.token().start;
        self.expect("if")?;
        let condition = self.expression(0)?;
        let then = self.block()?;
        self.expect("else")?;
        let otherwise = if self.is_op("if") {
            self.expression(0)?
        } else {
            self.block()?
        };
        self.node(start, Kind::Cond(Box::new([condition, then, otherwise])))
    }

    fn block(&mut self) -> Result<Ast, CompileError> {
        self.expect_bracket('{')?;
        let body = self.sequence()?;
        self.expect_bracket('}')?;
        Ok(body)
    }

    fn primary(&mut self) -> Result<Ast, CompileError> {
        let start = self.token().start;
        let unary = match *self.kind() {
            TokenKind::Op("not" | "!") => Some((Unary::Not, 50)),
            TokenKind::Op("-") => Some((Unary::Minus, 90)),
            TokenKind::Op("+") => Some((Unary::Plus, 90)),
            _ => None,
        };
        if let Some((op, precedence)) = unary {
            self.advance();
            let inner = Box::new(self.expression(precedence)?);
            let ast = self.node(start, Kind::Unary(op, inner))?;
            return self.postfix(ast);
        }
        if self.accept_bracket('(') {
            let inner = self.sequence()?;
            self.expect_bracket(')')?;
            let closed = Ast {
                start,
                end: self.end(),
                ..inner
            };
            return self.postfix(closed);
        }
        if self.predicates > 0 && (self.is_op("#") || self.is_op(".")) {
            return self.element();
        }
        if self.accept("::") {
            let call = self.builtin_call(start)?;
            return self.postfix(call);
        }
        let ast = self.secondary()?;
        self.postfix(ast)
    }
}

fn grown(mut items: Vec<Ast>, item: Ast) -> Vec<Ast> {
    items.push(item);
    items
}

fn binary_kind(op: &str) -> Option<Binary> {
    Some(match op {
        "==" => Binary::Eq,
        "!=" => Binary::Ne,
        "<" => Binary::Lt,
        ">" => Binary::Gt,
        "<=" => Binary::Le,
        ">=" => Binary::Ge,
        "in" => Binary::In,
        "matches" => Binary::Matches,
        "contains" => Binary::Contains,
        "startsWith" => Binary::StartsWith,
        "endsWith" => Binary::EndsWith,
        ".." => Binary::Range,
        "-" => Binary::Sub,
        "*" => Binary::Mul,
        "/" => Binary::Div,
        "%" => Binary::Rem,
        "**" | "^" => Binary::Pow,
        "??" => Binary::Coalesce,
        _ => return None,
    })
}
