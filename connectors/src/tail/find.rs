//! The files that patterns stand for.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Says of a path whether it is left out. CrowdSec's expressions are Go's, and whoever has a
/// compiler for those hands in what it made of them.
#[derive(Clone)]
pub struct Exclude(Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl Exclude {
    /// An exclusion by a test of the whole path.
    pub fn new(is_excluded: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_excluded))
    }

    pub(crate) fn is_excluded(&self, path: &str) -> bool {
        (self.0)(path)
    }
}

impl fmt::Debug for Exclude {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exclude")
    }
}

/// A pattern as Go's `filepath.Match` reads it, written for the library that finds the files:
/// `[^a]` is `[!a]`, `\*` is `[*]`, and `**` means no more than `*`.
pub(crate) fn from_go(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some(quoted) if "*?[".contains(quoted) => {
                    out.push('[');
                    out.push(quoted);
                    out.push(']');
                }
                Some(quoted) => out.push(quoted),
                None => out.push('\\'),
            },
            '[' if letters.peek() == Some(&'^') => {
                letters.next();
                out.push_str("[!");
            }
            '*' => {
                while letters.peek() == Some(&'*') {
                    letters.next();
                }
                out.push('*');
            }
            _ => out.push(letter),
        }
    }
    out
}

/// Whether a pattern is one; what is wrong with it otherwise.
pub(crate) fn check(pattern: &str) -> Result<(), String> {
    match glob::Pattern::new(&from_go(pattern)) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.msg.to_owned()),
    }
}

/// Paths that the patterns stand for and that are not excluded, sorted; at most `files_max`.
/// Answers whether there were more.
pub(crate) fn paths(
    patterns: &[String],
    excludes: &[Exclude],
    files_max: usize,
) -> (Vec<PathBuf>, bool) {
    let mut paths = Vec::new();
    let mut is_over = false;
    for pattern in patterns {
        // A name is taken as it is first: it may hold letters that mean something in a pattern.
        if Path::new(pattern).exists() {
            paths.push(PathBuf::from(pattern));
            continue;
        }
        let Ok(found) = glob::glob(&from_go(pattern)) else {
            continue;
        };
        for path in found.flatten() {
            if paths.len() >= files_max {
                is_over = true;
                break;
            }
            paths.push(path);
        }
    }
    paths.retain(|path| {
        let text = path.to_string_lossy();
        !excludes.iter().any(|exclude| exclude.is_excluded(&text))
    });
    paths.sort();
    paths.dedup();
    (paths, is_over)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_go_find_what_they_find_there() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "a.log",
            "b.log",
            "c.txt",
            "star*.log",
            "x/a.log",
            "x/y/a.log",
        ] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = |pattern: &str| {
            let pattern = format!("{}/{pattern}", dir.path().display());
            let excludes = [Exclude::new(|path| path.ends_with(".txt"))];
            let (paths, _) = paths(&[pattern.clone(), pattern], &excludes, 100);
            let relative = |path: &PathBuf| {
                let path = path.strip_prefix(dir.path()).unwrap();
                path.display().to_string()
            };
            paths.iter().map(relative).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(found("*"), "a.log b.log star*.log x");
        assert_eq!(found("[^ac]*.log"), "b.log star*.log");
        assert_eq!(found(r"star\*.log"), "star*.log");
        assert_eq!(found("star*.log"), "star*.log");
        assert_eq!(found("**/a.log"), "x/a.log");
        assert_eq!(found("*/*/a.log"), "x/y/a.log");
        assert!(check("[a").is_err() && check("[^a]").is_ok());
    }
}
