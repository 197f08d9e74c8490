//! Values as text: `%v`, type names and JSON.

use std::borrow::Cow;

use overspill_event::FieldMap;
use overspill_golike::fmt::Arg;
use overspill_golike::json::{Escape, append_string};
use overspill_golike::{strconv, time};

use super::{IntKind, List, Map, Part, Value};

impl Value {
    /// The text that Go's `%v` prints.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        match self {
            Self::Str(bytes) => bytes.to_vec(),
            other => other.to_arg().default_text(),
        }
    }

    /// Go's name of the type.
    #[must_use]
    pub fn type_name(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Sized(_, kind) => kind.type_name(),
            Self::Float(_) => "float64",
            Self::Float32(_) => "float32",
            Self::Str(_) => "string",
            Self::Time(_) => "time.Time",
            Self::Duration(_) => "time.Duration",
            Self::List(list) => return Cow::Owned(format!("[]{}", list.element_type())),
            Self::Map(map) => return Cow::Owned(format!("map[string]{}", map.element_type())),
            Self::Event(part) => match part.part {
                Part::Whole if part.event.is_none() => "*pipeline.Event",
                Part::Whole => "pipeline.Event",
                Part::Line => "pipeline.Line",
                Part::Fields(_) => "map[string]string",
                Part::Tree => "map[string]interface {}",
                Part::Appsec => "pipeline.AppsecEvent",
            },
            Self::Object(object) => return Cow::Owned(object.type_name().to_owned()),
            Self::Pointer(inner) => return Cow::Owned(format!("*{}", inner.type_name())),
        })
    }

    /// The value as an argument of `Sprintf`.
    #[must_use]
    pub fn to_arg(&self) -> Arg {
        match self {
            Self::Nil => Arg::Nil,
            Self::Bool(value) => Arg::Bool(*value),
            Self::Int(value) => Arg::int(*value),
            Self::Sized(value, IntKind::Weekday | IntKind::Month) => Arg::Other {
                text: self.named_int(*value).into(),
                go_type: "time.Weekday",
            },
            Self::Sized(value, kind) => sized_arg(*value, *kind),
            Self::Float(value) => Arg::Float64(*value),
            Self::Float32(value) => Arg::Float32(*value),
            Self::Str(bytes) => Arg::Str(bytes.to_vec()),
            Self::Time(time) => Arg::Time(*time),
            Self::Duration(ns) => Arg::Duration(*ns),
            Self::List(list) => Arg::List {
                items: list.iter().map(|item| item.to_arg()).collect(),
                go_type: list_type(list),
            },
            Self::Map(map) => Arg::Map {
                members: map
                    .entries()
                    .into_iter()
                    .map(|(key, value)| (key.to_vec(), value.to_arg()))
                    .collect(),
                go_type: map_type(map),
            },
            Self::Event(part) => match part.plain() {
                Some(plain) => plain.to_arg(),
                None => Arg::Other {
                    text: b"{...}".to_vec(),
                    go_type: "pipeline.Event",
                },
            },
            Self::Object(object) => match object.to_plain() {
                Some(plain) => plain.to_arg(),
                None => Arg::Other {
                    text: format!("{{{}}}", object.type_name()).into_bytes(),
                    go_type: "struct",
                },
            },
            Self::Pointer(inner) => inner.to_arg(),
        }
    }

    /// The text of a weekday or month.
    pub(crate) fn named_int(&self, value: i64) -> String {
        let number = u32::try_from(value).unwrap_or(u32::MAX);
        match self {
            Self::Sized(_, IntKind::Month) if (1..=12).contains(&number) => {
                time::month_name(number).to_owned()
            }
            Self::Sized(_, IntKind::Weekday) if number < 7 => time::weekday_name(number).to_owned(),
            _ => value.to_string(),
        }
    }

    /// Appends the value as JSON; `Err` for what JSON cannot say.
    pub(crate) fn append_json(&self, out: &mut Vec<u8>) -> Result<(), ()> {
        match self {
            Self::Nil => out.extend_from_slice(b"null"),
            Self::Bool(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Self::Int(value) | Self::Sized(value, _) | Self::Duration(value) => {
                out.extend_from_slice(value.to_string().as_bytes());
            }
            Self::Float(value) => strconv::append_json_float(*value, out).map_err(|_| ())?,
            Self::Float32(value) => strconv::append_json_float32(*value, out).map_err(|_| ())?,
            Self::Str(bytes) => append_string(bytes, Escape::Html, out),
            Self::Time(time) => {
                out.push(b'"');
                time::append_rfc3339_nano(time, out);
                out.push(b'"');
            }
            Self::List(list) => {
                out.push(b'[');
                for (at, item) in list.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    item.append_json(out)?;
                }
                out.push(b']');
            }
            Self::Map(map) => {
                out.push(b'{');
                for (at, (key, value)) in map.entries().into_iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    append_string(&key, Escape::Html, out);
                    out.push(b':');
                    value.append_json(out)?;
                }
                out.push(b'}');
            }
            Self::Event(part) => part.plain().ok_or(())?.append_json(out)?,
            Self::Object(object) => object.to_plain().ok_or(())?.append_json(out)?,
            Self::Pointer(inner) => inner.append_json(out)?,
        }
        Ok(())
    }
}

fn sized_arg(value: i64, kind: IntKind) -> Arg {
    let go_type = kind.type_name();
    match (kind, u64::try_from(value)) {
        (IntKind::Int32 | IntKind::Int64, _) | (_, Err(_)) => Arg::Int { value, go_type },
        (_, Ok(value)) => Arg::Uint { value, go_type },
    }
}

fn list_type(list: &List) -> &'static str {
    match list {
        List::Values(_) | List::Trees(_) => "[]interface {}",
        List::Strings(_) => "[]string",
        List::Events(_) => "[]pipeline.Event",
        List::Ints(_) => "[]int",
        List::Typed(..) => "[]struct",
    }
}

fn map_type(map: &Map) -> &'static str {
    match map {
        Map::Values(_) | Map::Trees(_) => "map[string]interface {}",
        Map::Strings(_) => "map[string]string",
        Map::Typed(..) => "map[string]struct",
    }
}

impl super::EventPart {
    /// A part of a shared event as a plain map; `None` for the event that is being evaluated,
    /// which only the evaluator can reach, and for structures.
    pub(crate) fn plain(&self) -> Option<Value> {
        let event = self.event.as_deref()?;
        match self.part {
            Part::Fields(map) => Some(fields(event, map)),
            Part::Tree => Some(tree(event)),
            Part::Whole | Part::Line | Part::Appsec => None,
        }
    }
}

/// A string map of an event as a value.
pub(crate) fn fields(event: &overspill_event::Event, map: FieldMap) -> Value {
    let entries = event
        .fields(map)
        .into_iter()
        .map(|(key, value)| (key.into(), value.into()));
    Value::Map(Map::Strings(std::sync::Arc::new(entries.collect())))
}

/// `evt.Unmarshaled` as a value.
pub(crate) fn tree(event: &overspill_event::Event) -> Value {
    let tree = event.tree().cloned().unwrap_or_default();
    Value::Map(Map::Trees(std::sync::Arc::new(tree)))
}
