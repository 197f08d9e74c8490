//! `simulation.yaml`: which scenarios only pretend (`pkg/csconfig/simulation.go`).

use std::collections::BTreeSet;

use crate::yaml::Node;
use crate::yaml::table::{Findings, Table, Unknown};

/// The simulation settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Simulation {
    /// Whether scenarios are simulated unless they are listed.
    pub global: bool,
    /// Names for which it is the other way round.
    pub exclusions: BTreeSet<String>,
}

impl Simulation {
    /// Whether the scenario of this name is simulated.
    #[must_use]
    pub fn of(&self, scenario: &str) -> bool {
        self.global != self.exclusions.contains(scenario)
    }

    /// Takes over what a document says; called for the file and then for its `.local`.
    pub(crate) fn read(&mut self, root: &Node, findings: &mut Findings<'_>) {
        let mut table = Table::open(root, Unknown::Refuse, findings);
        let global = table.flag("simulation", findings);
        if table.has("simulation") {
            self.global = global;
        }
        let exclusions = table.texts("exclusions", findings);
        if table.has("exclusions") {
            self.exclusions = exclusions
                .iter()
                .map(|text| text.value.to_string())
                .collect();
        }
        table.close(&[], findings);
    }
}
