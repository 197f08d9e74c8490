//! `queue`: the events that a bucket retains.

use std::sync::Arc;

use overspill_event::Event;

use super::Object;
use crate::value::{List, Value};

/// A bucket's queue, oldest event first.
#[derive(Clone)]
pub struct QueueObject {
    events: Arc<[Arc<Event>]>,
    limit: i64,
}

impl QueueObject {
    /// The retained events and the queue's limit `L`.
    #[must_use]
    pub fn new(events: Arc<[Arc<Event>]>, limit: i64) -> Self {
        Self { events, limit }
    }
}

impl Object for QueueObject {
    fn type_name(&self) -> &str {
        "pipeline.Queue"
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Queue" => Some(Value::List(List::Events(Arc::clone(&self.events)))),
            "L" => Some(Value::Int(self.limit)),
            _ => None,
        }
    }
}
