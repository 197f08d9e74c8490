//! Binary operators: which operand types are accepted, and which form is compiled.

use std::sync::Arc;

use super::{Fails, Lowering, Typed, fold};
use crate::ast::{Ast, Binary, Kind};
use crate::boolean::StringSet;
use crate::code::{Arithmetic, Code, Comparison, Node, TextTest};
use crate::error::CompileError;
use crate::regex::Regex;
use crate::types::Ty;
use crate::value::{Bytes, Part, Value};

impl Lowering<'_> {
    pub(super) fn binary(
        &mut self,
        ast: &Ast,
        op: Binary,
        sides: &[Ast; 2],
    ) -> Result<Typed, CompileError> {
        if let Some(typed) = self.count_threshold(ast, op, sides)? {
            return Ok(typed);
        }
        let left = self.lower(&sides[0])?;
        let right = self.lower(&sides[1])?;
        let (l, r) = (left.ty.deref(), right.ty.deref());
        let result = result_type(op, l, r);
        let Some(ty) = result else {
            return Err(self.mismatch(ast, symbol(op), l, r));
        };
        let is_known = !l.is_nullable() && !r.is_nullable();
        let fails = if is_known { Fails::AsParts } else { Fails::Yes };
        let pair = |left: Typed, right: Typed| Box::new([left.node, right.node]);
        let (code, fails) = match op {
            Binary::Eq | Binary::Ne => match fold::equality(op, &left.node, &right.node) {
                Some(value) => (Code::Const(value), Fails::No),
                None => (
                    Code::Equal(op == Binary::Ne, pair(left, right)),
                    Fails::AsParts,
                ),
            },
            Binary::Lt => (Code::Compare(Comparison::Lt, pair(left, right)), fails),
            Binary::Gt => (Code::Compare(Comparison::Gt, pair(left, right)), fails),
            Binary::Le => (Code::Compare(Comparison::Le, pair(left, right)), fails),
            Binary::Ge => (Code::Compare(Comparison::Ge, pair(left, right)), fails),
            Binary::Contains => (Code::TextTest(TextTest::Contains, pair(left, right)), fails),
            Binary::StartsWith => (
                Code::TextTest(TextTest::StartsWith, pair(left, right)),
                fails,
            ),
            Binary::EndsWith => (Code::TextTest(TextTest::EndsWith, pair(left, right)), fails),
            Binary::Matches => return self.matches(ast, &sides[1], left, right),
            Binary::In => return self.membership(ast, &sides[1], left, right),
            Binary::Range => (Code::Range(pair(left, right)), Fails::Yes),
            Binary::Coalesce => (Code::Coalesce(pair(left, right)), Fails::AsParts),
            Binary::Sub => return self.arithmetic(ast, Arithmetic::Sub, left, right, ty),
            Binary::Mul => return self.arithmetic(ast, Arithmetic::Mul, left, right, ty),
            Binary::Div => return self.arithmetic(ast, Arithmetic::Div, left, right, ty),
            Binary::Rem => return self.arithmetic(ast, Arithmetic::Rem, left, right, ty),
            Binary::Pow => return self.arithmetic(ast, Arithmetic::Pow, left, right, ty),
        };
        Ok(self.typed(ast, code, ty, fails))
    }

    fn mismatch(&self, ast: &Ast, op: &str, left: Ty, right: Ty) -> CompileError {
        let (left, right) = (left.name(), right.name());
        self.error(
            ast,
            format!("invalid operation: {op} (mismatched types {left} and {right})"),
        )
    }

    fn arithmetic(
        &mut self,
        ast: &Ast,
        op: Arithmetic,
        left: Typed,
        right: Typed,
        ty: Ty,
    ) -> Result<Typed, CompileError> {
        let is_zero = matches!(right.node.constant(), Some(Value::Int(0)));
        if op == Arithmetic::Rem && is_zero && left.node.constant().is_some() {
            return Err(self.error(ast, "integer divide by zero"));
        }
        if let Some(value) = fold::arithmetic_of(op, &left.node, &right.node) {
            return Ok(self.typed(ast, Code::Const(value), ty, Fails::No));
        }
        let is_safe = op != Arithmetic::Rem && !left.ty.is_nullable() && !right.ty.is_nullable();
        let fails = if is_safe { Fails::AsParts } else { Fails::Yes };
        let code = Code::Arithmetic(op, Box::new([left.node, right.node]));
        Ok(self.typed(ast, code, ty, fails))
    }

    /// `a + b + ...`.
    pub(super) fn sum(&mut self, ast: &Ast, items: &[Ast]) -> Result<Typed, CompileError> {
        let mut nodes: Vec<Node> = Vec::with_capacity(items.len());
        let mut ty: Option<Ty> = None;
        let mut are_texts = true;
        let mut is_safe = true;
        for item in items {
            let typed = self.lower(item)?;
            let next = typed.ty.deref();
            are_texts &= typed.ty == Ty::Str;
            is_safe &= !typed.ty.is_nullable();
            ty = Some(match ty {
                None => next,
                Some(so_far) => {
                    sum_type(so_far, next).ok_or_else(|| self.mismatch(ast, "+", so_far, next))?
                }
            });
            // Numbers are folded from the left only: rounding depends on the order.
            let is_first = nodes.len() == 1;
            let folded = nodes
                .last()
                .filter(|last| is_first || last.constant_str().is_some())
                .and_then(|last| fold::arithmetic_of(Arithmetic::Add, last, &typed.node));
            match (folded, nodes.last_mut()) {
                (Some(value), Some(last)) => {
                    last.code = Code::Const(value);
                    last.span.1 = typed.node.span.1;
                }
                _ => nodes.push(typed.node),
            }
        }
        let ty = ty.unwrap_or(Ty::Any);
        let fails = if is_safe { Fails::AsParts } else { Fails::Yes };
        let code = match nodes.len() {
            1 => match nodes.pop() {
                Some(only) => return Ok(Typed { node: only, ty }),
                None => Code::Const(Value::Nil),
            },
            _ if are_texts => Code::Concat(nodes.into()),
            _ => Code::Sum(nodes.into()),
        };
        Ok(self.typed(ast, code, ty, fails))
    }

    fn matches(
        &mut self,
        ast: &Ast,
        pattern: &Ast,
        left: Typed,
        right: Typed,
    ) -> Result<Typed, CompileError> {
        let is_known = left.ty.deref() == Ty::Str;
        let Some(text) = right.node.constant_str() else {
            let code = Code::MatchesComputed(Box::new([left.node, right.node]));
            return Ok(self.typed(ast, code, Ty::Bool, Fails::Yes));
        };
        let regex = Regex::compile(text).map_err(|error| self.error(pattern, error.to_string()))?;
        let fails = if is_known { Fails::AsParts } else { Fails::Yes };
        let code = Code::Matches(Box::new(left.node), Arc::new(regex));
        Ok(self.typed(ast, code, Ty::Bool, fails))
    }

    /// `x in y`. A list of string literals is a set of strings whatever `x` is.
    fn membership(
        &mut self,
        ast: &Ast,
        set: &Ast,
        left: Typed,
        right: Typed,
    ) -> Result<Typed, CompileError> {
        let l = left.ty.deref();
        if let Kind::List(items) = &set.kind
            && !items.is_empty()
            && l != Ty::Int
        {
            let texts: Option<Vec<_>> = items
                .iter()
                .map(|item| match &item.kind {
                    Kind::Str(text) => Some(Bytes::clone(text)),
                    _ => None,
                })
                .collect();
            if let Some(texts) = texts {
                let fails = if l == Ty::Str {
                    Fails::AsParts
                } else {
                    Fails::Yes
                };
                let code = Code::InStrings(Box::new(left.node), StringSet::new(texts));
                return Ok(self.typed(ast, code, Ty::Bool, fails));
            }
        }
        if let (Code::Range(bounds), Ty::Int) = (&right.node.code, l)
            && let (Some(Value::Int(from)), Some(Value::Int(to))) =
                (bounds[0].constant(), bounds[1].constant())
        {
            let code = Code::InRange(Box::new(left.node), *from, *to);
            return Ok(self.typed(ast, code, Ty::Bool, Fails::AsParts));
        }
        if let (Some(key), Code::Part(Part::Fields(map))) =
            (left.node.constant_str(), &right.node.code)
            && let Ok(key) = std::str::from_utf8(key)
        {
            let slot = self.slot(ast, *map, key)?;
            return Ok(self.typed(ast, Code::HasField(slot), Ty::Bool, Fails::No));
        }
        let is_safe = right.ty.is_list() || (matches!(right.ty, Ty::Map(_)) && l == Ty::Str);
        let fails = if is_safe { Fails::AsParts } else { Fails::Yes };
        let code = Code::In(Box::new([left.node, right.node]));
        Ok(self.typed(ast, code, Ty::Bool, fails))
    }
}

/// The type of the result, or `None` when the operands do not go together.
fn result_type(op: Binary, l: Ty, r: Ty) -> Option<Ty> {
    let open = |ty: Ty| matches!(ty, Ty::Any | Ty::Nil);
    let both = |test: fn(Ty) -> bool| (open(l) || test(l)) && (open(r) || test(r));
    let is_text = |ty: Ty| ty == Ty::Str;
    let is_time = |ty: Ty| ty == Ty::Time;
    let is_duration = |ty: Ty| ty == Ty::Duration;
    match op {
        Binary::Eq | Binary::Ne => comparable(l, r).then_some(Ty::Bool),
        Binary::Lt | Binary::Gt | Binary::Le | Binary::Ge => {
            let fits = both(Ty::is_number) || both(is_text) || both(is_time) || both(is_duration);
            fits.then_some(Ty::Bool)
        }
        Binary::Contains | Binary::StartsWith | Binary::EndsWith | Binary::Matches => {
            both(is_text).then_some(Ty::Bool)
        }
        Binary::In => membership_fits(l, r).then_some(Ty::Bool),
        Binary::Range => both(Ty::is_integer).then_some(Ty::List(&crate::types::INT)),
        Binary::Coalesce => Some(match (l, r) {
            (Ty::Nil, other) | (other, Ty::Nil) => other,
            (one, two) => one.join(two),
        }),
        Binary::Div | Binary::Pow => both(Ty::is_number).then_some(Ty::Float),
        Binary::Rem => both(Ty::is_integer).then_some(Ty::Int),
        Binary::Mul => match (l, r) {
            (Ty::Duration, other) | (other, Ty::Duration) => {
                (other.is_number() || open(other)).then_some(Ty::Duration)
            }
            _ => both(Ty::is_number).then_some(number_type(l, r)),
        },
        Binary::Sub => match (l, r) {
            (Ty::Time, Ty::Time) | (Ty::Duration, Ty::Duration) => Some(Ty::Duration),
            (Ty::Time, Ty::Duration) => Some(Ty::Time),
            (Ty::Time | Ty::Duration, other) | (other, Ty::Time | Ty::Duration) => {
                open(other).then_some(Ty::Any)
            }
            _ => both(Ty::is_number).then_some(number_type(l, r)),
        },
    }
}

fn sum_type(l: Ty, r: Ty) -> Option<Ty> {
    let fits = |ty: Ty| {
        ty.is_number() || matches!(ty, Ty::Str | Ty::Time | Ty::Duration | Ty::Any | Ty::Nil)
    };
    match (l, r) {
        (Ty::Any | Ty::Nil, other) | (other, Ty::Any | Ty::Nil) => fits(other).then_some(Ty::Any),
        (Ty::Str, Ty::Str) => Some(Ty::Str),
        (Ty::Duration, Ty::Duration) => Some(Ty::Duration),
        (Ty::Time, Ty::Duration) | (Ty::Duration, Ty::Time) => Some(Ty::Time),
        _ => (l.is_number() && r.is_number()).then(|| number_type(l, r)),
    }
}

fn number_type(l: Ty, r: Ty) -> Ty {
    match (l.is_integer(), r.is_integer()) {
        (true, true) => Ty::Int,
        _ if l.is_number() && r.is_number() => Ty::Float,
        _ => Ty::Any,
    }
}

fn comparable(l: Ty, r: Ty) -> bool {
    match (l, r) {
        (Ty::Any | Ty::Nil, _) | (_, Ty::Any | Ty::Nil) => true,
        (Ty::List(_) | Ty::Items(_), Ty::List(_) | Ty::Items(_)) | (Ty::Map(_), Ty::Map(_)) => true,
        (Ty::Struct(_) | Ty::Ptr(_), Ty::Struct(_) | Ty::Ptr(_)) => true,
        (one, two) if one.is_number() && two.is_number() => true,
        (one, two) => one == two,
    }
}

fn membership_fits(l: Ty, r: Ty) -> bool {
    match r {
        Ty::Any => true,
        Ty::Struct(_) | Ty::Ptr(_) => matches!(l, Ty::Str | Ty::Any),
        Ty::Map(_) => matches!(l, Ty::Str | Ty::Any),
        Ty::List(element) | Ty::Items(element) => comparable(l, *element),
        _ => false,
    }
}

fn symbol(op: Binary) -> &'static str {
    match op {
        Binary::Eq => "==",
        Binary::Ne => "!=",
        Binary::Lt => "<",
        Binary::Gt => ">",
        Binary::Le => "<=",
        Binary::Ge => ">=",
        Binary::In => "in",
        Binary::Matches => "matches",
        Binary::Contains => "contains",
        Binary::StartsWith => "startsWith",
        Binary::EndsWith => "endsWith",
        Binary::Range => "..",
        Binary::Sub => "-",
        Binary::Mul => "*",
        Binary::Div => "/",
        Binary::Rem => "%",
        Binary::Pow => "**",
        Binary::Coalesce => "??",
    }
}
