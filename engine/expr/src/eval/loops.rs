//! Builtins that evaluate something for each element (expr-lang `compiler/compiler.go`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Machine, Scope, sort_values};
use crate::code::{Arithmetic, InRanges, Loop, LoopKind, Node};
use crate::error::EvalError;
use crate::value::{Bytes, Entries, IntKind, Map, Value, arithmetic};

impl Machine<'_, '_> {
    #[inline(never)]
    pub(super) fn eval_loop(&mut self, one: &Loop) -> Result<Value, EvalError> {
        if let Some(in_ranges) = &one.in_ranges
            && let Some(found) = self.is_in_ranges(in_ranges)?
        {
            return Ok(Value::Bool(found));
        }
        let list = self.eval(&one.list)?;
        let list = self.plain(list);
        let list = list.behind_pointer();
        let len = length(list)?;
        self.scopes.push(Scope {
            element: Value::Nil,
            index: 0,
            accumulator: Value::Nil,
        });
        let result = self.run_loop(one, list, len);
        self.scopes.pop();
        result
    }

    /// Whether an address is in a range of a file; `None` for what is no text.
    fn is_in_ranges(&mut self, ranges: &InRanges) -> Result<Option<bool>, EvalError> {
        let of_file = self.cx.services.ranges(&ranges.file);
        if of_file.lines == 0 {
            // Nobody looks at the address either.
            return Ok(Some(false));
        }
        self.charge(of_file.lines)?;
        Ok(match self.eval(&ranges.address)? {
            Value::Str(text) => Some(of_file.contains(&text)),
            _ => None,
        })
    }

    fn run_loop(&mut self, one: &Loop, list: &Value, len: usize) -> Result<Value, EvalError> {
        let body = one.body.as_ref();
        match one.kind {
            LoopKind::All => Ok(Value::Bool(
                self.position(body, list, 0..len, false)?.is_none(),
            )),
            LoopKind::Any => Ok(Value::Bool(
                self.position(body, list, 0..len, true)?.is_some(),
            )),
            LoopKind::None => Ok(Value::Bool(
                self.position(body, list, 0..len, true)?.is_none(),
            )),
            LoopKind::One => Ok(Value::Bool(self.count(body, list, len, u64::MAX)? == 1)),
            LoopKind::Count { limit } => {
                let n = self.count(body, list, len, limit)?;
                Ok(Value::Int(i64::try_from(n).unwrap_or(i64::MAX)))
            }
            LoopKind::Find { is_last } => {
                let at = self.find(body, list, len, is_last)?;
                at.map_or(Ok(Value::Nil), |at| element(list, at))
            }
            LoopKind::MustFind { is_last } => match self.find(body, list, len, is_last)? {
                Some(at) => element(list, at),
                None => Err(EvalError::fixed("index out of range: nothing was found")),
            },
            LoopKind::FindIndex { is_last } => {
                let at = self.find(body, list, len, is_last)?;
                Ok(at.map_or(Value::Nil, |at| {
                    Value::Int(i64::try_from(at).unwrap_or(i64::MAX))
                }))
            }
            LoopKind::Filter => {
                let mut kept = Vec::new();
                for at in 0..len {
                    if self.test(body, list, at)? {
                        self.charge_elements(1)?;
                        kept.push(element(list, at)?);
                    }
                }
                self.shallow(Value::list(kept))
            }
            LoopKind::Map => {
                let mut mapped = Vec::new();
                for at in 0..len {
                    self.charge_elements(1)?;
                    mapped.push(self.value_at(body, list, at)?);
                }
                self.shallow(Value::list(mapped))
            }
            LoopKind::Sum => {
                let mut sum = Value::Int(0);
                for at in 0..len {
                    let value = self.value_at(body, list, at)?;
                    sum = arithmetic(Arithmetic::Add, &sum, &value)?;
                }
                Ok(sum)
            }
            LoopKind::Reduce => self.reduce(one, list, len),
            LoopKind::GroupBy => self.group(body, list, len),
            LoopKind::SortBy => self.sort_by(one, list, len),
        }
    }

    /// Moves to an element and evaluates the body, or answers the element itself.
    fn value_at(
        &mut self,
        body: Option<&Node>,
        list: &Value,
        at: usize,
    ) -> Result<Value, EvalError> {
        self.charge(1)?;
        let value = element(list, at)?;
        let Some(body) = body else { return Ok(value) };
        if let Some(scope) = self.scopes.last_mut() {
            scope.element = value;
            scope.index = at;
        }
        self.eval(body)
    }

    fn test(&mut self, body: Option<&Node>, list: &Value, at: usize) -> Result<bool, EvalError> {
        let value = self.value_at(body, list, at)?;
        value
            .as_bool()
            .ok_or_else(|| EvalError::of(format!("predicate gave {}, not bool", value.type_name())))
    }

    /// The first place at which the body gives `wanted`.
    fn position(
        &mut self,
        body: Option<&Node>,
        list: &Value,
        mut places: impl Iterator<Item = usize>,
        wanted: bool,
    ) -> Result<Option<usize>, EvalError> {
        places
            .find_map(|at| match self.test(body, list, at) {
                Ok(value) if value == wanted => Some(Ok(at)),
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            })
            .transpose()
    }

    fn find(
        &mut self,
        body: Option<&Node>,
        list: &Value,
        len: usize,
        is_last: bool,
    ) -> Result<Option<usize>, EvalError> {
        if is_last {
            self.position(body, list, (0..len).rev(), true)
        } else {
            self.position(body, list, 0..len, true)
        }
    }

    fn count(
        &mut self,
        body: Option<&Node>,
        list: &Value,
        len: usize,
        limit: u64,
    ) -> Result<u64, EvalError> {
        let mut n = 0;
        for at in 0..len {
            n += u64::from(self.test(body, list, at)?);
            if n >= limit {
                break;
            }
        }
        Ok(n)
    }

    fn reduce(&mut self, one: &Loop, list: &Value, len: usize) -> Result<Value, EvalError> {
        let (mut accumulator, from) = match &one.extra {
            Some(initial) => (self.eval(initial)?, 0),
            None if len == 0 => {
                return Err(EvalError::fixed(
                    "reduce of an empty list with no initial value",
                ));
            }
            None => (element(list, 0)?, 1),
        };
        for at in from..len {
            if let Some(scope) = self.scopes.last_mut() {
                scope.accumulator = accumulator;
            }
            accumulator = self.value_at(one.body.as_ref(), list, at)?;
        }
        Ok(accumulator)
    }

    fn group(&mut self, body: Option<&Node>, list: &Value, len: usize) -> Result<Value, EvalError> {
        let mut groups: BTreeMap<Bytes, Vec<Value>> = BTreeMap::new();
        for at in 0..len {
            let key = match self.value_at(body, list, at)?.behind_pointer() {
                Value::Str(key) => Bytes::clone(key),
                other => {
                    let message = format!("groupBy needs string keys, found {}", other.type_name());
                    return Err(EvalError::of(message));
                }
            };
            self.charge_elements(1)?;
            groups.entry(key).or_default().push(element(list, at)?);
        }
        let entries = groups
            .into_iter()
            .map(|(key, items)| (key, Value::list(items)))
            .collect();
        self.shallow(Value::Map(Map::Values(Arc::new(Entries::new(entries)))))
    }

    fn sort_by(&mut self, one: &Loop, list: &Value, len: usize) -> Result<Value, EvalError> {
        let mut keyed = Vec::new();
        for at in 0..len {
            self.charge_elements(1)?;
            let key = self.value_at(one.body.as_ref(), list, at)?;
            keyed.push((key, element(list, at)?));
        }
        let order = one
            .extra
            .as_ref()
            .map(|extra| self.eval(extra))
            .transpose()?;
        self.charge(len.saturating_mul(16))?;
        let sorted = sort_values(keyed, order.as_ref())?;
        self.shallow(Value::list(sorted))
    }
}

/// Number of elements a loop visits.
fn length(list: &Value) -> Result<usize, EvalError> {
    match list {
        Value::List(list) => Ok(list.len()),
        Value::Str(bytes) => Ok(bytes.len()),
        Value::Map(map) if map.is_empty() => Ok(0),
        Value::Map(_) => Err(EvalError::fixed("cannot visit the elements of a map")),
        Value::Object(object) => object.len().ok_or_else(|| {
            EvalError::of(format!("invalid argument for len ({})", list.type_name()))
        }),
        other => Err(EvalError::of(format!(
            "invalid argument for len ({})",
            other.type_name()
        ))),
    }
}

fn element(list: &Value, at: usize) -> Result<Value, EvalError> {
    let found = match list {
        Value::List(list) => list.get(at),
        Value::Str(bytes) => bytes
            .get(at)
            .map(|byte| Value::Sized(i64::from(*byte), IntKind::Uint8)),
        Value::Object(object) => {
            let key = Value::Int(i64::try_from(at).unwrap_or(i64::MAX));
            return object
                .index(&key)
                .unwrap_or(Err(EvalError::fixed("index out of range")));
        }
        _ => None,
    };
    found.ok_or(EvalError::fixed("index out of range"))
}
