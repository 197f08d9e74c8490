//! A small HTTP server: one request a connection, all of them in one thread and within limits.
//!
//! ```text
//!  accept --> Reading --head complete--> Writing --all written--> Draining --> closed
//!                |  deadline, too long, malformed, crowded out: closed, counted
//! ```
//!
//! It answers GET and HEAD, and closes. What clients do cannot hold it up: reads and writes never block, a
//! connection has one deadline for everything, and when there are too many the one goes that has said least for
//! longest. Nobody is asked who they are, so it should listen where only friends are.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::request::{Request, RequestError, parse};

/// How long the thread sleeps when nothing happens; it looks then whether to stop.
const LOOK: Duration = Duration::from_millis(100);
/// Pause when connections cannot be accepted: trying again at once would only burn time.
const AFTER_AN_ERROR: Duration = Duration::from_millis(5);
/// Bytes read or written at a time, so that each connection has its turn.
const TURN_BYTES: usize = 64 << 10;
/// Bytes that a client may send beyond its request before it is cut off.
const REST_BYTES_MAX: usize = 64 << 10;

/// How much a server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// Connections at the same time.
    pub connections_max: usize,
    /// Time for a connection from its beginning to its end.
    pub deadline: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections_max: 32,
            deadline: Duration::from_secs(10),
        }
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status of HTTP: 200, 503, ...
    pub status: u16,
    /// What the body is.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Answer {
    /// A line of text.
    #[must_use]
    pub fn text(status: u16, body: &str) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: format!("{body}\n"),
        }
    }
}

/// What a server serves.
pub trait Site: Send + Sync {
    /// The answer for a path; `None` where there is nothing. Called by the server's thread, so others wait
    /// while it is made.
    fn answer(&self, path: &str) -> Option<Answer>;
}

/// What a server counts.
#[derive(Debug, Default)]
pub struct Counts {
    requests: AtomicU64,
    refused: AtomicU64,
    slow: AtomicU64,
    crowded: AtomicU64,
}

impl Counts {
    /// Requests that were understood.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Connections that were no requests.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Connections that were not done in time.
    #[must_use]
    pub fn slow(&self) -> u64 {
        self.slow.load(Ordering::Relaxed)
    }

    /// Connections that made way for others, or for which the system had no room.
    #[must_use]
    pub fn crowded(&self) -> u64 {
        self.crowded.load(Ordering::Relaxed)
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address could not be listened on.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The thread could not be started.
    #[error("start a thread")]
    Thread(#[source] io::Error),
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on an address, such as `127.0.0.1:6060`; port 0 is any that is free.
    ///
    /// # Errors
    /// [`ServeError`].
    pub fn start(
        address: &str,
        limits: ServerLimits,
        counts: &Arc<Counts>,
        site: Arc<dyn Site>,
    ) -> Result<Self, ServeError> {
        let failed = |source: io::Error| ServeError::Listen {
            address: address.to_owned(),
            source,
        };
        let addresses: Vec<SocketAddr> = address.to_socket_addrs().map_err(failed)?.collect();
        let listener = TcpListener::bind(addresses.as_slice()).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let stop = Arc::new(AtomicBool::new(false));
        let work = Work {
            listener,
            limits,
            counts: Arc::clone(counts),
            site,
            stop: Arc::clone(&stop),
            connections: VecDeque::new(),
        };
        let thread = Builder::new()
            .name("http".to_owned())
            .spawn(move || work.run())
            .map_err(ServeError::Thread)?;
        Ok(Self {
            address,
            stop,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was told by it.
            let _ended = thread.join();
        }
    }
}

/// The thread of a server.
struct Work {
    listener: TcpListener,
    limits: ServerLimits,
    counts: Arc<Counts>,
    site: Arc<dyn Site>,
    stop: Arc<AtomicBool>,
    /// Oldest first.
    connections: VecDeque<Connection>,
}

struct Connection {
    socket: TcpStream,
    since: Instant,
    state: State,
}

enum State {
    /// The head has not all come.
    Reading(Vec<u8>),
    /// The answer, and how much of it is written.
    Writing(Vec<u8>, usize),
    /// All is written. Closing while something is unread would take the answer back, so the client is to close
    /// first; so much it has sent since.
    Draining(usize),
}

/// Whether a connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Stays,
    Done,
}

impl Work {
    fn run(mut self) {
        while !self.stop.load(Ordering::SeqCst) {
            self.wait();
            self.accept();
            let now = Instant::now();
            let mut connections = std::mem::take(&mut self.connections);
            connections.retain_mut(|connection| {
                // A connection that fails is over.
                let turn = self.turn(connection).unwrap_or(Turn::Done);
                let is_late =
                    now.saturating_duration_since(connection.since) >= self.limits.deadline;
                if turn == Turn::Stays && is_late {
                    if !matches!(connection.state, State::Draining(_)) {
                        count(&self.counts.slow);
                    }
                    return false;
                }
                turn == Turn::Stays
            });
            self.connections = connections;
        }
    }

    /// Waits until there is something to do.
    fn wait(&self) {
        let mut fds = vec![PollFd::new(&self.listener, PollFlags::IN)];
        fds.extend(self.connections.iter().map(|connection| {
            let flags = match connection.state {
                State::Writing(..) => PollFlags::OUT,
                State::Reading(_) | State::Draining(_) => PollFlags::IN,
            };
            PollFd::new(&connection.socket, flags)
        }));
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: LOOK.subsec_nanos().into(),
        };
        if poll(&mut fds, Some(&timeout)).is_err() {
            std::thread::sleep(AFTER_AN_ERROR);
        }
    }

    fn accept(&mut self) {
        // No more than can be heard before they are crowded out.
        for _ in 0..(self.limits.connections_max / 2).max(1) {
            match self.listener.accept() {
                Ok((socket, _)) => {
                    self.make_room(self.limits.connections_max.saturating_sub(1));
                    if socket.set_nonblocking(true).is_err() {
                        count(&self.counts.crowded);
                        continue;
                    }
                    self.connections.push_back(Connection {
                        socket,
                        since: Instant::now(),
                        state: State::Reading(Vec::new()),
                    });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    // It was reset before it was taken, or descriptors have run out.
                    self.make_room(self.connections.len().saturating_sub(1));
                    std::thread::sleep(AFTER_AN_ERROR);
                    break;
                }
            }
        }
    }

    /// Drops connections beyond `n`: those that have had their answer, then those that have not finished asking,
    /// then those that do not take it; the oldest first.
    fn make_room(&mut self, n: usize) {
        while self.connections.len() > n {
            let worth = |connection: &Connection| match connection.state {
                State::Draining(_) => 0,
                State::Reading(_) => 1,
                State::Writing(..) => 2,
            };
            let ranks = self.connections.iter().map(worth).enumerate();
            let Some((at, rank)) = ranks.min_by_key(|(at, rank)| (*rank, *at)) else {
                return;
            };
            if rank > 0 {
                count(&self.counts.crowded);
            }
            self.connections.remove(at);
        }
    }

    /// Lets a connection go on as far as it can at once.
    fn turn(&self, connection: &mut Connection) -> io::Result<Turn> {
        let Connection { socket, state, .. } = connection;
        if let State::Reading(heard) = state {
            let is_end = read_some(socket, heard)?;
            let answer = match parse(heard) {
                Ok(Some(request)) => self.answer(&request),
                Ok(None) if is_end => return Ok(Turn::Done),
                Ok(None) => return Ok(Turn::Stays),
                Err(error) => {
                    count(&self.counts.refused);
                    let status = match error {
                        RequestError::TooLong => 431,
                        RequestError::Malformed => 400,
                    };
                    write_answer(&Answer::text(status, &error.to_string()), Body::Sent)
                }
            };
            *state = State::Writing(answer, 0);
        }
        if let State::Writing(bytes, at) = state {
            let end = bytes.len().min(*at + TURN_BYTES);
            match socket.write(bytes.get(*at..end).unwrap_or_default()) {
                Ok(n) => *at += n,
                Err(error) if is_passing(&error) => return Ok(Turn::Stays),
                Err(error) => return Err(error),
            }
            if *at < bytes.len() {
                return Ok(Turn::Stays);
            }
            socket.shutdown(Shutdown::Write)?;
            *state = State::Draining(0);
        }
        if let State::Draining(n) = state {
            let mut rest = Vec::new();
            let is_end = read_some(socket, &mut rest)?;
            *n += rest.len();
            if is_end || *n > REST_BYTES_MAX {
                return Ok(Turn::Done);
            }
        }
        Ok(Turn::Stays)
    }

    fn answer(&self, request: &Request) -> Vec<u8> {
        count(&self.counts.requests);
        let body = match request.method.as_str() {
            "GET" => Body::Sent,
            "HEAD" => Body::Left,
            _ => return write_answer(&Answer::text(405, "only GET and HEAD"), Body::Sent),
        };
        let answer = self.site.answer(&request.path);
        write_answer(
            &answer.unwrap_or_else(|| Answer::text(404, "there is nothing here")),
            body,
        )
    }
}

/// Whether trying again later may help.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Appends what has come, within the bytes of a turn; answers whether nothing more will.
fn read_some(socket: &mut TcpStream, heard: &mut Vec<u8>) -> io::Result<bool> {
    let mut chunk = [0; 4_096];
    for _ in 0..TURN_BYTES / chunk.len() {
        match socket.read(&mut chunk) {
            Ok(0) => return Ok(true),
            Ok(n) => heard.extend_from_slice(chunk.get(..n).unwrap_or_default()),
            Err(error) if is_passing(&error) => break,
            Err(error) => return Err(error),
        }
        if heard.len() > crate::request::HEAD_BYTES_MAX {
            break;
        }
    }
    Ok(false)
}

/// Whether the body goes with the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Sent,
    Left,
}

fn write_answer(answer: &Answer, body: Body) -> Vec<u8> {
    let reason = match answer.status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "",
    };
    let allow = match answer.status {
        405 => "Allow: GET, HEAD\r\n",
        _ => "",
    };
    let mut bytes = format!(
        "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n{allow}Connection: close\r\n\r\n",
        answer.status,
        answer.content_type,
        answer.body.len(),
    )
    .into_bytes();
    if body == Body::Sent {
        bytes.extend_from_slice(answer.body.as_bytes());
    }
    bytes
}
