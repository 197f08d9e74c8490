//! Storing, reading, deleting and withdrawing alerts.

use std::sync::Arc;

use overspill_event::{Alert, AlertEvent, MetaItem, MetaList};
use overspill_store::{AlertFilter, Change, NewAlert, NewMachine, Reason, Seq};

use crate::support::{Database, NOW, SECOND, active, add, alert, ban, plain};

on_both!(
    an_alert_is_read_as_it_was_stored,
    numbers_go_up_and_are_not_given_twice,
    hostile_texts_are_stored,
    long_events_are_shortened,
    a_digest_is_a_repeat_for_a_while,
    a_stable_uuid_is_a_repeat_for_ever,
    repeats_within_one_batch_are_found,
    a_deleted_alert_ends_its_decisions,
    a_withdrawn_alert_may_come_again,
    many_alerts_are_deleted_in_batches,
    a_large_alert_is_stored_whole,
    an_owner_is_named_until_it_is_deleted,
);

fn rich(value: &str) -> Alert {
    let mut meta = MetaList::default();
    meta.push("source_ip", value);
    meta.push("http_path", "/\u{1f600}<a>&\"\\\u{0}");
    let mut alert = alert(value, vec![ban(value, 60), ban("10.0.0.0/8", -5)]);
    alert.events = Arc::new(vec![
        AlertEvent {
            timestamp: Some("2023-11-14T22:13:00Z".to_owned()),
            meta,
        },
        AlertEvent {
            timestamp: None,
            meta: MetaList::default(),
        },
    ]);
    alert.meta = vec![MetaItem {
        key: "target".to_owned(),
        value: "[\"a\"]".to_owned(),
    }];
    alert.source.latitude = 48.8566;
    alert.source.longitude = -2.25;
    alert.source.cn = "FR".to_owned();
    alert.leakspeed = "10s".to_owned();
    alert.capacity = -1;
    alert.remediation = true;
    alert.uuid = "uuid".to_owned();
    alert
}

fn an_alert_is_read_as_it_was_stored(database: &Database) {
    let store = database.open();
    let sent = rich("192.0.2.7");
    let stored = add(&store, &sent, NOW);
    assert!(!stored.is_repeat);
    assert_eq!((stored.id, stored.decisions.len()), (1, 2));
    let row = store.alert(1).unwrap().unwrap();
    assert_eq!((row.id, row.created_ns, row.machine), (1, NOW, None));
    let mut expected = sent;
    for (decision, stored) in expected.decisions.iter_mut().zip(&stored.decisions) {
        decision.id = u64::try_from(stored.id).unwrap();
        decision.duration = String::new();
    }
    assert_eq!(row.alert, expected);
    assert_eq!(active(&store, NOW), ["192.0.2.7"]);
    assert!(store.alert(2).unwrap().is_none());
    drop(store);
    assert_eq!(database.open().alert(1).unwrap().unwrap().alert, expected);
}

fn numbers_go_up_and_are_not_given_twice(database: &Database) {
    let store = database.open();
    let some = alert("192.0.2.1", vec![ban("192.0.2.1", 60)]);
    assert_eq!(add(&store, &some, NOW).id, 1);
    assert_eq!(add(&store, &some, NOW).id, 2);
    store.delete_alert(2, NOW).unwrap();
    let third = add(&database.open(), &some, NOW);
    assert_eq!((third.id, third.decisions.first().unwrap().id), (3, 3));
}

fn hostile_texts_are_stored(database: &Database) {
    let store = database.open();
    // As much as an index of PostgreSQL could not hold, of characters that do not compress.
    let long: String = (0..20_000u32)
        .filter_map(|n| char::from_u32(0x4e00 + (n * 7919) % 20_000))
        .collect();
    let mut sent = alert("a\0b", vec![ban("x", 60)]);
    sent.scenario = long.clone();
    sent.source.latitude = f32::NAN;
    for (decision, value) in sent.decisions.iter_mut().zip([&long]) {
        decision.scope = "user".to_owned();
        decision.value.clone_from(value);
        decision.scenario.clone_from(value);
    }
    sent.decisions.push(ban("y\0z", 60));
    add(&store, &sent, NOW);
    let row = store.alert(1).unwrap().unwrap();
    assert_eq!(row.alert.scenario, long);
    assert_eq!(row.alert.source.value, "a\0b");
    let found = |filter: AlertFilter| store.alerts(&filter, NOW).unwrap().len();
    assert_eq!(
        found(AlertFilter {
            scenario: Some(long.clone()),
            ..AlertFilter::default()
        }),
        1
    );
    assert_eq!(
        found(AlertFilter {
            value: Some("a\0b".to_owned()),
            ..AlertFilter::default()
        }),
        1
    );
    assert_eq!(store.decision_count(&long, None).unwrap(), 1);
    assert_eq!(store.decision_count("y\0z", None).unwrap(), 1);
    assert_eq!(active(&store, NOW), [long.as_str(), "y\u{fffd}z"]);
}

fn long_events_are_shortened(database: &Database) {
    let store = database.open();
    let mut sent = alert("192.0.2.1", vec![]);
    let mut meta = MetaList::default();
    meta.push("log", &"é".repeat(20_000));
    meta.push("short", "yes");
    sent.events = Arc::new(vec![AlertEvent {
        timestamp: None,
        meta,
    }]);
    sent.meta = vec![MetaItem {
        key: "k".repeat(300),
        value: "v".repeat(5_000),
    }];
    add(&store, &sent, NOW);
    let read = store.alert(1).unwrap().unwrap().alert;
    let event = read.events.first().unwrap();
    assert_eq!(
        event.meta.get(0).unwrap().value,
        format!("{}<stripped>", "é".repeat(1_024))
    );
    assert_eq!(event.meta.get(1).unwrap().value, "yes");
    let item = read.meta.first().unwrap();
    assert_eq!((item.key.len(), item.value.len()), (255, 4_095));
}

fn a_digest_is_a_repeat_for_a_while(database: &Database) {
    let store = database.open();
    let some = alert("192.0.2.1", vec![ban("192.0.2.1", 60)]);
    let at = |now_ns: i64| {
        let new = NewAlert {
            digest: Some([7; 16]),
            repeat_since_ns: now_ns - 10 * SECOND,
            ..plain(&some)
        };
        store.add_alerts(&[new], now_ns).unwrap().remove(0)
    };
    assert!(!at(NOW).is_repeat);
    let repeat = at(NOW + 10 * SECOND);
    assert!(repeat.is_repeat);
    assert_eq!((repeat.id, repeat.decisions.len()), (1, 1));
    assert_eq!(store.head().unwrap(), Seq(1));
    let later = at(NOW + 10 * SECOND + 1);
    assert!(!later.is_repeat);
    assert_eq!(later.id, 2);
    // The second one is what further ones repeat.
    assert_eq!(at(NOW + 20 * SECOND).id, 2);
}

fn stable(alert: &Alert) -> NewAlert<'_> {
    NewAlert {
        is_stable: true,
        ..plain(alert)
    }
}

fn a_stable_uuid_is_a_repeat_for_ever(database: &Database) {
    let store = database.open();
    let mut some = alert("192.0.2.1", vec![ban("192.0.2.1", 60)]);
    some.uuid = "0123456789abcdef".to_owned();
    let stored = store.add_alerts(&[stable(&some)], NOW).unwrap();
    assert!(!stored.first().unwrap().is_repeat);
    let year = 365 * 86_400 * SECOND;
    let again = store.add_alerts(&[stable(&some)], NOW + year).unwrap();
    assert_eq!((again[0].id, again[0].is_repeat), (1, true));
    assert_eq!(again[0].decisions, stored[0].decisions);
    // After it was deleted, too: what was deleted does not come back by itself.
    store.delete_alert(1, NOW).unwrap();
    let again = store.add_alerts(&[stable(&some)], NOW + year).unwrap();
    assert_eq!((again[0].id, again[0].is_repeat), (1, true));
    assert!(again[0].decisions.is_empty());
    // Another machine's uuid is no identity of ours.
    let other = store.add_alerts(&[plain(&some)], NOW).unwrap();
    assert!(!other[0].is_repeat);
}

fn repeats_within_one_batch_are_found(database: &Database) {
    let store = database.open();
    let mut one = alert("192.0.2.1", vec![ban("192.0.2.1", 60)]);
    one.uuid = "one".to_owned();
    let two = alert("192.0.2.2", vec![]);
    let digest = NewAlert {
        digest: Some([1; 16]),
        ..plain(&two)
    };
    let batch = [stable(&one), digest, stable(&one), digest, plain(&two)];
    let stored = store.add_alerts(&batch, NOW).unwrap();
    let ids: Vec<(i64, bool)> = stored.iter().map(|one| (one.id, one.is_repeat)).collect();
    assert_eq!(
        ids,
        [(1, false), (2, false), (1, true), (2, true), (3, false)]
    );
    assert_eq!(stored[2].decisions, stored[0].decisions);
    assert_eq!(store.head().unwrap(), Seq(1));
}

fn a_deleted_alert_ends_its_decisions(database: &Database) {
    let store = database.open();
    let some = alert(
        "192.0.2.1",
        vec![
            ban("192.0.2.1", 60),
            ban("192.0.2.2", 60),
            ban("192.0.2.3", 1),
        ],
    );
    add(&store, &some, NOW);
    let now = NOW + 2 * SECOND;
    assert_eq!(store.delete_alert(1, now).unwrap(), 1);
    assert!(store.alert(1).unwrap().is_none());
    assert!(active(&store, NOW).is_empty());
    let ended = store.log_since(Seq(3), 10).unwrap();
    let told: Vec<(u64, &str, Change, i64, Option<i64>)> = ended
        .iter()
        .map(|entry| {
            let row = &entry.decision;
            (
                entry.seq.0,
                &*row.value,
                entry.change,
                row.until_ns,
                entry.was_until_ns,
            )
        })
        .collect();
    let deleted = Change::Ended(Reason::Deleted);
    let until = Some(NOW + 60 * SECOND);
    assert_eq!(
        told,
        [
            (4, "192.0.2.1", deleted, now, until),
            (5, "192.0.2.2", deleted, now, until)
        ]
    );
    assert!(store.delete_alert(1, now).unwrap_err().is_not_found());
    assert_eq!(store.head().unwrap(), Seq(5));
}

fn a_withdrawn_alert_may_come_again(database: &Database) {
    let store = database.open();
    let mut some = alert(
        "192.0.2.1",
        vec![ban("192.0.2.1", 60), ban("192.0.2.9", -1)],
    );
    some.uuid = "0123456789abcdef".to_owned();
    let new = NewAlert {
        digest: Some([3; 16]),
        ..stable(&some)
    };
    store.add_alerts(&[new], NOW).unwrap();
    assert_eq!(store.withdraw_alert("other", NOW).unwrap(), 0);
    assert_eq!(store.withdraw_alert(&some.uuid, NOW + 1).unwrap(), 1);
    assert!(store.alert(1).unwrap().is_none());
    let last = store.log_since(Seq(2), 10).unwrap();
    assert_eq!(last.len(), 1);
    assert_eq!(last[0].change, Change::Ended(Reason::Retracted));
    assert_eq!(store.withdraw_alert(&some.uuid, NOW + 2).unwrap(), 0);
    let again = store.add_alerts(&[new], NOW + 3).unwrap();
    assert_eq!((again[0].id, again[0].is_repeat), (2, false));
    assert_eq!(active(&store, NOW + 3), ["192.0.2.1"]);
}

fn many_alerts_are_deleted_in_batches(database: &Database) {
    let store = database.open();
    let some = alert("192.0.2.1", vec![ban("192.0.2.1", 60)]);
    let batch = vec![plain(&some); 50];
    for _ in 0..14 {
        store.add_alerts(&batch, NOW).unwrap();
    }
    let filter = AlertFilter {
        limit: Some(300),
        is_ascending: true,
        ..AlertFilter::default()
    };
    assert_eq!(store.delete_alerts(&filter, NOW).unwrap(), 300);
    assert!(store.alert(300).unwrap().is_none());
    assert!(store.alert(301).unwrap().is_some());
    assert_eq!(
        store.delete_alerts(&AlertFilter::default(), NOW).unwrap(),
        400
    );
    assert!(active(&store, NOW).is_empty());
    let log = store.log_since(Seq(0), 10_000).unwrap();
    assert_eq!(log.len(), 1_400);
    assert!(
        (1..)
            .zip(&log)
            .all(|(number, entry)| entry.seq == Seq(number))
    );
    assert_eq!(
        store.delete_alerts(&AlertFilter::default(), NOW).unwrap(),
        0
    );
}

fn a_large_alert_is_stored_whole(database: &Database) {
    let mut config = database.config.clone();
    config.decision_bulk = 5_000;
    let store = overspill_store::Store::open(&config).unwrap();
    let decisions = (0..5_003u32)
        .map(|n| ban(&format!("10.{}.{}.1", n / 256, n % 256), 60))
        .collect();
    let mut list = alert("", decisions);
    list.source.scope = "lists:some".to_owned();
    let stored = add(&store, &list, NOW);
    assert_eq!(stored.decisions.len(), 5_003);
    assert_eq!(active(&store, NOW).len(), 5_003);
    assert_eq!(store.head().unwrap(), Seq(5_003));
    let row = store.alert(stored.id).unwrap().unwrap();
    let values: Vec<&str> = row.alert.decisions.iter().map(|one| &*one.value).collect();
    let sent: Vec<&str> = list.decisions.iter().map(|one| &*one.value).collect();
    assert_eq!(values, sent);
}

fn an_owner_is_named_until_it_is_deleted(database: &Database) {
    let store = database.open();
    let machine = store
        .add_machine(
            &NewMachine {
                name: "agent",
                password_hash: "hash",
                ip_address: "",
                is_validated: true,
                auth: overspill_store::AuthKind::Password,
            },
            NOW,
        )
        .unwrap();
    let some = alert("192.0.2.1", vec![]);
    let new = NewAlert {
        machine_id: Some(machine.id),
        ..plain(&some)
    };
    store.add_alerts(&[new, plain(&some)], NOW).unwrap();
    assert_eq!(
        store.alert(1).unwrap().unwrap().machine.as_deref(),
        Some("agent")
    );
    let of_agent = AlertFilter {
        machine: Some("agent".to_owned()),
        ..AlertFilter::default()
    };
    assert_eq!(store.alerts(&of_agent, NOW).unwrap().len(), 1);
    store.delete_machine("agent").unwrap();
    assert_eq!(store.alert(1).unwrap().unwrap().machine, None);
    // A machine that is deleted while it sends loses its name, not its alert.
    store.add_alerts(&[new], NOW).unwrap();
    assert_eq!(store.alert(3).unwrap().unwrap().machine, None);
}
