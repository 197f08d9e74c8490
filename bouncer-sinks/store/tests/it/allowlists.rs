//! Allowlists, and what they end.

use overspill_store::{Added, AllowItem, Change, NewAllowlist, Reason, Seq, Store, StoreError};

use crate::support::{Database, NOW, SECOND, active, add, alert, ban, plain};

on_both!(
    lists_are_made_read_and_deleted,
    items_end_the_decisions_they_touch,
    the_version_changes_with_every_change,
    a_bad_item_adds_nothing,
    what_was_decided_by_older_lists_is_not_stored,
);

fn make(store: &Store, name: &str) {
    let new = NewAllowlist {
        id: &format!("id-of-{name}"),
        name,
        description: "those we know",
        from_console: false,
    };
    store.create_allowlist(&new, NOW).unwrap();
}

fn item(value: &str) -> AllowItem {
    AllowItem {
        value: value.to_owned(),
        comment: format!("why {value}"),
        expires_ns: None,
        created_ns: 0,
    }
}

fn lists_are_made_read_and_deleted(database: &Database) {
    let store = database.open();
    assert!(store.allowlists().unwrap().1.is_empty());
    make(&store, "office");
    make(&store, "monitoring");
    let again = NewAllowlist {
        id: "x",
        name: "office",
        description: "",
        from_console: true,
    };
    assert!(store.create_allowlist(&again, NOW).unwrap_err().is_exists());
    let items = [item("192.0.2.1"), item("198.51.100.0/24")];
    store.add_allow_items("office", &items, NOW + 1).unwrap();
    let changed = AllowItem {
        comment: "another reason".to_owned(),
        expires_ns: Some(NOW + SECOND),
        ..item("192.0.2.1")
    };
    let added = store
        .add_allow_items("office", &[changed, item("203.0.113.1")], NOW + 2)
        .unwrap();
    assert_eq!(added.n_added, 1);
    let office = store.allowlist("office").unwrap().unwrap();
    assert_eq!(office.id, "id-of-office");
    assert_eq!(office.description, "those we know");
    assert!(!office.from_console);
    assert_eq!((office.created_ns, office.updated_ns), (NOW, NOW + 2));
    let told: Vec<(&str, &str, Option<i64>, i64)> = office
        .items
        .iter()
        .map(|item| {
            (
                &*item.value,
                &*item.comment,
                item.expires_ns,
                item.created_ns,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("192.0.2.1", "another reason", Some(NOW + SECOND), NOW + 1),
            ("198.51.100.0/24", "why 198.51.100.0/24", None, NOW + 1),
            ("203.0.113.1", "why 203.0.113.1", None, NOW + 2),
        ]
    );
    let removed = store.remove_allow_items("office", &["192.0.2.1", "192.0.2.2"], NOW + 3);
    assert_eq!(removed.unwrap(), 1);
    let lists = store.allowlists().unwrap().1;
    let sizes: Vec<(&str, usize)> = lists
        .iter()
        .map(|list| (&*list.name, list.items.len()))
        .collect();
    assert_eq!(sizes, [("office", 2), ("monitoring", 0)]);
    store.delete_allowlist("office").unwrap();
    assert!(store.allowlist("office").unwrap().is_none());
    assert!(store.delete_allowlist("office").unwrap_err().is_not_found());
    let nowhere = store.remove_allow_items("office", &[], NOW);
    assert!(nowhere.unwrap_err().is_not_found());
}

fn items_end_the_decisions_they_touch(database: &Database) {
    let store = database.open();
    let values = [
        "192.0.2.0/24",
        "192.0.2.7",
        "192.0.2.8",
        "198.51.100.0/25",
        "198.51.100.200",
        "2001:db8::5",
        "alice",
    ];
    let mut decisions: Vec<_> = values.iter().map(|value| ban(value, 60)).collect();
    decisions.last_mut().unwrap().scope = "user".to_owned();
    decisions.push(ban("192.0.2.7", -60));
    add(&store, &alert("x", decisions), NOW);
    make(&store, "office");
    let ended = AllowItem {
        expires_ns: Some(NOW),
        ..item("2001:db8::/32")
    };
    let items = [item("192.0.2.7"), item("198.51.100.0/24"), ended];
    let added = store.add_allow_items("office", &items, NOW).unwrap();
    let expected = Added {
        n_added: 3,
        n_ended: 4,
    };
    assert_eq!(added, expected);
    assert_eq!(active(&store, NOW), ["192.0.2.8", "2001:db8::5", "alice"]);
    let log = store.log_since(Seq(8), 100).unwrap();
    let mut told: Vec<&str> = log.iter().map(|entry| &*entry.decision.value).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "192.0.2.0/24",
            "192.0.2.7",
            "198.51.100.0/25",
            "198.51.100.200"
        ]
    );
    let reason = Change::Ended(Reason::Allowlisted);
    assert!(log.iter().all(|entry| entry.change == reason));
}

fn the_version_changes_with_every_change(database: &Database) {
    let (store, other) = (database.open(), database.open());
    let mut versions = vec![other.allowlists_version().unwrap()];
    let mut note = |store: &Store| {
        let version = store.allowlists_version().unwrap();
        assert!(!versions.contains(&version), "{version} in {versions:?}");
        assert_eq!(store.allowlists().unwrap().0, version);
        versions.push(version);
    };
    make(&store, "office");
    note(&other);
    store
        .add_allow_items("office", &[item("192.0.2.1")], NOW)
        .unwrap();
    note(&other);
    store
        .remove_allow_items("office", &["192.0.2.1"], NOW)
        .unwrap();
    note(&other);
    store.delete_allowlist("office").unwrap();
    note(&other);
}

fn a_bad_item_adds_nothing(database: &Database) {
    let store = database.open();
    add(&store, &alert("x", vec![ban("192.0.2.1", 60)]), NOW);
    make(&store, "office");
    let version = store.allowlists_version().unwrap();
    let items = [item("192.0.2.1"), item("192.0.2.1.1")];
    let refused = store.add_allow_items("office", &items, NOW).unwrap_err();
    assert!(matches!(refused, StoreError::Filter { .. }));
    assert_eq!(
        refused.to_string(),
        "an allowlist's item cannot be `192.0.2.1.1`"
    );
    let missing = store.add_allow_items("home", &[item("192.0.2.1")], NOW);
    assert!(missing.unwrap_err().is_not_found());
    assert_eq!(active(&store, NOW).len(), 1);
    assert_eq!(store.allowlists_version().unwrap(), version);
    assert!(store.allowlist("office").unwrap().unwrap().items.is_empty());
}

fn what_was_decided_by_older_lists_is_not_stored(database: &Database) {
    let (store, other) = (database.open(), database.open());
    make(&store, "office");
    let version = store.allowlists_version().unwrap();
    let some = alert("x", vec![ban("192.0.2.1", 60)]);
    let new = [plain(&some)];
    store.add_alerts_as_of(&new, version, NOW).unwrap();
    other
        .add_allow_items("office", &[item("192.0.2.1")], NOW)
        .unwrap();
    let refused = store.add_alerts_as_of(&new, version, NOW).unwrap_err();
    assert!(matches!(refused, StoreError::AllowlistsChanged { .. }));
    assert!(active(&store, NOW).is_empty());
    let version = store.allowlists_version().unwrap();
    store.add_alerts_as_of(&new, version, NOW).unwrap();
    assert_eq!(active(&store, NOW).len(), 1);
}
