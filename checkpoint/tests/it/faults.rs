//! A store that fails, or during which something happens.

use std::sync::{Arc, Mutex};

use overspill_checkpoint::{BlobError, Blobs, Listed, MemoryBlobs, Op, Put};

/// What becomes of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is done.
    Done,
    /// It is not done, and fails.
    Refused,
    /// It is done, and fails.
    AnswerLost,
}

type Hook = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Plan {
    /// After so many operations the next one has this fate, and all after it are refused.
    fault: Option<(usize, Fate)>,
    /// Before the operation of this number, this happens.
    hook: Option<(usize, Hook)>,
    n_done: usize,
}

/// Memory that fails as planned.
pub(crate) struct FaultyBlobs {
    pub(crate) inner: Arc<MemoryBlobs>,
    plan: Mutex<Plan>,
}

impl std::fmt::Debug for FaultyBlobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FaultyBlobs")
    }
}

impl FaultyBlobs {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::new(MemoryBlobs::new()),
            plan: Mutex::new(Plan::default()),
        })
    }

    /// The same objects without failures.
    pub(crate) fn sound(&self) -> Arc<dyn Blobs> {
        Arc::clone(&self.inner) as Arc<dyn Blobs>
    }

    pub(crate) fn fail(&self, fault: Option<(usize, Fate)>) {
        self.plan.lock().unwrap().fault = fault;
    }

    /// Before the n-th operation from now, counted from 0, something happens.
    pub(crate) fn before(&self, n: usize, hook: Hook) {
        let mut plan = self.plan.lock().unwrap();
        plan.n_done = 0;
        plan.hook = Some((n, hook));
    }

    /// Operations since the last call of `before`.
    pub(crate) fn n_done(&self) -> usize {
        self.plan.lock().unwrap().n_done
    }

    fn fate(&self) -> Fate {
        let mut plan = self.plan.lock().unwrap();
        let is_now = plan.hook.as_ref().is_some_and(|(n, _)| *n == plan.n_done);
        plan.n_done += 1;
        let hook = if is_now { plan.hook.take() } else { None };
        let fate = match &mut plan.fault {
            None => Fate::Done,
            Some((0, fate)) => std::mem::replace(fate, Fate::Refused),
            Some((left, _)) => {
                *left -= 1;
                Fate::Done
            }
        };
        drop(plan);
        if let Some((_, hook)) = hook {
            hook();
        }
        fate
    }

    fn run<T>(
        &self,
        op: Op,
        name: &str,
        done: impl FnOnce() -> Result<T, BlobError>,
    ) -> Result<T, BlobError> {
        let failed = || BlobError::io(op, name.to_owned(), std::io::Error::other("injected"));
        match self.fate() {
            Fate::Done => done(),
            Fate::Refused => Err(failed()),
            Fate::AnswerLost => {
                done()?;
                Err(failed())
            }
        }
    }
}

impl Blobs for FaultyBlobs {
    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<Put, BlobError> {
        self.run(Op::Write, name, || self.inner.put_if_absent(name, bytes))
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, BlobError> {
        self.run(Op::Read, name, || self.inner.get(name))
    }

    fn get_range(
        &self,
        name: &str,
        offset: u64,
        length: u64,
    ) -> Result<Option<Vec<u8>>, BlobError> {
        self.run(Op::Read, name, || {
            self.inner.get_range(name, offset, length)
        })
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, BlobError> {
        self.run(Op::List, folder, || self.inner.list(folder))
    }

    fn delete(&self, name: &str) -> Result<(), BlobError> {
        self.run(Op::Delete, name, || self.inner.delete(name))
    }

    fn address(&self) -> String {
        "faulty memory".to_owned()
    }
}
