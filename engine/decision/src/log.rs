//! The numbered log of decisions: what a sink or a bouncer must know, in order and without gaps.
//!
//! ```text
//!  apply(alert) ─┐                        ┌─ since(cursor) ── sinks, bouncers: what changed
//!  retract(uuid) ├─▶ active set ─▶ entries ┤
//!  remove(ids)   │   (id → decision)       └─ active()/held() ── a reader that begins anew
//!  advance(now) ─┘
//! ```
//!
//! Every decision that begins or ends is one [`Entry`] with the next number. Several decisions may
//! hold one [target](Entry::winner): the one that lasts longest wins (the oldest among equals), and
//! when it ends early the next one takes over. A reader keeps either every decision
//! ([`Entry::change`]) or one winner a target ([`Entry::winner`]); both follow from the entries.
//!
//! Promises: the numbers have no gap. Applying an alert again changes nothing. A retraction
//! removes only what that alert brought. Everything is bounded ([`LogLimits`]): when entries are
//! dropped, a cursor before them is answered with [`CursorLost`] and its reader takes the active
//! set instead.
//!
//! The log reads no clock: it ends decisions when [`DecisionLog::advance`] is told the time. Its
//! deadlines are an ordered set, not a timing wheel: decisions end in exact order of their ends,
//! removed ones leave nothing behind, and the one that ends first can be evicted, all in
//! logarithmic time.

mod bytes;
mod holders;
mod known;
mod state;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use overspill_event::Decision;

use holders::Holders;
use known::KnownAlerts;
pub use state::LogDecodeError;

/// Number of an entry. The first is 1; 0 stands before all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub u64);

/// A reader's place: everything up to and including `seq` is known to it.
///
/// Entries that were written after the last checkpoint are written again after a crash, perhaps in
/// another order. So a place also says in which generation it was reached, and a place that the
/// restored log never had is noticed ([`CursorLost`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Cursor {
    /// Generation of the log that gave the place.
    pub generation: u64,
    /// Last entry that is known.
    pub seq: Seq,
}

/// Why a decision ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Its time had come.
    Expired,
    /// Somebody deleted it.
    Deleted,
    /// Its alert turned out not to be one, once late events were in.
    Retracted,
    /// Its value is allowlisted now.
    Allowlisted,
    /// The log was full, and it was the one to end first.
    Evicted,
}

/// What happened to a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It began.
    New,
    /// It ended.
    Deleted(Reason),
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub seq: Seq,
    /// What happened.
    pub change: Change,
    /// The decision it happened to.
    pub decision: Arc<Decision>,
    /// Who holds the decision's target after that: the decision itself, another one, or nobody.
    ///
    /// The target is scope, value, type and whether the decision is simulated, so that a pretended
    /// decision never hides a real one.
    pub winner: Option<Arc<Decision>>,
    /// Whether `winner` is another one than before.
    pub winner_changed: bool,
}

/// How much a log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// Active decisions. One more evicts the decision that ends first.
    pub active_max: usize,
    /// Entries kept for readers. One more drops the oldest.
    pub entries_max: usize,
    /// Alerts without an active decision that are remembered, to know them when they come again.
    pub alerts_max: usize,
}

impl Default for LogLimits {
    /// Sized for the largest fleets seen: about 1 GiB when everything is full.
    fn default() -> Self {
        Self {
            active_max: 2_000_000,
            entries_max: 500_000,
            alerts_max: 500_000,
        }
    }
}

/// What has happened so far, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogCounters {
    /// Alerts that were applied.
    pub alerts: u64,
    /// Alerts that were known already.
    pub repeated: u64,
    /// Alerts that were taken back.
    pub retracted: u64,
    /// Decisions that began.
    pub begun: u64,
    /// Decisions that were over before they came: logs of long ago.
    pub over_on_arrival: u64,
    /// Decisions that ended early because the log was full.
    pub evicted: u64,
}

/// What [`DecisionLog::apply`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// The alert was known: nothing was done.
    pub repeated: bool,
    /// Decisions that began.
    pub begun: usize,
    /// Decisions that were over already and are not in the log.
    pub over_on_arrival: usize,
}

/// What a reader does not know yet.
#[derive(Debug)]
pub struct Page<'a> {
    /// The entries after the cursor, oldest first.
    pub entries: std::collections::vec_deque::Iter<'a, Entry>,
    /// Where the reader stands when it has taken them.
    pub next: Cursor,
    /// Whether there are more.
    pub more: bool,
}

/// The entries after a cursor are gone, or the cursor is of a history that a crash undid. The
/// reader takes the active set, whole, and the head as its new place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log does not reach back to entry {} of generation {}", .cursor.seq.0, .cursor.generation)]
pub struct CursorLost {
    /// The cursor.
    pub cursor: Cursor,
}

/// A generation that a log had in an earlier life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("generation {0} of the decision log was used before")]
pub struct GenerationUsed(pub u64);

#[derive(Debug, Clone)]
struct Active {
    decision: Arc<Decision>,
    /// Identity of the alert that brought it; empty for an alert without one.
    alert: Arc<str>,
}

/// The log, and the set of active decisions it leads to.
#[derive(Debug, Clone)]
pub struct DecisionLog {
    limits: LogLimits,
    entries: VecDeque<Entry>,
    /// Number of the newest entry.
    head: u64,
    next_id: u64,
    now_ns: i64,
    active: BTreeMap<u64, Active>,
    /// (end, id) of every active decision.
    deadlines: BTreeSet<(i64, u64)>,
    holders: Holders,
    known: KnownAlerts,
    /// Each generation and the head when it began, oldest first.
    generations: Vec<(u64, u64)>,
    counters: LogCounters,
}

/// Generations whose cursors are still understood.
const GENERATIONS_MAX: usize = 64;

impl DecisionLog {
    /// An empty log of a generation: a number that no other life of this log has.
    #[must_use]
    pub fn new(limits: LogLimits, generation: u64) -> Self {
        Self {
            limits,
            entries: VecDeque::new(),
            head: 0,
            next_id: 1,
            now_ns: i64::MIN,
            active: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            holders: Holders::default(),
            known: KnownAlerts::default(),
            generations: vec![(generation, 0)],
            counters: LogCounters::default(),
        }
    }

    /// Takes an alert's decisions. They get numbers in the given order.
    ///
    /// An alert with an identity that is known already is a repetition and changes nothing, even
    /// when its decisions have ended meanwhile. An empty identity is never known.
    pub fn apply(&mut self, alert_uuid: &str, decisions: &[Decision]) -> Applied {
        if self.known.contains(alert_uuid) {
            self.counters.repeated += 1;
            return Applied {
                repeated: true,
                ..Applied::default()
            };
        }
        self.counters.alerts += 1;
        let uuid: Arc<str> = Arc::from(alert_uuid);
        self.known.insert(&uuid);
        let mut applied = Applied::default();
        for decision in decisions {
            if decision.until_ns <= self.now_ns {
                applied.over_on_arrival += 1;
                self.counters.over_on_arrival += 1;
                continue;
            }
            applied.begun += 1;
            self.begin(decision, &uuid);
        }
        self.known.settle_if_idle(&uuid, self.limits.alerts_max);
        while self.active.len() > self.limits.active_max {
            let Some((_, id)) = self.deadlines.first().copied() else {
                break;
            };
            self.end(id, Reason::Evicted);
            self.counters.evicted += 1;
        }
        applied
    }

    /// Takes an alert back: ends what it brought and is still active, and forgets it, so that it
    /// may come again. Answers how many decisions ended.
    pub fn retract(&mut self, alert_uuid: &str) -> usize {
        let Some(ids) = self.known.remove(alert_uuid) else {
            return 0;
        };
        self.counters.retracted += 1;
        self.remove(ids, Reason::Retracted)
    }

    /// Ends decisions by number; unknown numbers are passed over. Answers how many ended.
    pub fn remove(&mut self, ids: impl IntoIterator<Item = u64>, reason: Reason) -> usize {
        ids.into_iter().filter(|id| self.end(*id, reason)).count()
    }

    /// Ends every active decision of which `matches` is true, by number. Looks at all of them.
    pub fn remove_where(
        &mut self,
        reason: Reason,
        mut matches: impl FnMut(&Decision) -> bool,
    ) -> usize {
        let ids: Vec<u64> = self
            .active()
            .filter(|decision| matches(decision))
            .map(|decision| decision.id)
            .collect();
        self.remove(ids, reason)
    }

    /// Says what time it is. Ends, in the order of their ends, the decisions that are over: those
    /// with `until_ns` at or before `now_ns`. Time never goes back. Answers how many ended.
    pub fn advance(&mut self, now_ns: i64) -> usize {
        self.now_ns = self.now_ns.max(now_ns);
        let mut ended = 0;
        while let Some((until_ns, id)) = self.deadlines.first().copied() {
            if until_ns > self.now_ns {
                break;
            }
            self.end(id, Reason::Expired);
            ended += 1;
        }
        ended
    }

    /// End of the decision that ends first: nothing expires before.
    #[must_use]
    pub fn next_deadline_ns(&self) -> Option<i64> {
        self.deadlines.first().map(|deadline| deadline.0)
    }

    /// The latest time that was told.
    #[must_use]
    pub fn now_ns(&self) -> i64 {
        self.now_ns
    }

    /// The place of a reader that knows everything.
    #[must_use]
    pub fn head(&self) -> Cursor {
        Cursor {
            generation: self.generation(),
            seq: Seq(self.head),
        }
    }

    /// At most `limit` entries after a cursor.
    ///
    /// # Errors
    /// [`CursorLost`] when they are not there any more, or never were.
    pub fn since(&self, cursor: Cursor, limit: usize) -> Result<Page<'_>, CursorLost> {
        let lost = CursorLost { cursor };
        let life = self
            .generations
            .iter()
            .position(|(generation, _)| *generation == cursor.generation)
            .ok_or(lost)?;
        // What a generation wrote after its successor's checkpoint is no part of this log.
        let last = self
            .generations
            .get(life + 1)
            .map_or(self.head, |(_, start)| *start);
        if cursor.seq.0 > last {
            return Err(lost);
        }
        let known = cursor.seq.0.checked_sub(self.floor()).ok_or(lost)?;
        let start = usize::try_from(known)
            .map_err(|_| lost)?
            .min(self.entries.len());
        let end = start.saturating_add(limit).min(self.entries.len());
        let read = u64::try_from(end - start).unwrap_or(0);
        Ok(Page {
            entries: self.entries.range(start..end),
            next: Cursor {
                generation: self.generation(),
                seq: Seq(cursor.seq.0 + read),
            },
            more: end < self.entries.len(),
        })
    }

    /// Every active decision, by number.
    pub fn active(&self) -> impl Iterator<Item = &Arc<Decision>> {
        self.active.values().map(|active| &active.decision)
    }

    /// Active decisions with numbers above `id`, by number.
    ///
    /// A reader that begins anew may take the active set in pieces: it notes [`Self::head`] first,
    /// and afterwards follows the entries from there. Entries about decisions that it has or has
    /// not seen in the pieces lead to the right set all the same.
    pub fn active_after(&self, id: u64) -> impl Iterator<Item = &Arc<Decision>> {
        let above = (std::ops::Bound::Excluded(id), std::ops::Bound::Unbounded);
        self.active.range(above).map(|(_, active)| &active.decision)
    }

    /// The winner of every target that is held, by number.
    pub fn held(&self) -> impl Iterator<Item = &Arc<Decision>> {
        self.active()
            .filter(|decision| self.holders.winner(decision) == Some(decision.id))
    }

    /// An active decision by number.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<&Arc<Decision>> {
        self.active.get(&id).map(|active| &active.decision)
    }

    /// Who holds the target of a decision (its scope, value, type and simulation).
    #[must_use]
    pub fn winner(&self, like: &Arc<Decision>) -> Option<&Arc<Decision>> {
        self.get(self.holders.winner(like)?)
    }

    /// How many decisions are active.
    #[must_use]
    pub fn active_len(&self) -> usize {
        self.active.len()
    }

    /// What has happened so far.
    #[must_use]
    pub fn counters(&self) -> LogCounters {
        self.counters
    }

    /// Begins another life of the log: cursors beyond the present head, which only a life that was
    /// undone can have given, are lost from here on.
    ///
    /// # Errors
    /// [`GenerationUsed`] when an earlier life that is remembered had this number.
    pub fn begin_generation(&mut self, generation: u64) -> Result<(), GenerationUsed> {
        if self
            .generations
            .iter()
            .any(|(known, _)| *known == generation)
        {
            return Err(GenerationUsed(generation));
        }
        self.generations.push((generation, self.head));
        if self.generations.len() > GENERATIONS_MAX {
            self.generations.remove(0);
        }
        Ok(())
    }

    fn generation(&self) -> u64 {
        self.generations.last().map_or(0, |life| life.0)
    }

    /// Number of the newest entry that was dropped.
    fn floor(&self) -> u64 {
        self.head
            .saturating_sub(u64::try_from(self.entries.len()).unwrap_or(u64::MAX))
    }

    fn begin(&mut self, decision: &Decision, alert: &Arc<str>) {
        let id = self.next_id;
        self.next_id += 1;
        self.counters.begun += 1;
        let decision = Arc::new(Decision {
            id,
            ..decision.clone()
        });
        self.activate(&decision, alert);
        let winner = self.winner(&decision).cloned();
        let winner_changed = winner.as_ref().is_some_and(|winner| winner.id == id);
        self.push(Change::New, decision, winner, winner_changed);
    }

    /// Enters a decision into every index, without an entry.
    fn activate(&mut self, decision: &Arc<Decision>, alert: &Arc<str>) {
        self.deadlines.insert((decision.until_ns, decision.id));
        self.holders.insert(decision);
        self.known.open(alert, decision.id);
        let active = Active {
            decision: Arc::clone(decision),
            alert: Arc::clone(alert),
        };
        self.active.insert(decision.id, active);
    }

    fn end(&mut self, id: u64, reason: Reason) -> bool {
        let Some(Active { decision, alert }) = self.active.remove(&id) else {
            return false;
        };
        self.deadlines.remove(&(decision.until_ns, id));
        let was_winner = self.holders.winner(&decision) == Some(id);
        self.holders.remove(&decision);
        self.known.close(&alert, id);
        self.known.settle_if_idle(&alert, self.limits.alerts_max);
        let winner = self.winner(&decision).cloned();
        self.push(Change::Deleted(reason), decision, winner, was_winner);
        true
    }

    fn push(
        &mut self,
        change: Change,
        decision: Arc<Decision>,
        winner: Option<Arc<Decision>>,
        winner_changed: bool,
    ) {
        self.head += 1;
        let seq = Seq(self.head);
        self.entries.push_back(Entry {
            seq,
            change,
            decision,
            winner,
            winner_changed,
        });
        while self.entries.len() > self.limits.entries_max {
            self.entries.pop_front();
        }
    }
}
