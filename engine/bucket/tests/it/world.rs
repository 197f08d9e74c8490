//! What the tests share: expressions, scenarios, pours, and driving tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use overspill_bucket::{
    Bayes, BayesCondition, BucketView, Change, Judge, Key, Kind, Order, Overflow, Pour, ScenarioId,
    Spec, Stamp, Table, TableConfig, owner,
};
use proptest::test_runner::Config as ProptestConfig;

pub(crate) const SECOND: i64 = 1_000_000_000;
/// Bytes of a test event.
pub(crate) const EVENT_BYTES: usize = 3;

/// Expressions over the first byte of an event, the same for all scenarios.
pub(crate) mod expressions {
    pub(crate) fn condition(event: u8, queue: &[u8]) -> bool {
        queue.iter().filter(|&&other| other == event).count() >= 3
    }

    pub(crate) fn bayesian(index: usize, event: u8, queue: &[u8]) -> Option<bool> {
        match (index, event) {
            (_, 7) => None,
            (0, _) => Some(event % 2 == 1),
            _ => Some(queue.len() >= 2 && event > 3),
        }
    }

    pub(crate) fn overflow_filter(queue: &[u8]) -> bool {
        queue.iter().map(|&event| u32::from(event)).sum::<u32>() % 4 != 0
    }
}

fn firsts<'a>(queue: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    queue.map(|event| event[0]).collect()
}

/// Evaluates [`expressions`] on what a table shows.
pub(crate) struct TestJudge;

impl Judge for TestJudge {
    fn condition(&mut self, event: &[u8], bucket: &BucketView<'_>) -> bool {
        expressions::condition(event[0], &firsts(bucket.queue()))
    }

    fn bayesian(&mut self, index: usize, event: &[u8], bucket: &BucketView<'_>) -> Option<bool> {
        expressions::bayesian(index, event[0], &firsts(bucket.queue()))
    }

    fn overflow_filter(&mut self, overflow: &Overflow) -> bool {
        expressions::overflow_filter(&firsts(overflow.queue.iter()))
    }
}

/// A pour and its event, which is one byte and padding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TestPour {
    pub(crate) pour: Pour,
    pub(crate) event: u8,
}

impl TestPour {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        vec![self.event; EVENT_BYTES]
    }
}

/// An overflow as tests compare it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Outcome {
    pub(crate) order: Order,
    pub(crate) key: Key,
    pub(crate) scenario: u32,
    pub(crate) first_ns: i64,
    pub(crate) last_ns: i64,
    pub(crate) overflow_ns: i64,
    pub(crate) total: u32,
    pub(crate) first_order: Order,
    pub(crate) queue: Vec<u8>,
}

impl From<&Overflow> for Outcome {
    fn from(overflow: &Overflow) -> Self {
        Self {
            order: overflow.order,
            key: overflow.key,
            scenario: overflow.scenario.0,
            first_ns: overflow.first.ns,
            last_ns: overflow.last.ns,
            overflow_ns: overflow.overflow.ns,
            total: overflow.total,
            first_order: overflow.first_order,
            queue: firsts(overflow.queue.iter()),
        }
    }
}

/// Sums changes: every sum must be 1, the others are left out.
pub(crate) fn sum(changes: &[Change]) -> Vec<Outcome> {
    let mut sums: BTreeMap<Outcome, i64> = BTreeMap::new();
    let mut identities: BTreeMap<u128, i64> = BTreeMap::new();
    for change in changes {
        *sums.entry(Outcome::from(&*change.overflow)).or_default() += change.diff;
        *identities.entry(change.overflow.identity).or_default() += change.diff;
    }
    assert!(
        identities.values().all(|sum| [0, 1].contains(sum)),
        "identities are unique"
    );
    sums.retain(|_, sum| *sum != 0);
    assert!(sums.values().all(|sum| *sum == 1), "{sums:?}");
    sums.into_keys().collect()
}

/// Tables that share the key groups.
pub(crate) struct Fleet {
    pub(crate) tables: Vec<Table>,
    pub(crate) changes: Vec<Change>,
}

impl Fleet {
    pub(crate) fn new(specs: &Arc<[Spec]>, config: TableConfig, n_tables: usize) -> Self {
        Self {
            tables: (0..n_tables).map(|_| Table::new(specs, config)).collect(),
            changes: Vec::new(),
        }
    }

    pub(crate) fn pour(&mut self, pour: &TestPour) {
        let table = owner(pour.pour.key, self.tables.len());
        let bytes = pour.bytes();
        self.tables[table].pour(pour.pour, &bytes, &mut TestJudge, &mut self.changes);
    }

    pub(crate) fn advance(&mut self, watermark_ns: i64) {
        for table in &mut self.tables {
            table.advance(watermark_ns, &mut TestJudge, &mut self.changes);
        }
    }

    /// As [`Fleet::advance`], a few keys at a time; `between` may pour what is above the watermark.
    pub(crate) fn advance_in_steps(
        &mut self,
        watermark_ns: i64,
        n_keys: usize,
        mut between: impl FnMut(&mut Self),
    ) {
        loop {
            let mut is_done = true;
            for table in &mut self.tables {
                is_done &=
                    table.advance_some(watermark_ns, n_keys, &mut TestJudge, &mut self.changes);
            }
            if is_done {
                return;
            }
            between(self);
        }
    }

    pub(crate) fn finish(&mut self, end_ns: i64) {
        for table in &mut self.tables {
            table.finish(end_ns, &mut TestJudge, &mut self.changes);
        }
    }
}

/// A bayesian part whose result depends on both conditions and on what is remembered.
pub(crate) fn bayes(guillotine: bool) -> Bayes {
    let condition = |evil, benign| BayesCondition {
        evil,
        benign,
        guillotine,
    };
    Bayes {
        prior: 0.5,
        threshold: 0.8,
        conditions: vec![condition(0.8, 0.2), condition(0.9, 0.5)],
    }
}

pub(crate) fn leaky(capacity: i64, leak_s: i64) -> Spec {
    Spec {
        capacity,
        leak_ns: leak_s * SECOND,
        ..Spec::new(Kind::Leaky)
    }
}

/// A pour of scenario 0 into key 1 at this time, in the order of `offset`.
pub(crate) fn pour_at(offset: u64, time_ns: i64) -> TestPour {
    TestPour {
        pour: Pour {
            key: Key([1, 1]),
            order: Order {
                eff_ns: 0,
                partition: 0,
                offset,
                seq: 0,
            },
            scenario: ScenarioId(0),
            time: Some(Stamp {
                ns: time_ns,
                zone_secs: 0,
            }),
            distinct: None,
            cancel: false,
        },
        event: 0,
    }
}

/// Few cases by default; `PROPTEST_CASES` asks for more. Failures are not written to the tree.
pub(crate) fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}
