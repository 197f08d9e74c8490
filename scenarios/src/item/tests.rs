mod nodes;
mod others;
mod scenarios;

use crate::diagnostic::{Diagnostic, SourceFile};
use crate::yaml::table::Findings;
use crate::yaml::{self, Node};

/// All findings about the documents of a text, as users see them.
fn findings<T>(
    text: &str,
    mut read: impl FnMut(&Node, &mut Findings<'_>) -> T,
) -> (Vec<T>, String) {
    let file = SourceFile::new("x.yaml", text);
    let mut items = Vec::new();
    let mut found = Vec::new();
    for document in yaml::parse(text).unwrap() {
        let mut findings = Findings::of_document(&file, &document);
        items.push(read(&document.root, &mut findings));
        found.extend(findings.finish().iter().map(Diagnostic::render));
    }
    (items, found.join("\n"))
}
