//! Collections: names of other items.

use super::ItemKind;
use crate::yaml::Node;
use crate::yaml::table::{Findings, Table, Text, Unknown};

/// What a collection names.
#[derive(Debug, Clone, Default)]
pub(crate) struct CollectionItem {
    /// Members by kind, in file order.
    pub(crate) members: Vec<(ItemKind, Text)>,
    /// WAF rules and configurations, which this engine does not run.
    pub(crate) n_unsupported: usize,
}

/// Reads a collection. CrowdSec takes what it knows and passes over the rest, and so do we.
pub(crate) fn read(root: &Node, findings: &mut Findings<'_>) -> CollectionItem {
    let mut table = Table::open(root, Unknown::Ignore, findings);
    let mut item = CollectionItem::default();
    for kind in ItemKind::ALL {
        for member in table.texts(kind.directory(), findings) {
            // An empty name is a placeholder that templates leave behind.
            if !member.is_empty() {
                item.members.push((kind, member));
            }
        }
    }
    for key in ["appsec-rules", "appsec-configs"] {
        item.n_unsupported += table.texts(key, findings).len();
    }
    table.close(&[], findings);
    item
}
