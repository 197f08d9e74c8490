//! Compiled grok patterns.
//!
//! ```text
//! text or name --library--> regex + fields --translate--> tree --keep groups read--> tree
//!                                                                  |            |
//!                                                      specialised matcher   regex engine
//! ```
//!
//! A [`Matcher`] searches for the leftmost match by RE2's leftmost-first rule and gives the span
//! of each field. Two engines give the same answer: the regex engine, which is the reference, and
//! a specialised matcher for the shapes that grok patterns have, which hands over to the regex
//! engine whatever it cannot decide quickly. Compiled programs are shared across the process by
//! their text.
//!
//! A matcher is immutable and shared between threads; all that changes during a search lives in
//! the [`Scratch`], one per worker.

mod program;
mod reference;
mod scratch;
mod shared;
mod special;

use std::sync::Arc;

use crate::library::{Expansion, Library, LibraryError};
use program::Program;
pub use scratch::Scratch;

/// Which engine runs a matcher. The answers are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Engine {
    /// The specialised matcher, with the regex engine for what it leaves open.
    #[default]
    Specialised,
    /// Only the regex engine.
    Reference,
}

/// What to compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern<'a> {
    /// Regex text with references.
    Text(&'a str),
    /// The name of a definition.
    Name(&'a str),
}

/// Why a pattern does not compile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrokError {
    /// The pattern or something it refers to is wrong.
    #[error("cannot expand grok pattern")]
    Library(#[from] LibraryError),
    /// The regex is valid in RE2, but not supported here.
    #[error("unsupported regex in grok pattern: {reason}")]
    Unsupported {
        /// What the regex parser says.
        reason: String,
    },
    /// The compiled form would be too large.
    #[error("grok pattern is too large when compiled")]
    TooLarge,
}

/// A compiled grok pattern.
#[derive(Debug, Clone)]
pub struct Matcher {
    program: Arc<Program>,
    fields: Arc<[Box<str>]>,
    /// For each field, the position of its group among the kept ones; `None` if field i is
    /// group i, which it nearly always is.
    groups: Option<Box<[usize]>>,
    /// Whether the pattern has a field at all; one without never succeeds.
    has_fields: bool,
}

impl Matcher {
    /// Compiles a pattern given as text. If `read_fields` is given, only fields for which it
    /// answers true get a span; that saves time and changes nothing else.
    pub fn compile(
        library: &Library,
        pattern: &str,
        read_fields: Option<&dyn Fn(&str) -> bool>,
    ) -> Result<Matcher, GrokError> {
        Self::compile_with(
            library,
            Pattern::Text(pattern),
            read_fields,
            Engine::default(),
        )
    }

    /// Compiles the definition of a name.
    pub fn compile_named(
        library: &Library,
        name: &str,
        read_fields: Option<&dyn Fn(&str) -> bool>,
    ) -> Result<Matcher, GrokError> {
        Self::compile_with(library, Pattern::Name(name), read_fields, Engine::default())
    }

    /// As the other two, with the engine chosen.
    pub fn compile_with(
        library: &Library,
        pattern: Pattern<'_>,
        read_fields: Option<&dyn Fn(&str) -> bool>,
        engine: Engine,
    ) -> Result<Matcher, GrokError> {
        let expansion = match pattern {
            Pattern::Text(text) => library.expand(text)?,
            Pattern::Name(name) => library.expand_named(name)?,
        };
        let indexes = group_indexes(&expansion)?;
        let mut fields = Vec::new();
        let mut groups = Vec::new();
        let mut keep: Vec<u32> = Vec::new();
        for (field, index) in indexes {
            if read_fields.is_some_and(|read| !read(field)) {
                continue;
            }
            // Fields come in the order of their groups, so one that shares a group follows it.
            if keep.last() != Some(&index) {
                keep.push(index);
            }
            groups.push(keep.len() - 1);
            fields.push(Box::from(field));
        }
        let aligned = groups
            .iter()
            .enumerate()
            .all(|(field, group)| field == *group);
        Ok(Matcher {
            program: shared::program(&expansion.rust, &keep, engine)?,
            fields: fields.into(),
            groups: (!aligned).then(|| groups.into()),
            has_fields: !expansion.fields.is_empty(),
        })
    }

    /// Names of the fields that get a span, each once, in the order of their groups.
    pub fn fields(&self) -> &[Box<str>] {
        &self.fields
    }

    /// Whether the pattern has any field, read or not. One that has none never succeeds.
    pub fn has_fields(&self) -> bool {
        self.has_fields
    }

    /// A literal that every matching subject contains; may be empty.
    pub fn required_literal(&self) -> &[u8] {
        self.program.required()
    }

    /// Searches the subject. On success the scratch holds the spans of [`Matcher::fields`].
    ///
    /// False if nothing matches, and always for a pattern without fields.
    pub fn run(&self, scratch: &mut Scratch, subject: &[u8]) -> bool {
        if !self.has_fields || !self.program.run(scratch, subject) {
            return false;
        }
        if let Some(groups) = &self.groups {
            scratch.spread(groups);
        }
        true
    }
}

/// Checks that each counted index names a group of the regex.
fn group_indexes(expansion: &Expansion) -> Result<Vec<(&str, u32)>, LibraryError> {
    let valid = |index: i64| {
        u32::try_from(index)
            .ok()
            .filter(|index| *index <= expansion.groups)
    };
    expansion
        .fields
        .iter()
        .map(|(field, index)| match valid(*index) {
            Some(group) => Ok((&**field, group)),
            None => Err(LibraryError::FieldIndex {
                field: field.as_ref().into(),
                index: *index,
                groups: expansion.groups,
            }),
        })
        .collect()
}

#[cfg(test)]
mod tests;
