//! Caches that many threads use at once, each its own.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Values of one kind, at most; further threads share them.
const VALUES_MAX: usize = 64;

/// A value for each thread. One lock for all would be taken so often that the cores would do
/// little but hand it to each other.
#[derive(Debug)]
pub struct PerThread<T>(Box<[Own<T>]>);

/// One of them, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Own<T>(Mutex<T>);

impl<T: Default> Default for PerThread<T> {
    fn default() -> Self {
        Self((0..VALUES_MAX).map(|_| Own::default()).collect())
    }
}

impl<T> PerThread<T> {
    /// The value of the thread at hand. Another has it too when there are very many, so it is
    /// locked; and if one of them panicked, it is as that one left it.
    pub fn own(&self) -> MutexGuard<'_, T> {
        let Some(Own(value)) = self.0.get(thread_number() % VALUES_MAX) else {
            unreachable!("there is a value for every remainder")
        };
        value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Threads are numbered in the order in which they first ask.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    NUMBER.with(|number| {
        number.get().unwrap_or_else(|| {
            let new = NEXT.fetch_add(1, Ordering::Relaxed);
            number.set(Some(new));
            new
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_finds_what_it_left_and_another_does_not() {
        let values = PerThread::<Vec<u32>>::default();
        values.own().push(1);
        std::thread::scope(|scope| {
            let other = std::thread::Builder::new()
                .name("other".into())
                .spawn_scoped(scope, || {
                    assert!(values.own().is_empty());
                    values.own().push(2);
                });
            other.unwrap().join().unwrap();
        });
        assert_eq!(*values.own(), vec![1]);
    }
}
