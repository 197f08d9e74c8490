//! `leaky`: the bucket itself, as conditions and overflow filters see it.

use std::sync::Arc;

use overspill_golike::time::Time;

use super::{Object, QueueObject};
use crate::value::{IntKind, Map, Value};

/// What a bucket tells of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct LeakyView {
    /// Key of the bucket, hex SHA-1.
    pub mapkey: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Identity of the bucket.
    pub uuid: String,
    /// Time of the first pour.
    pub first: Time,
    /// Time of the last pour.
    pub last: Time,
    /// Time of the overflow; zero before it.
    pub overflow: Time,
    /// Pours that were counted.
    pub total: i64,
    /// Life span in nanoseconds.
    pub duration_ns: i64,
    /// Capacity as written in the scenario.
    pub capacity: i64,
}

/// A bucket.
#[derive(Clone)]
pub struct LeakyObject {
    view: Arc<LeakyView>,
    queue: QueueObject,
}

impl LeakyObject {
    /// A bucket and its queue.
    #[must_use]
    pub fn new(view: LeakyView, queue: QueueObject) -> Self {
        Self {
            view: Arc::new(view),
            queue,
        }
    }
}

impl Object for LeakyObject {
    fn type_name(&self) -> &str {
        "leakybucket.Leaky"
    }

    fn field(&self, name: &str) -> Option<Value> {
        let view = &self.view;
        Some(match name {
            "Name" => Value::str(&view.scenario),
            "Mode" => Value::Int(1),
            "Queue" => Value::object(self.queue.clone()),
            "Mapkey" => Value::str(&view.mapkey),
            "Uuid" => Value::str(&view.uuid),
            "First_ts" => Value::Time(view.first),
            "Last_ts" => Value::Time(view.last),
            "Ovflw_ts" => Value::Time(view.overflow),
            "Total_count" => Value::Int(view.total),
            "Duration" => Value::Duration(view.duration_ns),
            "Factory" => Value::object(Factory(Arc::clone(view))),
            "Limiter" => Value::Nil,
            _ => return None,
        })
    }
}

/// `leaky.Factory`: of the scenario only what identifies it.
struct Factory(Arc<LeakyView>);

impl Object for Factory {
    fn type_name(&self) -> &str {
        "leakybucket.BucketFactory"
    }

    fn field(&self, name: &str) -> Option<Value> {
        Some(match name {
            "Spec" => Value::Map(Map::of([
                (Arc::from(&b"Name"[..]), Value::str(&self.0.scenario)),
                (
                    Arc::from(&b"Capacity"[..]),
                    Value::Sized(self.0.capacity, IntKind::Int64),
                ),
            ])),
            _ => return None,
        })
    }
}
