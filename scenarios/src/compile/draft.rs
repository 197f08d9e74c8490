//! Documents between decoding and compiling.

use std::sync::Arc;

use crate::content::ContentItem;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::item::ItemKind;
use crate::report::{Refused, Report};
use crate::yaml::table::Findings;
use crate::yaml::{self, Node};

/// One document: what it says, and what is wrong with it so far.
pub(super) struct Draft<'c, T> {
    /// The file.
    pub(super) source: &'c ContentItem,
    /// The decoded document, until it is compiled or refused.
    pub(super) item: Option<T>,
    pub(super) findings: Findings<'c>,
    /// Name of the document, as far as it is known.
    name: Arc<str>,
    is_accepted: bool,
    /// The document says nothing, and CrowdSec passes over it without a word.
    is_skipped: bool,
}

impl<'c, T> Draft<'c, T> {
    /// Every document of the files of a kind. `read` gives `None` for a document to pass over.
    pub(super) fn all(
        items: &'c [ContentItem],
        kind: ItemKind,
        mut read: impl FnMut(&Node, &mut Findings<'_>) -> Option<T>,
    ) -> Vec<Self> {
        let mut drafts = Vec::new();
        for source in items.iter().filter(|item| item.kind == kind) {
            let draft = |item, findings: Findings<'c>, is_skipped| Self {
                source,
                item,
                findings,
                name: Arc::clone(&source.name),
                is_accepted: false,
                is_skipped,
            };
            match yaml::parse(&source.file.text) {
                Ok(documents) if documents.is_empty() => {
                    let mut findings = Findings::new(&source.file);
                    let path = Arc::clone(&source.file.path);
                    findings.push(Diagnostic::file(path, "holds no item").warning());
                    drafts.push(draft(None, findings, true));
                }
                Ok(documents) => {
                    for document in documents {
                        let mut findings = Findings::of_document(&source.file, &document);
                        let item = read(&document.root, &mut findings);
                        let is_skipped = item.is_none() && !findings.has_errors();
                        let item = item.filter(|_| !findings.has_errors());
                        drafts.push(draft(item, findings, is_skipped));
                    }
                }
                Err(error) => {
                    let mut findings = Findings::new(&source.file);
                    findings.push(Diagnostic::yaml(&source.file, &error));
                    drafts.push(draft(None, findings, false));
                }
            }
        }
        drafts
    }

    /// Marks the document as loaded.
    pub(super) fn accept(&mut self, name: &Arc<str>) {
        self.name = Arc::clone(name);
        self.is_accepted = true;
    }

    /// Hands findings and outcome over to the report.
    pub(super) fn finish(self, report: &mut Report) {
        let Self {
            source,
            findings,
            name,
            is_accepted,
            is_skipped,
            ..
        } = self;
        if is_accepted {
            report.count_loaded(source.kind);
        } else if !is_skipped {
            report.refused.push(Refused {
                kind: source.kind,
                name,
                file: Arc::clone(&source.file.path),
            });
        }
        report.findings.extend(findings.finish());
    }
}

/// The documents of a settings file, with problems reported; none when it is not YAML.
pub(super) fn settings<'c>(
    file: &'c SourceFile,
    mut read: impl FnMut(&Node, Findings<'c>),
) -> Option<Diagnostic> {
    match yaml::parse(&file.text) {
        Ok(documents) => {
            for document in documents {
                let findings = Findings::of_document(file, &document);
                read(&document.root, findings);
            }
            None
        }
        Err(error) => Some(Diagnostic::yaml(file, &error)),
    }
}
