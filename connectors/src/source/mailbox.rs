//! A bounded queue from threads that receive to the source that gives.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What counts against a mailbox's limit.
pub(crate) trait Weigh {
    /// Bytes it holds.
    fn n_bytes(&self) -> usize;
}

/// What became of something that was put into a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    /// It is in.
    Taken,
    /// There was no room.
    Full,
    /// Nobody will take it out any more.
    Closed,
}

/// A queue with a limit of bytes. One thing always has room, so nothing is too large for ever.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    inner: Mutex<Inner<T>>,
    filled: Condvar,
    emptied: Condvar,
    bytes_max: usize,
}

#[derive(Debug)]
struct Inner<T> {
    queue: VecDeque<T>,
    n_bytes: usize,
    is_closed: bool,
}

impl<T: Weigh> Mailbox<T> {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            inner: Mutex::new(Inner {
                queue: VecDeque::new(),
                n_bytes: 0,
                is_closed: false,
            }),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            bytes_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something in if there is room.
    pub(crate) fn offer(&self, item: T) -> Offered {
        let mut inner = self.lock();
        if inner.is_closed {
            return Offered::Closed;
        }
        if !inner.queue.is_empty() && inner.n_bytes + item.n_bytes() > self.bytes_max {
            return Offered::Full;
        }
        inner.n_bytes += item.n_bytes();
        inner.queue.push_back(item);
        self.filled.notify_one();
        Offered::Taken
    }

    /// Puts something in, waiting for room; answers false when the mailbox is closed.
    pub(crate) fn put(&self, item: T) -> bool {
        let mut inner = self.lock();
        while !inner.is_closed
            && !inner.queue.is_empty()
            && inner.n_bytes + item.n_bytes() > self.bytes_max
        {
            inner = self
                .emptied
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if inner.is_closed {
            return false;
        }
        inner.n_bytes += item.n_bytes();
        inner.queue.push_back(item);
        self.filled.notify_one();
        true
    }

    /// Takes the next thing, if there is one.
    pub(crate) fn take(&self) -> Option<T> {
        let mut inner = self.lock();
        let item = inner.queue.pop_front()?;
        inner.n_bytes -= item.n_bytes();
        self.emptied.notify_all();
        Some(item)
    }

    /// Waits until there is something, or time is up; answers whether there is.
    pub(crate) fn wait(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let mut inner = self.lock();
        while inner.queue.is_empty() && !inner.is_closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            inner = self
                .filled
                .wait_timeout(inner, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        !inner.queue.is_empty()
    }

    /// Bytes and things that wait.
    pub(crate) fn held(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.n_bytes, inner.queue.len())
    }

    /// Nothing more is put in, and whoever waits for room is told.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_all();
        self.emptied.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    impl Weigh for Vec<u8> {
        fn n_bytes(&self) -> usize {
            self.len()
        }
    }

    #[test]
    fn a_full_mailbox_refuses_or_makes_wait_and_takes_one_thing_of_any_size() {
        let mailbox = Arc::new(Mailbox::new(10));
        assert_eq!(mailbox.offer(vec![0; 20]), Offered::Taken);
        assert_eq!(mailbox.offer(vec![0; 1]), Offered::Full);
        assert_eq!(mailbox.held(), (20, 1));
        let other = Arc::clone(&mailbox);
        let thread = std::thread::Builder::new()
            .spawn(move || other.put(vec![1; 3]))
            .unwrap();
        assert_eq!(mailbox.take().unwrap().len(), 20);
        assert!(thread.join().unwrap());
        assert!(mailbox.wait(Duration::from_secs(5)));
        assert_eq!(mailbox.take().unwrap(), vec![1; 3]);
        assert!(!mailbox.wait(Duration::from_millis(1)));
        mailbox.close();
        assert!(!mailbox.put(vec![1]));
        assert_eq!(mailbox.offer(vec![1]), Offered::Closed);
    }
}
