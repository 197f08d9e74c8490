//! Who holds a target: which of several decisions on the same value counts.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use overspill_event::Decision;

/// A decision that is compared by its target: scope, value, type, and whether it is simulated.
#[derive(Debug, Clone)]
struct Target(Arc<Decision>);

impl Target {
    fn parts(&self) -> (&str, &str, &str, bool) {
        (&self.0.scope, &self.0.value, &self.0.kind, self.0.simulated)
    }
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Target {}

impl Hash for Target {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

/// A decision's rank among those of one target: the greatest wins.
type Rank = (i64, Reverse<u64>);

fn rank(decision: &Decision) -> Rank {
    (decision.until_ns, Reverse(decision.id))
}

/// Most targets have one holder; the set is for the others.
#[derive(Debug, Clone)]
enum Held {
    One(Rank),
    Many(BTreeSet<Rank>),
}

/// The active decisions, by target. Never iterated: its order is not defined.
#[derive(Debug, Clone, Default)]
pub(super) struct Holders {
    by_target: HashMap<Target, Held>,
}

impl Holders {
    /// Number of the decision that holds the target of `like`.
    pub(super) fn winner(&self, like: &Arc<Decision>) -> Option<u64> {
        let (_, Reverse(id)) = match self.by_target.get(&Target(Arc::clone(like)))? {
            Held::One(rank) => Some(*rank),
            Held::Many(ranks) => ranks.last().copied(),
        }?;
        Some(id)
    }

    pub(super) fn insert(&mut self, decision: &Arc<Decision>) {
        let new = rank(decision);
        self.by_target
            .entry(Target(Arc::clone(decision)))
            .and_modify(|held| match held {
                Held::One(old) => *held = Held::Many(BTreeSet::from([*old, new])),
                Held::Many(ranks) => {
                    ranks.insert(new);
                }
            })
            .or_insert(Held::One(new));
    }

    pub(super) fn remove(&mut self, decision: &Arc<Decision>) {
        let target = Target(Arc::clone(decision));
        let gone = rank(decision);
        let is_free = match self.by_target.get_mut(&target) {
            None => false,
            Some(Held::One(rank)) => *rank == gone,
            Some(Held::Many(ranks)) => {
                ranks.remove(&gone);
                ranks.is_empty()
            }
        };
        if is_free {
            self.by_target.remove(&target);
        }
    }
}
