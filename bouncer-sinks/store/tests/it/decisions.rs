//! Ending and counting decisions.

use overspill_decision::Block;
use overspill_store::{ActiveCount, DecisionFilter, Reason, Seq, Store};

use crate::support::{Database, NOW, SECOND, active, add, alert, ban};

on_both!(
    decisions_end_by_themselves,
    an_ended_decision_stays_so_when_the_clock_goes_back,
    every_filter_ends_what_it_means,
    one_decision_is_ended_once,
    decisions_are_counted,
    counts_are_by_scenario_origin_and_type,
);

fn decisions_end_by_themselves(database: &Database) {
    let store = database.open();
    add(&store, &alert("192.0.2.1", vec![ban("192.0.2.1", 60)]), NOW);
    assert_eq!(active(&store, NOW + 60 * SECOND - 1), ["192.0.2.1"]);
    assert!(active(&store, NOW + 60 * SECOND).is_empty());
    let ended = store
        .expire_decisions(
            &DecisionFilter::default(),
            Reason::Deleted,
            NOW + 60 * SECOND,
        )
        .unwrap();
    assert_eq!(ended, 0);
    assert_eq!(store.head().unwrap(), Seq(1));
}

fn an_ended_decision_stays_so_when_the_clock_goes_back(database: &Database) {
    let store = database.open();
    add(&store, &alert("192.0.2.1", vec![ban("192.0.2.1", 60)]), NOW);
    assert_eq!(store.expire_decision(1, NOW + SECOND).unwrap(), 1);
    assert!(active(&store, NOW).is_empty());
    assert_eq!(store.expire_decision(1, NOW).unwrap(), 0);
    assert!(store.active_counts(NOW).unwrap().is_empty());
    assert_eq!(store.delete_alert(1, NOW).unwrap(), 1);
    assert_eq!(store.head().unwrap(), Seq(2));
}

fn fill(store: &Store) {
    let mut decisions = vec![
        ban("192.0.2.0/24", 60),
        ban("192.0.2.7", 60),
        ban("198.51.100.1", 60),
        ban("2001:db8::/32", 60),
        ban("alice", 60),
        ban("192.0.2.7", -60),
    ];
    decisions[1].origin = "cscli".to_owned();
    decisions[2].kind = "captcha".to_owned();
    decisions[3].scenario = "other".to_owned();
    decisions[4].scope = "user".to_owned();
    decisions[4].uuid = "a-uuid".to_owned();
    add(store, &alert("192.0.2.1", decisions), NOW);
}

type Change = fn(&mut DecisionFilter);

fn every_filter_ends_what_it_means(database: &Database) {
    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }
    let cases: [(Change, &[i64]); 12] = [
        (|_| {}, &[1, 2, 3, 4, 5]),
        (|f| f.block = Block::parse("192.0.2.7"), &[1, 2]),
        (|f| f.block = Block::parse("2001:db8::7"), &[4]),
        (
            |f| {
                f.block = Block::parse("192.0.0.0/8");
                f.contains = false;
            },
            &[1, 2],
        ),
        (|f| f.scope = text("Range"), &[1, 4]),
        (|f| f.scope = text("range"), &[]),
        (|f| f.value = text("192.0.2.7"), &[2]),
        (|f| f.origin = text("cscli"), &[2]),
        (|f| f.kind = text("captcha"), &[3]),
        (|f| f.scenario = text("other"), &[4]),
        (
            |f| f.uuids = vec!["x".to_owned(), "a-uuid".to_owned(), "y".to_owned()],
            &[5],
        ),
        (
            |f| {
                f.block = Block::parse("192.0.2.7");
                f.origin = text("crowdsec");
            },
            &[1],
        ),
    ];
    let store = database.open();
    for (number, (change, expected)) in (0..).zip(cases) {
        fill(&store);
        let head = store.head().unwrap();
        let first = number * 6;
        let mut filter = DecisionFilter::default();
        change(&mut filter);
        let ended = store
            .expire_decisions(&filter, Reason::Deleted, NOW + 1)
            .unwrap();
        let ids: Vec<i64> = store
            .log_since(head, 100)
            .unwrap()
            .iter()
            .map(|entry| entry.decision.id - first)
            .collect();
        assert_eq!(ids, expected, "case {number}");
        assert_eq!(ended, u64::try_from(expected.len()).unwrap());
        store
            .expire_decisions(&DecisionFilter::default(), Reason::Deleted, NOW + 2)
            .unwrap();
    }
}

fn one_decision_is_ended_once(database: &Database) {
    let store = database.open();
    fill(&store);
    assert_eq!(store.expire_decision(2, NOW).unwrap(), 1);
    assert_eq!(store.expire_decision(2, NOW).unwrap(), 0);
    assert_eq!(store.expire_decision(6, NOW).unwrap(), 0);
    let error = store.expire_decision(100, NOW).unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.to_string(), "decision `100` is not there");
    let row = store.alert(1).unwrap().unwrap();
    assert_eq!(row.alert.decisions[1].until_ns, NOW);
    assert_eq!(store.head().unwrap(), Seq(7));
}

fn decisions_are_counted(database: &Database) {
    let store = database.open();
    fill(&store);
    let count = |value: &str, since| store.decision_count(value, since).unwrap();
    assert_eq!(count("192.0.2.7", None), 3);
    assert_eq!(count("192.0.2.8", None), 1);
    assert_eq!(count("192.0.2.0/25", None), 1);
    assert_eq!(count("192.0.0.0/16", None), 0);
    assert_eq!(count("alice", None), 1);
    assert_eq!(count("bob", None), 0);
    assert_eq!(count("2001:db8:1::", None), 1);
    assert_eq!(count("192.0.2.7", Some(NOW - 1)), 3);
    assert_eq!(count("192.0.2.7", Some(NOW)), 0);
}

fn counts_are_by_scenario_origin_and_type(database: &Database) {
    let store = database.open();
    fill(&store);
    let count = |scenario: &str, origin: &str, kind: &str, n| ActiveCount {
        scenario: scenario.to_owned(),
        origin: origin.to_owned(),
        kind: kind.to_owned(),
        n,
    };
    let mut counts = store.active_counts(NOW).unwrap();
    counts.sort();
    assert_eq!(
        counts,
        [
            count("other", "crowdsec", "ban", 1),
            count("test/scenario", "crowdsec", "ban", 2),
            count("test/scenario", "crowdsec", "captcha", 1),
            count("test/scenario", "cscli", "ban", 1),
        ]
    );
}
