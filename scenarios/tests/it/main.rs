//! The crate as its callers see it: content is collected, compiled and reported on.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "helpers of tests may panic, and say loudly what they skipped"
)]

mod hostile;
mod hub;
mod loading;
mod refusing;

use std::fs;
use std::path::Path;

use overspill_scenarios::{Compiled, Content, Diagnostic, Options, compile};

/// A compilation that is not strict.
fn compiled(content: &Content) -> Compiled {
    compile(content, &Options::default()).unwrap()
}

/// All findings, as users see them.
fn rendered(compiled: &Compiled) -> String {
    let findings: Vec<String> = compiled
        .report
        .findings
        .iter()
        .map(Diagnostic::render)
        .collect();
    findings.join("\n")
}

/// Names of the scenarios, in the order of evaluation.
fn scenario_names(compiled: &Compiled) -> Vec<&str> {
    compiled
        .scenarios
        .iter()
        .map(|scenario| &*scenario.name)
        .collect()
}

/// Writes files below a directory.
fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// A trigger scenario of this name.
fn trigger(name: &str) -> String {
    format!("type: trigger\nname: {name}\ndescription: d\nfilter: evt.Meta.log_type == '{name}'\n")
}
