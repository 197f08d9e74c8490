//! What a user names on the command line, made into files: paths, globs, directories, `-`, DSNs.

use std::path::{Path, PathBuf};
#[cfg(feature = "object-store")]
use std::sync::Arc;

use overspill_event::Origin;

#[cfg(feature = "object-store")]
use crate::blob::Blob;
use crate::file::STDIN;
use crate::lines::LINE_BYTES_MAX;
use crate::open::{Options, open_path};
use crate::source::{Source, SourceError};

/// Deepest folder that is looked into below a directory that was named.
const DEPTH_MAX: usize = 16;
/// Most files that one replay reads.
pub(crate) const FILES_MAX: usize = 100_000;

/// One file to read.
#[derive(Debug, Clone)]
pub struct Input {
    /// Path, address of an object, or `-`.
    pub path: String,
    /// Longest line in bytes.
    pub line_bytes_max: usize,
    #[cfg(feature = "object-store")]
    object: Option<Arc<crate::store::Object>>,
}

/// Why a name gave no file.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// There is no such file.
    #[error("{name}: no such file or directory")]
    Missing {
        /// As given.
        name: String,
    },
    /// A pattern or directory without files.
    #[error("{name}: no file in it")]
    Empty {
        /// As given.
        name: String,
    },
    /// A pattern that is none.
    #[error("{name}: bad pattern: {reason}")]
    Pattern {
        /// As given.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A DSN that is not understood.
    #[error("{name}: {reason}")]
    Dsn {
        /// As given.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A directory could not be listed.
    #[error("list {path}")]
    List {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Objects could not be found.
    #[error("{name}: {reason}")]
    Objects {
        /// As given.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// Too many files.
    #[error("more than {FILES_MAX} files: name fewer")]
    TooMany,
}

impl Input {
    fn file(path: String, line_bytes_max: usize) -> Self {
        Self {
            path,
            line_bytes_max,
            #[cfg(feature = "object-store")]
            object: None,
        }
    }

    /// Name of the module that reads it, as an event shows it.
    #[must_use]
    pub fn module(&self) -> &str {
        self.path
            .split_once("://")
            .map_or("file", |(scheme, _)| scheme)
    }

    /// Bytes as they are stored, where known.
    #[must_use]
    pub fn stored_bytes(&self) -> Option<u64> {
        #[cfg(feature = "object-store")]
        if let Some(object) = &self.object {
            return Some(object.len());
        }
        std::fs::metadata(&self.path).ok().map(|meta| meta.len())
    }

    /// Opens it as what its first bytes say.
    ///
    /// # Errors
    /// As [`open_path`].
    pub fn open(&self, origin: Origin, options: Options) -> Result<Box<dyn Source>, SourceError> {
        #[cfg(feature = "object-store")]
        if let Some(object) = &self.object {
            let object: Arc<dyn Blob> = Arc::<crate::store::Object>::clone(object);
            return crate::open::open_blob(origin, object, options);
        }
        open_path(origin, options)
    }

    /// The files a name stands for, in byte order of their paths.
    ///
    /// `-` is standard input, `file://` a DSN (`acquisition.md` 1.7), a name with `*`, `?` or `[` that
    /// is no file a pattern, a directory all files below it that do not begin with a dot. Another
    /// `scheme://` is the address of objects, if this build reads them.
    ///
    /// # Errors
    /// [`InputError`] when the name stands for nothing.
    pub fn expand(name: &str) -> Result<Vec<Self>, InputError> {
        if let Some(rest) = name.strip_prefix("file://") {
            return dsn(name, rest);
        }
        if is_address(name) {
            return objects(name);
        }
        expand(name, LINE_BYTES_MAX)
    }
}

/// `scheme://...`
fn is_address(name: &str) -> bool {
    name.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

#[cfg(feature = "object-store")]
fn objects(name: &str) -> Result<Vec<Input>, InputError> {
    let objects = crate::store::find(name)?;
    let input = |(path, object)| Input {
        object: Some(Arc::new(object)),
        ..Input::file(path, LINE_BYTES_MAX)
    };
    Ok(objects.into_iter().map(input).collect())
}

#[cfg(not(feature = "object-store"))]
fn objects(name: &str) -> Result<Vec<Input>, InputError> {
    Err(InputError::Objects {
        name: name.to_owned(),
        reason: "this program was built without object stores: build it with --features \
                 object-store, or fetch the files first"
            .to_owned(),
    })
}

/// `file://PATH_OR_GLOB?log_level=...&max_buffer_size=...`
fn dsn(name: &str, rest: &str) -> Result<Vec<Input>, InputError> {
    let failed = |reason: String| InputError::Dsn {
        name: name.to_owned(),
        reason,
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if path.is_empty() {
        return Err(failed("no path".to_owned()));
    }
    let mut line_bytes_max = LINE_BYTES_MAX;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match key {
            "max_buffer_size" => {
                line_bytes_max = value
                    .parse()
                    .ok()
                    .filter(|n| (1..=1 << 30).contains(n))
                    .ok_or_else(|| failed(format!("max_buffer_size: {value:?} is no size")))?;
            }
            "log_level" => {}
            _ => return Err(failed(format!("unknown parameter {key:?}"))),
        }
    }
    expand(path, line_bytes_max)
}

fn expand(name: &str, line_bytes_max: usize) -> Result<Vec<Input>, InputError> {
    let input = |path: &Path| Input::file(path.display().to_string(), line_bytes_max);
    if name == STDIN {
        return Ok(vec![Input::file(STDIN.to_owned(), line_bytes_max)]);
    }
    let path = Path::new(name);
    if path.is_dir() {
        let mut files = Vec::new();
        walk(path, 0, &mut files)?;
        files.sort();
        if files.is_empty() {
            return Err(InputError::Empty {
                name: name.to_owned(),
            });
        }
        return Ok(files.iter().map(|path| input(path)).collect());
    }
    if path.exists() {
        return Ok(vec![input(path)]);
    }
    if !name.contains(['*', '?', '[']) {
        return Err(InputError::Missing {
            name: name.to_owned(),
        });
    }
    let paths = glob::glob(name).map_err(|error| InputError::Pattern {
        name: name.to_owned(),
        reason: error.msg.to_owned(),
    })?;
    let mut files: Vec<PathBuf> = paths.flatten().filter(|path| path.is_file()).collect();
    files.sort();
    match files.len() {
        0 => Err(InputError::Empty {
            name: name.to_owned(),
        }),
        n if n > FILES_MAX => Err(InputError::TooMany),
        _ => Ok(files.iter().map(|path| input(path)).collect()),
    }
}

fn walk(dir: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), InputError> {
    let failed = |source| InputError::List {
        path: dir.to_owned(),
        source,
    };
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
        if is_hidden {
            continue;
        }
        if path.is_dir() && depth < DEPTH_MAX {
            walk(&path, depth + 1, files)?;
        } else if path.is_file() {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            return Err(InputError::TooMany);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(inputs: &[Input], dir: &Path) -> Vec<String> {
        let prefix = format!("{}/", dir.display());
        inputs
            .iter()
            .map(|input| input.path.replace(&prefix, ""))
            .collect()
    }

    #[test]
    fn paths_patterns_directories_and_dsns_give_files_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        std::fs::create_dir(at("sub")).unwrap();
        for name in ["b.log", "a.log", "sub/c.log", ".hidden"] {
            std::fs::write(at(name), "x\n").unwrap();
        }
        let check = |name: &str, expected: &[&str]| {
            assert_eq!(
                names(&Input::expand(name).unwrap(), dir.path()),
                expected,
                "{name}"
            );
        };
        check(&at("a.log"), &["a.log"]);
        check(&at("*.log"), &["a.log", "b.log"]);
        check(&at(""), &["a.log", "b.log", "sub/c.log"]);
        check(
            &format!("file://{}?max_buffer_size=100", at("a.log")),
            &["a.log"],
        );
        check("-", &["-"]);
        let limit = Input::expand(&format!("file://{}?max_buffer_size=100", at("a.log"))).unwrap();
        assert_eq!(limit[0].line_bytes_max, 100);
    }

    #[test]
    fn a_name_without_files_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let error = |name: &str| Input::expand(name).unwrap_err().to_string();
        assert!(error(&at("no")).ends_with("no such file or directory"));
        assert!(error(&at("*.log")).ends_with("no file in it"));
        assert!(error(&at("")).ends_with("no file in it"));
        #[cfg(not(feature = "object-store"))]
        assert!(error("s3://a/b").contains("--features object-store"));
        assert!(error(&format!("file://{}?x=1", at("no"))).ends_with("unknown parameter \"x\""));
    }
}
