//! Retention.

use overspill_store::{
    AlertFilter, AllowItem, AuthKind, BouncerPull, FlushPolicy, FlushReport, NewAlert,
    NewAllowlist, NewBouncer, NewMachine, Seq, Store, UsageKind,
};

use crate::support::{Database, NOW, SECOND, active, add, alert, ban, plain};

on_both!(
    old_alerts_go_unless_something_is_in_force,
    too_many_alerts_go_by_their_numbers,
    a_whole_list_goes,
    machines_and_bouncers_that_are_gone_go,
    ended_items_and_reports_go,
    what_alerts_are_known_by_goes_when_it_may,
    nothing_goes_by_default,
);

const HOUR: i64 = 3_600 * SECOND;

fn ids(store: &Store) -> Vec<i64> {
    let filter = AlertFilter {
        is_ascending: true,
        ..AlertFilter::default()
    };
    let rows = store.alerts(&filter, NOW).unwrap();
    rows.iter().map(|row| row.id).collect()
}

fn old_alerts_go_unless_something_is_in_force(database: &Database) {
    let store = database.open();
    let expired = alert(
        "192.0.2.1",
        vec![ban("192.0.2.1", -60), ban("192.0.2.2", -60)],
    );
    let long = alert(
        "192.0.2.3",
        vec![ban("192.0.2.3", -60), ban("192.0.2.3", 60)],
    );
    let none = alert("192.0.2.4", vec![]);
    for (one, age) in [(&expired, 2), (&long, 2), (&none, 2), (&expired, 1)] {
        add(&store, one, NOW - age * HOUR);
    }
    let policy = FlushPolicy {
        max_age_ns: Some(HOUR),
        ..FlushPolicy::default()
    };
    let report = store.flush(&policy, NOW).unwrap();
    assert_eq!(report.alerts_by_age, 2);
    assert_eq!(ids(&store), [2, 4]);
    assert_eq!(store.alert(2).unwrap().unwrap().alert.decisions.len(), 2);
    assert_eq!(active(&store, NOW), ["192.0.2.3"]);
    assert_eq!(store.decision_count("192.0.2.1", None).unwrap(), 1);
    // It tells nobody anything, and what was told can still be read.
    assert_eq!(store.head().unwrap(), Seq(6));
    assert_eq!(store.log_since(Seq(0), 100).unwrap().len(), 6);
    let report = store.flush(&policy, NOW + 61 * SECOND).unwrap();
    assert_eq!(report.alerts_by_age, 2);
    assert!(ids(&store).is_empty());
    // Numbers go on all the same.
    assert_eq!(add(&store, &none, NOW).id, 5);
}

fn too_many_alerts_go_by_their_numbers(database: &Database) {
    let store = database.open();
    let none = alert("192.0.2.4", vec![]);
    let long = alert("192.0.2.3", vec![ban("192.0.2.3", 60)]);
    add(&store, &long, NOW);
    let batch = vec![plain(&none); 100];
    for _ in 0..7 {
        store.add_alerts(&batch, NOW).unwrap();
    }
    let policy = FlushPolicy {
        max_items: Some(5),
        ..FlushPolicy::default()
    };
    assert_eq!(store.flush(&policy, NOW).unwrap().alerts_by_number, 695);
    assert_eq!(ids(&store), [1, 697, 698, 699, 700, 701]);
    assert_eq!(store.flush(&policy, NOW).unwrap().alerts_by_number, 0);
}

fn a_whole_list_goes(database: &Database) {
    let store = database.open();
    let decisions = (0..4_500u32)
        .map(|n| ban(&format!("10.0.{}.{}", n / 256, n % 256), -1))
        .collect();
    add(&store, &alert("", decisions), NOW - HOUR);
    let policy = FlushPolicy {
        max_age_ns: Some(60 * SECOND),
        ..FlushPolicy::default()
    };
    assert_eq!(store.flush(&policy, NOW).unwrap().alerts_by_age, 1);
    assert!(ids(&store).is_empty());
    assert_eq!(store.decision_count("10.0.0.1", None).unwrap(), 0);
}

fn machines_and_bouncers_that_are_gone_go(database: &Database) {
    let store = database.open();
    let machine = |name: &str, ip_address: &str, auth, heartbeat_ns: Option<i64>| {
        let new = NewMachine {
            name,
            password_hash: "",
            ip_address,
            is_validated: true,
            auth,
        };
        store.add_machine(&new, NOW).unwrap();
        if let Some(at_ns) = heartbeat_ns {
            store.set_machine_heartbeat(name, at_ns).unwrap();
        }
    };
    let long_ago = Some(NOW - 2 * HOUR);
    machine("gone", "192.0.2.1", AuthKind::Password, long_ago);
    machine("here", "127.0.0.1", AuthKind::Password, long_ago);
    machine("with alerts", "192.0.2.1", AuthKind::Password, long_ago);
    machine("alive", "192.0.2.1", AuthKind::Password, Some(NOW));
    machine("new", "192.0.2.1", AuthKind::Password, None);
    machine(
        "gone, with a certificate",
        "192.0.2.1",
        AuthKind::Tls,
        long_ago,
    );
    let some = alert("192.0.2.1", vec![]);
    let owned = NewAlert {
        machine_id: Some(3),
        ..plain(&some)
    };
    store.add_alerts(&[owned], NOW).unwrap();
    for (name, auth) in [("key", AuthKind::ApiKey), ("cert", AuthKind::Tls)] {
        let new = NewBouncer {
            name,
            key_hash: name,
            ip_address: "",
            kind: "",
            auth,
            auto_created: false,
        };
        let id = store.add_bouncer(&new, NOW).unwrap().id;
        let pull = BouncerPull {
            last_pull_ns: NOW - 2 * HOUR,
            cursor: None,
        };
        store.set_bouncer_pulls(&[(id, pull)]).unwrap();
    }
    let policy = FlushPolicy {
        agents_login_max_idle_ns: Some(HOUR),
        bouncers_cert_max_idle_ns: Some(HOUR),
        ..FlushPolicy::default()
    };
    let report = store.flush(&policy, NOW).unwrap();
    assert_eq!((report.machines, report.bouncers), (1, 1));
    assert!(store.machine("gone").unwrap().is_none());
    assert!(store.bouncer("cert").unwrap().is_none());
    let policy = FlushPolicy {
        agents_cert_max_idle_ns: Some(HOUR),
        bouncers_api_key_max_idle_ns: Some(HOUR),
        ..FlushPolicy::default()
    };
    let report = store.flush(&policy, NOW).unwrap();
    assert_eq!((report.machines, report.bouncers), (1, 1));
    assert_eq!(store.machines().unwrap().len(), 4);
}

fn ended_items_and_reports_go(database: &Database) {
    let store = database.open();
    let new = NewAllowlist {
        id: "id",
        name: "office",
        description: "",
        from_console: false,
    };
    store.create_allowlist(&new, NOW).unwrap();
    let item = |value: &str, expires_ns| AllowItem {
        value: value.to_owned(),
        comment: String::new(),
        expires_ns,
        created_ns: 0,
    };
    let items = [
        item("192.0.2.1", Some(NOW)),
        item("192.0.2.2", Some(NOW + 1)),
        item("192.0.2.3", None),
    ];
    store.add_allow_items("office", &items, NOW - HOUR).unwrap();
    store
        .add_usage(UsageKind::LogProcessor, "a", "{}", NOW - 2 * HOUR)
        .unwrap();
    store
        .add_usage(UsageKind::LogProcessor, "a", "{}", NOW)
        .unwrap();
    let version = store.allowlists_version().unwrap();
    let policy = FlushPolicy {
        metrics_max_age_ns: Some(HOUR),
        ..FlushPolicy::default()
    };
    let report = store.flush(&policy, NOW).unwrap();
    assert_eq!((report.allow_items, report.usage_reports), (1, 1));
    assert_eq!(store.allowlist("office").unwrap().unwrap().items.len(), 2);
    assert_ne!(store.allowlists_version().unwrap(), version);
}

fn what_alerts_are_known_by_goes_when_it_may(database: &Database) {
    let store = database.open();
    let mut some = alert("192.0.2.1", vec![]);
    some.uuid = "stable".to_owned();
    let stable = NewAlert {
        is_stable: true,
        ..plain(&some)
    };
    let digest = NewAlert {
        digest: Some([1; 16]),
        ..plain(&some)
    };
    store.add_alerts(&[stable, digest], NOW - 2 * HOUR).unwrap();
    let policy = FlushPolicy {
        max_age_ns: Some(HOUR),
        digests_max_age_ns: Some(HOUR),
        ..FlushPolicy::default()
    };
    let report = store.flush(&policy, NOW).unwrap();
    assert_eq!((report.alerts_by_age, report.identities), (2, 1));
    let again = store.add_alerts(&[stable, digest], NOW).unwrap();
    let ids: Vec<(i64, bool)> = again.iter().map(|one| (one.id, one.is_repeat)).collect();
    assert_eq!(ids, [(1, true), (3, false)]);
    let policy = FlushPolicy {
        identities_max_age_ns: Some(HOUR),
        ..FlushPolicy::default()
    };
    assert_eq!(store.flush(&policy, NOW).unwrap().identities, 1);
    assert!(!store.add_alerts(&[stable], NOW).unwrap()[0].is_repeat);
}

fn nothing_goes_by_default(database: &Database) {
    let store = database.open();
    let old = alert("192.0.2.1", vec![ban("192.0.2.1", -60)]);
    add(&store, &old, 0);
    let report = store.flush(&FlushPolicy::default(), NOW).unwrap();
    assert_eq!(report, FlushReport::default());
    assert_eq!(ids(&store), [1]);
}
