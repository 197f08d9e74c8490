//! Builtins on lists and maps.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Builtin, anything, arg, each, int_arg, invalid};
use crate::error::EvalError;
use crate::eval::{Machine, place, sort_values};
use crate::types::{ANY, Ty};
use crate::value::{Bytes, Entries, List, Map, Value, equal};

const MANY: usize = usize::MAX;

pub(super) const BUILTINS: &[Builtin] = &[
    Builtin::new("get", (2, 2), anything, |m, args| {
        get(m, &args[0], arg(args, 1)?)
    }),
    Builtin::new("first", (1, 1), first_or_last, |m, args| {
        Ok(m.index(&args[0], &Value::Int(0)).unwrap_or_default())
    }),
    Builtin::new("last", (1, 1), first_or_last, |m, args| {
        Ok(m.index(&args[0], &Value::Int(-1)).unwrap_or_default())
    }),
    Builtin::new("take", (2, 2), anything, |m, args| {
        let list = list_arg(args, 0)?;
        let n = usize::try_from(int_arg(args, 1)?)
            .map_err(|_| EvalError::fixed("cannot take a negative number of elements"))?;
        let n = n.min(list.len());
        m.charge_elements(n)?;
        Ok(Value::List(list.slice(0, n)))
    }),
    Builtin::new("keys", (1, 1), map_to_list, |m, args| {
        let keys = map_arg(args)?
            .entries()
            .into_iter()
            .map(|(key, _)| Value::Str(key));
        let keys = keys.collect();
        m.list(keys)
    }),
    Builtin::new("values", (1, 1), map_to_list, |m, args| {
        let values = map_arg(args)?
            .entries()
            .into_iter()
            .map(|(_, value)| value)
            .collect();
        m.list(values)
    }),
    Builtin::new("toPairs", (1, 1), map_to_list, |m, args| {
        let entries = map_arg(args)?.entries().into_iter();
        let pairs = entries.map(|(key, value)| Value::list(vec![Value::Str(key), value]));
        let pairs = pairs.collect();
        m.list(pairs)
    }),
    Builtin::new("fromPairs", (1, 1), anything, from_pairs),
    Builtin::new("reverse", (1, 1), list_to_list, |m, args| {
        let list = list_arg(args, 0)?;
        let items = (0..list.len())
            .rev()
            .filter_map(|at| list.get(at))
            .collect();
        m.list(items)
    }),
    Builtin::new("uniq", (1, 1), list_to_list, |m, args| {
        let mut kept: Vec<Value> = Vec::new();
        for item in list_arg(args, 0)?.iter() {
            m.charge(1 + kept.len() / 4)?;
            if !kept.iter().any(|other| equal(other, &item)) {
                kept.push(item);
            }
        }
        m.list(kept)
    }),
    Builtin::new("concat", (1, MANY), list_to_list, |m, args| {
        let mut items = Vec::new();
        for at in 0..args.len() {
            let list = list_arg(args, at)?;
            m.charge_elements(list.len())?;
            items.extend(list.iter());
        }
        Ok(Value::list(items))
    }),
    Builtin::new("flatten", (1, 1), list_to_list, |m, args| {
        let mut open: Vec<Value> = vec![Value::List(list_arg(args, 0)?.clone())];
        let mut items = Vec::new();
        while let Some(value) = open.pop() {
            m.charge(1)?;
            match value {
                Value::List(list) => {
                    m.charge(list.len())?;
                    open.extend((0..list.len()).rev().filter_map(|at| list.get(at)));
                }
                other => items.push(other),
            }
        }
        m.list(items)
    }),
    Builtin::new("sort", (1, 2), anything, |m, args| {
        let list = list_arg(args, 0)?;
        m.charge(list.len().saturating_mul(16))?;
        let keyed = list.iter().map(|item| (item.clone(), item)).collect();
        let sorted = sort_values(keyed, args.get(1))?;
        m.list(sorted)
    }),
];

fn first_or_last(types: &[Ty]) -> Option<(Ty, bool)> {
    each(types, Ty::is_list)?;
    Some((Ty::Any, true))
}

fn list_to_list(types: &[Ty]) -> Option<(Ty, bool)> {
    each(types, Ty::is_list)?;
    Some((Ty::Items(&ANY), false))
}

fn map_to_list(types: &[Ty]) -> Option<(Ty, bool)> {
    each(types, |ty| matches!(ty, Ty::Map(_)))?;
    Some((Ty::Items(&ANY), false))
}

/// As indexing, but nil where there is nothing.
fn get(machine: &Machine<'_, '_>, value: &Value, key: &Value) -> Result<Value, EvalError> {
    match (value.behind_pointer(), key) {
        (Value::Nil, _) => Ok(Value::Nil),
        (Value::Map(map), Value::Str(key)) => Ok(map.get(key).unwrap_or_default()),
        (Value::Map(map), Value::Nil) => Ok(map.get(b"").unwrap_or_default()),
        (base @ (Value::List(_) | Value::Str(_)), key) => {
            let len = match base {
                Value::List(list) => list.len(),
                Value::Str(bytes) => bytes.len(),
                _ => 0,
            };
            if key.as_float().is_none() {
                return Err(invalid(key));
            }
            match place(key, len) {
                Some(_) => machine.index(base, key),
                None => Ok(Value::Nil),
            }
        }
        (base @ (Value::Object(_) | Value::Event(_)), key) => {
            Ok(machine.index(base, key).unwrap_or_default())
        }
        (Value::Map(_), key) => Err(invalid(key)),
        _ => Ok(Value::Nil),
    }
}

fn from_pairs(machine: &mut Machine<'_, '_>, args: &[Value]) -> Result<Value, EvalError> {
    let mut map: BTreeMap<Bytes, Value> = BTreeMap::new();
    for pair in list_arg(args, 0)?.iter() {
        machine.charge_elements(1)?;
        let Value::List(pair) = &pair else {
            return Err(invalid(&pair));
        };
        match (pair.get(0), pair.get(1), pair.len()) {
            (Some(Value::Str(key)), Some(value), 2) => {
                map.insert(key, value);
            }
            _ => return Err(EvalError::fixed("a pair must be a key and a value")),
        }
    }
    Ok(Value::Map(Map::Values(Arc::new(Entries::new(map)))))
}

fn list_arg(args: &[Value], at: usize) -> Result<&List, EvalError> {
    match arg(args, at)? {
        Value::List(list) => Ok(list),
        other => Err(invalid(other)),
    }
}

fn map_arg(args: &[Value]) -> Result<&Map, EvalError> {
    match arg(args, 0)? {
        Value::Map(map) => Ok(map),
        other => Err(invalid(other)),
    }
}
