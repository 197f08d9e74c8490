//! The library that is part of the program: what runs when no hub is given.
//!
//! The files of `scenarios/library` are embedded when the crate is built; hub tests and hidden files
//! are left out. The library's items are local ones: no version, no hash.

use std::path::Path;
use std::str;
use std::sync::Arc;

use crate::content::{Content, ContentItem};
use crate::data::DataSearch;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::files;
use crate::hub::installed_path;
use crate::item::ItemKind;

// FILES: (path below the library, content), sorted by path.
include!(concat!(env!("OUT_DIR"), "/library.rs"));

/// Everything of the embedded library, with its profiles.
#[must_use]
pub fn embedded() -> Content {
    let mut content = Content {
        data: DataSearch {
            embedded: FILES,
            ..DataSearch::default()
        },
        ..Content::default()
    };
    for (path, bytes) in FILES {
        let path = *path;
        let Ok(text) = str::from_utf8(bytes) else {
            content
                .findings
                .push(Diagnostic::file(path, "is not UTF-8"));
            continue;
        };
        let mut parts = path.split('/');
        let first = parts.next().unwrap_or_default();
        if path == "profiles.yaml" {
            content.profiles.push(SourceFile::new(path, text));
        }
        let Some(kind) = ItemKind::of_directory(first) else {
            continue;
        };
        let is_item = kind != ItemKind::Collections && files::is_yaml(Path::new(path));
        let Some(base_name) = path.rsplit('/').next().filter(|_| is_item) else {
            continue;
        };
        let stage = if kind.has_stages() {
            parts.next()
        } else {
            None
        };
        let name = path.split_once('/').map_or(path, |(_, name)| name);
        content.push(ContentItem {
            kind,
            name: Arc::from(&*Path::new(name).with_extension("").to_string_lossy()),
            installed: installed_path(kind, stage, base_name),
            stage: stage.map(Arc::from),
            file: SourceFile::new(path, text),
            directory: None,
            hash: Arc::from(""),
            version: Arc::from(""),
        });
    }
    content.sort();
    content
}
