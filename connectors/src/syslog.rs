//! A syslog server: UDP, TCP and TLS. CrowdSec's `source: syslog`, which knows UDP only.
//!
//! Messages become lines by the rules of CrowdSec's source (`message`): RFC 3164, else RFC 5424, else they are
//! refused, counted and sampled. All senders of one listener are one partition; a batch says which lines are whose,
//! and `Line.Src` is the address of the sender. When a message arrived travels with its line.
//!
//! ```text
//!  UDP  --datagrams--> thread: receives --bounded mailbox----------> poll: parses, gives
//!  TCP  --streams----> a thread a connection: frames --write-ahead log--> poll: reads, parses, gives
//! ```
//!
//! **UDP** promises nothing: what finds no room is dropped here ([`Count::Dropped`]) or by the kernel
//! ([`Count::KernelDropped`], as it tells itself), and what was received and is in no checkpoint is lost with
//! the process.
//!
//! **TCP and TLS** (RFC 5425) have no acknowledgement of their own. A message that was read from its
//! connection is in the write-ahead log ([`mod@crate::wal`]) before more is read, so it survives the process; a
//! full log stops the reading, and so the senders. Positions are offsets in the log, and what lies below a durable
//! checkpoint is deleted. Bytes on their way when the process dies are lost. Messages are counted octets or lines, told for
//! each message (`framing`). The number of connections has a limit, and one that is quiet for too long is closed.

mod framing;
mod gather;
mod message;
mod tcp;
#[cfg(test)]
mod tests;
mod time;
mod tls;
mod udp;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use overspill_event::Origin;

pub use tcp::StreamSource;
pub use tls::{TlsConfig, TlsError};
pub use udp::DatagramSource;

use crate::wal::WalConfig;

#[cfg(doc)]
use crate::source::Count;

/// Longest message unless configured otherwise, as in CrowdSec.
pub const MESSAGE_BYTES_MAX: usize = 2048;

/// What all kinds of listener have.
#[derive(Debug, Clone)]
pub struct SyslogConfig {
    /// Name of the source.
    pub id: String,
    /// Where to listen.
    pub address: SocketAddr,
    /// Longest message; a longer one is cut.
    pub message_bytes_max: usize,
    /// Whether messages are parsed, or only their priority taken away.
    pub is_parsed: bool,
    /// Module and labels of the lines; `src` becomes the sender.
    pub origin: Origin,
}

impl SyslogConfig {
    /// Listens here, with everything else as it is by default.
    #[must_use]
    pub fn new(id: &str, address: SocketAddr, origin: Origin) -> Self {
        Self {
            id: id.to_owned(),
            address,
            message_bytes_max: MESSAGE_BYTES_MAX,
            is_parsed: true,
            origin,
        }
    }
}

/// What a listener for connections has besides.
#[derive(Debug, Clone)]
pub struct StreamConfig {
    /// Its write-ahead log.
    pub wal: WalConfig,
    /// TLS, or none.
    pub tls: Option<TlsConfig>,
    /// Most connections at a time; one more is closed at once.
    pub connections_max: usize,
    /// A connection that sends nothing for so long is closed.
    pub idle_timeout: Duration,
}

impl StreamConfig {
    /// Keeps its log in a directory, with everything else as it is by default.
    #[must_use]
    pub fn new(wal_dir: PathBuf) -> Self {
        Self {
            wal: WalConfig::new(wal_dir),
            tls: None,
            connections_max: 512,
            idle_timeout: Duration::from_secs(60 * 60),
        }
    }
}
