//! Against sources with lines without end and a clock that is set.

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
    let quotas = Quotas::of(limits, None).unwrap();
    (Limited::new(Box::new(Two::new(ends)), quotas, clock), now)
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
fn sources_of_a_tenant_share_its_limits_and_each_has_its_own() {
    let limits = |lines| Limits {
        lines: NonZeroU64::new(lines),
        bytes: None,
    };
    let (now, clock) = clock();
    let tenant = Shared::new(limits(40));
    let source = |own: Limits| {
        let quotas = Quotas::of(own, Some(&tenant)).unwrap();
        let two = Box::new(Two::new([1_000, 1_000]));
        Limited::new(two, quotas, Arc::clone(&clock))
    };
    // The first is asked ten times as often as the others.
    let mut sources = [source(limits(0)), source(limits(0)), source(limits(5))];
    let mut outlets = [0; 3].map(|_| Checked::default());
    let n_rounds = 50;
    for _ in 0..n_rounds {
        for _ in 0..20 {
            for (at, (source, outlet)) in sources.iter_mut().zip(&mut outlets).enumerate() {
                for _ in 0..if at == 0 { 10 } else { 1 } {
                    outlet.poll(source).unwrap();
                }
            }
        }
        now.fetch_add(SECOND_NS, Ordering::SeqCst);
    }
    let [often, seldom, slow] = outlets.map(|outlet| outlet.lines.len());
    let all = often + seldom + slow;
    assert!(all.abs_diff(40 * n_rounds) <= 40, "{all}");
    // It waits for its own limit, and then in line, in which what it might have read is gone.
    assert!((2 * n_rounds..=5 * n_rounds + 10).contains(&slow), "{slow}");
    // Without a line the one that asks more often would have it all.
    assert!(seldom * 5 > often * 4, "{often} {seldom}");
}

#[test]
fn a_partition_without_room_keeps_no_other_waiting() {
    let (mut source, now) = limited(10, 0, [1_000, 1_000]);
    let mut outlet = Checked::default();
    settle(&mut source, &mut outlet);
    assert_eq!(outlet.texts_of("0").len(), 10);
    // The second one waits since the first was read, and is the first in line.
    outlet.full.insert(PartitionName::new("1"));
    now.fetch_add(SECOND_NS / 2, Ordering::SeqCst);
    settle(&mut source, &mut outlet);
    assert_eq!(outlet.texts_of("0").len(), 20);
}

#[test]
fn a_partition_that_was_told_to_wait_and_has_nothing_any_more_keeps_no_other_waiting() {
    let mut turns = Turns::default();
    let [gone, here] = [(0, PartitionId(0)), (1, PartitionId(0))];
    turns.wait(gone, 0);
    assert!(!turns.is_due(here, SECOND_NS), "it may still ask");
    assert!(turns.is_due(here, SECOND_NS + 1));
    assert!(turns.is_due(here, SECOND_NS + 2), "nobody else waits");
}

#[test]
fn what_has_no_limits_is_not_limited() {
    assert!(Quotas::of(Limits::default(), None).is_none());
    let quotas = Quotas::of(Limits::default(), Some(&Shared::new(Limits::default()))).unwrap();
    quotas.spend(usize::MAX, usize::MAX);
    assert!(quotas.has_left(0));
}
