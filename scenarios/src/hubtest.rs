//! `config.yaml` of a hub test: what it loads and which log it reads (`pkg/hubtest`).

use std::collections::BTreeMap;
use std::path::Path;

use crate::diagnostic::{Diagnostic, SourceFile};
use crate::hub::Selection;
use crate::item::ItemKind;
use crate::yaml;
use crate::yaml::table::{Findings, Table, Unknown};
use crate::yaml::{Data, Node};

/// Stage and file name of the node that overriding statics become: it sorts before all others.
pub const OVERRIDES: (&str, &str) = ("s00-raw", "00_overrides.yaml");

/// The settings of one test.
#[derive(Debug, Clone, Default)]
pub struct TestConfig {
    /// Items by kind and by name or path, in file order.
    pub items: Vec<(ItemKind, String)>,
    /// The log, relative to the test's directory.
    pub log_file: String,
    /// Label `type` of the lines.
    pub log_type: String,
    /// Further labels.
    pub labels: BTreeMap<String, String>,
    /// Whether the parsers' assertions are left out.
    pub ignore_parsers: bool,
    /// Whether the test has data files of its own.
    pub own_data_dir: bool,
    /// Text of the node that overriding statics become, if there are any.
    pub overrides: Option<String>,
}

impl TestConfig {
    /// Reads a test's settings. Unknown keys are passed over, as CrowdSec does.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn read(path: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let file = SourceFile::new(path, text);
        let documents = yaml::parse(text).map_err(|error| vec![Diagnostic::yaml(&file, &error)])?;
        let mut config = Self::default();
        let Some(document) = documents.first() else {
            return Ok(config);
        };
        let mut findings = Findings::new(&file);
        let mut table = Table::open(&document.root, Unknown::Ignore, &mut findings);
        for kind in [
            ItemKind::Parsers,
            ItemKind::Scenarios,
            ItemKind::Postoverflows,
        ] {
            for name in table.texts(kind.directory(), &mut findings) {
                if !name.is_empty() {
                    config.items.push((kind, name.value.to_string()));
                }
            }
        }
        let mut text = |key| {
            table
                .text(key, &mut findings)
                .map(|text| text.value.to_string())
                .unwrap_or_default()
        };
        config.log_file = text("log_file");
        config.log_type = text("log_type");
        for (name, value) in table.pairs("labels", &mut findings) {
            config
                .labels
                .insert(name.value.to_string(), value.value.to_string());
        }
        config.ignore_parsers = table.flag("ignore_parsers", &mut findings);
        config.own_data_dir = table.flag("own_data_dir", &mut findings);
        config.overrides = table.value("override_statics").and_then(overrides);
        match findings.has_errors() {
            true => Err(findings.finish()),
            false => Ok(config),
        }
    }

    /// What to select from the hub for a test in this directory.
    #[must_use]
    pub fn selection(&self, directory: &Path) -> Selection {
        Selection {
            everything: false,
            items: self.items.clone(),
            beside: Some(directory.to_owned()),
        }
    }
}

/// The statics as a node of their own, in flow style so that no indentation can go wrong.
fn overrides(statics: &Node) -> Option<String> {
    let Data::List(items) = &statics.data else {
        return None;
    };
    if items.is_empty() {
        return None;
    }
    let mut text = String::from("name: overrides\nfilter: \"1==1\"\nstatics: ");
    flow(statics, &mut text);
    text.push('\n');
    Some(text)
}

fn flow(node: &Node, text: &mut String) {
    match &node.data {
        Data::Scalar(scalar) => text.push_str(&quoted(&scalar.text)),
        Data::List(items) => {
            text.push('[');
            for item in items.iter() {
                flow(item, text);
                text.push(',');
            }
            text.push(']');
        }
        Data::Map(entries) => {
            text.push('{');
            for entry in entries.iter() {
                text.push_str(&quoted(&entry.key));
                text.push_str(": ");
                flow(&entry.value, text);
                text.push(',');
            }
            text.push('}');
        }
    }
}

/// A double-quoted scalar.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() => {
                out.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
