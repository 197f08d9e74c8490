//! A connection between two peers that have greeted: plain, or with TLS.
//!
//! One thread reads it and another writes it, each through a clone. A TLS session is one state for
//! both directions, so it is locked while bytes are encrypted or decrypted, never while a socket
//! is waited for:
//!
//! ```text
//!  writer --lock: encrypt--> bytes --unlock--> socket
//!  reader <--lock: decrypt-- bytes <--unlock-- socket
//! ```

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most bytes read from a socket at once: some records of TLS.
const READ_BYTES: usize = 1 << 16;

/// A connection to a peer.
#[derive(Debug)]
pub struct Link(Kind);

#[derive(Debug)]
enum Kind {
    Plain(TcpStream),
    Encrypted(Arc<Encrypted>),
}

struct Encrypted {
    socket: TcpStream,
    tls: Mutex<rustls::Connection>,
    reader: Mutex<Reader>,
    writer: Mutex<Writer>,
}

struct Reader {
    socket: TcpStream,
    buffer: Vec<u8>,
    /// Bytes of the buffer that the session has not taken yet.
    heard: Range<usize>,
}

struct Writer {
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for Encrypted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Encrypted").field(&self.socket).finish()
    }
}

/// A thread that panicked has left a session that the peer will refuse: no harm in going on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    pub(crate) fn plain(socket: TcpStream) -> Self {
        Self(Kind::Plain(socket))
    }

    pub(crate) fn encrypted(socket: TcpStream, tls: rustls::Connection) -> io::Result<Self> {
        let reader = Reader {
            socket: socket.try_clone()?,
            buffer: vec![0; READ_BYTES],
            heard: 0..0,
        };
        let writer = Writer {
            socket: socket.try_clone()?,
            buffer: Vec::new(),
        };
        Ok(Self(Kind::Encrypted(Arc::new(Encrypted {
            socket,
            tls: Mutex::new(tls),
            reader: Mutex::new(reader),
            writer: Mutex::new(writer),
        }))))
    }

    /// The socket below, for its options and addresses. What is read or written there directly
    /// breaks an encrypted link.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        match &self.0 {
            Kind::Plain(socket) => socket,
            Kind::Encrypted(encrypted) => &encrypted.socket,
        }
    }

    /// Whether what is written is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        matches!(self.0, Kind::Encrypted(_))
    }

    /// Another handle of the same connection, for another thread.
    ///
    /// # Errors
    /// When the system has no more descriptors.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(match &self.0 {
            Kind::Plain(socket) => Kind::Plain(socket.try_clone()?),
            Kind::Encrypted(encrypted) => Kind::Encrypted(Arc::clone(encrypted)),
        }))
    }

    /// Whether reads and writes return at once.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn set_nonblocking(&self, is_nonblocking: bool) -> io::Result<()> {
        self.socket().set_nonblocking(is_nonblocking)
    }

    /// Ends a direction, or both. The other side reads an orderly end.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if let Kind::Encrypted(encrypted) = &self.0
            && how != Shutdown::Read
        {
            lock(&encrypted.tls).send_close_notify();
            encrypted.send(&mut lock(&encrypted.writer))?;
        }
        self.socket().shutdown(how)
    }
}

impl Encrypted {
    /// Sends what the session has encrypted.
    fn send(&self, writer: &mut Writer) -> io::Result<()> {
        let Writer { socket, buffer } = writer;
        buffer.clear();
        {
            let mut tls = lock(&self.tls);
            while tls.wants_write() {
                tls.write_tls(buffer)?;
            }
        }
        socket.write_all(buffer)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut writer = lock(&self.writer);
        let n = lock(&self.tls).writer().write(bytes)?;
        self.send(&mut writer)?;
        Ok(n)
    }

    fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        let reader = &mut *lock(&self.reader);
        loop {
            match lock(&self.tls).reader().read(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            if reader.heard.is_empty() {
                let n = reader.socket.read(&mut reader.buffer)?;
                reader.heard = 0..n;
            }
            // A session takes as much as it can hold. Of no bytes it learns that the socket has
            // ended, in order or not.
            let mut heard = &reader.buffer[reader.heard.clone()];
            let mut tls = lock(&self.tls);
            reader.heard.start += tls.read_tls(&mut heard)?;
            tls.process_new_packets().map_err(io::Error::other)?;
        }
    }
}

impl Read for Link {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Kind::Plain(socket) => socket.read(bytes),
            Kind::Encrypted(encrypted) => encrypted.read(bytes),
        }
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Kind::Plain(socket) => socket.write(bytes),
            Kind::Encrypted(encrypted) => encrypted.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Kind::Plain(socket) => socket.flush(),
            // Every write has sent what it encrypted.
            Kind::Encrypted(_) => Ok(()),
        }
    }
}
