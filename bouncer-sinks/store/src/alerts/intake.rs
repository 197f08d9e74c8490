//! Storing alerts that arrive.
//!
//! ```text
//!  alerts ─▶ bodies written ─▶ │ head held ─▶ known ones looked up ─▶ alerts, decisions, log, identities │
//!            (no transaction)  │ one transaction; all of it is there afterwards, or nothing              │
//! ```

use std::collections::{BTreeMap, BTreeSet};

use overspill_event::Alert;
use overspill_golike::time::parse_rfc3339;

use super::{body, decisions_of};
use crate::database::{Connection, DatabaseError, Fault, Value};
use crate::decisions::{DecisionRow, insert_decisions};
use crate::error::{Outcome, StoreError};
use crate::log::Head;
use crate::schema::SEARCH_BYTES_MAX;
use crate::statements::{Conditions, Target, cut, insert};
use crate::store::Store;

/// Longest uuid that is an identity. Ours have 40 characters at most; an index cannot hold any length.
const UUID_BYTES_MAX: usize = 255;

/// An alert to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewAlert<'a> {
    /// The alert. The ends of its decisions are final. A decision is stored as simulated if the alert is, too.
    pub alert: &'a Alert,
    /// Number of the machine that sent it.
    pub machine_id: Option<i64>,
    /// What makes it the same as another one, if its uuid does not.
    pub digest: Option<[u8; 16]>,
    /// An alert of the same digest that was stored at this time or after it, in nanoseconds since the Unix epoch, makes
    /// this one a repeat.
    pub repeat_since_ns: i64,
    /// Whether its uuid is the same whenever it is derived again. Then another one of that uuid is a repeat, however much
    /// later it comes, until the alert is withdrawn.
    pub is_stable: bool,
}

/// What became of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAlert {
    /// Its number; for a repeat, that of the first one, which may be deleted by now.
    pub id: i64,
    /// Whether it was there already, so that nothing was stored.
    pub is_repeat: bool,
    /// Its decisions; for a repeat, those of the first one, as far as they are there.
    pub decisions: Vec<DecisionRow>,
}

/// An alert with what can be said of it without the database.
struct Prepared<'a> {
    new: NewAlert<'a>,
    body: String,
    started_ns: i64,
    stopped_ns: i64,
    stable: Option<String>,
    digest: Option<String>,
}

/// An alert that is known by an identity.
#[derive(Debug, Clone, Copy)]
struct Known {
    alert_id: i64,
    created_ns: i64,
    is_stable: bool,
}

/// What one transaction stores.
#[derive(Default)]
struct Batch<'a> {
    known: BTreeMap<String, Known>,
    /// Identities that are new, or of another alert now.
    identities: BTreeSet<String>,
    alerts: Vec<Value<'a>>,
    decisions: Vec<DecisionRow>,
    stored: Vec<StoredAlert>,
}

/// The identity of an alert by its uuid, if it can have one.
pub(super) fn stable_identity(uuid: &str) -> Option<String> {
    (!uuid.is_empty() && uuid.len() <= UUID_BYTES_MAX).then(|| format!("u:{uuid}"))
}

fn digest_identity(digest: [u8; 16]) -> String {
    format!("d:{:032x}", u128::from_be_bytes(digest))
}

fn prepare(new: NewAlert<'_>, now_ns: i64) -> Result<Prepared<'_>, StoreError> {
    let time = |text: &str| parse_rfc3339(text.as_bytes()).map_or(now_ns, |time| time.unix_ns());
    Ok(Prepared {
        new,
        body: body::body(new.alert).map_err(|error| StoreError::Database {
            action: "write an alert as JSON",
            source: DatabaseError::new(Fault::Other, error),
        })?,
        started_ns: time(&new.alert.start_at),
        stopped_ns: time(&new.alert.stop_at),
        stable: new
            .is_stable
            .then(|| stable_identity(&new.alert.uuid))
            .flatten(),
        digest: new.digest.map(digest_identity),
    })
}

impl Store {
    /// Stores alerts with their decisions, in one transaction; answers what became of each, in their order.
    ///
    /// When this returns, they are on the disk.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails; then none of them is stored.
    pub fn add_alerts(
        &self,
        alerts: &[NewAlert<'_>],
        now_ns: i64,
    ) -> Result<Vec<StoredAlert>, StoreError> {
        self.store_alerts(alerts, None, now_ns)
    }

    /// Stores alerts as [`Store::add_alerts`] does, if the allowlists are still those of a version.
    ///
    /// Without that, a decision made by the lists as they were could be stored after another node has put its value on
    /// one and has ended all decisions on it that there were.
    ///
    /// # Errors
    /// [`StoreError::AllowlistsChanged`] when they are not; [`StoreError`] when the database fails. Then none of the
    /// alerts is stored.
    pub fn add_alerts_as_of(
        &self,
        alerts: &[NewAlert<'_>],
        allowlists_version: u64,
        now_ns: i64,
    ) -> Result<Vec<StoredAlert>, StoreError> {
        self.store_alerts(alerts, Some(allowlists_version), now_ns)
    }

    fn store_alerts(
        &self,
        alerts: &[NewAlert<'_>],
        allowlists_version: Option<u64>,
        now_ns: i64,
    ) -> Result<Vec<StoredAlert>, StoreError> {
        let prepared: Vec<Prepared<'_>> = alerts
            .iter()
            .map(|new| prepare(*new, now_ns))
            .collect::<Result<_, _>>()?;
        if prepared.is_empty() {
            return Ok(Vec::new());
        }
        let bulk = self.decision_bulk();
        self.write("store alerts", |connection| {
            let mut head = Head::lock(connection)?;
            if let Some(expected) = allowlists_version {
                head.check_allowlists(expected)?;
            }
            let stored = store_prepared(connection, &mut head, &prepared, bulk, now_ns)?;
            if stored.iter().any(|stored| !stored.is_repeat) {
                head.save(connection)?;
            }
            Ok(stored)
        })
    }
}

/// Stores alerts in a transaction that holds `head`, which is to be saved afterwards.
pub(super) fn store_in(
    connection: &mut Connection,
    head: &mut Head,
    alerts: &[NewAlert<'_>],
    decision_bulk: usize,
    now_ns: i64,
) -> Outcome<()> {
    let prepared: Vec<Prepared<'_>> = alerts
        .iter()
        .map(|new| prepare(*new, now_ns))
        .collect::<Result<_, _>>()?;
    if !prepared.is_empty() {
        store_prepared(connection, head, &prepared, decision_bulk, now_ns)?;
    }
    Ok(())
}

fn store_prepared(
    connection: &mut Connection,
    head: &mut Head,
    prepared: &[Prepared<'_>],
    decision_bulk: usize,
    now_ns: i64,
) -> Outcome<Vec<StoredAlert>> {
    let mut batch = Batch {
        known: known(connection, prepared)?,
        ..Batch::default()
    };
    let first_decision = head.decision_id + 1;
    for prepared in prepared {
        batch.take(prepared, head, now_ns);
    }
    batch.write(connection, decision_bulk)?;
    if !batch.decisions.is_empty() {
        head.enter_begun(connection, first_decision, now_ns)?;
    }
    batch.finish(connection)
}

/// What is known of the identities of some alerts.
fn known(
    connection: &mut Connection,
    prepared: &[Prepared<'_>],
) -> Outcome<BTreeMap<String, Known>> {
    let mut found = BTreeMap::new();
    let identities: Vec<&str> = prepared
        .iter()
        .flat_map(|prepared| [&prepared.stable, &prepared.digest])
        .filter_map(Option::as_deref)
        .collect();
    for identities in identities.chunks(1_024) {
        let mut conditions = Conditions::default();
        conditions.and_in("identity", identities.iter().map(|text| Value::from(*text)));
        let sql = format!(
            "SELECT identity, alert_id, created_ns, is_stable FROM identities WHERE {}",
            conditions.clause()
        );
        connection.each(&sql, conditions.params(), &mut |row| {
            let known = Known {
                alert_id: row.int(1)?,
                created_ns: row.int(2)?,
                is_stable: row.flag(3)?,
            };
            found.insert(row.text(0)?, known);
            Ok(())
        })?;
    }
    Ok(found)
}

impl<'a> Batch<'a> {
    /// The alert that this one repeats.
    fn first_of(&self, prepared: &Prepared<'_>) -> Option<i64> {
        let known = |identity: &Option<String>| self.known.get(identity.as_ref()?).copied();
        if let Some(known) = known(&prepared.stable) {
            return Some(known.alert_id);
        }
        known(&prepared.digest)
            .filter(|known| known.created_ns >= prepared.new.repeat_since_ns)
            .map(|known| known.alert_id)
    }

    fn take(&mut self, prepared: &'a Prepared<'a>, head: &mut Head, now_ns: i64) {
        if let Some(id) = self.first_of(prepared) {
            self.stored.push(StoredAlert {
                id,
                is_repeat: true,
                decisions: Vec::new(),
            });
            return;
        }
        head.alert_id += 1;
        let alert_id = head.alert_id;
        for (identity, is_stable) in [(&prepared.stable, true), (&prepared.digest, false)] {
            if let Some(identity) = identity {
                let known = Known {
                    alert_id,
                    created_ns: now_ns,
                    is_stable,
                };
                self.known.insert(identity.clone(), known);
                self.identities.insert(identity.clone());
            }
        }
        self.alerts.extend(alert_values(prepared, alert_id, now_ns));
        let first = self.decisions.len();
        for decision in &prepared.new.alert.decisions {
            head.decision_id += 1;
            self.decisions.push(DecisionRow {
                id: head.decision_id,
                alert_id: Some(alert_id),
                uuid: decision.uuid.clone(),
                created_ns: now_ns,
                until_ns: decision.until_ns,
                origin: decision.origin.clone(),
                kind: decision.kind.clone(),
                scope: decision.scope.clone(),
                value: decision.value.clone(),
                scenario: decision.scenario.clone(),
                simulated: decision.simulated || prepared.new.alert.simulated,
            });
        }
        self.stored.push(StoredAlert {
            id: alert_id,
            is_repeat: false,
            decisions: self.decisions.get(first..).unwrap_or_default().to_vec(),
        });
    }

    fn write(&self, connection: &mut Connection, decision_bulk: usize) -> Outcome<()> {
        let alerts = Target {
            table: "alerts (id, created_ns, machine_id, scenario, scope, value, kind, is_community, simulated, \
                started_ns, stopped_ns, body)",
            tail: "",
            n_columns: ALERT_COLUMNS,
        };
        insert(connection, alerts, &self.alerts, 64)?;
        insert_decisions(connection, &self.decisions, decision_bulk)?;
        let mut values = Vec::with_capacity(self.identities.len() * 4);
        for identity in &self.identities {
            if let Some(known) = self.known.get(identity) {
                values.extend([
                    Value::from(identity.as_str()),
                    known.alert_id.into(),
                    known.created_ns.into(),
                    known.is_stable.into(),
                ]);
            }
        }
        let identities = Target {
            table: "identities (identity, alert_id, created_ns, is_stable)",
            tail: "ON CONFLICT (identity) DO UPDATE SET alert_id = excluded.alert_id, created_ns = excluded.created_ns",
            n_columns: 4,
        };
        insert(connection, identities, &values, 128)?;
        Ok(())
    }

    /// Adds the decisions of repeats.
    fn finish(self, connection: &mut Connection) -> Outcome<Vec<StoredAlert>> {
        let mut stored = self.stored;
        let mut repeated: Vec<i64> = stored
            .iter()
            .filter(|stored| stored.is_repeat)
            .map(|stored| stored.id)
            .collect();
        repeated.sort_unstable();
        repeated.dedup();
        let decisions = decisions_of(connection, &repeated)?;
        for stored in stored.iter_mut().filter(|stored| stored.is_repeat) {
            if let Some(decisions) = decisions.get(&stored.id) {
                stored.decisions.clone_from(decisions);
            }
        }
        Ok(stored)
    }
}

const ALERT_COLUMNS: usize = 12;

fn alert_values<'a>(
    prepared: &'a Prepared<'a>,
    alert_id: i64,
    now_ns: i64,
) -> [Value<'a>; ALERT_COLUMNS] {
    let alert = prepared.new.alert;
    let searched = |text: &'a str| Value::from(cut(text, SEARCH_BYTES_MAX));
    [
        alert_id.into(),
        now_ns.into(),
        prepared.new.machine_id.into(),
        searched(&alert.scenario),
        searched(&alert.source.scope),
        searched(&alert.source.value),
        searched(&alert.kind),
        is_community(alert).into(),
        alert.simulated.into(),
        prepared.started_ns.into(),
        prepared.stopped_ns.into(),
        prepared.body.as_str().into(),
    ]
}

/// Whether an alert stands for a list, of the community's or another, and not for something that happened here.
fn is_community(alert: &Alert) -> bool {
    alert.kind == "capi"
        || alert.source.scope == "crowdsecurity/community-blocklist"
        || alert.source.scope.starts_with("lists:")
        || alert
            .decisions
            .iter()
            .any(|decision| matches!(&*decision.origin, "CAPI" | "lists"))
}
