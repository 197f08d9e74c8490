//! JSON as Go's `encoding/json` reads and writes it.
//!
//! The reader takes one whole document and nothing after it; numbers become `f64`, and one that
//! does not fit is an error; bytes that are not UTF-8, and lone surrogates, become U+FFFD. It
//! keeps its own stack, and refuses documents nested deeper than [`DEPTH_MAX`] so that nobody who
//! walks the result overflows theirs (Go's own limit is 10,000).

mod decode;
mod encode;

use crate::strconv;

pub use decode::{Build, DEPTH_MAX, JsonError, decode_with};
pub use encode::{Escape, append_string, append_value, quote};

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A string.
    Str(String),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(Object),
}

/// The members of an object, sorted by key; of equal keys in the text, the last one counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Object(Vec<(String, Json)>);

impl Object {
    /// The object of these members; of equal keys, the last one counts.
    #[must_use]
    pub fn new(mut members: Vec<(String, Json)>) -> Self {
        // The sort is stable, so turning the list round leaves the last of equal keys first.
        members.reverse();
        members.sort_by(|left, right| left.0.cmp(&right.0));
        members.dedup_by(|later, earlier| later.0 == earlier.0);
        Self(members)
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json> {
        let at = self
            .0
            .binary_search_by(|(name, _)| name.as_str().cmp(key))
            .ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// The members in byte order of their keys.
    #[must_use]
    pub fn members(&self) -> &[(String, Json)] {
        &self.0
    }

    /// The members in byte order of their keys.
    #[must_use]
    pub fn into_members(self) -> Vec<(String, Json)> {
        self.0
    }
}

/// Reads one JSON document (Go's `json.Unmarshal` into `any`).
///
/// # Errors
///
/// When the text is not one JSON document with white space around it, nests too deeply, or has a
/// number out of range.
pub fn decode(text: &[u8]) -> Result<Json, JsonError> {
    decode_with(text, &mut Tree)
}

struct Tree;

impl Build for Tree {
    type Value = Json;

    fn null(&mut self) -> Json {
        Json::Null
    }

    fn boolean(&mut self, value: bool) -> Json {
        Json::Bool(value)
    }

    fn number(&mut self, value: f64) -> Json {
        Json::Number(value)
    }

    fn string(&mut self, value: &str) -> Json {
        Json::Str(value.to_owned())
    }

    fn array(&mut self, items: Vec<Json>) -> Json {
        Json::Array(items)
    }

    fn object(&mut self, members: Vec<(String, Json)>) -> Json {
        Json::Object(Object::new(members))
    }
}

#[cfg(test)]
mod tests;
