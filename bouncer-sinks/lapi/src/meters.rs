//! What the API counts (`cli.md` 10: `cs_lapi_*`).

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::core::locked;

/// Names that are counted one by one. Further ones are counted together, under [`OTHERS`].
const NAMES_MAX: usize = 2_000;
/// Stands for all names beyond the first 2,000.
pub const OTHERS: &str = "others";

/// How often something was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// By route and method.
    pub routes: BTreeMap<(String, String), u64>,
    /// By machine, route and method.
    pub machines: BTreeMap<(String, String, String), u64>,
    /// By bouncer, route and method.
    pub bouncers: BTreeMap<(String, String, String), u64>,
    /// Lists of decisions that had some, by bouncer.
    pub decisions_found: BTreeMap<String, u64>,
    /// Lists of decisions that had none, by bouncer.
    pub decisions_none: BTreeMap<String, u64>,
    /// Alerts that were dropped because their source is allowlisted.
    pub alerts_allowlisted: u64,
    /// Alerts that were dropped because none of their decisions could be made.
    pub alerts_worthless: u64,
    /// Requests that took too long to come.
    pub slow: u64,
    /// Connections that broke the protocol, or whose TLS did not begin.
    pub broken: u64,
    /// Times that what is too old could not be removed from the store.
    pub flushes_failed: u64,
}

/// The counters of a server.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    counts: Mutex<Counts>,
    n_allowlisted: AtomicU64,
    n_worthless: AtomicU64,
    n_slow: AtomicU64,
    n_broken: AtomicU64,
    n_flushes_failed: AtomicU64,
}

impl Meters {
    /// The counters of the moment.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = locked(&self.counts).clone();
        counts.alerts_allowlisted = self.n_allowlisted.load(Ordering::Relaxed);
        counts.alerts_worthless = self.n_worthless.load(Ordering::Relaxed);
        counts.slow = self.n_slow.load(Ordering::Relaxed);
        counts.broken = self.n_broken.load(Ordering::Relaxed);
        counts.flushes_failed = self.n_flushes_failed.load(Ordering::Relaxed);
        counts
    }

    pub(crate) fn asked(&self, route: &str, method: &str) {
        let mut counts = locked(&self.counts);
        let key = (route.to_owned(), method.to_owned());
        *counts.routes.entry(key).or_default() += 1;
    }

    pub(crate) fn machine_asked(&self, name: &str, route: &str, method: &str) {
        let mut counts = locked(&self.counts);
        count(&mut counts.machines, name, route, method);
    }

    pub(crate) fn bouncer_asked(&self, name: &str, route: &str, method: &str) {
        let mut counts = locked(&self.counts);
        count(&mut counts.bouncers, name, route, method);
    }

    pub(crate) fn decisions_asked(&self, bouncer: &str, has_some: bool) {
        let mut counts = locked(&self.counts);
        let of_bouncers = if has_some {
            &mut counts.decisions_found
        } else {
            &mut counts.decisions_none
        };
        let name = if of_bouncers.len() < NAMES_MAX || of_bouncers.contains_key(bouncer) {
            bouncer
        } else {
            OTHERS
        };
        *of_bouncers.entry(name.to_owned()).or_default() += 1;
    }

    pub(crate) fn alert_allowlisted(&self) {
        self.n_allowlisted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn alert_worthless(&self) {
        self.n_worthless.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn slow(&self) {
        self.n_slow.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn broken(&self) {
        self.n_broken.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn flush_failed(&self) {
        self.n_flushes_failed.fetch_add(1, Ordering::Relaxed);
    }
}

fn count(
    counters: &mut BTreeMap<(String, String, String), u64>,
    name: &str,
    route: &str,
    method: &str,
) {
    let key = |name: &str| (name.to_owned(), route.to_owned(), method.to_owned());
    let known = key(name);
    let key = if counters.len() < NAMES_MAX || counters.contains_key(&known) {
        known
    } else {
        key(OTHERS)
    };
    *counters.entry(key).or_default() += 1;
}
