//! A compiled configuration: everything a worker needs, immutable and shared.

use std::sync::Arc;

use overspill_decision::{AlertBuilder, Policy};
use overspill_event::{Keep, KeepPlan, Schema};
use overspill_expr::Services;
use overspill_matcher::Rules;
use overspill_parser::ParserPlan;

/// What runs: parsers, scenarios, post-overflows, profiles.
#[derive(Debug)]
pub struct Plan {
    /// Field names of all of it.
    pub schema: Arc<Schema>,
    /// Stages a line goes through.
    pub parsers: ParserPlan,
    /// Stages an overflow goes through.
    pub postoverflows: ParserPlan,
    /// The scenarios.
    pub rules: Rules,
    /// Makes alerts of overflows; by scenario number.
    pub alerts: AlertBuilder,
    /// Makes decisions of alerts: profiles, allowlists, addresses that are never banned.
    pub policy: Policy,
    /// Data files, GeoIP, resolver and the rest.
    pub services: Services,
}

/// What pours keep of their events: the fields any scenario needs, in the eight combinations of the
/// three dear parts, so that no pour builds its own.
#[derive(Debug)]
pub(crate) struct Keeps([KeepPlan; 8]);

impl Keeps {
    pub(crate) fn of(rules: &Rules, schema: &Schema) -> Self {
        let mut slots = Keep::default();
        for scenario in rules.scenarios() {
            slots.merge(&scenario.keep);
            if let Some(groupby) = &scenario.groupby {
                // The alert's key is made from the group, which is evaluated again then.
                let reads = groupby.reads().slots.clone();
                slots.merge(&Keep {
                    slots: reads,
                    ..Keep::default()
                });
            }
        }
        Self(std::array::from_fn(|bits| {
            let keep = Keep {
                slots: slots.slots.clone(),
                tree: bits & 1 != 0,
                line: bits & 2 != 0,
                all: bits & 4 != 0,
            };
            KeepPlan::new(keep, schema)
        }))
    }

    /// What to keep for pours into these scenarios.
    pub(crate) fn for_all<'a>(&self, keeps: impl Iterator<Item = &'a Keep>) -> &KeepPlan {
        let mut bits = 0;
        for keep in keeps {
            bits |=
                usize::from(keep.tree) | usize::from(keep.line) << 1 | usize::from(keep.all) << 2;
        }
        &self.0[bits]
    }
}
