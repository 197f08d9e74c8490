//! What each filter means, by name of the alerts that it finds.

use overspill_decision::Block;
use overspill_event::Alert;
use overspill_store::{AlertCount, AlertFilter};

use crate::support::{Database, NOW, SECOND, add, alert, ban};

on_both!(
    alerts_are_found,
    order_and_limit_are_kept,
    decisions_are_left_out,
    alerts_are_counted,
);

/// Alerts 1 to 7.
fn fill(database: &Database) -> overspill_store::Store {
    let store = database.open();
    let mut ranged = alert("192.0.2.0/24", vec![ban("192.0.2.0/24", 60)]);
    ranged.source.scope = "Range".to_owned();
    ranged.scenario = "other/scenario".to_owned();
    let mut none = alert("198.51.100.1", vec![]);
    none.simulated = true;
    none.start_at = "2023-11-14T22:00:00Z".to_owned();
    let mut six = alert("2001:db8::1", vec![ban("2001:db8::1", 60)]);
    six.kind = "cscli".to_owned();
    for decision in &mut six.decisions {
        decision.kind = "captcha".to_owned();
        decision.scenario = "of/decision".to_owned();
        decision.origin = "cscli".to_owned();
    }
    let mut list = alert("", vec![ban("203.0.113.0/25", 600)]);
    list.source.scope = "lists:firehol".to_owned();
    for decision in &mut list.decisions {
        decision.origin = "lists".to_owned();
    }
    let mut country = alert("FR", vec![ban("FR", 60)]);
    country.source.scope = "Country".to_owned();
    for decision in &mut country.decisions {
        decision.scope = "Country".to_owned();
    }
    let over = alert("192.0.2.7", vec![ban("192.0.2.7", -60)]);
    let both = alert(
        "192.0.2.7",
        vec![ban("192.0.2.7", -60), ban("192.0.2.7", 60)],
    );
    let all: [Alert; 7] = [ranged, none, six, list, country, over, both];
    for (number, one) in (0..).zip(&all) {
        add(&store, one, NOW - (10 - number) * SECOND);
    }
    store
}

type Change = fn(&mut AlertFilter);

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// What is asked for, and the alerts that are found.
const CASES: [(&str, Change, &[i64]); 27] = [
    ("all", |_| {}, &[1, 2, 3, 4, 5, 6, 7]),
    ("scope", |f| f.scope = text("range"), &[1]),
    ("scope as it is", |f| f.scope = text("country"), &[]),
    ("another scope", |f| f.scope = text("lists:firehol"), &[4]),
    ("value", |f| f.value = text("192.0.2.7"), &[6, 7]),
    ("scenario", |f| f.scenario = text("other/scenario"), &[1]),
    (
        "scenario of a decision",
        |f| f.scenario = text("of/decision"),
        &[3],
    ),
    (
        "around",
        |f| f.block = Block::parse("192.0.2.7"),
        &[1, 6, 7],
    ),
    ("around none", |f| f.block = Block::parse("192.0.3.7"), &[]),
    (
        "around a range",
        |f| f.block = Block::parse("203.0.113.16/28"),
        &[4],
    ),
    (
        "around six",
        |f| f.block = Block::parse("2001:db8::1"),
        &[3],
    ),
    (
        "within",
        |f| {
            f.block = Block::parse("192.0.0.0/16");
            f.contains = false;
        },
        &[1, 6, 7],
    ),
    (
        "within six",
        |f| {
            f.block = Block::parse("2001:db8::/32");
            f.contains = false;
        },
        &[3],
    ),
    (
        "since",
        |f| f.started_since_ns = Some(NOW - 30 * SECOND),
        &[1, 3, 4, 5, 6, 7],
    ),
    (
        "until",
        |f| f.started_until_ns = Some(NOW - 30 * SECOND),
        &[2],
    ),
    (
        "created",
        |f| f.created_before_ns = Some(NOW - 9 * SECOND),
        &[1, 2],
    ),
    ("type", |f| f.decision_type = text("captcha"), &[3]),
    ("origin", |f| f.origin = text("cscli"), &[3]),
    (
        "without lists",
        |f| f.include_capi = false,
        &[1, 2, 3, 5, 6, 7],
    ),
    (
        "an origin of lists",
        |f| {
            f.include_capi = false;
            f.origin = text("lists");
        },
        &[4],
    ),
    (
        "active",
        |f| f.has_active_decision = Some(true),
        &[1, 3, 4, 5, 7],
    ),
    ("no decision", |f| f.has_active_decision = Some(false), &[2]),
    (
        "not simulated",
        |f| f.simulated = Some(false),
        &[1, 3, 4, 5, 6, 7],
    ),
    ("simulated", |f| f.simulated = Some(true), &[2]),
    ("kind", |f| f.kind = text("cscli"), &[3]),
    ("machine", |f| f.machine = text("nobody"), &[]),
    (
        "several",
        |f| {
            f.value = text("192.0.2.7");
            f.scenario = text("test/scenario");
            f.has_active_decision = Some(true);
            f.decision_type = text("ban");
            f.limit = Some(5);
        },
        &[7],
    ),
];

fn alerts_are_found(database: &Database) {
    let store = fill(database);
    for (name, change, expected) in CASES {
        let mut filter = AlertFilter {
            is_ascending: true,
            ..AlertFilter::default()
        };
        change(&mut filter);
        let found = store.alerts(&filter, NOW).unwrap();
        let ids: Vec<i64> = found.iter().map(|row| row.id).collect();
        assert_eq!(ids, expected, "{name}");
    }
    let filter = AlertFilter {
        block: Block::parse("192.0.2.7"),
        ..AlertFilter::default()
    };
    assert_eq!(store.delete_alerts(&filter, NOW).unwrap(), 3);
    assert_eq!(store.alerts(&AlertFilter::default(), NOW).unwrap().len(), 4);
}

fn order_and_limit_are_kept(database: &Database) {
    let store = fill(database);
    let ids = |limit, is_ascending| -> Vec<i64> {
        let filter = AlertFilter {
            limit,
            is_ascending,
            ..AlertFilter::default()
        };
        let rows = store.alerts(&filter, NOW).unwrap();
        rows.iter().map(|row| row.id).collect()
    };
    assert_eq!(ids(Some(2), false), [7, 6]);
    assert_eq!(ids(Some(2), true), [1, 2]);
    assert_eq!(ids(None, false), [7, 6, 5, 4, 3, 2, 1]);
    assert!(ids(Some(0), false).is_empty());
}

fn decisions_are_left_out(database: &Database) {
    let store = fill(database);
    let n_decisions = |with_decisions| -> usize {
        let filter = AlertFilter {
            with_decisions,
            ..AlertFilter::default()
        };
        let rows = store.alerts(&filter, NOW).unwrap();
        rows.iter().map(|row| row.alert.decisions.len()).sum()
    };
    assert_eq!(n_decisions(true), 7);
    assert_eq!(n_decisions(false), 0);
}

fn alerts_are_counted(database: &Database) {
    let store = fill(database);
    let count = |scenario: &str, n| AlertCount {
        scenario: scenario.to_owned(),
        n,
    };
    let mut counts = store.alert_counts().unwrap();
    counts.sort();
    assert_eq!(
        counts,
        [count("other/scenario", 1), count("test/scenario", 6)]
    );
}
