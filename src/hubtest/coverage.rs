//! Which items of a hub have tests that mention them: `hubtest.md` 6.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use overspill_scenarios::{Hub, ItemKind};
use regex::Regex;

use super::case::{Case, TESTS_DIR};

/// An item and the number of assertions that mention it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// Name of the item.
    pub name: String,
    /// Assertions that mention it.
    pub n_assertions: usize,
}

/// Share of items that are mentioned, in percent.
#[must_use]
pub fn percent(items: &[Coverage]) -> usize {
    let covered = items.iter().filter(|item| item.n_assertions > 0).count();
    (covered * 100 + items.len() / 2) / items.len().max(1)
}

/// Coverage of parsers.
///
/// # Errors
/// When tests cannot be read.
pub fn parsers(hub: &Hub) -> Result<Vec<Coverage>> {
    let pattern = Regex::new(r#"^results\["[^"]+"\]\["([^"]+)"\]\[[0-9]+\]\.Evt\..*"#)?;
    let is_same = |item: &str, name: &str| {
        let (item_last, name_last) = (last(item), last(name));
        name == item
            || name == item_last
            || name_last == item_last
            || name_last.strip_suffix("-logs") == Some(item_last)
            || item_last.strip_suffix("-logs") == Some(name_last)
    };
    count(hub, ItemKind::Parsers, "parser.assert", &pattern, is_same)
}

/// Coverage of scenarios.
///
/// # Errors
/// When tests cannot be read.
pub fn scenarios(hub: &Hub) -> Result<Vec<Coverage>> {
    let pattern = Regex::new(r#"^results\[[0-9]+\].Overflow.Alert.GetScenario\(\) == "([^"]+)""#)?;
    let is_same = |item: &str, name: &str| {
        let plain = |text: &str| {
            let text = last(text).replace("probbing", "probing");
            text.strip_suffix("-detection")
                .map(str::to_owned)
                .unwrap_or(text)
        };
        name == item || last(name) == last(item) || plain(name) == plain(item)
    };
    count(
        hub,
        ItemKind::Scenarios,
        "scenario.assert",
        &pattern,
        is_same,
    )
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn count(
    hub: &Hub,
    kind: ItemKind,
    file: &str,
    pattern: &Regex,
    is_same: impl Fn(&str, &str) -> bool,
) -> Result<Vec<Coverage>> {
    let mut mentions: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for name in Case::names(hub.root())? {
        let path = hub.root().join(TESTS_DIR).join(name).join(file);
        if !path.exists() {
            continue;
        }
        for line in read(&path)?.lines() {
            if let Some(item) = pattern.captures(line).and_then(|captures| captures.get(1)) {
                *mentions.entry(item.as_str().to_owned()).or_default() += 1;
            }
        }
    }
    let names = hub.names(kind);
    Ok(names
        .into_iter()
        .map(|name| Coverage {
            name: name.to_owned(),
            n_assertions: mentions
                .iter()
                .filter(|(mention, _)| is_same(name, mention))
                .map(|(_, n)| n)
                .sum(),
        })
        .collect())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}
