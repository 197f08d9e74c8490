//! Helpers on times and lists of them.

use overspill_exprlib::{interval, number};
use overspill_golike::time::{Time, append_rfc3339};

use super::args::{any, text};
use super::{Effect, Helper};
use crate::error::EvalError;
use crate::eval::Machine;
use crate::types::Ty;
use crate::value::Value;

pub(super) const HELPERS: &[Helper] = &[
    Helper::new("TimeNow", &[], Ty::Str, |m, _| {
        Ok(rfc3339(&m.cx.now.in_utc()))
    })
    .effect(Effect::Outside),
    Helper::new("ParseUnix", &[Ty::Str], Ty::Str, |m, args| {
        let parsed = number::parse_unix(text(args, 0)?);
        if parsed.is_none() {
            m.cx.services.log.warn("not a Unix timestamp");
        }
        Ok(Value::str(parsed.unwrap_or_default()))
    }),
    Helper::new("AverageInterval", &[Ty::Any], Ty::Duration, |m, args| {
        interval_of(interval::average_ns(&times(m, args, 0)?))
    })
    .fails(),
    Helper::new("MedianInterval", &[Ty::Any], Ty::Duration, |m, args| {
        interval_of(interval::median_ns(&times(m, args, 0)?))
    })
    .fails(),
];

fn interval_of(ns: Result<i64, interval::TooFewTimes>) -> Result<Value, EvalError> {
    ns.map(Value::Duration)
        .map_err(|error| EvalError::of(error.to_string()))
}

fn rfc3339(time: &Time) -> Value {
    let mut text = Vec::new();
    append_rfc3339(time, &mut text);
    Value::str(text)
}

/// The instants of a list of times.
fn times(machine: &Machine<'_, '_>, args: &[Value], at: usize) -> Result<Vec<Time>, EvalError> {
    let value = machine.plain(any(args, at)?.clone());
    let Value::List(list) = &value else {
        return Err(EvalError::of(format!(
            "cannot use {} as []time.Time",
            value.type_name()
        )));
    };
    list.iter()
        .map(|item| match item {
            Value::Time(time) => Ok(time),
            other => Err(EvalError::of(format!(
                "cannot use {} as time.Time",
                other.type_name()
            ))),
        })
        .collect()
}
