//! Connections: accepted, bounded, served, ended.
//!
//! ```text
//!  TCP ──▶ (TLS) ──┐
//!                  ├──▶ HTTP/1.1, HTTP/2 ──▶ route ──▶ who asks ──▶ body ──▶ handler (may block) ──▶ answer
//!  Unix socket ────┘                          404/405    401/403     limits    64 at once
//! ```
//!
//! Who asks is known before a body is read. Everything that blocks runs on threads for that; how many requests are there
//! at once is bounded, and so are connections: one more waits in the system's queue.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request as HttpRequest, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use overspill_store::FlushPolicy;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::auth::certificate::Certificate;
use crate::body::{self, KNOWN_BYTES_MAX, STRANGER_BYTES_MAX};
use crate::caller::{Asking, Caller};
use crate::core::Core;
use crate::handlers::{self, Request};
use crate::peer::Peer;
use crate::prompt::Prompt;
use crate::reply::{self, Outcome, Refusal, Reply};
use crate::routes::{Access, Route};
use crate::server::LapiError;
use crate::settings::Settings;

/// How often it is written who was told what.
const PULLS_EVERY: Duration = Duration::from_secs(1);
/// How often what is too old is removed.
const FLUSH_EVERY: Duration = Duration::from_secs(60);
/// Pause after a connection that could not be accepted, for want of file descriptors for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where connections come from.
pub(crate) enum Listener {
    Tcp(TcpListener, Option<TlsAcceptor>),
    Unix(UnixListener, PathBuf),
}

/// Listens wherever the settings say.
pub(crate) async fn listen(
    settings: &Settings,
    acceptor: Option<TlsAcceptor>,
) -> Result<(Vec<Listener>, Option<SocketAddr>), LapiError> {
    let mut listeners = Vec::new();
    let mut address = None;
    if let Some(at) = settings.listen {
        let failed = |source| LapiError::Listen {
            address: at.to_string(),
            source,
        };
        let listener = TcpListener::bind(at).await.map_err(failed)?;
        address = Some(listener.local_addr().map_err(failed)?);
        listeners.push(Listener::Tcp(listener, acceptor));
    }
    if let Some(path) = &settings.listen_socket {
        let failed = |source| LapiError::Listen {
            address: path.display().to_string(),
            source,
        };
        remove_stale(path).map_err(failed)?;
        let listener = UnixListener::bind(path).map_err(failed)?;
        listeners.push(Listener::Unix(listener, path.clone()));
    }
    Ok((listeners, address))
}

/// Removes a socket that an earlier server left. Anything else at the path stays, and listening fails.
fn remove_stale(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::FileTypeExt as _;
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path),
        _ => Ok(()),
    }
}

/// What all connections share.
#[derive(Clone)]
pub(crate) struct House {
    core: Arc<Core>,
    connections: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    passwords: Arc<Semaphore>,
}

impl House {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        let limits = core.settings.limits;
        Self {
            core: Arc::clone(core),
            connections: Arc::new(Semaphore::new(limits.connections_max)),
            requests: Arc::new(Semaphore::new(limits.requests_max)),
            passwords: Arc::new(Semaphore::new(limits.passwords_max)),
        }
    }
}

/// Serves all listeners until it is told to stop, and does what has to be done now and then.
pub(crate) async fn serve(
    house: House,
    listeners: Vec<Listener>,
    flush: FlushPolicy,
    stopped: watch::Receiver<bool>,
) {
    let mut tasks = tokio::task::JoinSet::new();
    for listener in listeners {
        tasks.spawn(accept(house.clone(), listener, stopped.clone()));
    }
    tasks.spawn(every(
        PULLS_EVERY,
        Arc::clone(&house.core),
        stopped.clone(),
        |core| {
            // What could not be written stays, for the next time.
            let _unwritten = core.write_pulls();
        },
    ));
    tasks.spawn(every(FLUSH_EVERY, house.core, stopped, move |core| {
        let now_ns = core.now_ns();
        if core.store.flush(&flush, now_ns).is_err() {
            core.meters.flush_failed();
        }
    }));
    while tasks.join_next().await.is_some() {}
}

/// Does something that blocks, again and again.
async fn every(
    pause: Duration,
    core: Arc<Core>,
    mut stopped: watch::Receiver<bool>,
    what: impl Fn(&Core) + Clone + Send + 'static,
) {
    while tokio::time::timeout(pause, stopped.changed())
        .await
        .is_err()
    {
        let (core, what) = (Arc::clone(&core), what.clone());
        let _panicked = tokio::task::spawn_blocking(move || what(&core)).await;
    }
}

async fn accept(house: House, listener: Listener, mut stopped: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    loop {
        let one = async {
            let permit = Arc::clone(&house.connections).acquire_owned().await;
            (one_of(&listener).await, permit)
        };
        let (accepted, permit) = tokio::select! {
            one = one => one,
            _ = stopped.changed() => break,
        };
        let Ok(permit) = permit else {
            break;
        };
        match accepted {
            Ok(accepted) => meet(&house, accepted, permit, &graceful),
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
    let grace = house.core.settings.limits.grace;
    // Who is not done by then is cut off.
    let _late = tokio::time::timeout(grace, graceful.shutdown()).await;
    if let Listener::Unix(_, path) = &listener {
        let _gone = std::fs::remove_file(path);
    }
}

enum Accepted {
    Tcp(tokio::net::TcpStream, SocketAddr, Option<TlsAcceptor>),
    Unix(tokio::net::UnixStream),
}

async fn one_of(listener: &Listener) -> std::io::Result<Accepted> {
    match listener {
        Listener::Tcp(listener, acceptor) => {
            let (stream, address) = listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok(Accepted::Tcp(stream, address, acceptor.clone()))
        }
        Listener::Unix(listener, _) => Ok(Accepted::Unix(listener.accept().await?.0)),
    }
}

/// Begins to serve a connection.
fn meet(
    house: &House,
    accepted: Accepted,
    permit: OwnedSemaphorePermit,
    graceful: &GracefulShutdown,
) {
    let watcher = graceful.watcher();
    let house = house.clone();
    tokio::spawn(async move {
        let _permit = permit;
        match accepted {
            Accepted::Unix(stream) => {
                converse(house, stream, Peer::of_local_socket(), watcher).await;
            }
            Accepted::Tcp(stream, address, None) => {
                converse(house, stream, Peer::of(address), watcher).await;
            }
            Accepted::Tcp(stream, address, Some(acceptor)) => {
                let wait = house.core.settings.limits.handshake_timeout;
                let Ok(Ok(stream)) = tokio::time::timeout(wait, acceptor.accept(stream)).await
                else {
                    house.core.meters.broken();
                    return;
                };
                let mut peer = Peer::of(address);
                let shown = stream.get_ref().1.peer_certificates();
                if let Some(first) = shown.and_then(|chain| chain.first()) {
                    let Ok(certificate) = Certificate::parse(first) else {
                        house.core.meters.broken();
                        return;
                    };
                    peer.certificate = Some(Arc::new(certificate));
                }
                converse(house, stream, peer, watcher).await;
            }
        }
    });
}

/// Serves the requests of a connection.
async fn converse(
    house: House,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let limits = house.core.settings.limits;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.request_timeout)
        .max_buf_size(64 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(64)
        .keep_alive_interval(Some(limits.request_timeout));
    let core = Arc::clone(&house.core);
    let stream = Prompt::new(stream, limits.request_timeout);
    let service = service_fn(move |request| {
        let (house, peer) = (house.clone(), peer.clone());
        async move { Ok::<_, std::convert::Infallible>(answer(&house, peer, request).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let connection = watcher.watch(connection.into_owned());
    if connection.await.is_err() {
        core.meters.broken();
    }
}

/// Answers a request, whatever it is.
async fn answer(house: &House, peer: Peer, request: HttpRequest<Incoming>) -> Reply {
    let method = request.method().clone();
    let route = match Route::find(&method, request.uri().path()) {
        Ok(route) => route,
        Err(status) => {
            house.core.meters.asked("invalid-endpoint", method.as_str());
            return reply::empty(status);
        }
    };
    house.core.meters.asked(route.template(), method.as_str());
    match route_to(house, peer, route, request).await {
        Ok(reply) => reply,
        Err(refusal) => refusal.reply(),
    }
}

async fn route_to(
    house: &House,
    peer: Peer,
    route: Route,
    request: HttpRequest<Incoming>,
) -> Outcome {
    let (head, body) = request.into_parts();
    let core = Arc::clone(&house.core);
    let asking = Asking {
        address: peer.client(&head.headers, &core.settings.forwarded),
        peer,
        is_head: head.method == hyper::Method::HEAD,
        headers: head.headers,
    };
    let access = route.access();
    let (asking, caller) = blocking(house, move || {
        let caller = core.caller(access, &asking);
        (asking, caller)
    })
    .await?;
    let caller = caller?;
    count(&house.core, &caller, &route, head.method.as_str());
    let body = if route.takes_body() {
        let bytes_max = match access {
            Access::Anybody => STRANGER_BYTES_MAX,
            _ => KNOWN_BYTES_MAX,
        };
        let wait = house.core.settings.limits.request_timeout;
        let read = body::read(&asking.headers, body, bytes_max);
        match tokio::time::timeout(wait, read).await {
            Ok(read) => read?,
            Err(_) => {
                house.core.meters.slow();
                let text = "the body did not come in time";
                return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, text));
            }
        }
    } else {
        Vec::new()
    };
    let _turn = if route.takes_password() {
        Some(house.passwords.acquire().await.map_err(|_| ending())?)
    } else {
        None
    };
    let core = Arc::clone(&house.core);
    blocking(house, move || {
        let query = head.uri.query().unwrap_or_default();
        let request = Request {
            core: &core,
            asking: &asking,
            caller,
            query,
            body,
        };
        handlers::handle(&route, request)
    })
    .await?
}

fn count(core: &Core, caller: &Caller, route: &Route, method: &str) {
    match caller {
        Caller::Machine(machine) => {
            core.meters
                .machine_asked(&machine.name, route.template(), method);
        }
        Caller::Bouncer(bouncer) => {
            core.meters
                .bouncer_asked(&bouncer.name, route.template(), method);
        }
        Caller::Stranger | Caller::KeyHolder => {}
    }
}

/// Does something that blocks, when it is its turn.
async fn blocking<T: Send + 'static>(
    house: &House,
    what: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let turn = Arc::clone(&house.requests).acquire_owned().await;
    let turn = turn.map_err(|_| ending())?;
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        what()
    });
    done.await
        .map_err(|_| Refusal::internal("the request could not be served"))
}

fn ending() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the server ends")
}
