//! How fast one source may be read.
//!
//! A limit slows reading down and drops nothing: [`Limited`] stands between a source and its outlet and says that a
//! partition has no room while the source is over its limit. What is not read stays where it is, as when detection is
//! behind. A batch is given whole, so a source may be over its limit for a moment by one batch (64 KiB), and waits
//! the longer afterwards; in the mean the limit is kept. Partitions that wait are served in turn.
//!
//! Datagrams cannot wait. Their source asks [`Meter`] itself, and drops what is over.

use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroU64;
use std::sync::Arc;
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

/// How fast a source may be read: lines and bytes of lines in a second, summed over its partitions. In several
/// processes each has its own.
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

/// Knows whether a source is over its limits.
#[derive(Debug)]
pub struct Meter {
    lines: Option<Allowance>,
    bytes: Option<Allowance>,
    clock: Clocked,
    seen_ns: i64,
}

impl Meter {
    /// A source that has read nothing yet.
    #[must_use]
    pub fn new(limits: Limits, clock: Clock) -> Self {
        Self {
            lines: limits.lines.map(Allowance::new),
            bytes: limits.bytes.map(Allowance::new),
            seen_ns: clock(),
            clock: Clocked(clock),
        }
    }

    /// Whether something may be read now.
    pub fn has_left(&mut self) -> bool {
        let now_ns = (self.clock.0)();
        // A clock that is set back costs what was to come in that time, one that is set forward gives a second's worth.
        let passed_ns = now_ns.saturating_sub(self.seen_ns).max(0);
        self.seen_ns = now_ns;
        let mut has_left = true;
        for allowance in [&mut self.lines, &mut self.bytes].into_iter().flatten() {
            allowance.refill(passed_ns);
            has_left &= allowance.left > 0;
        }
        has_left
    }

    /// So much was read.
    pub fn spend(&mut self, lines: usize, bytes: usize) {
        if let Some(allowance) = &mut self.lines {
            allowance.spend(lines);
        }
        if let Some(allowance) = &mut self.bytes {
            allowance.spend(bytes);
        }
    }
}

/// Partitions that were told to wait, the longest waiting first.
#[derive(Debug, Default)]
struct Turns {
    queue: VecDeque<PartitionId>,
    waiting: BTreeSet<PartitionId>,
    /// Times that others had to wait for the first.
    n_passed: usize,
}

impl Turns {
    fn wait(&mut self, partition: PartitionId) {
        if self.waiting.insert(partition) {
            self.queue.push_back(partition);
        }
    }

    /// Whether it is the turn of a partition.
    fn is_due(&mut self, partition: PartitionId) -> bool {
        match self.queue.front() {
            None => true,
            Some(first) if *first == partition => {
                self.leave(partition);
                true
            }
            Some(first) => {
                // One that does not ask any more has nothing, and is not waited for.
                let first = *first;
                self.n_passed += 1;
                if self.n_passed > 2 * self.queue.len() {
                    self.leave(first);
                }
                self.wait(partition);
                false
            }
        }
    }

    fn leave(&mut self, partition: PartitionId) {
        if self.waiting.remove(&partition) {
            self.queue.retain(|other| *other != partition);
            self.n_passed = 0;
        }
    }
}

/// A source that is read no faster than its limits say. [`Count::HeldMs`] says for how long it was held up.
pub struct Limited {
    source: Box<dyn LiveSource>,
    meter: Meter,
    turns: Turns,
    /// Since when time was not counted in which it is held up.
    held_since_ns: Option<i64>,
}

impl std::fmt::Debug for Limited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limited")
            .field("id", &self.source.id())
            .field("meter", &self.meter)
            .finish_non_exhaustive()
    }
}

impl Limited {
    /// Limits a source.
    #[must_use]
    pub fn new(source: Box<dyn LiveSource>, limits: Limits, clock: Clock) -> Self {
        Self {
            source,
            meter: Meter::new(limits, clock),
            turns: Turns::default(),
            held_since_ns: None,
        }
    }

    /// Counts the time for which it was held up until now, in whole milliseconds.
    fn count_held(&mut self) {
        let Some(since_ns) = self.held_since_ns else {
            return;
        };
        let ms = self.meter.seen_ns.saturating_sub(since_ns) / MILLISECOND_NS;
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
    meter: &'a mut Meter,
    turns: &'a mut Turns,
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
            // It waits for others, and has not lost its turn.
            return false;
        }
        if !self.meter.has_left() {
            self.is_held = true;
            self.turns.wait(partition);
            self.outlet.hold(partition);
            return false;
        }
        self.turns.is_due(partition)
    }

    fn give(&mut self, batch: Batch) {
        self.meter
            .spend(batch.lines.lines.len(), batch.lines.data.len());
        self.outlet.give(batch);
    }

    fn caught_up(&mut self, partition: PartitionId, as_of_ns: i64, position: Position) {
        self.turns.leave(partition);
        self.outlet.caught_up(partition, as_of_ns, position);
    }

    fn hold(&mut self, partition: PartitionId) {
        self.outlet.hold(partition);
    }

    fn end(&mut self, partition: PartitionId, left: Left) {
        self.turns.leave(partition);
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
            meter: &mut self.meter,
            turns: &mut self.turns,
            is_held: false,
        };
        let turn = self.source.poll(&mut gate, wait);
        let is_held = gate.is_held;
        self.count_held();
        let now_ns = self.meter.seen_ns;
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
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use overspill_event::{LineBatch, Origin};

    use super::*;
    use crate::source::PartitionName;
    use crate::source::check::Checked;

    /// A clock that a test sets.
    fn clock() -> (Arc<AtomicI64>, Clock) {
        let now = Arc::new(AtomicI64::new(7 * SECOND_NS));
        let read = Arc::clone(&now);
        (now, Arc::new(move || read.load(Ordering::SeqCst)))
    }

    /// Two partitions with lines without end, or with so many: the first one is always asked first.
    struct Two {
        counters: Arc<Counters>,
        next: [u64; 2],
        ends: [u64; 2],
        has_begun: bool,
    }

    impl Two {
        fn new(ends: [u64; 2]) -> Self {
            Self {
                counters: Arc::default(),
                next: [0; 2],
                ends,
                has_begun: false,
            }
        }
    }

    impl LiveSource for Two {
        fn id(&self) -> &str {
            "two"
        }

        fn poll(&mut self, outlet: &mut dyn Outlet, _wait: Duration) -> Result<Turn, SourceError> {
            let mut turn = Turn::Quiet;
            for at in 0..2 {
                let id = PartitionId(u32::try_from(at).unwrap());
                if !self.has_begun {
                    outlet.begin(Begun {
                        id,
                        name: PartitionName::new(&at.to_string()),
                        origin: Arc::new(Origin::default()),
                        position: Position::beginning(),
                    });
                }
                if self.next[at] >= self.ends[at] || !outlet.has_room(id) {
                    continue;
                }
                let mut lines = LineBatch::default();
                for _ in 0..10 {
                    lines.push(b"0123456789", self.next[at], false);
                    self.next[at] += 1;
                }
                outlet.give(Batch {
                    partition: id,
                    lines,
                    context: Arc::from([]),
                    next_offset: self.next[at],
                    arrival_ns: 0,
                    times_ns: Vec::new(),
                    runs: Vec::new(),
                });
                turn = Turn::Gave;
            }
            self.has_begun = true;
            Ok(turn)
        }

        fn committed(&mut self, _positions: &Positions) {}

        fn counters(&self) -> &Arc<Counters> {
            &self.counters
        }

        fn lags(&self, _each: &mut dyn FnMut(PartitionId, Lag)) {}

        fn close(&mut self) {}
    }

    fn limited(lines: u64, bytes: u64, ends: [u64; 2]) -> (Limited, Arc<AtomicI64>) {
        let limits = Limits {
            lines: NonZeroU64::new(lines),
            bytes: NonZeroU64::new(bytes),
        };
        let (now, clock) = clock();
        (Limited::new(Box::new(Two::new(ends)), limits, clock), now)
    }

    /// Polls so often that everything was given that may be.
    fn settle(source: &mut Limited, outlet: &mut Checked) {
        for _ in 0..20 {
            outlet.poll(source).unwrap();
        }
    }

    #[test]
    fn a_source_gives_what_its_limit_allows_and_the_rest_later() {
        // Twenty-five lines a second; or as many bytes as those have.
        for (lines, bytes) in [(25, 0), (0, 250), (25, 10_000), (1_000, 250)] {
            let (mut source, now) = limited(lines, bytes, [300, 0]);
            let mut outlet = Checked::default();
            settle(&mut source, &mut outlet);
            // The batch that goes over it is given whole.
            assert_eq!(outlet.lines.len(), 30, "{lines} {bytes}");
            let mut given = Vec::new();
            for _ in 0..8 {
                now.fetch_add(SECOND_NS, Ordering::SeqCst);
                settle(&mut source, &mut outlet);
                given.push(outlet.lines.len());
            }
            assert_eq!(given, [50, 80, 100, 130, 150, 180, 200, 230]);
            // What was not used for a minute is not made up for.
            now.fetch_add(60 * SECOND_NS, Ordering::SeqCst);
            settle(&mut source, &mut outlet);
            assert_eq!(outlet.lines.len(), 260);
            // Nor does a clock that is set back bring anything.
            now.fetch_sub(600 * SECOND_NS, Ordering::SeqCst);
            settle(&mut source, &mut outlet);
            assert_eq!(outlet.lines.len(), 260);
            for _ in 0..10 {
                now.fetch_add(SECOND_NS, Ordering::SeqCst);
                settle(&mut source, &mut outlet);
            }
            assert_eq!(outlet.lines.len(), 300, "nothing is dropped");
        }
    }

    #[test]
    fn the_time_in_which_a_source_was_held_up_is_counted_and_no_other() {
        let (mut source, now) = limited(10, 0, [40, 0]);
        let held = |source: &Limited| source.counters().get(Count::HeldMs);
        let mut outlet = Checked::default();
        outlet.poll(&mut source).unwrap();
        outlet.poll(&mut source).unwrap();
        assert_eq!((outlet.lines.len(), held(&source)), (10, 0));
        now.fetch_add(50 * MILLISECOND_NS + 400_000, Ordering::SeqCst);
        outlet.poll(&mut source).unwrap();
        assert_eq!((outlet.lines.len(), held(&source)), (20, 50));
        outlet.poll(&mut source).unwrap();
        // A batch over the limit takes a second to be made up for, and a little more to be above it.
        now.fetch_add(700 * MILLISECOND_NS + 700_000, Ordering::SeqCst);
        outlet.poll(&mut source).unwrap();
        assert_eq!((outlet.lines.len(), held(&source)), (20, 750));
        now.fetch_add(299 * MILLISECOND_NS + 300_000, Ordering::SeqCst);
        outlet.poll(&mut source).unwrap();
        assert_eq!((outlet.lines.len(), held(&source)), (30, 1_050));
        // It has not asked for more since.
        now.fetch_add(5 * SECOND_NS, Ordering::SeqCst);
        outlet.poll(&mut source).unwrap();
        assert_eq!((outlet.lines.len(), held(&source)), (40, 1_050));
        now.fetch_add(5 * SECOND_NS, Ordering::SeqCst);
        outlet.poll(&mut source).unwrap();
        assert_eq!(held(&source), 1_050, "it has nothing more");
    }

    #[test]
    fn partitions_of_a_limited_source_have_their_turns() {
        let (mut source, now) = limited(10, 0, [1_000, 1_000]);
        let mut outlet = Checked::default();
        for _ in 0..50 {
            settle(&mut source, &mut outlet);
            now.fetch_add(SECOND_NS, Ordering::SeqCst);
        }
        let (first, second) = (outlet.texts_of("0").len(), outlet.texts_of("1").len());
        assert!(first.abs_diff(second) <= 10, "{first} {second}");
        assert_eq!(first + second, 500);
    }

    #[test]
    fn a_partition_that_was_told_to_wait_and_has_nothing_any_more_keeps_no_other_waiting() {
        let mut turns = Turns::default();
        let [gone, here] = [PartitionId(0), PartitionId(1)];
        turns.wait(gone);
        let n_asked = (0..100).take_while(|_| !turns.is_due(here)).count();
        assert!(n_asked < 10, "{n_asked}");
    }
}
