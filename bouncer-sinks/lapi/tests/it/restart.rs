//! What a server knows after it was gone, and what one tells that was not alone.

use std::net::SocketAddr;

use serde_json::Value;

use crate::client::ask;
use crate::ours::{Ours, Subjected, open, serve};
use crate::steps::{Subject as _, run};

fn ban(value: &str) -> String {
    format!(
        r#"
- what: somebody bans an address
  as: machine admin
  request:
    method: POST
    path: /v1/alerts
    json:
      - capacity: 0
        decisions:
          - {{duration: 4h, origin: cscli, scenario: manual, scope: Ip, type: ban, value: {value}}}
        events: []
        events_count: 1
        leakspeed: "0"
        message: manual
        scenario: manual
        scenario_hash: ""
        scenario_version: ""
        simulated: false
        source: {{scope: Ip, value: {value}}}
        start_at: ${{now}}
        stop_at: ${{now}}
  expect: {{status: 201}}
"#
    )
}

fn put(subject: &mut Subjected, steps: &str) {
    let wrong = run(subject, "steps", steps);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a bouncer is told: values that are new, and values that are over.
fn pull(server: SocketAddr, key: &str, query: &str) -> (Vec<String>, Vec<String>) {
    let headers = [("X-Api-Key".to_owned(), key.to_owned())];
    let path = format!("/v1/decisions/stream{query}");
    let answer = ask(server, "GET", &path, &headers, b"").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let json = answer.json();
    let values = |list: &Value| {
        let items = list.as_array().unwrap().iter();
        items
            .map(|item| item["value"].as_str().unwrap().to_owned())
            .collect()
    };
    (values(&json["new"]), values(&json["deleted"]))
}

#[test]
fn a_bouncer_goes_on_where_it_was_after_the_server_was_gone() {
    let mut subject = Subjected::new(Ours::start());
    let key = subject.key("fw-1");
    put(&mut subject, &ban("192.0.2.1"));
    assert_eq!(
        pull(subject.address(), &key, "?startup=true").0,
        ["192.0.2.1"]
    );
    put(&mut subject, &ban("192.0.2.2"));
    assert_eq!(pull(subject.address(), &key, "").0, ["192.0.2.2"]);
    let Ours { lapi, store, dir } = subject.into_ours();
    drop((lapi, store));

    let lapi = serve(open(dir.path()), |_| {});
    let address = lapi.address().unwrap();
    assert_eq!(pull(address, &key, ""), (vec![], vec![]));
    assert_eq!(
        pull(address, &key, "?startup=true").0,
        ["192.0.2.1", "192.0.2.2"]
    );
}

#[test]
fn two_servers_of_one_database_tell_the_same() {
    let mut subject = Subjected::new(Ours::start());
    let key = subject.key("fw-1");
    let other = serve(open(subject.ours().dir.path()), |_| {});
    let (here, there) = (subject.address(), other.address().unwrap());
    assert_eq!(pull(here, &key, "?startup=true").0, Vec::<String>::new());
    put(&mut subject, &ban("192.0.2.1"));
    // It is known there as soon as it was acknowledged here.
    assert_eq!(pull(there, &key, "").0, ["192.0.2.1"]);
    put(&mut subject, &ban("192.0.2.2"));
    let (new, deleted) = pull(here, &key, "");
    assert!(new.contains(&"192.0.2.2".to_owned()), "{new:?}");
    assert!(deleted.is_empty());
    let delete = r#"
- what: one is deleted
  as: machine admin
  request: {method: DELETE, path: "/v1/decisions?value=192.0.2.1"}
  expect: {status: 200, json: {nbDeleted: "1"}}
"#;
    put(&mut subject, delete);
    assert_eq!(pull(there, &key, "").1, ["192.0.2.1"]);
}

#[test]
fn an_alert_that_is_sent_again_is_stored_once() {
    let mut subject = Subjected::new(Ours::start());
    let steps = ban("192.0.2.1").replace(
        "expect: {status: 201}",
        "expect: {status: 201}\n  save: {first: /0}",
    );
    let again = ban("192.0.2.1").replace(
        "expect: {status: 201}",
        "expect: {status: 201, json: [\"re:${first}\"]}",
    );
    // The same second, so the same alert: a log processor that got no answer sends it so.
    let at = "2026-01-01T10:00:00Z";
    put(
        &mut subject,
        &format!("{steps}{again}")
            .replace("${now}", at)
            .replace("4h", "100000h"),
    );
    let key = subject.key("fw-1");
    assert_eq!(
        pull(subject.address(), &key, "?startup=true&dedup=false")
            .0
            .len(),
        1
    );
}

#[test]
fn bouncers_that_share_a_key_have_a_place_each_by_their_address() {
    let mut subject = Subjected::new(Ours::with(|settings| {
        settings.forwarded = overspill_lapi::Forwarded::Everybody;
    }));
    let key = subject.key("fw-1");
    put(&mut subject, &ban("192.0.2.1"));
    let pull_from = |address: &str, query: &str| {
        let headers = [
            ("X-Api-Key".to_owned(), key.clone()),
            ("X-Forwarded-For".to_owned(), address.to_owned()),
        ];
        let path = format!("/v1/decisions/stream{query}");
        let answer = ask(subject.address(), "GET", &path, &headers, b"").unwrap();
        answer.json()["new"].as_array().unwrap().len()
    };
    assert_eq!(pull_from("10.0.0.1", "?startup=true"), 1);
    assert_eq!(pull_from("10.0.0.1", ""), 0);
    // Another one that was never here is told everything, although it does not say that it starts.
    assert_eq!(pull_from("10.0.0.2", ""), 1);
    assert_eq!(pull_from("10.0.0.1", ""), 0);
    let names: Vec<String> = subject
        .ours()
        .store
        .bouncers()
        .unwrap()
        .into_iter()
        .map(|bouncer| bouncer.name)
        .collect();
    assert_eq!(names, ["fw-1", "fw-1@10.0.0.2"]);
}
