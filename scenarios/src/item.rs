//! Items of a hub, from trees to checked types.
//!
//! Each module reads one kind of file with CrowdSec's rules: which keys exist, what they take, what
//! must be present, and what the types demand. What needs other items or a compiler (expressions,
//! grok, data files) stays a [`Text`](crate::yaml::table::Text) with its place; the `compile`
//! modules make sense of it.

pub(crate) mod bucket;
pub(crate) mod collection;
pub(crate) mod context;
pub(crate) mod data;
pub(crate) mod duration;
pub(crate) mod format;
pub(crate) mod grok;
pub(crate) mod node;
pub(crate) mod profile;
pub(crate) mod scenario;
pub(crate) mod simulation;
pub(crate) mod statics;

use std::fmt;

/// A kind of hub item that the engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemKind {
    /// Nodes that lines go through.
    Parsers,
    /// Nodes that overflows go through.
    Postoverflows,
    /// Bucket definitions.
    Scenarios,
    /// Expressions whose values go into alerts.
    Contexts,
    /// Lists of other items.
    Collections,
}

impl ItemKind {
    /// Every kind, in the order in which they are processed.
    pub const ALL: [Self; 5] = [
        Self::Parsers,
        Self::Postoverflows,
        Self::Scenarios,
        Self::Contexts,
        Self::Collections,
    ];

    /// Name of the directory and of the key in a collection.
    #[must_use]
    pub fn directory(self) -> &'static str {
        match self {
            Self::Parsers => "parsers",
            Self::Postoverflows => "postoverflows",
            Self::Scenarios => "scenarios",
            Self::Contexts => "contexts",
            Self::Collections => "collections",
        }
    }

    /// The kind of a directory's items.
    #[must_use]
    pub fn of_directory(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.directory() == name)
    }

    /// Whether the directory is divided into stages.
    #[must_use]
    pub fn has_stages(self) -> bool {
        matches!(self, Self::Parsers | Self::Postoverflows)
    }
}

impl fmt::Display for ItemKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.directory())
    }
}

#[cfg(test)]
mod tests;
