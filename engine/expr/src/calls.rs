//! The helper functions that CrowdSec registers (`pkg/exprhelpers/expr_lib.go`).
//!
//! One table a subject. A helper is handed evaluated arguments, which may be of a wrong type when
//! they come out of untyped data: that is an error, as in Go. The functions themselves live in
//! `overspill-exprlib` and `overspill-golike`; here they are only bound.

mod address;
mod args;
mod data;
mod json;
mod outside;
mod text;
mod time;
mod url;

pub(crate) use json::decode_tree;

use crate::context::{Context, NoStash};
use crate::error::EvalError;
use crate::eval::Machine;
use crate::services::Services;
use crate::types::Ty;
use crate::value::Value;

/// What a helper does besides computing its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing: the result depends on the arguments (and data files) alone.
    Pure,
    /// It asks something that may change: a stash, the network, a database, the time.
    Outside,
    /// It writes to the event or to the log.
    Writes,
}

/// The function behind a helper.
pub(crate) type Run = fn(&mut Machine<'_, '_>, &[Value]) -> Result<Value, EvalError>;

/// A registered helper.
pub(crate) struct Helper {
    pub(crate) name: &'static str,
    pub(crate) params: &'static [Ty],
    /// Further arguments of any type are accepted.
    pub(crate) is_variadic: bool,
    pub(crate) result: Ty,
    /// It can fail although its arguments have the declared types.
    pub(crate) can_fail: bool,
    pub(crate) reads_files: bool,
    pub(crate) effect: Effect,
    /// Why expressions that use it are refused at load, if they are.
    pub(crate) refusal: Option<&'static str>,
    pub(crate) run: Run,
}

impl Helper {
    /// A helper that is pure and cannot fail.
    const fn new(name: &'static str, params: &'static [Ty], result: Ty, run: Run) -> Self {
        Self {
            name,
            params,
            is_variadic: false,
            result,
            can_fail: false,
            reads_files: false,
            effect: Effect::Pure,
            refusal: None,
            run,
        }
    }

    /// A helper that this engine does not have: using it is an error at load.
    const fn refused(name: &'static str, why: &'static str) -> Self {
        let run: Run = |_, _| Err(EvalError::fixed("not supported"));
        let mut helper = Self::new(name, &[], Ty::Any, run);
        helper.is_variadic = true;
        helper.can_fail = true;
        helper.refusal = Some(why);
        helper
    }

    const fn fails(mut self) -> Self {
        self.can_fail = true;
        self
    }

    const fn variadic(mut self) -> Self {
        self.is_variadic = true;
        self
    }

    const fn files(mut self) -> Self {
        self.reads_files = true;
        self
    }

    const fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }
}

/// All tables.
const TABLES: [&[Helper]; 7] = [
    text::HELPERS,
    address::HELPERS,
    data::HELPERS,
    json::HELPERS,
    url::HELPERS,
    time::HELPERS,
    outside::HELPERS,
];

/// The helper of a name; `basename` exists in assertions only.
pub(crate) fn helper(name: &str, has_basename: bool) -> Option<&'static Helper> {
    if name == text::BASENAME.name {
        return has_basename.then_some(&text::BASENAME);
    }
    TABLES
        .iter()
        .flat_map(|table| table.iter())
        .find(|helper| helper.name == name)
}

/// Whether a name is a helper everywhere.
pub(crate) fn is_helper(name: &str) -> bool {
    helper(name, false).is_some()
}

/// The result of a pure helper on constants; `None` when it fails, so that it fails at run time.
pub(crate) fn run_constant(helper: &Helper, args: &[Value]) -> Option<Value> {
    let services = Services::none();
    let mut stash = NoStash;
    let now = overspill_golike::time::Time::ZERO;
    let mut cx = Context {
        evt: None,
        vars: &[],
        stash: &mut stash,
        services: &services,
        now,
    };
    (helper.run)(&mut Machine::new(&mut cx, 0), args).ok()
}
