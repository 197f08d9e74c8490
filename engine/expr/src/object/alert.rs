//! `models.Alert` and what hangs off it.

use std::sync::Arc;

use overspill_event::{Alert, AlertEvent, Decision, Event, Overflow, Source};

use super::Object;
use crate::error::EvalError;
use crate::value::{Bytes, IntKind, Items, List, Value};

/// An alert: `Alert` of profiles, `evt.Overflow.Alert`.
#[derive(Clone)]
pub struct AlertObject {
    owner: Owner,
}

/// Who keeps the alert in memory.
#[derive(Clone)]
enum Owner {
    Alone(Arc<Alert>),
    Overflow(Arc<Overflow>, usize),
    Event(Arc<Event>, usize),
}

impl AlertObject {
    /// An alert by itself.
    #[must_use]
    pub fn new(alert: Arc<Alert>) -> Self {
        Self {
            owner: Owner::Alone(alert),
        }
    }

    pub(crate) fn of_overflow(overflow: Arc<Overflow>, at: usize) -> Self {
        Self {
            owner: Owner::Overflow(overflow, at),
        }
    }

    pub(crate) fn of_event(event: Arc<Event>, at: usize) -> Self {
        Self {
            owner: Owner::Event(event, at),
        }
    }

    fn alert(&self) -> Option<&Alert> {
        match &self.owner {
            Owner::Alone(alert) => Some(alert),
            Owner::Overflow(overflow, at) => overflow.alerts.get(*at),
            Owner::Event(event, at) => event.overflow.as_ref()?.alerts.get(*at),
        }
    }

    fn part(&self, part: AlertPart) -> Value {
        Value::object(PartOfAlert {
            alert: self.clone(),
            part,
        })
    }

    fn parts(&self, n: usize, name: &'static str, part: impl Fn(usize) -> AlertPart) -> Value {
        let items = (0..n).map(|at| self.part(part(at))).collect();
        Value::List(List::Typed(Arc::new(Items::new(items)), name))
    }
}

impl Object for AlertObject {
    fn type_name(&self) -> &str {
        "models.Alert"
    }

    fn field(&self, name: &str) -> Option<Value> {
        let alert = self.alert()?;
        if let Some(found) = alert_field(alert, name) {
            return Some(found);
        }
        Some(match name {
            "Source" => self.part(AlertPart::Source),
            "Events" => self.parts(alert.events.len(), "*models.Event", AlertPart::Event),
            "Meta" => self.parts(alert.meta.len(), "*models.MetaItems0", AlertPart::Meta),
            "Decisions" => self.parts(
                alert.decisions.len(),
                "*models.Decision",
                AlertPart::Decision,
            ),
            _ => return None,
        })
    }

    fn call(&self, method: &str, args: &[Value]) -> Option<Result<Value, EvalError>> {
        let alert = self.alert()?;
        match method {
            "GetMeta" => {
                let items = alert.meta.iter();
                let items = items.map(|item| (item.key.as_str(), item.value.as_str()));
                Some(meta_of(items, args))
            }
            _ => alert_call(alert, method).map(Ok),
        }
    }
}

/// A field of an alert that is no structure.
pub(crate) fn alert_field(alert: &Alert, name: &str) -> Option<Value> {
    Some(match name {
        "Scenario" => pointer(&alert.scenario),
        "ScenarioHash" => pointer(&alert.scenario_hash),
        "ScenarioVersion" => pointer(&alert.scenario_version),
        "Message" => pointer(&alert.message),
        "StartAt" => pointer(&alert.start_at),
        "StopAt" => pointer(&alert.stop_at),
        "Leakspeed" => pointer(&alert.leakspeed),
        "EventsCount" => pointer_to(int32(alert.events_count)),
        "Capacity" => pointer_to(int32(alert.capacity)),
        "Simulated" => pointer_to(Value::Bool(alert.simulated)),
        "Remediation" => Value::Bool(alert.remediation),
        "Kind" => Value::str(&alert.kind),
        "UUID" => Value::str(&alert.uuid),
        "CreatedAt" | "MachineID" => Value::str(b""),
        "ID" => Value::Sized(0, IntKind::Int64),
        "Labels" => Value::strings(Vec::new()),
        _ => return None,
    })
}

/// What a method of an alert gives that takes nothing.
pub(crate) fn alert_call(alert: &Alert, method: &str) -> Option<Value> {
    Some(match method {
        "GetScope" => Value::str(&alert.source.scope),
        "GetValue" => Value::str(&alert.source.value),
        "GetScenario" => Value::str(&alert.scenario),
        "GetEventsCount" => int32(alert.events_count),
        _ => return None,
    })
}

/// Which part of an alert.
#[derive(Debug, Clone, Copy)]
enum AlertPart {
    Source,
    Event(usize),
    EventMeta(usize, usize),
    Meta(usize),
    Decision(usize),
}

struct PartOfAlert {
    alert: AlertObject,
    part: AlertPart,
}

impl PartOfAlert {
    fn event(&self, at: usize) -> Option<&AlertEvent> {
        self.alert.alert()?.events.get(at)
    }
}

impl Object for PartOfAlert {
    fn type_name(&self) -> &str {
        match self.part {
            AlertPart::Source => "models.Source",
            AlertPart::Event(_) => "models.Event",
            AlertPart::EventMeta(..) | AlertPart::Meta(_) => "models.MetaItems0",
            AlertPart::Decision(_) => "models.Decision",
        }
    }

    fn field(&self, name: &str) -> Option<Value> {
        let alert = self.alert.alert()?;
        match self.part {
            AlertPart::Source => source_field(&alert.source, name),
            AlertPart::Meta(at) => {
                let item = alert.meta.get(at)?;
                meta_field((&item.key, &item.value), name)
            }
            AlertPart::EventMeta(event, at) => {
                let item = self.event(event)?.meta.get(at)?;
                meta_field((item.key, item.value), name)
            }
            AlertPart::Decision(at) => decision_field(alert.decisions.get(at)?, name),
            AlertPart::Event(at) => {
                let event = self.event(at)?;
                Some(match name {
                    "Timestamp" => event.timestamp.as_deref().map_or(Value::Nil, pointer),
                    "Meta" => {
                        let part = |item| AlertPart::EventMeta(at, item);
                        self.alert
                            .parts(event.meta.len(), "*models.MetaItems0", part)
                    }
                    _ => return None,
                })
            }
        }
    }

    fn call(&self, method: &str, args: &[Value]) -> Option<Result<Value, EvalError>> {
        match (self.part, method) {
            (AlertPart::Event(at), "GetMeta") => {
                let items = self.event(at)?.meta.iter();
                Some(meta_of(items.map(|item| (item.key, item.value)), args))
            }
            (AlertPart::Source, _) => source_call(&self.alert.alert()?.source, method),
            _ => None,
        }
    }
}

/// A source that belongs to no alert: an entry of `evt.Overflow.Sources`.
pub(super) struct SourceObject(pub(super) Source);

impl Object for SourceObject {
    fn type_name(&self) -> &str {
        "models.Source"
    }

    fn field(&self, name: &str) -> Option<Value> {
        source_field(&self.0, name)
    }

    fn call(&self, method: &str, _args: &[Value]) -> Option<Result<Value, EvalError>> {
        source_call(&self.0, method)
    }
}

/// A field of a source.
pub(crate) fn source_field(source: &Source, name: &str) -> Option<Value> {
    Some(match name {
        "Scope" => pointer(&source.scope),
        "Value" => pointer(&source.value),
        "IP" => Value::str(&source.ip),
        "Range" => Value::str(&source.range),
        "AsName" => Value::str(&source.as_name),
        "AsNumber" => Value::str(&source.as_number),
        "Cn" => Value::str(&source.cn),
        "Latitude" => Value::Float32(source.latitude),
        "Longitude" => Value::Float32(source.longitude),
        _ => return None,
    })
}

fn source_call(source: &Source, method: &str) -> Option<Result<Value, EvalError>> {
    Some(Ok(match method {
        "GetScope" => Value::str(&source.scope),
        "GetValue" => Value::str(&source.value),
        "GetAsNumberName" => Value::str(as_number_name(source)),
        "String" => Value::str(source_text(source)),
        _ => return None,
    }))
}

fn as_number_name(source: &Source) -> String {
    let number = if source.as_number == "0" {
        ""
    } else {
        source.as_number.as_str()
    };
    if source.as_name.is_empty() {
        number.to_owned()
    } else {
        format!("{number} {}", source.as_name)
    }
}

fn source_text(source: &Source) -> String {
    let kind = match source.scope.as_str() {
        "" => return "empty source".to_owned(),
        "Ip" => "ip",
        "Range" => "range",
        scope => return format!("{scope} {}", source.value),
    };
    let country = match (source.cn.as_str(), source.as_number.as_str()) {
        ("", "") => String::new(),
        (country, number) => format!(" ({country}/{number})"),
    };
    format!("{kind} {}{country}", source.value)
}

fn meta_field((key, value): (&str, &str), name: &str) -> Option<Value> {
    match name {
        "Key" => Some(Value::str(key)),
        "Value" => Some(Value::str(value)),
        _ => None,
    }
}

fn decision_field(decision: &Decision, name: &str) -> Option<Value> {
    Some(match name {
        "Duration" => pointer(&decision.duration),
        "Origin" => pointer(&decision.origin),
        "Scenario" => pointer(&decision.scenario),
        "Scope" => pointer(&decision.scope),
        "Type" => pointer(&decision.kind),
        "Value" => pointer(&decision.value),
        "Simulated" => pointer_to(Value::Bool(decision.simulated)),
        "UUID" => Value::str(&decision.uuid),
        "Until" => Value::str(b""),
        "ID" => Value::Sized(
            i64::try_from(decision.id).unwrap_or(i64::MAX),
            IntKind::Int64,
        ),
        _ => return None,
    })
}

/// `GetMeta(key)`: the value of the first item of that key, or `""`.
fn meta_of<'a>(
    mut items: impl Iterator<Item = (&'a str, &'a str)>,
    args: &[Value],
) -> Result<Value, EvalError> {
    let [key] = args else {
        return Err(EvalError::fixed("GetMeta takes one argument"));
    };
    let key = key
        .as_bytes()
        .ok_or(EvalError::fixed("GetMeta takes a string"))?;
    let value = items.find(|(name, _)| name.as_bytes() == key);
    Ok(Value::str(value.map_or("", |(_, value)| value)))
}

fn pointer(text: &str) -> Value {
    pointer_to(Value::Str(Bytes::from(text.as_bytes())))
}

fn pointer_to(value: Value) -> Value {
    Value::Pointer(Arc::new(value))
}

fn int32(value: i32) -> Value {
    Value::Sized(i64::from(value), IntKind::Int32)
}
