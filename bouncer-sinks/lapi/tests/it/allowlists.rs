//! Allowlists: as they are asked for, and what they do to alerts and decisions.

use overspill_decision::AllowEntry;
use overspill_store::{AllowItem, NewAllowlist};

use crate::client::ask;
use crate::ours::{Ours, Subjected, now_ns, policy};
use crate::steps::{Subject as _, run};

#[test]
fn what_is_allowlisted_is_neither_decided_upon_nor_stays_decided() {
    let mut subject = Subjected::new(Ours::start());
    let banned = include_str!("../steps/allowlists-before.yaml");
    let wrong = run(&mut subject, "before", banned);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let store = &subject.ours().store;
    let office = NewAllowlist {
        id: "office",
        name: "office",
        description: "where we are",
        from_console: false,
    };
    store.create_allowlist(&office, now_ns()).unwrap();
    let item = AllowItem {
        value: "192.0.2.0/24".to_owned(),
        comment: "the printers".to_owned(),
        expires_ns: None,
        created_ns: 0,
    };
    store.add_allow_items("office", &[item], now_ns()).unwrap();

    let after = include_str!("../steps/allowlists-after.yaml");
    let wrong = run(&mut subject, "after", after);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_address_of_this_machine_is_never_banned_whoever_asks() {
    let mut subject = Subjected::new(Ours::start());
    let steps = r#"
- what: somebody bans this machine and another
  as: machine admin
  request:
    method: POST
    path: /v1/alerts
    json:
      - capacity: 0
        decisions:
          - {duration: 4h, origin: cscli, scenario: manual, scope: Range, type: ban, value: 0.0.0.0/0}
          - {duration: 4h, origin: cscli, scenario: manual, scope: Ip, type: ban, value: 127.0.0.1}
          - {duration: 4h, origin: cscli, scenario: manual, scope: Ip, type: ban, value: 192.0.2.1}
        events: []
        events_count: 1
        leakspeed: "0"
        message: manual
        scenario: manual
        scenario_hash: ""
        scenario_version: ""
        simulated: false
        source: {scope: Ip, value: 192.0.2.1}
        start_at: ${now}
        stop_at: ${now}
  expect: {status: 201}
"#;
    let wrong = run(&mut subject, "safe", steps);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let key = [("X-Api-Key".to_owned(), subject.key("fw-1"))];
    let answer = ask(subject.address(), "GET", "/v1/decisions", &key, b"").unwrap();
    let decisions = answer.json();
    let values: Vec<&str> = decisions
        .as_array()
        .unwrap()
        .iter()
        .map(|decision| decision["value"].as_str().unwrap())
        .collect();
    assert_eq!(values, ["192.0.2.1"]);
}

#[test]
fn an_allowlist_of_the_configuration_counts_beside_those_of_the_store() {
    let mut subject = Subjected::new(Ours::start());
    let mut policy = policy();
    let entry = AllowEntry {
        list: "file".into(),
        comment: "".into(),
        expires_ns: None,
    };
    policy.allowlist.insert("192.0.2.0/24", entry).unwrap();
    subject.ours().lapi.set_policy(policy);
    let store = &subject.ours().store;
    let office = NewAllowlist {
        id: "office",
        name: "office",
        description: "",
        from_console: false,
    };
    store.create_allowlist(&office, now_ns()).unwrap();
    let item = AllowItem {
        value: "198.51.100.1".to_owned(),
        comment: String::new(),
        expires_ns: None,
        created_ns: 0,
    };
    store.add_allow_items("office", &[item], now_ns()).unwrap();
    let steps = r"
- what: one of the file
  as: machine admin
  request: {path: /v1/allowlists/check/192.0.2.9}
  expect: {status: 200, json: {allowlisted: true, reason: 192.0.2.0/24 from file}}
- what: one of the store
  as: machine admin
  request: {path: /v1/allowlists/check/198.51.100.1}
  expect: {status: 200, json: {allowlisted: true, reason: 198.51.100.1 from office}}
";
    let wrong = run(&mut subject, "both", steps);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
