//! SQLite, built in.
//!
//! A commit waits until the disk has it (`synchronous = FULL`): an alert that was acknowledged is there after the power
//! failed too, not only after the process was killed. That is one flush a transaction, and alerts come fifty in one.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{ErrorCode, OpenFlags, params_from_iter};

use super::{DatabaseError, Fault, Mode, Row, Said, Value};

/// Longest that a transaction waits for one of another process. Inside this process there is a queue instead.
const BUSY_PATIENCE: Duration = Duration::from_secs(30);
/// Statements that a connection keeps ready.
const STATEMENTS_MAX: usize = 200;
/// What remains of the write-ahead log's file after it was emptied.
const JOURNAL_BYTES_MAX: u32 = 64 << 20;

/// A connection to a file.
pub(crate) struct SqliteConnection {
    connection: rusqlite::Connection,
}

/// What SQLite said.
pub(super) fn error(error: rusqlite::Error) -> DatabaseError {
    let fault = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Fault::Busy,
        _ => Fault::Other,
    };
    DatabaseError::new(fault, error)
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl SqliteConnection {
    /// Opens a file. One that writes makes it if it is not there, for its owner's eyes only: it holds hashes of
    /// passwords.
    pub(super) fn open(path: &Path, wal: bool, mode: Mode) -> Said<Self> {
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if mode == Mode::Write {
            make_private(path).map_err(|error| DatabaseError::new(Fault::Other, error))?;
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
        }
        let connection = rusqlite::Connection::open_with_flags(path, flags).map_err(error)?;
        connection.busy_timeout(BUSY_PATIENCE).map_err(error)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        let mut opened = Self { connection };
        opened.batch("PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL;")?;
        if mode == Mode::Write {
            let journal = if wal { "WAL" } else { "DELETE" };
            opened.batch(&format!(
                "PRAGMA journal_mode = {journal}; PRAGMA journal_size_limit = {JOURNAL_BYTES_MAX};"
            ))?;
        } else {
            opened.batch("PRAGMA query_only = ON;")?;
        }
        Ok(opened)
    }

    pub(super) fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Said<u64> {
        let mut statement = self.connection.prepare_cached(sql).map_err(error)?;
        let changed = statement.execute(params_from_iter(params)).map_err(error)?;
        Ok(u64::try_from(changed).unwrap_or(u64::MAX))
    }

    pub(super) fn each(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        take: &mut dyn FnMut(&Row<'_>) -> Said<()>,
    ) -> Said<()> {
        let mut statement = self.connection.prepare_cached(sql).map_err(error)?;
        let mut rows = statement.query(params_from_iter(params)).map_err(error)?;
        while let Some(row) = rows.next().map_err(error)? {
            take(&Row::Sqlite(row))?;
        }
        Ok(())
    }

    pub(super) fn batch(&mut self, sql: &str) -> Said<()> {
        self.connection.execute_batch(sql).map_err(error)
    }

    /// A transaction that a panic left open ends first.
    pub(super) fn begin(&mut self, mode: Mode) -> Said<()> {
        if !self.connection.is_autocommit() {
            self.batch("ROLLBACK")?;
        }
        self.batch(match mode {
            Mode::Read => "BEGIN",
            Mode::Write => "BEGIN IMMEDIATE",
        })
    }

    /// A number that is another one whenever another connection has written.
    pub(crate) fn data_version(&mut self) -> Said<i64> {
        let mut version = 0;
        self.each("PRAGMA data_version", &[], &mut |row| {
            version = row.int(0)?;
            Ok(())
        })?;
        Ok(version)
    }
}

#[cfg(unix)]
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map(|_file| ())
}

#[cfg(not(unix))]
fn make_private(_path: &Path) -> std::io::Result<()> {
    Ok(())
}
