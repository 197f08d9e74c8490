//! The named grok patterns: built-in ones, those of pattern files and those of `pattern_syntax`.
//!
//! A library maps a name to a definition, regex text with references such as `%{IP:source_ip}`.
//! It follows CrowdSec v1.7 and its grok library: references must exist when a definition is
//! added, the first definition of a name stays, and the index of a field's group is counted the
//! way upstream counts it (see [`expand`](self)), mistakes included.
//!
//! Cloning is cheap: the built-in patterns are shared by the process and only definitions added
//! later are kept per library. Built-in definitions are expanded when first used. Expansions are
//! bounded by [`EXPANSION_LIMIT`], so that nested references cannot blow up.

mod builtin;
mod expand;
mod file;

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::translate::TranslateError;

use expand::Definition;
pub(crate) use expand::Expansion;

/// Longest regex text, in bytes, that a pattern may expand to.
pub const EXPANSION_LIMIT: usize = 4 << 20;

/// Most definitions that may be added to one library.
pub const DEFINITION_LIMIT: usize = 65_536;

/// A set of named grok patterns.
#[derive(Debug, Clone)]
pub struct Library {
    builtin: &'static FxHashMap<Box<str>, Definition>,
    added: Arc<FxHashMap<Box<str>, Arc<Definition>>>,
}

/// What became of a definition handed to [`Library::add`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// The name is new.
    New,
    /// The name was defined before with the same text; nothing changed.
    Same,
    /// The name was defined before with another text, which stays in force. Worth a warning.
    Kept {
        /// The definition in force.
        existing: String,
    },
}

/// Why a definition, a pattern file or a pattern cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// A definition without a name.
    #[error("grok pattern with an empty name")]
    EmptyName,
    /// A definition or pattern without text.
    #[error("{} is empty", subject(name))]
    EmptyPattern {
        /// The name being defined; empty for an anonymous pattern.
        name: String,
    },
    /// A reference to a name that is not defined (yet).
    #[error("grok pattern {name:?} is not defined")]
    UnknownPattern {
        /// The missing name.
        name: String,
    },
    /// The expanded regex is not valid.
    #[error("{} is not a valid regex", subject(name))]
    Regex {
        /// The name being defined; empty for an anonymous pattern.
        name: String,
        /// What is wrong with the expanded text.
        #[source]
        source: TranslateError,
    },
    /// The expanded regex is longer than [`EXPANSION_LIMIT`].
    #[error(
        "{} expands to more than {EXPANSION_LIMIT} bytes of regex",
        subject(name)
    )]
    TooLong {
        /// The name being defined; empty for an anonymous pattern.
        name: String,
    },
    /// More than [`DEFINITION_LIMIT`] definitions.
    #[error("more than {DEFINITION_LIMIT} grok patterns")]
    TooMany,
    /// A field whose group, by upstream's way of counting, does not exist.
    #[error("grok field {field:?} points at group {index} of a pattern with {groups} groups")]
    FieldIndex {
        /// The field.
        field: String,
        /// The counted group index.
        index: i64,
        /// How many groups the pattern has.
        groups: u32,
    },
    /// A pattern file defines a name that exists.
    #[error("{file}:{line}: grok pattern {name:?} is already defined")]
    AlreadyDefined {
        /// The file, as the caller named it.
        file: String,
        /// Line number, from 1.
        line: usize,
        /// The name.
        name: String,
    },
    /// A definition in a pattern file is wrong.
    #[error("{file}:{line}: bad grok pattern definition")]
    InFile {
        /// The file, as the caller named it.
        file: String,
        /// Line number, from 1.
        line: usize,
        /// What is wrong.
        #[source]
        source: Box<LibraryError>,
    },
    /// A line of a pattern file is longer than upstream reads.
    #[error("{file}:{line}: line longer than 64 KiB in a grok pattern file")]
    LineTooLong {
        /// The file, as the caller named it.
        file: String,
        /// Line number, from 1.
        line: usize,
    },
    /// A pattern file or directory cannot be read.
    #[error("read grok patterns from {path}")]
    Read {
        /// The file or directory.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// How errors speak of a pattern.
fn subject(name: &str) -> String {
    match name {
        "" => "the pattern".to_owned(),
        name => format!("grok pattern {name:?}"),
    }
}

impl Library {
    /// No patterns at all.
    pub fn empty() -> Self {
        Library {
            builtin: builtin::none(),
            added: Arc::default(),
        }
    }

    /// The 88 patterns that are part of the grok library itself.
    pub fn base() -> Self {
        Library {
            builtin: builtin::base(),
            added: Arc::default(),
        }
    }

    /// The base patterns and the 309 that CrowdSec installs as its pattern directory.
    pub fn builtin() -> Self {
        Library {
            builtin: builtin::base_and_core(),
            added: Arc::default(),
        }
    }

    /// Adds one definition, as a `pattern_syntax` entry does.
    pub fn add(&mut self, name: &str, pattern: &str) -> Result<Added, LibraryError> {
        if name.is_empty() {
            return Err(LibraryError::EmptyName);
        }
        if pattern.is_empty() {
            return Err(LibraryError::EmptyPattern { name: name.into() });
        }
        if let Some(existing) = self.definition(name) {
            return Ok(if existing.text() == pattern {
                Added::Same
            } else {
                Added::Kept {
                    existing: existing.text().into(),
                }
            });
        }
        if self.added.len() >= DEFINITION_LIMIT {
            return Err(LibraryError::TooMany);
        }
        let expansion = expand::expand(self, name, pattern)?;
        let definition = Arc::new(Definition::expanded(pattern, expansion));
        Arc::make_mut(&mut self.added).insert(name.into(), definition);
        Ok(Added::New)
    }

    /// The text of the named definition.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.definition(name).map(Definition::text)
    }

    /// How many names are defined.
    pub fn len(&self) -> usize {
        self.builtin.len() + self.added.len()
    }

    /// True if no name is defined.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All names, sorted.
    pub fn names(&self) -> Vec<&str> {
        let added = self.added.keys();
        let mut names: Vec<&str> = self
            .builtin
            .keys()
            .chain(added)
            .map(|name| &**name)
            .collect();
        names.sort_unstable();
        names
    }

    /// The pattern with all references replaced, in Go's regex syntax, and its fields.
    pub(crate) fn expand(&self, pattern: &str) -> Result<Arc<Expansion>, LibraryError> {
        if pattern.is_empty() {
            return Err(LibraryError::EmptyPattern {
                name: String::new(),
            });
        }
        Ok(Arc::new(expand::expand(self, "", pattern)?))
    }

    /// The expansion of a definition.
    pub(crate) fn expand_named(&self, name: &str) -> Result<Arc<Expansion>, LibraryError> {
        let Some(definition) = self.definition(name) else {
            return Err(LibraryError::UnknownPattern { name: name.into() });
        };
        definition.expansion(self, name)
    }

    fn definition(&self, name: &str) -> Option<&Definition> {
        self.builtin
            .get(name)
            .or_else(|| self.added.get(name).map(|d| &**d))
    }
}

impl Default for Library {
    fn default() -> Self {
        Library::builtin()
    }
}

#[cfg(test)]
mod tests;
