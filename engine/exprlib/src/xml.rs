//! `XMLGetNodeValue` and `XMLGetAttributeValue`: one value of an XML document.
//!
//! Documents are read as Go's `encoding/xml` reads them in strict mode and searched by the paths
//! of `etree`: `/Event/EventData[1]/Data[@Name='User']`. Any malformed document has no values. One
//! leniency beyond Go's: every character that is not ASCII may stand in a name.
//!
//! Scenarios ask the same line for many values, so each thread keeps the last document and the
//! paths it has seen.

mod document;
mod path;
mod reader;

use std::cell::RefCell;
use std::rc::Rc;

pub use document::Document;
pub use path::{Path, PathError};

/// Paths that a thread keeps compiled. Items name some two hundred.
const PATHS_KEPT: usize = 512;

/// A path's text, and the path unless it is malformed.
type KeptPath = (Box<[u8]>, Option<Rc<Path>>);

#[derive(Default)]
struct Kept {
    text: Vec<u8>,
    /// `None` inside: the text is malformed.
    document: Option<Option<Rc<Document>>>,
    /// Sorted by text.
    paths: Vec<KeptPath>,
}

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

/// The text of the first element at a path: what stands directly after its start tag, comments
/// left out, up to its first child. `None`, where the helper yields the empty string, if there is
/// no such element, or if document or path are malformed.
#[must_use]
pub fn node_value(xml: &[u8], path: &[u8]) -> Option<Vec<u8>> {
    let (document, path) = prepare(xml, path)?;
    document
        .find(&path)
        .map(|element| document.text(element).to_vec())
}

/// The value of an attribute of the first element at a path. `None`, where the helper yields the
/// empty string, if there is no such element or attribute, or if document or path are malformed.
#[must_use]
pub fn attribute_value(xml: &[u8], path: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let (document, path) = prepare(xml, path)?;
    let element = document.find(&path)?;
    document.attribute(element, name).map(<[u8]>::to_vec)
}

fn prepare(xml: &[u8], path: &[u8]) -> Option<(Rc<Document>, Rc<Path>)> {
    KEPT.with_borrow_mut(|kept| {
        let path = kept.path(path)?;
        Some((kept.document(xml)?, path))
    })
}

impl Kept {
    fn path(&mut self, text: &[u8]) -> Option<Rc<Path>> {
        let place = self.paths.binary_search_by(|(kept, _)| (**kept).cmp(text));
        match place {
            Ok(at) => self.paths.get(at).and_then(|(_, path)| path.clone()),
            Err(at) => {
                let path = Path::compile(text).ok().map(Rc::new);
                if self.paths.len() < PATHS_KEPT {
                    self.paths.insert(at, (text.into(), path.clone()));
                }
                path
            }
        }
    }

    fn document(&mut self, xml: &[u8]) -> Option<Rc<Document>> {
        match &self.document {
            Some(document) if self.text == xml => document.clone(),
            _ => {
                let document = Document::parse(xml).map(Rc::new);
                self.text.clear();
                self.text.extend_from_slice(xml);
                self.document = Some(document.clone());
                document
            }
        }
    }
}

#[cfg(test)]
mod tests;
