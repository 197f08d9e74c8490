//! The tables, and how a database comes to have them.
//!
//! ```text
//!  head          one row: the last numbers that were given, and what the log does not keep any more
//!  log           what happened to decisions, one row a change, numbered without a gap
//!                  └─ has a copy of the decision: it may be read after the decision is gone
//!  machines      who sends alerts
//!  bouncers      who asks for decisions, and how far each has come in the log
//!  alerts ◀───── decisions        an alert's decisions go with it
//!     ▲
//!  identities    alerts that would come again: by stable identity, or by digest; outlives the alert
//!  engine_journal  what our own engine said of its alerts, for it to find its place after a crash
//!  allowlists ◀─ allowlist_items
//!  usage_reports what machines and bouncers report about themselves
//!  items, locks  small things by name
//! ```
//!
//! - Times are nanoseconds since the Unix epoch. Flags are 0 and 1.
//! - Numbers of alerts and decisions are counted up in `head`, inside the transaction that brings them: they have no
//!   gaps but those of what was deleted, and none is given twice. Other tables let the database count.
//! - A decision on an address or a range has `family` 4 or 6 and its first and last address as 16 bytes, the highest
//!   first, so that both databases compare them as numbers. Any other has family 0 and no addresses. Every range is a
//!   network, so the ranges that contain an address are found by at most 33 or 129 first addresses, not by a scan.
//! - What is asked for has columns. All of an alert, as it came, is in `body`; its columns are cut to
//!   [`SEARCH_BYTES_MAX`] bytes, since an index cannot hold more and the texts are an attacker's. A decision's value is
//!   kept whole, and indexed by its beginning.
//! - `machine_id` has no foreign key: an alert stays when its machine is deleted, and a machine's number is not given
//!   again, so it then has no owner.

use crate::database::Connection;
use crate::error::{Outcome, StoreError};

/// Most bytes of a text in a column that is only there to be searched.
pub(crate) const SEARCH_BYTES_MAX: usize = 512;

/// Statements that lead from each version to the next. What was released is never changed.
///
/// Types are spelled for SQLite; [`spelled`] says what PostgreSQL calls them.
const MIGRATIONS: [&str; 1] = [VERSION_1];

/// Held by whoever migrates a PostgreSQL database. The number is ours alone in it.
const MIGRATION_LOCK: &str = "SELECT pg_advisory_xact_lock(7165918271)";

const VERSION_1: &str = "
CREATE TABLE head (
    id INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    floor INTEGER NOT NULL,
    alert_id INTEGER NOT NULL,
    decision_id INTEGER NOT NULL,
    allowlists_version INTEGER NOT NULL
);
INSERT INTO head (id, seq, floor, alert_id, decision_id, allowlists_version) VALUES (1, 0, 0, 0, 0, 0);

CREATE TABLE log (
    seq INTEGER PRIMARY KEY,
    at_ns INTEGER NOT NULL,
    change INTEGER NOT NULL,
    was_until_ns INTEGER,
    decision_id INTEGER NOT NULL,
    alert_id INTEGER,
    uuid TEXT NOT NULL,
    created_ns INTEGER NOT NULL,
    until_ns INTEGER NOT NULL,
    origin TEXT NOT NULL,
    kind TEXT NOT NULL,
    scope TEXT NOT NULL,
    value TEXT NOT NULL,
    scenario TEXT NOT NULL,
    simulated INTEGER NOT NULL
);

CREATE TABLE machines (
    id SERIAL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    ip_address TEXT NOT NULL,
    scenarios TEXT NOT NULL,
    version TEXT NOT NULL,
    is_validated INTEGER NOT NULL,
    auth TEXT NOT NULL,
    created_ns INTEGER NOT NULL,
    updated_ns INTEGER NOT NULL,
    last_push_ns INTEGER,
    last_heartbeat_ns INTEGER,
    os_name TEXT NOT NULL,
    os_family TEXT NOT NULL,
    os_version TEXT NOT NULL,
    feature_flags TEXT NOT NULL,
    hub_state TEXT NOT NULL,
    datasources TEXT NOT NULL
);

CREATE TABLE bouncers (
    id SERIAL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    key_hash TEXT NOT NULL,
    revoked INTEGER NOT NULL,
    ip_address TEXT NOT NULL,
    kind TEXT NOT NULL,
    version TEXT NOT NULL,
    auth TEXT NOT NULL,
    auto_created INTEGER NOT NULL,
    created_ns INTEGER NOT NULL,
    updated_ns INTEGER NOT NULL,
    last_pull_ns INTEGER,
    cursor_seq INTEGER,
    cursor_at_ns INTEGER,
    os_name TEXT NOT NULL,
    os_family TEXT NOT NULL,
    os_version TEXT NOT NULL,
    feature_flags TEXT NOT NULL
);
CREATE INDEX bouncers_key ON bouncers (key_hash);

CREATE TABLE alerts (
    id INTEGER PRIMARY KEY,
    created_ns INTEGER NOT NULL,
    machine_id INTEGER,
    scenario TEXT NOT NULL,
    scope TEXT NOT NULL,
    value TEXT NOT NULL,
    kind TEXT NOT NULL,
    is_community INTEGER NOT NULL,
    simulated INTEGER NOT NULL,
    started_ns INTEGER NOT NULL,
    stopped_ns INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX alerts_created ON alerts (created_ns, id);
CREATE INDEX alerts_scenario ON alerts (scenario);
CREATE INDEX alerts_value ON alerts (value);
CREATE INDEX alerts_machine ON alerts (machine_id);

CREATE TABLE decisions (
    id INTEGER PRIMARY KEY,
    alert_id INTEGER REFERENCES alerts (id) ON DELETE CASCADE,
    uuid TEXT NOT NULL,
    created_ns INTEGER NOT NULL,
    until_ns INTEGER NOT NULL,
    origin TEXT NOT NULL,
    kind TEXT NOT NULL,
    scope TEXT NOT NULL,
    value TEXT NOT NULL,
    scenario TEXT NOT NULL,
    simulated INTEGER NOT NULL,
    is_ended INTEGER NOT NULL DEFAULT 0,
    family INTEGER NOT NULL,
    first_ip BLOB,
    last_ip BLOB
);
CREATE INDEX decisions_alert ON decisions (alert_id, until_ns);
CREATE INDEX decisions_until ON decisions (until_ns);
CREATE INDEX decisions_block ON decisions (family, first_ip, last_ip);
CREATE INDEX decisions_value ON decisions (substr(value, 1, 128));

CREATE TABLE identities (
    identity TEXT PRIMARY KEY,
    alert_id INTEGER NOT NULL,
    created_ns INTEGER NOT NULL,
    is_stable INTEGER NOT NULL
);
CREATE INDEX identities_alert ON identities (alert_id);
CREATE INDEX identities_age ON identities (is_stable, created_ns);

CREATE TABLE engine_journal (
    id SERIAL PRIMARY KEY,
    uuid TEXT NOT NULL,
    at_ns INTEGER,
    created_ns INTEGER NOT NULL
);

CREATE TABLE allowlists (
    id SERIAL PRIMARY KEY,
    allowlist_id TEXT NOT NULL,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    from_console INTEGER NOT NULL,
    created_ns INTEGER NOT NULL,
    updated_ns INTEGER NOT NULL
);

CREATE TABLE allowlist_items (
    id SERIAL PRIMARY KEY,
    list_id INTEGER NOT NULL REFERENCES allowlists (id) ON DELETE CASCADE,
    value TEXT NOT NULL,
    comment TEXT NOT NULL,
    expires_ns INTEGER,
    created_ns INTEGER NOT NULL,
    UNIQUE (list_id, value)
);

CREATE TABLE usage_reports (
    id SERIAL PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    payload TEXT NOT NULL,
    created_ns INTEGER NOT NULL
);
CREATE INDEX usage_reports_created ON usage_reports (created_ns);

CREATE TABLE items (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE locks (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    taken_ns INTEGER NOT NULL
);
";

/// Brings a database to the version of this build.
pub(crate) fn migrate(connection: &mut Connection) -> Outcome<()> {
    if connection.is_postgres() {
        connection.query(MIGRATION_LOCK, &[], |_row| Ok(()))?;
    }
    connection.batch(&spelled(
        "CREATE TABLE IF NOT EXISTS overspill_versions (version INTEGER PRIMARY KEY)",
        connection.is_postgres(),
    ))?;
    let found = connection
        .query_one(
            "SELECT COALESCE(MAX(version), 0) FROM overspill_versions",
            &[],
            |row| row.int(0),
        )?
        .unwrap_or(0);
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::Newer { found, known }.into());
    }
    if found == 0 && has_table(connection, "alerts")? {
        return Err(StoreError::Foreign.into());
    }
    for (version, statements) in (1..).zip(MIGRATIONS) {
        if version > found {
            connection.batch(&spelled(statements, connection.is_postgres()))?;
            connection.execute(
                "INSERT INTO overspill_versions (version) VALUES (?1)",
                &[version.into()],
            )?;
        }
    }
    Ok(())
}

fn has_table(connection: &mut Connection, name: &str) -> Outcome<bool> {
    let sql = if connection.is_postgres() {
        "SELECT COUNT(*) FROM pg_tables WHERE schemaname = CURRENT_SCHEMA() AND tablename = ?1"
    } else {
        "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?1"
    };
    let found = connection.query_one(sql, &[name.into()], |row| row.flag(0))?;
    Ok(found.unwrap_or(false))
}

/// The statements as a database wants its types.
fn spelled(statements: &str, is_postgres: bool) -> String {
    if is_postgres {
        statements
            .replace("INTEGER", "BIGINT")
            .replace("BLOB", "BYTEA")
            .replace(
                "SERIAL PRIMARY KEY",
                "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
            )
    } else {
        // Without the last word a number would be given again once its row is deleted.
        statements.replace("SERIAL PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT")
    }
}
