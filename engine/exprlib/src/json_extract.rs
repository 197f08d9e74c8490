//! `JsonExtract` and kin: one value of a JSON text, without reading all of it.
//!
//! CrowdSec uses a tolerant scanner here (`jsonparser`), and what it tolerates shows: text before
//! and after the document and unclosed objects around the value do not matter, the first of equal
//! keys counts, and the value is the source text, escapes and all. [`find`] gives the same answers.

mod scan;

use std::borrow::Cow;

use overspill_golike::strconv::atoi;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string; its text is without the quotes.
    String,
    /// A number, or what begins like one.
    Number,
    /// `true` or `false`.
    Bool,
    /// `null`.
    Null,
    /// An array, with its brackets.
    Array,
    /// An object, with its braces.
    Object,
}

/// A value as it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw<'t> {
    /// What it is.
    pub kind: Kind,
    /// Its source text.
    pub text: &'t [u8],
}

/// A path such as `a.b[0].c`, split into steps.
///
/// A path that begins with a bracket is split at dots only, so `[0][1]` is one step, which finds
/// nothing. A key with a dot in it cannot be named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    steps: Vec<Box<[u8]>>,
}

impl Path {
    /// Splits a path.
    #[must_use]
    pub fn new(path: &[u8]) -> Self {
        let mut steps: Vec<Box<[u8]>> = Vec::new();
        let splits_brackets = path.first() != Some(&b'[');
        for part in path.split(|byte| *byte == b'.') {
            let mut from = 0;
            for (at, byte) in part.iter().enumerate() {
                if splits_brackets && *byte == b'[' {
                    steps.push(part[from..at].into());
                    from = at;
                }
            }
            steps.push(part[from..].into());
        }
        Self { steps }
    }

    /// The path of a single key, dots and brackets in it having no meaning of their own, except
    /// that a key in brackets stands for a place in an array.
    #[must_use]
    pub fn of_key(key: &[u8]) -> Self {
        Self {
            steps: vec![key.into()],
        }
    }
}

/// The value at a path; `None` if it is missing or if the text is too broken to find it.
#[must_use]
pub fn find<'t>(text: &'t [u8], path: &Path) -> Option<Raw<'t>> {
    let mut steps = path.steps.as_slice();
    let mut window = 0..text.len();
    loop {
        let searched = text.get(window.clone())?;
        match scan::search(searched, steps)? {
            // Its end is sought in all of the text: in a broken one it may lie past the window.
            scan::Found::Value(at) => {
                return scan::value_at(text, window.start + at).map(|(raw, _)| raw);
            }
            scan::Found::Array { at, level } => {
                let place = array_place(steps.get(level)?)?;
                let element = scan::element(searched.get(at..)?, place)?;
                let start = window.start + at;
                window = start + element.start..start + element.end;
                steps = steps.get(level + 1..)?;
            }
        }
    }
}

/// `JsonExtract`: the source text of the value at a path, strings without quotes. `None`, where
/// the helper yields the empty string, if there is none.
#[must_use]
pub fn extract<'t>(text: &'t [u8], path: &[u8]) -> Option<&'t [u8]> {
    find(text, &Path::new(path)).map(|raw| raw.text)
}

/// `JsonExtractUnescape`: the string under one key, escapes undone. `None`, where the helper
/// yields the empty string, if there is none, or an escape is malformed.
#[must_use]
pub fn extract_unescaped<'t>(text: &'t [u8], key: &[u8]) -> Option<Cow<'t, [u8]>> {
    match find(text, &Path::of_key(key))? {
        Raw {
            kind: Kind::String,
            text,
        } => scan::unescape(text),
        _ => None,
    }
}

/// `JsonExtractSlice`: the source text of the array at a path, to be decoded. `None`, where the
/// helper yields a nil list, if there is none.
#[must_use]
pub fn extract_array<'t>(text: &'t [u8], path: &[u8]) -> Option<&'t [u8]> {
    find(text, &Path::new(path))
        .filter(|raw| raw.kind == Kind::Array)
        .map(|raw| raw.text)
}

/// `JsonExtractObject`: the source text of the object at a path, to be decoded. `None`, where the
/// helper yields a nil map, if there is none.
#[must_use]
pub fn extract_object<'t>(text: &'t [u8], path: &[u8]) -> Option<&'t [u8]> {
    find(text, &Path::new(path))
        .filter(|raw| raw.kind == Kind::Object)
        .map(|raw| raw.text)
}

/// The number in brackets.
fn array_place(step: &[u8]) -> Option<usize> {
    let digits = step.strip_prefix(b"[")?.strip_suffix(b"]")?;
    usize::try_from(atoi(digits).ok()?).ok()
}

#[cfg(test)]
mod tests;
