//! Postfix chains: fields of the event become slots, everything else becomes steps.

use super::event::field_map;
use super::{Fails, Lowering, Typed};
use crate::ast::{Ast, Kind, Step as AstStep, StepKind as AstStepKind, Unary};
use crate::code::{Chain, Code, LoopKind, Node, Step, StepKind};
use crate::error::CompileError;
use crate::types::{ANY, Method, STR, Ty, structs};
use crate::value::IntKind;

impl Lowering<'_> {
    pub(super) fn chain(
        &mut self,
        ast: &Ast,
        base: &Ast,
        steps: &[AstStep],
    ) -> Result<Typed, CompileError> {
        let (first, taken) = match self.event_field(ast, base, steps)? {
            Some(found) => found,
            None => match self.found_in_filter(base, steps)? {
                Some(found) => found,
                None => (self.lower(base)?, 0),
            },
        };
        let rest = steps.get(taken..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(first);
        }
        let mut ty = first.ty;
        let mut can_fail = first.node.can_fail;
        let mut lowered: Vec<Step> = Vec::with_capacity(rest.len());
        let mut may_be_cut = false;
        let mut at = 0;
        while let Some(step) = rest.get(at) {
            may_be_cut |= step.is_optional;
            let (kind, next, fails, n) = self.step(ast, ty, step, rest.get(at + 1))?;
            can_fail |= fails;
            lowered.push(Step {
                kind,
                is_optional: step.is_optional,
            });
            ty = next;
            at += n;
        }
        if may_be_cut {
            ty = ty.join(Ty::Nil);
        }
        let code = Code::Chain(Box::new(Chain {
            base: first.node,
            steps: lowered.into(),
        }));
        let mut typed = self.typed(ast, code, ty, Fails::AsParts);
        typed.node.can_fail |= can_fail;
        Ok(typed)
    }

    /// One step: its code, the type after it, whether it can fail, how many steps it stands for.
    fn step(
        &mut self,
        ast: &Ast,
        ty: Ty,
        step: &AstStep,
        next: Option<&AstStep>,
    ) -> Result<(StepKind, Ty, bool, usize), CompileError> {
        match &step.kind {
            AstStepKind::Member(name) => self.member(ast, ty, name, next),
            AstStepKind::Method(name, args) => {
                let (kind, ty) = self.method(ast, ty, name, args)?;
                Ok((kind, ty, true, 1))
            }
            AstStepKind::Index(index) => {
                let index = self.lower(index)?;
                if let Some(name) = index.node.constant_str() {
                    let name = String::from_utf8_lossy(name).into_owned();
                    return self.member(ast, ty, &name, next);
                }
                self.index(ast, ty, index)
            }
            AstStepKind::Slice(from, to) => {
                if !(ty.is_list() || matches!(ty, Ty::Str | Ty::Any)) {
                    return Err(self.error(ast, format!("cannot slice {}", ty.name())));
                }
                let from = self.bound(from.as_ref())?;
                let to = self.bound(to.as_ref())?;
                Ok((StepKind::Slice(from, to), ty, true, 1))
            }
        }
    }

    fn bound(&mut self, ast: Option<&Ast>) -> Result<Option<Node>, CompileError> {
        let Some(ast) = ast else { return Ok(None) };
        let typed = self.lower(ast)?;
        if !(typed.ty.is_integer() || typed.ty.is_any()) {
            let message = format!("non-integer slice index {}", typed.ty.name());
            return Err(self.error(ast, message));
        }
        Ok(Some(typed.node))
    }

    fn index(
        &self,
        ast: &Ast,
        ty: Ty,
        index: Typed,
    ) -> Result<(StepKind, Ty, bool, usize), CompileError> {
        let key = index.ty.deref();
        let fits = match ty.deref() {
            Ty::Any => true,
            Ty::List(_) | Ty::Items(_) => key.is_integer() || key.is_any(),
            Ty::Map(_) => matches!(key, Ty::Str | Ty::Any),
            Ty::Struct(_) | Ty::Ptr(_) => key.is_any() || key == Ty::Str,
            _ => false,
        };
        if !fits {
            let message = format!("type {}[{}] is undefined", ty.name(), key.name());
            return Err(self.error(ast, message));
        }
        let fails = !(matches!(ty, Ty::Map(_)) && key == STR) || index.node.can_fail;
        Ok((StepKind::Index(index.node), ty.deref().element(), fails, 1))
    }

    fn member(
        &mut self,
        ast: &Ast,
        ty: Ty,
        name: &str,
        next: Option<&AstStep>,
    ) -> Result<(StepKind, Ty, bool, usize), CompileError> {
        let kind = StepKind::Member(name.as_bytes().into());
        match ty.deref() {
            Ty::Any => Ok((kind, Ty::Any, true, 1)),
            Ty::Map(element) => Ok((kind, *element, matches!(ty, Ty::PtrTo(_)), 1)),
            Ty::Struct(one) | Ty::Ptr(one) => {
                if *one == structs::EVENT
                    && let Some(map) = field_map(name)
                    && let Some(key) = next.and_then(|next| self.constant_key(next))
                {
                    let slot = self.slot(ast, map, &key)?;
                    return Ok((StepKind::Field(slot), Ty::Str, matches!(ty, Ty::Ptr(_)), 2));
                }
                match one.field(name) {
                    Some(field) => Ok((kind, field, matches!(ty, Ty::Ptr(_)), 1)),
                    None => {
                        let message = format!("type {} has no field {name}", ty.name());
                        Err(self.error(ast, message))
                    }
                }
            }
            other => Err(self.error(
                ast,
                format!("type {}[string] is undefined ({name})", other.name()),
            )),
        }
    }

    fn method(
        &mut self,
        ast: &Ast,
        ty: Ty,
        name: &str,
        args: &[Ast],
    ) -> Result<(StepKind, Ty), CompileError> {
        let found = match ty.deref() {
            Ty::Any => None,
            Ty::Struct(one) => one
                .method(name)
                .filter(|method| !method.needs_pointer)
                .map(Some)
                .ok_or_else(|| self.no_method(ast, ty, name))?,
            Ty::Ptr(one) => Some(
                one.method(name)
                    .ok_or_else(|| self.no_method(ast, ty, name))?,
            ),
            Ty::Time => Some(self.listed(ast, ty, name, structs::TIME_METHODS)?),
            Ty::Duration => Some(self.listed(ast, ty, name, structs::DURATION_METHODS)?),
            Ty::Sized(IntKind::Weekday | IntKind::Month) => {
                Some(self.listed(ast, ty, name, structs::NAMED_INT_METHODS)?)
            }
            _ => return Err(self.no_method(ast, ty, name)),
        };
        let lowered = self.lower_all(args)?;
        if let Some(method) = found {
            self.check_arguments(ast, name, method.params, method.is_variadic, &lowered)?;
        }
        let nodes = lowered.into_iter().map(|arg| arg.node).collect();
        let result = found.map_or(ANY, |method| method.result);
        Ok((StepKind::Method(name.into(), nodes), result))
    }

    pub(super) fn no_method(&self, ast: &Ast, ty: Ty, name: &str) -> CompileError {
        self.error(ast, format!("type {} has no method {name}", ty.name()))
    }

    fn listed(
        &self,
        ast: &Ast,
        ty: Ty,
        name: &str,
        methods: &'static [Method],
    ) -> Result<&'static Method, CompileError> {
        methods
            .iter()
            .find(|method| method.name == name)
            .ok_or_else(|| self.no_method(ast, ty, name))
    }

    /// `filter(...)[0]` and `filter(...)[-1]` stop at the element they ask for.
    fn found_in_filter(
        &mut self,
        base: &Ast,
        steps: &[AstStep],
    ) -> Result<Option<(Typed, usize)>, CompileError> {
        let Kind::Call {
            name,
            args,
            is_builtin,
        } = &base.kind
        else {
            return Ok(None);
        };
        let is_filter = &**name == "filter" && (*is_builtin || !self.env.defines(name));
        let Some(AstStep {
            kind: AstStepKind::Index(index),
            is_optional: false,
            ..
        }) = steps.first().filter(|_| is_filter)
        else {
            return Ok(None);
        };
        let is_last = match &index.kind {
            Kind::Int(0) => false,
            Kind::Unary(Unary::Minus, one) if one.kind == Kind::Int(1) => true,
            _ => return Ok(None),
        };
        let mut typed = self.loop_of(base, LoopKind::Filter, args)?;
        typed.ty = typed.ty.element();
        if let Code::Loop(one) = &mut typed.node.code {
            one.kind = LoopKind::MustFind { is_last };
        }
        typed.node.can_fail = true;
        Ok(Some((typed, 1)))
    }

    /// The name a step reads, if it is known: `.name` or `["name"]`.
    pub(super) fn constant_key(&self, step: &AstStep) -> Option<String> {
        match &step.kind {
            AstStepKind::Member(name) => Some(name.to_string()),
            AstStepKind::Index(Ast {
                kind: Kind::Str(text),
                ..
            }) => String::from_utf8(text.to_vec()).ok(),
            _ => None,
        }
    }
}
