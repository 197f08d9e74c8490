//! How fast a source may be read, and all those of a tenant together.
//!
//! A limit slows reading down and drops nothing: [`Limited`] stands between a source and its outlet and says that a
//! partition has no room while the source is over its limit. What is not read stays where it is, as when detection is
//! behind. A batch is given whole, so a source may be over its limit for a moment by one batch (64 KiB), and waits
//! the longer afterwards; in the mean the limit is kept. Partitions that wait are served in turn.
//!
//! Limits may be shared: sources of one tenant have their own limits and those of the tenant ([`Shared`]). Their partitions
//! wait in one line, so that no source takes all there is.
//!
//! Datagrams cannot wait. Their source asks by itself, and drops what is over.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::pipe::Clocked;
use crate::source::{
    Batch, Begun, Clock, Count, Counters, Lag, Left, LiveSource, Outlet, PartitionId, Position,
    Positions, SourceError, Turn,
};

/// Nanoseconds of a second: allowances are counted in parts of this size.
const SECOND_NS: i64 = 1_000_000_000;
/// Nanoseconds of a millisecond.
const MILLISECOND_NS: i64 = 1_000_000;
/// A partition whose turn it is is waited for as long as it has asked within this time.
const STALE_NS: u64 = SECOND_NS as u64;

/// How fast a source, or all of a tenant's, may be read: lines and bytes of lines in a second, summed over partitions. In
/// several processes each has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Lines in a second.
    pub lines: Option<NonZeroU64>,
    /// Bytes in a second.
    pub bytes: Option<NonZeroU64>,
}

impl Limits {
    /// Whether there is any.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.lines.is_some() || self.bytes.is_some()
    }
}

/// What may be read of one kind of thing, lines or bytes.
#[derive(Debug)]
struct Allowance {
    rate: i128,
    /// In parts of a second; below zero when more was read than was allowed.
    left: i128,
}

impl Allowance {
    /// One that begins with what a second brings.
    fn new(rate: NonZeroU64) -> Self {
        let rate = i128::from(rate.get());
        Self {
            rate,
            left: rate * i128::from(SECOND_NS),
        }
    }

    /// Time has passed. What is not used within a second is gone.
    fn refill(&mut self, ns: i64) {
        let most = self.rate * i128::from(SECOND_NS);
        self.left = (self.left + self.rate * i128::from(ns)).min(most);
    }

    fn spend(&mut self, n: usize) {
        self.left -= i128::try_from(n).unwrap_or(i128::MAX >> 32) * i128::from(SECOND_NS);
    }
}

/// Knows whether somebody is over the limits.
#[derive(Debug)]
struct Meter {
    lines: Option<Allowance>,
    bytes: Option<Allowance>,
    seen_ns: Option<i64>,
}

impl Meter {
    /// Of somebody who has read nothing yet.
    fn new(limits: Limits) -> Self {
        Self {
            lines: limits.lines.map(Allowance::new),
            bytes: limits.bytes.map(Allowance::new),
            seen_ns: None,
        }
    }

    /// Whether something may be read now.
    fn has_left(&mut self, now_ns: i64) -> bool {
        // A clock that is set back costs what was to come in that time, one that is set forward gives a second's worth.
        let seen_ns = self.seen_ns.replace(now_ns).unwrap_or(now_ns);
        let passed_ns = now_ns.saturating_sub(seen_ns).max(0);
        let mut has_left = true;
        for allowance in [&mut self.lines, &mut self.bytes].into_iter().flatten() {
            allowance.refill(passed_ns);
            has_left &= allowance.left > 0;
        }
        has_left
    }

    /// So much was read.
    fn spend(&mut self, lines: usize, bytes: usize) {
        if let Some(allowance) = &mut self.lines {
            allowance.spend(lines);
        }
        if let Some(allowance) = &mut self.bytes {
            allowance.spend(bytes);
        }
    }
}

/// A partition of one of the sources that share limits: number of the source, and the partition's.
type Waiter = (u64, PartitionId);

/// Partitions that were told to wait, the longest waiting first.
#[derive(Debug, Default)]
struct Turns {
    queue: VecDeque<Waiter>,
    /// When each of them asked last.
    asked_ns: BTreeMap<Waiter, i64>,
}

impl Turns {
    fn wait(&mut self, waiter: Waiter, now_ns: i64) {
        if self.asked_ns.insert(waiter, now_ns).is_none() {
            self.queue.push_back(waiter);
        }
    }

    /// Whether it is the turn of a partition; if not, it waits for it.
    fn is_due(&mut self, waiter: Waiter, now_ns: i64) -> bool {
        while let Some(&first) = self.queue.front()
            && first != waiter
        {
            let asked_ns = self.asked_ns.get(&first).copied();
            if asked_ns.is_some_and(|asked_ns| now_ns.abs_diff(asked_ns) <= STALE_NS) {
                self.wait(waiter, now_ns);
                return false;
            }
            // One that does not ask any more has nothing, and is not waited for.
            self.leave(first);
        }
        true
    }

    fn leave(&mut self, waiter: Waiter) {
        if self.asked_ns.remove(&waiter).is_some() {
            self.queue.retain(|other| *other != waiter);
        }
    }
}

/// What some sources may read together.
#[derive(Debug)]
struct Quota {
    meter: Meter,
    turns: Turns,
}

/// Whether a partition may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Admission {
    Now,
    /// When those before it were read.
    InTurn,
    /// When there is something left again.
    Held,
}

impl Quota {
    fn admit(&mut self, waiter: Waiter, now_ns: i64) -> Admission {
        if !self.meter.has_left(now_ns) {
            self.turns.wait(waiter, now_ns);
            Admission::Held
        } else if self.turns.is_due(waiter, now_ns) {
            Admission::Now
        } else {
            Admission::InTurn
        }
    }
}

/// Limits that sources share: those of a tenant. Clones are the same limits.
#[derive(Debug, Clone)]
pub struct Shared(Arc<Mutex<Quota>>);

impl Shared {
    /// Limits that nothing was read against yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Mutex::new(Quota {
            meter: Meter::new(limits),
            turns: Turns::default(),
        })))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Quota) -> T) -> T {
        // What is counted is whole between any two calls.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// All limits of one source: its own and those that it shares.
#[derive(Debug)]
pub(crate) struct Quotas {
    all: Vec<Shared>,
    /// Number of the source among those that share.
    source: u64,
}

impl Quotas {
    /// `None` where nothing is limited.
    pub(crate) fn of(own: Limits, shared: Option<&Shared>) -> Option<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let own = own.is_any().then(|| Shared::new(own));
        let all: Vec<Shared> = own.into_iter().chain(shared.cloned()).collect();
        (!all.is_empty()).then(|| Self {
            all,
            source: NEXT.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// Whether something may be read now.
    pub(crate) fn has_left(&self, now_ns: i64) -> bool {
        let has_left = |shared: &Shared| shared.with(|quota| quota.meter.has_left(now_ns));
        self.all.iter().all(has_left)
    }

    /// So much was read.
    pub(crate) fn spend(&self, lines: usize, bytes: usize) {
        for shared in &self.all {
            shared.with(|quota| quota.meter.spend(lines, bytes));
        }
    }

    /// Whether a partition may be read. It waits in one line at a time, so that nobody waits for one that waits elsewhere.
    fn admit(&self, partition: PartitionId, now_ns: i64) -> Admission {
        let waiter = (self.source, partition);
        for (at, shared) in self.all.iter().enumerate() {
            let admission = shared.with(|quota| quota.admit(waiter, now_ns));
            if admission != Admission::Now {
                let later = self.all.iter().skip(at + 1);
                later.for_each(|shared| shared.with(|quota| quota.turns.leave(waiter)));
                return admission;
            }
        }
        self.leave(partition);
        Admission::Now
    }

    fn leave(&self, partition: PartitionId) {
        for shared in &self.all {
            shared.with(|quota| quota.turns.leave((self.source, partition)));
        }
    }
}

/// A source that is read no faster than its limits say. [`Count::HeldMs`] says for how long it was held up.
pub struct Limited {
    source: Box<dyn LiveSource>,
    quotas: Quotas,
    clock: Clocked,
    /// Since when time was not counted in which it is held up.
    held_since_ns: Option<i64>,
}

impl std::fmt::Debug for Limited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limited")
            .field("id", &self.source.id())
            .field("quotas", &self.quotas)
            .finish_non_exhaustive()
    }
}

impl Limited {
    /// Limits a source.
    pub(crate) fn new(source: Box<dyn LiveSource>, quotas: Quotas, clock: Clock) -> Self {
        Self {
            source,
            quotas,
            clock: Clocked(clock),
            held_since_ns: None,
        }
    }

    /// Counts the time for which it was held up until now, in whole milliseconds.
    fn count_held(&mut self, now_ns: i64) {
        let Some(since_ns) = self.held_since_ns else {
            return;
        };
        let ms = now_ns.saturating_sub(since_ns) / MILLISECOND_NS;
        if ms > 0 {
            let counted = u64::try_from(ms).unwrap_or(0);
            self.source.counters().add(Count::HeldMs, counted);
            self.held_since_ns = Some(since_ns.saturating_add(ms * MILLISECOND_NS));
        }
    }
}

/// The outlet as a limited source sees it.
struct Gate<'a> {
    outlet: &'a mut dyn Outlet,
    quotas: &'a Quotas,
    clock: &'a Clock,
    /// A partition that has room was told to wait.
    is_held: bool,
}

impl Outlet for Gate<'_> {
    fn begin(&mut self, begun: Begun) {
        self.outlet.begin(begun);
    }

    fn begin_after(&mut self, begun: Begun, parent: PartitionId) {
        self.outlet.begin_after(begun, parent);
    }

    fn has_room(&mut self, partition: PartitionId) -> bool {
        if !self.outlet.has_room(partition) {
            // It waits for others, who must not wait for it.
            self.quotas.leave(partition);
            return false;
        }
        match self.quotas.admit(partition, (self.clock)()) {
            Admission::Now => true,
            Admission::InTurn => false,
            Admission::Held => {
                self.is_held = true;
                self.outlet.hold(partition);
                false
            }
        }
    }

    fn give(&mut self, batch: Batch) {
        self.quotas
            .spend(batch.lines.lines.len(), batch.lines.data.len());
        self.outlet.give(batch);
    }

    fn caught_up(&mut self, partition: PartitionId, as_of_ns: i64, position: Position) {
        self.quotas.leave(partition);
        self.outlet.caught_up(partition, as_of_ns, position);
    }

    fn hold(&mut self, partition: PartitionId) {
        self.outlet.hold(partition);
    }

    fn end(&mut self, partition: PartitionId, left: Left) {
        self.quotas.leave(partition);
        self.outlet.end(partition, left);
    }
}

impl LiveSource for Limited {
    fn id(&self) -> &str {
        self.source.id()
    }

    fn poll(&mut self, outlet: &mut dyn Outlet, wait: Duration) -> Result<Turn, SourceError> {
        let mut gate = Gate {
            outlet,
            quotas: &self.quotas,
            clock: &self.clock.0,
            is_held: false,
        };
        let turn = self.source.poll(&mut gate, wait);
        let is_held = gate.is_held;
        let now_ns = (self.clock.0)();
        self.count_held(now_ns);
        self.held_since_ns = is_held.then(|| self.held_since_ns.unwrap_or(now_ns));
        turn
    }

    fn has_begun(&self) -> bool {
        self.source.has_begun()
    }

    fn committed(&mut self, positions: &Positions) {
        self.source.committed(positions);
    }

    fn counters(&self) -> &Arc<Counters> {
        self.source.counters()
    }

    fn lags(&self, each: &mut dyn FnMut(PartitionId, Lag)) {
        self.source.lags(each);
    }

    fn close(&mut self) {
        self.source.close();
    }
}

#[cfg(test)]
mod tests;
