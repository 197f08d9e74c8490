//! Connections to the other processes of a job, whoever has made them.

use std::fmt::Debug;
use std::io::{self, Read, Write};
use std::net::Shutdown;

use timely::communication::allocator::zero_copy::stream::Stream;

/// A connection to another process of the job: both have proven who they are, and from now on it
/// is the dataflow's. One thread reads it and another writes it.
pub trait Socket: Debug + Send + Sync + Read + Write {
    /// Another handle of the same connection.
    ///
    /// # Errors
    /// When there can be no more.
    fn another(&self) -> io::Result<Box<dyn Socket>>;

    /// Whether reads and writes return at once.
    ///
    /// # Errors
    /// When the connection is gone.
    fn set_nonblocking(&self, is_nonblocking: bool) -> io::Result<()>;

    /// Ends a direction, or both; the other side reads an orderly end.
    ///
    /// # Errors
    /// When the connection is gone.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;
}

/// A [`Socket`] as timely wants it.
pub(crate) struct Connection(pub(crate) Box<dyn Socket>);

impl Read for Connection {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Stream for Connection {
    fn try_clone(&self) -> io::Result<Self> {
        self.0.another().map(Self)
    }

    fn set_nonblocking(&self, is_nonblocking: bool) -> io::Result<()> {
        self.0.set_nonblocking(is_nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}
