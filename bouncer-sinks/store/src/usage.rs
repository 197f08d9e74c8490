//! What machines and bouncers report about themselves (CrowdSec's usage metrics).

use crate::error::StoreError;
use crate::log::SWEEP_ROWS;
use crate::store::Store;

/// Who reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageKind {
    /// A bouncer.
    RemediationComponent,
    /// A machine.
    LogProcessor,
}

impl UsageKind {
    /// CrowdSec's word.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::RemediationComponent => "RC",
            Self::LogProcessor => "LP",
        }
    }
}

/// A report as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Number, never given twice.
    pub id: i64,
    /// Who reports.
    pub kind: UsageKind,
    /// Name of the machine or the bouncer.
    pub name: String,
    /// What it reports, as JSON.
    pub payload: String,
    /// When, in nanoseconds since the Unix epoch.
    pub created_ns: i64,
}

impl Store {
    /// Stores a report.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn add_usage(
        &self,
        kind: UsageKind,
        name: &str,
        payload: &str,
        now_ns: i64,
    ) -> Result<(), StoreError> {
        self.write("store a report", |connection| {
            connection.execute(
                "INSERT INTO usage_reports (kind, name, payload, created_ns) VALUES (?1, ?2, ?3, ?4)",
                &[
                    kind.text().into(),
                    name.into(),
                    payload.into(),
                    now_ns.into(),
                ],
            )?;
            Ok(())
        })
    }

    /// The reports since a time, by number.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn usage_since(&self, since_ns: i64) -> Result<Vec<UsageRow>, StoreError> {
        self.query(
            "read reports",
            "SELECT id, kind, name, payload, created_ns FROM usage_reports WHERE created_ns >= ?1 ORDER BY id",
            &[since_ns.into()],
            |row| {
                Ok(UsageRow {
                    id: row.int(0)?,
                    kind: match &*row.text(1)? {
                        "RC" => UsageKind::RemediationComponent,
                        _ => UsageKind::LogProcessor,
                    },
                    name: row.text(2)?,
                    payload: row.text(3)?,
                    created_ns: row.int(4)?,
                })
            },
        )
    }

    /// Deletes the reports from before a time; answers how many.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails. What was deleted till then stays so.
    pub fn prune_usage(&self, before_ns: i64) -> Result<u64, StoreError> {
        let mut deleted = 0;
        loop {
            let now = self.write("delete reports", |connection| {
                Ok(connection.execute(
                    "DELETE FROM usage_reports WHERE id IN \
                     (SELECT id FROM usage_reports WHERE created_ns < ?1 ORDER BY id LIMIT ?2)",
                    &[before_ns.into(), SWEEP_ROWS.into()],
                )?)
            })?;
            deleted += now;
            if now < SWEEP_ROWS.unsigned_abs() {
                return Ok(deleted);
            }
        }
    }
}
