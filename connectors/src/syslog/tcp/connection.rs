//! The threads of a listener: one that accepts, and one a connection.

use std::io::{self, Read};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::pipe::Clocked;
use crate::source::{Backoff, Count, Counters};
use crate::syslog::framing::Framer;
use crate::syslog::udp::is_pause;
use crate::wal::{Appended, Record, Wal};

/// Stack of each thread.
pub(super) const STACK_BYTES: usize = 256 * 1024;
/// Bytes read at once.
const BLOCK_BYTES: usize = 32 * 1024;
/// How often threads look whether they are to end.
const STOP_LOOK: Duration = Duration::from_millis(100);
/// Longest that a TLS handshake may take.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);

/// What all threads of a listener have.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) wal: Arc<Wal>,
    pub(super) counters: Arc<Counters>,
    pub(super) clock: Clocked,
    pub(super) stop: AtomicBool,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) message_bytes_max: usize,
    pub(super) connections_max: usize,
    pub(super) idle_timeout: Duration,
}

impl Shared {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Accepts connections until it is to stop, then waits for their threads.
pub(super) fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    while !shared.is_stopped() {
        let mut waits = [PollFd::new(listener, PollFlags::IN)];
        let timeout = Timespec::try_from(STOP_LOOK).ok();
        // Whatever comes of it, `accept` says more.
        let _ready = poll(&mut waits, timeout.as_ref());
        let (stream, sender) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(error) if is_pause(&error) => continue,
            Err(error) => {
                shared.counters.sample(Count::Errors, error.to_string());
                std::thread::sleep(STOP_LOOK);
                continue;
            }
        };
        threads.retain(|thread| !thread.is_finished());
        if threads.len() >= shared.connections_max {
            shared
                .counters
                .sample(Count::ConnectionsRefused, format!("{sender}: too many"));
            continue;
        }
        shared.counters.add(Count::Connections, 1);
        let for_thread = Arc::clone(shared);
        let sender = sender.ip().to_canonical();
        let spawned = std::thread::Builder::new()
            .name("syslog-tcp".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || serve(stream, sender, &for_thread));
        match spawned {
            Ok(thread) => threads.push(thread),
            Err(error) => shared.counters.sample(Count::Errors, error.to_string()),
        }
    }
    for thread in threads {
        // One that panicked has nothing more to say.
        let _ended = thread.join();
    }
}

/// A connection, with TLS or without.
enum Link {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Link {
    fn new(stream: TcpStream, shared: &Shared) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(STOP_LOOK))?;
        stream.set_write_timeout(Some(HANDSHAKE_WAIT))?;
        let Some(tls) = &shared.tls else {
            return Ok(Self::Plain(stream));
        };
        let connection = ServerConnection::new(Arc::clone(tls)).map_err(io::Error::other)?;
        Ok(Self::Tls(Box::new(StreamOwned::new(connection, stream))))
    }

    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(block),
            Self::Tls(stream) => stream.read(block),
        }
    }

    fn is_shaking_hands(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.conn.is_handshaking(),
        }
    }
}

/// Reads a connection to its end.
fn serve(stream: TcpStream, sender: IpAddr, shared: &Shared) {
    let sender = sender.to_string();
    let refuse = |why: &str| {
        let text = format!("{sender}: {why}");
        shared.counters.sample(Count::ConnectionsRefused, text);
    };
    let mut link = match Link::new(stream, shared) {
        Ok(link) => link,
        Err(error) => return refuse(&error.to_string()),
    };
    let mut framer = Framer::new(shared.message_bytes_max);
    let mut block = vec![0; BLOCK_BYTES];
    let (since, mut read_at) = (Instant::now(), Instant::now());
    while !shared.is_stopped() {
        match link.read(&mut block) {
            Ok(0) => break,
            Ok(n) => {
                read_at = Instant::now();
                let mut messages = Messages::default();
                let read = block.get(..n).unwrap_or_default();
                framer.push(read, |message, is_cut| messages.add(message, is_cut));
                if !messages.append(&sender, shared) {
                    return;
                }
            }
            Err(error) if is_pause(&error) => {
                if link.is_shaking_hands() && since.elapsed() >= HANDSHAKE_WAIT {
                    return refuse("no handshake");
                }
                if read_at.elapsed() >= shared.idle_timeout {
                    refuse("idle");
                    break;
                }
            }
            // Many senders end a TLS connection without saying so.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) if link.is_shaking_hands() => return refuse(&error.to_string()),
            Err(error) => {
                let text = format!("{sender}: {error}");
                shared.counters.sample(Count::Errors, text);
                break;
            }
        }
    }
    let mut messages = Messages::default();
    framer.finish(|message, is_cut| messages.add(message, is_cut));
    messages.append(&sender, shared);
}

/// Messages on their way into the log.
#[derive(Default)]
struct Messages {
    bytes: Vec<u8>,
    ends: Vec<(usize, bool)>,
}

impl Messages {
    fn add(&mut self, message: &[u8], is_cut: bool) {
        self.bytes.extend_from_slice(message);
        self.ends.push((self.bytes.len(), is_cut));
    }

    /// Puts them into the log, waiting for room. Answers false when the listener stops meanwhile.
    fn append(&self, sender: &str, shared: &Shared) -> bool {
        if self.ends.is_empty() {
            return true;
        }
        let time_ns = (shared.clock.0)();
        let mut start = 0;
        let records: Vec<Record<'_>> = self
            .ends
            .iter()
            .map(|(end, is_cut)| Record {
                time_ns,
                is_cut: *is_cut,
                sender: sender.as_bytes(),
                message: self
                    .bytes
                    .get(std::mem::replace(&mut start, *end)..*end)
                    .unwrap_or_default(),
            })
            .collect();
        let mut backoff = Backoff::default();
        let mut has_waited = false;
        loop {
            match shared.wal.append(&records) {
                Ok(Appended::Yes) => return true,
                Ok(Appended::Full) => {
                    if !std::mem::replace(&mut has_waited, true) {
                        shared.counters.add(Count::LogWaits, 1);
                    }
                    shared.wal.wait_for_room(STOP_LOOK);
                }
                Err(error) => {
                    shared.counters.sample(Count::Errors, error.to_string());
                    std::thread::sleep(backoff.pause().min(Duration::from_secs(1)));
                }
            }
            if shared.is_stopped() {
                return false;
            }
        }
    }
}
