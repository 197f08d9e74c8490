//! Datagrams.

use std::fs;
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::SyslogConfig;
use super::gather::Gather;
use crate::limit::Quotas;
use crate::pipe::Clocked;
use crate::source::{
    Begun, Clock, Count, Counters, Lag, LiveSource, Mailbox, Offered, Outlet, PartitionId,
    PartitionName, Position, Positions, Resume, SourceError, Turn, Weigh,
};

/// Bytes of datagrams that wait to be given.
const HELD_BYTES_MAX: usize = 16 << 20;
/// What the kernel is asked to hold; it gives what it likes.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;
/// How often the thread that receives looks whether it is to end.
const STOP_LOOK: Duration = Duration::from_millis(100);
/// How often the kernel is asked what it dropped.
const DROPS_LOOK: Duration = Duration::from_secs(1);
const PAUSE_HELD: Duration = Duration::from_millis(5);
const STACK_BYTES: usize = 256 * 1024;
/// Context of every position: a version, and nothing to know.
const CONTEXT: [u8; 1] = [1];

/// A datagram.
#[derive(Debug)]
struct Datagram {
    sender: IpAddr,
    message: Vec<u8>,
    is_cut: bool,
    time_ns: i64,
}

impl Weigh for Datagram {
    fn n_bytes(&self) -> usize {
        self.message.len() + size_of::<Self>()
    }
}

/// Receives syslog over UDP.
#[derive(Debug)]
pub struct DatagramSource {
    config: SyslogConfig,
    name: PartitionName,
    clock: Clocked,
    counters: Arc<Counters>,
    quotas: Option<Quotas>,
    gather: Gather,
    context: Arc<[u8]>,
    next_offset: u64,
    listening: Option<Listening>,
    has_begun: bool,
}

#[derive(Debug)]
struct Listening {
    socket: Arc<UdpSocket>,
    mailbox: Arc<Mailbox<Datagram>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    inode: Option<u64>,
    n_kernel_dropped: u64,
    drops_at: Instant,
}

impl DatagramSource {
    /// A source that listens from its first poll on. Messages are numbered on from a checkpoint.
    #[must_use]
    pub fn new(config: SyslogConfig, resume: &Resume, clock: Clock) -> Self {
        let name = PartitionName::new(&format!("udp:{}", config.address));
        Self {
            gather: Gather::new(config.origin.clone(), config.is_parsed),
            next_offset: resume.position(&name).map_or(0, |position| position.offset),
            config,
            name,
            clock: Clocked(clock),
            counters: Arc::default(),
            quotas: None,
            context: Arc::from(CONTEXT),
            listening: None,
            has_begun: false,
        }
    }

    /// What is over these limits is dropped, and counted ([`Count::Dropped`]): senders of datagrams do not wait.
    #[must_use]
    pub(crate) fn with_quotas(mut self, quotas: Option<Quotas>) -> Self {
        self.quotas = quotas;
        self
    }

    /// Where it listens, once it does.
    #[must_use]
    pub fn local_address(&self) -> Option<std::net::SocketAddr> {
        self.listening.as_ref()?.socket.local_addr().ok()
    }

    fn listen(&self) -> io::Result<Listening> {
        let socket = UdpSocket::bind(self.config.address)?;
        socket.set_read_timeout(Some(STOP_LOOK))?;
        // Less than was asked for is not an error.
        let _asked =
            rustix::net::sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER_BYTES);
        let inode = rustix::fs::fstat(&socket).ok().map(|stat| stat.st_ino);
        let socket = Arc::new(socket);
        let mailbox = Arc::new(Mailbox::new(HELD_BYTES_MAX));
        let stop = Arc::new(AtomicBool::new(false));
        let receiver = Receiver {
            socket: Arc::clone(&socket),
            mailbox: Arc::clone(&mailbox),
            stop: Arc::clone(&stop),
            counters: Arc::clone(&self.counters),
            clock: Arc::clone(&self.clock.0),
            message_bytes_max: self.config.message_bytes_max,
        };
        let thread = std::thread::Builder::new()
            .name("syslog-udp".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || receiver.run())?;
        Ok(Listening {
            socket,
            mailbox,
            stop,
            thread: Some(thread),
            inode,
            n_kernel_dropped: 0,
            drops_at: Instant::now() + DROPS_LOOK,
        })
    }

    fn begin(&mut self, outlet: &mut dyn Outlet) {
        if !std::mem::replace(&mut self.has_begun, true) {
            outlet.begin(Begun {
                id: PartitionId(0),
                name: self.name.clone(),
                origin: Arc::new(self.config.origin.clone()),
                position: self.position(),
            });
        }
    }

    fn position(&self) -> Position {
        Position {
            offset: self.next_offset,
            context: Arc::clone(&self.context),
        }
    }
}

/// What the receiving thread has.
struct Receiver {
    socket: Arc<UdpSocket>,
    mailbox: Arc<Mailbox<Datagram>>,
    stop: Arc<AtomicBool>,
    counters: Arc<Counters>,
    clock: Clock,
    message_bytes_max: usize,
}

impl Receiver {
    fn run(self) {
        // One byte more tells that there was more.
        let mut buffer = vec![0; self.message_bytes_max.saturating_add(1)];
        while !self.stop.load(Ordering::Relaxed) {
            let (n, sender) = match self.socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if is_pause(&error) => continue,
                Err(error) => {
                    self.counters.sample(Count::Errors, error.to_string());
                    std::thread::sleep(STOP_LOOK);
                    continue;
                }
            };
            let message = buffer.get(..n.min(self.message_bytes_max));
            let datagram = Datagram {
                sender: sender.ip().to_canonical(),
                message: message.unwrap_or_default().to_vec(),
                is_cut: n > self.message_bytes_max,
                time_ns: (self.clock)(),
            };
            match self.mailbox.offer(datagram) {
                Offered::Taken => {}
                Offered::Full => self.counters.add(Count::Dropped, 1),
                Offered::Closed => return,
            }
        }
    }
}

/// Whether a read only took too long.
pub(super) fn is_pause(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

impl Listening {
    /// Counts what the kernel dropped since it was last asked.
    fn see_drops(&mut self, counters: &Counters) {
        let now = Instant::now();
        if now < self.drops_at {
            return;
        }
        self.drops_at = now + DROPS_LOOK;
        let Some(inode) = self.inode else {
            return;
        };
        for table in ["/proc/net/udp", "/proc/net/udp6"] {
            let dropped = fs::read_to_string(table)
                .ok()
                .and_then(|table| dropped(&table, inode));
            if let Some(dropped) = dropped {
                let new = dropped.saturating_sub(self.n_kernel_dropped);
                counters.add(Count::KernelDropped, new);
                self.n_kernel_dropped = dropped;
            }
        }
    }
}

/// What the kernel's table of sockets says it dropped of the one with this inode.
fn dropped(table: &str, inode: u64) -> Option<u64> {
    let inode = inode.to_string();
    table.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        (fields.nth(9)? == inode).then(|| fields.next_back()?.parse().ok())?
    })
}

impl LiveSource for DatagramSource {
    fn id(&self) -> &str {
        &self.config.id
    }

    fn poll(&mut self, outlet: &mut dyn Outlet, wait: Duration) -> Result<Turn, SourceError> {
        if self.listening.is_none() {
            let listening = self.listen().map_err(|source| SourceError::Listen {
                address: self.name.to_string(),
                source,
            })?;
            self.listening = Some(listening);
        }
        self.begin(outlet);
        let as_of_ns = (self.clock.0)();
        let position = self.position();
        let Some(listening) = &mut self.listening else {
            return Ok(Turn::Quiet);
        };
        listening.see_drops(&self.counters);
        if listening.mailbox.held().1 == 0 {
            outlet.caught_up(PartitionId(0), as_of_ns, position);
        }
        if !listening.mailbox.wait(wait) {
            return Ok(Turn::Quiet);
        }
        if !outlet.has_room(PartitionId(0)) {
            std::thread::sleep(wait.min(PAUSE_HELD));
            return Ok(Turn::Quiet);
        }
        while !self.gather.is_full()
            && let Some(datagram) = listening.mailbox.take()
        {
            if let Some(quotas) = &self.quotas {
                if !quotas.has_left((self.clock.0)()) {
                    self.counters.add(Count::Dropped, 1);
                    continue;
                }
                quotas.spend(1, datagram.message.len());
            }
            let sender = datagram.sender.to_string();
            let message = (sender.as_bytes(), &*datagram.message, datagram.is_cut);
            self.gather
                .add(self.next_offset, message, datagram.time_ns, &self.counters);
            self.next_offset += 1;
        }
        let arrival_ns = (self.clock.0)();
        let batch = self
            .gather
            .batch(&self.context, self.next_offset, arrival_ns, &self.counters);
        if let Some(batch) = batch {
            outlet.give(batch);
        }
        Ok(Turn::Gave)
    }

    fn committed(&mut self, _positions: &Positions) {}

    fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    fn lags(&self, each: &mut dyn FnMut(PartitionId, Lag)) {
        if let Some(listening) = &self.listening {
            let (n_bytes, n_lines) = listening.mailbox.held();
            let lag = Lag {
                offset: self.next_offset,
                bytes: Some(n_bytes as u64),
                lines: Some(n_lines as u64),
            };
            each(PartitionId(0), lag);
        }
    }

    fn close(&mut self) {
        if let Some(mut listening) = self.listening.take() {
            listening.stop.store(true, Ordering::Relaxed);
            listening.mailbox.close();
            if let Some(thread) = listening.thread.take() {
                // A thread that panicked has nothing more to say.
                let _ended = thread.join();
            }
        }
    }
}

impl Drop for DatagramSource {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_says_what_it_dropped() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n \
                     1026: 0100007F:0202 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12345 2 0000000000000000 17\n";
        assert_eq!(dropped(table, 12_345), Some(17));
        assert_eq!(dropped(table, 1), None);
    }
}
