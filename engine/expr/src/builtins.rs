//! The language's own functions (expr-lang 1.17.8, `builtin/builtin.go`), without those that take
//! a predicate: they are [`crate::code::Loop`]s.

mod list;
mod number;
mod text;
mod time;

use crate::error::EvalError;
use crate::eval::Machine;
use crate::types::Ty;
use crate::value::Value;

/// The result type of a call and whether it cannot fail, or `None` for types it refuses.
type Check = fn(&[Ty]) -> Option<(Ty, bool)>;

/// A builtin function.
pub(crate) struct Builtin {
    pub(crate) name: &'static str,
    pub(crate) min_args: usize,
    pub(crate) max_args: usize,
    pub(crate) check: Check,
    pub(crate) run: fn(&mut Machine<'_, '_>, &[Value]) -> Result<Value, EvalError>,
    /// What it gives for a string, where that needs no value of the string.
    pub(crate) of_text: Option<OfText>,
    /// Its result depends on the time.
    pub(crate) is_clock: bool,
}

/// A builtin of a string.
type OfText = fn(&[u8]) -> Result<Value, EvalError>;

impl Builtin {
    const fn new(
        name: &'static str,
        n_args: (usize, usize),
        check: Check,
        run: fn(&mut Machine<'_, '_>, &[Value]) -> Result<Value, EvalError>,
    ) -> Self {
        let (min_args, max_args) = n_args;
        Self {
            name,
            min_args,
            max_args,
            check,
            run,
            of_text: None,
            is_clock: false,
        }
    }

    const fn of_text(mut self, run: OfText) -> Self {
        self.of_text = Some(run);
        self
    }
}

const TABLES: [&[Builtin]; 4] = [
    text::BUILTINS,
    number::BUILTINS,
    list::BUILTINS,
    time::BUILTINS,
];

/// Builtins that take a predicate.
const LOOPS: [&str; 15] = [
    "all",
    "any",
    "none",
    "one",
    "filter",
    "map",
    "find",
    "findLast",
    "findIndex",
    "findLastIndex",
    "count",
    "sum",
    "reduce",
    "groupBy",
    "sortBy",
];

/// The builtin of a name.
pub(crate) fn builtin(name: &str) -> Option<&'static Builtin> {
    TABLES
        .iter()
        .flat_map(|table| table.iter())
        .find(|builtin| builtin.name == name)
}

/// Whether a name is a builtin, with a predicate or without.
pub(crate) fn is_builtin(name: &str) -> bool {
    LOOPS.contains(&name) || builtin(name).is_some()
}

/// Arguments of any type; always possible to fail.
fn anything(_: &[Ty]) -> Option<(Ty, bool)> {
    Some((Ty::Any, false))
}

/// Whether each of the types is what is wanted, or unknown.
fn each(types: &[Ty], test: fn(Ty) -> bool) -> Option<bool> {
    let fits = types
        .iter()
        .all(|ty| ty.is_any() || *ty == Ty::Nil || test(*ty));
    fits.then(|| types.iter().all(|ty| test(*ty)))
}

fn is_text(ty: Ty) -> bool {
    ty == Ty::Str
}

/// The argument at a place, behind any pointer.
fn arg(args: &[Value], at: usize) -> Result<&Value, EvalError> {
    args.get(at)
        .map(Value::behind_pointer)
        .ok_or(EvalError::fixed("not enough arguments"))
}

fn text_arg(args: &[Value], at: usize) -> Result<&[u8], EvalError> {
    let value = arg(args, at)?;
    value.as_bytes().ok_or_else(|| invalid(value))
}

fn int_arg(args: &[Value], at: usize) -> Result<i64, EvalError> {
    let value = arg(args, at)?;
    value.as_integer().ok_or_else(|| invalid(value))
}

fn invalid(value: &Value) -> EvalError {
    EvalError::of(format!("invalid argument (type {})", value.type_name()))
}
