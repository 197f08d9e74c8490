//! Untyped values: what JSON and key-value helpers put under `evt.Unmarshaled`.

mod json;

use std::collections::BTreeMap;
use std::sync::Arc;

/// A JSON object, or Go's `map[string]any`. Keys are byte strings, in byte order.
pub type TreeMap = BTreeMap<Box<[u8]>, Tree>;

/// Go's `map[string]string`. Keys are byte strings, in byte order.
pub type StringMap = BTreeMap<Box<[u8]>, Arc<[u8]>>;

/// One untyped value. Composite values are shared: cloning is cheap.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    /// JSON `null`, Go's nil.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer. JSON never gives one (numbers are floats, as in Go); a reread dump does.
    Int(i64),
    /// A number.
    Float(f64),
    /// A string: bytes, usually UTF-8.
    Str(Arc<[u8]>),
    /// An array.
    List(Arc<Vec<Tree>>),
    /// An object.
    Map(Arc<TreeMap>),
    /// Go's `map[string]string`, as `ParseKV` makes it: a missing key reads as `""`, not nil.
    Strings(Arc<StringMap>),
}
