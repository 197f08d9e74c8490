//! The decisions in force, in memory, and what changed among them, by number.
//!
//! ```text
//!  log of the store ──▶ apply ─┐                       ┌──▶ startup(view)    all that is held
//!                              ├─▶ decisions by value  │
//!  the time ─────────▶ advance ┘   changes by number ──┼──▶ delta(view, mark) what a client does not know
//!                                  ends by time        └──▶ find(view)       one address, one value
//! ```
//!
//! A client is somewhere in the history: at a [`Mark`], a number of the log and a time. What it is told is how its
//! targets (a value within a scope) stand *now*, for each target that anything happened to since its mark: not what
//! happened. So a client that is told twice, or whose mark is older than what it was told, ends up with the same set.
//!
//! Only what the client's [`View`] shows takes part, also where decisions compete: a long ban of a list that a client
//! does not ask for hides nothing from it (`lapi.md` 10.3 says what CrowdSec does there).
//!
//! The module reads no clock and no database: both come as values.

mod delta;
mod view;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use overspill_decision::{Block, Family, is_address_scope};
use overspill_store::{Change, DecisionRow, LogEntry, Seq};

pub use delta::{Answer, Dialect, Ended};
pub(crate) use view::go_bool;
pub use view::{View, ViewError, severity};

/// A decision, as it was made. It is shared by everything that shows it and never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Number of the decision in the database.
    pub id: i64,
    /// Its identity.
    pub uuid: Box<str>,
    /// Who decided.
    pub origin: Arc<str>,
    /// `ban`, `captcha`, or any other text.
    pub kind: Arc<str>,
    /// Scope of the value.
    pub scope: Arc<str>,
    /// What is decided upon.
    pub value: Box<str>,
    /// Scenario that led to it.
    pub scenario: Arc<str>,
    /// Whether it is only pretended.
    pub simulated: bool,
    /// Its end, in nanoseconds since the Unix epoch, if nobody ends it early.
    pub until_ns: i64,
}

impl Held {
    /// The addresses it is about, if it is about any.
    #[must_use]
    pub fn block(&self) -> Option<Block> {
        is_address_scope(&self.scope)
            .then(|| Block::parse(&self.value))
            .flatten()
    }
}

/// How far a client has come: everything up to and including both is known to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// Last entry of the log that it was told of.
    pub seq: Seq,
    /// Time up to which it was told of decisions that ended by themselves, in nanoseconds since the Unix epoch.
    pub at_ns: i64,
}

/// How much is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveLimits {
    /// Decisions in force. Of more, those that end first are not held, and counted.
    pub decisions_max: usize,
    /// Entries of the log, and as many decisions that ended by themselves. A client whose mark is before them is
    /// answered as one that starts.
    pub changes_max: usize,
}

impl Default for ActiveLimits {
    /// Some 600 MiB when everything is full.
    fn default() -> Self {
        Self {
            decisions_max: 2_000_000,
            changes_max: 500_000,
        }
    }
}

/// One entry of the log.
#[derive(Debug, Clone)]
struct Changed {
    held: Arc<Held>,
    /// When somebody ended it, in nanoseconds since the Unix epoch; `None` where it began.
    ended_ns: Option<i64>,
}

/// All decisions in force.
#[derive(Debug)]
pub struct Active {
    limits: ActiveLimits,
    by_id: BTreeMap<i64, Arc<Held>>,
    by_value: HashMap<Box<str>, Vec<Arc<Held>>>,
    by_block: BTreeMap<Block, Vec<Arc<Held>>>,
    /// How many blocks there are of each family and prefix length.
    lengths: BTreeMap<(Family, u8), usize>,
    /// End and number of each.
    ends: BTreeSet<(i64, i64)>,
    /// Entries of the log up to `head`, without a gap.
    changes: VecDeque<Changed>,
    head: Seq,
    /// What ended by itself, in the order of the ends.
    expired: VecDeque<Arc<Held>>,
    /// Nothing that ended by itself after that is missing in `expired`.
    expired_since_ns: i64,
    now_ns: i64,
    names: Names,
    n_left_out: u64,
}

impl Active {
    /// Nothing in force, at a place of the log and a time. Where that is some time ago, history is told from there: what
    /// was in force then or later is given to [`Self::load`], the log after the place to [`Self::apply`], and the
    /// present to [`Self::advance`].
    #[must_use]
    pub fn new(limits: ActiveLimits, head: Seq, now_ns: i64) -> Self {
        Self {
            limits,
            by_id: BTreeMap::new(),
            by_value: HashMap::new(),
            by_block: BTreeMap::new(),
            lengths: BTreeMap::new(),
            ends: BTreeSet::new(),
            changes: VecDeque::new(),
            head,
            expired: VecDeque::new(),
            expired_since_ns: now_ns,
            now_ns,
            names: Names::default(),
            n_left_out: 0,
        }
    }

    /// Takes a decision that was in force at the time of [`Self::new`] or after it, as it is now.
    pub fn load(&mut self, row: DecisionRow) {
        let held = self.held(row);
        if held.until_ns > self.now_ns {
            self.begin(held);
        }
    }

    /// Takes entries of the log. Those that are known are passed over; the first other one is the one after
    /// [`Self::head`].
    pub fn apply(&mut self, entries: impl IntoIterator<Item = LogEntry>) {
        for entry in entries {
            if entry.seq <= self.head {
                continue;
            }
            debug_assert_eq!(entry.seq.0, self.head.0 + 1, "the log has no gap");
            self.head = entry.seq;
            let id = entry.decision.id;
            let changed = match entry.change {
                Change::Begun => {
                    let known = self.by_id.get(&id).cloned();
                    let held = known.unwrap_or_else(|| {
                        let held = self.held(entry.decision);
                        if held.until_ns > self.now_ns {
                            self.begin(Arc::clone(&held));
                        }
                        held
                    });
                    Changed {
                        held,
                        ended_ns: None,
                    }
                }
                Change::Ended(_) => {
                    // As it was made: whoever starts late knows it only as it ended.
                    let mut row = entry.decision;
                    row.until_ns = entry.was_until_ns.unwrap_or(row.until_ns);
                    let known = self.by_id.get(&id).cloned();
                    let held = known
                        .filter(|held| held.until_ns == row.until_ns)
                        .unwrap_or_else(|| self.held(row));
                    self.end(id);
                    Changed {
                        held,
                        ended_ns: Some(entry.at_ns),
                    }
                }
            };
            self.changes.push_back(changed);
        }
        while self.changes.len() > self.limits.changes_max {
            self.changes.pop_front();
        }
    }

    /// Ends what is over at a time. The time never goes back.
    pub fn advance(&mut self, now_ns: i64) {
        self.now_ns = self.now_ns.max(now_ns);
        while let Some((until_ns, id)) = self.ends.first().copied() {
            if until_ns > self.now_ns {
                break;
            }
            if let Some(held) = self.end(id) {
                self.expired.push_back(held);
            }
        }
        while self.expired.len() > self.limits.changes_max {
            if let Some(held) = self.expired.pop_front() {
                self.expired_since_ns = held.until_ns;
            }
        }
    }

    /// Whether [`Self::advance`] to a time would end anything.
    #[must_use]
    pub fn is_due(&self, now_ns: i64) -> bool {
        self.ends
            .first()
            .is_some_and(|(until_ns, _)| *until_ns <= now_ns)
    }

    /// Number of the newest entry of the log that is in here.
    #[must_use]
    pub fn head(&self) -> Seq {
        self.head
    }

    /// Number of the newest entry that is not here any more.
    #[must_use]
    pub fn floor(&self) -> Seq {
        let n_changes = u64::try_from(self.changes.len()).unwrap_or(u64::MAX);
        Seq(self.head.0.saturating_sub(n_changes))
    }

    /// How many decisions are in force.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// How many decisions were not held, because there were too many.
    #[must_use]
    pub fn n_left_out(&self) -> u64 {
        self.n_left_out
    }

    /// What a view shows, by number, without comparing decisions: what `GET /v1/decisions` answers.
    ///
    /// Costs what is found if the view asks for addresses or a value, and a look at every decision otherwise.
    #[must_use]
    pub fn find(&self, view: &View) -> Vec<Arc<Held>> {
        let mut found: Vec<Arc<Held>> = match (view.block, &view.value) {
            (Some(block), _) if view.contains => self
                .blocks_around(block)
                .flatten()
                .filter(|held| view.shows(held))
                .cloned()
                .collect(),
            (Some(block), _) => self
                .by_block
                .range(block..)
                .take_while(|(inner, _)| block.contains(**inner))
                .flat_map(|(_, held)| held)
                .filter(|held| view.shows(held))
                .cloned()
                .collect(),
            (None, Some(value)) => self
                .of_value(value)
                .iter()
                .filter(|held| view.shows(held))
                .cloned()
                .collect(),
            (None, None) => {
                return self
                    .by_id
                    .values()
                    .filter(|held| view.shows(held))
                    .cloned()
                    .collect();
            }
        };
        found.sort_unstable_by_key(|held| held.id);
        found
    }

    fn of_value(&self, value: &str) -> &[Arc<Held>] {
        self.by_value.get(value).map_or(&[], Vec::as_slice)
    }

    /// Decisions on every block that contains one.
    fn blocks_around(&self, block: Block) -> impl Iterator<Item = &Vec<Arc<Held>>> {
        let widths = (block.family(), 0)..=(block.family(), block.prefix_bits());
        self.lengths
            .range(widths)
            .filter_map(move |((_, bits), _)| self.by_block.get(&block.widened(*bits)))
    }

    fn held(&mut self, row: DecisionRow) -> Arc<Held> {
        Arc::new(Held {
            id: row.id,
            uuid: row.uuid.into_boxed_str(),
            origin: self.names.shared(row.origin),
            kind: self.names.shared(row.kind),
            scope: self.names.shared(row.scope),
            value: row.value.into_boxed_str(),
            scenario: self.names.shared(row.scenario),
            simulated: row.simulated,
            until_ns: row.until_ns,
        })
    }

    fn begin(&mut self, held: Arc<Held>) {
        if let Some(block) = held.block() {
            let holders = self.by_block.entry(block).or_insert_with(|| {
                let length = (block.family(), block.prefix_bits());
                *self.lengths.entry(length).or_insert(0) += 1;
                Vec::new()
            });
            holders.push(Arc::clone(&held));
        }
        self.by_value
            .entry(held.value.clone())
            .or_default()
            .push(Arc::clone(&held));
        self.ends.insert((held.until_ns, held.id));
        self.by_id.insert(held.id, held);
        while self.by_id.len() > self.limits.decisions_max {
            let Some((_, first)) = self.ends.first().copied() else {
                break;
            };
            self.end(first);
            self.n_left_out += 1;
        }
    }

    fn end(&mut self, id: i64) -> Option<Arc<Held>> {
        let held = self.by_id.remove(&id)?;
        self.ends.remove(&(held.until_ns, id));
        if let Some(of_value) = self.by_value.get_mut(&held.value) {
            of_value.retain(|other| other.id != id);
            if of_value.is_empty() {
                self.by_value.remove(&held.value);
            }
        }
        if let Some(block) = held.block()
            && let Some(holders) = self.by_block.get_mut(&block)
        {
            holders.retain(|other| other.id != id);
            if holders.is_empty() {
                self.by_block.remove(&block);
                let length = (block.family(), block.prefix_bits());
                if let Some(n) = self.lengths.get_mut(&length) {
                    *n -= 1;
                    if *n == 0 {
                        self.lengths.remove(&length);
                    }
                }
            }
        }
        Some(held)
    }
}

/// Names that many decisions have in common, each once.
#[derive(Debug, Default)]
struct Names(HashMap<Arc<str>, ()>);

impl Names {
    /// Names that are kept; further ones are not shared.
    const MAX: usize = 10_000;

    fn shared(&mut self, name: String) -> Arc<str> {
        if let Some((known, ())) = self.0.get_key_value(name.as_str()) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        if self.0.len() < Self::MAX {
            self.0.insert(Arc::clone(&name), ());
        }
        name
    }
}
