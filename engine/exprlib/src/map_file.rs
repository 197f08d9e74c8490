//! `LookupFile` and `FileMap`: a table from patterns to tags.
//!
//! Each line of the file is a JSON object of strings with a `pattern`, a `tag` and a `type`:
//! `equals`, `contains` or `regex`.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, MatchKind};
use overspill_golike::json::{Json, JsonError, decode};
use overspill_grok::{GoRegex, compile_go};

/// Why a line makes the file unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MapLineError {
    /// Not JSON.
    #[error("not a JSON object")]
    Json(#[from] JsonError),
    /// JSON, but not an object of strings.
    #[error("not a JSON object whose values are strings")]
    NotStrings,
    /// A mandatory field is missing or empty.
    #[error("missing mandatory field {0:?}")]
    Missing(&'static str),
    /// Neither `equals` nor `contains` nor `regex`.
    #[error("unknown entry type {0:?}")]
    Type(String),
    /// The `contains` patterns of the file are too many.
    #[error("too many patterns of type \"contains\"")]
    TooMany,
}

/// The fields of one line, sorted by name.
pub type Row = BTreeMap<String, String>;

/// A table from patterns to tags.
#[derive(Debug)]
pub struct MapFile {
    rows: Vec<Row>,
    equals: BTreeMap<Vec<u8>, usize>,
    contains: Option<AhoCorasick>,
    contains_rows: Vec<usize>,
    regexes: Vec<(GoRegex, usize)>,
    bad_regexes: Vec<usize>,
}

impl MapFile {
    /// The table of these lines.
    ///
    /// # Errors
    ///
    /// The first bad line, by its number in the list from 0, and what is wrong with it.
    pub fn new<L: AsRef<[u8]>>(lines: &[L]) -> Result<Self, (usize, MapLineError)> {
        let mut table = Self {
            rows: Vec::with_capacity(lines.len()),
            equals: BTreeMap::new(),
            contains: None,
            contains_rows: Vec::new(),
            regexes: Vec::new(),
            bad_regexes: Vec::new(),
        };
        let mut parts = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            let row = row(line.as_ref()).map_err(|err| (index, err))?;
            let pattern = field(&row, "pattern").map_err(|err| (index, err))?;
            field(&row, "tag").map_err(|err| (index, err))?;
            match field(&row, "type").map_err(|err| (index, err))? {
                "equals" => {
                    table.equals.insert(pattern.as_bytes().to_vec(), index);
                }
                "contains" => {
                    parts.push(pattern.to_owned());
                    table.contains_rows.push(index);
                }
                "regex" => match compile_go(pattern) {
                    Ok(regex) => table.regexes.push((regex, index)),
                    Err(_) => table.bad_regexes.push(index),
                },
                other => return Err((index, MapLineError::Type(other.to_owned()))),
            }
            table.rows.push(row);
        }
        if !parts.is_empty() {
            let built = AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostFirst)
                .build(&parts);
            table.contains = Some(built.map_err(|_| (0, MapLineError::TooMany))?);
        }
        Ok(table)
    }

    /// All lines, in order (`FileMap`).
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Lines whose regex does not compile. CrowdSec logs them and goes on without.
    #[must_use]
    pub fn bad_regexes(&self) -> &[usize] {
        &self.bad_regexes
    }

    /// The tag of the first line that fits a text (`LookupFile`): of the `equals` lines the last
    /// equal one; else of the `contains` lines the one found leftmost, and of those the first; else
    /// the first `regex` line that matches. `None`, where the helper yields the empty string, if
    /// none does.
    #[must_use]
    pub fn lookup(&self, text: &[u8]) -> Option<&str> {
        let row = self.equals.get(text).copied().or_else(|| {
            let found = self.contains.as_ref().and_then(|parts| parts.find(text));
            match found {
                Some(found) => self.contains_rows.get(found.pattern().as_usize()).copied(),
                None => self
                    .regexes
                    .iter()
                    .find(|(regex, _)| regex.is_match(text))
                    .map(|(_, index)| *index),
            }
        })?;
        self.rows.get(row)?.get("tag").map(String::as_str)
    }
}

fn row(line: &[u8]) -> Result<Row, MapLineError> {
    let members = match decode(line)? {
        Json::Object(object) => object.into_members(),
        Json::Null => Vec::new(),
        _ => return Err(MapLineError::NotStrings),
    };
    let strings = members.into_iter().map(|(key, value)| match value {
        Json::Str(text) => Ok((key, text)),
        // Go leaves the field at its empty value.
        Json::Null => Ok((key, String::new())),
        _ => Err(MapLineError::NotStrings),
    });
    strings.collect()
}

fn field<'r>(row: &'r Row, name: &'static str) -> Result<&'r str, MapLineError> {
    row.get(name)
        .map(String::as_str)
        .filter(|text| !text.is_empty())
        .ok_or(MapLineError::Missing(name))
}

#[cfg(test)]
mod tests;
