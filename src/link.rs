//! Connections that processes have made with each other, handed to the dataflow.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use overspill_dataflow::Socket;
use overspill_peers::{Link, Meeting};

/// A link of the crate that makes them, as the crate that uses them takes it: neither knows the
/// other.
#[derive(Debug)]
struct Wire {
    link: Link,
    is_lost: Arc<AtomicBool>,
}

/// The sockets of a meeting, by index, and what is set when a peer has ended the connection. The dataflow does not
/// mind that where the peer ended in order, and waits for it for ever if the job was not at its end.
#[must_use]
pub fn sockets(meeting: Meeting) -> (Vec<Option<Box<dyn Socket>>>, Arc<AtomicBool>) {
    let is_lost = Arc::new(AtomicBool::new(false));
    let links = meeting.links.into_iter();
    let boxed = |link| {
        let is_lost = Arc::clone(&is_lost);
        Box::new(Wire { link, is_lost }) as Box<dyn Socket>
    };
    let sockets = links.map(|link| link.map(boxed)).collect();
    (sockets, is_lost)
}

impl Read for Wire {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let n = self.link.read(bytes)?;
        if n == 0 && !bytes.is_empty() {
            self.is_lost.store(true, Ordering::SeqCst);
        }
        Ok(n)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.link.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.link.flush()
    }
}

impl Socket for Wire {
    fn another(&self) -> io::Result<Box<dyn Socket>> {
        Ok(Box::new(Self {
            link: self.link.try_clone()?,
            is_lost: Arc::clone(&self.is_lost),
        }))
    }

    fn set_nonblocking(&self, is_nonblocking: bool) -> io::Result<()> {
        self.link.set_nonblocking(is_nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.link.shutdown(how)
    }
}
