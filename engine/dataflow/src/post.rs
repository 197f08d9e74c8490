//! Letters between the processes of a job, over the connections that its data takes.
//!
//! ```text
//!  send(2, bytes)                            process 2
//!    waiting --> Post (first worker) ---X--> Deliver (its first worker) --> receiver
//! ```
//!
//! A dataflow of its own, beside the data: no letter waits for a frontier, and none holds one up. Letters of one
//! process to another arrive in the order in which they were sent. Whoever sends them sees to it that they are
//! few: neither end has a limit.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crossbeam_channel::{Receiver, Sender, unbounded};
use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::generic::source;
use timely::scheduling::SyncActivator;
use timely::worker::Worker;

/// What one process tells another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Index of the process that sent it.
    pub from: usize,
    /// Index of the process that it is for.
    pub to: usize,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// Letters that have not left yet.
#[derive(Debug, Default)]
struct Tray {
    waiting: VecDeque<(usize, Vec<u8>)>,
    is_closed: bool,
}

/// Where a process leaves its letters.
#[derive(Debug)]
pub struct Post {
    tray: Mutex<Tray>,
    wake: OnceLock<SyncActivator>,
    delivered: Sender<Letter>,
}

impl Post {
    /// A post, and where the letters to this process arrive. What was sent before the job runs is not lost.
    #[must_use]
    pub fn new() -> (Arc<Self>, Receiver<Letter>) {
        let (delivered, receiver) = unbounded();
        let post = Self {
            tray: Mutex::default(),
            wake: OnceLock::new(),
            delivered,
        };
        (Arc::new(post), receiver)
    }

    /// Sends a letter to a process, which may be this one. From a job that has ended none leaves.
    pub fn send(&self, to: usize, bytes: Vec<u8>) {
        let mut tray = self.lock();
        if !tray.is_closed {
            tray.waiting.push_back((to, bytes));
        }
        drop(tray);
        self.wake();
    }

    fn lock(&self) -> MutexGuard<'_, Tray> {
        self.tray.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        if let Some(wake) = self.wake.get() {
            // It only fails when the worker is gone, and with it the job.
            let _gone = wake.activate();
        }
    }

    /// What was sent before leaves, and nothing else.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.wake();
    }

    /// Whether letters have not left yet.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.lock().waiting.is_empty()
    }
}

/// Whether a worker carries the letters of its process.
pub(crate) fn is_carrier(worker: &Worker, threads: usize) -> bool {
    worker.index().is_multiple_of(threads.max(1))
}

/// Builds the dataflow on a worker. Each process has `threads` workers, and its first one carries the letters.
pub(crate) fn carry(worker: &mut Worker, post: &Arc<Post>, threads: usize) {
    let threads = threads.max(1);
    let from = worker.index() / threads;
    let is_carrier = is_carrier(worker, threads);
    worker.dataflow_named::<u64, _, _>("post", |scope| {
        let letters = source::<_, CapacityContainerBuilder<Vec<Letter>>, _, _>(
            scope,
            "Post",
            |capability, info| {
                if is_carrier {
                    // A worker builds the graph once.
                    let _known = post
                        .wake
                        .set(scope.worker().sync_activator_for(info.address.to_vec()));
                }
                let post = Arc::clone(post);
                let mut held = is_carrier.then_some(capability);
                move |output| {
                    let Some(capability) = &held else { return };
                    let (letters, is_closed) = {
                        let mut tray = post.lock();
                        (std::mem::take(&mut tray.waiting), tray.is_closed)
                    };
                    if !letters.is_empty() {
                        let letter = |(to, bytes)| Letter { from, to, bytes };
                        let mut session = output.session(capability);
                        session.give_iterator(letters.into_iter().map(letter));
                    }
                    if is_closed {
                        held = None;
                    }
                }
            },
        );
        let delivered = post.delivered.clone();
        let route = move |letter: &Letter| (letter.to * threads) as u64;
        letters.sink(
            Exchange::new(route),
            "Deliver",
            move |(input, _frontier)| {
                input.for_each(|_capability, letters: &mut Vec<Letter>| {
                    for letter in letters.drain(..) {
                        // Whoever does not listen any more has no use for it.
                        let _unheard = delivered.send(letter);
                    }
                });
            },
        );
    });
}
