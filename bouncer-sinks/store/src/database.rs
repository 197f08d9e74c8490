//! One connection to either database, and the values that cross it.
//!
//! The rest of the crate writes one SQL for both. It keeps to what both understand: placeholders are `?1`, `?2`, …,
//! every number and every flag is a 64-bit integer, texts are UTF-8 without NUL, and upserts, `RETURNING`, window
//! functions and indexes with a condition are used as both have them. What differs is in the two files below, and in
//! how [`crate::schema`] spells types.

mod postgres;
mod sqlite;

use std::borrow::Cow;
use std::fmt;

use crate::config::Backend;
use crate::error::StoreError;

pub(crate) use self::postgres::PostgresConnection;
pub(crate) use self::sqlite::SqliteConnection;

/// What a database said. Its text is the database's own.
#[derive(Debug)]
pub struct DatabaseError {
    fault: Fault,
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// What kind of failure it is, as far as anything depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Somebody else held a lock for too long.
    Busy,
    /// The transaction met another one and was rolled back.
    Conflict,
    /// The connection is gone, and the transaction with it.
    Lost,
    /// Anything else.
    Other,
}

impl DatabaseError {
    pub(crate) fn new(
        fault: Fault,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            fault,
            source: source.into(),
        }
    }

    pub(crate) fn fault(&self) -> Fault {
        self.fault
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.fault == Fault::Busy
    }

    /// Whether doing the same later may succeed.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        self.fault != Fault::Other
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl std::error::Error for DatabaseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.source()
    }
}

/// What an operation on a database comes to.
pub(crate) type Said<T> = Result<T, DatabaseError>;

/// A value that goes into a statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Int(i64),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
}

impl Value<'_> {
    /// A value of its own.
    pub(crate) fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Int(number) => Value::Int(number),
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes.into_owned())),
        }
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Self::Int(i64::from(flag))
    }
}

/// PostgreSQL has no texts with NUL, and SQLite is not sure where they end. Such a text comes out of a log line of an
/// attacker, so it must not be what a whole batch fails for.
impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(if text.contains('\0') {
            Cow::Owned(text.replace('\0', "\u{fffd}"))
        } else {
            Cow::Borrowed(text)
        })
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(if text.contains('\0') {
            text.replace('\0', "\u{fffd}")
        } else {
            text
        }))
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(bytes))
    }
}

impl From<[u8; 16]> for Value<'_> {
    fn from(bytes: [u8; 16]) -> Self {
        Self::Bytes(Cow::Owned(bytes.to_vec()))
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row of an answer. Columns are counted from 0.
pub(crate) enum Row<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a ::postgres::Row),
}

impl Row<'_> {
    fn get<T>(&self, column: usize) -> Said<T>
    where
        T: rusqlite::types::FromSql + for<'b> ::postgres::types::FromSql<'b>,
    {
        match self {
            Self::Sqlite(row) => row.get(column).map_err(sqlite::error),
            Self::Postgres(row) => row.try_get(column).map_err(postgres::error),
        }
    }

    pub(crate) fn int(&self, column: usize) -> Said<i64> {
        self.get(column)
    }

    pub(crate) fn optional_int(&self, column: usize) -> Said<Option<i64>> {
        self.get(column)
    }

    /// A number that counts something.
    pub(crate) fn count(&self, column: usize) -> Said<u64> {
        let number: i64 = self.get(column)?;
        Ok(u64::try_from(number).unwrap_or(0))
    }

    pub(crate) fn flag(&self, column: usize) -> Said<bool> {
        Ok(self.int(column)? != 0)
    }

    pub(crate) fn text(&self, column: usize) -> Said<String> {
        self.get(column)
    }

    pub(crate) fn optional_text(&self, column: usize) -> Said<Option<String>> {
        self.get(column)
    }
}

/// How a transaction begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// All it reads is as of one moment; it writes nothing.
    Read,
    /// It writes. In SQLite it is the only one that does from the start.
    Write,
}

/// A connection.
pub(crate) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(Box<PostgresConnection>),
}

impl Connection {
    /// Opens one. Of SQLite, `mode` says whether it may write.
    pub(crate) fn open(backend: &Backend, mode: Mode) -> Result<Self, StoreError> {
        match backend {
            Backend::Sqlite { path, wal } => SqliteConnection::open(path, *wal, mode)
                .map(Self::Sqlite)
                .map_err(|source| StoreError::Database {
                    action: "open the database's file",
                    source,
                }),
            Backend::Postgres(config) => PostgresConnection::open(config)
                .map(|connection| Self::Postgres(Box::new(connection))),
        }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Whether it can still be used, as far as is known without asking.
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Self::Sqlite(_) => true,
            Self::Postgres(connection) => connection.is_open(),
        }
    }

    /// Does something; answers how many rows it was done to.
    pub(crate) fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Said<u64> {
        match self {
            Self::Sqlite(connection) => connection.execute(sql, params),
            Self::Postgres(connection) => connection.execute(sql, params),
        }
    }

    /// Asks something, and hands over row by row.
    pub(crate) fn each(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        take: &mut dyn FnMut(&Row<'_>) -> Said<()>,
    ) -> Said<()> {
        match self {
            Self::Sqlite(connection) => connection.each(sql, params, take),
            Self::Postgres(connection) => connection.each(sql, params, take),
        }
    }

    /// Asks something, and answers with what was read of every row.
    pub(crate) fn query<T>(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        read: impl Fn(&Row<'_>) -> Said<T>,
    ) -> Said<Vec<T>> {
        let mut found = Vec::new();
        self.each(sql, params, &mut |row| {
            found.push(read(row)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Asks something that has one row at most.
    pub(crate) fn query_one<T>(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        read: impl Fn(&Row<'_>) -> Said<T>,
    ) -> Said<Option<T>> {
        Ok(self.query(sql, params, read)?.into_iter().next())
    }

    /// Does what a text of several statements says.
    pub(crate) fn batch(&mut self, sql: &str) -> Said<()> {
        match self {
            Self::Sqlite(connection) => connection.batch(sql),
            Self::Postgres(connection) => connection.batch(sql),
        }
    }

    pub(crate) fn begin(&mut self, mode: Mode) -> Said<()> {
        match self {
            Self::Sqlite(connection) => connection.begin(mode),
            Self::Postgres(connection) => connection.batch(postgres::begin(mode)),
        }
    }

    pub(crate) fn commit(&mut self) -> Said<()> {
        self.batch("COMMIT")
    }

    /// Gives up a transaction. If that fails the connection is gone, and the transaction too.
    pub(crate) fn rollback(&mut self) {
        let _gone = self.batch("ROLLBACK");
    }
}
