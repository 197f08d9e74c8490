//! Storage of the Local API: machines, bouncers, alerts, decisions, allowlists, reports, and the numbered log of what
//! happened to decisions. In one SQLite file, or in PostgreSQL for several nodes.
//!
//! ```text
//!  alerts ──▶ add_alerts ──▶ ┌────────────────────────────────┐ ──▶ active_decisions   what is in force
//!  cscli  ──▶ expire_… ────▶ │ alerts, decisions │ log 1 2 3 … │ ──▶ log_since(cursor)  what changed since
//!  console ─▶ allowlists ──▶ └────────────────────────────────┘ ──▶ alerts(filter)     what was seen
//!                                 ▲ flush, prune_log: every minute
//! ```
//!
//! Everything goes through [`Store`]. A bouncer that starts is answered from [`Store::active_decisions`], and later from
//! [`Store::log_since`] by the number of the last entry that it knows ([`Seq`]). That numbers are without a gap and in
//! the order of the commits, on every node, is what the whole rests on; how it comes about is told in [`LogEntry`]'s
//! module.
//!
//! Calls block. There is no clock here: every operation that needs the present is given it, as nanoseconds since the
//! Unix epoch.
//!
//! ```
//! use overspill_store::{Backend, Store, StoreConfig};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let path = folder.path().join("overspill.db");
//! let store = Store::open(&StoreConfig::new(Backend::Sqlite { path, wal: true }))?;
//! assert_eq!(store.head()?.0, 0);
//! assert!(store.log_since(store.head()?, 100)?.is_empty());
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod alerts;
mod allowlists;
mod bouncers;
mod config;
mod database;
mod decisions;
mod error;
mod flush;
mod items;
mod log;
mod machines;
mod pool;
mod schema;
mod statements;
mod store;
mod usage;

pub use alerts::{
    AlertCount, AlertFilter, AlertRow, EngineRecord, EngineRow, NewAlert, StoredAlert,
};
pub use allowlists::{Added, AllowItem, AllowlistRow, NewAllowlist};
pub use bouncers::{Bouncer, BouncerCursor, BouncerPull, BouncerUsage, NewBouncer};
pub use config::{
    Backend, CONNECTIONS_MAX, DECISION_BULK, DECISION_BULK_MAX, PostgresConfig, StoreConfig,
};
pub use database::DatabaseError;
pub use decisions::{ActiveCount, DecisionFilter, DecisionRow};
pub use error::StoreError;
pub use flush::{FlushPolicy, FlushReport};
pub use log::{Change, LogEntry, Reason, Seq};
pub use machines::{AuthKind, Machine, MachineUsage, NewMachine};
pub use store::Store;
pub use usage::{UsageKind, UsageRow};
