//! Decisions: which are in force, and ending them early.
//!
//! A decision is in force while its end is after the present: at its end it is over. Nothing is written when that time
//! comes. One that was ended early is over on every node from then on, even on one whose clock is behind the clock of the
//! node that ended it.

use overspill_decision::Block;

use crate::database::{Connection, Row, Said, Value};
use crate::error::{Outcome, StoreError};
use crate::log::{Head, Reason};
use crate::statements::{Conditions, Target, family_number, insert};
use crate::store::Store;

/// Uuids that one filter may name.
const UUIDS_MAX: usize = 10_000;

/// A decision as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionRow {
    /// Number, from 1, never given twice.
    pub id: i64,
    /// Number of the alert it came with, which may be deleted by now.
    pub alert_id: Option<i64>,
    /// Identity that whoever made it gave it; may be empty.
    pub uuid: String,
    /// When it was stored, in nanoseconds since the Unix epoch.
    pub created_ns: i64,
    /// When it ends or ended, in nanoseconds since the Unix epoch.
    pub until_ns: i64,
    /// Who decided.
    pub origin: String,
    /// What is to be done: `ban`, `captcha`, or another text.
    pub kind: String,
    /// Scope of the value.
    pub scope: String,
    /// What is decided upon.
    pub value: String,
    /// Scenario that led to it.
    pub scenario: String,
    /// Whether it is only pretended.
    pub simulated: bool,
}

/// Columns of a decision, in the order in which [`decision_row`] reads them.
pub(crate) const DECISION_COLUMNS: &str =
    "id, alert_id, uuid, created_ns, until_ns, origin, kind, scope, value, scenario, simulated";

/// Reads a decision, whose columns begin at `first`.
pub(crate) fn decision_row(row: &Row<'_>, first: usize) -> Said<DecisionRow> {
    Ok(DecisionRow {
        id: row.int(first)?,
        alert_id: row.optional_int(first + 1)?,
        uuid: row.text(first + 2)?,
        created_ns: row.int(first + 3)?,
        until_ns: row.int(first + 4)?,
        origin: row.text(first + 5)?,
        kind: row.text(first + 6)?,
        scope: row.text(first + 7)?,
        value: row.text(first + 8)?,
        scenario: row.text(first + 9)?,
        simulated: row.flag(first + 10)?,
    })
}

/// Stores decisions.
pub(crate) fn insert_decisions(
    connection: &mut Connection,
    rows: &[DecisionRow],
    rows_max: usize,
) -> Outcome<()> {
    const N_COLUMNS: usize = 14;
    let mut values = Vec::with_capacity(rows.len() * N_COLUMNS);
    for row in rows {
        let block = block_of(&row.scope, &row.value);
        values.extend([
            Value::from(row.id),
            row.alert_id.into(),
            row.uuid.as_str().into(),
            row.created_ns.into(),
            row.until_ns.into(),
            row.origin.as_str().into(),
            row.kind.as_str().into(),
            row.scope.as_str().into(),
            row.value.as_str().into(),
            row.scenario.as_str().into(),
            row.simulated.into(),
            family_number(block).into(),
            block.map(|block| block.first().to_be_bytes()).into(),
            block.map(|block| block.last().to_be_bytes()).into(),
        ]);
    }
    let table = format!("decisions ({DECISION_COLUMNS}, family, first_ip, last_ip)");
    let target = Target {
        table: &table,
        tail: "",
        n_columns: N_COLUMNS,
    };
    insert(connection, target, &values, rows_max)?;
    Ok(())
}

/// The block of a decision on an address or a range.
fn block_of(scope: &str, value: &str) -> Option<Block> {
    overspill_decision::is_address_scope(scope)
        .then(|| Block::parse(value))
        .flatten()
}

/// Which decisions are meant: those that fulfil everything that is asked. The default asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionFilter {
    /// Those on blocks that contain this one or lie within it, as [`Self::contains`] says.
    pub block: Option<Block>,
    /// Whether the decision's block has to contain [`Self::block`]; otherwise it has to lie within it.
    pub contains: bool,
    /// Those of this scope, exactly.
    pub scope: Option<String>,
    /// Those of these uuids; all if there are none.
    pub uuids: Vec<String>,
    /// Those of this origin.
    pub origin: Option<String>,
    /// Those on this value, as text.
    pub value: Option<String>,
    /// Those of this type.
    pub kind: Option<String>,
    /// Those of this scenario.
    pub scenario: Option<String>,
}

impl Default for DecisionFilter {
    fn default() -> Self {
        Self {
            block: None,
            contains: true,
            scope: None,
            uuids: Vec::new(),
            origin: None,
            value: None,
            kind: None,
            scenario: None,
        }
    }
}

impl DecisionFilter {
    fn conditions(&self) -> Result<Conditions<'_>, StoreError> {
        if self.uuids.len() > UUIDS_MAX {
            return Err(StoreError::Filter {
                what: "the number of uuids",
                value: self.uuids.len().to_string(),
            });
        }
        let mut conditions = Conditions::default();
        if let Some(block) = self.block {
            let clause = if self.contains {
                conditions.around(block)
            } else {
                conditions.within(block)
            };
            conditions.and(clause);
        }
        if let Some(value) = &self.value {
            conditions.and_decision_value(value);
        }
        for (column, text) in [
            ("scope = {}", &self.scope),
            ("origin = {}", &self.origin),
            ("kind = {}", &self.kind),
            ("scenario = {}", &self.scenario),
        ] {
            if let Some(text) = text {
                conditions.and_value(column, text.as_str());
            }
        }
        if !self.uuids.is_empty() {
            conditions.and_in("uuid", self.uuids.iter().map(|uuid| uuid.as_str().into()));
        }
        Ok(conditions)
    }
}

/// How many decisions in force are alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActiveCount {
    /// Scenario that led to them.
    pub scenario: String,
    /// Who decided.
    pub origin: String,
    /// What is to be done.
    pub kind: String,
    /// How many there are.
    pub n: u64,
}

impl Store {
    /// Ends the decisions in force that a filter means; answers how many there were.
    ///
    /// # Errors
    /// [`StoreError::Filter`] when the filter is too long; [`StoreError`] when the database fails.
    pub fn expire_decisions(
        &self,
        filter: &DecisionFilter,
        reason: Reason,
        now_ns: i64,
    ) -> Result<u64, StoreError> {
        let conditions = filter.conditions()?;
        self.write("end decisions", |connection| {
            let mut head = Head::lock(connection)?;
            let (clause, params) = (conditions.clause(), conditions.params());
            let ended = head.end(connection, &clause, params, reason, now_ns)?;
            if ended > 0 {
                head.save(connection)?;
            }
            Ok(ended)
        })
    }

    /// Ends one decision; answers 1, or 0 if it was over already.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of that number; [`StoreError`] when the database fails.
    pub fn expire_decision(&self, id: i64, now_ns: i64) -> Result<u64, StoreError> {
        self.write("end a decision", |connection| {
            let mut head = Head::lock(connection)?;
            let found = connection.query_one(
                "SELECT id FROM decisions WHERE id = ?1",
                &[id.into()],
                |row| row.int(0),
            )?;
            if found.is_none() {
                return Err(StoreError::NotFound {
                    what: "decision",
                    name: id.to_string(),
                }
                .into());
            }
            let ended = head.end(connection, "id = ?1", &[id.into()], Reason::Deleted, now_ns)?;
            if ended > 0 {
                head.save(connection)?;
            }
            Ok(ended)
        })
    }

    /// Hands over all decisions in force, by number and as of one moment.
    ///
    /// A connection is held meanwhile, so whoever takes them must not ask this store for anything.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails, which may be after some were handed over.
    pub fn active_decisions(
        &self,
        now_ns: i64,
        take: &mut dyn FnMut(DecisionRow),
    ) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT {DECISION_COLUMNS} FROM decisions WHERE until_ns > ?1 AND is_ended = 0 ORDER BY id"
        );
        self.each(
            "read decisions in force",
            &sql,
            &[now_ns.into()],
            &mut |row| {
                take(decision_row(row, 0)?);
                Ok(())
            },
        )
    }

    /// How many decisions there are or were on a value: on every block that contains it if it is an address or a range,
    /// on the same text otherwise. Of these, only those stored after `since_ns` if that is given. Those whose alert was
    /// deleted do not count.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn decision_count(&self, value: &str, since_ns: Option<i64>) -> Result<u64, StoreError> {
        let mut conditions = Conditions::default();
        match Block::parse(value) {
            Some(block) => {
                let clause = conditions.around(block);
                conditions.and(clause);
            }
            None => conditions.and_decision_value(value),
        }
        if let Some(since_ns) = since_ns {
            conditions.and_value("created_ns > {}", since_ns);
        }
        let sql = format!(
            "SELECT COUNT(*) FROM decisions WHERE {}",
            conditions.clause()
        );
        let counted = self.query("count decisions", &sql, conditions.params(), |row| {
            row.count(0)
        })?;
        Ok(counted.first().copied().unwrap_or(0))
    }

    /// How many decisions are in force, by scenario, origin and type.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn active_counts(&self, now_ns: i64) -> Result<Vec<ActiveCount>, StoreError> {
        self.query(
            "count decisions in force",
            "SELECT scenario, origin, kind, COUNT(*) FROM decisions WHERE until_ns > ?1 AND is_ended = 0 \
             GROUP BY scenario, origin, kind ORDER BY scenario, origin, kind",
            &[now_ns.into()],
            |row| {
                Ok(ActiveCount {
                    scenario: row.text(0)?,
                    origin: row.text(1)?,
                    kind: row.text(2)?,
                    n: row.count(3)?,
                })
            },
        )
    }
}
