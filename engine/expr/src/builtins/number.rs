//! Builtins on numbers.

use std::cmp::Ordering;

use overspill_golike::strconv;

use super::{Builtin, arg, each, int_arg, invalid};
use crate::error::EvalError;
use crate::eval::Machine;
use crate::types::Ty;
use crate::value::{IntKind, Value, order};

const MANY: usize = usize::MAX;

pub(super) const BUILTINS: &[Builtin] = &[
    Builtin::new("len", (1, 1), check_len, |_, args| length(arg(args, 0)?)).of_text(text_length),
    Builtin::new(
        "int",
        (1, 1),
        |types| convertible(types, Ty::Int),
        |_, args| to_int(arg(args, 0)?),
    )
    .of_text(text_to_int),
    Builtin::new(
        "float",
        (1, 1),
        |types| convertible(types, Ty::Float),
        |_, args| {
            let value = arg(args, 0)?;
            match (value.as_float(), value.as_bytes()) {
                (Some(number), _) => Ok(Value::Float(number)),
                (None, Some(text)) => strconv::parse_float(text)
                    .map(Value::Float)
                    .map_err(|_| EvalError::fixed("invalid argument for float (not a number)")),
                (None, None) => Err(invalid(value)),
            }
        },
    ),
    Builtin::new(
        "abs",
        (1, 1),
        |types| numbers(types, Ty::Any),
        |_, args| {
            let value = arg(args, 0)?;
            Ok(match value {
                Value::Int(value) => Value::Int(value.wrapping_abs()),
                Value::Sized(value, kind) => Value::Sized(value.wrapping_abs(), *kind),
                Value::Float(value) => Value::Float(value.abs()),
                Value::Float32(value) => Value::Float32(value.abs()),
                other => return Err(invalid(other)),
            })
        },
    ),
    Builtin::new(
        "ceil",
        (1, 1),
        |types| numbers(types, Ty::Float),
        |_, args| rounded(args, f64::ceil),
    ),
    Builtin::new(
        "floor",
        (1, 1),
        |types| numbers(types, Ty::Float),
        |_, args| rounded(args, f64::floor),
    ),
    Builtin::new(
        "round",
        (1, 1),
        |types| numbers(types, Ty::Float),
        |_, args| rounded(args, f64::round),
    ),
    Builtin::new("max", (1, MANY), open, |m, args| {
        extreme(m, args, Ordering::Greater)
    }),
    Builtin::new("min", (1, MANY), open, |m, args| {
        extreme(m, args, Ordering::Less)
    }),
    Builtin::new("mean", (1, MANY), open, |m, args| {
        let numbers = floats(m, args)?;
        Ok(Value::Float(mean(&numbers)))
    }),
    Builtin::new("median", (1, MANY), open, |m, args| {
        let mut numbers = floats(m, args)?;
        numbers.sort_by(f64::total_cmp);
        let middle = numbers.len() / 2;
        let around = match numbers.len() {
            0 => &[],
            n if n % 2 == 1 => numbers.get(middle..=middle).unwrap_or_default(),
            _ => numbers.get(middle - 1..=middle).unwrap_or_default(),
        };
        Ok(Value::Float(mean(around)))
    }),
    Builtin::new("bitand", (2, 2), bits, |_, args| {
        bitwise(args, |a, b| a & b)
    }),
    Builtin::new("bitor", (2, 2), bits, |_, args| bitwise(args, |a, b| a | b)),
    Builtin::new("bitxor", (2, 2), bits, |_, args| {
        bitwise(args, |a, b| a ^ b)
    }),
    Builtin::new("bitnand", (2, 2), bits, |_, args| {
        bitwise(args, |a, b| a & !b)
    }),
    Builtin::new("bitnot", (1, 1), bits, |_, args| {
        Ok(Value::Int(!int_arg(args, 0)?))
    }),
    Builtin::new("bitshl", (2, 2), bits, |_, args| {
        shifted(args, |a, n| a.checked_shl(n).unwrap_or(0))
    }),
    Builtin::new("bitshr", (2, 2), bits, |_, args| {
        shifted(args, |a, n| a.checked_shr(n).unwrap_or(a >> 63))
    }),
    Builtin::new("bitushr", (2, 2), bits, |_, args| {
        shifted(args, |a, n| {
            a.cast_unsigned().checked_shr(n).unwrap_or(0).cast_signed()
        })
    }),
    Builtin::new(
        "type",
        (1, 1),
        |_| Some((Ty::Str, true)),
        |_, args| Ok(Value::str(kind_name(args.first().unwrap_or(&Value::Nil)))),
    ),
];

fn check_len(types: &[Ty]) -> Option<(Ty, bool)> {
    let has_length = |ty: Ty| ty.is_list() || matches!(ty, Ty::Str | Ty::Map(_));
    Some((Ty::Int, each(types, has_length)?))
}

fn convertible(types: &[Ty], result: Ty) -> Option<(Ty, bool)> {
    each(types, |ty| {
        ty.is_number() || matches!(ty, Ty::Str | Ty::Duration)
    })?;
    Some((result, types.iter().all(|ty| ty.is_number())))
}

fn numbers(types: &[Ty], result: Ty) -> Option<(Ty, bool)> {
    Some((result, each(types, Ty::is_number)?))
}

fn bits(types: &[Ty]) -> Option<(Ty, bool)> {
    each(types, Ty::is_integer)?;
    Some((Ty::Int, false))
}

fn open(types: &[Ty]) -> Option<(Ty, bool)> {
    each(types, |ty| ty.is_number() || ty.is_list())?;
    Some((Ty::Any, false))
}

/// `len`: code points of a string, elements of a list or a map.
fn length(value: &Value) -> Result<Value, EvalError> {
    let n = match value {
        Value::Str(bytes) => return text_length(bytes),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        Value::Object(object) => object.len().ok_or_else(|| invalid(value))?,
        other => return Err(invalid(other)),
    };
    Ok(Value::Int(i64::try_from(n).unwrap_or(i64::MAX)))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "what does not fit is handled before"
)]
fn to_int(value: &Value) -> Result<Value, EvalError> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    Ok(Value::Int(match value {
        Value::Int(value) | Value::Sized(value, _) | Value::Duration(value) => *value,
        Value::Float(_) | Value::Float32(_) => {
            let number = value.as_float().unwrap_or(f64::NAN);
            // What Go's conversion gives on amd64 for a number that does not fit.
            if (-LIMIT..LIMIT).contains(&number) {
                number as i64
            } else {
                i64::MIN
            }
        }
        Value::Str(text) => return text_to_int(text),
        other => return Err(invalid(other)),
    }))
}

fn text_to_int(text: &[u8]) -> Result<Value, EvalError> {
    let number = strconv::atoi(text);
    number
        .map(Value::Int)
        .map_err(|error| EvalError::of(format!("invalid argument for int: {error}")))
}

#[expect(clippy::unnecessary_wraps, reason = "as every builtin")]
fn text_length(text: &[u8]) -> Result<Value, EvalError> {
    let n = overspill_golike::strings::rune_count(text);
    Ok(Value::Int(i64::try_from(n).unwrap_or(i64::MAX)))
}

fn rounded(args: &[Value], round: fn(f64) -> f64) -> Result<Value, EvalError> {
    let value = arg(args, 0)?;
    value
        .as_float()
        .map(|number| Value::Float(round(number)))
        .ok_or_else(|| invalid(value))
}

/// All numbers among the arguments and in lists among them.
fn spread(machine: &mut Machine<'_, '_>, args: &[Value]) -> Result<Vec<Value>, EvalError> {
    let mut open: Vec<Value> = args.iter().rev().cloned().collect();
    let mut numbers = Vec::new();
    while let Some(value) = open.pop() {
        machine.charge(1)?;
        match value.behind_pointer() {
            Value::List(list) => {
                machine.charge(list.len())?;
                open.extend((0..list.len()).rev().filter_map(|at| list.get(at)));
            }
            number if number.as_float().is_some() => numbers.push(number.clone()),
            other => return Err(invalid(other)),
        }
    }
    Ok(numbers)
}

fn extreme(
    machine: &mut Machine<'_, '_>,
    args: &[Value],
    wanted: Ordering,
) -> Result<Value, EvalError> {
    let mut numbers = spread(machine, args)?.into_iter();
    let Some(mut best) = numbers.next() else {
        return Err(EvalError::fixed("not enough arguments to call min or max"));
    };
    for number in numbers {
        if order(&number, &best) == Ok(Some(wanted)) {
            best = number;
        }
    }
    Ok(best)
}

fn floats(machine: &mut Machine<'_, '_>, args: &[Value]) -> Result<Vec<f64>, EvalError> {
    Ok(spread(machine, args)?
        .iter()
        .filter_map(Value::as_float)
        .collect())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a list has far fewer than 2^52 elements"
)]
fn mean(numbers: &[f64]) -> f64 {
    if numbers.is_empty() {
        0.0
    } else {
        numbers.iter().sum::<f64>() / numbers.len() as f64
    }
}

fn bitwise(args: &[Value], op: fn(i64, i64) -> i64) -> Result<Value, EvalError> {
    Ok(Value::Int(op(int_arg(args, 0)?, int_arg(args, 1)?)))
}

fn shifted(args: &[Value], op: fn(i64, u32) -> i64) -> Result<Value, EvalError> {
    let (value, by) = (int_arg(args, 0)?, int_arg(args, 1)?);
    if by < 0 {
        return Err(EvalError::fixed("invalid operation: negative shift count"));
    }
    Ok(Value::Int(op(value, u32::try_from(by).unwrap_or(u32::MAX))))
}

/// What `type` answers.
fn kind_name(value: &Value) -> String {
    match value {
        Value::Nil => "nil",
        Value::Bool(_) => "bool",
        Value::Int(_) | Value::Sized(_, IntKind::Int32 | IntKind::Int64) => "int",
        Value::Sized(_, IntKind::Weekday | IntKind::Month)
        | Value::Time(_)
        | Value::Duration(_) => {
            return value.type_name().into_owned();
        }
        Value::Sized(..) => "uint",
        Value::Float(_) | Value::Float32(_) => "float",
        Value::Str(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "map",
        Value::Event(_) | Value::Object(_) => {
            return value.type_name().trim_start_matches('*').to_owned();
        }
        Value::Pointer(inner) => return kind_name(inner),
    }
    .to_owned()
}
