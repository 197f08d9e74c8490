//! Alerts: storing, finding and deleting them.
//!
//! An alert is stored as it came but for the limits of [`body`], and its decisions apart from it. Whatever comes again
//! because whoever sent it got no answer is recognised ([`NewAlert::digest`], [`NewAlert::is_stable`]) and not stored
//! twice.

mod body;
mod engine;
mod filter;
mod intake;

use std::collections::BTreeMap;

use overspill_event::{Alert, Decision};

pub use self::engine::{EngineRecord, EngineRow};
pub use self::filter::AlertFilter;
use self::intake::stable_identity;
pub use self::intake::{NewAlert, StoredAlert};
use crate::database::{Connection, DatabaseError, Fault, Row, Said, Value};
use crate::decisions::{DECISION_COLUMNS, DecisionRow, decision_row};
use crate::error::{Outcome, StoreError};
use crate::log::{Head, Reason};
use crate::statements::Conditions;
use crate::store::Store;

/// Alerts whose decisions are asked for at once.
const ALERTS_AT_ONCE: usize = 512;
/// Alerts that one transaction deletes at most.
const DELETED_AT_ONCE: usize = 256;

/// An alert as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertRow {
    /// Number, from 1, never given twice.
    pub id: i64,
    /// When it was stored, in nanoseconds since the Unix epoch.
    pub created_ns: i64,
    /// Name of the machine that sent it; `None` when that is not there any more.
    pub machine: Option<String>,
    /// The alert. Its decisions are as they are now, with their numbers and ends; `duration` is empty, since how long one
    /// still lasts depends on when that is asked.
    pub alert: Alert,
}

/// How many alerts there are of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AlertCount {
    /// The scenario.
    pub scenario: String,
    /// How many there are.
    pub n: u64,
}

const ALERT_COLUMNS: &str = "a.id, a.created_ns, m.name, a.body";

fn alert_row(row: &Row<'_>) -> Said<AlertRow> {
    let body = row.text(3)?;
    let alert =
        serde_json::from_str(&body).map_err(|error| DatabaseError::new(Fault::Other, error))?;
    Ok(AlertRow {
        id: row.int(0)?,
        created_ns: row.int(1)?,
        machine: row.optional_text(2)?,
        alert,
    })
}

fn decision(row: DecisionRow) -> Decision {
    Decision {
        id: u64::try_from(row.id).unwrap_or(0),
        uuid: row.uuid,
        origin: row.origin,
        kind: row.kind,
        scope: row.scope,
        value: row.value,
        duration: String::new(),
        until_ns: row.until_ns,
        scenario: row.scenario,
        simulated: row.simulated,
    }
}

/// The decisions of some alerts, by alert and number.
fn decisions_of(
    connection: &mut Connection,
    alert_ids: &[i64],
) -> Outcome<BTreeMap<i64, Vec<DecisionRow>>> {
    let mut found: BTreeMap<i64, Vec<DecisionRow>> = BTreeMap::new();
    for ids in alert_ids.chunks(ALERTS_AT_ONCE) {
        let mut conditions = Conditions::default();
        conditions.and_in("alert_id", ids.iter().map(|id| Value::from(*id)));
        let sql = format!(
            "SELECT {DECISION_COLUMNS} FROM decisions WHERE {}",
            conditions.clause()
        );
        connection.each(&sql, conditions.params(), &mut |row| {
            let row = decision_row(row, 0)?;
            if let Some(alert_id) = row.alert_id {
                found.entry(alert_id).or_default().push(row);
            }
            Ok(())
        })?;
    }
    // Asked for an order, a database may go through all decisions by number instead.
    for decisions in found.values_mut() {
        decisions.sort_unstable_by_key(|decision| decision.id);
    }
    Ok(found)
}

/// Alerts in an order, with their decisions.
fn find(
    connection: &mut Connection,
    conditions: &Conditions<'_>,
    order: &str,
    with_decisions: bool,
) -> Outcome<Vec<AlertRow>> {
    let sql = format!(
        "SELECT {ALERT_COLUMNS} FROM alerts a LEFT JOIN machines m ON m.id = a.machine_id WHERE {} {order}",
        conditions.clause()
    );
    let mut rows = connection.query(&sql, conditions.params(), alert_row)?;
    if with_decisions {
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let mut decisions = decisions_of(connection, &ids)?;
        for row in &mut rows {
            let own = decisions.remove(&row.id).unwrap_or_default();
            row.alert.decisions = own.into_iter().map(decision).collect();
        }
    }
    Ok(rows)
}

/// Ends what some alerts brought, and deletes them with it; answers how many decisions ended.
///
/// What ended can still be read in the log, which has its own copy.
fn remove(
    connection: &mut Connection,
    head: &mut Head,
    ids: &[i64],
    reason: Reason,
    now_ns: i64,
) -> Outcome<u64> {
    let mut ended = 0;
    for ids in ids.chunks(ALERTS_AT_ONCE) {
        let ids = || ids.iter().map(|id| Value::from(*id));
        let mut of_alerts = Conditions::default();
        of_alerts.and_in("alert_id", ids());
        let (clause, params) = (of_alerts.clause(), of_alerts.params());
        ended += head.end(connection, &clause, params, reason, now_ns)?;
        connection.execute(&format!("DELETE FROM decisions WHERE {clause}"), params)?;
        let mut alerts = Conditions::default();
        alerts.and_in("id", ids());
        connection.execute(
            &format!("DELETE FROM alerts WHERE {}", alerts.clause()),
            alerts.params(),
        )?;
    }
    Ok(ended)
}

/// Takes an alert back in a transaction that holds `head`, which is to be saved afterwards.
fn withdraw_in(
    connection: &mut Connection,
    head: &mut Head,
    uuid: &str,
    now_ns: i64,
) -> Outcome<u64> {
    let Some(identity) = stable_identity(uuid) else {
        return Ok(0);
    };
    let ids = connection.query(
        "SELECT alert_id FROM identities WHERE identity = ?1",
        &[identity.as_str().into()],
        |row| row.int(0),
    )?;
    let ended = remove(connection, head, &ids, Reason::Retracted, now_ns)?;
    for id in &ids {
        connection.execute(
            "DELETE FROM identities WHERE alert_id = ?1",
            &[(*id).into()],
        )?;
    }
    Ok(ended)
}

impl Store {
    /// The alerts that a filter means, in its order.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn alerts(&self, filter: &AlertFilter, now_ns: i64) -> Result<Vec<AlertRow>, StoreError> {
        let mut conditions = filter.conditions(now_ns);
        let order = filter.order(&mut conditions, filter.limit);
        self.read("read alerts", |connection| {
            find(connection, &conditions, &order, filter.with_decisions)
        })
    }

    /// One alert.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn alert(&self, id: i64) -> Result<Option<AlertRow>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.and_value("a.id = {}", id);
        self.read("read an alert", |connection| {
            Ok(find(connection, &conditions, "", true)?.into_iter().next())
        })
    }

    /// Deletes the alerts that a filter means, of those there are when it begins; answers how many they were. What they
    /// brought ends.
    ///
    /// It is done in batches, so that others can store alerts meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails. What was deleted till then stays so.
    pub fn delete_alerts(&self, filter: &AlertFilter, now_ns: i64) -> Result<u64, StoreError> {
        let mut deleted = 0u64;
        let mut newest: Option<i64> = None;
        loop {
            let left = filter.limit.map(|limit| limit.saturating_sub(deleted));
            let at_once = u64::try_from(DELETED_AT_ONCE).unwrap_or(u64::MAX);
            let n_max = left.unwrap_or(u64::MAX).min(at_once);
            let now = self.write("delete alerts", |connection| {
                let mut head = Head::lock(connection)?;
                let newest = *newest.get_or_insert(head.alert_id);
                let mut conditions = filter.conditions(now_ns);
                conditions.and_value("a.id <= {}", newest);
                let order = filter.order(&mut conditions, Some(n_max));
                let sql = format!(
                    "SELECT a.id FROM alerts a WHERE {} {order}",
                    conditions.clause()
                );
                let ids = connection.query(&sql, conditions.params(), |row| row.int(0))?;
                if remove(connection, &mut head, &ids, Reason::Deleted, now_ns)? > 0 {
                    head.save(connection)?;
                }
                Ok(u64::try_from(ids.len()).unwrap_or(u64::MAX))
            })?;
            deleted += now;
            if now == 0 || now < n_max {
                return Ok(deleted);
            }
        }
    }

    /// Deletes one alert; answers 1. What it brought ends.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of that number; [`StoreError`] when the database fails.
    pub fn delete_alert(&self, id: i64, now_ns: i64) -> Result<u64, StoreError> {
        self.write("delete an alert", |connection| {
            let mut head = Head::lock(connection)?;
            let found =
                connection.query("SELECT id FROM alerts WHERE id = ?1", &[id.into()], |row| {
                    row.int(0)
                })?;
            if found.is_empty() {
                return Err(StoreError::NotFound {
                    what: "alert",
                    name: id.to_string(),
                }
                .into());
            }
            if remove(connection, &mut head, &found, Reason::Deleted, now_ns)? > 0 {
                head.save(connection)?;
            }
            Ok(1)
        })
    }

    /// Takes back an alert of our engine that does not stand after all: it and what it brought is deleted, and an alert of
    /// the same identity is not a repeat any more. Answers how many of its decisions were in force; 0 too if there is no
    /// such alert.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn withdraw_alert(&self, uuid: &str, now_ns: i64) -> Result<u64, StoreError> {
        self.write("withdraw an alert", |connection| {
            let mut head = Head::lock(connection)?;
            let ended = withdraw_in(connection, &mut head, uuid, now_ns)?;
            if ended > 0 {
                head.save(connection)?;
            }
            Ok(ended)
        })
    }

    /// How many alerts there are, by scenario.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn alert_counts(&self) -> Result<Vec<AlertCount>, StoreError> {
        self.query(
            "count alerts",
            "SELECT scenario, COUNT(*) FROM alerts GROUP BY scenario ORDER BY scenario",
            &[],
            |row| {
                Ok(AlertCount {
                    scenario: row.text(0)?,
                    n: row.count(1)?,
                })
            },
        )
    }
}
