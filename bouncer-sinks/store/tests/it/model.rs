//! Random operations, compared with a model that keeps everything in vectors.

use overspill_decision::Block;
use overspill_store::{
    AlertFilter, AllowItem, Change, DecisionFilter, FlushPolicy, NewAlert, NewAllowlist, Reason,
    Seq, Store,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{Database, NOW, SECOND, active, alert, ban, plain};

on_both!(random_operations_do_what_the_model_does);

/// Values that contain one another, and one that is no address.
const VALUES: [&str; 7] = [
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.0/30",
    "10.0.0.0/8",
    "2001:db8::1",
    "2001:db8::/64",
    "alice",
];

#[derive(Debug, Clone)]
enum Step {
    /// An alert with these decisions: value and seconds it stands from now on.
    Add {
        identity: u8,
        decisions: Vec<(usize, i64)>,
    },
    Expire(Option<usize>, bool),
    ExpireOne(i64),
    Delete(i64),
    DeleteAll(u64),
    Withdraw(u8),
    Allow(usize),
    Flush(Option<i64>, Option<u64>),
    Prune(u64),
    Wait(i64),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let decisions = prop::collection::vec((0..VALUES.len(), -2i64..12), 0..4);
    let step = prop_oneof![
        6 => (0u8..12, decisions).prop_map(|(identity, decisions)| Step::Add { identity, decisions }),
        1 => (prop::option::of(0..VALUES.len() - 1), any::<bool>())
            .prop_map(|(value, contains)| Step::Expire(value, contains)),
        1 => (1i64..20).prop_map(Step::ExpireOne),
        1 => (1i64..12).prop_map(Step::Delete),
        1 => (0u64..3).prop_map(Step::DeleteAll),
        1 => (0u8..12).prop_map(Step::Withdraw),
        1 => (0..VALUES.len() - 1).prop_map(Step::Allow),
        1 => (prop::option::of(0i64..8), prop::option::of(0u64..6))
            .prop_map(|(age, number)| Step::Flush(age, number)),
        1 => (0u64..10).prop_map(Step::Prune),
        3 => (1i64..5).prop_map(Step::Wait),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..40)
}

#[derive(Debug, Clone, PartialEq)]
struct Held {
    id: i64,
    alert_id: i64,
    value: usize,
    until_ns: i64,
}

#[derive(Default)]
struct Model {
    now_ns: i64,
    n_alerts: i64,
    n_decisions: i64,
    /// Number and time of each alert.
    alerts: Vec<(i64, i64)>,
    decisions: Vec<Held>,
    /// Alert of each stable identity.
    identities: Vec<(u8, i64)>,
    log: Vec<(i64, Change, i64)>,
    floor: usize,
}

impl Model {
    fn end(&mut self, reason: Reason, which: impl Fn(&Held) -> bool) -> u64 {
        let mut ended = 0;
        for held in &mut self.decisions {
            if held.until_ns > self.now_ns && which(held) {
                held.until_ns = self.now_ns;
                self.log
                    .push((held.id, Change::Ended(reason), held.until_ns));
                ended += 1;
            }
        }
        ended
    }

    fn remove(&mut self, ids: &[i64], reason: Reason) -> u64 {
        let ended = self.end(reason, |held| ids.contains(&held.alert_id));
        self.drop_alerts(ids);
        ended
    }

    fn drop_alerts(&mut self, ids: &[i64]) {
        self.alerts.retain(|(id, _)| !ids.contains(id));
        self.decisions.retain(|held| !ids.contains(&held.alert_id));
    }

    fn is_idle(&self, id: i64) -> bool {
        !self
            .decisions
            .iter()
            .any(|held| held.alert_id == id && held.until_ns > self.now_ns)
    }

    fn flush(&mut self, which: impl Fn(&(i64, i64)) -> bool) -> u64 {
        let ids: Vec<i64> = self
            .alerts
            .iter()
            .filter(|one| which(one) && self.is_idle(one.0))
            .map(|one| one.0)
            .collect();
        self.drop_alerts(&ids);
        u64::try_from(ids.len()).unwrap()
    }
}

fn block(value: usize) -> Option<Block> {
    Block::parse(VALUES[value])
}

fn overlaps(held: &Held, other: usize) -> bool {
    block(held.value)
        .zip(block(other))
        .is_some_and(|(one, other)| one.overlaps(other))
}

fn contains(outer: usize, inner: usize) -> bool {
    block(outer)
        .zip(block(inner))
        .is_some_and(|(outer, inner)| outer.contains(inner))
}

fn add(store: &Store, model: &mut Model, identity: u8, decisions: &[(usize, i64)]) {
    let decided = decisions
        .iter()
        .map(|(value, seconds)| {
            let mut one = ban(VALUES[*value], 0);
            one.until_ns = model.now_ns + seconds * SECOND;
            if block(*value).is_none() {
                one.scope = "user".to_owned();
            }
            one
        })
        .collect();
    let mut some = alert("192.0.2.1", decided);
    some.uuid = identity.to_string();
    let new = NewAlert {
        is_stable: true,
        ..plain(&some)
    };
    let stored = store.add_alerts(&[new], model.now_ns).unwrap().remove(0);
    let first = model.identities.iter().find(|one| one.0 == identity);
    if let Some((_, id)) = first {
        assert_eq!((stored.id, stored.is_repeat), (*id, true));
        return;
    }
    model.n_alerts += 1;
    assert_eq!((stored.id, stored.is_repeat), (model.n_alerts, false));
    model.alerts.push((model.n_alerts, model.now_ns));
    model.identities.push((identity, model.n_alerts));
    for (value, seconds) in decisions {
        model.n_decisions += 1;
        let until_ns = model.now_ns + seconds * SECOND;
        model.decisions.push(Held {
            id: model.n_decisions,
            alert_id: model.n_alerts,
            value: *value,
            until_ns,
        });
        model.log.push((model.n_decisions, Change::Begun, until_ns));
    }
}

fn expire(store: &Store, model: &mut Model, value: Option<usize>, outer: bool) {
    let filter = DecisionFilter {
        block: value.and_then(block),
        contains: outer,
        ..DecisionFilter::default()
    };
    let ended = store
        .expire_decisions(&filter, Reason::Deleted, model.now_ns)
        .unwrap();
    let expected = model.end(Reason::Deleted, |held| match value {
        None => true,
        Some(value) if outer => contains(held.value, value),
        Some(value) => contains(value, held.value),
    });
    assert_eq!(ended, expected);
}

fn flush(store: &Store, model: &mut Model, age: Option<i64>, number: Option<u64>) {
    let policy = FlushPolicy {
        max_age_ns: age.map(|seconds| seconds * SECOND),
        max_items: number,
        ..FlushPolicy::default()
    };
    let report = store.flush(&policy, model.now_ns).unwrap();
    let mut expected = (0, 0);
    if let Some(age_ns) = policy.max_age_ns {
        let before_ns = model.now_ns - age_ns;
        expected.0 = model.flush(|one| one.1 < before_ns);
    }
    if let Some(number) = number {
        let newest = model.alerts.iter().map(|one| one.0).max().unwrap_or(0);
        let threshold = newest - i64::try_from(number).unwrap();
        expected.1 = model.flush(|one| one.0 <= threshold);
    }
    assert_eq!((report.alerts_by_age, report.alerts_by_number), expected);
}

fn allow(store: &Store, model: &mut Model, value: usize) {
    let item = AllowItem {
        value: VALUES[value].to_owned(),
        comment: String::new(),
        expires_ns: None,
        created_ns: 0,
    };
    let added = store
        .add_allow_items("office", &[item], model.now_ns)
        .unwrap();
    let expected = model.end(Reason::Allowlisted, |held| overlaps(held, value));
    assert_eq!(added.n_ended, expected);
}

fn apply(database: &Database, store: &mut Store, model: &mut Model, step: &Step) {
    match step {
        Step::Add {
            identity,
            decisions,
        } => add(store, model, *identity, decisions),
        Step::Expire(value, outer) => expire(store, model, *value, *outer),
        Step::ExpireOne(id) => {
            let is_there = model.decisions.iter().any(|held| held.id == *id);
            let ended = store.expire_decision(*id, model.now_ns).ok();
            let expected = model.end(Reason::Deleted, |held| held.id == *id);
            assert_eq!(ended, is_there.then_some(expected));
        }
        Step::Delete(id) => {
            let is_there = model.alerts.iter().any(|one| one.0 == *id);
            let deleted = store.delete_alert(*id, model.now_ns).is_ok();
            model.remove(&[*id], Reason::Deleted);
            assert_eq!(deleted, is_there);
        }
        Step::DeleteAll(limit) => {
            let filter = AlertFilter {
                limit: Some(*limit),
                ..AlertFilter::default()
            };
            let deleted = store.delete_alerts(&filter, model.now_ns).unwrap();
            let limit = usize::try_from(*limit).unwrap();
            let newest = model.alerts.iter().rev().take(limit);
            let ids: Vec<i64> = newest.map(|one| one.0).collect();
            model.remove(&ids, Reason::Deleted);
            assert_eq!(deleted, u64::try_from(ids.len()).unwrap());
        }
        Step::Withdraw(identity) => {
            let ended = store
                .withdraw_alert(&identity.to_string(), model.now_ns)
                .unwrap();
            let known = model.identities.iter().find(|one| one.0 == *identity);
            let ids: Vec<i64> = known.iter().map(|one| one.1).collect();
            model.identities.retain(|one| one.0 != *identity);
            assert_eq!(ended, model.remove(&ids, Reason::Retracted));
        }
        Step::Allow(value) => allow(store, model, *value),
        Step::Flush(age, number) => flush(store, model, *age, *number),
        Step::Prune(keep) => {
            let keep = usize::try_from(*keep).unwrap();
            let floor = model.log.len().saturating_sub(keep).max(model.floor);
            let pruned = store.prune_log(u64::try_from(keep).unwrap()).unwrap();
            assert_eq!(pruned, u64::try_from(floor - model.floor).unwrap());
            model.floor = floor;
        }
        Step::Wait(seconds) => model.now_ns += seconds * SECOND,
        Step::Reopen => *store = database.open(),
    }
}

fn compare(store: &Store, model: &Model) {
    let in_force: Vec<&str> = model
        .decisions
        .iter()
        .filter(|held| held.until_ns > model.now_ns)
        .map(|held| VALUES[held.value])
        .collect();
    assert_eq!(active(store, model.now_ns), in_force);
    let filter = AlertFilter {
        is_ascending: true,
        ..AlertFilter::default()
    };
    let alerts: Vec<(i64, i64)> = store
        .alerts(&filter, model.now_ns)
        .unwrap()
        .iter()
        .map(|row| (row.id, row.created_ns))
        .collect();
    assert_eq!(alerts, model.alerts);
    assert_eq!(
        store.head().unwrap().0,
        u64::try_from(model.log.len()).unwrap()
    );
    let floor = Seq(u64::try_from(model.floor).unwrap());
    let log: Vec<(i64, Change, i64)> = store
        .log_since(floor, 10_000)
        .unwrap()
        .into_iter()
        .map(|entry| (entry.decision.id, entry.change, entry.decision.until_ns))
        .collect();
    assert_eq!(log, model.log[model.floor..]);
    for (value, text) in VALUES.iter().enumerate() {
        let counted = model.decisions.iter().filter(|held| match block(value) {
            Some(_) => contains(held.value, value),
            None => held.value == value,
        });
        let expected = u64::try_from(counted.count()).unwrap();
        assert_eq!(
            store.decision_count(text, None).unwrap(),
            expected,
            "{text}"
        );
    }
}

/// Empties a database, so that not every case needs one of its own.
fn reset(database: &Database) -> Store {
    let store = database.open();
    database.meddle(
        "DELETE FROM alerts; DELETE FROM log; DELETE FROM identities; DELETE FROM allowlists; \
         UPDATE head SET seq = 0, floor = 0, alert_id = 0, decision_id = 0;",
    );
    let office = NewAllowlist {
        id: "id",
        name: "office",
        description: "",
        from_console: false,
    };
    store.create_allowlist(&office, NOW).unwrap();
    store
}

fn random_operations_do_what_the_model_does(database: &Database) {
    let config = Config {
        cases: 48,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&steps(), |steps| {
            let mut store = reset(database);
            let mut model = Model {
                now_ns: NOW,
                ..Model::default()
            };
            for step in &steps {
                apply(database, &mut store, &mut model, step);
                compare(&store, &model);
            }
            Ok(())
        })
        .unwrap();
}
