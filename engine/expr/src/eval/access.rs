//! Members, indexes and slices of values (expr-lang `vm/runtime/runtime.go`).

use super::Machine;
use crate::error::EvalError;
use crate::value::{Bytes, IntKind, Value};

impl Machine<'_, '_> {
    /// `value.name`, which is also `value["name"]`.
    pub(crate) fn member(&self, value: &Value, name: &Bytes) -> Result<Value, EvalError> {
        match value {
            Value::Map(map) => Ok(map.read(name)),
            Value::Event(part) => self.event_member(part, name),
            Value::Object(object) => {
                let text = String::from_utf8_lossy(name);
                if let Some(found) = object.field(&text) {
                    return Ok(found);
                }
                match object.index(&Value::Str(Bytes::clone(name))) {
                    Some(found) => found,
                    None => Err(cannot_fetch(value, &text)),
                }
            }
            Value::Pointer(inner) => self.member(inner, name),
            _ => Err(cannot_fetch(value, &String::from_utf8_lossy(name))),
        }
    }

    /// `value[key]`.
    pub(crate) fn index(&self, value: &Value, key: &Value) -> Result<Value, EvalError> {
        let key = key.behind_pointer();
        match (value, key) {
            (Value::Pointer(inner), _) => self.index(inner, key),
            (_, Value::Str(name)) => self.member(value, name),
            (Value::Map(map), Value::Nil) => Ok(map.read(b"")),
            (Value::List(list), _) => {
                let at = place(key, list.len()).ok_or_else(|| cannot_index(value, key))?;
                list.get(at).ok_or_else(|| cannot_index(value, key))
            }
            (Value::Str(bytes), _) => {
                let at = place(key, bytes.len()).ok_or_else(|| cannot_index(value, key))?;
                let byte = bytes.get(at).ok_or_else(|| cannot_index(value, key))?;
                Ok(Value::Sized(i64::from(*byte), IntKind::Uint8))
            }
            (Value::Object(object), _) => object
                .index(key)
                .unwrap_or_else(|| Err(cannot_index(value, key))),
            _ => Err(cannot_index(value, key)),
        }
    }

    /// `value[from:to]`; bounds are clamped.
    pub(crate) fn slice(
        &mut self,
        value: &Value,
        from: Option<&Value>,
        to: Option<&Value>,
    ) -> Result<Value, EvalError> {
        let len = match value {
            Value::Str(bytes) => bytes.len(),
            Value::List(list) => list.len(),
            Value::Pointer(inner) => return self.slice(inner, from, to),
            other => return Err(EvalError::of(format!("cannot slice {}", other.type_name()))),
        };
        let bound = |bound: Option<&Value>, default: usize| match bound {
            None => Ok(default),
            Some(value) => {
                let at = integer(value).ok_or_else(|| {
                    EvalError::of(format!("invalid slice index {}", value.type_name()))
                })?;
                Ok(clamped(at, len))
            }
        };
        let to = bound(to, len)?;
        let from = bound(from, 0)?.min(to);
        self.charge(1 + (to - from) / 32)?;
        match value {
            Value::Str(bytes) => Ok(Value::str(bytes.get(from..to).unwrap_or_default())),
            Value::List(list) => {
                self.charge_elements(to - from)?;
                Ok(Value::List(list.slice(from, to)))
            }
            _ => Err(EvalError::fixed("cannot slice")),
        }
    }
}

/// An integer for indexing: Go converts floats too.
#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates, and never panics"
)]
fn integer(value: &Value) -> Option<i64> {
    value
        .as_integer()
        .or_else(|| value.as_float().map(|value| value as i64))
}

/// The place an index names; negative ones count from the end.
pub(crate) fn place(key: &Value, len: usize) -> Option<usize> {
    let at = integer(key)?;
    let at = if at < 0 {
        at.checked_add(i64::try_from(len).ok()?)?
    } else {
        at
    };
    usize::try_from(at).ok().filter(|at| *at < len)
}

fn clamped(at: i64, len: usize) -> usize {
    let whole = i64::try_from(len).unwrap_or(i64::MAX);
    let at = if at < 0 { at.saturating_add(whole) } else { at };
    usize::try_from(at.clamp(0, whole)).unwrap_or(0)
}

pub(crate) fn cannot_fetch(value: &Value, name: &str) -> EvalError {
    EvalError::of(format!("cannot fetch {name} from {}", value.type_name()))
}

fn cannot_index(value: &Value, key: &Value) -> EvalError {
    let key = match key {
        Value::Int(at) => at.to_string(),
        other => other.type_name().into_owned(),
    };
    EvalError::of(format!("cannot fetch {key} from {}", value.type_name()))
}
