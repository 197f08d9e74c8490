//! The numbered log: what happened to decisions, in the order in which it was committed.
//!
//! ```text
//!   1 .. floor          floor+1 ........................ seq
//!   pruned              kept: begun, begun, ended(deleted), begun, …
//! ```
//!
//! A decision begins with an entry and may end with one before its time; that it ends by time is not written, it is a
//! comparison. Whoever has read up to an entry and asks for those after it misses none, whoever wrote them: a
//! transaction that writes entries holds the row of `head` until it has committed, and entries get their numbers from
//! that row.

use crate::database::{Connection, Row, Said, Value};
use crate::decisions::{DECISION_COLUMNS, DecisionRow, decision_row};
use crate::error::{Outcome, StoreError};
use crate::store::Store;

/// Rows that one transaction of a clean-up deletes at most, so that no writer waits long.
pub(crate) const SWEEP_ROWS: i64 = 2_000;

/// Number of an entry of the log. The first is 1; 0 is before all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub u64);

impl Seq {
    pub(crate) fn of(number: i64) -> Self {
        Self(u64::try_from(number).unwrap_or(0))
    }

    pub(crate) fn number(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }
}

/// What happened to a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was stored.
    Begun,
    /// It ended before its time.
    Ended(Reason),
}

/// Why a decision ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Somebody deleted it, or its alert.
    Deleted,
    /// What it hit was put on an allowlist.
    Allowlisted,
    /// Its alert does not stand after all.
    Retracted,
}

impl Reason {
    fn number(self) -> i64 {
        match self {
            Self::Deleted => 1,
            Self::Allowlisted => 2,
            Self::Retracted => 3,
        }
    }
}

/// The column `change` of an entry that begins a decision.
const BEGUN: i64 = 0;

fn change(number: i64) -> Change {
    match number {
        BEGUN => Change::Begun,
        2 => Change::Ended(Reason::Allowlisted),
        3 => Change::Ended(Reason::Retracted),
        _ => Change::Ended(Reason::Deleted),
    }
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its number.
    pub seq: Seq,
    /// When it was written, in nanoseconds since the Unix epoch, by the clock of the node that wrote it. Entries of
    /// several nodes need not be in the order of their times.
    pub at_ns: i64,
    /// What happened.
    pub change: Change,
    /// For a decision that ended: when it would have, in nanoseconds since the Unix epoch.
    pub was_until_ns: Option<i64>,
    /// The decision as it is after the change.
    pub decision: DecisionRow,
}

/// The row of `head`, held by the transaction that read it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) seq: i64,
    pub(crate) floor: i64,
    pub(crate) alert_id: i64,
    pub(crate) decision_id: i64,
    pub(crate) allowlists_version: i64,
}

const HEAD: &str = "SELECT seq, floor, alert_id, decision_id, allowlists_version FROM head";
const HEAD_LOCKED: &str =
    "SELECT seq, floor, alert_id, decision_id, allowlists_version FROM head FOR UPDATE";

impl Head {
    /// Reads the row without holding it.
    pub(crate) fn read(connection: &mut Connection) -> Outcome<Self> {
        Self::ask(connection, HEAD)
    }

    /// Holds the row until the transaction ends. That a SQLite transaction writes is hold enough.
    pub(crate) fn lock(connection: &mut Connection) -> Outcome<Self> {
        let sql = if connection.is_postgres() {
            HEAD_LOCKED
        } else {
            HEAD
        };
        Self::ask(connection, sql)
    }

    fn ask(connection: &mut Connection, sql: &str) -> Outcome<Self> {
        let found = connection.query_one(sql, &[], |row| {
            Ok(Self {
                seq: row.int(0)?,
                floor: row.int(1)?,
                alert_id: row.int(2)?,
                decision_id: row.int(3)?,
                allowlists_version: row.int(4)?,
            })
        })?;
        found.ok_or_else(|| {
            StoreError::NotFound {
                what: "the row of",
                name: "head".to_owned(),
            }
            .into()
        })
    }

    /// Whether the allowlists are those of a version.
    pub(crate) fn check_allowlists(&self, expected: u64) -> Result<(), StoreError> {
        let found = u64::try_from(self.allowlists_version).unwrap_or(0);
        if found == expected {
            Ok(())
        } else {
            Err(StoreError::AllowlistsChanged { expected, found })
        }
    }

    /// Writes the row. The transaction holds it.
    pub(crate) fn save(&self, connection: &mut Connection) -> Outcome<()> {
        connection.execute(
            "UPDATE head SET seq = ?1, floor = ?2, alert_id = ?3, decision_id = ?4, allowlists_version = ?5",
            &[
                self.seq.into(),
                self.floor.into(),
                self.alert_id.into(),
                self.decision_id.into(),
                self.allowlists_version.into(),
            ],
        )?;
        Ok(())
    }

    /// Enters the beginnings of all decisions with numbers from `first_id` up to [`Self::decision_id`].
    pub(crate) fn enter_begun(
        &mut self,
        connection: &mut Connection,
        first_id: i64,
        now_ns: i64,
    ) -> Outcome<()> {
        let sql = format!(
            "INSERT INTO log ({LOG_COLUMNS}) SELECT id + CAST(?1 AS BIGINT), CAST(?2 AS BIGINT), {BEGUN}, NULL, \
             {DECISION_COLUMNS} FROM decisions WHERE id >= ?3 AND id <= ?4"
        );
        let entered = connection.execute(
            &sql,
            &[
                (self.seq - first_id + 1).into(),
                now_ns.into(),
                first_id.into(),
                self.decision_id.into(),
            ],
        )?;
        self.seq += signed(entered);
        Ok(())
    }

    /// Ends the decisions that are in force and fulfil a condition, and enters that. `clause` refers to `params` and
    /// must not be about the time.
    pub(crate) fn end(
        &mut self,
        connection: &mut Connection,
        clause: &str,
        params: &[Value<'_>],
        reason: Reason,
        now_ns: i64,
    ) -> Outcome<u64> {
        let mut params = params.to_vec();
        let before = params.len();
        let sql = format!(
            "INSERT INTO log ({LOG_COLUMNS}) SELECT CAST(?{base} AS BIGINT) + ROW_NUMBER() OVER (ORDER BY id), \
             CAST(?{now} AS BIGINT), {change}, until_ns, id, alert_id, uuid, created_ns, CAST(?{now} AS BIGINT), origin, \
             kind, scope, value, scenario, simulated FROM decisions WHERE until_ns > CAST(?{now} AS BIGINT) AND is_ended = 0 \
             AND ({clause})",
            base = before + 1,
            now = before + 2,
            change = reason.number(),
        );
        params.extend([Value::from(self.seq), Value::from(now_ns)]);
        let ended = connection.execute(&sql, &params)?;
        if ended > 0 {
            connection.execute(
                "UPDATE decisions SET until_ns = ?1, is_ended = 1 WHERE id IN (SELECT decision_id FROM log WHERE seq > ?2)",
                &[now_ns.into(), self.seq.into()],
            )?;
            self.seq += signed(ended);
        }
        Ok(ended)
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Columns of `log`, the decision's in the order of [`DECISION_COLUMNS`].
const LOG_COLUMNS: &str = "seq, at_ns, change, was_until_ns, decision_id, alert_id, uuid, created_ns, until_ns, \
    origin, kind, scope, value, scenario, simulated";

fn log_entry(row: &Row<'_>) -> Said<LogEntry> {
    Ok(LogEntry {
        seq: Seq::of(row.int(0)?),
        at_ns: row.int(1)?,
        change: change(row.int(2)?),
        was_until_ns: row.optional_int(3)?,
        decision: decision_row(row, 4)?,
    })
}

impl Store {
    /// Number of the newest entry of the log. Cheap enough to be asked many times a second.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn head(&self) -> Result<Seq, StoreError> {
        self.head_seq().map(Seq::of)
    }

    /// The entries after one, at most `limit` of them, without a gap. None if there is none after it.
    ///
    /// # Errors
    /// [`StoreError::LogLost`] when not all of them are kept, and when the log has no entry of that number yet: whoever
    /// asks has read another database. [`StoreError`] when the database fails.
    pub fn log_since(&self, seq: Seq, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        let sql = format!("SELECT {LOG_COLUMNS} FROM log WHERE seq > ?1 ORDER BY seq LIMIT ?2");
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read("read the log", |connection| {
            let head = Head::read(connection)?;
            if seq.number() < head.floor || seq.number() > head.seq {
                return Err(StoreError::LogLost {
                    asked: seq,
                    floor: Seq::of(head.floor),
                    head: Seq::of(head.seq),
                }
                .into());
            }
            Ok(connection.query(&sql, &[seq.number().into(), limit.into()], log_entry)?)
        })
    }

    /// Forgets all entries but the newest `keep`; answers how many were deleted.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails. What was forgotten till then stays so.
    pub fn prune_log(&self, keep: u64) -> Result<u64, StoreError> {
        const ACTION: &str = "prune the log";
        let floor = self.write(ACTION, |connection| {
            let mut head = Head::lock(connection)?;
            let floor = head.seq.saturating_sub(signed(keep)).max(head.floor);
            if floor > head.floor {
                head.floor = floor;
                head.save(connection)?;
            }
            Ok(floor)
        })?;
        let mut deleted = 0;
        loop {
            // Nobody asks for these any more, so the head is not needed.
            let now = self.write(ACTION, |connection| {
                Ok(connection.execute(
                    "DELETE FROM log WHERE seq IN (SELECT seq FROM log WHERE seq <= ?1 ORDER BY seq LIMIT ?2)",
                    &[floor.into(), SWEEP_ROWS.into()],
                )?)
            })?;
            deleted += now;
            if now < SWEEP_ROWS.unsigned_abs() {
                return Ok(deleted);
            }
        }
    }
}
