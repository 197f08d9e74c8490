//! `RuntimeAlert`: `evt.Overflow`, and `signal` of an overflow filter.

use std::collections::BTreeMap;
use std::sync::Arc;

use overspill_event::{Event, Overflow};

use super::alert::SourceObject;
use super::{AlertObject, Object};
use crate::error::EvalError;
use crate::value::{Bytes, Entries, Items, List, Map, Value};

/// An overflow. Of a log event it is empty, and its alert is nil.
#[derive(Clone)]
pub struct OverflowObject {
    owner: Owner,
}

#[derive(Clone)]
enum Owner {
    Nobody,
    Alone(Arc<Overflow>),
    Event(Arc<Event>),
}

impl OverflowObject {
    /// An overflow by itself.
    #[must_use]
    pub fn new(overflow: Arc<Overflow>) -> Self {
        Self {
            owner: Owner::Alone(overflow),
        }
    }

    /// The overflow of a shared event.
    #[must_use]
    pub fn of_event(event: Arc<Event>) -> Self {
        Self {
            owner: Owner::Event(event),
        }
    }

    /// What a log event has.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            owner: Owner::Nobody,
        }
    }

    fn overflow(&self) -> Option<&Overflow> {
        match &self.owner {
            Owner::Nobody => None,
            Owner::Alone(overflow) => Some(overflow),
            Owner::Event(event) => event.overflow.as_deref(),
        }
    }

    fn alert(&self, at: usize) -> Value {
        match &self.owner {
            Owner::Nobody => Value::Nil,
            Owner::Alone(overflow) => {
                Value::object(AlertObject::of_overflow(Arc::clone(overflow), at))
            }
            Owner::Event(event) => Value::object(AlertObject::of_event(Arc::clone(event), at)),
        }
    }
}

impl Object for OverflowObject {
    fn type_name(&self) -> &str {
        "pipeline.RuntimeAlert"
    }

    fn field(&self, name: &str) -> Option<Value> {
        let overflow = self.overflow();
        let n_alerts = overflow.map_or(0, |overflow| overflow.alerts.len());
        Some(match name {
            "Mapkey" => Value::str(overflow.map_or("", |overflow| &overflow.mapkey)),
            "BucketId" => Value::str(b""),
            "Whitelisted" => Value::Bool(overflow.is_some_and(|overflow| overflow.whitelisted)),
            "Reprocess" => Value::Bool(overflow.is_some_and(|overflow| overflow.reprocess)),
            "Alert" if n_alerts == 0 => Value::Nil,
            "Alert" => self.alert(0),
            "APIAlerts" => {
                let alerts = (0..n_alerts).map(|at| self.alert(at)).collect();
                Value::List(List::Typed(Arc::new(Items::new(alerts)), "models.Alert"))
            }
            "Sources" => {
                let mut sources: BTreeMap<Bytes, Value> = BTreeMap::new();
                for (key, source) in overflow.iter().flat_map(|overflow| &overflow.sources) {
                    let object = Value::object(SourceObject(source.clone()));
                    sources.insert(Bytes::from(key.as_bytes()), object);
                }
                Value::Map(Map::Typed(Arc::new(Entries::new(sources)), "models.Source"))
            }
            _ => return None,
        })
    }

    fn call(&self, method: &str, _args: &[Value]) -> Option<Result<Value, EvalError>> {
        if method != "GetSources" {
            return None;
        }
        let overflow = self.overflow();
        let sources = overflow.iter().flat_map(|overflow| overflow.sources.keys());
        Some(Ok(Value::strings(
            sources.map(|key| Bytes::from(key.as_bytes())).collect(),
        )))
    }
}
