//! Sorting by keys.

use std::cmp::Ordering;

use crate::error::EvalError;
use crate::value::{Value, order};

/// The values in the order of their keys; equal ones keep their places. `direction` is nothing,
/// `"asc"` or `"desc"`.
pub(crate) fn sort_values(
    mut keyed: Vec<(Value, Value)>,
    direction: Option<&Value>,
) -> Result<Vec<Value>, EvalError> {
    let is_descending = match direction.map(|value| value.as_bytes()) {
        None | Some(Some(b"asc")) => false,
        Some(Some(b"desc")) => true,
        _ => return Err(EvalError::fixed("invalid order, expected asc or desc")),
    };
    let first = keyed.first().map(|(key, _)| key.clone());
    if let Some(first) = first {
        for (key, _) in &keyed {
            if order(&first, key).is_err() {
                return Err(EvalError::of(format!(
                    "cannot order {} and {}",
                    first.type_name(),
                    key.type_name()
                )));
            }
        }
    }
    keyed.sort_by(|(a, _), (b, _)| {
        // All keys can be compared with the first and so with each other; NaN is equal to all.
        let order = order(a, b).ok().flatten().unwrap_or(Ordering::Equal);
        if is_descending {
            order.reverse()
        } else {
            order
        }
    });
    Ok(keyed.into_iter().map(|(_, value)| value).collect())
}
