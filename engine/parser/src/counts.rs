//! What went through, and what went wrong, as plain numbers.

use crate::node::Node;
use crate::plan::ParserPlan;

/// Counters of one [`crate::ParserState`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that were cut because they grew past their limit.
    pub truncated: u64,
    /// Dates that no layout fits: they became the present moment.
    pub dates_unknown: u64,
    /// Filters that raised an error; their node was false.
    pub filter_errors: u64,
    /// Filters whose result was no boolean; their node was false.
    pub filters_not_bool: u64,
    /// Whitelist expressions that raised an error; the rest of the list was not tried.
    pub whitelist_errors: u64,
    /// Whitelist expressions whose result was no boolean.
    pub whitelists_not_bool: u64,
    /// Grok subjects that raised an error; the grok failed.
    pub subject_errors: u64,
    /// Grok subjects that were no text; the pattern was matched against the empty text.
    pub subjects_not_text: u64,
    /// Statics whose expression raised an error; they were skipped.
    pub static_errors: u64,
    /// Statics whose target leads nowhere.
    pub targets_nowhere: u64,
    /// Events lost to a static of an impossible type.
    pub static_types: u64,
    /// Enrichment methods that failed.
    pub method_errors: u64,
    /// Name lookups that were not answered yet.
    pub lookups_pending: u64,
    /// Stash entries whose key or value raised an error or was no string.
    pub stash_skipped: u64,
}

/// Counters of the nodes of one plan, apart from a state: see [`crate::ParserState::swap_nodes`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeTally(pub(crate) Vec<NodeCounts>);

impl NodeTally {
    /// Adds another tally of the same plan.
    pub fn add(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), NodeCounts::default());
        }
        for (sum, counts) in self.0.iter_mut().zip(&other.0) {
            sum.hits += counts.hits;
            sum.ok += counts.ok;
            sum.ko += counts.ko;
            sum.whitelisted += counts.whitelisted;
        }
    }

    /// Calls `each` with the stage, the node and its counters for each node that was hit, children included,
    /// in the order of the plan. Several nodes may have the same name.
    pub fn each(&self, plan: &ParserPlan, each: &mut dyn FnMut(&str, &Node, NodeCounts)) {
        plan.each_node_of_stage(&mut |stage, node| {
            let counts = self.0.get(node.number).copied().unwrap_or_default();
            if counts.hits > 0 {
                each(stage, node, counts);
            }
        });
    }
}

/// Counters of one node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeCounts {
    /// Events that passed the filter.
    pub hits: u64,
    /// Of these, successes.
    pub ok: u64,
    /// Of these, failures.
    pub ko: u64,
    /// Of these, events that its whitelist takes out.
    pub whitelisted: u64,
}
