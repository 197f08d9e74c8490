//! The events a bucket retains: the latest ones, up to a limit.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::pour::Evidence;

/// A bounded first-in-first-out queue that knows how many bytes it holds.
///
/// Speculation goes on from a copy of a state. Copying the events one by one would touch the
/// reference count of each, a cache miss apiece; so [`Queue::fork`] puts them into a part that
/// both copies share and that neither changes. When one copy is gone, the other takes the shared
/// part back as its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue {
    shared: Option<Arc<VecDeque<Evidence>>>,
    /// How many events at the front of the shared part this queue has dropped.
    n_skipped: usize,
    own: VecDeque<Evidence>,
    bytes: u64,
}

/// Queues are compared within states whose digests are compared too: those say which events were
/// counted, and what is retained of them follows.
impl PartialEq for Queue {
    fn eq(&self, other: &Self) -> bool {
        (self.len(), self.bytes) == (other.len(), other.bytes)
    }
}

impl Queue {
    /// Appends an event, and drops from the front what is too much then. Answers whether anything
    /// was dropped. The event itself always stays.
    pub(crate) fn push(&mut self, event: Evidence, len_max: usize, bytes_max: u64) -> bool {
        self.bytes += event.len() as u64;
        self.own.push_back(event);
        let len_before = self.len();
        while self.len() > 1 && (self.len() > len_max || self.bytes > bytes_max) {
            self.drop_oldest();
        }
        self.len() < len_before
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.in_shared().next() {
            self.bytes -= oldest.len() as u64;
            self.n_skipped += 1;
        } else if let Some(oldest) = self.own.pop_front() {
            self.bytes -= oldest.len() as u64;
        }
    }

    fn in_shared(&self) -> std::collections::vec_deque::Iter<'_, Evidence> {
        match &self.shared {
            Some(shared) => shared.range(self.n_skipped..),
            None => Default::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.in_shared().len() + self.own.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> QueueIter<'_> {
        QueueIter {
            shared: self.in_shared(),
            own: self.own.iter(),
        }
    }

    pub(crate) fn into_vec(mut self) -> Vec<Evidence> {
        if self.shared.is_none() {
            return self.own.into();
        }
        self.reclaim();
        self.iter().map(Arc::clone).collect()
    }

    /// A copy, which shares the events there are now.
    pub(crate) fn fork(&mut self) -> Self {
        self.reclaim();
        let n_shared = self.in_shared().len();
        if n_shared == 0 {
            self.n_skipped = 0;
            self.shared = (!self.own.is_empty()).then(|| Arc::new(std::mem::take(&mut self.own)));
        } else if !self.own.is_empty() {
            // A third copy, at a checkpoint, still has the shared part.
            let all = self.iter().map(Arc::clone).collect();
            self.n_skipped = 0;
            self.own = VecDeque::new();
            self.shared = Some(Arc::new(all));
        }
        self.clone()
    }

    /// Takes the shared part back if no other copy is left.
    fn reclaim(&mut self) {
        let Some(shared) = self.shared.take() else {
            return;
        };
        match Arc::try_unwrap(shared) {
            Ok(mut events) => {
                events.drain(..self.n_skipped);
                events.append(&mut self.own);
                self.own = events;
                self.n_skipped = 0;
            }
            Err(shared) => self.shared = Some(shared),
        }
    }

    /// An empty queue in the same memory.
    pub(crate) fn emptied(mut self) -> Self {
        self.own.clear();
        Self {
            own: self.own,
            ..Self::default()
        }
    }
}

/// Iterates over a queue from the oldest event to the latest.
#[derive(Debug, Clone)]
pub(crate) struct QueueIter<'a> {
    shared: std::collections::vec_deque::Iter<'a, Evidence>,
    own: std::collections::vec_deque::Iter<'a, Evidence>,
}

impl<'a> Iterator for QueueIter<'a> {
    type Item = &'a Evidence;

    fn next(&mut self) -> Option<Self::Item> {
        self.shared.next().or_else(|| self.own.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.shared.len() + self.own.len();
        (len, Some(len))
    }
}

impl DoubleEndedIterator for QueueIter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.own.next_back().or_else(|| self.shared.next_back())
    }
}

impl ExactSizeIterator for QueueIter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn firsts(queue: &Queue) -> Vec<u8> {
        queue.iter().map(|event| event[0]).collect()
    }

    fn push(queue: &mut Queue, n: u8) -> bool {
        queue.push(vec![n; usize::from(n)].into(), 3, 20)
    }

    #[test]
    fn it_keeps_the_latest_and_counts_their_bytes() {
        let mut queue = Queue::default();
        let dropped: Vec<bool> = (1..=5_u8).map(|n| push(&mut queue, n)).collect();
        assert_eq!(dropped, [false, false, false, true, true]);
        assert_eq!((queue.len(), queue.bytes()), (3, 12));
        assert_eq!(firsts(&queue), [3, 4, 5]);
        let backwards: Vec<u8> = queue.iter().rev().map(|event| event[0]).collect();
        assert_eq!(backwards, [5, 4, 3]);
        assert!(push(&mut queue, 6));
        assert_eq!(firsts(&queue), [4, 5, 6]);
        assert!(push(&mut queue, 9));
        assert_eq!((firsts(&queue), queue.bytes()), (vec![5, 6, 9], 20));
        assert!(push(&mut queue, 30));
        assert_eq!(firsts(&queue), [30], "more bytes than fit");
        let emptied = queue.emptied();
        assert_eq!((emptied.len(), emptied.bytes()), (0, 0));
    }

    #[test]
    fn forks_go_their_own_ways_and_one_takes_the_shared_part_back() {
        let mut base = Queue::default();
        push(&mut base, 1);
        push(&mut base, 2);
        let mut now = base.fork();
        for n in 3..=5 {
            push(&mut now, n);
        }
        let third = now.clone();
        let mut fourth = now.fork();
        push(&mut fourth, 6);
        assert_eq!(firsts(&base), [1, 2]);
        assert_eq!(firsts(&now), [3, 4, 5]);
        assert_eq!(firsts(&third), [3, 4, 5]);
        assert_eq!((firsts(&fourth), fourth.bytes()), (vec![4, 5, 6], 15));
        drop((base, now, third));
        let fifth = fourth.fork();
        assert_eq!(
            fourth.shared.as_ref().map(|shared| shared.len()),
            Some(3),
            "no copy is left"
        );
        assert_eq!(firsts(&fifth), [4, 5, 6]);
        let vec: Vec<u8> = fifth.into_vec().iter().map(|event| event[0]).collect();
        assert_eq!(vec, [4, 5, 6]);
    }
}
