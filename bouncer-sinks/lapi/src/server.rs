//! A server: what it is made of, how it begins and ends.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use overspill_decision::Policy;
use overspill_expr::Services;
use overspill_store::{FlushPolicy, Store, StoreError};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::connections::{House, listen, serve};
use crate::core::{Clock, Core, Parts};
use crate::counts;
use crate::meters::Counts;
use crate::settings::Settings;
use crate::tls::{self, TlsError};

/// What a server is made of.
pub struct LapiParts {
    /// How to serve.
    pub settings: Settings,
    /// Where everything is kept.
    pub store: Store,
    /// Signs the tokens of machines: at least 64 bytes. Servers on one database have the same.
    pub secret: Vec<u8>,
    /// What is decided about alerts. Its allowlist counts beside those of the store.
    pub policy: Policy,
    /// What profiles may ask, but for decisions: the store knows those.
    pub services: Services,
    /// What is removed from the store, and when.
    pub flush: FlushPolicy,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum LapiError {
    /// The address cannot be listened on.
    #[error("listen on {address}")]
    Listen {
        /// The address, or the path of the socket.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// TLS cannot be served.
    #[error("serve TLS")]
    Tls(#[from] TlsError),
    /// The store cannot be read.
    #[error("read the decisions in force")]
    Store(#[from] StoreError),
    /// The system gives no thread.
    #[error("start a thread")]
    Thread(#[source] std::io::Error),
    /// The secret is too short.
    #[error("the secret of tokens has {0} bytes, and needs 64")]
    Secret(usize),
}

/// What is in force, for whoever looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Decisions in force.
    pub n_active: usize,
    /// Decisions that are in force and not held: there were too many.
    pub n_left_out: u64,
    /// Number of the newest entry of the log.
    pub head: u64,
}

/// A server that runs until it is dropped.
pub struct Lapi {
    core: Arc<Core>,
    address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    runtime: Option<Runtime>,
    serving: Option<tokio::task::JoinHandle<()>>,
}

impl std::fmt::Debug for Lapi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lapi")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Shortest secret.
const SECRET_BYTES_MIN: usize = 64;

impl Lapi {
    /// Listens, and serves from then on.
    ///
    /// # Errors
    /// [`LapiError`]; nothing is served then.
    pub fn start(parts: LapiParts) -> Result<Self, LapiError> {
        if parts.secret.len() < SECRET_BYTES_MIN {
            return Err(LapiError::Secret(parts.secret.len()));
        }
        let settings = parts.settings.clone();
        let acceptor = match &settings.tls {
            Some(tls) => Some(TlsAcceptor::from(Arc::new(tls::config(tls)?))),
            None => None,
        };
        let counts = counts::Counts::new(parts.store.clone());
        let mut services = parts.services;
        services.decisions = Arc::clone(&counts) as _;
        let core = Arc::new(Core::new(Parts {
            store: parts.store,
            settings: parts.settings,
            secret: parts.secret,
            policy: parts.policy,
            services,
            clock: parts.clock,
        })?);
        counts.bind(&core);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(settings.limits.requests_max + 4)
            .thread_name("lapi")
            .enable_all()
            .build()
            .map_err(LapiError::Thread)?;
        let (listeners, address) = runtime.block_on(listen(&settings, acceptor))?;
        let (stop, stopped) = watch::channel(false);
        let serving = runtime.spawn(serve(House::new(&core), listeners, parts.flush, stopped));
        Ok(Self {
            core,
            address,
            stop,
            runtime: Some(runtime),
            serving: Some(serving),
        })
    }

    /// Where TCP is listened to.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Its Unix socket.
    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        self.core.settings.listen_socket.as_deref()
    }

    /// What was asked for so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.core.meters.counts()
    }

    /// What is in force now.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn state(&self) -> Result<State, StoreError> {
        let (active, _) = self.core.active()?;
        Ok(State {
            n_active: active.len(),
            n_left_out: active.n_left_out(),
            head: active.head().0,
        })
    }

    /// Decides by other profiles from here on.
    pub fn set_policy(&self, policy: Policy) {
        self.core.set_policy(policy);
    }
}

impl Drop for Lapi {
    /// Accepts nobody more, and gives requests under way their time.
    fn drop(&mut self) {
        // Nobody is left to hear it only if serving has ended already.
        let _unheard = self.stop.send(true);
        if let Some(runtime) = self.runtime.take() {
            if let Some(serving) = self.serving.take() {
                let _panicked = runtime.block_on(serving);
            }
            runtime.shutdown_timeout(self.core.settings.limits.grace);
        }
        // What could not be written is told again.
        let _unwritten = self.core.write_pulls();
    }
}
