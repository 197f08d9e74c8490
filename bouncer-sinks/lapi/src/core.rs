//! What all requests share: the store, the decisions in force, the policy, who was told what.
//!
//! ```text
//!  requests ──▶ refresh ──▶ store.head()? ──▶ log since ──▶ Active ──▶ answers
//!                                                            ▲
//!  pushes, deletions ──▶ store (commits, numbers) ───────────┘ by the log, as on every other server
//! ```
//!
//! Nothing is put into [`Active`] but what the log of the store says, so that two servers on one database show the same,
//! and a request that begins after a change was acknowledged sees it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use overspill_decision::{AllowEntry, Allowlist, Policy};
use overspill_expr::Services;
use overspill_store::{AllowlistRow, BouncerCursor, BouncerPull, Seq, Store, StoreError};

use crate::active::{Active, Mark};
use crate::auth::certificate::Revoked;
use crate::auth::token::Signer;
use crate::meters::Meters;
use crate::settings::Settings;

/// Entries of the log that are read at once.
const LOG_PAGE: usize = 10_000;
/// How far back decisions that ended by themselves are known after a start: an hour.
const HISTORY_NS: i64 = 3_600_000_000_000;
/// Entries of the log that are read at a start, at most.
const HISTORY_ENTRIES: u64 = 100_000;

/// What time it is.
pub trait Clock: Send + Sync {
    /// Nanoseconds since the Unix epoch.
    fn now_ns(&self) -> i64;
}

pub(crate) struct Core {
    pub(crate) store: Store,
    pub(crate) settings: Settings,
    pub(crate) signer: Signer,
    pub(crate) services: Services,
    pub(crate) meters: Meters,
    pub(crate) revoked: Revoked,
    clock: Arc<dyn Clock>,
    policy: RwLock<Rules>,
    active: RwLock<Active>,
    /// One at a time reads the log.
    refreshing: Mutex<()>,
    /// Who was told what, and is not written yet.
    pulls: Mutex<HashMap<i64, BouncerPull>>,
}

/// What is decided about alerts, with the allowlists of the store as of a version beside its own.
struct Rules {
    policy: Arc<Policy>,
    own: Allowlist,
    allowlists: Option<u64>,
}

/// What a server is made of.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) settings: Settings,
    pub(crate) secret: Vec<u8>,
    pub(crate) policy: Policy,
    pub(crate) services: Services,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Core {
    pub(crate) fn new(parts: Parts) -> Result<Self, StoreError> {
        let active = load(&parts.store, &parts.settings, parts.clock.now_ns())?;
        let revoked = match &parts.settings.tls {
            Some(tls) => Revoked::new(tls.crl_path.clone(), tls.cache_expiration),
            None => Revoked::new(None, std::time::Duration::ZERO),
        };
        let core = Self {
            store: parts.store,
            settings: parts.settings,
            signer: Signer::new(&parts.secret),
            services: parts.services,
            meters: Meters::default(),
            revoked,
            clock: parts.clock,
            policy: RwLock::new(Rules {
                own: parts.policy.allowlist.clone(),
                policy: Arc::new(parts.policy),
                allowlists: None,
            }),
            active: RwLock::new(active),
            refreshing: Mutex::new(()),
            pulls: Mutex::new(HashMap::new()),
        };
        core.policy()?;
        Ok(core)
    }

    pub(crate) fn now_ns(&self) -> i64 {
        self.clock.now_ns()
    }

    /// The decisions in force, with everything that was acknowledged before, and as of when.
    pub(crate) fn active(&self) -> Result<(RwLockReadGuard<'_, Active>, i64), StoreError> {
        let now_ns = self.now_ns();
        self.refresh(now_ns)?;
        let active = self.active.read().unwrap_or_else(PoisonError::into_inner);
        Ok((active, now_ns))
    }

    fn refresh(&self, now_ns: i64) -> Result<(), StoreError> {
        let head = self.store.head()?;
        let is_current = {
            let active = self.active.read().unwrap_or_else(PoisonError::into_inner);
            active.head() >= head && !active.is_due(now_ns)
        };
        if is_current {
            return Ok(());
        }
        let _one = locked(&self.refreshing);
        loop {
            let known = self
                .active
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .head();
            if known >= head {
                break;
            }
            match self.store.log_since(known, LOG_PAGE) {
                Ok(entries) if entries.is_empty() => break,
                Ok(entries) => self.write_active().apply(entries),
                Err(error) if error.is_log_lost() => {
                    // So much happened since that it is not kept: begin with what is in force.
                    let active = load(&self.store, &self.settings, now_ns)?;
                    *self.write_active() = active;
                }
                Err(error) => return Err(error),
            }
        }
        self.write_active().advance(now_ns);
        Ok(())
    }

    fn write_active(&self) -> std::sync::RwLockWriteGuard<'_, Active> {
        self.active.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is decided about alerts, with the allowlists as they are now, and their version.
    pub(crate) fn policy(&self) -> Result<(Arc<Policy>, u64), StoreError> {
        {
            let version = self.store.allowlists_version()?;
            let rules = self.policy.read().unwrap_or_else(PoisonError::into_inner);
            if rules.allowlists == Some(version) {
                return Ok((Arc::clone(&rules.policy), version));
            }
        }
        let (version, lists) = self.store.allowlists()?;
        let mut rules = self.policy.write().unwrap_or_else(PoisonError::into_inner);
        let mut policy = Policy::clone(&rules.policy);
        policy.allowlist = with_lists(rules.own.clone(), lists);
        rules.policy = Arc::new(policy);
        rules.allowlists = Some(version);
        Ok((Arc::clone(&rules.policy), version))
    }

    /// Other profiles, and another allowlist beside those of the store.
    pub(crate) fn set_policy(&self, policy: Policy) {
        let mut rules = self.policy.write().unwrap_or_else(PoisonError::into_inner);
        rules.own = policy.allowlist.clone();
        rules.policy = Arc::new(policy);
        rules.allowlists = None;
    }

    /// Where a bouncer is, and when it came last, beside what the store says of it.
    pub(crate) fn pull_of(&self, bouncer: i64) -> Option<BouncerPull> {
        locked(&self.pulls).get(&bouncer).cloned()
    }

    /// A bouncer was told everything up to a mark.
    pub(crate) fn told(&self, bouncer: i64, mark: Mark) {
        let pull = BouncerPull {
            last_pull_ns: self.now_ns(),
            cursor: Some(BouncerCursor {
                seq: mark.seq,
                at_ns: mark.at_ns,
            }),
        };
        locked(&self.pulls).insert(bouncer, pull);
    }

    /// A bouncer asked for something else.
    pub(crate) fn seen(&self, bouncer: i64) {
        let last_pull_ns = self.now_ns();
        locked(&self.pulls)
            .entry(bouncer)
            .and_modify(|pull| pull.last_pull_ns = last_pull_ns)
            .or_insert(BouncerPull {
                last_pull_ns,
                cursor: None,
            });
    }

    /// Writes who was told what. Until then a bouncer that comes after a crash is told again.
    pub(crate) fn write_pulls(&self) -> Result<(), StoreError> {
        let pulls: Vec<(i64, BouncerPull)> = std::mem::take(&mut *locked(&self.pulls))
            .into_iter()
            .collect();
        if pulls.is_empty() {
            return Ok(());
        }
        let written = self.store.set_bouncer_pulls(&pulls);
        if written.is_err() {
            let mut kept = locked(&self.pulls);
            for (bouncer, pull) in pulls {
                kept.entry(bouncer).or_insert(pull);
            }
        }
        written
    }
}

/// The decisions in force, and what happened lately.
fn load(store: &Store, settings: &Settings, now_ns: i64) -> Result<Active, StoreError> {
    let since_ns = now_ns.saturating_sub(HISTORY_NS);
    let head = store.head()?;
    let mut from = Seq(head.0.saturating_sub(HISTORY_ENTRIES));
    loop {
        let mut active = Active::new(settings.limits.active, from, since_ns);
        store.active_decisions(since_ns, &mut |row| active.load(row))?;
        match follow(store, &mut active) {
            Ok(()) => {
                active.advance(now_ns);
                return Ok(active);
            }
            // The log does not go back that far, or not any more.
            Err(StoreError::LogLost { floor, .. }) if floor > from => from = floor,
            Err(error) => return Err(error),
        }
    }
}

/// Reads the log to its end.
fn follow(store: &Store, active: &mut Active) -> Result<(), StoreError> {
    loop {
        let entries = store.log_since(active.head(), LOG_PAGE)?;
        if entries.is_empty() {
            return Ok(());
        }
        active.apply(entries);
    }
}

/// The allowlists of a store as one that is asked.
#[must_use]
pub fn allowlist(lists: Vec<AllowlistRow>) -> Allowlist {
    with_lists(Allowlist::new(), lists)
}

fn with_lists(mut all: Allowlist, lists: Vec<AllowlistRow>) -> Allowlist {
    for list in lists {
        let name: Arc<str> = list.name.into();
        for item in list.items {
            let entry = AllowEntry {
                list: Arc::clone(&name),
                comment: item.comment.into(),
                expires_ns: item.expires_ns,
            };
            // What is no address was refused when it was added.
            let _refused = all.insert(&item.value, entry);
        }
    }
    all
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
