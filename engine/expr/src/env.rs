//! Which variables an expression may name, by the place it stands in.

use crate::types::{Ty, structs};

/// How `evt` is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EvtMode {
    /// There is no such name.
    Absent,
    /// A pointer: all of its methods work.
    Pointer,
    /// By value at run time: its methods compile and fail when called.
    Value,
    /// Compiles, and is nil at run time.
    Nil,
}

/// The variables of a place where expressions stand.
#[derive(Debug, Clone)]
pub struct Env {
    pub(crate) evt: EvtMode,
    /// The other variables, in the order of [`crate::Context::vars`].
    pub(crate) vars: &'static [(&'static str, Ty)],
    /// Whether `basename` is a function.
    pub(crate) has_basename: bool,
}

static ANY_MAP: Ty = Ty::Map(&crate::types::ANY);

impl Env {
    const fn with(evt: EvtMode, vars: &'static [(&'static str, Ty)]) -> Self {
        Self {
            evt,
            vars,
            has_basename: false,
        }
    }

    /// Nodes, statics, whitelists, filters, groupby, distinct, cancel_on, scope: `evt`.
    #[must_use]
    pub fn event() -> Self {
        Self::with(EvtMode::Pointer, &[])
    }

    /// Conditions of conditional and bayesian buckets: `evt`, `queue`, `leaky`.
    #[must_use]
    pub fn condition() -> Self {
        const VARS: &[(&str, Ty)] = &[
            ("queue", Ty::Ptr(&structs::QUEUE)),
            ("leaky", Ty::Ptr(&structs::LEAKY)),
        ];
        Self::with(EvtMode::Pointer, VARS)
    }

    /// Overflow filters: `queue`, `signal`, `leaky`, and an `evt` that is nil.
    #[must_use]
    pub fn overflow_filter() -> Self {
        const VARS: &[(&str, Ty)] = &[
            ("queue", Ty::Ptr(&structs::QUEUE)),
            ("signal", Ty::Ptr(&structs::OVERFLOW)),
            ("leaky", Ty::Ptr(&structs::LEAKY)),
        ];
        Self::with(EvtMode::Nil, VARS)
    }

    /// Profiles: `Alert`.
    #[must_use]
    pub fn profile() -> Self {
        const VARS: &[(&str, Ty)] = &[("Alert", Ty::Ptr(&structs::ALERT))];
        Self::with(EvtMode::Absent, VARS)
    }

    /// Alert contexts: `evt`, `match`, `req`.
    #[must_use]
    pub fn context() -> Self {
        const VARS: &[(&str, Ty)] = &[
            ("match", Ty::PtrTo(&ANY_MAP)),
            ("req", Ty::Ptr(&structs::REQUEST)),
        ];
        Self::with(EvtMode::Value, VARS)
    }

    /// Assertions of hub tests: `results`, and the function `basename`.
    #[must_use]
    pub fn assertions() -> Self {
        Self {
            evt: EvtMode::Absent,
            vars: &[("results", Ty::Any)],
            has_basename: true,
        }
    }

    /// Whether the environment has this name, so that it hides a builtin.
    pub(crate) fn defines(&self, name: &str) -> bool {
        (name == "evt" && self.evt != EvtMode::Absent)
            || (name == "basename" && self.has_basename)
            || self.names().any(|known| known == name)
    }

    /// The names of the variables besides `evt`, in the order of [`crate::Context::vars`].
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.vars.iter().map(|var| var.0)
    }
}
