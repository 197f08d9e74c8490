//! Replacing references by what they stand for, and counting groups as upstream does.
//!
//! Every reference becomes a capture group around the expansion of its pattern, as text. Which
//! group a field means is not read off the finished regex: upstream adds the groups of each
//! referenced pattern, which it knows, to a count of parentheses in the text between references,
//! which it guesses:
//!
//! ```text
//! "(" characters
//!   - matches of  \(\?[imsU\-]*\:     non-capturing groups
//!   - matches of  \(?[imsU\-]+\)      meant for (?i), but hits any run such as `|-)` as well
//!   - occurrences of  \(              escaped parentheses
//! ```
//!
//! The guess is reproduced exactly, since fields of existing content depend on it.

use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashSet;

use super::{EXPANSION_LIMIT, Library, LibraryError};
use crate::translate::translate_groups;

/// A definition's text and, once asked for, its expansion.
#[derive(Debug)]
pub(super) struct Definition {
    text: Box<str>,
    expansion: OnceLock<Arc<Expansion>>,
}

/// A pattern without references left.
#[derive(Debug)]
pub(crate) struct Expansion {
    /// The regex, in Go's syntax.
    pub(crate) regex: Box<str>,
    /// The same regex in Rust's syntax.
    pub(crate) rust: Box<str>,
    /// How many groups the regex has.
    pub(crate) groups: u32,
    /// Field names with the counted index of their group, ascending by index, then by name.
    pub(crate) fields: Box<[(Box<str>, i64)]>,
}

impl Definition {
    /// A definition that is expanded when first used.
    pub(super) fn new(text: &str) -> Self {
        Definition {
            text: text.into(),
            expansion: OnceLock::new(),
        }
    }

    pub(super) fn expanded(text: &str, expansion: Expansion) -> Self {
        Definition {
            text: text.into(),
            expansion: OnceLock::from(Arc::new(expansion)),
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The expansion. References were checked when the definition was added, so the recursion
    /// ends; built-in definitions refer to earlier ones only, which a test holds.
    pub(super) fn expansion(
        &self,
        library: &Library,
        name: &str,
    ) -> Result<Arc<Expansion>, LibraryError> {
        if let Some(expansion) = self.expansion.get() {
            return Ok(Arc::clone(expansion));
        }
        let expansion = Arc::new(expand(library, name, &self.text)?);
        Ok(Arc::clone(self.expansion.get_or_init(|| expansion)))
    }
}

/// Expands `pattern`; `name` is only for errors.
pub(super) fn expand(
    library: &Library,
    name: &str,
    pattern: &str,
) -> Result<Expansion, LibraryError> {
    let references = references(pattern);
    // A field named anywhere at this level hides the same field of the patterns referred to.
    let direct: FxHashSet<&str> = references.iter().filter_map(|r| r.field).collect();
    let mut regex = String::with_capacity(pattern.len());
    let mut fields: Vec<(Box<str>, i64)> = Vec::new();
    let mut next_group = 1i64;
    let mut at = 0;
    for reference in &references {
        let between = pattern.get(at..reference.start).unwrap_or_default();
        next_group += counted_groups(between);
        let inner = library.expand_named(reference.name)?;
        if regex.len() + between.len() + inner.regex.len() + 2 > EXPANSION_LIMIT {
            return Err(LibraryError::TooLong { name: name.into() });
        }
        regex.push_str(between);
        regex.push('(');
        regex.push_str(&inner.regex);
        regex.push(')');
        if let Some(field) = reference.field {
            set(&mut fields, field, next_group);
        }
        for (field, index) in &inner.fields {
            if !direct.contains(&**field) {
                set(&mut fields, field, next_group + index);
            }
        }
        next_group += 1 + i64::from(inner.groups);
        at = reference.end;
    }
    let tail = pattern.get(at..).unwrap_or_default();
    if regex.len() + tail.len() > EXPANSION_LIMIT {
        return Err(LibraryError::TooLong { name: name.into() });
    }
    regex.push_str(tail);
    let translated = translate_groups(&regex).map_err(|source| LibraryError::Regex {
        name: name.into(),
        source,
    })?;
    fields.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
    Ok(Expansion {
        regex: regex.into(),
        rust: translated.text.into(),
        groups: translated.groups,
        fields: fields.into(),
    })
}

/// The last occurrence of a field wins.
fn set(fields: &mut Vec<(Box<str>, i64)>, field: &str, index: i64) {
    match fields.iter_mut().find(|(name, _)| **name == *field) {
        Some(entry) => entry.1 = index,
        None => fields.push((field.into(), index)),
    }
}

/// `%{NAME}` or `%{NAME:field}` and where it stands.
#[derive(Debug, PartialEq, Eq)]
struct Reference<'p> {
    start: usize,
    end: usize,
    name: &'p str,
    field: Option<&'p str>,
}

/// All references in order. Whatever else starts with `%{` is ordinary regex text.
fn references(pattern: &str) -> Vec<Reference<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = pattern.get(from..).and_then(|rest| rest.find("%{")) {
        let start = from + start;
        match reference(pattern, start) {
            Some(reference) => {
                from = reference.end;
                found.push(reference);
            }
            None => from = start + 2,
        }
    }
    found
}

fn reference(pattern: &str, start: usize) -> Option<Reference<'_>> {
    let word = |text: &str| text.bytes().take_while(|b| is_word(*b)).count();
    let body = pattern.get(start + 2..)?;
    let name = body.get(..word(body))?;
    let mut end = start + 2 + name.len();
    let mut field = None;
    if let Some(text) = pattern.get(end..)?.strip_prefix(':') {
        let name = text.get(..word(text))?;
        if name.is_empty() {
            return None;
        }
        end += 1 + name.len();
        field = Some(name);
    }
    let closed = pattern.get(end..)?.starts_with('}');
    (closed && !name.is_empty()).then_some(Reference {
        start,
        end: end + 1,
        name,
        field,
    })
}

pub(super) fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

/// Upstream's guess at the number of groups that open in `text`; may be negative.
fn counted_groups(text: &str) -> i64 {
    let bytes = text.as_bytes();
    let flag = |b: u8| matches!(b, b'i' | b'm' | b's' | b'U' | b'-');
    let flags_from = |from: usize| {
        bytes
            .get(from..)
            .map_or(0, |rest| rest.iter().take_while(|b| flag(**b)).count())
    };
    let mut count = 0i64;
    for (i, b) in bytes.iter().enumerate() {
        if *b != b'(' {
            continue;
        }
        count += 1;
        if i > 0 && bytes.get(i - 1) == Some(&b'\\') {
            count -= 1;
        }
        if bytes.get(i + 1) == Some(&b'?') {
            let end = i + 2 + flags_from(i + 2);
            if bytes.get(end) == Some(&b':') {
                count -= 1;
            }
        }
    }
    // Each run of flag letters directly before a closing parenthesis is one match.
    let mut i = 0;
    while i < bytes.len() {
        let run = flags_from(i);
        if run > 0 && bytes.get(i + run) == Some(&b')') {
            count -= 1;
        }
        i += run.max(1);
    }
    count
}

#[cfg(test)]
mod tests;
