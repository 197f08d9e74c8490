//! Options of the sockets between peers.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;

/// Has small messages sent at once, and a peer noticed that is gone without a word.
///
/// What was sent and is not acknowledged within `lost_after` ends the connection
/// (`TCP_USER_TIMEOUT`), and so do probes that are not answered while nothing is sent (keepalive,
/// begun after a quarter of that time). A process that is alive but does not read for that long,
/// stopped or swapped out, is lost in the same way once its buffers are full.
///
/// # Errors
/// When the system refuses an option.
pub fn set_options(socket: &TcpStream, lost_after: Duration) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let whole_s = |part: Duration| Duration::from_secs(part.as_secs().max(1));
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, whole_s(lost_after / 4))?;
    sockopt::set_tcp_keepintvl(socket, whole_s(lost_after / 10))?;
    // The user timeout decides; this many probes are more than fit into it.
    sockopt::set_tcp_keepcnt(socket, 20)?;
    let lost_after_ms = u32::try_from(lost_after.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(socket, lost_after_ms)?;
    Ok(())
}

/// Whether the other side has closed or reset the connection, even if there is still to read.
pub(crate) fn is_gone(socket: &TcpStream) -> bool {
    let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    let mut fds = [PollFd::new(socket, PollFlags::RDHUP)];
    let no_time = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    match poll(&mut fds, Some(&no_time)) {
        Ok(_) => fds[0].revents().intersects(gone),
        Err(_) => false,
    }
}

/// A socket whose reads and writes end at a deadline, however slowly bytes come.
pub(crate) struct Timed<'a> {
    pub(crate) socket: &'a TcpStream,
    pub(crate) deadline: Instant,
    pub(crate) now: fn() -> Instant,
}

impl Timed<'_> {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.saturating_duration_since((self.now)());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(Some(left))
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(self.left()?)?;
        self.socket.read(bytes)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(self.left()?)?;
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// Makes a socket wait for ever again, as the dataflow expects it.
pub(crate) fn wait_for_ever(socket: &TcpStream) -> io::Result<()> {
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(None)?;
    socket.set_write_timeout(None)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_peer_that_closed_is_gone_though_its_last_words_are_unread() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut dialer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        set_options(&accepted, Duration::from_secs(10)).unwrap();
        assert!(accepted.nodelay().unwrap());
        assert_eq!(sockopt::tcp_user_timeout(&accepted).unwrap(), 10_000);
        dialer.write_all(b"words").unwrap();
        assert!(!is_gone(&accepted));
        drop(dialer);
        while !is_gone(&accepted) {
            std::thread::yield_now();
        }
    }
}
