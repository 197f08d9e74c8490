//! Signals of a supervisor: flags, and a pipe that wakes it.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::SigId;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// Handled while it lives.
pub(super) struct Signals {
    wakes: UnixStream,
    stop: Arc<AtomicBool>,
    hangup: Arc<AtomicBool>,
    ids: Vec<SigId>,
}

impl Signals {
    pub(super) fn handle() -> io::Result<Self> {
        let (wakes, waker) = UnixStream::pair()?;
        wakes.set_nonblocking(true)?;
        let mut signals = Self {
            wakes,
            stop: Arc::new(AtomicBool::new(false)),
            hangup: Arc::new(AtomicBool::new(false)),
            ids: Vec::new(),
        };
        for (signal, flag) in [
            (SIGINT, Some(&signals.stop)),
            (SIGTERM, Some(&signals.stop)),
            (SIGHUP, Some(&signals.hangup)),
            (SIGCHLD, None),
        ] {
            // In this order: whoever is woken finds the flag set.
            if let Some(flag) = flag {
                signals.ids.push(flag::register(signal, Arc::clone(flag))?);
            }
            let id = low_level::pipe::register(signal, waker.try_clone()?)?;
            signals.ids.push(id);
        }
        Ok(signals)
    }

    pub(super) fn is_stop(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    pub(super) fn take_stop(&self) -> bool {
        self.stop.swap(false, Ordering::SeqCst)
    }

    pub(super) fn take_hangup(&self) -> bool {
        self.hangup.swap(false, Ordering::SeqCst)
    }

    /// Waits for any of the signals, at most for some time.
    pub(super) fn wait(&mut self, at_most: Duration) {
        let timeout = Timespec {
            tv_sec: at_most.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: at_most.subsec_nanos().into(),
        };
        let mut fds = [PollFd::new(&self.wakes, PollFlags::IN)];
        // A signal that interrupts it is one of those that were waited for.
        let _n_ready = poll(&mut fds, Some(&timeout));
        let mut bytes = [0; 64];
        while self.wakes.read(&mut bytes).is_ok_and(|n| n > 0) {}
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            low_level::unregister(id);
        }
    }
}
