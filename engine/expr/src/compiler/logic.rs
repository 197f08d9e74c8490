//! `and` and `or`: flat lists, with the folds that CrowdSec's optimizer makes.

use super::{Fails, Lowering, Typed};
use crate::ast::{Ast, Kind, Step, StepKind};
use crate::code::{Code, Node};
use crate::error::CompileError;
use crate::types::Ty;
use crate::value::Value;

impl Lowering<'_> {
    pub(super) fn logic(
        &mut self,
        ast: &Ast,
        is_and: bool,
        items: &[Ast],
    ) -> Result<Typed, CompileError> {
        let joined = self.joined_loops(is_and, items);
        let mut nodes: Vec<Node> = Vec::with_capacity(items.len());
        let mut are_bools = true;
        let mut fails = Fails::AsParts;
        let rest = match &joined {
            Some((first, n)) => {
                let typed = self.operand(ast, is_and, first)?;
                nodes.push(typed.node);
                items.get(*n..).unwrap_or_default()
            }
            None => items,
        };
        for (at, item) in rest.iter().enumerate() {
            let typed = self.operand(ast, is_and, item)?;
            let is_bool = typed.ty.deref() == Ty::Bool;
            are_bools &= is_bool;
            if !is_bool && at + 1 < rest.len() {
                fails = Fails::Yes;
            }
            if typed.node.can_fail {
                // Not to be forgotten where the operand is taken apart.
                fails = Fails::Yes;
            }
            push_flat(&mut nodes, typed.node, is_and);
        }
        let decides = |node: &Node| node.constant_bool() == Some(!is_and);
        if nodes.iter().any(decides) {
            return Ok(self.typed(ast, Code::Const(Value::Bool(!is_and)), Ty::Bool, Fails::No));
        }
        nodes.retain(|node| node.constant_bool() != Some(is_and));
        let ty = if are_bools { Ty::Bool } else { Ty::Any };
        let code = match nodes.len() {
            0 => Code::Const(Value::Bool(is_and)),
            1 => match nodes.pop() {
                Some(only) => return Ok(Typed { node: only, ty }),
                None => Code::Const(Value::Bool(is_and)),
            },
            _ if is_and => Code::And(nodes.into()),
            _ => Code::Or(nodes.into()),
        };
        Ok(self.typed(ast, code, ty, fails))
    }

    fn operand(&mut self, ast: &Ast, is_and: bool, item: &Ast) -> Result<Typed, CompileError> {
        let typed = self.lower(item)?;
        if !matches!(typed.ty.deref(), Ty::Bool | Ty::Any | Ty::Nil) {
            let op = if is_and { "and" } else { "or" };
            let message = format!(
                "invalid operation: {op} (mismatched type {})",
                typed.ty.name()
            );
            return Err(self.error(ast, message));
        }
        Ok(typed)
    }

    /// `any(A, p) or any(A, q)` is one loop that tests `p or q` for each element, so that `q` of
    /// an early element is tested before `p` of a later one. Answers the joined loop and how many
    /// operands it stands for.
    fn joined_loops(&self, is_and: bool, items: &[Ast]) -> Option<(Ast, usize)> {
        let (name, list, _) = loop_parts(items.first()?)?;
        let fits = match name {
            "any" => !is_and,
            "all" | "none" => is_and,
            _ => return None,
        };
        let n = items
            .iter()
            .take_while(|item| {
                loop_parts(item).is_some_and(|parts| parts.0 == name && same(parts.1, list))
            })
            .count();
        if !fits || n < 2 {
            return None;
        }
        let bodies: Vec<Ast> = items
            .iter()
            .take(n)
            .filter_map(|item| Some(loop_parts(item)?.2.clone()))
            .collect();
        let depth = bodies
            .iter()
            .map(|body| body.depth)
            .max()?
            .saturating_add(1);
        let (first, last) = (items.first()?, items.get(n - 1)?);
        let place = |kind| Ast {
            kind,
            start: first.start,
            end: last.end,
            depth,
        };
        // `none(A, p) and none(A, q)` is `none(A, p or q)`.
        let body = place(Kind::Logic(name == "all", bodies));
        let predicate = place(Kind::Predicate(Box::new(body)));
        let args = vec![list.clone(), predicate];
        Some((
            place(Kind::Call {
                name: name.into(),
                args,
                is_builtin: false,
            }),
            n,
        ))
    }
}

/// Adds an operand; the operands of a chain of the same kind one by one. A chain that ends with
/// something that may be no boolean is safe to open: only the last operand is ever unchecked.
fn push_flat(nodes: &mut Vec<Node>, node: Node, is_and: bool) {
    match node.code {
        Code::And(items) if is_and => nodes.extend(items),
        Code::Or(items) if !is_and => nodes.extend(items),
        code => nodes.push(Node { code, ..node }),
    }
}

/// Name, list and body of a call such as `any(list, body)`.
fn loop_parts(ast: &Ast) -> Option<(&str, &Ast, &Ast)> {
    let Kind::Call { name, args, .. } = &ast.kind else {
        return None;
    };
    let [list, predicate] = args.as_slice() else {
        return None;
    };
    let Kind::Predicate(body) = &predicate.kind else {
        return None;
    };
    Some((name, list, body))
}

/// Whether two trees are the same but for where they stand.
fn same(a: &Ast, b: &Ast) -> bool {
    let alike = match (&a.kind, &b.kind) {
        (Kind::Chain(_, a), Kind::Chain(_, b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_step(a, b))
        }
        (Kind::Call { name: a, .. }, Kind::Call { name: b, .. })
        | (Kind::Let { name: a, .. }, Kind::Let { name: b, .. }) => a == b,
        (Kind::Unary(a, _), Kind::Unary(b, _)) => a == b,
        (Kind::Binary(a, _), Kind::Binary(b, _)) => a == b,
        (Kind::Logic(a, _), Kind::Logic(b, _)) => a == b,
        (one, two) if a.children().is_empty() && b.children().is_empty() => one == two,
        (one, two) => std::mem::discriminant(one) == std::mem::discriminant(two),
    };
    let (mine, theirs) = (a.children(), b.children());
    alike && mine.len() == theirs.len() && mine.iter().zip(theirs).all(|(a, b)| same(a, b))
}

fn same_step(a: &Step, b: &Step) -> bool {
    a.is_optional == b.is_optional
        && match (&a.kind, &b.kind) {
            (StepKind::Member(a), StepKind::Member(b)) => a == b,
            (StepKind::Method(a, x), StepKind::Method(b, y)) => a == b && x.len() == y.len(),
            (StepKind::Index(_), StepKind::Index(_)) => true,
            (StepKind::Slice(a, b), StepKind::Slice(x, y)) => {
                a.is_some() == x.is_some() && b.is_some() == y.is_some()
            }
            _ => false,
        }
}
