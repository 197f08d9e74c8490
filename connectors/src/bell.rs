//! Which partitions have something, as the threads that fetch tell it.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Numbers of streams whose queues were empty and are not any more.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    state: Mutex<State>,
    rung: Condvar,
}

#[derive(Debug, Default)]
struct State {
    numbers: BTreeSet<u32>,
    /// Something else is new.
    is_news: bool,
}

impl Bell {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This stream has something.
    pub(crate) fn ring(&self, number: u32) {
        self.lock().numbers.insert(number);
        self.rung.notify_all();
    }

    /// These may have something.
    pub(crate) fn ring_all(&self, numbers: impl Iterator<Item = u32>) {
        self.lock().numbers.extend(numbers);
    }

    /// There is something to see besides records.
    pub(crate) fn ring_news(&self) {
        self.lock().is_news = true;
        self.rung.notify_all();
    }

    /// Who rang.
    pub(crate) fn take(&self) -> BTreeSet<u32> {
        std::mem::take(&mut self.lock().numbers)
    }

    /// Waits until it rings, or time is up.
    pub(crate) fn wait(&self, wait: Duration) {
        let mut state = self.lock();
        if state.numbers.is_empty() && !state.is_news {
            state = self
                .rung
                .wait_timeout(state, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.is_news = false;
    }
}
