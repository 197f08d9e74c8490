//! Retention: what is deleted because it is old, or because there is too much of it.
//!
//! An alert goes with its decisions, and only when none of them is in force: what a bouncer holds is never forgotten here.
//! The log is pruned by itself ([`Store::prune_log`]). Everything goes in small transactions, so that alerts can be
//! stored meanwhile; what they delete was looked for before, without holding anything. Those that delete decisions or what
//! alerts are known by hold the head, as all do that touch these, so that no two wait for each other.

use crate::database::{Connection, Value};
use crate::error::{Outcome, StoreError};
use crate::log::{Head, SWEEP_ROWS};
use crate::machines::AuthKind;
use crate::statements::Conditions;
use crate::store::Store;

/// Alerts that one transaction deletes at most.
const ALERTS_AT_ONCE: usize = 256;

/// What is kept. `None` keeps all. Ages are in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlushPolicy {
    /// Age of an alert.
    pub max_age_ns: Option<i64>,
    /// How many of the newest numbers of alerts are kept.
    pub max_items: Option<u64>,
    /// Time since a bouncer with a certificate asked.
    pub bouncers_cert_max_idle_ns: Option<i64>,
    /// Time since a bouncer with a key asked.
    pub bouncers_api_key_max_idle_ns: Option<i64>,
    /// Time since a machine with a certificate said that it lives.
    pub agents_cert_max_idle_ns: Option<i64>,
    /// Time since a machine with a password said that it lives.
    pub agents_login_max_idle_ns: Option<i64>,
    /// Age of a report.
    pub metrics_max_age_ns: Option<i64>,
    /// Age of what an alert's digest is known by; at least the time within which a repeat may come.
    pub digests_max_age_ns: Option<i64>,
    /// Age of what an alert of a stable uuid is known by. One that comes again later is stored again.
    pub identities_max_age_ns: Option<i64>,
    /// Age of what our own engine said of its alerts: longer than its checkpoints are kept.
    pub engine_max_age_ns: Option<i64>,
}

/// What was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlushReport {
    /// Alerts that were too old.
    pub alerts_by_age: u64,
    /// Alerts that were too many.
    pub alerts_by_number: u64,
    /// Bouncers.
    pub bouncers: u64,
    /// Machines.
    pub machines: u64,
    /// Reports.
    pub usage_reports: u64,
    /// Items of allowlists that had ended.
    pub allow_items: u64,
    /// Digests and uuids.
    pub identities: u64,
    /// What our own engine said of its alerts.
    pub engine_rows: u64,
}

impl Store {
    /// Deletes what a policy does not keep; answers what that was.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails. What was deleted till then stays so.
    pub fn flush(&self, policy: &FlushPolicy, now_ns: i64) -> Result<FlushReport, StoreError> {
        let before = |age_ns: i64| now_ns.saturating_sub(age_ns);
        let mut report = FlushReport::default();
        if let Some(age_ns) = policy.max_age_ns {
            report.alerts_by_age = self.flush_alerts(Mark::Time(before(age_ns)), now_ns)?;
        }
        if let Some(n_max) = policy.max_items {
            let newest = self.query(
                "count alerts",
                "SELECT COALESCE(MAX(id), 0) FROM alerts",
                &[],
                |row| row.int(0),
            )?;
            let newest = newest.first().copied().unwrap_or(0);
            let threshold = newest.saturating_sub(i64::try_from(n_max).unwrap_or(i64::MAX));
            if threshold > 0 {
                report.alerts_by_number = self.flush_alerts(Mark::Number(threshold), now_ns)?;
            }
        }
        for (auth, idle_ns) in [
            (AuthKind::Tls, policy.bouncers_cert_max_idle_ns),
            (AuthKind::ApiKey, policy.bouncers_api_key_max_idle_ns),
        ] {
            if let Some(idle_ns) = idle_ns {
                report.bouncers += self.delete_bouncers_idle(before(idle_ns), auth)?;
            }
        }
        for (auth, idle_ns) in [
            (AuthKind::Tls, policy.agents_cert_max_idle_ns),
            (AuthKind::Password, policy.agents_login_max_idle_ns),
        ] {
            if let Some(idle_ns) = idle_ns {
                report.machines += self.delete_machines_idle(before(idle_ns), auth)?;
            }
        }
        if let Some(age_ns) = policy.metrics_max_age_ns {
            report.usage_reports = self.prune_usage(before(age_ns))?;
        }
        report.allow_items = self.flush_allow_items(now_ns)?;
        for (is_stable, age_ns) in [
            (0, policy.digests_max_age_ns),
            (1, policy.identities_max_age_ns),
        ] {
            if let Some(age_ns) = age_ns {
                report.identities += self.flush_identities(is_stable, before(age_ns))?;
            }
        }
        if let Some(age_ns) = policy.engine_max_age_ns {
            report.engine_rows = self.prune_engine_journal(before(age_ns))?;
        }
        Ok(report)
    }

    /// Deletes machines of one kind of proof that did not say since a time that they live. Those that have alerts stay,
    /// and those of this host.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn delete_machines_idle(&self, before_ns: i64, auth: AuthKind) -> Result<u64, StoreError> {
        self.write("delete idle machines", |connection| {
            Ok(connection.execute(
                "DELETE FROM machines WHERE auth = ?1 AND last_heartbeat_ns < ?2 \
                 AND ip_address NOT LIKE '127.%' AND ip_address <> '::1' \
                 AND NOT EXISTS (SELECT 1 FROM alerts WHERE alerts.machine_id = machines.id)",
                &[auth.text().into(), before_ns.into()],
            )?)
        })
    }

    /// Deletes the alerts before a mark that have no decision in force.
    fn flush_alerts(&self, before: Mark, now_ns: i64) -> Result<u64, StoreError> {
        let sql = before.sql();
        let limit = i64::try_from(ALERTS_AT_ONCE).unwrap_or(i64::MAX);
        let mut after = (i64::MIN, 0);
        let mut deleted = 0;
        loop {
            let params = [
                before.value().into(),
                now_ns.into(),
                Value::from(limit),
                after.0.into(),
                after.1.into(),
            ];
            let found = self.query("look for old alerts", &sql, &params, |row| {
                Ok((row.int(0)?, row.int(1)?))
            })?;
            let Some(last) = found.last().copied() else {
                return Ok(deleted);
            };
            after = last;
            let ids: Vec<i64> = found.into_iter().map(|(_, id)| id).collect();
            deleted += self.flush_found(&ids, now_ns)?;
        }
    }

    /// Deletes alerts that were found to be idle, unless they are not any more.
    fn flush_found(&self, ids: &[i64], now_ns: i64) -> Result<u64, StoreError> {
        // An alert may have brought a whole list: its decisions go first, in as many transactions as it takes.
        loop {
            let deleted = self.write("delete decisions of old alerts", |connection| {
                Head::lock(connection)?;
                let (clause, mut params) = of_alerts("alert_id", ids);
                let (now, limit) = (params.len() + 1, params.len() + 2);
                params.extend([Value::from(now_ns), SWEEP_ROWS.into()]);
                let sql = format!(
                    "DELETE FROM decisions WHERE id IN (SELECT d.id FROM decisions d WHERE d.{clause} \
                     AND NOT EXISTS (SELECT 1 FROM decisions o WHERE o.alert_id = d.alert_id \
                     AND o.until_ns > ?{now} AND o.is_ended = 0) LIMIT ?{limit})"
                );
                Ok(connection.execute(&sql, &params)?)
            })?;
            if deleted < SWEEP_ROWS.unsigned_abs() {
                break;
            }
        }
        self.write("delete old alerts", |connection| {
            Head::lock(connection)?;
            delete_idle(connection, ids, now_ns)
        })
    }

    fn flush_allow_items(&self, now_ns: i64) -> Result<u64, StoreError> {
        const ENDED: &str = "FROM allowlist_items WHERE expires_ns <= ?1";
        let sql = format!("SELECT COUNT(*) {ENDED}");
        let ended = self.query("look for ended items", &sql, &[now_ns.into()], |row| {
            row.count(0)
        })?;
        if ended.first().is_none_or(|n| *n == 0) {
            return Ok(0);
        }
        self.write("delete ended items", |connection| {
            let mut head = Head::lock(connection)?;
            let deleted = connection.execute(&format!("DELETE {ENDED}"), &[now_ns.into()])?;
            head.allowlists_version += 1;
            head.save(connection)?;
            Ok(deleted)
        })
    }

    fn flush_identities(&self, is_stable: i64, before_ns: i64) -> Result<u64, StoreError> {
        let sql = format!(
            "DELETE FROM identities WHERE identity IN (SELECT identity FROM identities \
             WHERE is_stable = {is_stable} AND created_ns < ?1 LIMIT ?2)"
        );
        let mut deleted = 0;
        loop {
            let now = self.write("forget what alerts are known by", |connection| {
                Head::lock(connection)?;
                Ok(connection.execute(&sql, &[before_ns.into(), SWEEP_ROWS.into()])?)
            })?;
            deleted += now;
            if now < SWEEP_ROWS.unsigned_abs() {
                return Ok(deleted);
            }
        }
    }
}

/// Which alerts are too old.
#[derive(Debug, Clone, Copy)]
enum Mark {
    /// Those that were stored before a time.
    Time(i64),
    /// Those up to a number.
    Number(i64),
}

impl Mark {
    fn value(self) -> i64 {
        match self {
            Self::Time(value) | Self::Number(value) => value,
        }
    }

    /// Finds the next ones in the order of an index: `?1` is the mark, `?2` the present, `?3` how many, and after `?4`
    /// and `?5` it goes on.
    fn sql(self) -> String {
        let (key, clause) = match self {
            Self::Time(_) => ("created_ns", "created_ns < ?1"),
            Self::Number(_) => ("id", "id <= ?1"),
        };
        format!(
            "SELECT {key}, id FROM alerts WHERE {clause} AND ({key}, id) > (?4, ?5) AND {} ORDER BY {key}, id LIMIT ?3",
            idle("?2")
        )
    }
}

/// That an alert has no decision in force.
fn idle(now: &str) -> String {
    format!(
        "NOT EXISTS (SELECT 1 FROM decisions d WHERE d.alert_id = alerts.id AND d.until_ns > {now} \
         AND d.is_ended = 0)"
    )
}

/// That a column is one of some numbers.
fn of_alerts(column: &str, ids: &[i64]) -> (String, Vec<Value<'static>>) {
    let mut conditions = Conditions::default();
    conditions.and_in(column, ids.iter().map(|id| Value::from(*id)));
    let params = conditions.params().iter().cloned();
    (conditions.clause(), params.map(Value::into_owned).collect())
}

fn delete_idle(connection: &mut Connection, ids: &[i64], now_ns: i64) -> Outcome<u64> {
    let (clause, mut params) = of_alerts("id", ids);
    let now = format!("?{}", params.len() + 1);
    params.push(now_ns.into());
    let sql = format!("DELETE FROM alerts WHERE {clause} AND {}", idle(&now));
    Ok(connection.execute(&sql, &params)?)
}
