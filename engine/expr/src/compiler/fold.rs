//! Constants worked out at load, where CrowdSec's optimizer does (expr-lang `optimizer/fold.go`).
//!
//! What would be an error stays an operation, so that it is the same error at run time.

use crate::ast::{Binary, Unary};
use crate::code::{Arithmetic, Node};
use crate::value::{Value, arithmetic};

pub(super) fn unary(op: Unary, inner: &Node) -> Option<Value> {
    Some(match (op, inner.constant()?) {
        (Unary::Not, Value::Bool(value)) => Value::Bool(!value),
        (Unary::Minus, Value::Int(value)) => Value::Int(value.wrapping_neg()),
        (Unary::Minus, Value::Float(value)) => Value::Float(-value),
        (Unary::Plus, Value::Int(value)) => Value::Int(*value),
        (Unary::Plus, Value::Float(value)) => Value::Float(*value),
        _ => return None,
    })
}

/// Equality of two literals of one type.
pub(super) fn equality(op: Binary, left: &Node, right: &Node) -> Option<Value> {
    let are_equal = match (left.constant()?, right.constant()?) {
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Str(a), Value::Str(b)) => a == b,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        _ => return None,
    };
    Some(Value::Bool(are_equal == (op == Binary::Eq)))
}

/// Arithmetic of two number literals, or of two string literals.
pub(super) fn arithmetic_of(op: Arithmetic, left: &Node, right: &Node) -> Option<Value> {
    let (left, right) = (left.constant()?, right.constant()?);
    let is_number = |value: &Value| matches!(value, Value::Int(_) | Value::Float(_));
    let is_text = |value: &Value| matches!(value, Value::Str(_));
    if (is_number(left) && is_number(right)) || (is_text(left) && is_text(right)) {
        arithmetic(op, left, right).ok()
    } else {
        None
    }
}
