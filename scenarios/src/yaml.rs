//! YAML as a tree with positions, decoded by the rules of the Go library that CrowdSec uses.
//!
//! [`parse`] gives one [`Document`] for each document of a stream. A scalar keeps its source text
//! and its style, because `value: 0x10` read as a string is the text `0x10`. Aliases are expanded
//! and merge keys resolved, both within limits, so a small file cannot become a large tree.
//!
//! The tree knows nothing of CrowdSec's keys; `table` gives typed access to it.

mod build;
mod scalar;
pub(crate) mod table;

use std::sync::Arc;

pub use build::parse;
pub(crate) use scalar::Resolved;

/// A place in a file: line and column from 1, the column in code points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mark {
    /// Line, from 1; 0 when unknown.
    pub line: u32,
    /// Column, from 1; 0 when unknown.
    pub column: u32,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: the only style that can be a number, a boolean or null.
    Plain,
    /// In single or double quotes.
    Quoted,
    /// A block after `|` or `>`.
    Block,
}

/// One value of a document.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it begins.
    pub start: Mark,
    /// Where it ends.
    pub end: Mark,
    /// What it is.
    pub data: Data,
}

/// What a [`Node`] is. Composite values are shared, so an alias costs no copy.
#[derive(Debug, Clone)]
pub enum Data {
    /// A scalar.
    Scalar(Scalar),
    /// A sequence.
    List(Arc<[Node]>),
    /// A mapping, in file order.
    Map(Arc<[Entry]>),
}

impl Data {
    /// The kind of value, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Scalar(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// A scalar as written.
#[derive(Debug, Clone)]
pub struct Scalar {
    /// The text, with quotes and escapes taken away.
    pub text: Arc<str>,
    /// How it was written.
    pub style: Style,
    /// Tag of the core schema (`str`, `int`, ...), if there was one.
    pub tag: Option<Arc<str>>,
}

/// One key of a mapping and its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Text of the key.
    pub key: Arc<str>,
    /// How the key was written: an unquoted `no` is no string to an untyped map.
    pub key_style: Style,
    /// Where the key begins.
    pub at: Mark,
    /// The value.
    pub value: Node,
    /// The key came from a merge (`<<`), not from this mapping.
    pub merged: bool,
}

impl Entry {
    /// Where the key ends, if it was written without quotes.
    pub(crate) fn key_end(&self) -> Mark {
        let length = u32::try_from(self.key.chars().count()).unwrap_or(1);
        Mark {
            line: self.at.line,
            column: self.at.column.saturating_add(length),
        }
    }
}

/// One document of a stream.
#[derive(Debug, Clone)]
pub struct Document {
    /// The value; an empty document is a null scalar.
    pub root: Node,
    /// Duplicate keys and the like: the rest of the document could be read.
    pub problems: Vec<YamlError>,
}

/// What is wrong with a text as YAML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct YamlError {
    /// Where.
    pub at: Mark,
    /// What, a lowercase fragment.
    pub message: String,
}

/// Longest text that is read.
pub const BYTES_MAX: usize = 4 << 20;
/// Deepest nesting of lists and maps.
pub const DEPTH_MAX: usize = 100;
/// Most documents in one file.
pub const DOCUMENTS_MAX: usize = 1_000;
/// Most values in one file, aliases counted as often as they are used.
pub const NODES_MAX: usize = 200_000;

#[cfg(test)]
mod tests;
