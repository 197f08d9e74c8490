//! Machines.

use overspill_store::{AuthKind, MachineUsage, NewMachine, Store};

use crate::support::{Database, NOW};

on_both!(a_machine_lives, names_are_unique_and_short);

fn new(name: &str) -> NewMachine<'_> {
    NewMachine {
        name,
        password_hash: "$2a$10$hash",
        ip_address: "192.0.2.1",
        is_validated: false,
        auth: AuthKind::Password,
    }
}

fn a_machine_lives(database: &Database) {
    let store = database.open();
    let machine = store.add_machine(&new("agent"), NOW).unwrap();
    assert_eq!((machine.id, &*machine.name), (1, "agent"));
    assert_eq!((machine.created_ns, machine.updated_ns), (NOW, NOW));
    assert!(!machine.is_validated);
    assert!(!format!("{machine:?}").contains("$2a$10"));
    assert_eq!(store.machine("agent").unwrap().as_ref(), Some(&machine));
    store.validate_machine("agent", NOW + 1).unwrap();
    store
        .set_machine_login("agent", "192.0.2.2", "v1.7", Some("a,b"), NOW + 2)
        .unwrap();
    store
        .set_machine_login("agent", "192.0.2.3", "v1.8", None, NOW + 3)
        .unwrap();
    store.set_machine_heartbeat("agent", NOW + 4).unwrap();
    store.set_machine_push("agent", NOW + 5).unwrap();
    store
        .set_machine_password("agent", "other", NOW + 6)
        .unwrap();
    let usage = MachineUsage {
        version: "v1.9".to_owned(),
        os_name: "debian".to_owned(),
        os_family: "linux".to_owned(),
        os_version: "12".to_owned(),
        feature_flags: "x,y".to_owned(),
        hub_state: "{\"parsers\":[]}".to_owned(),
        datasources: "{\"file\":1}".to_owned(),
    };
    store.set_machine_usage("agent", &usage, NOW + 7).unwrap();
    let machine = store.machine("agent").unwrap().unwrap();
    assert!(machine.is_validated);
    assert_eq!(machine.ip_address, "192.0.2.3");
    assert_eq!(machine.scenarios, "a,b");
    assert_eq!(machine.last_heartbeat_ns, Some(NOW + 4));
    assert_eq!(machine.last_push_ns, Some(NOW + 5));
    assert_eq!(machine.password_hash, "other");
    assert_eq!(machine.auth, AuthKind::Password);
    assert_eq!(machine.updated_ns, NOW + 7);
    let reported = MachineUsage {
        version: machine.version,
        os_name: machine.os_name,
        os_family: machine.os_family,
        os_version: machine.os_version,
        feature_flags: machine.feature_flags,
        hub_state: machine.hub_state,
        datasources: machine.datasources,
    };
    assert_eq!(reported, usage);
    store.delete_machine("agent").unwrap();
    assert!(store.machine("agent").unwrap().is_none());
    nobody_is_found(&store);
    // The number is not given again.
    assert_eq!(store.add_machine(&new("agent"), NOW).unwrap().id, 2);
}

fn nobody_is_found(store: &Store) {
    let attempts = [
        store.delete_machine("agent"),
        store.validate_machine("agent", NOW),
        store.set_machine_login("agent", "", "", None, NOW),
        store.set_machine_heartbeat("agent", NOW),
        store.set_machine_push("agent", NOW),
        store.set_machine_password("agent", "", NOW),
        store.set_machine_usage("agent", &MachineUsage::default(), NOW),
    ];
    for attempt in attempts {
        let error = attempt.unwrap_err();
        assert!(error.is_not_found());
        assert_eq!(error.to_string(), "machine `agent` is not there");
    }
}

fn names_are_unique_and_short(database: &Database) {
    let store = database.open();
    store.add_machine(&new("agent"), NOW).unwrap();
    store.add_machine(&new("Agent"), NOW).unwrap();
    let taken = store.add_machine(&new("agent"), NOW).unwrap_err();
    assert!(taken.is_exists());
    assert_eq!(taken.to_string(), "machine `agent` is there already");
    assert!(store.add_machine(&new(&"x".repeat(256)), NOW).is_err());
    let names: Vec<String> = store
        .machines()
        .unwrap()
        .into_iter()
        .map(|machine| machine.name)
        .collect();
    assert_eq!(names, ["agent", "Agent"]);
}
