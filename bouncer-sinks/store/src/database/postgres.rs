//! PostgreSQL, by its own protocol and without TLS.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use bytes::BytesMut;
use postgres::config::SslMode;
use postgres::error::SqlState;
use postgres::fallible_iterator::FallibleIterator as _;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, NoTls, Statement};

use super::{DatabaseError, Fault, Mode, Row, Said, Value};
use crate::config::PostgresConfig;
use crate::error::StoreError;

/// Longest that a connection may take to be made.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// Statements that a connection keeps ready.
const STATEMENTS_MAX: usize = 200;
/// What every connection is told first.
///
/// A node that lost its network while it held the head of the log would stop all others until its connection is found
/// dead, so the server gives it a minute. `jit` costs more than any of these queries. What is looked for is a few rows by
/// an index, always; statistics that are a minute old say otherwise where one alert has brought a whole list and the others
/// one decision each, and reading the whole table then takes a thousand times as long.
const SETTINGS: &str = "SET lock_timeout = '30s';
SET idle_in_transaction_session_timeout = '60s';
SET random_page_cost = 1.1;
SET enable_seqscan = off;
SET jit = off;";

/// A connection to a server.
pub(crate) struct PostgresConnection {
    client: Client,
    statements: HashMap<Box<str>, Statement>,
}

/// What the server said, or that it does not say anything any more.
pub(super) fn error(error: postgres::Error) -> DatabaseError {
    let fault = match error.code() {
        Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED) => {
            Fault::Conflict
        }
        Some(&SqlState::LOCK_NOT_AVAILABLE) => Fault::Busy,
        Some(
            &SqlState::ADMIN_SHUTDOWN
            | &SqlState::CRASH_SHUTDOWN
            | &SqlState::CANNOT_CONNECT_NOW
            | &SqlState::TOO_MANY_CONNECTIONS
            | &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        ) => Fault::Lost,
        Some(_) => Fault::Other,
        None if error.is_closed() || is_io(&error) => Fault::Lost,
        None => Fault::Other,
    };
    DatabaseError::new(fault, error)
}

fn is_io(error: &postgres::Error) -> bool {
    error
        .source()
        .is_some_and(|source| source.is::<std::io::Error>())
}

/// How a transaction begins. The level is said, since a server may have another one for all who do not.
pub(super) fn begin(mode: Mode) -> &'static str {
    match mode {
        Mode::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        Mode::Write => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) if *ty == Type::INT4 => i32::try_from(*number)?.to_sql(ty, out),
            Self::Int(number) => number.to_sql(ty, out),
            Self::Text(text) => text.as_ref().to_sql(ty, out),
            Self::Bytes(bytes) => bytes.as_ref().to_sql(ty, out),
        }
    }

    fn accepts(_ty: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl PostgresConnection {
    /// Makes a connection.
    pub(super) fn open(config: &PostgresConfig) -> Result<Self, StoreError> {
        if !matches!(&*config.sslmode, "" | "disable" | "allow" | "prefer") {
            return Err(StoreError::Tls {
                sslmode: config.sslmode.clone(),
            });
        }
        let mut settings = postgres::Config::new();
        settings
            .host(&config.host)
            .port(config.port)
            .user(&config.user)
            .dbname(&config.db_name)
            .application_name("overspill")
            .connect_timeout(CONNECT_PATIENCE)
            .ssl_mode(SslMode::Disable);
        if !config.password.is_empty() {
            settings.password(&config.password);
        }
        let connect = || {
            let mut client = settings.connect(NoTls)?;
            client.batch_execute(SETTINGS)?;
            Ok(client)
        };
        let client = connect().map_err(|source| StoreError::Database {
            action: "connect to the database",
            source: error(source),
        })?;
        Ok(Self {
            client,
            statements: HashMap::new(),
        })
    }

    pub(super) fn is_open(&self) -> bool {
        !self.client.is_closed()
    }

    fn statement(&mut self, sql: &str) -> Said<Statement> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        if self.statements.len() >= STATEMENTS_MAX {
            self.statements.clear();
        }
        // No statement of ours has a question mark that is not a placeholder.
        let statement = self.client.prepare(&sql.replace('?', "$")).map_err(error)?;
        self.statements.insert(sql.into(), statement.clone());
        Ok(statement)
    }

    pub(super) fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Said<u64> {
        let statement = self.statement(sql)?;
        let params: Vec<&(dyn ToSql + Sync)> = params
            .iter()
            .map(|value| {
                let value: &(dyn ToSql + Sync) = value;
                value
            })
            .collect();
        self.client.execute(&statement, &params).map_err(error)
    }

    pub(super) fn each(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        take: &mut dyn FnMut(&Row<'_>) -> Said<()>,
    ) -> Said<()> {
        let statement = self.statement(sql)?;
        let mut rows = self.client.query_raw(&statement, params).map_err(error)?;
        while let Some(row) = rows.next().map_err(error)? {
            take(&Row::Postgres(&row))?;
        }
        Ok(())
    }

    pub(super) fn batch(&mut self, sql: &str) -> Said<()> {
        self.client.batch_execute(sql).map_err(error)
    }
}
