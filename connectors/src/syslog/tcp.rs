//! Connections, with TLS or without, into a write-ahead log.

mod connection;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::ServerConfig;

use super::gather::Gather;
use super::{StreamConfig, SyslogConfig, TlsError};
use crate::pipe::Clocked;
use crate::source::{
    Begun, Clock, Count, Counters, Lag, LiveSource, Outlet, PartitionId, PartitionName, Position,
    Positions, Resume, SourceError, Turn,
};
use crate::wal::{Next, Wal, WalReader};
use connection::Shared;

/// Pause after listening, or the log, failed within a poll.
const PAUSE_HELD: Duration = Duration::from_millis(5);
/// Context of every position: a version, and nothing to know.
const CONTEXT: [u8; 1] = [1];

/// Receives syslog over TCP or TLS.
#[derive(Debug)]
pub struct StreamSource {
    config: SyslogConfig,
    stream: StreamConfig,
    tls: Option<Arc<ServerConfig>>,
    name: PartitionName,
    resume: Resume,
    clock: Clocked,
    counters: Arc<Counters>,
    gather: Gather,
    context: Arc<[u8]>,
    log: Option<(Arc<Wal>, WalReader)>,
    listening: Option<Listening>,
}

#[derive(Debug)]
struct Listening {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl StreamSource {
    /// A source that listens from its first poll on.
    ///
    /// # Errors
    /// When certificates or keys cannot be used.
    pub fn new(
        config: SyslogConfig,
        stream: StreamConfig,
        resume: Resume,
        clock: Clock,
    ) -> Result<Self, TlsError> {
        let tls = match &stream.tls {
            Some(tls) => Some(tls.load()?),
            None => None,
        };
        let kind = if tls.is_some() { "tls" } else { "tcp" };
        Ok(Self {
            name: PartitionName::new(&format!("{kind}:{}", config.address)),
            gather: Gather::new(config.origin.clone(), config.is_parsed),
            config,
            stream,
            tls,
            resume,
            clock: Clocked(clock),
            counters: Arc::default(),
            context: Arc::from(CONTEXT),
            log: None,
            listening: None,
        })
    }

    /// Where it listens, once it does.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        Some(self.listening.as_ref()?.address)
    }

    /// Opens the log, and begins where the checkpoint was, or with the oldest there is.
    fn open(&mut self, outlet: &mut dyn Outlet) -> Result<(), SourceError> {
        if self.log.is_none() {
            let position = self.resume.position(&self.name);
            let least = position.map_or(0, |position| position.offset);
            let wal = Wal::open(self.stream.wal.clone(), least);
            let wal = wal.map_err(|source| self.keep_failed(source))?;
            let offset = position.map_or_else(|| wal.start(), |position| position.offset);
            outlet.begin(Begun {
                id: PartitionId(0),
                name: self.name.clone(),
                origin: Arc::new(self.config.origin.clone()),
                position: self.position(offset),
            });
            self.log = Some((Arc::new(wal), WalReader::new(offset)));
        }
        if self.listening.is_none()
            && let Some((wal, _)) = &self.log
        {
            let listening = self.listen(wal).map_err(|source| SourceError::Listen {
                address: self.name.to_string(),
                source,
            })?;
            self.listening = Some(listening);
        }
        Ok(())
    }

    fn keep_failed(&self, source: io::Error) -> SourceError {
        SourceError::Keep {
            path: self.stream.wal.dir.display().to_string(),
            source,
        }
    }

    fn listen(&self, wal: &Arc<Wal>) -> io::Result<Listening> {
        let listener = TcpListener::bind(self.config.address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            wal: Arc::clone(wal),
            counters: Arc::clone(&self.counters),
            clock: Clocked(Arc::clone(&self.clock.0)),
            stop: AtomicBool::new(false),
            tls: self.tls.clone(),
            message_bytes_max: self.config.message_bytes_max,
            connections_max: self.stream.connections_max,
            idle_timeout: self.stream.idle_timeout,
        });
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("syslog-accept".to_owned())
            .stack_size(connection::STACK_BYTES)
            .spawn(move || connection::accept(&listener, &for_thread))?;
        Ok(Listening {
            address,
            shared,
            thread: Some(thread),
        })
    }

    fn position(&self, offset: u64) -> Position {
        Position {
            offset,
            context: Arc::clone(&self.context),
        }
    }

    /// Takes records out of the log until a batch is full.
    fn gather(&mut self) -> io::Result<u64> {
        let Some((wal, reader)) = &mut self.log else {
            return Ok(0);
        };
        while !self.gather.is_full() {
            match reader.next(wal)? {
                Next::End => break,
                Next::Record(offset, record) => {
                    let message = (record.sender, record.message, record.is_cut);
                    self.gather
                        .add(offset, message, record.time_ns, &self.counters);
                }
                Next::Lost(from, to) => {
                    let text = format!("{}: {from} to {to} of the log", self.name);
                    self.counters.sample(Count::PositionsLost, text);
                }
            }
        }
        Ok(reader.offset())
    }
}

impl LiveSource for StreamSource {
    fn id(&self) -> &str {
        &self.config.id
    }

    fn poll(&mut self, outlet: &mut dyn Outlet, wait: Duration) -> Result<Turn, SourceError> {
        let opened = self.open(outlet);
        let as_of_ns = (self.clock.0)();
        let Some((wal, reader)) = &self.log else {
            return opened.map(|()| Turn::Quiet);
        };
        // What is in the log is given also while the address is taken.
        if let Err(error) = wal.sync_if_due() {
            self.counters.sample(Count::Errors, error.to_string());
        }
        let offset = reader.offset();
        if wal.end() <= offset {
            opened?;
            outlet.caught_up(PartitionId(0), as_of_ns, self.position(offset));
            let since = Instant::now();
            wal.wait_beyond(offset, wait);
            if wal.end() <= offset {
                std::thread::sleep(wait.saturating_sub(since.elapsed()));
                return Ok(Turn::Quiet);
            }
        }
        if !outlet.has_room(PartitionId(0)) {
            std::thread::sleep(wait.min(PAUSE_HELD));
            return Ok(Turn::Quiet);
        }
        let next_offset = self.gather().map_err(|source| self.keep_failed(source))?;
        let arrival_ns = (self.clock.0)();
        let batch = self
            .gather
            .batch(&self.context, next_offset, arrival_ns, &self.counters);
        if let Some(batch) = batch {
            outlet.give(batch);
        }
        Ok(Turn::Gave)
    }

    fn committed(&mut self, positions: &Positions) {
        if let (Some(position), Some((wal, _))) = (positions.get(&self.name), &self.log)
            && let Err(error) = wal.delete_below(position.offset)
        {
            self.counters.sample(Count::Errors, error.to_string());
        }
    }

    fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    fn lags(&self, each: &mut dyn FnMut(PartitionId, Lag)) {
        if let Some((wal, reader)) = &self.log {
            let offset = reader.offset();
            let lag = Lag {
                offset,
                bytes: Some(wal.end().saturating_sub(offset)),
                lines: None,
            };
            each(PartitionId(0), lag);
        }
    }

    fn close(&mut self) {
        if let Some(mut listening) = self.listening.take() {
            listening.shared.stop.store(true, Ordering::Relaxed);
            if let Some(thread) = listening.thread.take() {
                // It waits for the connections, which look at the flag several times a second.
                let _ended = thread.join();
            }
        }
    }
}

impl Drop for StreamSource {
    fn drop(&mut self) {
        self.close();
    }
}
