//! Snapshots of the operator's state: what checkpoints will be made of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use overspill_bucket::{Change, KEY_GROUPS, Key, owner};
use overspill_event::{LineBatch, Origin};
use overspill_golike::time::Time;
use overspill_parser::ParserState;
use proptest::prelude::*;

use super::{BucketWorker, KEYS_AT_ONCE, KEYS_AT_ONCE_MAX, SECOND, keys_at_once, stretch};
use crate::batch::{PourBatch, PourHead};
use crate::clock::{complete_ns, tick};
use crate::job::{Mode, Settings};
use crate::line::LineWorker;
use crate::plan::Plan;
use crate::restart::{Course, Restarts, Start};

#[path = "../../tests/it/content.rs"]
#[expect(dead_code, reason = "plans of other lines are for whole jobs")]
mod content;
#[path = "../../tests/it/lines.rs"]
#[expect(dead_code, reason = "scripts of arrival are for whole jobs")]
mod lines;

fn settings(mode: Mode) -> Settings {
    Settings {
        mode,
        lateness_ns: 0,
        idle_ns: 0,
        now: Time::ZERO,
        grace_ns: 0,
        gives_overflows: false,
        buckets_max: 1 << 20,
        evidence_bytes_max: 1 << 30,
        stop: Arc::new(AtomicBool::new(false)),
    }
}

/// The pours of these partitions, in no order that matters.
fn pours(plan: &Arc<Plan>, partitions: &[Vec<String>]) -> PourBatch {
    let mut worker = LineWorker::new(Arc::clone(plan), Time::ZERO, None, 1);
    let mut out = PourBatch::default();
    for (lines, partition) in partitions.iter().zip(0..) {
        let mut state = ParserState::new(&plan.parsers, Time::ZERO);
        let mut unkept = Restarts::default();
        let mut course = Course::new(partition, &Start::default(), 0, None, &mut unkept);
        let mut batch = LineBatch::default();
        for (line, offset) in lines.iter().zip(0..) {
            batch.push(line.as_bytes(), offset, false);
        }
        for line in &batch.lines {
            let source = (partition, &Origin::default());
            worker.line(source, &mut state, &batch, line);
        }
        let (batches, _) = worker
            .take()
            .stamp(&mut course, &Arc::from([]), &mut unkept);
        for stamped in batches {
            for head in stamped.heads() {
                let (start, len) = out.add_payload(stamped.payload(head));
                out.push(PourHead {
                    start,
                    len,
                    ..*head
                });
            }
        }
    }
    out
}

/// The table of one worker of so many.
struct Fleet {
    workers: Vec<BucketWorker>,
    changes: Vec<Change>,
}

impl Fleet {
    fn new(plan: &Arc<Plan>, mode: Mode, n: usize) -> Self {
        let settings = settings(mode);
        Self {
            workers: (0..n)
                .map(|_| BucketWorker::new(plan, &settings, 0))
                .collect(),
            changes: Vec::new(),
        }
    }

    fn pour(&mut self, pours: &PourBatch, which: impl Fn(&PourHead) -> bool) {
        let n = self.workers.len();
        for (worker, at) in self.workers.iter_mut().zip(0..) {
            let mut own = PourBatch::default();
            for head in pours.heads() {
                if which(head) && owner(Key(head.key), n) == at {
                    let (start, len) = own.add_payload(pours.payload(head));
                    own.push(PourHead {
                        start,
                        len,
                        ..*head
                    });
                }
            }
            self.changes.append(worker.pour(&own));
        }
    }

    fn advance(&mut self, frontier: Option<u64>) {
        for worker in &mut self.workers {
            while {
                let (is_there, changes) = worker.step(frontier);
                self.changes.append(changes);
                !is_there
            } {}
        }
    }

    fn snapshot(&self) -> Vec<Vec<u8>> {
        let n = self.workers.len();
        (0..KEY_GROUPS)
            .map(|group| {
                let at = usize::from(group) * n / usize::from(KEY_GROUPS);
                self.workers[at].table.snapshot(group).unwrap()
            })
            .collect()
    }

    fn restore(&mut self, groups: &[Vec<u8>]) {
        let n = self.workers.len();
        for (bytes, group) in groups.iter().zip(0usize..) {
            let at = group * n / usize::from(KEY_GROUPS);
            let restored = self.workers[at].table.restore(&[bytes]).unwrap();
            assert_eq!(usize::from(restored), group);
        }
    }
}

/// How often each overflow stands, with everything an alert is made of.
fn settled<'c>(changes: impl IntoIterator<Item = &'c Change>) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for Change { overflow, diff } in changes {
        *sums.entry(format!("{overflow:?}")).or_default() += diff;
    }
    sums.retain(|_, sum| *sum != 0);
    sums
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(64)
    })]

    #[test]
    fn a_snapshot_goes_on_at_another_number_of_workers(
        partitions in lines::partitions(),
        at_ms in 55_000i64..120_000,
        before in 1usize..5,
        after in 1usize..5,
        modes in prop::sample::select(&[
            [Mode::Replay, Mode::Replay],
            [Mode::Speculative, Mode::Speculative],
            [Mode::Replay, Mode::Speculative],
            [Mode::Speculative, Mode::Replay],
        ][..]),
        early in prop::collection::vec(any::<bool>(), 8),
    ) {
        let plan = content::plan(content::SCENARIOS);
        let pours = pours(&plan, &partitions);
        let mut undisturbed = Fleet::new(&plan, Mode::Replay, 1);
        undisturbed.pour(&pours, |_| true);
        undisturbed.advance(None);

        // 2025-01-01T10:00:00Z, the hour of the lines.
        let frontier = tick(1_735_725_600_000_000_000 + at_ms * 1_000_000);
        let upto_ns = complete_ns(Some(frontier));
        let mut first = Fleet::new(&plan, modes[0], before);
        // Some of what is above the watermark has arrived already. It will be read again.
        first.pour(&pours, |head| {
            head.eff_ns <= upto_ns || early[usize::try_from(head.offset % 8).unwrap()]
        });
        first.advance(Some(frontier));
        let groups = first.snapshot();

        let mut second = Fleet::new(&plan, modes[1], after);
        second.restore(&groups);
        second.pour(&pours, |head| head.eff_ns > upto_ns);
        second.advance(None);
        let is_final = |change: &&Change| change.overflow.order.eff_ns <= upto_ns;
        let given = first.changes.iter().filter(is_final).chain(&second.changes);
        prop_assert_eq!(settled(given), settled(&undisturbed.changes));
    }
}

#[test]
fn a_table_with_much_ahead_goes_on_in_steps_and_comes_to_the_same() {
    // 2025-01-01T10:00:00Z, the hour of the lines.
    let hour_ns = 1_735_725_600_000_000_000;
    let (begin, middle, end) = (
        tick(hour_ns),
        tick(hour_ns + 66_000_000_000),
        tick(hour_ns + 400_000_000_000),
    );
    let lines: Vec<String> = (0..12_000)
        .map(|n| {
            let (high, low) = (n % 4_000 / 200, n % 200);
            lines::line(60_000 + n, &format!("a 192.0.{high}.{low} x"))
        })
        .collect();
    let plan = content::plan(content::SCENARIOS);
    let pours = pours(&plan, &[lines]);
    let live = || {
        let mut fleet = Fleet::new(&plan, Mode::Speculative, 1);
        fleet.advance(Some(begin));
        fleet.pour(&pours, |_| true);
        fleet
    };
    let (mut at_once, mut in_steps) = (live(), live());
    let worker = &mut at_once.workers[0];
    let upto_ns = complete_ns(Some(end));
    worker
        .table
        .advance(upto_ns, &mut worker.judge, &mut at_once.changes);
    // The frontier moves on while the first half is settled.
    let (is_there, changes) = in_steps.workers[0].step(Some(middle));
    in_steps.changes.append(changes);
    assert!(!is_there);
    let mut n_steps = 1;
    loop {
        let (is_there, changes) = in_steps.workers[0].step(Some(end));
        in_steps.changes.append(changes);
        n_steps += 1;
        if is_there {
            break;
        }
    }
    assert!(n_steps > 5, "{n_steps}");
    assert_eq!(in_steps.workers[0].table.counters().waiting, 0);
    assert_eq!(settled(&in_steps.changes), settled(&at_once.changes));
    assert_eq!(in_steps.snapshot(), at_once.snapshot());
}

#[test]
fn more_is_settled_at_once_the_further_the_frontier_is() {
    assert_eq!(keys_at_once(0), KEYS_AT_ONCE);
    assert_eq!(keys_at_once(2 * SECOND - 1), KEYS_AT_ONCE);
    assert_eq!(keys_at_once(3 * SECOND), 9 * KEYS_AT_ONCE);
    assert_eq!(keys_at_once(u64::MAX), KEYS_AT_ONCE_MAX);
    assert_eq!(stretch(3 * SECOND), SECOND);
    // A year without lines is no matter of a step a second.
    let (mut behind, mut n_steps) = (365 * 86_400 * SECOND, 0);
    while behind > 0 {
        behind -= stretch(behind).min(behind);
        n_steps += 1;
    }
    assert!(n_steps < 200, "{n_steps}");
}
