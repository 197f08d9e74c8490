//! Finding the files that `data:` entries name. Nothing is downloaded.
//!
//! A file is looked for, in this order: under its `dest_file` in the data directories; under the
//! path of its `source_url` in the mirrors (`<mirror>/<host>/<path>`); under its `dest_file` beside
//! the item and in the hub's own `data` directory; in the embedded library. A missing file is a
//! warning, as in CrowdSec: expressions then see an empty one.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::files::{self, FileError};
use crate::item::data::DataItem;

/// Longest list of lines that is read.
pub(crate) const DATA_BYTES_MAX: u64 = 64 << 20;
/// Longest GeoIP database that is read.
pub(crate) const DATABASE_BYTES_MAX: u64 = 1 << 30;

/// Where data files are looked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct DataSearch {
    /// Data directories.
    pub(crate) directories: Vec<PathBuf>,
    /// Directories of hosts.
    pub(crate) mirrors: Vec<PathBuf>,
    /// Searched after the item's own directory.
    pub(crate) fallbacks: Vec<PathBuf>,
    /// Files of the embedded library, by path.
    pub(crate) embedded: &'static [(&'static str, &'static [u8])],
}

/// A data file that was found.
pub(crate) struct Found {
    /// Path, for findings.
    pub(crate) path: String,
    /// Content.
    pub(crate) bytes: Cow<'static, [u8]>,
}

impl DataSearch {
    /// Whether somebody named a data directory.
    pub(crate) fn has_directories(&self) -> bool {
        !self.directories.is_empty()
    }

    /// The file of an entry; `None` when it is nowhere.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub(crate) fn find(
        &self,
        item: &DataItem,
        beside: Option<&Path>,
        bytes_max: u64,
    ) -> Result<Option<Found>, FileError> {
        let dest_file = item
            .dest_file
            .as_ref()
            .map(|text| &*text.value)
            .filter(|name| files::is_inside(name));
        let mirrored = item
            .source_url
            .as_ref()
            .and_then(|url| path_of_url(&url.value));
        let in_directories = dest_file
            .into_iter()
            .flat_map(|name| join_all(&self.directories, name));
        let in_mirrors = mirrored
            .iter()
            .flat_map(|path| join_all(&self.mirrors, path));
        let beside = dest_file
            .into_iter()
            .flat_map(|name| beside.map(|directory| directory.join(name)));
        let in_fallbacks = dest_file
            .into_iter()
            .flat_map(|name| join_all(&self.fallbacks, name));
        let candidates = in_directories
            .chain(in_mirrors)
            .chain(beside)
            .chain(in_fallbacks);
        for path in candidates {
            if path.is_file() {
                let bytes = files::read_bytes(&path, bytes_max)?;
                let path = path.display().to_string();
                return Ok(Some(Found {
                    path,
                    bytes: Cow::Owned(bytes),
                }));
            }
        }
        Ok(dest_file.and_then(|name| self.find_embedded(name)))
    }

    /// A file of this name in a data directory.
    pub(crate) fn find_named(
        &self,
        name: &str,
        bytes_max: u64,
    ) -> Result<Option<Found>, FileError> {
        match join_all(&self.directories, name).find(|path| path.is_file()) {
            Some(path) => {
                let bytes = files::read_bytes(&path, bytes_max)?;
                Ok(Some(Found {
                    path: path.display().to_string(),
                    bytes: Cow::Owned(bytes),
                }))
            }
            None => Ok(None),
        }
    }

    fn find_embedded(&self, name: &str) -> Option<Found> {
        let wanted = format!("data/{name}");
        let (path, bytes) = self.embedded.iter().find(|(path, _)| *path == wanted)?;
        Some(Found {
            path: (*path).to_owned(),
            bytes: Cow::Borrowed(bytes),
        })
    }
}

fn join_all<'a>(directories: &'a [PathBuf], name: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
    directories
        .iter()
        .map(move |directory| directory.join(name))
}

/// `<host>/<path>` of a URL, if that is a path without surprises.
fn path_of_url(url: &str) -> Option<&str> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))?;
    let path = rest.split(['?', '#']).next()?;
    files::is_inside(path).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_become_paths_only_if_they_stay_inside() {
        let cases = [
            (
                "https://hub.example/web/x.txt",
                Some("hub.example/web/x.txt"),
            ),
            (
                "http://hub.example/web/x.txt?v=1#top",
                Some("hub.example/web/x.txt"),
            ),
            ("https://hub.example/../../etc/passwd", None),
            ("https:///etc/passwd", None),
            ("ftp://hub.example/x", None),
            ("", None),
        ];
        for (url, expected) in cases {
            assert_eq!(path_of_url(url), expected, "{url}");
        }
    }
}
