//! Operators that are not mere arithmetic.

use std::cmp::Ordering;
use std::sync::Arc;

use overspill_golike::strings;

use super::Machine;
use crate::boolean::StringSet;
use crate::code::{Code, Comparison, Node, TextTest};
use crate::error::EvalError;
use crate::regex::Regex;
use crate::value::{List, Value, contained_in_list, equal, order};

impl Machine<'_, '_> {
    /// Equality; parts of the event compare as the maps they are.
    pub(crate) fn are_equal(&self, left: &Value, right: &Value) -> bool {
        match (left, right) {
            (Value::Event(_), Value::Event(_) | Value::Map(_))
            | (Value::Map(_), Value::Event(_)) => {
                equal(left, right) || equal(&self.plain(left.clone()), &self.plain(right.clone()))
            }
            _ => equal(left, right),
        }
    }

    pub(super) fn negate(&mut self, inner: &Node, is_minus: bool) -> Result<Value, EvalError> {
        let value = self.eval(inner)?;
        let value = value.behind_pointer();
        Ok(match (value, is_minus) {
            (Value::Int(_) | Value::Sized(..) | Value::Float(_) | Value::Float32(_), false) => {
                value.clone()
            }
            (Value::Int(value), true) => Value::Int(value.wrapping_neg()),
            (Value::Sized(value, kind), true) => Value::Sized(value.wrapping_neg(), *kind),
            (Value::Float(value), true) => Value::Float(-value),
            (Value::Float32(value), true) => Value::Float32(-value),
            (Value::Duration(value), true) => Value::Duration(value.wrapping_neg()),
            (Value::Duration(value), false) => Value::Duration(*value),
            (other, _) => {
                let op = if is_minus { "-" } else { "+" };
                let message = format!("invalid operation: {op} {}", other.type_name());
                return Err(EvalError::of(message));
            }
        })
    }

    pub(super) fn compare(
        &mut self,
        comparison: Comparison,
        sides: &[Node; 2],
    ) -> Result<Value, EvalError> {
        let left = self.eval(&sides[0])?;
        let right = self.eval(&sides[1])?;
        let Ok(order) = order(&left, &right) else {
            let (left, right) = (left.type_name(), right.type_name());
            let message = format!("invalid operation: {left} {} {right}", symbol(comparison));
            return Err(EvalError::of(message));
        };
        // NaN is neither less nor greater nor equal.
        Ok(Value::Bool(order.is_some_and(|order| match comparison {
            Comparison::Lt => order == Ordering::Less,
            Comparison::Gt => order == Ordering::Greater,
            Comparison::Le => order != Ordering::Greater,
            Comparison::Ge => order != Ordering::Less,
        })))
    }

    pub(super) fn text_test(
        &mut self,
        test: TextTest,
        sides: &[Node; 2],
    ) -> Result<Value, EvalError> {
        if let (Some(part), Code::Slot(slot)) = (sides[1].constant_str(), &sides[0].code) {
            return Ok(Value::Bool(holds(test, self.event()?.text_of(*slot), part)));
        }
        let left = self.eval(&sides[0])?;
        let right = self.eval(&sides[1])?;
        if left.is_nil() || right.is_nil() {
            return Ok(Value::Bool(false));
        }
        match (left.as_bytes(), right.as_bytes()) {
            (Some(text), Some(part)) => Ok(Value::Bool(holds(test, text, part))),
            _ => Err(EvalError::of(format!(
                "cannot test {} for {}",
                left.type_name(),
                right.type_name()
            ))),
        }
    }

    pub(super) fn matches(&mut self, left: &Node, regex: &Arc<Regex>) -> Result<Value, EvalError> {
        let left = self.eval(left)?;
        match (left.as_bytes(), left.is_nil()) {
            (Some(text), _) => Ok(Value::Bool(regex.is_match(text))),
            (None, true) => Ok(Value::Bool(false)),
            (None, false) => Err(not_matchable(&left)),
        }
    }

    pub(super) fn matches_computed(&mut self, sides: &[Node; 2]) -> Result<Value, EvalError> {
        let left = self.eval(&sides[0])?;
        let right = self.eval(&sides[1])?;
        if left.is_nil() || right.is_nil() {
            return Ok(Value::Bool(false));
        }
        let Some(text) = left.as_bytes() else {
            return Err(not_matchable(&left));
        };
        let Value::Str(pattern) = right.behind_pointer() else {
            return Err(not_matchable(&right));
        };
        let services = self.cx.services;
        let regex = services.regexes.get(pattern, &services.counters)?;
        Ok(Value::Bool(regex.is_match(text)))
    }

    pub(super) fn is_in(&mut self, sides: &[Node; 2]) -> Result<Value, EvalError> {
        let needle = self.eval(&sides[0])?;
        let hay = self.eval(&sides[1])?;
        self.charge(super::cost(&hay))?;
        let hay = self.plain(hay);
        let found = match hay.behind_pointer() {
            Value::Nil => false,
            Value::List(list) => contained_in_list(&needle, list),
            Value::Map(map) => match needle.behind_pointer() {
                Value::Str(key) => map.contains_key(key),
                Value::Nil => map.contains_key(b""),
                other => {
                    let message = format!("cannot use {} as a map key", other.type_name());
                    return Err(EvalError::of(message));
                }
            },
            structure @ (Value::Object(_) | Value::Event(_)) => {
                let Some(name) = needle.as_bytes() else {
                    let message = format!("cannot use {} as a field name", needle.type_name());
                    return Err(EvalError::of(message));
                };
                let name = name.into();
                self.member(structure, &name).is_ok()
            }
            other => {
                let message = format!("operator \"in\" not defined on {}", other.type_name());
                return Err(EvalError::of(message));
            }
        };
        Ok(Value::Bool(found))
    }

    /// A set made of a list of string literals takes strings, and nil as the empty string.
    pub(super) fn is_in_strings(
        &mut self,
        left: &Node,
        set: &StringSet,
    ) -> Result<Value, EvalError> {
        let left = self.eval(left)?;
        match left.behind_pointer() {
            Value::Str(text) => Ok(Value::Bool(set.contains(text))),
            Value::Nil => Ok(Value::Bool(set.contains(b""))),
            other => {
                let message = format!("cannot use {} in a set of strings", other.type_name());
                Err(EvalError::of(message))
            }
        }
    }

    pub(super) fn range(&mut self, sides: &[Node; 2]) -> Result<Value, EvalError> {
        let from = self.eval(&sides[0])?;
        let to = self.eval(&sides[1])?;
        let (Some(from), Some(to)) = (from.as_integer(), to.as_integer()) else {
            let (from, to) = (from.type_name(), to.type_name());
            return Err(EvalError::of(format!("invalid operation: {from} .. {to}")));
        };
        let len = i128::from(to) - i128::from(from) + 1;
        let len = usize::try_from(len.max(0)).unwrap_or(usize::MAX);
        self.charge_elements(len)?;
        Ok(Value::List(List::Ints(Arc::new((from..=to).collect()))))
    }
}

fn holds(test: TextTest, text: &[u8], part: &[u8]) -> bool {
    match test {
        TextTest::Contains => strings::contains(text, part),
        TextTest::StartsWith => text.starts_with(part),
        TextTest::EndsWith => text.ends_with(part),
    }
}

fn not_matchable(value: &Value) -> EvalError {
    EvalError::of(format!("cannot use {} with matches", value.type_name()))
}

fn symbol(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Lt => "<",
        Comparison::Gt => ">",
        Comparison::Le => "<=",
        Comparison::Ge => ">=",
    }
}
