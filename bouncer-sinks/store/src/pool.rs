//! Connections that are shared: as many as are needed, up to a limit.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::config::Backend;
use crate::database::{Connection, Mode};
use crate::error::StoreError;

/// Longest that somebody waits for a connection.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connections to one database.
pub(crate) struct Pool {
    backend: Backend,
    n_max: usize,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    /// Those that are idle, and those that are lent.
    n_open: usize,
}

/// A connection that is lent until this is dropped.
pub(crate) struct Lease<'a> {
    pool: &'a Pool,
    /// `None` only while it is given back.
    connection: Option<Connection>,
}

impl Pool {
    /// A pool without connections.
    pub(crate) fn new(backend: Backend, n_max: usize) -> Self {
        Self {
            backend,
            n_max: n_max.max(1),
            state: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// A connection, made if none is idle, waited for if there may be no more.
    pub(crate) fn lease(&self) -> Result<Lease<'_>, StoreError> {
        let (mut state, _) = self
            .freed
            .wait_timeout_while(self.locked(), PATIENCE, |state| {
                state.idle.is_empty() && state.n_open >= self.n_max
            })
            .unwrap_or_else(PoisonError::into_inner);
        let idle = state.idle.pop();
        if idle.is_none() {
            if state.n_open >= self.n_max {
                return Err(StoreError::Busy);
            }
            state.n_open += 1;
        }
        drop(state);
        // Whatever happens to it from here on, the lease gives the place back.
        let mut lease = Lease {
            pool: self,
            connection: idle,
        };
        if lease.connection.is_none() {
            lease.connection = Some(self.open()?);
        }
        Ok(lease)
    }

    /// A connection that does not belong to the pool.
    pub(crate) fn open(&self) -> Result<Connection, StoreError> {
        Connection::open(&self.backend, Mode::Read)
    }

    /// Forgets the idle connections: when one of them is lost, the others are too.
    pub(crate) fn clear(&self) {
        let mut state = self.locked();
        let idle = std::mem::take(&mut state.idle);
        state.n_open = state.n_open.saturating_sub(idle.len());
        drop(state);
        drop(idle);
        self.freed.notify_all();
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A PostgreSQL connection has a runtime of its own, which must not end on a thread of another one. Whoever drops the
/// last handle of a store may be on such a thread, so the connections end on one that is ours.
impl Drop for Pool {
    fn drop(&mut self) {
        let idle = std::mem::take(&mut self.locked().idle);
        if idle.iter().any(Connection::is_postgres) {
            let ended = std::thread::Builder::new()
                .name("store-close".to_owned())
                .spawn(move || drop(idle));
            if let Ok(ended) = ended {
                let _panicked = ended.join();
            }
        }
    }
}

impl Deref for Lease<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match &self.connection {
            Some(connection) => connection,
            None => unreachable!("a lease has its connection until it is dropped"),
        }
    }
}

impl DerefMut for Lease<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        match &mut self.connection {
            Some(connection) => connection,
            None => unreachable!("a lease has its connection until it is dropped"),
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let connection = self.connection.take().filter(Connection::is_open);
        let mut state = self.pool.locked();
        match connection {
            // A panic may have left a transaction open.
            Some(connection) if !std::thread::panicking() => state.idle.push(connection),
            _ => state.n_open = state.n_open.saturating_sub(1),
        }
        drop(state);
        self.pool.freed.notify_one();
    }
}
