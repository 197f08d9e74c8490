//! Reading files of content, with the path in every error and a limit on every size.

use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::yaml;

/// Deepest directory that is walked.
const DEPTH_MAX: usize = 16;
/// Most files that one walk gives.
const FILES_MAX: usize = 100_000;

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system says no.
    #[error("read {path}")]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Longer than what is read.
    #[error("{path} is longer than {bytes_max} bytes")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The limit.
        bytes_max: u64,
    },
    /// A named pipe: to open one waits for a writer, who may never come.
    #[error("{path} is a named pipe")]
    Pipe {
        /// The file.
        path: PathBuf,
    },
    /// Not text.
    #[error("{path} is not UTF-8")]
    NotText {
        /// The file.
        path: PathBuf,
    },
}

impl FileError {
    /// The error as a finding, with its cause.
    pub(crate) fn finding(&self) -> Diagnostic {
        let (path, message) = match self {
            Self::Read { path, source } => (path, format!("cannot be read: {source}")),
            Self::TooLong { path, bytes_max } => {
                (path, format!("is longer than {bytes_max} bytes"))
            }
            Self::Pipe { path } => (path, "is a named pipe".to_owned()),
            Self::NotText { path } => (path, "is not UTF-8".to_owned()),
        };
        Diagnostic::file(path.display().to_string(), message)
    }
}

/// The bytes of a file.
pub(crate) fn read_bytes(path: &Path, bytes_max: u64) -> Result<Vec<u8>, FileError> {
    let failed = |source| FileError::Read {
        path: path.to_owned(),
        source,
    };
    if is_pipe(&fs::metadata(path).map_err(failed)?) {
        return Err(FileError::Pipe {
            path: path.to_owned(),
        });
    }
    let file = fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    // Read one byte past the limit: a length asked for beforehand may be that of another file.
    file.take(bytes_max.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > bytes_max) {
        return Err(FileError::TooLong {
            path: path.to_owned(),
            bytes_max,
        });
    }
    Ok(bytes)
}

#[cfg(unix)]
fn is_pipe(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    metadata.file_type().is_fifo()
}

#[cfg(not(unix))]
fn is_pipe(_: &fs::Metadata) -> bool {
    false
}

/// The text of a YAML file.
pub(crate) fn read_text(path: &Path) -> Result<Arc<str>, FileError> {
    let bytes_max = u64::try_from(yaml::BYTES_MAX).unwrap_or(u64::MAX);
    let bytes = read_bytes(path, bytes_max)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Arc::from(text)),
        Err(_) => Err(FileError::NotText {
            path: path.to_owned(),
        }),
    }
}

/// Whether a relative path stays below the directory it is relative to.
pub(crate) fn is_inside(path: &str) -> bool {
    !path.is_empty()
        && Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
}

/// Whether a file name is one of YAML.
pub(crate) fn is_yaml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// The YAML files below a directory, as paths relative to it, in byte order. Directories whose name
/// begins with a dot are passed over, and links to directories are not followed. A directory that
/// is not there has no files.
pub(crate) fn walk(root: &Path) -> Result<Vec<PathBuf>, FileError> {
    let mut found = Vec::new();
    let mut open = vec![(PathBuf::new(), 0)];
    while let Some((relative, depth)) = open.pop() {
        let path = root.join(&relative);
        let failed = |source| FileError::Read {
            path: path.clone(),
            source,
        };
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound && depth == 0 => break,
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let is_directory = entry.file_type().map_err(failed)?.is_dir();
            let relative = relative.join(entry.file_name());
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if is_directory && !is_hidden && depth < DEPTH_MAX {
                open.push((relative, depth + 1));
            } else if !is_directory && is_yaml(&relative) && found.len() < FILES_MAX {
                found.push(relative);
            }
        }
    }
    found.sort_unstable_by(|a, b| {
        a.as_os_str()
            .as_encoded_bytes()
            .cmp(b.as_os_str().as_encoded_bytes())
    });
    Ok(found)
}
