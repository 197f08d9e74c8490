//! Row groups decoded by several threads, their lines given in order.
//!
//! Each thread takes the next row group that nobody has. What it decodes waits until all before it was
//! given: at most [`BATCHES_FIRST`] batches of the row group that is being given, and of the others
//! together as many bytes as were allowed. Whoever finds no room waits; the first row group always
//! has some, so that the others cannot block it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use overspill_event::{LineBatch, LineRef};

use super::Parquet;
use super::group::{Group, GroupReader};

/// Batches of the row group that is being given that may wait.
const BATCHES_FIRST: usize = 8;
/// Stack of a decoder.
const STACK_BYTES: usize = 2 << 20;

/// The reading end. The threads end when it is dropped.
pub(super) struct Ordered {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    file: Arc<Parquet>,
    groups: Vec<Group>,
    ahead_bytes_max: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Row groups that somebody took and that are not given to their end, in order.
    queues: VecDeque<Queue>,
    /// Which row group the first queue is of.
    first: usize,
    /// The next that nobody has.
    next: usize,
    waiting_bytes: usize,
    is_over: bool,
}

#[derive(Default)]
struct Queue {
    batches: VecDeque<LineBatch>,
    is_done: bool,
}

fn size(batch: &LineBatch) -> usize {
    batch.data.capacity() + batch.lines.capacity() * size_of::<LineRef>()
}

impl Ordered {
    pub(super) fn start(
        file: Arc<Parquet>,
        groups: Vec<Group>,
        threads: usize,
        ahead_bytes_max: usize,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            file,
            groups,
            ahead_bytes_max,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let mut ordered = Self {
            shared,
            threads: Vec::new(),
        };
        for number in 0..threads {
            let shared = Arc::clone(&ordered.shared);
            let thread = std::thread::Builder::new()
                .name(format!("decode-{number}"))
                .stack_size(STACK_BYTES)
                .spawn(move || shared.work());
            match thread {
                Ok(thread) => ordered.threads.push(thread),
                // Fewer do as well.
                Err(_) if number > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(ordered)
    }

    /// The next batch in order; waits for it. `None` at the end.
    pub(super) fn pop(&mut self) -> Option<LineBatch> {
        let shared = &*self.shared;
        let mut state = shared.lock();
        while state.first < shared.groups.len() {
            if let Some(queue) = state.queues.front_mut() {
                if let Some(batch) = queue.batches.pop_front() {
                    state.waiting_bytes -= size(&batch);
                    shared.changed.notify_all();
                    return Some(batch);
                }
                if queue.is_done {
                    state.queues.pop_front();
                    state.first += 1;
                    shared.changed.notify_all();
                    continue;
                }
            }
            state = shared.wait(state);
        }
        None
    }
}

impl Drop for Ordered {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // One that panicked has marked its row group as done.
            let _panicked = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let waited = self.changed.wait(state);
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(at) = self.take() {
            let _done = Done { shared: self, at };
            let mut reader = GroupReader::new(Arc::clone(&self.file), self.groups[at]);
            loop {
                let mut batch = LineBatch::default();
                let is_more = reader.fill(&mut batch);
                if !batch.lines.is_empty() && !self.push(at, batch) {
                    return;
                }
                if !is_more {
                    break;
                }
            }
        }
    }

    /// The next row group that nobody has.
    fn take(&self) -> Option<usize> {
        let mut state = self.lock();
        if state.is_over || state.next >= self.groups.len() {
            return None;
        }
        let at = state.next;
        state.next += 1;
        state.queues.push_back(Queue::default());
        Some(at)
    }

    /// Hands lines over; waits for room. Answers false when nobody wants them.
    fn push(&self, at: usize, batch: LineBatch) -> bool {
        let bytes = size(&batch);
        let mut state = self.lock();
        loop {
            if state.is_over {
                return false;
            }
            let place = at - state.first;
            let has_room = if place == 0 {
                state.queues[0].batches.len() < BATCHES_FIRST
            } else {
                state.waiting_bytes.saturating_add(bytes) <= self.ahead_bytes_max
            };
            if has_room {
                state.waiting_bytes += bytes;
                state.queues[place].batches.push_back(batch);
                self.changed.notify_all();
                return true;
            }
            state = self.wait(state);
        }
    }
}

/// Marks a row group as done, also when its decoder panics.
struct Done<'a> {
    shared: &'a Shared,
    at: usize,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let place = self.at - state.first;
        if let Some(queue) = state.queues.get_mut(place) {
            queue.is_done = true;
        }
        drop(state);
        self.shared.changed.notify_all();
    }
}
