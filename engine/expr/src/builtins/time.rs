//! Builtins on times and durations.

use overspill_golike::duration;
use overspill_golike::time::{Layout, Time};

use super::{Builtin, arg, text_arg};
use crate::error::EvalError;
use crate::types::Ty;
use crate::value::Value;

/// The layouts that `date` tries when it is given none.
const LAYOUTS: [&str; 7] = [
    "2006-01-02",
    "15:04:05",
    "2006-01-02 15:04:05",
    "2006-01-02T15:04:05Z07:00",
    "02 Jan 06 15:04 MST",
    "Monday, 02-Jan-06 15:04:05 MST",
    "Mon, 02 Jan 2006 15:04:05 MST",
];

pub(super) const BUILTINS: &[Builtin] = &[
    Builtin {
        is_clock: true,
        ..Builtin::new(
            "now",
            (0, 1),
            |_| Some((Ty::Time, false)),
            |m, args| {
                if !args.is_empty() {
                    zone(args, 0)?;
                }
                Ok(Value::Time(m.cx.now))
            },
        )
    },
    Builtin::new(
        "date",
        (1, 3),
        |_| Some((Ty::Time, false)),
        |_, args| date(args),
    ),
    Builtin::new(
        "duration",
        (1, 1),
        |_| Some((Ty::Duration, false)),
        |_, args| {
            let text = std::str::from_utf8(text_arg(args, 0)?)
                .map_err(|_| EvalError::fixed("invalid duration"))?;
            let ns = duration::parse(text).map_err(|error| EvalError::of(error.to_string()))?;
            Ok(Value::Duration(ns))
        },
    ),
    Builtin::new(
        "timezone",
        (1, 1),
        |_| Some((Ty::Any, false)),
        |_, args| {
            zone(args, 0)?;
            Ok(args[0].clone())
        },
    ),
];

fn date(args: &[Value]) -> Result<Value, EvalError> {
    let text = text_arg(args, 0)?;
    if args.len() > 2 {
        zone(args, 2)?;
    }
    let parse = |layout: &str| Layout::compile(layout).parse(text);
    let time: Option<Time> = if args.len() > 1 {
        let layout = std::str::from_utf8(text_arg(args, 1)?)
            .map_err(|_| EvalError::fixed("invalid layout"))?;
        parse(layout).ok()
    } else {
        LAYOUTS.iter().find_map(|layout| parse(layout).ok())
    };
    time.map(Value::Time)
        .ok_or_else(|| EvalError::of(format!("invalid date {}", String::from_utf8_lossy(text))))
}

/// There is no database of time zones here: UTC is the only one.
fn zone(args: &[Value], at: usize) -> Result<(), EvalError> {
    match arg(args, at)?.as_bytes() {
        Some(b"UTC" | b"" | b"Local") => Ok(()),
        _ => Err(EvalError::fixed("time zones other than UTC are not known")),
    }
}
