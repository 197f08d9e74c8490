//! A server that is killed again and again while machines push and a bouncer asks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use overspill_store::{AlertFilter, Seq, Store};
use serde_json::json;

use crate::apart::{start, wait};
use crate::client::ask;
use crate::ours::{add_bouncer, add_machine, now_ns, open};
use crate::server::free_port;

/// How often it is killed.
const KILLS: u64 = 12;

/// One who pushes alerts, each of a scenario of its own, and notes those that were acknowledged.
struct Pusher {
    server: SocketAddr,
    number: usize,
    is_over: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<BTreeSet<String>>>,
}

impl Pusher {
    fn run(&self) {
        let mut token = None;
        let mut n_sent = 0;
        while !self.is_over.load(Ordering::SeqCst) {
            if token.is_none() {
                token = self.log_in();
            }
            let Some(bearer) = &token else {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            };
            n_sent += 1;
            let scenario = format!("test/{}-{n_sent}", self.number);
            let value = format!("10.{}.{}.{}", self.number, n_sent / 250, n_sent % 250);
            let alert = json!([{
                "capacity": 1, "events": [], "events_count": 2, "leakspeed": "1s", "message": "m",
                "remediation": true, "scenario": scenario, "scenario_hash": "", "scenario_version": "",
                "simulated": false, "source": {"scope": "Ip", "value": value},
                "start_at": "now", "stop_at": "now",
            }]);
            let headers = [
                ("Authorization".to_owned(), format!("Bearer {bearer}")),
                ("User-Agent".to_owned(), "test/v1".to_owned()),
            ];
            let body = alert.to_string();
            match ask(self.server, "POST", "/v1/alerts", &headers, body.as_bytes()) {
                Ok(answer) if answer.status == 201 => {
                    self.acknowledged.lock().unwrap().insert(scenario);
                }
                Ok(answer) => panic!("{} {}", answer.status, answer.body),
                // It was killed.
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn log_in(&self) -> Option<String> {
        let body = json!({"machine_id": "admin", "password": "secret", "scenarios": []});
        let agent = [("User-Agent".to_owned(), "test/v1".to_owned())];
        let body = body.to_string();
        let path = "/v1/watchers/login";
        let answer = ask(self.server, "POST", path, &agent, body.as_bytes()).ok()?;
        answer.json()["token"].as_str().map(str::to_owned)
    }
}

/// What a bouncer holds: the value and the number of the decision.
type Held = BTreeMap<String, i64>;

/// Asks until there is an answer.
fn pull(server: SocketAddr, key: &str, is_startup: bool, held: &mut Held) {
    let headers = [("X-Api-Key".to_owned(), key.to_owned())];
    let path = format!("/v1/decisions/stream?startup={is_startup}");
    let answer = wait("an answer to a bouncer", || {
        let answer = ask(server, "GET", &path, &headers, b"").ok()?;
        (answer.status == 200).then(|| answer.json())
    });
    for item in answer["new"].as_array().unwrap() {
        let value = item["value"].as_str().unwrap().to_owned();
        held.insert(value, item["id"].as_i64().unwrap());
    }
    for item in answer["deleted"].as_array().unwrap() {
        held.remove(item["value"].as_str().unwrap());
    }
}

/// Reads the whole log.
fn has_dense_numbers(store: &Store) {
    let mut last = Seq(0);
    loop {
        let entries = store.log_since(last, 1_000).unwrap();
        let Some(newest) = entries.last() else {
            break;
        };
        let numbers = entries.iter().map(|entry| entry.seq.0);
        assert!(
            numbers.eq(last.0 + 1..=newest.seq.0),
            "a number is not there, or twice"
        );
        last = newest.seq;
    }
    assert_eq!(last, store.head().unwrap());
}

#[test]
fn what_was_acknowledged_is_there_and_bouncers_hold_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    add_machine(&store, "admin", "secret", now_ns());
    let key = add_bouncer(&store, "firewall", now_ns());
    let port = free_port().unwrap();
    let server = SocketAddr::from(([127, 0, 0, 1], port));
    let is_over = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    let pushers: Vec<_> = (0..3)
        .map(|number| {
            let pusher = Pusher {
                server,
                number,
                is_over: Arc::clone(&is_over),
                acknowledged: Arc::clone(&acknowledged),
            };
            std::thread::Builder::new()
                .name("pusher".to_owned())
                .spawn(move || pusher.run())
                .unwrap()
        })
        .collect();
    let mut held = Held::new();
    for life in 0..KILLS {
        let n_before = acknowledged.lock().unwrap().len();
        let running = start(dir.path(), port, |program| Command::new(program)).unwrap();
        pull(server, &key, life == 0, &mut held);
        wait("alerts", || {
            (acknowledged.lock().unwrap().len() > n_before + 3).then_some(())
        });
        // Anywhere in what it does.
        std::thread::sleep(Duration::from_millis(37 * (life % 7)));
        drop(running);
    }
    let _running = start(dir.path(), port, |program| Command::new(program)).unwrap();
    is_over.store(true, Ordering::SeqCst);
    for pusher in pushers {
        pusher.join().unwrap();
    }
    pull(server, &key, false, &mut held);

    let all = AlertFilter::default();
    let alerts = store.alerts(&all, now_ns()).unwrap();
    let stored: BTreeSet<String> = alerts
        .iter()
        .map(|row| row.alert.scenario.clone())
        .collect();
    assert_eq!(stored.len(), alerts.len(), "an alert is there twice");
    let acknowledged = acknowledged.lock().unwrap();
    let lost: Vec<&String> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "{lost:?}");

    let mut active = Held::new();
    store
        .active_decisions(now_ns(), &mut |row| {
            active.insert(row.value, row.id);
        })
        .unwrap();
    assert_eq!(active.len(), alerts.len());
    assert_eq!(held, active);

    has_dense_numbers(&store);
}
