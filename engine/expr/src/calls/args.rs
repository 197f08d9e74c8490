//! Arguments by position and type.

use crate::error::EvalError;
use crate::value::{Bytes, List, Value};

/// The argument at a place.
pub(super) fn any(args: &[Value], at: usize) -> Result<&Value, EvalError> {
    args.get(at)
        .map(Value::behind_pointer)
        .ok_or(EvalError::fixed("not enough arguments"))
}

/// A string.
pub(super) fn text(args: &[Value], at: usize) -> Result<&[u8], EvalError> {
    let value = any(args, at)?;
    value.as_bytes().ok_or_else(|| wrong(value, "string"))
}

/// A string that is UTF-8, such as the name of a file.
pub(super) fn name(args: &[Value], at: usize) -> Result<&str, EvalError> {
    let bytes = text(args, at)?;
    std::str::from_utf8(bytes).map_err(|_| EvalError::fixed("text is not UTF-8"))
}

/// An `int`.
pub(super) fn int(args: &[Value], at: usize) -> Result<i64, EvalError> {
    match any(args, at)? {
        Value::Int(value) => Ok(*value),
        other => Err(wrong(other, "int")),
    }
}

/// A `float64`; integer literals are converted.
pub(super) fn float(args: &[Value], at: usize) -> Result<f64, EvalError> {
    let value = any(args, at)?;
    match value {
        Value::Int(_) | Value::Float(_) => value.as_float().ok_or_else(|| wrong(value, "float64")),
        other => Err(wrong(other, "float64")),
    }
}

/// A `[]string`.
pub(super) fn strings(args: &[Value], at: usize) -> Result<&[Bytes], EvalError> {
    match any(args, at)? {
        Value::List(List::Strings(items)) => Ok(items),
        other => Err(wrong(other, "[]string")),
    }
}

fn wrong(value: &Value, wanted: &str) -> EvalError {
    EvalError::of(format!("cannot use {} as {wanted}", value.type_name()))
}
