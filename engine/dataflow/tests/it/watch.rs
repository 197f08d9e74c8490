//! Recorders that look on, hold a worker up, or break it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use overspill_dataflow::record::{LineObserver, Recorder};
use overspill_event::{Event, Position};
use overspill_matcher::Hit;
use overspill_parser::{Observer, Outcome};

/// Sees nothing.
pub(crate) struct Quiet;

impl Observer for Quiet {
    fn is_enabled(&self) -> bool {
        false
    }
}

impl LineObserver for Quiet {
    fn done(&mut self, _event: &Event, _outcome: &Outcome) {}
}

/// What a [`Watch`] does at a line, before it is parsed.
type AtLine = Box<dyn Fn(&Watch, Position) + Send + Sync>;

/// Notes which thread parses which lines.
pub(crate) struct Watch {
    seen: Mutex<BTreeMap<(u32, u64), ThreadId>>,
    more: Condvar,
    at_line: AtLine,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Watch {
    pub(crate) fn new(at_line: impl Fn(&Self, Position) + Send + Sync + 'static) -> Self {
        Self {
            seen: Mutex::default(),
            more: Condvar::new(),
            at_line: Box::new(at_line),
        }
    }

    /// Holds workers up at random lines for up to a fifth of a millisecond.
    pub(crate) fn with_delays(seed: u64) -> Self {
        let calls = AtomicU64::new(seed);
        Self::new(move |_, position| {
            let call = calls.fetch_add(1, Ordering::Relaxed);
            let chance = (call ^ position.offset << 32)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(29)
                .wrapping_mul(0xbf58_476d_1ce4_e5b9);
            match chance >> 60 {
                0 => std::thread::sleep(Duration::from_micros(chance >> 32 & 0xff)),
                1 => std::thread::yield_now(),
                _ => {}
            }
        })
    }

    /// Waits until so many lines of offsets from `from` on were begun by others.
    pub(crate) fn wait_for(&self, from: u64, n: usize) {
        let mut seen = self.seen.lock().unwrap();
        while seen.keys().filter(|(_, offset)| *offset >= from).count() < n {
            let (next, timeout) = self
                .more
                .wait_timeout(seen, Duration::from_secs(120))
                .unwrap();
            assert!(!timeout.timed_out(), "nobody goes on with later lines");
            seen = next;
        }
    }

    /// The highest offset begun so far.
    pub(crate) fn highest(&self) -> u64 {
        let seen = self.seen.lock().unwrap();
        seen.keys().map(|(_, offset)| *offset).max().unwrap_or(0)
    }

    /// The threads that parsed lines of a partition.
    pub(crate) fn threads_of(&self, partition: u32) -> BTreeSet<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|((of, _), _)| *of == partition)
            .map(|(_, thread)| format!("{thread:?}"))
            .collect()
    }
}

impl Recorder for Watch {
    fn line(&self, position: Position) -> Box<dyn LineObserver> {
        let place = (position.partition, position.offset);
        self.seen
            .lock()
            .unwrap()
            .insert(place, std::thread::current().id());
        self.more.notify_all();
        (self.at_line)(self, position);
        Box::new(Quiet)
    }

    fn overflow(&self, _position: Position, _scenario: &str) -> Box<dyn LineObserver> {
        Box::new(Quiet)
    }

    fn poured(&self, _event: &Event, _hits: &[Hit]) {}
}
