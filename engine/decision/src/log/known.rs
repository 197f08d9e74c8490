//! Which alerts have been applied, so that the same alert is taken once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

#[derive(Debug, Clone, Default)]
struct Known {
    /// The alert's decisions that are active, ascending. There are few.
    open: Vec<u64>,
    /// Place among the alerts without active decisions.
    settled: Option<u64>,
}

/// Applied alerts. Those with an active decision are always known; of the others, the latest.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownAlerts {
    by_uuid: HashMap<Arc<str>, Known>,
    /// Alerts without active decisions, in the order in which they came to have none.
    settled: BTreeMap<u64, Arc<str>>,
    next_place: u64,
}

impl KnownAlerts {
    pub(super) fn contains(&self, uuid: &str) -> bool {
        self.by_uuid.contains_key(uuid)
    }

    /// Remembers an alert. One without identity is not remembered.
    pub(super) fn insert(&mut self, uuid: &Arc<str>) {
        if !uuid.is_empty() {
            self.by_uuid.entry(Arc::clone(uuid)).or_default();
        }
    }

    pub(super) fn open(&mut self, uuid: &str, id: u64) {
        if let Some(known) = self.by_uuid.get_mut(uuid) {
            known.open.push(id);
        }
    }

    pub(super) fn close(&mut self, uuid: &str, id: u64) {
        if let Some(known) = self.by_uuid.get_mut(uuid) {
            known.open.retain(|open| *open != id);
        }
    }

    /// Puts an alert without active decisions behind the others of its kind, and forgets the
    /// oldest of them beyond `max`.
    pub(super) fn settle_if_idle(&mut self, uuid: &Arc<str>, max: usize) {
        let Some(known) = self.by_uuid.get_mut(uuid) else {
            return;
        };
        if !known.open.is_empty() || known.settled.is_some() {
            return;
        }
        known.settled = Some(self.next_place);
        self.settled.insert(self.next_place, Arc::clone(uuid));
        self.next_place += 1;
        while self.settled.len() > max {
            let Some((_, oldest)) = self.settled.pop_first() else {
                break;
            };
            self.by_uuid.remove(&oldest);
        }
    }

    /// Forgets an alert; answers which of its decisions were active.
    pub(super) fn remove(&mut self, uuid: &str) -> Option<Vec<u64>> {
        let known = self.by_uuid.remove(uuid)?;
        if let Some(place) = known.settled {
            self.settled.remove(&place);
        }
        Some(known.open)
    }

    /// The alerts without active decisions, oldest first. The others follow from the decisions.
    pub(super) fn settled(&self) -> impl ExactSizeIterator<Item = &Arc<str>> {
        self.settled.values()
    }
}
