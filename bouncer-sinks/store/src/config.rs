//! Which database, and how it is used.

use std::fmt;
use std::path::PathBuf;

/// Decisions of one alert that go into one statement, unless the configuration says otherwise.
pub const DECISION_BULK: usize = 1_000;
/// Most decisions that go into one statement, as in CrowdSec: statements have a limited number of values.
pub const DECISION_BULK_MAX: usize = 2_000;
/// Connections that are held at most, unless the configuration says otherwise.
pub const CONNECTIONS_MAX: usize = 16;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Where the data is.
    pub backend: Backend,
    /// Connections that are held at most; at least 1. SQLite has one more, which writes.
    pub connections_max: usize,
    /// Decisions of one alert that go into one statement, from 1 to [`DECISION_BULK_MAX`]; what is outside is moved inside.
    pub decision_bulk: usize,
}

impl StoreConfig {
    /// A store with the usual limits.
    #[must_use]
    pub fn new(backend: Backend) -> Self {
        Self {
            backend,
            connections_max: CONNECTIONS_MAX,
            decision_bulk: DECISION_BULK,
        }
    }
}

/// A database.
#[derive(Debug, Clone)]
pub enum Backend {
    /// One file, for one node.
    Sqlite {
        /// The file. It is made if it is not there; its folder is not.
        path: PathBuf,
        /// Whether it has a write-ahead log, so that nobody who reads waits for one who writes. Off for file systems of
        /// the network, which cannot have one.
        wal: bool,
    },
    /// A server, for any number of nodes.
    Postgres(PostgresConfig),
}

/// Where a PostgreSQL server is, and who we are to it.
#[derive(Clone)]
pub struct PostgresConfig {
    /// Name or address, or the folder of its Unix socket.
    pub host: String,
    /// Port, also that in the name of the socket.
    pub port: u16,
    /// Role.
    pub user: String,
    /// Its password; may be empty.
    pub password: String,
    /// Database. It is not made.
    pub db_name: String,
    /// `disable`, `allow`, `prefer` or empty: all of them go without TLS. Anything else is refused.
    pub sslmode: String,
}

/// The password is not shown.
impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("password", &"…")
            .field("db_name", &self.db_name)
            .field("sslmode", &self.sslmode)
            .finish()
    }
}
