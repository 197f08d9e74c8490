//! The grok patterns that documents start from.

use std::sync::Arc;

use overspill_grok::Library;

use super::nodes::chain;
use crate::content::PatternFile;
use crate::diagnostic::Diagnostic;

/// The built-in patterns; with a pattern directory, the base patterns and the directory's own.
///
/// As in CrowdSec a directory replaces the stock one. Stock names that it does not define stay
/// known all the same, so that content that relies on them runs with an incomplete directory too.
pub(super) fn library(files: &[PatternFile], findings: &mut Vec<Diagnostic>) -> Library {
    let stock = Library::builtin();
    if files.is_empty() {
        return stock;
    }
    let mut library = Library::base();
    for file in files {
        let name = file.path.display().to_string();
        if let Err(error) = library.add_file(&name, &file.text) {
            let finding = Diagnostic::file(Arc::from(name), chain(&error));
            findings.push(finding.with_hint("what the file defines after this place is not known"));
        }
    }
    let mut missing: Vec<(&str, &str)> = stock
        .names()
        .into_iter()
        .filter(|name| library.get(name).is_none())
        .filter_map(|name| Some((name, stock.get(name)?)))
        .collect();
    // A definition can be added once all names it refers to are known: each round adds some.
    loop {
        let before = missing.len();
        missing.retain(|(name, pattern)| library.add(name, pattern).is_err());
        if missing.is_empty() || missing.len() == before {
            return library;
        }
    }
}
