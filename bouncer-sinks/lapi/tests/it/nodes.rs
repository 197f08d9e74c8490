//! Two servers of one database, and clients that ask now the one and now the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use overspill_lapi::{Clock, Lapi};
use overspill_store::{AllowItem, Backend, DecisionRow, NewAllowlist, Store, StoreConfig};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::client::ask;
use crate::database;
use crate::ours::{add_bouncer, add_machine, serve_at};

const SECOND_NS: i64 = 1_000_000_000;
const START_NS: i64 = 1_700_000_000 * SECOND_NS;

/// A clock that is set, the same for both servers.
#[derive(Clone)]
struct Hand(Arc<AtomicI64>);

impl Clock for Hand {
    fn now_ns(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// What happens.
#[derive(Debug, Clone)]
enum Step {
    Ban {
        server: usize,
        value: u8,
        is_captcha: bool,
        is_manual: bool,
        lasts_s: i64,
    },
    Delete {
        server: usize,
        value: u8,
    },
    DeleteAlert {
        server: usize,
        nth: usize,
    },
    Allow {
        value: u8,
    },
    Forbid {
        value: u8,
    },
    Pass {
        secs: i64,
    },
    Restart {
        server: usize,
    },
    Pull {
        server: usize,
        client: usize,
        is_startup: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let value = 0_u8..4;
    prop_oneof![
        6 => (0_usize..2, value.clone(), any::<bool>(), any::<bool>(), 1_i64..30).prop_map(
            |(server, value, is_captcha, is_manual, lasts_s)| Step::Ban {
                server, value, is_captcha, is_manual, lasts_s,
            }
        ),
        2 => (0_usize..2, value.clone()).prop_map(|(server, value)| Step::Delete { server, value }),
        1 => (0_usize..2, 0_usize..20).prop_map(|(server, nth)| Step::DeleteAlert { server, nth }),
        1 => value.clone().prop_map(|value| Step::Allow { value }),
        1 => value.prop_map(|value| Step::Forbid { value }),
        3 => (0_i64..8).prop_map(|secs| Step::Pass { secs }),
        1 => (0_usize..2).prop_map(|server| Step::Restart { server }),
        8 => (0_usize..2, 0_usize..3, prop::bool::weighted(0.1)).prop_map(
            |(server, client, is_startup)| Step::Pull { server, client, is_startup }
        ),
    ]
}

/// A bouncer: what it holds of each value, the kind and the end.
struct Client {
    key: String,
    agent: &'static str,
    /// What it asks for.
    query: &'static str,
    origin: Option<&'static str>,
    held: BTreeMap<String, (String, i64)>,
    is_begun: bool,
}

struct World {
    store: Store,
    hand: Hand,
    servers: Vec<Option<Lapi>>,
    token: String,
    clients: Vec<Client>,
    alerts: Vec<String>,
}

impl World {
    fn new(config: &StoreConfig) -> Self {
        let store = Store::open(config).unwrap();
        let hand = Hand(Arc::new(AtomicI64::new(START_NS)));
        let servers = (0..2).map(|_| Some(serve_at(&store, &hand))).collect();
        add_machine(&store, "admin", "secret", START_NS);
        let list = NewAllowlist {
            id: "office",
            name: "office",
            description: "",
            from_console: false,
        };
        store.create_allowlist(&list, START_NS).unwrap();
        let client = |name: &str, agent, query, origin| {
            let key = add_bouncer(&store, name, START_NS);
            Client {
                key,
                agent,
                query,
                origin,
                held: BTreeMap::new(),
                is_begun: false,
            }
        };
        let clients = vec![
            client("plain", "something/v1", "", None),
            client("custom", "crowdsec-custom-bouncer/v1", "", None),
            client("manual", "something/v1", "&origins=cscli", Some("cscli")),
        ];
        let mut world = Self {
            store: store.clone(),
            hand,
            servers,
            token: String::new(),
            clients,
            alerts: Vec::new(),
        };
        let body = json!({"machine_id": "admin", "password": "secret", "scenarios": []});
        let answer = world.ask(0, "POST", "/v1/watchers/login", &[], &body);
        world.token = answer["token"].as_str().unwrap().to_owned();
        world
    }

    fn ask(
        &self,
        server: usize,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Value {
        let address = self.servers[server].as_ref().unwrap().address().unwrap();
        let mut all = vec![("User-Agent".to_owned(), "test/v1".to_owned())];
        if !headers.is_empty() {
            all.clear();
        }
        let named = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        all.extend(named);
        if !self.token.is_empty() {
            all.push(("Authorization".to_owned(), format!("Bearer {}", self.token)));
        }
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let answer = ask(address, method, path, &all, body.as_bytes()).unwrap();
        assert!(
            answer.status < 300 || answer.status == 404,
            "{method} {path}: {}",
            answer.body
        );
        answer.json()
    }

    fn now_ns(&self) -> i64 {
        self.hand.now_ns()
    }

    fn ban(&mut self, server: usize, value: u8, is_captcha: bool, is_manual: bool, lasts_s: i64) {
        let value = format!("192.0.2.{value}");
        let mut at = Vec::new();
        let now = overspill_golike::time::Time::from_unix_ns(self.now_ns());
        overspill_golike::time::append_rfc3339(&now, &mut at);
        let at = String::from_utf8(at).unwrap();
        let alert = json!([{
            "capacity": 0, "events": [], "events_count": 1, "leakspeed": "0", "message": "m",
            // So that it is not taken for one that is sent again.
            "scenario": format!("test/{}", self.alerts.len()),
            "scenario_hash": "", "scenario_version": "", "simulated": false,
            "source": {"scope": "Ip", "value": value}, "start_at": at, "stop_at": at,
            "decisions": [{
                "duration": format!("{lasts_s}s"),
                "origin": if is_manual { "cscli" } else { "lists" },
                "scenario": "manual", "scope": "Ip",
                "type": if is_captcha { "captcha" } else { "ban" },
                "value": value,
            }],
        }]);
        let ids = self.ask(server, "POST", "/v1/alerts", &[], &alert);
        self.alerts.push(ids[0].as_str().unwrap().to_owned());
    }

    fn step(&mut self, step: &Step) {
        let host = |value: u8| format!("192.0.2.{value}");
        match *step {
            Step::Ban {
                server,
                value,
                is_captcha,
                is_manual,
                lasts_s,
            } => {
                self.ban(server, value, is_captcha, is_manual, lasts_s);
            }
            Step::Delete { server, value } => {
                let path = format!("/v1/decisions?value={}", host(value));
                self.ask(server, "DELETE", &path, &[], &Value::Null);
            }
            Step::DeleteAlert { server, nth } => {
                if let Some(id) = self.alerts.get(nth) {
                    let path = format!("/v1/alerts/{id}");
                    self.ask(server, "DELETE", &path, &[], &Value::Null);
                }
            }
            Step::Allow { value } => {
                let item = AllowItem {
                    value: host(value),
                    comment: String::new(),
                    expires_ns: None,
                    created_ns: self.now_ns(),
                };
                self.store
                    .add_allow_items("office", &[item], self.now_ns())
                    .unwrap();
            }
            Step::Forbid { value } => {
                let value = host(value);
                self.store
                    .remove_allow_items("office", &[&value], self.now_ns())
                    .unwrap();
            }
            Step::Pass { secs } => {
                self.hand.0.fetch_add(secs * SECOND_NS, Ordering::SeqCst);
            }
            Step::Restart { server } => {
                drop(self.servers[server].take());
                self.servers[server] = Some(serve_at(&self.store, &self.hand));
            }
            Step::Pull {
                server,
                client,
                is_startup,
            } => self.pull(server, client, is_startup),
        }
    }

    /// A client asks, and holds what is in force then.
    fn pull(&mut self, server: usize, which: usize, is_startup: bool) {
        let now_ns = self.now_ns();
        let client = &self.clients[which];
        let is_startup = is_startup || !client.is_begun;
        let path = format!("/v1/decisions/stream?startup={is_startup}{}", client.query);
        let headers = [("X-Api-Key", &*client.key), ("User-Agent", client.agent)];
        let answer = self.ask(server, "GET", &path, &headers, &Value::Null);
        let mut held = if is_startup {
            BTreeMap::new()
        } else {
            client.held.clone()
        };
        let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
        let is_deleted_first = client.agent.starts_with("crowdsec-custom");
        let forget = |held: &mut BTreeMap<_, _>| {
            for item in answer["deleted"].as_array().unwrap() {
                held.remove(&text(item, "value"));
            }
        };
        if is_deleted_first {
            forget(&mut held);
        }
        for item in answer["new"].as_array().unwrap() {
            let left_ns = overspill_golike::duration::parse(&text(item, "duration")).unwrap();
            held.insert(text(item, "value"), (text(item, "type"), now_ns + left_ns));
        }
        if !is_deleted_first {
            forget(&mut held);
        }
        // What ended by itself the client has let go by its own clock.
        let mut expected: BTreeMap<String, (u8, String, i64)> = BTreeMap::new();
        self.store
            .active_decisions(now_ns, &mut |row: DecisionRow| {
                if client.origin.is_some_and(|origin| origin != row.origin) {
                    return;
                }
                let severity = u8::from(row.kind == "ban");
                let entry = (severity, row.kind, row.until_ns);
                let known = expected.entry(row.value).or_insert_with(|| entry.clone());
                if *known < entry {
                    *known = entry;
                }
            })
            .unwrap();
        let expected: BTreeMap<String, (String, i64)> = expected
            .into_iter()
            .map(|(value, (_, kind, until_ns))| (value, (kind, until_ns)))
            .collect();
        assert_eq!(held, expected, "after {path} of server {server}: {answer}");
        let client = &mut self.clients[which];
        client.held = held;
        client.is_begun = true;
    }
}

fn check(steps: &[Step], config: &StoreConfig) {
    let mut world = World::new(config);
    for step in steps {
        world.step(step);
    }
    for client in 0..3 {
        for server in 0..2 {
            world.pull(server, client, false);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 8,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    })]

    #[test]
    fn on_sqlite_clients_hold_what_is_in_force(steps in prop::collection::vec(step(), 20..80)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lapi.db");
        check(&steps, &StoreConfig::new(Backend::Sqlite { path, wal: true }));
    }

    #[test]
    fn on_postgresql_clients_hold_what_is_in_force(steps in prop::collection::vec(step(), 20..80)) {
        if let Some(database) = database::postgres() {
            check(&steps, &database.config);
        }
    }
}
