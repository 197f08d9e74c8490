//! The numbered log.

use overspill_store::{Change, DecisionFilter, Reason, Seq, StoreError};

use crate::support::{Database, NOW, SECOND, active, add, alert, ban};

on_both!(
    entries_are_numbered_without_a_gap,
    an_entry_outlives_its_decision,
    a_pruned_log_says_what_is_lost,
    the_head_is_seen_by_other_handles,
);

fn entries_are_numbered_without_a_gap(database: &Database) {
    let store = database.open();
    assert_eq!(store.head().unwrap(), Seq(0));
    assert!(store.log_since(Seq(0), 10).unwrap().is_empty());
    let three = (1..4).map(|n| ban(&format!("192.0.2.{n}"), 60)).collect();
    add(&store, &alert("192.0.2.1", three), NOW);
    add(&store, &alert("192.0.2.9", vec![]), NOW);
    store.expire_decision(2, NOW + SECOND).unwrap();
    add(&store, &alert("192.0.2.4", vec![ban("192.0.2.4", -9)]), NOW);
    let log = store.log_since(Seq(0), 100).unwrap();
    let told: Vec<(u64, i64, Change)> = log
        .iter()
        .map(|entry| (entry.seq.0, entry.decision.id, entry.change))
        .collect();
    assert_eq!(
        told,
        [
            (1, 1, Change::Begun),
            (2, 2, Change::Begun),
            (3, 3, Change::Begun),
            (4, 2, Change::Ended(Reason::Deleted)),
            (5, 4, Change::Begun),
        ]
    );
    let ended = &log[3];
    assert_eq!(ended.at_ns, NOW + SECOND);
    assert_eq!(ended.decision.until_ns, NOW + SECOND);
    assert_eq!(ended.was_until_ns, Some(NOW + 60 * SECOND));
    assert_eq!(log[0].was_until_ns, None);
    assert_eq!(log[0].decision.alert_id, Some(1));
    assert_eq!(store.log_since(Seq(3), 1).unwrap(), log[3..4]);
    assert!(store.log_since(Seq(5), 10).unwrap().is_empty());
}

fn an_entry_outlives_its_decision(database: &Database) {
    let store = database.open();
    add(&store, &alert("192.0.2.1", vec![ban("192.0.2.1", 60)]), NOW);
    let before = store.log_since(Seq(0), 1).unwrap();
    store.delete_alert(1, NOW).unwrap();
    let after = store.log_since(Seq(0), 10).unwrap();
    assert_eq!(after[..1], before);
    assert_eq!(after[1].change, Change::Ended(Reason::Deleted));
    assert_eq!(after[1].decision.value, "192.0.2.1");
    assert_eq!(after[1].decision.alert_id, Some(1));
}

fn a_pruned_log_says_what_is_lost(database: &Database) {
    let store = database.open();
    let many = (0..2_500u32)
        .map(|n| ban(&format!("10.0.{}.{}", n / 256, n % 256), 60))
        .collect();
    add(&store, &alert("x", many), NOW);
    assert_eq!(store.prune_log(10_000).unwrap(), 0);
    assert_eq!(store.prune_log(100).unwrap(), 2_400);
    assert_eq!(store.prune_log(100).unwrap(), 0);
    let lost = store.log_since(Seq(2_399), 10).unwrap_err();
    assert!(lost.is_log_lost());
    assert_eq!(
        lost.to_string(),
        "the log has entries 2401 to 2500, and was asked for those after 2399"
    );
    assert_eq!(store.log_since(Seq(2_400), 1_000).unwrap().len(), 100);
    // A number that was never given is another database's.
    assert!(store.log_since(Seq(2_501), 10).unwrap_err().is_log_lost());
    // What is in force is not touched by any of this.
    assert_eq!(active(&store, NOW).len(), 2_500);
    assert_eq!(store.prune_log(0).unwrap(), 100);
    assert!(store.log_since(Seq(2_500), 10).unwrap().is_empty());
    store.expire_decision(1, NOW).unwrap();
    assert_eq!(store.log_since(Seq(2_500), 10).unwrap().len(), 1);
}

fn the_head_is_seen_by_other_handles(database: &Database) {
    let (one, two) = (database.open(), database.open());
    for number in 1..5 {
        add(&one, &alert("192.0.2.1", vec![ban("192.0.2.1", 60)]), NOW);
        assert_eq!(one.head().unwrap(), Seq(number));
        assert_eq!(two.head().unwrap(), Seq(number));
        assert_eq!(two.clone().head().unwrap(), Seq(number));
    }
    let filter = DecisionFilter::default();
    let all = two.expire_decisions(&filter, Reason::Allowlisted, NOW);
    assert_eq!(all.unwrap(), 4);
    assert_eq!(one.head().unwrap(), Seq(8));
    let last = one.log_since(Seq(7), 9).unwrap();
    assert_eq!(last[0].change, Change::Ended(Reason::Allowlisted));
    let too_many = DecisionFilter {
        uuids: vec![String::new(); 20_000],
        ..DecisionFilter::default()
    };
    let refused = one.expire_decisions(&too_many, Reason::Deleted, NOW);
    assert!(matches!(refused, Err(StoreError::Filter { .. })));
}
