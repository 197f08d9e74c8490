//! Everything outside that an expression may ask, as traits.
//!
//! Nothing here may block: a lookup that is not cached answers [`Lookup::Pending`] and is carried
//! out elsewhere. [`Services::none`] answers as a CrowdSec without files, databases and network.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use overspill_golike::time::Time;

use crate::files::DataFiles;
use crate::regex::RegexCache;
use crate::value::Value;

/// The services of one engine. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Data files of hub items.
    pub files: Arc<DataFiles>,
    /// Geographic databases.
    pub geo: Arc<dyn Geo>,
    /// Name lookups.
    pub resolver: Arc<dyn Resolver>,
    /// Counts of decisions.
    pub decisions: Arc<dyn DecisionCounts>,
    /// Reputation of addresses.
    pub cti: Arc<dyn Cti>,
    /// What `Hostname()` answers; empty is an error to expressions.
    pub hostname: String,
    /// Where `LogInfo` and warnings go.
    pub log: Arc<dyn Log>,
    /// How often something went wrong.
    pub counters: Arc<Counters>,
    /// Regexes whose text was computed.
    pub regexes: Arc<RegexCache>,
}

impl Services {
    /// No files, no databases, no network, no log.
    #[must_use]
    pub fn none() -> Self {
        Self {
            files: Arc::new(DataFiles::empty()),
            geo: Arc::new(Nothing),
            resolver: Arc::new(Nothing),
            decisions: Arc::new(Nothing),
            cti: Arc::new(Nothing),
            hostname: String::new(),
            log: Arc::new(Nothing),
            counters: Arc::new(Counters::default()),
            regexes: Arc::new(RegexCache::default()),
        }
    }
}

impl std::fmt::Debug for Services {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Services")
            .field("hostname", &self.hostname)
            .finish_non_exhaustive()
    }
}

/// The one implementation of every service that has nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nothing;

/// An answer that may have to be fetched first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<T> {
    /// The answer.
    Ready(T),
    /// There is none.
    Failed,
    /// Not in the cache; the lookup was started elsewhere.
    Pending,
}

/// A country of a database record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Country {
    /// Two letters, or empty.
    pub iso_code: String,
    /// Whether it is in the European Union.
    pub is_in_eu: bool,
    /// English name.
    pub name: String,
}

/// A record of the city database. An address that is not in it has an empty record.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CityRecord {
    /// Where the address is.
    pub country: Country,
    /// Where its network is registered.
    pub registered_country: Country,
    /// Which country it represents (an embassy, a base).
    pub represented_country: Country,
    /// English name of the city.
    pub city: String,
    /// English name of the continent.
    pub continent: String,
    /// Two letters.
    pub continent_code: String,
    /// Postal code.
    pub postal_code: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// IANA name of the time zone.
    pub time_zone: String,
    /// Kilometres.
    pub accuracy_radius: u16,
}

impl CityRecord {
    /// The country that supplies `IsoCode` and `IsInEU` (`pkg/parser/enrich_geoip.go`): the first
    /// of country, registered and represented country that has a code; an empty one otherwise.
    #[must_use]
    pub fn enrich_country(&self) -> Country {
        [
            &self.country,
            &self.registered_country,
            &self.represented_country,
        ]
        .into_iter()
        .find(|country| !country.iso_code.is_empty())
        .cloned()
        .unwrap_or_default()
    }
}

/// A record of the autonomous-system database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AsnRecord {
    /// Number, 0 when the address is not in the database.
    pub number: u32,
    /// Organisation, empty when the address is not in the database.
    pub organisation: String,
}

/// Geographic databases. `None` means that the database is not loaded or that the lookup failed;
/// an address without a record gets an empty one.
pub trait Geo: Send + Sync {
    /// Whether the city database is loaded.
    fn has_city(&self) -> bool;
    /// Whether the autonomous-system database is loaded.
    fn has_asn(&self) -> bool;
    /// The city record of an address.
    fn city(&self, ip: IpAddr) -> Option<Arc<CityRecord>>;
    /// The autonomous system of an address.
    fn asn(&self, ip: IpAddr) -> Option<Arc<AsnRecord>>;
    /// The network of the autonomous-system record, in CIDR form; `None` also when the address
    /// has no record.
    fn range(&self, ip: IpAddr) -> Option<String>;
}

/// Name lookups out of a cache.
pub trait Resolver: Send + Sync {
    /// Names of an address, as they came from the server (trailing dot and case kept).
    fn reverse(&self, ip: IpAddr) -> Lookup<Vec<String>>;
    /// Addresses of a name.
    fn forward(&self, name: &str) -> Lookup<Vec<IpAddr>>;
}

/// Counts over the decisions that the local API knows.
pub trait DecisionCounts: Send + Sync {
    /// All decisions ever made about a value; `None` without a database or on an error.
    fn count(&self, value: &str) -> Option<u64>;
    /// Decisions about a value made since an instant.
    fn count_since(&self, value: &str, since: Time) -> Option<u64>;
    /// Decisions about a value that are in force.
    fn active(&self, value: &str, now: Time) -> Option<u64>;
    /// How long the longest decision in force still lasts, in nanoseconds.
    fn active_left_ns(&self, value: &str, now: Time) -> Option<i64>;
}

/// Reputation of addresses out of a cache.
pub trait Cti: Send + Sync {
    /// The record of an address. `Failed` is an error to the expression.
    fn lookup(&self, ip: &str) -> Lookup<Value>;
}

/// Where messages go. Called on the hot path: implementations sample and never block.
pub trait Log: Send + Sync {
    /// `LogInfo` of an expression.
    fn info(&self, message: &str);
    /// Something that CrowdSec logs and goes on after.
    fn warn(&self, message: &str);
}

/// How often something happened that a user should know of.
#[derive(Debug, Default)]
pub struct Counters {
    /// Helpers that named a data file which is not loaded.
    pub files_missing: AtomicU64,
    /// Evaluations that ended with an error.
    pub errors: AtomicU64,
    /// Evaluations that hit the memory budget.
    pub budget_exceeded: AtomicU64,
    /// Entries that left the cache of computed regexes.
    pub regexes_evicted: AtomicU64,
}

impl Counters {
    /// Adds one.
    pub fn bump(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Geo for Nothing {
    fn has_city(&self) -> bool {
        false
    }
    fn has_asn(&self) -> bool {
        false
    }
    fn city(&self, _ip: IpAddr) -> Option<Arc<CityRecord>> {
        None
    }
    fn asn(&self, _ip: IpAddr) -> Option<Arc<AsnRecord>> {
        None
    }
    fn range(&self, _ip: IpAddr) -> Option<String> {
        None
    }
}

impl Resolver for Nothing {
    fn reverse(&self, _ip: IpAddr) -> Lookup<Vec<String>> {
        Lookup::Failed
    }
    fn forward(&self, _name: &str) -> Lookup<Vec<IpAddr>> {
        Lookup::Failed
    }
}

impl DecisionCounts for Nothing {
    fn count(&self, _value: &str) -> Option<u64> {
        None
    }
    fn count_since(&self, _value: &str, _since: Time) -> Option<u64> {
        None
    }
    fn active(&self, _value: &str, _now: Time) -> Option<u64> {
        None
    }
    fn active_left_ns(&self, _value: &str, _now: Time) -> Option<i64> {
        None
    }
}

impl Cti for Nothing {
    fn lookup(&self, _ip: &str) -> Lookup<Value> {
        Lookup::Failed
    }
}

impl Log for Nothing {
    fn info(&self, _message: &str) {}
    fn warn(&self, _message: &str) {}
}
