//! Processes of one job find each other: our own handshake, then timely's exchange.
//!
//! Timely's own connector retries for ever, prints to standard output and panics on a stray
//! connection, so the sockets are made here. Each process listens; process `i` connects to all
//! below it and accepts all above it. A connection opens with a fixed greeting:
//!
//! ```text
//! | "OVERSPIL" | generation: u64 | secret: 32 bytes | index: u32 |   ->   one byte, 1 = welcome
//! ```
//!
//! Whoever does not greet so within [`GREETING_TIMEOUT`] is dropped and counts for nothing. The
//! secret keeps strangers out; it does not encrypt. Until peers are authenticated by more than
//! that, processes belong on loopback or on a private network.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

const MAGIC: &[u8; 8] = b"OVERSPIL";
const GREETING_BYTES: usize = 52;
/// How long a connection may take to greet.
pub const GREETING_TIMEOUT: Duration = Duration::from_secs(2);

/// Who belongs to one run of a job.
#[derive(Debug, Clone)]
pub struct Peers {
    /// This process.
    pub index: usize,
    /// Where each process listens, by index.
    pub addresses: Vec<SocketAddr>,
    /// Shared by the processes of one run.
    pub secret: [u8; 32],
    /// Run of the job: processes of an earlier run are refused.
    pub generation: u64,
}

/// Why the processes did not come together.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A socket failed.
    #[error("{what}")]
    Io {
        /// What was done.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Time ran out.
    #[error("process {index} did not come within {waited:?}")]
    Missing {
        /// The process that is missing.
        index: usize,
        /// How long was waited.
        waited: Duration,
    },
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> ClusterError {
    move |source| ClusterError::Io { what, source }
}

impl Peers {
    fn greeting(&self, index: usize) -> [u8; GREETING_BYTES] {
        let mut bytes = [0; GREETING_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.generation.to_le_bytes());
        bytes[16..48].copy_from_slice(&self.secret);
        bytes[48..].copy_from_slice(&u32::try_from(index).unwrap_or(u32::MAX).to_le_bytes());
        bytes
    }

    /// The index a greeting announces, if the greeting is that of a peer above this process.
    fn accepts(&self, greeting: &[u8; GREETING_BYTES]) -> Option<usize> {
        let index = (self.index + 1..self.addresses.len())
            .find(|index| greeting[48..] == self.greeting(*index)[48..])?;
        // No early exit: the comparison takes the same time wherever the bytes differ.
        let differs = greeting
            .iter()
            .zip(&self.greeting(index))
            .fold(0u8, |acc, (a, b)| acc | (a ^ b));
        (differs == 0).then_some(index)
    }
}

/// One connected socket for each peer; `None` in our own place.
///
/// # Errors
/// [`ClusterError`] when a peer does not come within `patience`, or a socket fails.
pub fn connect(
    listener: &TcpListener,
    peers: &Peers,
    patience: Duration,
    now: fn() -> Instant,
) -> Result<Vec<Option<TcpStream>>, ClusterError> {
    let deadline = now() + patience;
    let mut sockets: Vec<Option<TcpStream>> = peers.addresses.iter().map(|_| None).collect();
    for (index, address) in peers.addresses.iter().enumerate().take(peers.index) {
        let socket = dial(peers, *address, || now() < deadline).ok_or(ClusterError::Missing {
            index,
            waited: patience,
        })?;
        sockets[index] = Some(socket);
    }
    listener
        .set_nonblocking(true)
        .map_err(failed("make the listener non-blocking"))?;
    loop {
        let Some(index) = (peers.index + 1..sockets.len()).find(|i| sockets[*i].is_none()) else {
            return Ok(sockets);
        };
        match listener.accept() {
            Ok((socket, _)) => {
                if let Some((index, socket)) = welcome(peers, socket, now) {
                    sockets[index] = Some(socket);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if now() >= deadline {
                    return Err(ClusterError::Missing {
                        index,
                        waited: patience,
                    });
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(failed("accept a peer")(error)),
        }
    }
}

/// Connects to a peer below, again and again while there is time.
fn dial(peers: &Peers, address: SocketAddr, in_time: impl Fn() -> bool) -> Option<TcpStream> {
    while in_time() {
        if let Ok(mut socket) = TcpStream::connect_timeout(&address, GREETING_TIMEOUT)
            && socket.set_nodelay(true).is_ok()
            && socket.set_read_timeout(Some(GREETING_TIMEOUT)).is_ok()
            && socket.write_all(&peers.greeting(peers.index)).is_ok()
        {
            let mut answer = [0];
            if socket.read_exact(&mut answer).is_ok()
                && answer == [1]
                && socket.set_read_timeout(None).is_ok()
            {
                return Some(socket);
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

/// Hears a greeting; a stranger's connection is dropped, and so is one that greets byte by byte.
fn welcome(
    peers: &Peers,
    mut socket: TcpStream,
    now: fn() -> Instant,
) -> Option<(usize, TcpStream)> {
    socket.set_nonblocking(false).ok()?;
    socket.set_nodelay(true).ok()?;
    let deadline = now() + GREETING_TIMEOUT;
    let mut greeting = [0; GREETING_BYTES];
    let mut n_heard = 0;
    while n_heard < GREETING_BYTES {
        // A socket takes no timeout of nothing, so this ends when no time is left.
        let left = deadline.saturating_duration_since(now());
        socket.set_read_timeout(Some(left)).ok()?;
        match socket.read(&mut greeting[n_heard..]) {
            Ok(0) => return None,
            Ok(n) => n_heard += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    let index = peers.accepts(&greeting)?;
    socket.write_all(&[1]).ok()?;
    socket.set_read_timeout(None).ok()?;
    Some((index, socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(index: usize, addresses: &[SocketAddr], generation: u64) -> Peers {
        Peers {
            index,
            addresses: addresses.to_vec(),
            secret: [7; 32],
            generation,
        }
    }

    #[test]
    fn strangers_and_former_generations_are_refused_and_peers_still_meet() {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let second = TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = [first.local_addr().unwrap(), second.local_addr().unwrap()];
        let waiting = std::thread::Builder::new()
            .name("peer-0".into())
            .spawn(move || {
                connect(
                    &first,
                    &peers(0, &addresses, 2),
                    Duration::from_secs(20),
                    Instant::now,
                )
            })
            .unwrap();
        // Garbage, then a process of the run before.
        TcpStream::connect(addresses[0])
            .unwrap()
            .write_all(&[0xff; 200])
            .unwrap();
        let former = peers(1, &addresses, 1);
        let mut old = TcpStream::connect(addresses[0]).unwrap();
        old.write_all(&former.greeting(1)).unwrap();
        let mut answer = [0];
        assert!(
            old.read_exact(&mut answer).is_err(),
            "a former generation was welcomed"
        );

        let own = peers(1, &addresses, 2);
        let up = connect(&second, &own, Duration::from_secs(20), Instant::now).unwrap();
        let down = waiting.join().unwrap().unwrap();
        assert!(up[0].is_some() && up[1].is_none());
        assert!(down[0].is_none() && down[1].is_some());
    }
}
