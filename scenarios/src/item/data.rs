//! `data:` entries: files that helper functions of expressions read.

use super::duration;
use crate::yaml::Node;
use crate::yaml::table::{Findings, Table, Text, Unknown};

/// One entry (`pkg/enrichment/dataprovider.go`).
#[derive(Debug, Clone)]
pub(crate) struct DataItem {
    /// Where the file comes from; never fetched by this crate.
    pub(crate) source_url: Option<Text>,
    /// Name of the file in the data directory.
    pub(crate) dest_file: Option<Text>,
    /// `string`, `regexp`, `map`, `bots`, or empty for files that no helper reads by lines.
    pub(crate) kind: Option<Text>,
}

/// Reads the `data` list of an item.
pub(crate) fn read(table: &mut Table<'_>, findings: &mut Findings<'_>) -> Vec<DataItem> {
    table.list("data", findings, entry)
}

fn entry(node: &Node, findings: &mut Findings<'_>) -> DataItem {
    let mut table = Table::open(node, Unknown::Refuse, findings);
    let source_url = table.filled("source_url", findings);
    let dest_file = table.filled("dest_file", findings);
    let kind = table.filled("type", findings);
    // Cache settings never change a result, and ours has its own bounds: checked, then dropped.
    let _cached = table.flag("cache", findings);
    let _strategy = table.text("strategy", findings);
    let _size = table.int("size", findings);
    if let Some(ttl) = table.filled("ttl", findings) {
        let _ttl_ns = duration::read(&ttl, findings);
    }
    table.close(&[], findings);
    DataItem {
        source_url,
        dest_file,
        kind,
    }
}
