//! The events a bucket retains: the latest ones, up to a limit.

use crate::events::{EventId, Events};

/// A bounded first-in-first-out queue that knows how many bytes its events have.
///
/// It names events and does not hold them: whoever stores a state does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue {
    ids: Vec<EventId>,
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
    /// A queue of these events, which have so many bytes together.
    pub(crate) fn of(ids: Vec<EventId>, bytes: u64) -> Self {
        Self { ids, bytes }
    }

    /// Appends an event, and drops from the front what is too much then. Answers whether anything
    /// was dropped. The event itself always stays.
    pub(crate) fn push(
        &mut self,
        event: EventId,
        len_max: usize,
        bytes_max: u64,
        events: &Events,
    ) -> bool {
        self.bytes += events.len_of(event);
        self.ids.push(event);
        let mut n_dropped = 0;
        while self.ids.len() - n_dropped > 1
            && (self.ids.len() - n_dropped > len_max || self.bytes > bytes_max)
        {
            self.bytes -= events.len_of(self.ids[n_dropped]);
            n_dropped += 1;
        }
        self.ids.drain(..n_dropped);
        n_dropped > 0
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Oldest first.
    pub(crate) fn ids(&self) -> &[EventId] {
        &self.ids
    }

    /// The memory of the list.
    pub(crate) fn into_ids(self) -> Vec<EventId> {
        self.ids
    }

    /// An empty queue in the same memory.
    pub(crate) fn emptied(mut self) -> Self {
        self.ids.clear();
        Self::of(self.ids, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_latest_and_counts_their_bytes() {
        let mut events = Events::default();
        let mut queue = Queue::default();
        let mut push = |queue: &mut Queue, n: u8| {
            let event = events.add(&vec![n; usize::from(n)]);
            let is_dropped = queue.push(event, 3, 20, &events);
            let firsts = queue.ids().iter().map(|&id| events.bytes(id)[0]);
            (is_dropped, firsts.collect::<Vec<u8>>(), queue.bytes())
        };
        let dropped: Vec<bool> = (1..=4_u8).map(|n| push(&mut queue, n).0).collect();
        assert_eq!(dropped, [false, false, false, true]);
        assert_eq!(push(&mut queue, 5), (true, vec![3, 4, 5], 12));
        assert_eq!(push(&mut queue, 6), (true, vec![4, 5, 6], 15));
        assert_eq!(push(&mut queue, 9), (true, vec![5, 6, 9], 20));
        let alone = push(&mut queue, 30);
        assert_eq!(alone, (true, vec![30], 30), "more bytes than fit");
        let emptied = queue.emptied();
        assert_eq!((emptied.len(), emptied.bytes()), (0, 0));
    }
}
