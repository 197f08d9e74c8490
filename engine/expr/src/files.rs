//! Data files of hub items, loaded and frozen (`pkg/exprhelpers/helpers.go`).
//!
//! A file is known by the name that items give it. What expressions test against all lines of a
//! file is prepared once for each way in which the lines are changed before.

mod lines;

use std::sync::Arc;

use overspill_exprlib::bots::BotFile;
use overspill_exprlib::data_file::{DataError, DataFile, DataType};
use overspill_exprlib::map_file::MapFile;
use overspill_exprlib::regex_set::RegexSet;
use rustc_hash::FxHashMap;

use crate::boolean::{FileRef, Transform};
use crate::services::{Counters, Services};
use crate::value::{Bytes, List, Map, Value};
pub(crate) use lines::LineTest;
use lines::{FileRanges, Lines};

/// What a data file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataKind {
    /// Lines of text: `type: string`.
    Strings,
    /// A regex a line: `type: regexp` or `type: regex`.
    Regexps,
    /// A JSON object a line: `type: map`.
    Map,
    /// A JSON object a line: `type: bots`.
    Bots,
}

impl DataKind {
    /// The kind that an item's `type:` names; `None` for none and for an unknown one.
    #[must_use]
    pub fn of_type(name: &str) -> Option<Self> {
        Some(match name {
            "string" => Self::Strings,
            "regexp" | "regex" => Self::Regexps,
            "map" => Self::Map,
            "bots" => Self::Bots,
            _ => return None,
        })
    }
}

/// A data file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("data file {name} cannot be used")]
pub struct DataFileError {
    /// Name of the file.
    pub name: String,
    /// What is wrong.
    #[source]
    pub source: DataError,
}

/// All data files of an engine.
#[derive(Default)]
pub struct DataFiles {
    lines: FxHashMap<Box<str>, Lines>,
    regexes: FxHashMap<Box<str>, RegexSet>,
    maps: FxHashMap<Box<str>, (MapFile, Value)>,
    bots: FxHashMap<Box<str>, BotFile>,
}

/// Collects data files.
#[derive(Default)]
pub struct DataFilesBuilder {
    files: DataFiles,
}

/// Texts whose verdict `RegexpInFile` remembers, for each file.
const VERDICTS_MAX: usize = 4_096;

impl DataFiles {
    /// No file at all.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Begins to collect files.
    #[must_use]
    pub fn builder() -> DataFilesBuilder {
        DataFilesBuilder::default()
    }

    /// Whether a file of this name and kind is loaded.
    #[must_use]
    pub fn has(&self, name: &str, kind: DataKind) -> bool {
        match kind {
            DataKind::Strings => self.lines.contains_key(name),
            DataKind::Regexps => self.regexes.contains_key(name),
            DataKind::Map => self.maps.contains_key(name),
            DataKind::Bots => self.bots.contains_key(name),
        }
    }

    /// The lines of a file of texts after a change; none when it is not loaded.
    pub(crate) fn changed_lines(&self, name: &str, transform: Transform) -> Arc<Vec<Bytes>> {
        let lines = self.lines.get(name);
        lines
            .map(|lines| lines.changed(transform))
            .unwrap_or_default()
    }

    /// The lines of a file of texts; none when it is not loaded. For whoever builds an index over
    /// the tests of [`crate::FileRef`]s.
    #[must_use]
    pub fn strings(&self, name: &str) -> Arc<Vec<Bytes>> {
        self.lines.get(name).map(Lines::all).unwrap_or_default()
    }
}

impl std::fmt::Debug for DataFiles {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("DataFiles")
            .field("strings", &self.lines.len())
            .field("regexes", &self.regexes.len())
            .field("maps", &self.maps.len())
            .field("bots", &self.bots.len())
            .finish()
    }
}

impl DataFilesBuilder {
    /// Adds a file. The first file of a name and kind stays, and one without a line that counts is
    /// as if it were not there.
    ///
    /// # Errors
    /// [`DataFileError`] when a line is too long or is not what the kind asks for.
    pub fn add(&mut self, name: &str, kind: DataKind, bytes: &[u8]) -> Result<(), DataFileError> {
        if self.files.has(name, kind) {
            return Ok(());
        }
        let wanted = match kind {
            DataKind::Strings => DataType::String,
            DataKind::Regexps => DataType::Regex,
            DataKind::Map => DataType::Map,
            DataKind::Bots => DataType::Bots,
        };
        let read = DataFile::read(bytes, wanted).map_err(|source| DataFileError {
            name: name.to_owned(),
            source,
        })?;
        match read {
            None => {}
            Some(DataFile::Strings(lines)) => {
                self.files.lines.insert(name.into(), Lines::of(lines));
            }
            Some(DataFile::Regexes(set)) => {
                self.files
                    .regexes
                    .insert(name.into(), set.with_cache(VERDICTS_MAX));
            }
            Some(DataFile::Map(map)) => {
                let rows = rows_of(&map);
                self.files.maps.insert(name.into(), (map, rows));
            }
            Some(DataFile::Bots(bots)) => {
                self.files.bots.insert(name.into(), bots);
            }
        }
        Ok(())
    }

    /// Ends collecting.
    #[must_use]
    pub fn build(self) -> DataFiles {
        self.files
    }
}

/// The rows of a map file as `FileMap` gives them.
fn rows_of(map: &MapFile) -> Value {
    let rows = map.rows().iter().map(|row| {
        let entries = row.iter();
        let entries = entries.map(|(key, value)| (key.as_bytes().into(), value.as_bytes().into()));
        Value::Map(Map::Strings(Arc::new(entries.collect())))
    });
    Value::List(List::typed(rows.collect(), "map[string]string"))
}

impl Services {
    /// The lines of a file; none, and a warning, when it is not loaded.
    pub(crate) fn lines(&self, name: &str) -> Arc<Vec<Bytes>> {
        self.loaded(&self.files.lines, name)
            .map(Lines::all)
            .unwrap_or_default()
    }

    /// The ranges of a file of ranges; none, and a warning, when it is not loaded.
    pub(crate) fn ranges(&self, name: &str) -> Arc<FileRanges> {
        self.loaded(&self.files.lines, name)
            .map(Lines::ranges)
            .unwrap_or_default()
    }

    /// Whether a text stands in a relation to one of a file's lines.
    pub(crate) fn any_line(&self, file: &FileRef, test: LineTest, text: &[u8]) -> bool {
        self.loaded(&self.files.lines, &file.name)
            .is_some_and(|lines| lines.any(file.transform, test, text))
    }

    /// Whether a regex of a file finds a match.
    pub(crate) fn regexp_in_file(&self, name: &str, text: &[u8]) -> bool {
        self.loaded(&self.files.regexes, name)
            .is_some_and(|set| set.is_match(text))
    }

    /// The rows of a map file.
    pub(crate) fn rows(&self, name: &str) -> Value {
        let none = || Value::List(List::typed(Vec::new(), "map[string]string"));
        self.loaded(&self.files.maps, name)
            .map_or_else(none, |(_, rows)| rows.clone())
    }

    /// The tag of the first row of a map file that fits a text.
    pub(crate) fn lookup(&self, name: &str, text: &[u8]) -> Option<&str> {
        self.loaded(&self.files.maps, name)?.0.lookup(text)
    }

    /// The crawlers of a file.
    pub(crate) fn bots(&self, name: &str) -> Option<&BotFile> {
        self.loaded(&self.files.bots, name)
    }

    /// A file of a table, or a warning.
    fn loaded<'f, T>(&self, table: &'f FxHashMap<Box<str>, T>, name: &str) -> Option<&'f T> {
        let found = table.get(name);
        if found.is_none() {
            Counters::bump(&self.counters.files_missing);
            self.log.warn(&format!("data file {name} is not loaded"));
        }
        found
    }
}
