//! Equality and order (expr-lang `vm/runtime`).

use std::cmp::Ordering;

use super::{List, Map, Value};

/// Whether two values are equal to `==`. Values of different kinds are not; it never fails.
pub(crate) fn equal(left: &Value, right: &Value) -> bool {
    let (left, right) = (left.behind_pointer(), right.behind_pointer());
    match (left, right) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Str(a), Value::Str(b)) => a == b,
        (Value::Time(a), Value::Time(b)) => a.same_instant(b),
        (Value::Duration(a), Value::Duration(b)) => a == b,
        (Value::List(a), Value::List(b)) => equal_lists(a, b),
        (Value::Map(a), Value::Map(b)) => equal_maps(a, b),
        (Value::Event(a), Value::Event(b)) => {
            a.part == b.part
                && match (&a.event, &b.event) {
                    (None, None) => true,
                    (Some(a), Some(b)) => std::sync::Arc::ptr_eq(a, b),
                    _ => false,
                }
        }
        (Value::Object(a), Value::Object(b)) => {
            std::sync::Arc::ptr_eq(a, b)
                || match (a.to_plain(), b.to_plain()) {
                    (Some(a), Some(b)) => equal(&a, &b),
                    _ => false,
                }
        }
        _ => numbers(left, right).is_some_and(|order| order == Some(Ordering::Equal)),
    }
}

fn equal_lists(a: &List, b: &List) -> bool {
    a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| equal(&a, &b))
}

fn equal_maps(a: &Map, b: &Map) -> bool {
    if a.len() != b.len() {
        return false;
    }
    a.entries()
        .into_iter()
        .all(|(key, value)| b.get(&key).is_some_and(|other| equal(&value, &other)))
}

/// The order of two numbers; the outer `None` when one is no number, the inner for NaN.
fn numbers(left: &Value, right: &Value) -> Option<Option<Ordering>> {
    if let (Some(a), Some(b)) = (left.as_integer(), right.as_integer()) {
        return Some(Some(a.cmp(&b)));
    }
    Some(left.as_float()?.partial_cmp(&right.as_float()?))
}

/// The order of two values to `<` and its kin: `Err` when they cannot be compared, `Ok(None)`
/// when one is NaN.
pub(crate) fn order(left: &Value, right: &Value) -> Result<Option<Ordering>, ()> {
    let (left, right) = (left.behind_pointer(), right.behind_pointer());
    match (left, right) {
        (Value::Str(a), Value::Str(b)) => Ok(Some(a.cmp(b))),
        (Value::Time(a), Value::Time(b)) => Ok(Some(a.compare_instant(b))),
        (Value::Duration(a), Value::Duration(b)) => Ok(Some(a.cmp(b))),
        _ => numbers(left, right).ok_or(()),
    }
}

/// Whether a list has an element equal to a value.
pub(crate) fn contained_in_list(value: &Value, list: &List) -> bool {
    match (list, value.behind_pointer()) {
        (List::Strings(items), Value::Str(text)) => items.iter().any(|item| item == text),
        (List::Strings(_), _) => false,
        (List::Values(items), value) => items.iter().any(|item| equal(item, value)),
        (list, value) => list.iter().any(|item| equal(&item, value)),
    }
}
