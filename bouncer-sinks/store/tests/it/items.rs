//! Items, locks and reports.

use overspill_store::UsageKind;

use crate::support::{Database, NOW, SECOND};

on_both!(
    an_item_has_one_value,
    a_lock_has_one_owner,
    reports_are_kept_for_a_while,
);

fn an_item_has_one_value(database: &Database) {
    let store = database.open();
    assert_eq!(store.item("secret").unwrap(), None);
    assert_eq!(store.item_or("secret", "first").unwrap(), "first");
    assert_eq!(database.open().item_or("secret", "other").unwrap(), "first");
    store.set_item("secret", "second").unwrap();
    assert_eq!(store.item("secret").unwrap().as_deref(), Some("second"));
    assert!(store.set_item(&"x".repeat(256), "").is_err());
}

fn a_lock_has_one_owner(database: &Database) {
    let (one, two) = (database.open(), database.open());
    let stale = 600 * SECOND;
    assert!(one.try_lock("pull", "one", stale, NOW).unwrap());
    assert!(!two.try_lock("pull", "two", stale, NOW + 1).unwrap());
    assert!(one.try_lock("pull", "one", stale, NOW + SECOND).unwrap());
    assert!(!two.try_lock("pull", "two", stale, NOW + stale).unwrap());
    assert!(
        two.try_lock("pull", "two", stale, NOW + SECOND + stale)
            .unwrap()
    );
    // Who lost it does not give it up for the other.
    one.unlock("pull", "one").unwrap();
    assert!(
        !one.try_lock("pull", "one", stale, NOW + SECOND + stale)
            .unwrap()
    );
    two.unlock("pull", "two").unwrap();
    assert!(one.try_lock("pull", "one", stale, NOW).unwrap());
    assert!(two.try_lock("other", "two", stale, NOW).unwrap());
}

fn reports_are_kept_for_a_while(database: &Database) {
    let store = database.open();
    let kinds = [UsageKind::LogProcessor, UsageKind::RemediationComponent];
    for (at_ns, kind) in (0..).map(|n| NOW + n).zip(kinds) {
        store
            .add_usage(kind, "name", "{\"metrics\":[]}", at_ns)
            .unwrap();
    }
    let reports = store.usage_since(NOW).unwrap();
    let told: Vec<UsageKind> = reports.iter().map(|report| report.kind).collect();
    assert_eq!(told, kinds);
    assert_eq!(reports[0].payload, "{\"metrics\":[]}");
    assert_eq!(store.usage_since(NOW + 1).unwrap(), reports[1..]);
    assert_eq!(store.prune_usage(NOW + 1).unwrap(), 1);
    assert_eq!(store.usage_since(0).unwrap(), reports[1..]);
}
