//! `evt` and its parts.

use std::sync::Arc;

use overspill_event::{Event, EventKind, ExpectMode, FieldMap, Slot, TextField};
use overspill_golike::net;

use super::Machine;
use super::access::cannot_fetch;
use crate::code::{EventMethod, Node, PlainField};
use crate::error::EvalError;
use crate::object::OverflowObject;
use crate::value::{Bytes, EventPart, Items, List, Part, Value, fields, tree};

impl Machine<'_, '_> {
    pub(super) fn part(&self, part: Part) -> Result<Value, EvalError> {
        self.event()?;
        Ok(Value::Event(EventPart { event: None, part }))
    }

    pub(super) fn plain_field(&self, field: PlainField) -> Result<Value, EvalError> {
        Ok(plain_field(self.event()?, field))
    }

    pub(super) fn overflow_of_event(&self) -> Result<Value, EvalError> {
        Ok(overflow(self.event()?))
    }

    pub(super) fn event_member(&self, part: &EventPart, name: &Bytes) -> Result<Value, EvalError> {
        let event = match &part.event {
            Some(event) => event,
            None => self.event()?,
        };
        let deeper = |next| {
            Value::Event(EventPart {
                event: part.event.clone(),
                part: next,
            })
        };
        let found = match (part.part, &**name) {
            (Part::Fields(map), key) => {
                Some(Value::str(event.get_named(map, key).unwrap_or_default()))
            }
            (Part::Tree, key) => Some(event.unmarshaled(key).map_or(Value::Nil, Value::from_tree)),
            (Part::Appsec, name) => appsec_field(name),
            (Part::Line, b"Labels") => Some(deeper(Part::Fields(FieldMap::Labels))),
            (Part::Line, name) => line_field(event, name),
            (Part::Whole, b"Parsed") => Some(deeper(Part::Fields(FieldMap::Parsed))),
            (Part::Whole, b"Meta") => Some(deeper(Part::Fields(FieldMap::Meta))),
            (Part::Whole, b"Enriched") => Some(deeper(Part::Fields(FieldMap::Enriched))),
            (Part::Whole, b"Unmarshaled") => Some(deeper(Part::Tree)),
            (Part::Whole, b"Line") => Some(deeper(Part::Line)),
            (Part::Whole, b"Appsec") => Some(deeper(Part::Appsec)),
            (Part::Whole, b"Overflow") => Some(Value::object(match &part.event {
                Some(event) => OverflowObject::of_event(Arc::clone(event)),
                None => return Ok(overflow(event)),
            })),
            (Part::Whole, name) => whole_field(event, name),
        };
        found.ok_or_else(|| {
            cannot_fetch(&Value::Event(part.clone()), &String::from_utf8_lossy(name))
        })
    }

    /// The value, with maps of an event made into values of their own.
    pub(crate) fn plain(&self, value: Value) -> Value {
        let Value::Event(part) = &value else {
            return value;
        };
        let event = match (&part.event, &self.cx.evt) {
            (Some(event), _) => &**event,
            (None, Some(event)) => &**event,
            (None, None) => return value,
        };
        match part.part {
            Part::Fields(map) => fields(event, map),
            Part::Tree => tree(event),
            Part::Whole | Part::Line | Part::Appsec => value,
        }
    }

    pub(super) fn set_field(&mut self, slot: Slot, value: &Node) -> Result<Value, EvalError> {
        let value = self.eval(value)?;
        let Some(bytes) = value.as_bytes() else {
            return Err(EvalError::of(format!(
                "cannot use {} as string",
                value.type_name()
            )));
        };
        self.event_mut()?.set(slot, bytes);
        Ok(Value::Bool(true))
    }

    pub(super) fn event_call(
        &mut self,
        method: EventMethod,
        args: &[Node],
    ) -> Result<Value, EvalError> {
        let mut texts: Vec<Bytes> = Vec::with_capacity(args.len());
        for arg in args {
            let value = self.eval(arg)?;
            match value.behind_pointer() {
                Value::Str(bytes) => texts.push(Bytes::clone(bytes)),
                other => {
                    let message = format!("cannot use {} as string", other.type_name());
                    return Err(EvalError::of(message));
                }
            }
        }
        match (method, texts.as_slice()) {
            (EventMethod::SetMeta, [key, value]) => {
                self.event_mut()?.set_named(FieldMap::Meta, key, value);
                Ok(Value::Bool(true))
            }
            (EventMethod::SetParsed, [key, value]) => {
                self.event_mut()?.set_named(FieldMap::Parsed, key, value);
                Ok(Value::Bool(true))
            }
            (EventMethod::GetMeta, [key]) => Ok(Value::str(self.event()?.get_meta(key))),
            (EventMethod::GetType, []) => Ok(Value::str(match self.event()?.kind {
                EventKind::Overflow => "overflow",
                EventKind::Log => "log",
                EventKind::Appsec => "unknown",
            })),
            (EventMethod::ParseIpSources, []) => Ok(ip_sources(self.event()?)),
            _ => Err(EvalError::fixed("wrong number of arguments")),
        }
    }
}

fn overflow(event: &Event) -> Value {
    Value::object(match &event.overflow {
        Some(overflow) => OverflowObject::new(Arc::clone(overflow)),
        None => OverflowObject::nothing(),
    })
}

fn ip_sources(event: &Event) -> Value {
    let texts: Vec<&[u8]> = match event.kind {
        EventKind::Log => event
            .get_named(FieldMap::Meta, b"source_ip")
            .into_iter()
            .collect(),
        EventKind::Overflow => event
            .overflow
            .iter()
            .flat_map(|overflow| overflow.sources.keys())
            .map(|key| key.as_bytes())
            .collect(),
        EventKind::Appsec => Vec::new(),
    };
    let addresses = texts
        .into_iter()
        .filter(|text| net::parse_addr(text).is_some());
    let items = Items::new(addresses.map(Value::str).collect());
    Value::List(List::Typed(Arc::new(items), "netip.Addr"))
}

fn plain_field(event: &Event, field: PlainField) -> Value {
    match field {
        PlainField::Type => Value::Int(match event.kind {
            EventKind::Log => 0,
            EventKind::Overflow => 1,
            EventKind::Appsec => 2,
        }),
        PlainField::ExpectMode => Value::Int(i64::from(event.mode == ExpectMode::TimeMachine)),
        PlainField::Whitelisted => Value::Bool(event.whitelisted),
        PlainField::Process => Value::Bool(event.process),
        PlainField::Time => Value::Time(event.time),
        PlainField::LineTime => Value::Time(event.arrival_time),
        PlainField::LineProcess => Value::Bool(true),
    }
}

fn whole_field(event: &Event, name: &[u8]) -> Option<Value> {
    let text = |field| Some(Value::str(event.text(field)));
    match name {
        b"WhitelistReason" => text(TextField::WhitelistReason),
        b"Stage" => text(TextField::Stage),
        b"StrTime" => text(TextField::StrTime),
        b"StrTimeFormat" => text(TextField::StrTimeFormat),
        b"MarshaledTime" => text(TextField::MarshaledTime),
        b"Type" => Some(plain_field(event, PlainField::Type)),
        b"ExpectMode" => Some(plain_field(event, PlainField::ExpectMode)),
        b"Whitelisted" => Some(plain_field(event, PlainField::Whitelisted)),
        b"Process" => Some(plain_field(event, PlainField::Process)),
        b"Time" => Some(plain_field(event, PlainField::Time)),
        _ => None,
    }
}

fn line_field(event: &Event, name: &[u8]) -> Option<Value> {
    let text = |field| Some(Value::str(event.text(field)));
    match name {
        b"Raw" => text(TextField::LineRaw),
        b"Src" => text(TextField::LineSrc),
        b"Module" => text(TextField::LineModule),
        b"Time" => Some(plain_field(event, PlainField::LineTime)),
        b"Process" => Some(plain_field(event, PlainField::LineProcess)),
        _ => None,
    }
}

/// Of a match of the WAF, which there never is here.
fn appsec_field(name: &[u8]) -> Option<Value> {
    Some(match name {
        b"HasInBandMatches" | b"HasOutBandMatches" => Value::Bool(false),
        b"MatchedRules" => Value::list(Vec::new()),
        b"Vars" | b"HookVars" => Value::Map(crate::value::Map::Strings(Arc::default())),
        _ => return None,
    })
}
