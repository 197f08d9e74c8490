//! Content that was chosen: the files to compile, in the order in which they count.
//!
//! A [`Content`] comes from a hub ([`crate::Hub::select`]), from a configuration directory
//! ([`crate::installed`]) or from the embedded library ([`crate::embedded`]). Each gives the same
//! order: by the path under which an item is installed, which is its base name within its stage
//! (`parsing.md` 2, `scenarios.md` 21 row 1). Nothing is decoded here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::data::DataSearch;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::files::{self, FileError};
use crate::hub::installed_path;
use crate::item::ItemKind;
use crate::report::Refused;

/// One file of content.
#[derive(Debug, Clone)]
pub struct ContentItem {
    /// What kind of item it is; never a collection.
    pub kind: ItemKind,
    /// Name of the hub item; for local items, their path without its extension.
    pub name: Arc<str>,
    /// Stage, for parsers and post-overflows.
    pub stage: Option<Arc<str>>,
    /// The file.
    pub file: SourceFile,
    /// Path under which it is installed: what the order is by.
    pub(crate) installed: String,
    /// Directory of the file, where its data may lie.
    pub(crate) directory: Option<PathBuf>,
    /// SHA-256 of the hub item; empty for local items.
    pub(crate) hash: Arc<str>,
    /// Version of the hub item; empty for local items, `?` when it was changed.
    pub(crate) version: Arc<str>,
}

impl ContentItem {
    /// SHA-256 of the hub item in hexadecimal; empty for local items.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Version of the hub item; empty for local items, `?` when it was changed.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// A file of grok patterns.
#[derive(Debug, Clone)]
pub(crate) struct PatternFile {
    pub(crate) path: PathBuf,
    pub(crate) text: Arc<str>,
}

/// Everything that one load compiles.
#[derive(Debug, Clone, Default)]
pub struct Content {
    pub(crate) items: Vec<ContentItem>,
    pub(crate) profiles: Vec<SourceFile>,
    pub(crate) simulation: Vec<SourceFile>,
    pub(crate) console_context: Option<SourceFile>,
    pub(crate) patterns: Vec<PatternFile>,
    pub(crate) data: DataSearch,
    pub(crate) findings: Vec<Diagnostic>,
    /// Items whose files cannot be read.
    pub(crate) refused: Vec<Refused>,
    pub(crate) n_unsupported: usize,
}

impl Content {
    /// The files, in the order in which they are compiled.
    #[must_use]
    pub fn items(&self) -> &[ContentItem] {
        &self.items
    }

    /// What went wrong while the files were collected.
    #[must_use]
    pub fn findings(&self) -> &[Diagnostic] {
        &self.findings
    }

    /// A fingerprint of all texts, in the order in which they count, and of what the caller adds; not of data files.
    #[must_use]
    pub fn digest(&self, added: &[&[u8]]) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut take = |kind: u8, name: &str, text: &[u8]| {
            hash.update([kind]);
            for part in [name.as_bytes(), text] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        };
        for item in &self.items {
            take(0, &item.installed, item.file.text.as_bytes());
        }
        for file in &self.profiles {
            take(1, "", file.text.as_bytes());
        }
        for file in self.simulation.iter().chain(&self.console_context) {
            take(2, "", file.text.as_bytes());
        }
        for file in &self.patterns {
            take(
                3,
                &file.path.file_name().unwrap_or_default().to_string_lossy(),
                file.text.as_bytes(),
            );
        }
        for added in added {
            take(4, "", added);
        }
        hash.finalize().into()
    }

    /// A directory in which data files and GeoIP databases are looked for, after those added
    /// before.
    pub fn add_data_dir(&mut self, directory: impl Into<PathBuf>) {
        self.data.directories.push(directory.into());
    }

    /// A mirror: a directory with one directory for each host, which holds files by the path of
    /// their URL.
    pub fn add_mirror(&mut self, directory: impl Into<PathBuf>) {
        self.data.mirrors.push(directory.into());
    }

    /// Takes profiles from a file, after those that are there. A `<path>.local` beside it goes in
    /// front of it.
    pub fn add_profiles(&mut self, path: &Path) {
        for path in [local_of(path), path.to_owned()] {
            if let Some(file) = self.read(&path, true) {
                self.profiles.push(file);
            }
        }
    }

    /// Replaces the profiles by those of a file, which must exist, and of its `.local`.
    pub fn use_profiles(&mut self, path: &Path) {
        let files = [self.read(&local_of(path), true), self.read(path, false)];
        self.profiles = files.into_iter().flatten().collect();
    }

    /// Replaces the profiles by those of a text, which findings call `name`.
    pub fn set_profiles(&mut self, name: &str, text: &str) {
        self.profiles = vec![SourceFile::new(name, text)];
    }

    /// Takes the simulation settings from a file, with its `.local` merged over it.
    pub fn add_simulation(&mut self, path: &Path) {
        for path in [path.to_owned(), local_of(path)] {
            if let Some(file) = self.read(&path, true) {
                self.simulation.push(file);
            }
        }
    }

    /// Takes the patterns of a directory: files in name order, without those whose name has a dot.
    pub fn add_patterns(&mut self, directory: &Path) {
        let paths = match pattern_files(directory) {
            Ok(paths) => paths,
            Err(error) => return self.findings.push(error.finding()),
        };
        for path in paths {
            match files::read_text(&path) {
                Ok(text) => self.patterns.push(PatternFile { path, text }),
                Err(error) => self.findings.push(error.finding()),
            }
        }
    }

    /// Adds a local parser node by text, before all others of its stage whose name is greater:
    /// what a hub test's `override_statics` are.
    pub fn add_parser_text(&mut self, stage: &str, base_name: &str, text: &str) {
        self.add_text(ItemKind::Parsers, Some(stage), base_name, text);
    }

    /// Adds a local item by text. A collection gives nothing: its members would have to be found.
    pub fn add_text(&mut self, kind: ItemKind, stage: Option<&str>, base_name: &str, text: &str) {
        self.push(ContentItem {
            kind,
            name: Arc::from(base_name),
            stage: stage.map(Arc::from),
            file: SourceFile::new(base_name, text),
            installed: installed_path(kind, stage, base_name),
            directory: None,
            hash: Arc::from(""),
            version: Arc::from(""),
        });
        self.sort();
    }

    /// Adds a file; [`Content::sort`] is due afterwards.
    pub(crate) fn push(&mut self, item: ContentItem) {
        self.items.push(item);
    }

    /// Notes an item whose file, which users know as `file`, cannot be read.
    pub(crate) fn refuse(&mut self, kind: ItemKind, name: &str, file: &str, error: &FileError) {
        let file: Arc<str> = Arc::from(file);
        self.findings.push(Diagnostic {
            file: Arc::clone(&file),
            ..error.finding()
        });
        self.refused.push(Refused {
            kind,
            name: Arc::from(name),
            file,
        });
    }

    /// Puts the files into the order in which they count, each once.
    pub(crate) fn sort(&mut self) {
        fn place(item: &ContentItem) -> (ItemKind, &str, &str) {
            (item.kind, &item.installed, &item.file.path)
        }
        self.items.sort_by(|a, b| place(a).cmp(&place(b)));
        self.items.dedup_by(|a, b| place(a) == place(b));
    }

    pub(crate) fn read(&mut self, path: &Path, may_be_missing: bool) -> Option<SourceFile> {
        if may_be_missing && !path.exists() {
            return None;
        }
        match files::read_text(path) {
            Ok(text) => Some(SourceFile::new(path.display().to_string(), text)),
            Err(error) => {
                self.findings.push(error.finding());
                None
            }
        }
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        for half in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS[usize::from(half)]));
        }
    }
    text
}

/// The path of the file that is merged over another one.
pub(crate) fn local_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".local");
    PathBuf::from(name)
}

fn pattern_files(directory: &Path) -> Result<Vec<PathBuf>, FileError> {
    let failed = |source| FileError::Read {
        path: directory.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let has_dot = entry.file_name().as_encoded_bytes().contains(&b'.');
        if !has_dot && entry.path().is_file() {
            paths.push(entry.path());
        }
    }
    paths.sort_unstable();
    Ok(paths)
}
