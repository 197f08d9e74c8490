//! Other content for a job that runs: all processes change over at one event time.
//!
//! ```text
//!  files change --> SIGHUP --> each process compiles them --ready--> process 0
//!                                   |                                   | all have the same?
//!                                   +-- wrong: said, nothing changes    v
//!                                            last checkpoint as of W --> all begin again from it
//! ```
//!
//! What counts as of W or before was judged by the old content, what is later by the new. Buckets of scenarios that
//! have not changed go on: a checkpoint knows them by their fingerprints.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Fingerprint of content.
pub type Digest = [u8; 32];

/// What is known of the next content.
#[derive(Debug, Default)]
pub struct Reload {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// This process has compiled it and not said so yet.
    ready: Option<Digest>,
    /// What the processes have said, in process 0.
    said: BTreeMap<usize, Digest>,
    /// All agree.
    is_agreed: bool,
}

impl Reload {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This process has compiled other content.
    pub fn ready(&self, digest: Digest) {
        self.lock().ready = Some(digest);
    }

    /// What this process has to tell process 0.
    pub(super) fn take_ready(&self) -> Option<Digest> {
        self.lock().ready.take()
    }

    /// A process is ready; answers whether all `n` are, with the same. To be asked in process 0.
    pub(super) fn hear(&self, process: usize, digest: Digest, n: usize) -> bool {
        let mut inner = self.lock();
        inner.said.insert(process, digest);
        let is_agreed = inner.said.len() == n && inner.said.values().all(|other| *other == digest);
        if is_agreed {
            inner.said.clear();
            inner.is_agreed = true;
        }
        is_agreed
    }

    /// The job ends to begin again.
    pub(super) fn agree(&self) {
        self.lock().is_agreed = true;
    }

    /// Whether the job ends, or has ended, to begin again.
    pub(super) fn is_agreed(&self) -> bool {
        self.lock().is_agreed
    }

    /// The job begins.
    pub(super) fn begin(&self) {
        let mut inner = self.lock();
        inner.is_agreed = false;
        inner.said.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_processes_have_to_have_the_same_content() {
        let reload = Reload::default();
        assert!(!reload.hear(0, [1; 32], 3));
        assert!(!reload.hear(2, [2; 32], 3));
        assert!(!reload.hear(1, [1; 32], 3), "process 2 has something else");
        assert!(!reload.hear(1, [1; 32], 3));
        assert!(reload.hear(2, [1; 32], 3));
        assert!(reload.is_agreed());
        reload.begin();
        assert!(!reload.is_agreed());
        assert!(!reload.hear(2, [3; 32], 3), "what was said before is over");
        reload.begin();
        assert!(reload.hear(0, [4; 32], 1));
    }
}
