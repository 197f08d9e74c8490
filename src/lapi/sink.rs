//! The store of the API as a place that the journal writes to: what a live job detects is decided and told from there.
//!
//! An alert has an identity that is the same whenever it is derived, and the store takes each identity once. What was written
//! since a checkpoint is told by a journal in the store, so an alert that is not derived again is withdrawn, and with it what it brought.
//!
//! Whoever is allowlisted when an alert comes is left in peace, as with alerts that come over the network: the allowlists of
//! the store change while the job runs, and its profiles do not know them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use overspill_connectors::sink::{From, Pending, Place, Record, RecordSink, SinkError};
use overspill_decision::{Allowlist, is_address_scope, wire};
use overspill_event::Alert;
use overspill_store::{AuthKind, EngineRecord, NewMachine, Store, StoreError};
use serde::Deserialize;

use super::now_ns;
use crate::wire::chain;

/// Name of the store in checkpoints.
const NAME: &str = "lapi";
/// How long a database may be away before the job ends.
const AWAY_WAIT: Duration = Duration::from_secs(60);
/// How often it is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// Writes alerts into the store.
pub(crate) struct StoreSink {
    store: Store,
    /// Whose the alerts are.
    machine: i64,
    /// The allowlists, as of a version.
    allowlist: Allowlist,
    version: Option<u64>,
    place: u64,
    /// Set when the job is left where it stands.
    halt: Arc<AtomicBool>,
    /// Says that the database is away.
    say: Box<dyn Fn(String) + Send>,
}

/// A line of the journal, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Line {
    overspill: Option<Ours>,
    withdrawn: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Ours {
    at_ns: i64,
}

/// A record that was read.
enum Read {
    Stands(Box<Alert>, i64),
    Withdrawn(String),
}

impl StoreSink {
    /// A sink whose alerts are a machine's, which is made if it is not there. Nobody can log in as it.
    pub(crate) fn open(
        store: Store,
        node: &str,
        halt: Arc<AtomicBool>,
        say: impl Fn(String) + Send + 'static,
    ) -> Result<Self> {
        let failed = |error: StoreError| anyhow!("the database of the API: {}", chain(&error));
        let machine = match store.machine(node).map_err(failed)? {
            Some(machine) => machine,
            None => {
                let new = NewMachine {
                    name: node,
                    password_hash: "",
                    ip_address: "127.0.0.1",
                    is_validated: true,
                    auth: AuthKind::Password,
                };
                store.add_machine(&new, now_ns()).map_err(failed)?
            }
        };
        Ok(Self {
            store,
            machine: machine.id,
            allowlist: Allowlist::new(),
            version: None,
            place: 0,
            halt,
            say: Box::new(say),
        })
    }

    /// Does something with the store, again until it is done, as long as that may help.
    fn insist<T>(
        &mut self,
        what: &'static str,
        mut attempt: impl FnMut(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, SinkError> {
        let since = Instant::now();
        let mut is_said = false;
        loop {
            let error = match attempt(self) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let is_over = since.elapsed() > AWAY_WAIT || self.halt.load(Ordering::SeqCst);
            if !error.may_pass() || is_over {
                return Err(SinkError::Database {
                    what,
                    reason: chain(&error),
                });
            }
            if !std::mem::replace(&mut is_said, true) {
                (self.say)(format!(
                    "alerts wait for the database of the API: {}",
                    chain(&error)
                ));
            }
            std::thread::sleep(AGAIN);
        }
    }

    /// Adds what was read, by the allowlists as they are now.
    fn add(&mut self, all: &[Read]) -> Result<u64, StoreError> {
        let version = self.store.allowlists_version()?;
        if self.version != Some(version) {
            let (version, lists) = self.store.allowlists()?;
            self.allowlist = overspill_lapi::allowlist(lists);
            self.version = Some(version);
        }
        let now_ns = now_ns();
        let is_allowlisted = |alert: &Alert| {
            let source = &alert.source;
            is_address_scope(&source.scope) && self.allowlist.check(&source.value, now_ns).is_some()
        };
        let records: Vec<EngineRecord<'_>> = all
            .iter()
            .map(|record| match record {
                Read::Withdrawn(uuid) => EngineRecord::Withdrawn { uuid },
                Read::Stands(alert, at_ns) if is_allowlisted(alert) => EngineRecord::Dropped {
                    uuid: &alert.uuid,
                    at_ns: *at_ns,
                },
                Read::Stands(alert, at_ns) => EngineRecord::Stands {
                    alert,
                    at_ns: *at_ns,
                },
            })
            .collect();
        let version = self.version.unwrap_or(0);
        self.store
            .add_engine_records(&records, Some(self.machine), version, now_ns)
    }
}

fn read(line: &[u8]) -> Result<Read> {
    let known: Line = serde_json::from_slice(line)?;
    if let Some(uuid) = known.withdrawn {
        return Ok(Read::Withdrawn(uuid));
    }
    let at_ns = known.overspill.context("a line without a time")?.at_ns;
    let alert = wire::read_alert(line).map_err(|error| anyhow!(chain(&error)))?;
    Ok(Read::Stands(Box::new(alert), at_ns))
}

impl RecordSink for StoreSink {
    fn name(&self) -> &str {
        NAME
    }

    fn recover(&mut self, from: &From, each: &mut dyn FnMut(&[u8])) -> Result<(), SinkError> {
        let after = match from {
            From::Beginning => Some(0),
            From::Place(place) => Some(place.first().copied().unwrap_or(0)),
            From::End => None,
        };
        let written = self.insist("read what was written", |sink| match after {
            Some(after) => sink.store.engine_records_since(after),
            None => Ok(Vec::new()),
        })?;
        for record in &written {
            let line = match record.at_ns {
                Some(at_ns) => {
                    serde_json::json!({"uuid": record.uuid, "overspill": {"at_ns": at_ns}})
                }
                None => serde_json::json!({"withdrawn": record.uuid}),
            };
            each(line.to_string().as_bytes());
        }
        self.place = self.insist("ask where it stands", |sink| sink.store.engine_place())?;
        Ok(())
    }

    fn write(&mut self, records: &[Record]) -> Result<(), SinkError> {
        let unreadable = |error: anyhow::Error| SinkError::Database {
            what: "understand an alert",
            reason: format!("{error:#}"),
        };
        let all = records.iter().map(|record| read(&record.line));
        let all: Vec<Read> = all.collect::<Result<_>>().map_err(unreadable)?;
        self.place = self.insist("write alerts", |sink| {
            loop {
                match sink.add(&all) {
                    // Somebody was put on one meanwhile.
                    Err(StoreError::AllowlistsChanged { .. }) => {}
                    added => return added,
                }
            }
        })?;
        Ok(())
    }

    fn place_soon(&mut self) -> Result<(Place, Option<Pending>), SinkError> {
        // The store has acknowledged it, so it cannot be lost.
        Ok((vec![self.place], None))
    }
}
