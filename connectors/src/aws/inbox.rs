//! A bounded queue from the thread that fetches to the one that gives.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::source::Weigh;

/// A queue with a limit of bytes. Whoever puts something in asks for room first, so one thing may come on top.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    inner: Mutex<Inner<T>>,
    emptied: Notify,
    bytes_max: usize,
}

#[derive(Debug)]
struct Inner<T> {
    queue: VecDeque<T>,
    n_bytes: usize,
}

impl<T: Weigh> Inbox<T> {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            inner: Mutex::new(Inner {
                queue: VecDeque::new(),
                n_bytes: 0,
            }),
            emptied: Notify::new(),
            bytes_max: bytes_max.max(1),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room. One task waits at a time.
    pub(crate) async fn room(&self) {
        while self.lock().n_bytes >= self.bytes_max {
            self.emptied.notified().await;
        }
    }

    /// Puts something in. If `replaces` says so of the newest thing that waits, it takes its place.
    pub(crate) fn put(&self, item: T, replaces: impl FnOnce(&T) -> bool) {
        let mut inner = self.lock();
        if inner.queue.back().is_some_and(replaces)
            && let Some(old) = inner.queue.pop_back()
        {
            inner.n_bytes -= old.n_bytes();
        }
        inner.n_bytes += item.n_bytes();
        inner.queue.push_back(item);
    }

    /// Takes the next thing, if there is one.
    pub(crate) fn take(&self) -> Option<T> {
        let mut inner = self.lock();
        let item = inner.queue.pop_front()?;
        inner.n_bytes -= item.n_bytes();
        drop(inner);
        // Kept for whoever asks next, if nobody waits.
        self.emptied.notify_one();
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn a_full_inbox_has_room_again_when_something_was_taken() {
        let inbox: Inbox<Vec<u8>> = Inbox::new(10);
        let has_room = || {
            let mut context = Context::from_waker(Waker::noop());
            pin!(inbox.room()).poll(&mut context).is_ready()
        };
        assert!(has_room());
        inbox.put(vec![0; 9], |_| true);
        assert!(has_room());
        inbox.put(vec![1; 30], |_| false);
        assert!(!has_room());
        inbox.put(vec![2; 5], |last| last.len() == 30);
        assert!(!has_room());
        assert_eq!(inbox.take().map(|item| item.len()), Some(9));
        assert!(has_room());
        assert_eq!(inbox.take().map(|item| item.len()), Some(5));
        assert_eq!(inbox.take(), None);
    }
}
