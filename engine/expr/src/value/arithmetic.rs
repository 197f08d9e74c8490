//! Arithmetic (expr-lang `vm/runtime`).

use std::sync::Arc;

use super::Value;
use crate::code::Arithmetic;
use crate::error::EvalError;

/// Longest string that `+` makes.
pub(crate) const TEXT_BYTES_MAX: usize = 16 << 20;

/// The result of an arithmetic operator.
pub(crate) fn arithmetic(op: Arithmetic, left: &Value, right: &Value) -> Result<Value, EvalError> {
    let (left, right) = (left.behind_pointer(), right.behind_pointer());
    match op {
        Arithmetic::Add => add(left, right),
        Arithmetic::Sub => subtract(left, right),
        Arithmetic::Mul => multiply(left, right),
        Arithmetic::Div => floats(left, right)
            .map(|(a, b)| Value::Float(a / b))
            .ok_or_else(|| invalid("/", left, right)),
        Arithmetic::Pow => floats(left, right)
            .map(|(a, b)| Value::Float(a.powf(b)))
            .ok_or_else(|| invalid("**", left, right)),
        Arithmetic::Rem => match (left.as_integer(), right.as_integer()) {
            (Some(_), Some(0)) => Err(EvalError::fixed("integer divide by zero")),
            (Some(a), Some(b)) => Ok(Value::Int(a.wrapping_rem(b))),
            _ => Err(invalid("%", left, right)),
        },
    }
}

fn add(left: &Value, right: &Value) -> Result<Value, EvalError> {
    match (left, right) {
        (Value::Str(a), Value::Str(b)) => {
            if a.len().saturating_add(b.len()) > TEXT_BYTES_MAX {
                return Err(EvalError::Budget);
            }
            Ok(Value::Str(Arc::from([&**a, &**b].concat())))
        }
        (Value::Time(time), Value::Duration(ns)) | (Value::Duration(ns), Value::Time(time)) => {
            Ok(Value::Time(time.add(*ns)))
        }
        (Value::Duration(a), Value::Duration(b)) => Ok(Value::Duration(a.wrapping_add(*b))),
        _ => numbers(left, right, i64::wrapping_add, |a, b| a + b)
            .ok_or_else(|| invalid("+", left, right)),
    }
}

fn subtract(left: &Value, right: &Value) -> Result<Value, EvalError> {
    match (left, right) {
        (Value::Time(a), Value::Time(b)) => Ok(Value::Duration(a.sub(b))),
        (Value::Time(time), Value::Duration(ns)) => Ok(Value::Time(time.add(ns.wrapping_neg()))),
        (Value::Duration(a), Value::Duration(b)) => Ok(Value::Duration(a.wrapping_sub(*b))),
        _ => numbers(left, right, i64::wrapping_sub, |a, b| a - b)
            .ok_or_else(|| invalid("-", left, right)),
    }
}

fn multiply(left: &Value, right: &Value) -> Result<Value, EvalError> {
    match (left, right) {
        (Value::Duration(ns), factor) | (factor, Value::Duration(ns)) => match factor {
            Value::Duration(other) => Ok(Value::Duration(ns.wrapping_mul(*other))),
            _ => match (factor.as_integer(), factor.as_float()) {
                (Some(n), _) => Ok(Value::Duration(ns.wrapping_mul(n))),
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "saturates, and never panics"
                )]
                (None, Some(x)) => Ok(Value::Duration((*ns as f64 * x) as i64)),
                _ => Err(invalid("*", left, right)),
            },
        },
        _ => numbers(left, right, i64::wrapping_mul, |a, b| a * b)
            .ok_or_else(|| invalid("*", left, right)),
    }
}

/// Integers give an integer, any other pair of numbers a float.
fn numbers(
    left: &Value,
    right: &Value,
    of_ints: fn(i64, i64) -> i64,
    of_floats: fn(f64, f64) -> f64,
) -> Option<Value> {
    if let (Some(a), Some(b)) = (left.as_integer(), right.as_integer()) {
        return Some(Value::Int(of_ints(a, b)));
    }
    let (a, b) = floats(left, right)?;
    Some(Value::Float(of_floats(a, b)))
}

fn floats(left: &Value, right: &Value) -> Option<(f64, f64)> {
    Some((left.as_float()?, right.as_float()?))
}

fn invalid(op: &str, left: &Value, right: &Value) -> EvalError {
    let (left, right) = (left.type_name(), right.type_name());
    EvalError::of(format!("invalid operation: {left} {op} {right}"))
}

impl Value {
    /// The value of an integer of any width.
    pub(crate) fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Int(value) | Self::Sized(value, _) => Some(*value),
            _ => None,
        }
    }

    /// The value of any number.
    #[expect(clippy::cast_precision_loss, reason = "Go converts the same way")]
    pub(crate) fn as_float(&self) -> Option<f64> {
        match self {
            Self::Int(value) | Self::Sized(value, _) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Float32(value) => Some(f64::from(*value)),
            _ => None,
        }
    }
}
