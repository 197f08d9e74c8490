//! `.index.json`: what a hub holds, and which digest is which version (`pkg/cwhub`).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::Deserialize;

use crate::item::ItemKind;

/// Longest index that is read.
pub(crate) const INDEX_BYTES_MAX: u64 = 64 << 20;

/// Why an index cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("read the hub index")]
pub struct IndexError(#[from] serde_json::Error);

/// The items of a hub by kind and name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    kinds: BTreeMap<ItemKind, BTreeMap<String, IndexItem>>,
}

/// One item.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct IndexItem {
    /// Path within the hub.
    pub(crate) path: String,
    /// Stage, for parsers and post-overflows.
    #[serde(default)]
    pub(crate) stage: String,
    /// Every published version.
    #[serde(default)]
    pub(crate) versions: BTreeMap<String, IndexVersion>,
}

/// One published version of an item.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct IndexVersion {
    /// SHA-256 of the file, hexadecimal.
    #[serde(default)]
    pub(crate) digest: String,
}

impl Index {
    /// Reads an index. Kinds that the engine does not run are left out, and so are paths that lead
    /// out of the hub.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, IndexError> {
        let all: BTreeMap<String, BTreeMap<String, IndexItem>> = serde_json::from_slice(bytes)?;
        let mut kinds = BTreeMap::new();
        for (directory, mut items) in all {
            let Some(kind) = ItemKind::of_directory(&directory) else {
                continue;
            };
            items.retain(|_, item| crate::files::is_inside(&item.path));
            kinds.insert(kind, items);
        }
        Ok(Self { kinds })
    }

    /// An item by name.
    pub(crate) fn get(&self, kind: ItemKind, name: &str) -> Option<&IndexItem> {
        self.kinds.get(&kind)?.get(name)
    }

    /// Adds an item; used when a hub has no index and its directories are walked.
    pub(crate) fn insert(&mut self, kind: ItemKind, name: String, item: IndexItem) {
        self.kinds.entry(kind).or_default().insert(name, item);
    }

    /// All items of a kind, by name.
    pub(crate) fn items(&self, kind: ItemKind) -> impl Iterator<Item = (&str, &IndexItem)> {
        self.kinds
            .get(&kind)
            .into_iter()
            .flatten()
            .map(|(name, item)| (name.as_str(), item))
    }

    /// The item that has this path.
    pub(crate) fn by_path(&self, kind: ItemKind, path: &str) -> Option<(&str, &IndexItem)> {
        self.items(kind).find(|(_, item)| item.path == path)
    }
}

impl IndexItem {
    /// The highest version whose digest this is; `?` if there is none: the file was changed.
    pub(crate) fn version_of(&self, digest: &str) -> &str {
        self.versions
            .iter()
            .filter(|(_, version)| version.digest == digest)
            .map(|(name, _)| name.as_str())
            .max_by(|a, b| compare(a, b))
            .unwrap_or("?")
    }
}

/// Versions number by number; what is no number compares as text.
fn compare(a: &str, b: &str) -> Ordering {
    let parts = |text: &str| -> Vec<Result<u64, String>> {
        text.split('.')
            .map(|part| part.parse().map_err(|_| part.to_owned()))
            .collect()
    };
    parts(a).cmp(&parts(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_with_the_digest_wins() {
        let index = Index::parse(
            br#"{
                "scenarios": {"a/b": {"path": "scenarios/a/b.yaml", "content": "eA==", "versions": {
                    "0.9": {"digest": "d1", "deprecated": false},
                    "0.10": {"digest": "d1"},
                    "1.0": {"digest": "d2"}}}},
                "appsec-rules": {"x/y": {"path": "appsec-rules/x/y.yaml"}},
                "parsers": {
                    "evil/up": {"path": "../../etc/passwd", "stage": "s00-raw"},
                    "evil/root": {"path": "/etc/passwd", "stage": "s00-raw"}}
            }"#,
        )
        .unwrap();
        let item = index.get(ItemKind::Scenarios, "a/b").unwrap();
        assert_eq!(item.version_of("d1"), "0.10");
        assert_eq!(item.version_of("d2"), "1.0");
        assert_eq!(item.version_of("d3"), "?");
        assert_eq!(index.items(ItemKind::Parsers).count(), 0);
        assert!(
            index
                .by_path(ItemKind::Scenarios, "scenarios/a/b.yaml")
                .is_some()
        );
    }

    #[test]
    fn what_is_no_index_is_an_error() {
        assert!(Index::parse(b"[]").is_err());
        assert!(Index::parse(b"{\"scenarios\": {\"x\": 1}}").is_err());
    }
}
