//! What can go wrong, and whether it may pass.

use crate::database::DatabaseError;
use crate::log::Seq;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is nothing of that name or number.
    #[error("{what} `{name}` is not there")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// Its name or number.
        name: String,
    },
    /// The name is taken.
    #[error("{what} `{name}` is there already")]
    Exists {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A name that is too long to be one.
    #[error("{what} is longer than {bytes_max} bytes")]
    TooLong {
        /// What kind of thing.
        what: &'static str,
        /// Most bytes that it may have.
        bytes_max: usize,
    },
    /// A value that cannot be stored or asked for.
    #[error("{what} cannot be `{value}`")]
    Filter {
        /// What it is a value of.
        what: &'static str,
        /// The value.
        value: String,
    },
    /// Entries of the log were asked for that are not kept any more, or that this database never had.
    #[error("the log has entries {} to {}, and was asked for those after {}", .floor.0 + 1, .head.0, .asked.0)]
    LogLost {
        /// The number after which entries were asked for.
        asked: Seq,
        /// The newest entry that is not kept.
        floor: Seq,
        /// The newest entry.
        head: Seq,
    },
    /// The allowlists are not those that the alerts were compared with. They have to be read and asked again.
    #[error("the allowlists are of version {found} by now, not {expected}")]
    AllowlistsChanged {
        /// The version that was asked.
        expected: u64,
        /// The version there is.
        found: u64,
    },
    /// Others held the database for too long. Doing the same later may succeed.
    #[error("the database is busy")]
    Busy,
    /// A later build has been here.
    #[error("the database is of version {found}, and this build knows versions up to {known}")]
    Newer {
        /// Its version.
        found: i64,
        /// The last one that is known.
        known: i64,
    },
    /// The database is full of somebody else's tables.
    #[error("the database has tables of another program: give it one of its own")]
    Foreign,
    /// TLS was asked for, and there is none.
    #[error("sslmode `{sslmode}` asks for TLS, which is not built in: use `disable` or `prefer`")]
    Tls {
        /// What was asked for.
        sslmode: String,
    },
    /// The database failed.
    #[error("{action}")]
    Database {
        /// What was being done.
        action: &'static str,
        /// What it said.
        #[source]
        source: DatabaseError,
    },
}

impl StoreError {
    /// Whether there is nothing of that name or number.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether the name is taken.
    #[must_use]
    pub fn is_exists(&self) -> bool {
        matches!(self, Self::Exists { .. })
    }

    /// Whether the log does not go back that far, so that one has to begin with what is in force.
    #[must_use]
    pub fn is_log_lost(&self) -> bool {
        matches!(self, Self::LogLost { .. })
    }

    /// Whether doing the same later may succeed.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Busy => true,
            Self::Database { source, .. } => source.may_pass(),
            _ => false,
        }
    }
}

/// What goes wrong inside a transaction; [`crate::store::Store`] adds what was being done.
#[derive(Debug)]
pub(crate) enum Failure {
    Store(StoreError),
    Database(DatabaseError),
}

/// What a transaction comes to.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl Failure {
    /// The error for whoever called, who was told what was being done.
    pub(crate) fn during(self, action: &'static str) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Database(source) if source.is_busy() => StoreError::Busy,
            Self::Database(source) => StoreError::Database { action, source },
        }
    }
}
