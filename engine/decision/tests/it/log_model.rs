//! The decision log against a naive model: any sequence of alerts, retractions, deletions and
//! passing time, with readers that follow by cursor at their own pace.

use std::collections::BTreeMap;
use std::sync::Arc;

use overspill_decision::{Change, Cursor, DecisionLog, LogLimits, Reason, Seq};
use overspill_event::Decision;
use proptest::prelude::*;

const LIMITS: LogLimits = LogLimits {
    active_max: 12,
    entries_max: 20,
    alerts_max: 6,
};

#[derive(Debug, Clone)]
enum Step {
    /// Alert number; (value, type, lifetime) of its decisions.
    Apply(u8, Vec<(u8, bool, i64)>),
    Retract(u8),
    /// Deletes the n-th active decision.
    Remove(usize),
    Allowlist(u8),
    Advance(i64),
    Read {
        reader: usize,
        limit: usize,
    },
    /// Saves and restores; a crash also forgets what came after the save.
    Restart,
    Save,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let decision = (0u8..4, any::<bool>(), 0i64..40);
    prop_oneof![
        6 => (0u8..12, prop::collection::vec(decision, 0..4)).prop_map(|(a, d)| Step::Apply(a, d)),
        2 => (0u8..12).prop_map(Step::Retract),
        1 => (0usize..12).prop_map(Step::Remove),
        1 => (0u8..4).prop_map(Step::Allowlist),
        3 => (0i64..15).prop_map(Step::Advance),
        4 => (0usize..3, 0usize..9).prop_map(|(reader, limit)| Step::Read { reader, limit }),
        1 => Just(Step::Restart),
        1 => Just(Step::Save),
        1 => Just(Step::Crash),
    ]
}

/// A target: value and type. All decisions of the test have one scope.
type Target = (String, String);

/// A reader that keeps every decision and every winner, by applying entries in order.
#[derive(Default)]
struct Follower {
    cursor: Cursor,
    all: BTreeMap<u64, Arc<Decision>>,
    winners: BTreeMap<Target, Arc<Decision>>,
}

impl Follower {
    fn target(decision: &Decision) -> Target {
        (decision.value.clone(), decision.kind.clone())
    }

    /// Takes up to `limit` entries, or the whole set when the cursor is lost.
    fn read(&mut self, log: &DecisionLog, limit: usize) {
        let Ok(page) = log.since(self.cursor, limit) else {
            self.cursor = log.head();
            self.all = log.active().map(|d| (d.id, Arc::clone(d))).collect();
            self.winners = log
                .held()
                .map(|d| (Self::target(d), Arc::clone(d)))
                .collect();
            return;
        };
        let mut expected = self.cursor.seq.0;
        for entry in page.entries {
            expected += 1;
            assert_eq!(entry.seq.0, expected, "numbers have no gap");
            let target = Self::target(&entry.decision);
            match entry.change {
                Change::New => self
                    .all
                    .insert(entry.decision.id, Arc::clone(&entry.decision)),
                Change::Deleted(_) => self.all.remove(&entry.decision.id),
            };
            let before = match &entry.winner {
                Some(winner) => self.winners.insert(target, Arc::clone(winner)),
                None => self.winners.remove(&target),
            };
            assert_eq!(before != entry.winner, entry.winner_changed, "{entry:?}");
        }
        assert_eq!(page.next.seq.0, expected);
        assert_eq!(page.more, page.next.seq < log.head().seq);
        self.cursor = page.next;
    }
}

/// The naive log: a list of (alert, decision), searched from end to end.
#[derive(Default, Clone)]
struct Model {
    now: i64,
    active: Vec<(String, Decision)>,
    known: Vec<String>,
    next_id: u64,
}

impl Model {
    fn apply(&mut self, uuid: &str, decisions: &[Decision]) {
        self.known.push(uuid.to_owned());
        for decision in decisions
            .iter()
            .filter(|decision| decision.until_ns > self.now)
        {
            self.next_id += 1;
            let decision = Decision {
                id: self.next_id,
                ..decision.clone()
            };
            self.active.push((uuid.to_owned(), decision));
        }
        while self.active.len() > LIMITS.active_max {
            let first = self
                .active
                .iter()
                .map(|(_, d)| (d.until_ns, d.id))
                .min()
                .unwrap();
            self.active.retain(|(_, d)| d.id != first.1);
        }
    }

    fn winner(&self, target: &Target) -> Option<u64> {
        self.active
            .iter()
            .map(|(_, decision)| decision)
            .filter(|decision| Follower::target(decision) == *target)
            .max_by_key(|decision| (decision.until_ns, std::cmp::Reverse(decision.id)))
            .map(|decision| decision.id)
    }
}

fn uuid(alert: u8) -> String {
    format!("alert-{alert}")
}

fn decisions_of(now: i64, specs: &[(u8, bool, i64)]) -> Vec<Decision> {
    specs
        .iter()
        .map(|(value, ban, lifetime)| Decision {
            scope: "Ip".to_owned(),
            value: format!("192.0.2.{value}"),
            kind: if *ban { "ban" } else { "captcha" }.to_owned(),
            until_ns: now + lifetime,
            ..Decision::default()
        })
        .collect()
}

struct World {
    log: DecisionLog,
    model: Model,
    generation: u64,
    saved: Option<(Vec<u8>, Model)>,
}

impl World {
    fn restore(&mut self, bytes: &[u8]) {
        self.generation += 1;
        self.log = DecisionLog::decode(bytes, LIMITS).unwrap();
        self.log.begin_generation(self.generation).unwrap();
        assert!(self.log.begin_generation(self.generation).is_err());
        let mut again = Vec::new();
        let mut same = DecisionLog::decode(bytes, LIMITS).unwrap();
        same.begin_generation(self.generation).unwrap();
        same.encode(&mut again);
        let mut now = Vec::new();
        self.log.encode(&mut now);
        assert_eq!(again, now, "the same state gives the same bytes");
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Apply(alert, specs) => {
                let decisions = decisions_of(self.model.now.max(0), specs);
                let uuid = uuid(*alert);
                let was_active = self.model.active.iter().any(|(owner, _)| *owner == uuid);
                let applied = self.log.apply(&uuid, &decisions);
                if applied.repeated {
                    assert!(
                        self.model.known.contains(&uuid),
                        "an unknown alert is no repetition"
                    );
                } else {
                    assert!(!was_active, "an alert with active decisions is remembered");
                    self.model.apply(&uuid, &decisions);
                }
            }
            Step::Retract(alert) => {
                let uuid = uuid(*alert);
                let before = self.model.active.len();
                self.model.active.retain(|(owner, _)| *owner != uuid);
                self.model.known.retain(|known| *known != uuid);
                assert_eq!(self.log.retract(&uuid), before - self.model.active.len());
            }
            Step::Remove(nth) => {
                let Some((_, decision)) = self.model.active.get(*nth) else {
                    return;
                };
                let id = decision.id;
                self.model.active.retain(|(_, decision)| decision.id != id);
                assert_eq!(self.log.remove([id, id], Reason::Deleted), 1);
            }
            Step::Allowlist(value) => {
                let value = format!("192.0.2.{value}");
                self.model
                    .active
                    .retain(|(_, decision)| decision.value != value);
                self.log
                    .remove_where(Reason::Allowlisted, |decision| decision.value == value);
            }
            Step::Advance(by) => {
                self.model.now = self.model.now.max(0) + by;
                let now = self.model.now;
                self.model
                    .active
                    .retain(|(_, decision)| decision.until_ns > now);
                self.log.advance(now);
            }
            Step::Restart => {
                let mut bytes = Vec::new();
                self.log.encode(&mut bytes);
                self.restore(&bytes);
            }
            Step::Save => {
                let mut bytes = Vec::new();
                self.log.encode(&mut bytes);
                self.saved = Some((bytes, self.model.clone()));
            }
            Step::Crash => {
                if let Some((bytes, model)) = self.saved.clone() {
                    self.model = model;
                    self.restore(&bytes);
                }
            }
            Step::Read { .. } => {}
        }
    }

    fn check(&self) {
        let mut expected: Vec<u64> = self.model.active.iter().map(|(_, d)| d.id).collect();
        expected.sort_unstable();
        let active: Vec<u64> = self.log.active().map(|decision| decision.id).collect();
        assert_eq!(active, expected);
        assert!(active.len() <= LIMITS.active_max);
        for (_, decision) in &self.model.active {
            let winner = self
                .log
                .winner(&Arc::new(decision.clone()))
                .map(|winner| winner.id);
            assert_eq!(winner, self.model.winner(&Follower::target(decision)));
        }
    }
}

#[test]
fn of_alerts_without_active_decisions_only_the_latest_are_remembered() {
    let mut log = DecisionLog::new(LIMITS, 1);
    log.apply("held", &decisions_of(0, &[(0, true, 1_000)]));
    for alert in 0..10 {
        log.apply(
            &uuid(alert),
            &decisions_of(0, &[(1, true, 5 + i64::from(alert))]),
        );
    }
    log.advance(100);
    assert!(log.apply("held", &[]).repeated, "it has an active decision");
    for (alert, repeated) in [(9, true), (4, true), (3, false), (0, false)] {
        let applied = log.apply(&uuid(alert), &decisions_of(100, &[(2, true, 5)]));
        assert_eq!(
            applied.repeated, repeated,
            "alert {alert}, of which the last six are known"
        );
    }
}

#[test]
fn a_full_log_gives_up_what_ends_first() {
    let mut log = DecisionLog::new(LIMITS, 1);
    for alert in 0..13 {
        log.apply(
            &uuid(alert),
            &decisions_of(0, &[(alert, true, 100 - i64::from(alert))]),
        );
    }
    assert_eq!(
        (log.active_len(), log.counters().evicted),
        (LIMITS.active_max, 1)
    );
    let last = log
        .since(
            Cursor {
                seq: Seq(13),
                ..log.head()
            },
            9,
        )
        .unwrap()
        .entries
        .next();
    let last = last.unwrap();
    assert_eq!(last.change, Change::Deleted(Reason::Evicted));
    assert_eq!(last.decision.until_ns, 88);
}

#[test]
fn a_reader_that_is_too_far_behind_is_told_so() {
    let mut log = DecisionLog::new(LIMITS, 1);
    let start = log.head();
    for alert in 0..10 {
        log.apply(&uuid(alert), &decisions_of(0, &[(alert, true, 1)]));
    }
    assert!(log.since(start, 1).is_ok());
    log.advance(1);
    assert!(log.since(start, 1).is_ok(), "twenty entries are kept");
    log.apply("one more", &decisions_of(1, &[(1, true, 5)]));
    assert!(log.since(start, 1).is_err());
    let elsewhere = Cursor {
        generation: 7,
        ..log.head()
    };
    assert!(
        log.since(elsewhere, 1).is_err(),
        "a generation that never was"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_log_equals_the_model_and_readers_reconstruct_it(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut world = World {
            log: DecisionLog::new(LIMITS, 1),
            model: Model { now: i64::MIN, ..Model::default() },
            generation: 1,
            saved: None,
        };
        let mut readers: [Follower; 3] = Default::default();
        for reader in &mut readers {
            reader.cursor = world.log.head();
        }
        for step in &steps {
            world.take(step);
            if let Step::Read { reader, limit } = step {
                readers[*reader].read(&world.log, *limit);
            }
            world.check();
        }
        for reader in &mut readers {
            let mut n_reads = 0;
            while reader.cursor != world.log.head() {
                reader.read(&world.log, 4);
                n_reads += 1;
                assert!(n_reads < 1_000, "a reader never arrives");
            }
            let all: Vec<_> = reader.all.values().collect();
            prop_assert_eq!(all, world.log.active().collect::<Vec<_>>());
            let mut winners: Vec<_> = reader.winners.values().collect();
            winners.sort_by_key(|winner| winner.id);
            prop_assert_eq!(winners, world.log.held().collect::<Vec<_>>());
        }
    }

    #[test]
    fn bytes_that_are_no_log_are_refused(
        cut in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        tail in prop::collection::vec(any::<u8>(), 0..3),
    ) {
        let mut log = DecisionLog::new(LIMITS, 1);
        for alert in 0..5 {
            log.apply(&uuid(alert), &decisions_of(0, &[(alert, true, 10), (1, false, 3)]));
        }
        log.advance(5);
        let mut bytes = Vec::new();
        log.encode(&mut bytes);
        let mut changed = bytes.clone();
        let place = at.index(changed.len());
        changed[place] = byte;
        changed.extend(&tail);
        // Either an error or some log that works; never a panic.
        if let Ok(mut other) = DecisionLog::decode(&changed, LIMITS) {
            other.advance(i64::MAX);
            other.apply("x", &decisions_of(0, &[(1, true, 9)]));
        }
        let cut = cut.index(bytes.len());
        prop_assert!(DecisionLog::decode(&bytes[..cut], LIMITS).is_err());
    }
}
