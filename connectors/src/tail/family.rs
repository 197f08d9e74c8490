//! Where a file went: the names under which log rotation leaves what a path showed before.
//!
//! `access.log` becomes `access.log.1`, `access.log-20260310`, `access-20260310.log` or any of these
//! with `.gz` behind it, in the same directory.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::tail::identity::{FileId, Print};
use crate::tail::reader::Reader;

/// Most rotated files of one path that are looked at.
const SIBLINGS_MAX: usize = 1_000;
/// A number of more digits is a date.
const NUMBER_DIGITS_MAX: usize = 4;

/// A rotated file of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sibling {
    pub(crate) path: PathBuf,
    inode: u64,
    age: Age,
}

impl Sibling {
    /// Whether it has the number of a file.
    pub(crate) fn may_be(&self, file: FileId) -> bool {
        self.inode == file.inode
    }
}

/// How old a rotated file is by its name; the order is that of writing, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    /// `.1` is the youngest.
    Number(std::cmp::Reverse<u32>),
    /// The greatest is the youngest.
    Date(String),
}

/// The age that a name has as a rotated file of `base`, if it is one.
fn age(name: &str, base: &str) -> Option<Age> {
    let name = name.strip_suffix(".gz").unwrap_or(name);
    let (stem, extension) = base.rfind('.').map_or((base, ""), |at| base.split_at(at));
    let tail = name.strip_prefix(base).or_else(|| {
        let inner = name.strip_prefix(stem)?.strip_suffix(extension)?;
        (!extension.is_empty() && !stem.is_empty()).then_some(inner)
    })?;
    let tail = tail.strip_prefix(['.', '-', '_'])?;
    let is_date = |letter: char| letter.is_ascii_digit() || "-_.:TZ".contains(letter);
    if !tail.starts_with(|letter: char| letter.is_ascii_digit()) || !tail.chars().all(is_date) {
        return None;
    }
    if tail.len() <= NUMBER_DIGITS_MAX
        && let Ok(number) = tail.parse()
    {
        return Some(Age::Number(std::cmp::Reverse(number)));
    }
    Some(Age::Date(tail.to_owned()))
}

/// Whether a path is a name under which rotation leaves what another one showed.
pub(crate) fn is_rotated(path: &Path, of: &Path) -> bool {
    let names = (path.file_name(), of.file_name());
    let (Some(name), Some(base)) = names else {
        return false;
    };
    path.parent() == of.parent()
        && matches!((name.to_str(), base.to_str()), (Some(name), Some(base)) if age(name, base).is_some())
}

/// Paths of which this one may be a name that rotation gives; most of them there are not.
pub(crate) fn originals(path: &Path) -> Vec<PathBuf> {
    let Some(name) = path.file_name().and_then(OsStr::to_str) else {
        return Vec::new();
    };
    let name = name.strip_suffix(".gz").unwrap_or(name);
    // The extension stands behind the date, or before it.
    let (stem, extension) = name.rfind('.').map_or((name, ""), |at| name.split_at(at));
    let mut found = Vec::new();
    for (text, rest) in [(name, ""), (stem, extension)] {
        for (at, _) in text.match_indices(['.', '-', '_']) {
            let base = format!("{}{rest}", text.get(..at).unwrap_or_default());
            if !base.is_empty() && age(name, &base).is_some() {
                found.push(path.with_file_name(base));
            }
        }
    }
    found
}

/// The rotated files of a path, oldest first.
pub(crate) fn siblings(path: &Path) -> io::Result<Vec<Sibling>> {
    Ok(siblings_among(path, &list(dir_of(path))?))
}

fn dir_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Names and inodes in a directory, by name. Names that are no UTF-8 are no rotated ones.
fn list(dir: &Path) -> io::Result<Vec<(String, u64)>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push((name, entry.ino()));
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// The rotated files of a path among what there is in its directory, by name.
fn siblings_among(path: &Path, names: &[(String, u64)]) -> Vec<Sibling> {
    let Some(base) = path.file_name().and_then(OsStr::to_str) else {
        return Vec::new();
    };
    // What all their names begin with.
    let stem = base.rfind('.').map_or(base, |at| base.split_at(at).0);
    let first = names.partition_point(|(name, _)| name.as_str() < stem);
    let alike = names.iter().skip(first);
    let mut siblings: Vec<Sibling> = alike
        .take_while(|(name, _)| name.starts_with(stem))
        .filter_map(|(name, inode)| {
            Some(Sibling {
                path: path.with_file_name(name),
                inode: *inode,
                age: age(name, base)?,
            })
        })
        .take(SIBLINGS_MAX)
        .collect();
    siblings.sort_by(|a, b| (&a.age, &a.path).cmp(&(&b.age, &b.path)));
    siblings
}

/// What is in directories, remembered for a moment: thousands of paths of one directory may be looked at together.
#[derive(Debug, Default)]
pub(crate) struct Listings(HashMap<PathBuf, (Instant, Vec<(String, u64)>)>);

/// How long they are remembered, and of how many directories.
const LISTING_FRESH: Duration = Duration::from_secs(1);
const LISTINGS_MAX: usize = 64;

impl Listings {
    /// As [`siblings`]; what came within the last second may be missing.
    pub(crate) fn siblings(&mut self, path: &Path, now: Instant) -> io::Result<Vec<Sibling>> {
        let dir = dir_of(path);
        let is_fresh = |at: &Instant| now.duration_since(*at) < LISTING_FRESH;
        if !self.0.get(dir).is_some_and(|(at, _)| is_fresh(at)) {
            self.0.retain(|_, (at, _)| is_fresh(at));
            if self.0.len() >= LISTINGS_MAX {
                self.0.clear();
            }
            self.0.insert(dir.to_owned(), (now, list(dir)?));
        }
        let names = self.0.get(dir).map_or(&[][..], |(_, names)| names);
        Ok(siblings_among(path, names))
    }
}

/// Finds a file among the siblings of its path: by its inode, else by how it begins, packed or not.
/// `offset` is how far it was read, so a shorter one is a copy at most: one that was made before the last lines came.
pub(crate) fn find(
    siblings: &[Sibling],
    file: FileId,
    print: Print,
    offset: u64,
) -> Option<(usize, Reader)> {
    let by_inode = siblings
        .iter()
        .enumerate()
        .filter(|(_, sibling)| sibling.may_be(file));
    for (at, sibling) in by_inode {
        let is_it = fs::metadata(&sibling.path).is_ok_and(|meta| FileId::of(&meta) == file);
        if is_it && let Some(reader) = fitting(&sibling.path, print) {
            return Some((at, reader));
        }
    }
    if !print.tells() {
        return None;
    }
    let mut shorter = None;
    // The youngest first: it is the likeliest.
    for (at, sibling) in siblings.iter().enumerate().rev() {
        let Some(mut reader) = fitting(&sibling.path, print) else {
            continue;
        };
        let is_long_enough = match &mut reader {
            Reader::Plain(file) => file.metadata().is_ok_and(|meta| meta.len() >= offset),
            Reader::Packed(_) => true,
        };
        if is_long_enough {
            return Some((at, reader));
        }
        if print.is_full() && shorter.is_none() {
            shorter = Some((at, reader));
        }
    }
    shorter
}

fn fitting(path: &Path, print: Print) -> Option<Reader> {
    let mut reader = Reader::open(path).ok()?;
    let head = reader.head().ok()?;
    // A packed file is read forward only, and may have to be read from its beginning.
    print.fits(&head).then_some(reader)
}

/// Files that came between one and what the path shows now, oldest first.
pub(crate) fn after(siblings: &[Sibling], at: usize) -> Vec<PathBuf> {
    let Some(found) = siblings.get(at) else {
        return Vec::new();
    };
    let is_same_kind = |other: &&Sibling| {
        std::mem::discriminant(&other.age) == std::mem::discriminant(&found.age)
            && other.age > found.age
    };
    siblings
        .iter()
        .filter(is_same_kind)
        .map(|sibling| sibling.path.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn originals_are_those_whose_rotated_names_these_are() {
        let originals = |name: &str| -> Vec<String> {
            let paths = originals(&Path::new("/x").join(name));
            for path in &paths {
                assert!(is_rotated(&Path::new("/x").join(name), path), "{path:?}");
            }
            let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
            paths.iter().map(name).collect()
        };
        assert_eq!(originals("a.log.1"), ["a.log"]);
        assert_eq!(originals("a.log.12.gz"), ["a.log"]);
        assert_eq!(originals("a-20260310.log"), ["a.log"]);
        assert!(originals("messages-2026-03-10").contains(&"messages".to_owned()));
        assert!(originals("web-0.log.1").contains(&"web-0.log".to_owned()));
        for name in ["a.log", "a", ".1", "a.log.bak"] {
            assert_eq!(originals(name), Vec::<String>::new(), "{name}");
        }
    }

    #[test]
    fn names_of_rotated_files_are_told_and_ordered() {
        let ages = |base: &str, names: &[&str]| {
            let mut known: Vec<(Age, String)> = names
                .iter()
                .filter_map(|name| age(name, base).map(|age| (age, (*name).to_owned())))
                .collect();
            known.sort();
            known.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
        };
        assert_eq!(
            ages(
                "a.log",
                &[
                    "a.log",
                    "a.log.1",
                    "a.log.10.gz",
                    "a.log.2.gz",
                    "a.log.bak",
                    "ab.log.1",
                    "a_ssl.log"
                ]
            ),
            ["a.log.10.gz", "a.log.2.gz", "a.log.1"]
        );
        assert_eq!(
            ages(
                "a.log",
                &[
                    "a.log-20260311",
                    "a-20260309.log",
                    "a.log-20260310.gz",
                    "a-x.log",
                    "a.log.gz"
                ]
            ),
            ["a-20260309.log", "a.log-20260310.gz", "a.log-20260311"]
        );
        assert_eq!(
            ages("messages", &["messages.1", "messages-2026-03-10"]).len(),
            2
        );
        assert_eq!(ages(".log", &["1.log", "-1.log"]), Vec::<String>::new());
    }
}
