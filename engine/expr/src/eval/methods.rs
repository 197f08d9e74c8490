//! Methods of values: times, durations, events, structures of the host.

use overspill_event::{EventKind, FieldMap};
use overspill_golike::duration;
use overspill_golike::time::{Layout, Time};

use super::Machine;
use crate::error::EvalError;
use crate::value::{EventPart, IntKind, List, Part, Value};

const NANOS_PER_SEC: i64 = 1_000_000_000;

impl Machine<'_, '_> {
    pub(crate) fn method(
        &mut self,
        value: &Value,
        name: &str,
        args: &[Value],
    ) -> Result<Value, EvalError> {
        let found = match value {
            Value::Pointer(inner) => return self.method(inner, name, args),
            Value::Time(time) => time_method(time, name, args),
            Value::Duration(ns) => duration_method(*ns, name, args),
            Value::Sized(number, IntKind::Weekday | IntKind::Month) if name == "String" => {
                Some(Value::str(value.named_int(*number)))
            }
            Value::Object(object) => match object.call(name, args) {
                Some(result) => return result,
                None => None,
            },
            Value::Event(EventPart {
                part: Part::Appsec, ..
            }) => appsec_method(name),
            Value::Event(EventPart {
                event: None,
                part: Part::Whole,
            }) => self.event_method(name, args)?,
            _ => None,
        };
        found.ok_or_else(|| EvalError::of(format!("cannot call {name} of {}", value.type_name())))
    }

    /// Methods of an event that is reached through a variable.
    fn event_method(&mut self, name: &str, args: &[Value]) -> Result<Option<Value>, EvalError> {
        let texts: Vec<&[u8]> = args.iter().filter_map(Value::as_bytes).collect();
        Ok(match (name, texts.as_slice()) {
            ("SetMeta", [key, value]) => {
                self.event_mut()?.set_named(FieldMap::Meta, key, value);
                Some(Value::Bool(true))
            }
            ("SetParsed", [key, value]) => {
                self.event_mut()?.set_named(FieldMap::Parsed, key, value);
                Some(Value::Bool(true))
            }
            ("GetMeta", [key]) => Some(Value::str(self.event()?.get_meta(key))),
            ("GetType", []) => Some(Value::str(match self.event()?.kind {
                EventKind::Overflow => "overflow",
                EventKind::Log => "log",
                EventKind::Appsec => "unknown",
            })),
            _ => None,
        })
    }
}

fn time_method(time: &Time, name: &str, args: &[Value]) -> Option<Value> {
    let wall = time.wall_clock();
    let int = |value: u32| Some(Value::Int(i64::from(value)));
    let int64 = |value: i64| Some(Value::Sized(value, IntKind::Int64));
    match (name, args) {
        ("Year", []) => Some(Value::Int(wall.year)),
        ("Month", []) => Some(Value::Sized(i64::from(wall.month), IntKind::Month)),
        ("Day", []) => int(wall.day),
        ("Hour", []) => int(wall.hour),
        ("Minute", []) => int(wall.minute),
        ("Second", []) => int(wall.second),
        ("Nanosecond", []) => int(time.nanos),
        ("Weekday", []) => Some(Value::Sized(i64::from(time.weekday()), IntKind::Weekday)),
        ("YearDay", []) => int(time.year_day()),
        ("Unix", []) => int64(time.unix()),
        ("UnixMilli", []) => int64(time.unix_milli()),
        ("UnixMicro", []) => int64(time.unix_micro()),
        ("UnixNano", []) => int64(time.unix_ns()),
        ("String", []) => Some(Value::str(time.default_text())),
        ("UTC", []) => Some(Value::Time(time.in_utc())),
        ("IsZero", []) => Some(Value::Bool(time.is_zero())),
        ("Format", [layout]) => {
            let layout = std::str::from_utf8(layout.as_bytes()?).ok()?;
            Some(Value::str(Layout::compile(layout).format(time)))
        }
        ("Add", [Value::Duration(ns)]) => Some(Value::Time(time.add(*ns))),
        ("Truncate", [Value::Duration(ns)]) => Some(Value::Time(time.truncate(*ns))),
        ("Round", [Value::Duration(ns)]) => Some(Value::Time(time.round(*ns))),
        ("AddDate", [years, months, days]) => {
            let (years, months, days) = (
                years.as_integer()?,
                months.as_integer()?,
                days.as_integer()?,
            );
            Some(Value::Time(time.add_date(years, months, days)))
        }
        ("Sub", [Value::Time(other)]) => Some(Value::Duration(time.sub(other))),
        ("After", [Value::Time(other)]) => Some(Value::Bool(time.after(other))),
        ("Before", [Value::Time(other)]) => Some(Value::Bool(time.before(other))),
        ("Equal", [Value::Time(other)]) => Some(Value::Bool(time.same_instant(other))),
        ("Compare", [Value::Time(other)]) => Some(Value::Int(time.compare_instant(other) as i64)),
        _ => None,
    }
}

fn duration_method(ns: i64, name: &str, args: &[Value]) -> Option<Value> {
    let int64 = |value: i64| Some(Value::Sized(value, IntKind::Int64));
    match (name, args) {
        ("Seconds", []) => Some(Value::Float(in_units(ns, NANOS_PER_SEC))),
        ("Minutes", []) => Some(Value::Float(in_units(ns, 60 * NANOS_PER_SEC))),
        ("Hours", []) => Some(Value::Float(in_units(ns, 3600 * NANOS_PER_SEC))),
        ("Milliseconds", []) => int64(ns / 1_000_000),
        ("Microseconds", []) => int64(ns / 1_000),
        ("Nanoseconds", []) => int64(ns),
        ("String", []) => Some(Value::str(duration::format(ns))),
        ("Abs", []) => Some(Value::Duration(ns.saturating_abs())),
        ("Truncate", [Value::Duration(unit)]) => {
            Some(Value::Duration(if *unit > 0 { ns - ns % unit } else { ns }))
        }
        ("Round", [Value::Duration(unit)]) => Some(Value::Duration(rounded(ns, *unit))),
        _ => None,
    }
}

/// Whole units and the fraction apart, as Go does, so that the sum rounds once.
#[expect(clippy::cast_precision_loss, reason = "Go converts the same way")]
fn in_units(ns: i64, unit: i64) -> f64 {
    (ns / unit) as f64 + (ns % unit) as f64 / unit as f64
}

/// Rounds half away from zero.
fn rounded(ns: i64, unit: i64) -> i64 {
    if unit <= 0 {
        return ns;
    }
    let rest = ns % unit;
    let down = ns - rest;
    if rest.unsigned_abs() >= unit.unsigned_abs() - rest.unsigned_abs() {
        down.saturating_add(unit * ns.signum())
    } else {
        down
    }
}

/// Of a match of the WAF, which there never is here.
fn appsec_method(name: &str) -> Option<Value> {
    Some(match name {
        "GetName" | "GetURI" | "GetMethod" | "GetHash" | "GetVersion" | "GetHighestSeverity"
        | "GetVar" => Value::str(b""),
        "GetNames" | "Kinds" | "GetMatchedZones" => Value::strings(Vec::new()),
        "GetRuleIDs" => Value::List(List::Ints(std::sync::Arc::default())),
        "ByID" | "ByKind" | "ByTag" | "ByTags" | "ByTagRx" | "ByDisruptiveness" | "BySeverity"
        | "ByAccuracy" | "GetField" => Value::list(Vec::new()),
        _ => return None,
    })
}
