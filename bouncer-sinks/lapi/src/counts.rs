//! What profiles may ask about decisions: `GetDecisionsCount(value)` and the like (`pkg/exprhelpers/exprlib.go`).

use std::sync::{Arc, OnceLock, Weak};

use overspill_decision::Block;
use overspill_expr::DecisionCounts;
use overspill_golike::time::Time;
use overspill_store::Store;

use crate::active::{Held, View};
use crate::core::Core;

/// Decisions that were ever made, from the store, and those in force, from memory. What cannot be read counts as
/// unknown, as in CrowdSec, which warns and goes on.
pub(crate) struct Counts {
    store: Store,
    core: OnceLock<Weak<Core>>,
}

impl Counts {
    pub(crate) fn new(store: Store) -> Arc<Self> {
        Arc::new(Self {
            store,
            core: OnceLock::new(),
        })
    }

    /// Where decisions in force are found, once that is there.
    pub(crate) fn bind(&self, core: &Arc<Core>) {
        // It is bound once.
        let _bound = self.core.set(Arc::downgrade(core));
    }

    fn in_force(&self, value: &str) -> Option<Vec<Arc<Held>>> {
        let core = self.core.get()?.upgrade()?;
        let view = match Block::parse(value) {
            Some(block) => View {
                block: Some(block),
                ..View::default()
            },
            None => View {
                value: Some(value.to_owned()),
                ..View::default()
            },
        };
        let (active, _) = core.active().ok()?;
        Some(active.find(&view))
    }
}

impl DecisionCounts for Counts {
    fn count(&self, value: &str) -> Option<u64> {
        self.store.decision_count(value, None).ok()
    }

    fn count_since(&self, value: &str, since: Time) -> Option<u64> {
        let since_ns = Some(since.unix_ns());
        self.store.decision_count(value, since_ns).ok()
    }

    fn active(&self, value: &str, _: Time) -> Option<u64> {
        u64::try_from(self.in_force(value)?.len()).ok()
    }

    fn active_left_ns(&self, value: &str, now: Time) -> Option<i64> {
        let in_force = self.in_force(value)?;
        let until_ns = in_force.iter().map(|held| held.until_ns).max()?;
        Some(until_ns.saturating_sub(now.unix_ns()))
    }
}
