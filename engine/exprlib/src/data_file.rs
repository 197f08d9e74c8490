//! Data files of hub items: lines, and what a line is for each type of file.

use crate::bots::{BotFile, BotLineError};
use crate::map_file::{MapFile, MapLineError};
use crate::regex_set::{RegexSet, RegexSetError};

/// A line of this length, its end not counted, or a longer one makes the file unusable.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// What the lines of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataType {
    /// Texts, for `File`.
    String,
    /// Regexes, for `RegexpInFile`.
    Regex,
    /// Objects of strings, for `FileMap` and `LookupFile`.
    Map,
    /// Definitions of crawlers, for `MatchKnownBot`.
    Bots,
}

impl DataType {
    /// The type that an item names. `Ok(None)` if it names none: such a file is not for
    /// expressions (a database, say), and is left alone.
    ///
    /// # Errors
    ///
    /// When there is no such type.
    pub fn from_name(name: &str) -> Result<Option<Self>, DataError> {
        Ok(Some(match name {
            "" => return Ok(None),
            "string" => Self::String,
            "regex" | "regexp" => Self::Regex,
            "map" => Self::Map,
            "bots" => Self::Bots,
            _ => return Err(DataError::Type(name.to_owned())),
        }))
    }
}

/// Why a data file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// No such type.
    #[error("unknown data type {0:?}")]
    Type(String),
    /// A line is too long.
    #[error("line {line} is longer than {LINE_BYTES_MAX} bytes")]
    LongLine {
        /// Its number in the file, from 1.
        line: usize,
    },
    /// A line that must be a regex is not UTF-8.
    #[error("line {line} is not UTF-8")]
    Utf8 {
        /// Its number in the file, from 1.
        line: usize,
    },
    /// A line is no regex.
    #[error("line {line} is no regex")]
    Regex {
        /// Its number in the file, from 1; 0 if no line in particular is at fault.
        line: usize,
        /// What is wrong.
        #[source]
        source: RegexSetError,
    },
    /// A line of a map file is bad.
    #[error("line {line} is no map entry")]
    Map {
        /// Its number in the file, from 1.
        line: usize,
        /// What is wrong.
        #[source]
        source: MapLineError,
    },
    /// A line of a file of crawlers is bad.
    #[error("line {line} is no bot definition")]
    Bots {
        /// Its number in the file, from 1.
        line: usize,
        /// What is wrong.
        #[source]
        source: BotLineError,
    },
}

/// A loaded data file.
#[derive(Debug)]
pub enum DataFile {
    /// Texts.
    Strings(Vec<Box<[u8]>>),
    /// Regexes.
    Regexes(RegexSet),
    /// A table from patterns to tags.
    Map(MapFile),
    /// Definitions of crawlers.
    Bots(BotFile),
}

impl DataFile {
    /// Reads a file's content. `Ok(None)` if no line counts: helpers then behave as if the file
    /// had not been loaded.
    ///
    /// # Errors
    ///
    /// When a line is too long, or is not what the type asks for.
    pub fn read(content: &[u8], data_type: DataType) -> Result<Option<Self>, DataError> {
        let lines = usable_lines(content)?;
        if lines.is_empty() {
            return Ok(None);
        }
        let number = |index: usize| lines.get(index).map_or(0, |line| line.number);
        let texts: Vec<&[u8]> = lines.iter().map(|line| line.text).collect();
        Ok(Some(match data_type {
            DataType::String => Self::Strings(texts.into_iter().map(Box::<[u8]>::from).collect()),
            DataType::Regex => {
                let mut patterns = Vec::with_capacity(lines.len());
                for line in &lines {
                    let pattern = std::str::from_utf8(line.text)
                        .map_err(|_| DataError::Utf8 { line: line.number })?;
                    patterns.push(pattern);
                }
                Self::Regexes(RegexSet::new(&patterns).map_err(|source| {
                    let line = match &source {
                        RegexSetError::Regex { index, .. } => number(*index),
                        RegexSetError::Literals => 0,
                    };
                    DataError::Regex { line, source }
                })?)
            }
            DataType::Map => {
                Self::Map(
                    MapFile::new(&texts).map_err(|(index, source)| DataError::Map {
                        line: number(index),
                        source,
                    })?,
                )
            }
            DataType::Bots => {
                Self::Bots(
                    BotFile::new(&texts).map_err(|(index, source)| DataError::Bots {
                        line: number(index),
                        source,
                    })?,
                )
            }
        }))
    }
}

/// A line that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'t> {
    /// Its number in the file, from 1.
    pub number: usize,
    /// Its text, without line end.
    pub text: &'t [u8],
}

/// The lines that are neither empty nor comments. A comment has its `#` in the first column;
/// blanks are not trimmed.
///
/// # Errors
///
/// When a line is too long.
pub fn usable_lines(content: &[u8]) -> Result<Vec<Line<'_>>, DataError> {
    let mut lines = Vec::new();
    for (index, text) in content.split(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        if text.len() >= LINE_BYTES_MAX {
            return Err(DataError::LongLine { line: number });
        }
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if !text.is_empty() && text.first() != Some(&b'#') {
            lines.push(Line { number, text });
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests;
