//! What our own engine says of its alerts.

use overspill_event::Alert;
use overspill_store::{AlertFilter, EngineRecord, EngineRow, FlushPolicy, StoreError};

use crate::support::{Database, NOW, SECOND, active, alert, ban};

on_both!(
    what_stands_is_stored_and_what_is_withdrawn_ends,
    an_alert_that_is_derived_again_is_stored_once,
    an_alert_may_be_withdrawn_and_stand_again_at_once,
    what_came_after_a_place_is_told,
    nothing_is_stored_by_allowlists_that_have_changed,
    the_place_outlives_what_is_forgotten,
);

fn of(uuid: &str, value: &str) -> Alert {
    let mut alert = alert(value, vec![ban(value, 3600)]);
    uuid.clone_into(&mut alert.uuid);
    alert
}

fn stands(alert: &Alert) -> EngineRecord<'_> {
    EngineRecord::Stands { alert, at_ns: NOW }
}

fn what_stands_is_stored_and_what_is_withdrawn_ends(database: &Database) {
    let store = database.open();
    let (one, two) = (of("one", "192.0.2.1"), of("two", "192.0.2.2"));
    let said = [stands(&one), stands(&two)];
    assert_eq!(store.add_engine_records(&said, None, 0, NOW).unwrap(), 2);
    assert_eq!(active(&store, NOW).len(), 2);
    let said = [EngineRecord::Withdrawn { uuid: "one" }];
    let place = store.add_engine_records(&said, None, 0, NOW + SECOND);
    assert_eq!(place.unwrap(), 3);
    let left = active(&store, NOW + SECOND);

    assert_eq!(left, ["192.0.2.2"]);
    let log = store.log_since(overspill_store::Seq(0), 10).unwrap();
    let numbers: Vec<u64> = log.iter().map(|entry| entry.seq.0).collect();
    assert_eq!(numbers, [1, 2, 3]);
    // Again, as after a crash: nothing more happens.
    store
        .add_engine_records(&said, None, 0, NOW + SECOND)
        .unwrap();
    assert_eq!(store.head().unwrap().0, 3);
}

fn an_alert_that_is_derived_again_is_stored_once(database: &Database) {
    let store = database.open();
    let one = of("one", "192.0.2.1");
    for _ in 0..2 {
        store
            .add_engine_records(&[stands(&one)], None, 0, NOW)
            .unwrap();
    }
    assert_eq!(active(&store, NOW).len(), 1);
    assert_eq!(store.alerts(&AlertFilter::default(), NOW).unwrap().len(), 1);
}

fn an_alert_may_be_withdrawn_and_stand_again_at_once(database: &Database) {
    let store = database.open();
    let one = of("one", "192.0.2.1");
    let withdrawn = EngineRecord::Withdrawn { uuid: "one" };
    let said = [
        stands(&one),
        withdrawn,
        stands(&one),
        withdrawn,
        stands(&one),
    ];
    store.add_engine_records(&said, None, 0, NOW).unwrap();
    assert_eq!(active(&store, NOW).len(), 1);
    let log = store.log_since(overspill_store::Seq(0), 10).unwrap();
    let numbers: Vec<u64> = log.iter().map(|entry| entry.seq.0).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
}

fn what_came_after_a_place_is_told(database: &Database) {
    let store = database.open();
    assert_eq!(store.engine_place().unwrap(), 0);
    let one = of("one", "192.0.2.1");
    let place = store
        .add_engine_records(&[stands(&one)], None, 0, NOW)
        .unwrap();
    let said = [
        EngineRecord::Dropped {
            uuid: "two",
            at_ns: NOW + 5,
        },
        EngineRecord::Withdrawn { uuid: "one" },
    ];
    store.add_engine_records(&said, None, 0, NOW).unwrap();
    let row = |uuid: &str, at_ns| EngineRow {
        uuid: uuid.to_owned(),
        at_ns,
    };
    assert_eq!(
        store.engine_records_since(place).unwrap(),
        [row("two", Some(NOW + 5)), row("one", None)]
    );
    assert_eq!(store.engine_records_since(0).unwrap().len(), 3);
    assert_eq!(store.engine_place().unwrap(), 3);
}

fn nothing_is_stored_by_allowlists_that_have_changed(database: &Database) {
    let store = database.open();
    let one = of("one", "192.0.2.1");
    let version = store.allowlists_version().unwrap();
    let refused = store.add_engine_records(&[stands(&one)], None, version + 1, NOW);
    assert!(matches!(refused, Err(StoreError::AllowlistsChanged { .. })));
    assert!(active(&store, NOW).is_empty());
    assert_eq!(store.engine_place().unwrap(), 0);
}

fn the_place_outlives_what_is_forgotten(database: &Database) {
    let store = database.open();
    for uuid in ["one", "two", "three"] {
        let said = [EngineRecord::Dropped { uuid, at_ns: NOW }];
        store.add_engine_records(&said, None, 0, NOW).unwrap();
    }
    let policy = FlushPolicy {
        engine_max_age_ns: Some(SECOND),
        ..FlushPolicy::default()
    };
    let report = store.flush(&policy, NOW + 10 * SECOND).unwrap();
    assert_eq!(report.engine_rows, 2);
    assert_eq!(store.engine_place().unwrap(), 3);
    assert_eq!(store.engine_records_since(0).unwrap().len(), 1);
}
