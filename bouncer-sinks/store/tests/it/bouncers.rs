//! Bouncers.

use overspill_store::{AuthKind, BouncerCursor, BouncerPull, BouncerUsage, NewBouncer, Seq};

use crate::support::{Database, NOW, SECOND};

on_both!(a_bouncer_lives, pulls_are_noted_together, idle_bouncers_go);

fn new<'a>(name: &'a str, key_hash: &'a str) -> NewBouncer<'a> {
    NewBouncer {
        name,
        key_hash,
        ip_address: "",
        kind: "",
        auth: AuthKind::ApiKey,
        auto_created: false,
    }
}

fn a_bouncer_lives(database: &Database) {
    let store = database.open();
    let one = store.add_bouncer(&new("one", "key"), NOW).unwrap();
    assert_eq!((one.id, one.cursor, one.last_pull_ns), (1, None, None));
    assert!(!format!("{one:?}").contains("key\""));
    let adopted = NewBouncer {
        ip_address: "192.0.2.9",
        kind: "firewall",
        auto_created: true,
        auth: AuthKind::Tls,
        ..new("one@192.0.2.9", "key")
    };
    let two = store.add_bouncer(&adopted, NOW).unwrap();
    assert!(two.auto_created);
    assert_eq!((two.auth, &*two.kind), (AuthKind::Tls, "firewall"));
    store.add_bouncer(&new("three", "other"), NOW).unwrap();
    assert!(
        store
            .add_bouncer(&new("one", "x"), NOW)
            .unwrap_err()
            .is_exists()
    );
    assert_eq!(store.bouncers_of_key("key").unwrap(), [one, two]);
    assert!(store.bouncers_of_key("none").unwrap().is_empty());
    assert_eq!(store.bouncers().unwrap().len(), 3);
    store.set_bouncer_address(1, "192.0.2.1", NOW + 1).unwrap();
    store
        .set_bouncer_client(1, "nginx", "v1.0", NOW + 2)
        .unwrap();
    let usage = BouncerUsage {
        os_name: "debian".to_owned(),
        os_family: "linux".to_owned(),
        os_version: "12".to_owned(),
        feature_flags: "x".to_owned(),
    };
    store.set_bouncer_usage(1, &usage, NOW + 3).unwrap();
    store.revoke_bouncer("one", true, NOW + 4).unwrap();
    let one = store.bouncer("one").unwrap().unwrap();
    assert!(one.revoked);
    assert_eq!(
        (&*one.ip_address, &*one.kind, &*one.version),
        ("192.0.2.1", "nginx", "v1.0")
    );
    assert_eq!((&*one.os_name, &*one.os_family), ("debian", "linux"));
    assert_eq!((&*one.os_version, &*one.feature_flags), ("12", "x"));
    assert_eq!((one.created_ns, one.updated_ns), (NOW, NOW + 4));
    store.revoke_bouncer("one", false, NOW).unwrap();
    assert!(!store.bouncer("one").unwrap().unwrap().revoked);
    store.delete_bouncer("one").unwrap();
    assert!(store.bouncer("one").unwrap().is_none());
    assert!(store.delete_bouncer("one").unwrap_err().is_not_found());
    assert!(
        store
            .set_bouncer_address(1, "", NOW)
            .unwrap_err()
            .is_not_found()
    );
}

fn pulls_are_noted_together(database: &Database) {
    let store = database.open();
    for name in ["one", "two"] {
        store.add_bouncer(&new(name, name), NOW).unwrap();
    }
    let pull = |last_pull_ns, seq| BouncerPull {
        last_pull_ns,
        cursor: Some(BouncerCursor {
            seq: Seq(seq),
            at_ns: last_pull_ns,
        }),
    };
    let without = BouncerPull {
        last_pull_ns: NOW + 9,
        cursor: None,
    };
    store
        .set_bouncer_pulls(&[(2, pull(NOW, 5)), (99, without), (1, pull(NOW, 7))])
        .unwrap();
    // One that is older came later, by another node.
    store
        .set_bouncer_pulls(&[(1, pull(NOW - 1, 3)), (2, without)])
        .unwrap();
    store.set_bouncer_pulls(&[]).unwrap();
    let told: Vec<(Option<i64>, u64, i64)> = store
        .bouncers()
        .unwrap()
        .iter()
        .map(|bouncer| {
            let cursor = bouncer.cursor.unwrap();
            (bouncer.last_pull_ns, cursor.seq.0, cursor.at_ns)
        })
        .collect();
    assert_eq!(told, [(Some(NOW), 7, NOW), (Some(NOW + 9), 5, NOW)]);
}

fn idle_bouncers_go(database: &Database) {
    let store = database.open();
    for (name, auth) in [
        ("never", AuthKind::ApiKey),
        ("old", AuthKind::ApiKey),
        ("young", AuthKind::ApiKey),
        ("old tls", AuthKind::Tls),
    ] {
        let new = NewBouncer {
            auth,
            ..new(name, name)
        };
        store.add_bouncer(&new, NOW).unwrap();
    }
    let pulled = |last_pull_ns| BouncerPull {
        last_pull_ns,
        cursor: None,
    };
    store
        .set_bouncer_pulls(&[
            (2, pulled(NOW - SECOND)),
            (3, pulled(NOW)),
            (4, pulled(NOW - SECOND)),
        ])
        .unwrap();
    assert_eq!(
        store.delete_bouncers_idle(NOW, AuthKind::ApiKey).unwrap(),
        1
    );
    let names: Vec<String> = store
        .bouncers()
        .unwrap()
        .into_iter()
        .map(|bouncer| bouncer.name)
        .collect();
    assert_eq!(names, ["never", "young", "old tls"]);
}
