//! Pattern files: one definition a line, `NAME pattern`.
//!
//! A line defines something if it starts with a name of letters, digits and underscores, then
//! white space, then at least one character; the pattern keeps its trailing blanks. All other
//! lines are comments. A name that exists already is an error here, unlike in `pattern_syntax`.

use std::path::Path;

use super::expand::is_word;
use super::{Added, Library, LibraryError};

/// Upstream's line reader gives up on longer lines.
const LINE_LIMIT: usize = 64 * 1024;

impl Library {
    /// Adds all definitions of a pattern file's text; `file` names it in errors.
    pub fn add_file(&mut self, file: &str, text: &str) -> Result<(), LibraryError> {
        for (index, line) in text.split('\n').enumerate() {
            let line_number = index + 1;
            if line.len() >= LINE_LIMIT {
                return Err(LibraryError::LineTooLong {
                    file: file.into(),
                    line: line_number,
                });
            }
            let Some((name, pattern)) = definition(line) else {
                continue;
            };
            match self.add(name, pattern) {
                Ok(Added::New) => {}
                Ok(Added::Same | Added::Kept { .. }) => {
                    return Err(LibraryError::AlreadyDefined {
                        file: file.into(),
                        line: line_number,
                        name: name.into(),
                    });
                }
                Err(source) => {
                    return Err(LibraryError::InFile {
                        file: file.into(),
                        line: line_number,
                        source: Box::new(source),
                    });
                }
            }
        }
        Ok(())
    }

    /// Adds the files of a pattern directory in the order of their names, leaving out
    /// directories and names that hold a dot.
    pub fn add_directory(&mut self, directory: &Path) -> Result<(), LibraryError> {
        let read = |source| LibraryError::Read {
            path: directory.into(),
            source,
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(read)? {
            let entry = entry.map_err(read)?;
            let hidden = entry.file_name().to_string_lossy().contains('.');
            if !hidden && !entry.path().is_dir() {
                files.push(entry.path());
            }
        }
        files.sort();
        for path in files {
            let text = std::fs::read(&path).map_err(|source| LibraryError::Read {
                path: path.clone(),
                source,
            })?;
            self.add_file(&path.display().to_string(), &String::from_utf8_lossy(&text))?;
        }
        Ok(())
    }
}

/// Splits a line into name and pattern, or tells that it defines nothing.
pub(super) fn definition(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let length = line.bytes().take_while(|b| is_word(*b)).count();
    let (name, rest) = line.split_at_checked(length)?;
    let blank = |c: char| matches!(c, ' ' | '\t' | '\x0C' | '\r');
    let pattern = rest.trim_start_matches(blank);
    if name.is_empty() || pattern.len() == rest.len() {
        return None;
    }
    if !pattern.is_empty() {
        return Some((name, pattern));
    }
    // Blanks alone: the last one is the pattern, if another separates it from the name.
    let last = rest
        .char_indices()
        .next_back()
        .map(|(at, _)| at)
        .filter(|at| *at > 0)?;
    Some((name, rest.get(last..)?))
}
