//! Connections that processes have made with each other, handed to the dataflow.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use overspill_dataflow::Socket;
use overspill_peers::{Link, Meeting};

/// A link of the crate that makes them, as the crate that uses them takes it: neither knows the
/// other.
#[derive(Debug)]
struct Wire(Link);

/// The sockets of a meeting, by index.
#[must_use]
pub fn sockets(meeting: Meeting) -> Vec<Option<Box<dyn Socket>>> {
    let links = meeting.links.into_iter();
    let boxed = |link| Box::new(Wire(link)) as Box<dyn Socket>;
    links.map(|link| link.map(boxed)).collect()
}

impl Read for Wire {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Socket for Wire {
    fn another(&self) -> io::Result<Box<dyn Socket>> {
        Ok(Box::new(Self(self.0.try_clone()?)))
    }

    fn set_nonblocking(&self, is_nonblocking: bool) -> io::Result<()> {
        self.0.set_nonblocking(is_nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}
