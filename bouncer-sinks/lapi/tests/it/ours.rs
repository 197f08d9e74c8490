//! Our server, in this process, over a store of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use overspill_decision::{Block, OnError, OnFailure, OnSuccess, Policy, Profile, Profiles, Remedy};
use overspill_event::SchemaBuilder;
use overspill_expr::{Compiler, Env, Services};
use overspill_lapi::{
    AutoRegistration, Clock, Lapi, LapiParts, Settings, generate_key, hash_key, hash_password,
};
use overspill_store::{AuthKind, Backend, FlushPolicy, NewBouncer, NewMachine, Store, StoreConfig};

use crate::steps::Subject;

/// The clock of this machine.
pub(crate) struct Wall;

impl Clock for Wall {
    #[expect(clippy::disallowed_methods, reason = "the clock itself")]
    fn now_ns(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        i64::try_from(since.unwrap().as_nanos()).unwrap()
    }
}

/// A server and what it is made of.
pub(crate) struct Ours {
    pub(crate) lapi: Lapi,
    pub(crate) store: Store,
    pub(crate) dir: tempfile::TempDir,
}

/// What machines may register with.
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

impl Ours {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// A server that is set up in another way.
    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let lapi = serve(store.clone(), change);
        Self { lapi, store, dir }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.lapi.address().unwrap()
    }

    /// A bouncer with a key.
    pub(crate) fn bouncer(&self, name: &str) -> String {
        add_bouncer(&self.store, name, now_ns())
    }
}

/// Adds a bouncer; answers its key.
pub(crate) fn add_bouncer(store: &Store, name: &str, now_ns: i64) -> String {
    let key = generate_key().unwrap();
    let new = NewBouncer {
        name,
        key_hash: &hash_key(&key),
        ip_address: "",
        kind: "",
        auth: AuthKind::ApiKey,
        auto_created: false,
    };
    store.add_bouncer(&new, now_ns).unwrap();
    key
}

/// Adds a machine that may log in, unless it is there.
pub(crate) fn add_machine(store: &Store, name: &str, password: &str, now_ns: i64) {
    let new = NewMachine {
        name,
        password_hash: &hash_password(password).unwrap(),
        ip_address: "",
        is_validated: true,
        auth: AuthKind::Password,
    };
    // It may have registered by itself.
    let _there = store.add_machine(&new, now_ns);
}

pub(crate) fn open(dir: &Path) -> Store {
    Store::open(&StoreConfig::new(Backend::Sqlite {
        path: dir.join("lapi.db"),
        wal: true,
    }))
    .unwrap()
}

pub(crate) fn serve(store: Store, change: impl FnOnce(&mut Settings)) -> Lapi {
    let mut settings = settings();
    change(&mut settings);
    start(store, settings, Arc::new(Wall))
}

/// A server whose time is another's.
pub(crate) fn serve_at(store: &Store, clock: &(impl Clock + Clone + 'static)) -> Lapi {
    start(store.clone(), settings(), Arc::new(clock.clone()))
}

fn settings() -> Settings {
    Settings {
        listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        auto_registration: Some(AutoRegistration {
            token: TOKEN.to_owned(),
            ranges: vec![Block::parse("127.0.0.1").unwrap()],
        }),
        ..Settings::default()
    }
}

fn start(store: Store, settings: Settings, clock: Arc<dyn Clock>) -> Lapi {
    Lapi::start(LapiParts {
        settings,
        store,
        secret: vec![7; 64],
        policy: policy(),
        services: Services::none(),
        flush: FlushPolicy::default(),
        clock,
    })
    .unwrap()
}

/// CrowdSec's own profiles: whoever is to be remedied is banned for four hours.
pub(crate) fn policy() -> Policy {
    let profiles: Vec<Profile> = ["Ip", "Range"].into_iter().map(profile).collect();
    Policy {
        profiles: Profiles::new(profiles),
        ..Policy::default()
    }
}

fn profile(scope: &str) -> Profile {
    let mut schema = SchemaBuilder::new();
    let filter = format!("Alert.Remediation == true && Alert.GetScope() == \"{scope}\"");
    let filter = Compiler::new(&mut schema)
        .compile(&filter, &Env::profile())
        .unwrap();
    Profile {
        name: scope.into(),
        filters: vec![filter],
        decisions: vec![Remedy {
            kind: "ban".to_owned(),
            duration: "4h".to_owned(),
            ..Remedy::default()
        }],
        duration_expr: None,
        on_success: OnSuccess::Break,
        on_failure: OnFailure::default(),
        on_error: OnError::default(),
        notifications: Vec::new(),
    }
}

pub(crate) fn now_ns() -> i64 {
    Wall.now_ns()
}

/// Our server as one that steps are put to.
#[derive(Default)]
pub(crate) struct Subjected {
    ours: Option<Ours>,
    keys: std::collections::BTreeMap<String, String>,
}

impl Subjected {
    pub(crate) fn new(ours: Ours) -> Self {
        Self {
            ours: Some(ours),
            ..Self::default()
        }
    }

    pub(crate) fn ours(&self) -> &Ours {
        self.ours.as_ref().unwrap()
    }

    pub(crate) fn into_ours(self) -> Ours {
        self.ours.unwrap()
    }
}

impl Subject for Subjected {
    fn address(&self) -> SocketAddr {
        self.ours().address()
    }

    fn key(&mut self, bouncer: &str) -> String {
        if !self.keys.contains_key(bouncer) {
            let key = self.ours().bouncer(bouncer);
            self.keys.insert(bouncer.to_owned(), key);
        }
        self.keys[bouncer].clone()
    }

    fn machine(&mut self, name: &str, password: &str) {
        add_machine(&self.ours().store, name, password, now_ns());
    }

    fn is_crowdsec(&self) -> bool {
        false
    }
}
