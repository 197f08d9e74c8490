//! A hub directory: every item that exists, found by name or by path.
//!
//! With an `.index.json` items have the names, stages and versions that it gives. Without one the
//! directories are walked: `parsers/<stage>/<author>/<name>.yaml`, `scenarios/<author>/<name>.yaml`
//! and so on, and every item is a local one. Nothing is ever fetched.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::content::{Content, ContentItem, digest};
use crate::diagnostic::{Diagnostic, SourceFile, nearest, shown};
use crate::files::{self, FileError};
use crate::index::{INDEX_BYTES_MAX, Index, IndexError, IndexItem};
use crate::item::{ItemKind, collection};
use crate::yaml;
use crate::yaml::table::Findings;

/// Why a hub cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// A file or a directory cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The index is damaged.
    #[error("{path} is no hub index")]
    Index {
        /// The index.
        path: PathBuf,
        /// Why.
        #[source]
        source: IndexError,
    },
}

/// A hub directory.
#[derive(Debug, Clone)]
pub struct Hub {
    root: PathBuf,
    index: Index,
    has_index: bool,
}

/// What to take from a hub.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Every parser, post-overflow, scenario and context.
    pub everything: bool,
    /// Items by kind and by name, or by a path relative to the hub or to `beside`. Collections
    /// bring their members.
    pub items: Vec<(ItemKind, String)>,
    /// A second directory that paths may be relative to: that of a hub test.
    pub beside: Option<PathBuf>,
}

impl Hub {
    /// Opens a hub directory.
    ///
    /// # Errors
    /// When the index is damaged, or the directory cannot be read.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, HubError> {
        let root = root.into();
        let path = root.join(".index.json");
        if path.exists() {
            let bytes = files::read_bytes(&path, INDEX_BYTES_MAX)?;
            let index = Index::parse(&bytes).map_err(|source| HubError::Index { path, source })?;
            return Ok(Self {
                root,
                index,
                has_index: true,
            });
        }
        // A directory that is missing is an error; one that is empty is an empty hub.
        std::fs::read_dir(&root).map_err(|source| FileError::Read {
            path: root.clone(),
            source,
        })?;
        let mut index = Index::default();
        for kind in ItemKind::ALL {
            for path in files::walk(&root.join(kind.directory()))? {
                if let Some((name, stage)) = identity(kind, &path) {
                    let path = format!("{}/{}", kind.directory(), path.display());
                    index.insert(
                        kind,
                        name,
                        IndexItem {
                            path,
                            stage,
                            ..IndexItem::default()
                        },
                    );
                }
            }
        }
        Ok(Self {
            root,
            index,
            has_index: false,
        })
    }

    /// The directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Names of all items of a kind, sorted.
    #[must_use]
    pub fn names(&self, kind: ItemKind) -> Vec<&str> {
        self.index.items(kind).map(|(name, _)| name).collect()
    }

    /// Collects what was chosen. What cannot be found is a finding of the content.
    ///
    /// Data files are looked for in the hub's `mirror` and `data` directories; add others with
    /// [`Content::add_data_dir`].
    #[must_use]
    pub fn select(&self, selection: &Selection) -> Content {
        let mut content = Content::default();
        content.add_mirror(self.root.join("mirror"));
        content.data.fallbacks.push(self.root.join("data"));
        let mut seen = BTreeSet::new();
        if selection.everything {
            for kind in ItemKind::ALL {
                if kind != ItemKind::Collections {
                    for (name, item) in self.index.items(kind) {
                        self.add_named(kind, name, item, &mut content);
                    }
                }
            }
        }
        for (kind, name) in &selection.items {
            if !name.is_empty() {
                self.add(*kind, name, selection, None, &mut seen, &mut content);
            }
        }
        content.sort();
        content
    }

    /// Adds one item by name or path; `by` is the collection that names it.
    fn add(
        &self,
        kind: ItemKind,
        name: &str,
        selection: &Selection,
        by: Option<&str>,
        seen: &mut BTreeSet<(ItemKind, String)>,
        content: &mut Content,
    ) {
        if !seen.insert((kind, name.to_owned())) {
            return;
        }
        if let Some(item) = self.index.get(kind, name) {
            if kind == ItemKind::Collections {
                let path = self.root.join(&item.path);
                self.add_members(&path, selection, seen, content);
            } else {
                self.add_named(kind, name, item, content);
            }
            return;
        }
        let found = match by {
            // A path that a collection names may not leave the hub; one that a user names may.
            Some(_) => Some(self.root.join(name)).filter(|_| files::is_inside(name)),
            None => {
                // Joined as Go joins: a leading slash does not make the path absolute.
                let relative = name.trim_start_matches('/');
                let beside = selection
                    .beside
                    .as_ref()
                    .map(|directory| directory.join(relative));
                [
                    Some(self.root.join(relative)),
                    beside,
                    Some(PathBuf::from(name)),
                ]
                .into_iter()
                .flatten()
                .find(|path| path.is_file())
            }
        };
        match found.filter(|path| path.is_file()) {
            Some(path) if kind == ItemKind::Collections => {
                self.add_members(&path, selection, seen, content);
            }
            Some(path) => add_local(kind, name, &path, content),
            None => {
                let mut finding = Diagnostic::file(
                    by.map_or_else(|| self.root.display().to_string(), str::to_owned),
                    format!("there is no `{}` in {kind}", shown(name)),
                );
                finding.hint = nearest(name, self.index.items(kind).map(|(name, _)| name))
                    .map(|near| format!("did you mean `{near}`?"));
                content.findings.push(finding);
            }
        }
    }

    fn add_members(
        &self,
        path: &Path,
        selection: &Selection,
        seen: &mut BTreeSet<(ItemKind, String)>,
        content: &mut Content,
    ) {
        let Some(file) = content.read(path, false) else {
            return;
        };
        let documents = match yaml::parse(&file.text) {
            Ok(documents) => documents,
            Err(error) => {
                content.findings.push(Diagnostic::yaml(&file, &error));
                return;
            }
        };
        let mut findings = Findings::new(&file);
        for document in &documents {
            let item = collection::read(&document.root, &mut findings);
            content.n_unsupported += item.n_unsupported;
            for (kind, member) in &item.members {
                // The set of names already seen ends collections that contain each other.
                self.add(
                    *kind,
                    &member.value,
                    selection,
                    Some(&file.path),
                    seen,
                    content,
                );
            }
        }
        content.findings.extend(findings.finish());
    }

    fn add_named(&self, kind: ItemKind, name: &str, item: &IndexItem, content: &mut Content) {
        let path = self.root.join(&item.path);
        let stage = if !kind.has_stages() {
            None
        } else if item.stage.is_empty() {
            let message = format!("`{}` has no stage in the index", shown(name));
            content
                .findings
                .push(Diagnostic::file(item.path.as_str(), message));
            return;
        } else {
            Some(item.stage.as_str())
        };
        match files::read_text(&path) {
            Ok(text) => {
                let (hash, version) = if self.has_index {
                    let hash = digest(text.as_bytes());
                    let version = Arc::from(item.version_of(&hash));
                    (Arc::from(hash), version)
                } else {
                    (Arc::from(""), Arc::from(""))
                };
                let base_name = Path::new(&item.path).file_name().unwrap_or_default();
                content.push(ContentItem {
                    kind,
                    name: Arc::from(name),
                    stage: stage.map(Arc::from),
                    file: SourceFile::new(item.path.as_str(), text),
                    installed: installed_path(kind, stage, &base_name.to_string_lossy()),
                    directory: path.parent().map(Path::to_owned),
                    hash,
                    version,
                });
            }
            Err(error) => content.refuse(kind, name, &item.path, &error),
        }
    }
}

/// Adds a file that is no item of the hub. Its stage is the third part of its path from the end,
/// as `cscli hubtest` has it.
fn add_local(kind: ItemKind, name: &str, path: &Path, content: &mut Content) {
    let parts: Vec<&std::ffi::OsStr> = path.iter().rev().take(3).collect();
    let base_name = parts
        .first()
        .copied()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let stage = match parts.get(2) {
        Some(stage) if kind.has_stages() => Some(stage.to_string_lossy().into_owned()),
        _ => None,
    };
    let short = Path::new(name.trim_start_matches("./")).with_extension("");
    let short = short.to_string_lossy();
    match files::read_text(path) {
        Ok(text) => content.push(ContentItem {
            kind,
            name: Arc::from(&*short),
            installed: installed_path(kind, stage.as_deref(), &base_name),
            stage: stage.map(Arc::from),
            file: SourceFile::new(name, text),
            directory: path.parent().map(Path::to_owned),
            hash: Arc::from(""),
            version: Arc::from(""),
        }),
        Err(error) => content.refuse(kind, &short, name, &error),
    }
}

/// Where an item is installed: without the author.
pub(crate) fn installed_path(kind: ItemKind, stage: Option<&str>, base_name: &str) -> String {
    match stage {
        Some(stage) => format!("{}/{stage}/{base_name}", kind.directory()),
        None => format!("{}/{base_name}", kind.directory()),
    }
}

/// Name and stage of an item by its path below the directory of its kind.
fn identity(kind: ItemKind, path: &Path) -> Option<(String, String)> {
    let mut parts: Vec<String> = path
        .with_extension("")
        .iter()
        .map(|part| part.to_str().map(str::to_owned))
        .collect::<Option<_>>()?;
    let stage = if kind.has_stages() && parts.len() > 1 {
        parts.remove(0)
    } else {
        String::new()
    };
    Some((parts.join("/"), stage))
}
