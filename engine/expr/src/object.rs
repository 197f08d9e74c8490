//! Structures of the host, seen by field names and methods.
//!
//! Whoever evaluates expressions implements [`Object`] for what it hands over; the ones that
//! CrowdSec's own environments need are in the submodules.

mod alert;
mod geo;
mod leaky;
mod overflow;
mod queue;
mod request;

pub use alert::AlertObject;
pub(crate) use alert::{alert_call, alert_field, source_field};
pub(crate) use geo::{AsnObject, CityObject, RangeObject};
pub use leaky::{LeakyObject, LeakyView};
pub use overflow::OverflowObject;
pub use queue::QueueObject;
pub use request::RequestObject;

use crate::error::EvalError;
use crate::value::Value;

/// A structure that expressions can look into.
pub trait Object: Send + Sync {
    /// Go's name of the type, such as `models.Alert`.
    fn type_name(&self) -> &str;

    /// A field by its exact Go name; `None` when there is no such field.
    fn field(&self, name: &str) -> Option<Value>;

    /// A method's result; `None` when there is no such method.
    fn call(&self, method: &str, args: &[Value]) -> Option<Result<Value, EvalError>> {
        let (_, _) = (method, args);
        None
    }

    /// An element by index or key, for structures that are lists or maps; `None` for others.
    fn index(&self, key: &Value) -> Option<Result<Value, EvalError>> {
        let _ = key;
        None
    }

    /// Number of elements, for structures that are lists or maps; `None` for others.
    fn len(&self) -> Option<usize> {
        None
    }

    /// Whether it is a list or a map without elements.
    fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// The whole as a plain map or list, for JSON and `%v`; `None` shows the type's name only.
    fn to_plain(&self) -> Option<Value> {
        None
    }
}
