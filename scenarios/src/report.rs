//! What a load gave: how much runs, what was refused, and every finding.

use std::sync::Arc;
use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::item::ItemKind;

/// One document that does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Kind of item.
    pub kind: ItemKind,
    /// Name of the item.
    pub name: Arc<str>,
    /// Path of its file.
    pub file: Arc<str>,
}

/// Outcome of a load.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Parser documents that run.
    pub n_parsers: usize,
    /// Post-overflow documents that run.
    pub n_postoverflows: usize,
    /// Scenarios that run.
    pub n_scenarios: usize,
    /// Context documents in force.
    pub n_contexts: usize,
    /// Profiles in force.
    pub n_profiles: usize,
    /// Documents that do not run. Profiles and settings are not among them.
    pub refused: Vec<Refused>,
    /// Everything that was found, in the order of loading.
    pub findings: Vec<Diagnostic>,
    /// Members of collections that this engine does not run: those of the WAF.
    pub n_unsupported: usize,
    /// Data files that items name and that are nowhere.
    pub n_data_missing: usize,
    /// Different expressions.
    pub n_expressions: usize,
    /// How long it took.
    pub elapsed: Duration,
}

impl Report {
    /// Documents that run.
    #[must_use]
    pub fn n_loaded(&self) -> usize {
        self.n_parsers + self.n_postoverflows + self.n_scenarios + self.n_contexts
    }

    /// Findings that refuse something.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.findings.iter().filter(|finding| finding.is_error())
    }

    /// Findings that refuse nothing.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.findings.iter().filter(|finding| !finding.is_error())
    }

    /// Whether everything that was asked for runs.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.errors().next().is_none()
    }

    /// One sentence on what was refused; `None` when nothing was.
    #[must_use]
    pub fn summary(&self) -> Option<String> {
        let n_loaded = self.n_loaded();
        match self.refused.len() {
            0 => None,
            1 => Some(format!(
                "1 of {} items was refused; {n_loaded} run.",
                n_loaded + 1
            )),
            n => Some(format!(
                "{n} of {} items were refused; {n_loaded} run.",
                n_loaded + n
            )),
        }
    }

    pub(crate) fn count_loaded(&mut self, kind: ItemKind) {
        match kind {
            ItemKind::Parsers => self.n_parsers += 1,
            ItemKind::Postoverflows => self.n_postoverflows += 1,
            ItemKind::Scenarios => self.n_scenarios += 1,
            ItemKind::Contexts => self.n_contexts += 1,
            ItemKind::Collections => {}
        }
    }
}
