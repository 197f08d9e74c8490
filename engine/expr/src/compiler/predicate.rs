//! Builtins that evaluate something for each element.

use super::tests_of_fields::file_name;
use super::{Fails, Lowering, Typed};
use crate::ast::{Ast, Binary, Kind};
use crate::code::{Code, Comparison, InRanges, Loop, LoopKind, Node};
use crate::error::CompileError;
use crate::types::Ty;
use crate::value::Value;

/// The file and the address of `any(File('f'), IpInRange(address, #))`. That a line is not empty may
/// be asked before: an empty one is no range.
fn in_ranges(list: &Node, body: &Node) -> Option<InRanges> {
    let file = file_name(list)?;
    let test = match &body.code {
        Code::And(items) => match &**items {
            [first, last] if asks_length(first) => last,
            _ => return None,
        },
        _ => body,
    };
    let Code::Helper(helper, args) = &test.code else {
        return None;
    };
    match &**args {
        [address, range]
            if helper.name == "IpInRange"
                && matches!(range.code, Code::Element)
                && !looks_at_loop(address) =>
        {
            Some(InRanges {
                file,
                address: address.clone(),
            })
        }
        _ => None,
    }
}

/// `len(#) > 0`.
fn asks_length(node: &Node) -> bool {
    let Code::Compare(Comparison::Gt, sides) = &node.code else {
        return false;
    };
    let is_zero = matches!(sides[1].constant(), Some(Value::Int(0)));
    match &sides[0].code {
        Code::Builtin(builtin, args) => {
            is_zero
                && builtin.name == "len"
                && matches!(&**args, [arg] if matches!(arg.code, Code::Element))
        }
        _ => false,
    }
}

/// Whether a node depends on where the loop around it is, or has a loop of its own.
fn looks_at_loop(node: &Node) -> bool {
    matches!(
        node.code,
        Code::Element | Code::ElementIndex | Code::Accumulator | Code::Loop(_)
    ) || node.children().into_iter().any(looks_at_loop)
}

impl Lowering<'_> {
    pub(super) fn loop_of(
        &mut self,
        ast: &Ast,
        kind: LoopKind,
        args: &[Ast],
    ) -> Result<Typed, CompileError> {
        let [list, rest @ ..] = args else {
            return Err(self.error(ast, "not enough arguments"));
        };
        let list = self.lower(list)?;
        let list_ty = list.ty.deref();
        if !(list_ty.is_list() || list_ty.is_any()) {
            let message = format!("takes only lists, found {}", list_ty.name());
            return Err(self.error(ast, message));
        }
        let (predicate, extra) = match rest {
            [] => (None, None),
            [one] => (Some(one), None),
            [one, two] => (Some(one), Some(two)),
            _ => return Err(self.error(ast, "too many arguments")),
        };
        let extra = extra.map(|extra| self.lower(extra)).transpose()?;
        let element = list_ty.element();
        let body = match predicate.map(|one| &one.kind) {
            None => None,
            Some(Kind::Predicate(body)) => {
                self.elements.push((element, Ty::Any));
                let lowered = self.lower(body);
                self.elements.pop();
                Some(lowered?)
            }
            Some(_) => return Err(self.error(ast, "expected a predicate")),
        };
        let gives_bool = !matches!(
            kind,
            LoopKind::Map | LoopKind::Sum | LoopKind::Reduce | LoopKind::GroupBy | LoopKind::SortBy
        );
        let body_ty = body.as_ref().map(|body| body.ty.deref());
        if let Some(ty) = body_ty.filter(|ty| gives_bool && !matches!(ty, Ty::Bool | Ty::Any)) {
            let message = format!("predicate should return boolean (got {})", ty.name());
            return Err(self.error(ast, message));
        }
        let ty = match kind {
            LoopKind::All | LoopKind::Any | LoopKind::None | LoopKind::One => Ty::Bool,
            LoopKind::Filter | LoopKind::SortBy => element.items(),
            LoopKind::Map => body_ty.unwrap_or(Ty::Any).items(),
            LoopKind::Count { .. } => Ty::Int,
            LoopKind::Find { .. } | LoopKind::MustFind { .. } if element.is_nullable() => element,
            LoopKind::MustFind { .. } => element,
            _ => Ty::Any,
        };
        let is_safe = match kind {
            LoopKind::MustFind { .. } => false,
            LoopKind::Map => list_ty.is_list() && body_ty.is_some_and(Ty::is_plain),
            _ => list_ty.is_list() && body_ty == Some(Ty::Bool),
        };
        let fails = if is_safe { Fails::AsParts } else { Fails::Yes };
        let body = body.map(|body| body.node);
        let in_ranges = match &body {
            Some(body) if kind == LoopKind::Any => in_ranges(&list.node, body),
            _ => None,
        };
        let one = Loop {
            kind,
            list: list.node,
            body,
            extra: extra.map(|extra| extra.node),
            in_ranges,
        };
        Ok(self.typed(ast, Code::Loop(Box::new(one)), ty, fails))
    }

    /// `count(list, p) > n` and its kin stop counting once the answer is known.
    pub(super) fn count_threshold(
        &mut self,
        ast: &Ast,
        op: Binary,
        sides: &[Ast; 2],
    ) -> Result<Option<Typed>, CompileError> {
        let [
            Ast {
                kind:
                    Kind::Call {
                        name,
                        args,
                        is_builtin,
                    },
                ..
            },
            bound,
        ] = sides
        else {
            return Ok(None);
        };
        let is_count =
            &**name == "count" && args.len() == 2 && (*is_builtin || !self.env.defines(name));
        let Kind::Int(bound_value) = bound.kind else {
            return Ok(None);
        };
        let limit = match op {
            Binary::Gt | Binary::Le => bound_value.saturating_add(1),
            Binary::Ge | Binary::Lt => bound_value,
            _ => return Ok(None),
        };
        let Some(limit) = u64::try_from(limit)
            .ok()
            .filter(|limit| is_count && *limit > 0)
        else {
            return Ok(None);
        };
        let mut counted = self.loop_of(&sides[0], LoopKind::Count { limit }, args)?;
        counted.ty = Ty::Int;
        let bound = self.lower(bound)?;
        let comparison = match op {
            Binary::Gt => Comparison::Gt,
            Binary::Le => Comparison::Le,
            Binary::Ge => Comparison::Ge,
            _ => Comparison::Lt,
        };
        let code = Code::Compare(comparison, Box::new([counted.node, bound.node]));
        Ok(Some(self.typed(ast, code, Ty::Bool, Fails::AsParts)))
    }

    /// `len(filter(...))`, `first(filter(...))` and `last(filter(...))` make no list.
    pub(super) fn shortened(
        &mut self,
        ast: &Ast,
        name: &str,
        args: &[Ast],
    ) -> Result<Option<Typed>, CompileError> {
        let kind = match name {
            "len" => LoopKind::Count { limit: u64::MAX },
            "first" => LoopKind::Find { is_last: false },
            "last" => LoopKind::Find { is_last: true },
            _ => return Ok(None),
        };
        let [
            Ast {
                kind:
                    Kind::Call {
                        name: inner,
                        args: inner_args,
                        is_builtin,
                    },
                ..
            },
        ] = args
        else {
            return Ok(None);
        };
        if &**inner != "filter" || (!*is_builtin && self.env.defines(inner)) {
            return Ok(None);
        }
        self.loop_of(ast, kind, inner_args).map(Some)
    }
}
