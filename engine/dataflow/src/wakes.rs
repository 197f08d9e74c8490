//! Waking workers that sleep, and only those.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use timely::scheduling::SyncActivator;

/// The detect operators of a process's workers.
#[derive(Debug)]
pub(crate) struct Wakes(Vec<Wake>);

/// One of them.
#[derive(Debug, Default)]
struct Wake {
    /// It found nothing to do and may be asleep.
    is_armed: AtomicBool,
    activator: OnceLock<SyncActivator>,
}

impl Wakes {
    pub(crate) fn new(n_workers: usize) -> Self {
        Self((0..n_workers).map(|_| Wake::default()).collect())
    }

    /// Names the operator of a worker.
    pub(crate) fn set(&self, worker: usize, activator: SyncActivator) {
        if let Some(wake) = self.0.get(worker) {
            // A worker builds the graph once.
            let _known = wake.activator.set(activator);
        }
    }

    /// A worker found nothing to do. It has to look once more afterwards, before it sleeps: what
    /// was made before this is seen then, and what is made later takes the flag.
    pub(crate) fn arm(&self, worker: usize) {
        if let Some(wake) = self.0.get(worker) {
            wake.is_armed.store(true, Ordering::SeqCst);
            fence(Ordering::SeqCst);
        }
    }

    /// A worker has something to do after all.
    pub(crate) fn disarm(&self, worker: usize) {
        if let Some(wake) = self.0.get(worker) {
            wake.is_armed.store(false, Ordering::SeqCst);
        }
    }

    /// Whether a worker sleeps.
    pub(crate) fn is_any_armed(&self) -> bool {
        fence(Ordering::SeqCst);
        let is_armed = |wake: &Wake| wake.is_armed.load(Ordering::SeqCst);
        self.0.iter().any(is_armed)
    }

    /// Wakes a worker that sleeps; answers whether it did.
    pub(crate) fn wake(&self, worker: usize) -> bool {
        fence(Ordering::SeqCst);
        let Some(wake) = self.0.get(worker) else {
            return false;
        };
        // The first look keeps busy workers' flags where they are.
        if !wake.is_armed.load(Ordering::SeqCst) || !wake.is_armed.swap(false, Ordering::SeqCst) {
            return false;
        }
        // It only fails when the worker is gone, and then nobody waits for it.
        wake.activator
            .get()
            .is_some_and(|activator| activator.activate().is_ok())
    }

    /// Wakes one worker that sleeps, if one does: `first`, or the next after it.
    pub(crate) fn wake_one(&self, first: usize) {
        let n = self.0.len();
        let _woken = (0..n).any(|step| self.wake((first + step) % n));
    }

    /// Wakes all that sleep.
    pub(crate) fn wake_all(&self) {
        for worker in 0..self.0.len() {
            self.wake(worker);
        }
    }
}
