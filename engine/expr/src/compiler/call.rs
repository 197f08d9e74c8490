//! Calls: registered helpers, builtins, `basename`.

use super::{Fails, Lowering, Typed};
use crate::ast::Ast;
use crate::builtins::{self, Builtin};
use crate::calls::{self, Effect};
use crate::code::{Code, LoopKind};
use crate::error::CompileError;
use crate::types::Ty;

impl Lowering<'_> {
    pub(super) fn call(
        &mut self,
        ast: &Ast,
        name: &str,
        args: &[Ast],
        is_builtin: bool,
    ) -> Result<Typed, CompileError> {
        if !is_builtin {
            let helper = calls::helper(name, self.env.has_basename);
            if let Some(helper) = helper {
                if let Some(why) = helper.refusal {
                    return Err(self.error(ast, format!("{name}: {why}")));
                }
                let args = self.lower_all(args)?;
                self.check_arguments(ast, name, helper.params, helper.is_variadic, &args)?;
                return Ok(self.helper(ast, helper, args));
            }
            if self.env.defines(name) || self.locals.iter().any(|local| *local.0 == *name) {
                return Err(self.error(ast, format!("{name} is not a function")));
            }
        }
        if let Some(kind) = loop_kind(name) {
            return self.loop_of(ast, kind, args);
        }
        if let Some(typed) = self.shortened(ast, name, args)? {
            return Ok(typed);
        }
        let Some(builtin) = builtins::builtin(name) else {
            return Err(self.error(ast, format!("unknown name {name}")));
        };
        let args = self.lower_all(args)?;
        self.builtin(ast, builtin, args)
    }

    fn helper(&self, ast: &Ast, helper: &'static calls::Helper, args: Vec<Typed>) -> Typed {
        let are_known = args
            .iter()
            .zip(helper.params)
            .all(|(arg, wanted)| *wanted == Ty::Any || arg.ty.deref() == *wanted);
        let is_safe = are_known && !helper.can_fail && args.len() >= helper.params.len();
        let fails = if is_safe { Fails::AsParts } else { Fails::Yes };
        let nodes: Box<[_]> = args.into_iter().map(|arg| arg.node).collect();
        if helper.effect == Effect::Pure && !helper.reads_files {
            let constants: Option<Vec<_>> =
                nodes.iter().map(|node| node.constant().cloned()).collect();
            if let Some(value) = constants.and_then(|args| calls::run_constant(helper, &args)) {
                return self.typed(ast, Code::Const(value), helper.result, Fails::No);
            }
        }
        self.typed(ast, Code::Helper(helper, nodes), helper.result, fails)
    }

    fn builtin(
        &self,
        ast: &Ast,
        builtin: &'static Builtin,
        args: Vec<Typed>,
    ) -> Result<Typed, CompileError> {
        let n = args.len();
        if n < builtin.min_args || n > builtin.max_args {
            let problem = if n < builtin.min_args {
                "not enough"
            } else {
                "too many"
            };
            return Err(self.error(ast, format!("{problem} arguments to call {}", builtin.name)));
        }
        let types: Vec<Ty> = args.iter().map(|arg| arg.ty.deref()).collect();
        let Some((ty, is_safe)) = (builtin.check)(&types) else {
            let names: Vec<String> = types.iter().map(|ty| ty.name()).collect();
            let message = format!(
                "invalid arguments for {} ({})",
                builtin.name,
                names.join(", ")
            );
            return Err(self.error(ast, message));
        };
        let fails = if is_safe { Fails::AsParts } else { Fails::Yes };
        let nodes = args.into_iter().map(|arg| arg.node).collect();
        Ok(self.typed(ast, Code::Builtin(builtin, nodes), ty, fails))
    }

    /// Checks the number and the types of arguments against declared ones.
    pub(super) fn check_arguments(
        &self,
        ast: &Ast,
        name: &str,
        params: &[Ty],
        is_variadic: bool,
        args: &[Typed],
    ) -> Result<(), CompileError> {
        if args.len() < params.len() {
            return Err(self.error(ast, format!("not enough arguments to call {name}")));
        }
        if args.len() > params.len() && !is_variadic {
            return Err(self.error(ast, format!("too many arguments to call {name}")));
        }
        for (arg, wanted) in args.iter().zip(params) {
            if !arg.ty.fits(*wanted) {
                let (found, wanted) = (arg.ty.name(), wanted.name());
                let message =
                    format!("cannot use {found} as argument (type {wanted}) to call {name}");
                return Err(self.error(ast, message));
            }
        }
        Ok(())
    }
}

/// Which loop a builtin is.
fn loop_kind(name: &str) -> Option<LoopKind> {
    Some(match name {
        "all" => LoopKind::All,
        "any" => LoopKind::Any,
        "none" => LoopKind::None,
        "one" => LoopKind::One,
        "filter" => LoopKind::Filter,
        "map" => LoopKind::Map,
        "find" => LoopKind::Find { is_last: false },
        "findLast" => LoopKind::Find { is_last: true },
        "findIndex" => LoopKind::FindIndex { is_last: false },
        "findLastIndex" => LoopKind::FindIndex { is_last: true },
        "count" => LoopKind::Count { limit: u64::MAX },
        "sum" => LoopKind::Sum,
        "reduce" => LoopKind::Reduce,
        "groupBy" => LoopKind::GroupBy,
        "sortBy" => LoopKind::SortBy,
        _ => return None,
    })
}
