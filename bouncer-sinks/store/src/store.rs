//! The handle, and how transactions are run.
//!
//! ```text
//!             SQLite                                PostgreSQL
//!  write ──▶ the one writer, behind a mutex        a connection of the pool, and the row of `head`
//!  read  ──▶ a connection of the pool              a connection of the pool
//! ```
//!
//! Whatever touches decisions changes the row of `head` first ([`crate::log::Head`]). So there is one such transaction
//! at a time on either database, numbers are given in the order of the commits, and no two of them can wait for each
//! other. A transaction that failed before its commit for a reason that may pass is done again, a few times. One whose
//! commit got no answer is not: it may have happened.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::config::{Backend, DECISION_BULK_MAX, StoreConfig};
use crate::database::{Connection, DatabaseError, Fault, Mode, Row, Said, Value};
use crate::error::{Failure, Outcome, StoreError};
use crate::pool::{Lease, Pool};
use crate::schema;

/// Times that a transaction is tried.
const ATTEMPTS: u32 = 7;
/// How long to wait before the second attempt; twice as long before each one after it, so 1.3 s in all.
const PAUSE: Duration = Duration::from_millis(20);

/// A database, open. A clone is another handle of the same.
///
/// Every operation blocks until the database has answered; call it where that is allowed.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    /// The connection that writes, of SQLite.
    writer: Option<Mutex<Connection>>,
    pool: Pool,
    watch: Mutex<Option<Watch>>,
    decision_bulk: usize,
}

/// A connection to a file that is used for nothing but to see whether it changed.
struct Watch {
    connection: Connection,
    version: i64,
    seq: i64,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens a database, and makes its tables if they are not there.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be reached, is of a later version, or is another program's.
    pub fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let writer = match config.backend {
            Backend::Sqlite { .. } => {
                Some(Mutex::new(Connection::open(&config.backend, Mode::Write)?))
            }
            Backend::Postgres(_) => None,
        };
        let store = Self {
            inner: Arc::new(Inner {
                writer,
                pool: Pool::new(config.backend.clone(), config.connections_max),
                watch: Mutex::new(None),
                decision_bulk: config.decision_bulk.clamp(1, DECISION_BULK_MAX),
            }),
        };
        store.write("make the tables", schema::migrate)?;
        Ok(store)
    }

    /// Decisions that go into one statement.
    pub(crate) fn decision_bulk(&self) -> usize {
        self.inner.decision_bulk
    }

    /// Runs a transaction that writes.
    pub(crate) fn write<T>(
        &self,
        action: &'static str,
        mut body: impl FnMut(&mut Connection) -> Outcome<T>,
    ) -> Result<T, StoreError> {
        self.again(action, || {
            let mut writer = self.writer()?;
            transaction(&mut writer, Mode::Write, &mut body)
        })
    }

    /// Runs a transaction that reads: all of it as of one moment.
    pub(crate) fn read<T>(
        &self,
        action: &'static str,
        mut body: impl FnMut(&mut Connection) -> Outcome<T>,
    ) -> Result<T, StoreError> {
        self.again(action, || {
            let mut reader = self.inner.pool.lease()?;
            transaction(&mut reader, Mode::Read, &mut body)
        })
    }

    /// Asks one question.
    pub(crate) fn query<T>(
        &self,
        action: &'static str,
        sql: &str,
        params: &[Value<'_>],
        read: impl Fn(&Row<'_>) -> Said<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.again(action, || {
            let mut reader = self.inner.pool.lease()?;
            Ok(reader.query(sql, params, &read)?)
        })
    }

    /// Asks one question whose answer may be long. It is asked again only if nothing was handed over.
    pub(crate) fn each(
        &self,
        action: &'static str,
        sql: &str,
        params: &[Value<'_>],
        take: &mut dyn FnMut(&Row<'_>) -> Said<()>,
    ) -> Result<(), StoreError> {
        let mut n_taken = 0u64;
        self.again(action, || {
            let mut reader = self.inner.pool.lease()?;
            let asked = reader.each(sql, params, &mut |row| {
                n_taken += 1;
                take(row)
            });
            match asked {
                Err(error) if n_taken > 0 => Err(StoreError::Database {
                    action,
                    source: error,
                }
                .into()),
                asked => Ok(asked?),
            }
        })
    }

    /// Number of the newest entry of the log. A file is asked only if it changed.
    pub(crate) fn head_seq(&self) -> Result<i64, StoreError> {
        const ACTION: &str = "read the head of the log";
        let ask = |connection: &mut Connection| -> Said<i64> {
            let found = connection.query_one("SELECT seq FROM head", &[], |row| row.int(0))?;
            Ok(found.unwrap_or(0))
        };
        if self.inner.writer.is_none() {
            return self.again(ACTION, || Ok(ask(&mut *self.inner.pool.lease()?)?));
        }
        let mut guard = locked(&self.inner.watch);
        let look = |watch: &mut Option<Watch>| -> Outcome<i64> {
            if watch.is_none() {
                *watch = Some(Watch {
                    connection: self.inner.pool.open()?,
                    version: -1,
                    seq: 0,
                });
            }
            let Some(watch) = watch else { return Ok(0) };
            let version = match &mut watch.connection {
                Connection::Sqlite(connection) => connection.data_version()?,
                Connection::Postgres(_) => -1,
            };
            // The number is asked for after the version: a write in between is seen again.
            if version != watch.version || version < 0 {
                watch.seq = ask(&mut watch.connection)?;
                watch.version = version;
            }
            Ok(watch.seq)
        };
        look(&mut guard).map_err(|failure| failure.during(ACTION))
    }

    fn writer(&self) -> Result<Writer<'_>, StoreError> {
        match &self.inner.writer {
            Some(writer) => Ok(Writer::Own(locked(writer))),
            None => self.inner.pool.lease().map(Writer::Lent),
        }
    }

    /// Does something until it is done, or has failed for good.
    fn again<T>(
        &self,
        action: &'static str,
        mut attempt: impl FnMut() -> Outcome<T>,
    ) -> Result<T, StoreError> {
        let mut pause = PAUSE;
        for _ in 1..ATTEMPTS {
            match attempt() {
                Ok(done) => return Ok(done),
                Err(failure) => match fault(&failure) {
                    Fault::Conflict => {}
                    Fault::Lost => self.inner.pool.clear(),
                    Fault::Busy | Fault::Other => return Err(failure.during(action)),
                },
            }
            std::thread::sleep(pause);
            pause *= 2;
        }
        attempt().map_err(|failure| failure.during(action))
    }
}

/// A failure to connect is one that may pass, too.
fn fault(failure: &Failure) -> Fault {
    match failure {
        Failure::Database(error) => error.fault(),
        Failure::Store(StoreError::Database { action, source }) if *action != COMMIT => {
            source.fault()
        }
        Failure::Store(_) => Fault::Other,
    }
}

/// What is being done when a commit gets no answer.
const COMMIT: &str = "commit, which may have happened or not";

fn transaction<T>(
    connection: &mut Connection,
    mode: Mode,
    body: &mut impl FnMut(&mut Connection) -> Outcome<T>,
) -> Outcome<T> {
    connection.begin(mode)?;
    match body(connection) {
        Ok(done) => {
            connection.commit().map_err(|error| {
                connection.rollback();
                unanswered(error, mode)
            })?;
            Ok(done)
        }
        Err(failure) => {
            connection.rollback();
            Err(failure)
        }
    }
}

fn unanswered(error: DatabaseError, mode: Mode) -> Failure {
    if mode == Mode::Write && error.fault() == Fault::Lost {
        Failure::Store(StoreError::Database {
            action: COMMIT,
            source: error,
        })
    } else {
        Failure::Database(error)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection that may write.
enum Writer<'a> {
    Own(MutexGuard<'a, Connection>),
    Lent(Lease<'a>),
}

impl std::ops::Deref for Writer<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match self {
            Self::Own(connection) => connection,
            Self::Lent(connection) => connection,
        }
    }
}

impl std::ops::DerefMut for Writer<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        match self {
            Self::Own(connection) => connection,
            Self::Lent(connection) => connection,
        }
    }
}
