//! Alert context: expressions whose values go into alerts (`pkg/alertcontext`).

use crate::yaml::Node;
use crate::yaml::table::{Findings, Table, Text, Unknown};

/// Keys with their expressions, in file order.
pub(crate) type ContextItem = Vec<(Text, Vec<Text>)>;

/// Reads a hub item of type contexts: the map stands below `context:`.
pub(crate) fn read(root: &Node, findings: &mut Findings<'_>) -> ContextItem {
    let mut table = Table::open(root, Unknown::Warn, findings);
    for key in [
        "name",
        "description",
        "author",
        "version",
        "references",
        "labels",
        "tags",
    ] {
        let _informational = table.value(key);
    }
    let context = table.child("context", findings, keys).unwrap_or_default();
    table.close(&[], findings);
    context
}

/// Reads a console context file: the map is the whole document.
pub(crate) fn read_console(root: &Node, findings: &mut Findings<'_>) -> ContextItem {
    let table = Table::open(root, Unknown::Ignore, findings);
    keys(table, findings)
}

fn keys(table: Table<'_>, findings: &mut Findings<'_>) -> ContextItem {
    let mut context = Vec::new();
    for entry in table.entries() {
        findings.within(&entry.key, |findings| {
            let mut expressions = Vec::new();
            for (n, item) in findings.items(&entry.value).iter().enumerate() {
                let text = findings.within(&format!("[{n}]"), |findings| findings.text(item));
                expressions.extend(text.filter(|text| !text.is_empty()));
            }
            context.push((Text::of_key(entry, findings), expressions));
        });
    }
    context
}
