//! Alerts of our own engine, which says of each later that it stands after all, or does not.
//!
//! ```text
//!  engine ── stands(uuid), stands(uuid), withdrawn(uuid) ──▶ alerts, decisions, log
//!     ▲                                                  └─▶ engine_journal: one row each, in the same transaction
//!     └───────── after a crash: what came after place P? ────────┘
//! ```
//!
//! The engine keeps a place of the journal in its checkpoints. What came after that it either derives again, and then it is
//! known by its identity, or takes back.

use overspill_event::Alert;

use super::intake::{NewAlert, store_in};
use super::withdraw_in;
use crate::database::Value;
use crate::error::StoreError;
use crate::log::Head;
use crate::statements::{Target, insert};
use crate::store::Store;

/// What the engine says.
#[derive(Debug, Clone, Copy)]
pub enum EngineRecord<'a> {
    /// An alert stands. It has a stable identity.
    Stands {
        /// The alert. The ends of its decisions are final.
        alert: &'a Alert,
        /// Event time at which it becomes final, in nanoseconds since the Unix epoch.
        at_ns: i64,
    },
    /// An alert stands, and is not to be stored: its source is allowlisted.
    Dropped {
        /// Its identity.
        uuid: &'a str,
        /// As in `Stands`.
        at_ns: i64,
    },
    /// An alert does not stand after all.
    Withdrawn {
        /// Its identity.
        uuid: &'a str,
    },
}

/// What the engine said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineRow {
    /// Identity of the alert.
    pub uuid: String,
    /// Event time at which it becomes final, in nanoseconds since the Unix epoch; `None` where it was withdrawn.
    pub at_ns: Option<i64>,
}

impl Store {
    /// Stores what the engine says, in its order and in one transaction, if the allowlists are still those of a version;
    /// answers the place after it.
    ///
    /// When this returns, it is on the disk.
    ///
    /// # Errors
    /// [`StoreError::AllowlistsChanged`] when they are not; [`StoreError`] when the database fails. Then none of it is
    /// stored.
    pub fn add_engine_records(
        &self,
        records: &[EngineRecord<'_>],
        machine_id: Option<i64>,
        allowlists_version: u64,
        now_ns: i64,
    ) -> Result<u64, StoreError> {
        let bulk = self.decision_bulk();
        self.write("store alerts of the engine", |connection| {
            let mut head = Head::lock(connection)?;
            head.check_allowlists(allowlists_version)?;
            let mut journal = Vec::with_capacity(records.len() * 3);
            let mut standing = Vec::new();
            for record in records {
                let (uuid, at_ns) = match record {
                    EngineRecord::Stands { alert, at_ns } => {
                        standing.push(NewAlert {
                            alert,
                            machine_id,
                            digest: None,
                            repeat_since_ns: now_ns,
                            is_stable: true,
                        });
                        (&*alert.uuid, Some(*at_ns))
                    }
                    EngineRecord::Dropped { uuid, at_ns } => (*uuid, Some(*at_ns)),
                    EngineRecord::Withdrawn { uuid } => {
                        // It may be one that came just before.
                        store_in(connection, &mut head, &standing, bulk, now_ns)?;
                        standing.clear();
                        withdraw_in(connection, &mut head, uuid, now_ns)?;
                        (*uuid, None)
                    }
                };
                journal.extend([Value::from(uuid), at_ns.into(), now_ns.into()]);
            }
            store_in(connection, &mut head, &standing, bulk, now_ns)?;
            head.save(connection)?;
            let rows = Target {
                table: "engine_journal (uuid, at_ns, created_ns)",
                tail: "",
                n_columns: 3,
            };
            insert(connection, rows, &journal, 128)?;
            place(connection)
        })
    }

    /// What the engine said after a place, in order.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn engine_records_since(&self, after: u64) -> Result<Vec<EngineRow>, StoreError> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        self.query(
            "read what the engine said",
            "SELECT uuid, at_ns FROM engine_journal WHERE id > ?1 ORDER BY id",
            &[after.into()],
            |row| {
                Ok(EngineRow {
                    uuid: row.text(0)?,
                    at_ns: row.optional_int(1)?,
                })
            },
        )
    }

    /// The place after everything that the engine said.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn engine_place(&self) -> Result<u64, StoreError> {
        self.read("ask for the engine's place", place)
    }

    /// Forgets what the engine said before a time: no checkpoint that is kept is as old. Answers how much that was.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn prune_engine_journal(&self, before_ns: i64) -> Result<u64, StoreError> {
        self.write("forget what the engine said", |connection| {
            // The last row stays, for the place.
            Ok(connection.execute(
                "DELETE FROM engine_journal WHERE created_ns < ?1 AND id < (SELECT MAX(id) FROM engine_journal)",
                &[before_ns.into()],
            )?)
        })
    }
}

fn place(connection: &mut crate::database::Connection) -> crate::error::Outcome<u64> {
    let found = connection.query_one(
        "SELECT COALESCE(MAX(id), 0) FROM engine_journal",
        &[],
        |row| row.count(0),
    )?;
    Ok(found.unwrap_or(0))
}
