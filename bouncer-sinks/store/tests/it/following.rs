//! Writers on several handles, and a reader that follows the log meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};

use overspill_store::{
    AlertFilter, AllowItem, Change, DecisionFilter, FlushPolicy, LogEntry, NewAllowlist, Reason,
    Seq, Store,
};

use crate::support::{Database, NOW, SECOND, active, add, alert, ban, plain};

on_both!(
    no_entry_is_missed_while_all_write,
    all_operations_go_together
);

const WRITERS: usize = 4;

/// Says that it is over when it is dropped, also by a writer's panic: the reader would follow for ever.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Follows the log until `is_over` and the log's end. Entries come by number, none is left out, and each decision begins
/// before it ends.
fn follow(store: &Store, is_over: &AtomicBool) -> Vec<LogEntry> {
    let mut seen: Vec<LogEntry> = Vec::new();
    loop {
        let was_over = is_over.load(Ordering::SeqCst);
        let head = store.head().unwrap();
        let last = seen.last().map_or(Seq(0), |entry| entry.seq);
        assert!(head >= last, "the head is never behind what was read");
        let entries = store.log_since(last, 64).unwrap();
        if entries.is_empty() && was_over {
            return seen;
        }
        for entry in entries {
            let expected = seen.last().map_or(1, |entry| entry.seq.0 + 1);
            assert_eq!(entry.seq.0, expected);
            seen.push(entry);
        }
    }
}

fn no_entry_is_missed_while_all_write(database: &Database) {
    const ROUNDS: usize = 25;
    let stores = [database.open(), database.open()];
    let reader = database.open();
    let is_over = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let follower = scope.spawn(|| follow(&reader, &is_over));
        let over = Over(&is_over);
        let mut writers = Vec::new();
        for (node, store) in (0..).zip(&stores) {
            for writer in 0..WRITERS {
                writers.push(scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let value = format!("10.{node}.{writer}.{round}");
                        let some = alert(&value, vec![ban(&value, 60), ban(&value, 90)]);
                        let stored = store
                            .add_alerts(&[plain(&some), plain(&some)], NOW)
                            .unwrap();
                        let id = stored[0].decisions[0].id;
                        assert_eq!(store.expire_decision(id, NOW + 1).unwrap(), 1);
                    }
                }));
            }
        }
        for writer in writers {
            writer.join().unwrap();
        }
        drop(over);
        follower.join().unwrap()
    });
    let n_expected = 2 * WRITERS * ROUNDS * 5;
    assert_eq!(seen.len(), n_expected);
    assert_eq!(reader.log_since(Seq(0), 10_000).unwrap(), seen);
    let mut in_force = std::collections::BTreeSet::new();
    for entry in &seen {
        let is_new = match entry.change {
            Change::Begun => in_force.insert(entry.decision.id),
            Change::Ended(_) => in_force.remove(&entry.decision.id),
        };
        assert!(is_new, "{entry:?}");
    }
    assert_eq!(active(&reader, NOW + 1).len(), in_force.len());
    drop((stores, reader));
    assert_eq!(database.deadlocks(), 0);
}

/// One of everything that touches decisions.
fn churn(store: &Store, writer: usize, rounds: usize) {
    for round in 0..rounds {
        let value = format!("10.{writer}.0.{round}");
        let mut some = alert(&value, vec![ban(&value, 60), ban("192.0.2.1", 60)]);
        some.uuid = value.clone();
        let new = overspill_store::NewAlert {
            is_stable: true,
            ..plain(&some)
        };
        let stored = store.add_alerts(&[new], NOW).unwrap();
        let id = stored[0].id;
        match round % 5 {
            0 => {
                store.withdraw_alert(&value, NOW).unwrap();
            }
            1 => {
                let _gone = store.delete_alert(id, NOW);
            }
            2 => {
                let item = AllowItem {
                    value,
                    comment: String::new(),
                    expires_ns: None,
                    created_ns: 0,
                };
                store.add_allow_items("office", &[item], NOW).unwrap();
            }
            3 => {
                let filter = DecisionFilter {
                    value: Some("192.0.2.1".to_owned()),
                    ..DecisionFilter::default()
                };
                store
                    .expire_decisions(&filter, Reason::Deleted, NOW)
                    .unwrap();
            }
            _ => {
                let policy = FlushPolicy {
                    max_items: Some(20),
                    ..FlushPolicy::default()
                };
                store.flush(&policy, NOW + SECOND).unwrap();
                let filter = AlertFilter {
                    limit: Some(1),
                    value: Some(value),
                    ..AlertFilter::default()
                };
                store.delete_alerts(&filter, NOW).unwrap();
            }
        }
    }
}

fn all_operations_go_together(database: &Database) {
    let stores = [database.open(), database.open()];
    let reader = database.open();
    let office = NewAllowlist {
        id: "id",
        name: "office",
        description: "",
        from_console: false,
    };
    reader.create_allowlist(&office, NOW).unwrap();
    let is_over = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let follower = scope.spawn(|| follow(&reader, &is_over));
        let over = Over(&is_over);
        let writers: Vec<_> = (0..WRITERS * 2)
            .map(|writer| {
                let store = &stores[writer % 2];
                scope.spawn(move || churn(store, writer, 20))
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        drop(over);
        follower.join().unwrap()
    });
    // What the log tells is what the table holds.
    let mut in_force = std::collections::BTreeMap::new();
    for entry in seen {
        match entry.change {
            Change::Begun => in_force.insert(entry.decision.id, entry.decision.value),
            Change::Ended(_) => in_force.remove(&entry.decision.id),
        };
    }
    let told: Vec<String> = in_force.into_values().collect();
    assert_eq!(active(&reader, NOW), told);
    // And the store still works.
    add(&reader, &alert("192.0.2.9", vec![]), NOW);
    drop((stores, reader));
    assert_eq!(database.deadlocks(), 0);
}
