//! The bytes of retained events: appended to segments, counted by reference, moved when sparse.
//!
//! ```text
//!  EventId -> Meta { place, len, refs }    one event, however many buckets retain it
//!                     |
//!                     v
//!  segment: | id len bytes pad | id len bytes pad | ...      used | live
//! ```
//!
//! An event is written once and shared by every bucket that retains it. Appending is sequential and
//! allocates nothing; letting go touches twelve bytes. A segment without live events is used again.
//! One less than half alive is a candidate: while all segments together have more than a half on top
//! of what lives, candidates are emptied by appending what lives in them again, so that each byte
//! that is copied frees at least another one. So there is at most twice of what lives.
//!
//! Handles do not count by themselves: [`Events::retain`] and [`Events::release`] are called where
//! an owner, which is a settled state or a pour that waits, comes to hold an event or lets it go.

use std::collections::VecDeque;

use crate::pour::Order;

/// Bytes of an ordinary segment.
const SEGMENT_BYTES: usize = 1 << 18;
/// Events begin at multiples of this.
const UNIT: usize = 8;
const UNITS_BITS: u32 = 15;
/// Segments that can be told apart; some are kept back for what compacting and restoring open.
const SEGMENTS_MAX: usize = 1 << (u32::BITS - UNITS_BITS);
const SEGMENTS_RESERVED: usize = 1 << 14;
/// Number and length before the bytes of an event.
const HEAD: usize = 8;
/// Empty segments kept for their memory.
const SPARE_MAX: usize = 16;
/// Garbage that is not worth looking at.
const SLACK_BYTES: u64 = 1 << 22;
/// Candidates emptied at most when a segment is full.
const COMPACTED_MAX: usize = 4;

/// Names an event of [`Events`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EventId(pub(crate) u32);

#[derive(Debug, Clone, Copy, Default)]
struct Meta {
    /// Segment and unit.
    place: u32,
    /// The event's length, so that letting it go does not touch its segment.
    len: u32,
    refs: u32,
}

#[derive(Debug, Default)]
struct Segment {
    bytes: Vec<u8>,
    /// Bytes of events that somebody holds, heads and padding included.
    live: usize,
    is_candidate: bool,
}

/// All events of a table.
#[derive(Debug, Default)]
pub(crate) struct Events {
    metas: Vec<Meta>,
    free: Vec<u32>,
    segments: Vec<Segment>,
    /// Segments that hold nothing.
    empty: Vec<u32>,
    current: usize,
    /// The longest known first: it had the longest time to lose more.
    candidates: VecDeque<u32>,
    live: u64,
    allocated: u64,
    /// The last event, which further pours of it share; held here.
    last: Option<(Order, EventId)>,
}

impl Events {
    /// Whether there is room for further events: 28 GiB of them are held otherwise.
    pub(crate) fn has_room(&self) -> bool {
        self.segments.len() < SEGMENTS_MAX - SEGMENTS_RESERVED || !self.empty.is_empty()
    }

    /// The event of a pour, which the caller holds from now on. Pours of one event come one after
    /// the other, mostly with equal bytes, and share them.
    pub(crate) fn share(&mut self, order: Order, bytes: &[u8]) -> EventId {
        if let Some((last, id)) = self.last
            && last.is_same_event(&order)
            && self.bytes(id) == bytes
        {
            self.retain(id);
            return id;
        }
        let id = self.add(bytes);
        self.retain(id);
        if let Some((_, old)) = self.last.replace((order, id)) {
            self.release(old);
        }
        id
    }

    /// Writes an event, which the caller holds from now on.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> EventId {
        let number = match self.free.pop() {
            Some(number) => number,
            None => {
                self.metas.push(Meta::default());
                // The segments end first, and an event has at least eight bytes.
                self.metas.len() as u32 - 1
            }
        };
        self.make_room(bytes.len());
        let place = append(&mut self.segments, self.current, number, bytes);
        self.live += stored(bytes.len()) as u64;
        self.metas[number as usize] = Meta {
            place,
            // An event is far below 4 GiB, and a batch of pours counts in 32 bits.
            len: bytes.len() as u32,
            refs: 1,
        };
        EventId(number)
    }

    pub(crate) fn retain(&mut self, id: EventId) {
        self.metas[id.0 as usize].refs += 1;
    }

    pub(crate) fn release(&mut self, id: EventId) {
        let meta = &mut self.metas[id.0 as usize];
        debug_assert!(meta.refs > 0, "released too often");
        meta.refs -= 1;
        if meta.refs > 0 {
            return;
        }
        let at = (meta.place >> UNITS_BITS) as usize;
        let n = stored(meta.len as usize);
        self.free.push(id.0);
        self.live -= n as u64;
        self.segments[at].live -= n;
        if at != self.current {
            self.look_at(at);
        }
    }

    /// Sees whether a segment that is not the current one lost enough.
    fn look_at(&mut self, at: usize) {
        let segment = &mut self.segments[at];
        if segment.live == 0 {
            self.discard(at);
        } else if segment.live < segment.bytes.capacity() / 2 && !segment.is_candidate {
            segment.is_candidate = true;
            self.candidates.push_back(at as u32);
        }
    }

    pub(crate) fn bytes(&self, id: EventId) -> &[u8] {
        let Meta { place, len, .. } = self.metas[id.0 as usize];
        let start = (place & ((1 << UNITS_BITS) - 1)) as usize * UNIT + HEAD;
        let segment = &self.segments[(place >> UNITS_BITS) as usize];
        &segment.bytes[start..start + len as usize]
    }

    pub(crate) fn len_of(&self, id: EventId) -> u64 {
        self.metas[id.0 as usize].len.into()
    }

    /// Reads what [`Events::bytes`] reads first, for the cache's sake.
    pub(crate) fn warmth(&self, id: EventId) -> u64 {
        self.bytes(id).first().copied().map_or(0, u64::from)
    }

    /// Bytes of memory.
    pub(crate) fn footprint(&self) -> u64 {
        let metas = self.metas.capacity() * size_of::<Meta>() + self.free.capacity() * 4;
        self.allocated + metas as u64
    }

    /// How often events are held, besides by [`Events::share`] itself.
    pub(crate) fn n_held(&self) -> u64 {
        let refs: u64 = self.metas.iter().map(|meta| u64::from(meta.refs)).sum();
        refs - u64::from(self.last.is_some())
    }

    /// Events that somebody holds.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.metas.iter().filter(|meta| meta.refs > 0).count()
    }

    /// Makes the current segment one that takes an event of this length.
    fn make_room(&mut self, len: usize) {
        if self.fits(len) {
            return;
        }
        self.open(len);
        for _ in 0..COMPACTED_MAX {
            if self.allocated <= self.live + self.live / 2 + SLACK_BYTES {
                break;
            }
            let Some(at) = self.candidates.pop_front() else {
                break;
            };
            self.compact(at as usize);
        }
        if !self.fits(len) {
            self.open(len);
        }
    }

    fn fits(&self, len: usize) -> bool {
        self.segments
            .get(self.current)
            .is_some_and(|segment| segment.bytes.capacity() - segment.bytes.len() >= stored(len))
    }

    /// Goes on with an empty segment.
    fn open(&mut self, len: usize) {
        let full = self.current;
        let at = self
            .empty
            .pop()
            .map_or(self.segments.len(), |at| at as usize);
        if at == self.segments.len() {
            self.segments.push(Segment::default());
        }
        let segment = &mut self.segments[at];
        let wanted = stored(len).max(SEGMENT_BYTES);
        if segment.bytes.capacity() < wanted {
            self.allocated -= segment.bytes.capacity() as u64;
            segment.bytes = Vec::with_capacity(wanted);
            self.allocated += segment.bytes.capacity() as u64;
        }
        self.current = at;
        // What was let go while the segment was the current one is noticed now.
        if full != at && full < self.segments.len() {
            self.look_at(full);
        }
    }

    /// Appends what lives in a segment again, and empties it.
    fn compact(&mut self, at: usize) {
        if at == self.current || self.segments[at].live == 0 {
            self.segments[at].is_candidate = false;
            return;
        }
        let from = std::mem::take(&mut self.segments[at]);
        let mut start = 0;
        while start < from.bytes.len() {
            let number = word(&from.bytes, start);
            let len = word(&from.bytes, start + 4) as usize;
            let meta = self.metas[number as usize];
            if meta.refs > 0 && meta.place == place(at, start) {
                if !self.fits(len) {
                    self.open(len);
                }
                let bytes = &from.bytes[start + HEAD..start + HEAD + len];
                let place = append(&mut self.segments, self.current, number, bytes);
                self.metas[number as usize].place = place;
            }
            start += stored(len);
        }
        self.segments[at] = Segment {
            live: 0,
            is_candidate: false,
            ..from
        };
        self.discard(at);
    }

    /// A segment holds nothing any more.
    fn discard(&mut self, at: usize) {
        let segment = &mut self.segments[at];
        segment.bytes.clear();
        if std::mem::take(&mut segment.is_candidate) {
            self.candidates
                .retain(|&candidate| candidate as usize != at);
        }
        let is_large = segment.bytes.capacity() > SEGMENT_BYTES;
        if is_large || self.empty.len() >= SPARE_MAX {
            self.allocated -= segment.bytes.capacity() as u64;
            segment.bytes = Vec::new();
        }
        self.empty.push(at as u32);
    }
}

/// Bytes that an event of this length takes in a segment.
fn stored(len: usize) -> usize {
    (HEAD + len).next_multiple_of(UNIT)
}

fn place(segment: usize, start: usize) -> u32 {
    ((segment as u32) << UNITS_BITS) | (start / UNIT) as u32
}

fn append(segments: &mut [Segment], at: usize, number: u32, bytes: &[u8]) -> u32 {
    let segment = &mut segments[at];
    let start = segment.bytes.len();
    let head = u64::from(number) | (bytes.len() as u64) << 32;
    segment.bytes.extend_from_slice(&head.to_le_bytes());
    segment.bytes.extend_from_slice(bytes);
    let n_padding = stored(bytes.len()) - HEAD - bytes.len();
    segment.bytes.extend_from_slice(&[0; UNIT][..n_padding]);
    segment.live += stored(bytes.len());
    place(at, start)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(n: u32) -> Vec<u8> {
        let len = (n as usize).wrapping_mul(2_654_435_761) % 900;
        [&n.to_le_bytes()[..], &vec![n as u8; len]].concat()
    }

    #[test]
    fn events_stay_what_they_are_while_others_come_and_go() {
        let mut events = Events::default();
        let mut held: Vec<(u32, EventId)> = Vec::new();
        for n in 0..60_000 {
            held.push((n, events.add(&event(n))));
            // One in sixteen stays for ever, the others leave in some order.
            while held.len() > 2_000 + n as usize / 16 {
                let at = (n as usize * 7_919) % held.len();
                let at = (at..held.len()).find(|&at| !held[at].0.is_multiple_of(16));
                let Some(at) = at else { break };
                let (_, id) = held.swap_remove(at);
                events.release(id);
            }
        }
        assert_eq!(events.len(), held.len());
        for &(n, id) in &held {
            assert_eq!(events.bytes(id), event(n), "{n}");
        }
        let live: usize = held.iter().map(|&(n, _)| stored(event(n).len())).sum();
        assert_eq!(events.live, live as u64);
        let bound = 2 * events.live + SLACK_BYTES + 20 * SEGMENT_BYTES as u64;
        assert!(events.allocated <= bound, "{} {bound}", events.allocated);
        for (_, id) in held {
            events.release(id);
        }
        assert_eq!((events.len(), events.live), (0, 0));
        assert!(events.allocated <= 20 * SEGMENT_BYTES as u64);
    }

    #[test]
    fn large_events_have_a_segment_of_their_own_and_give_it_back() {
        let mut events = Events::default();
        let small = events.add(b"small");
        let large: Vec<EventId> = (0..8).map(|n| events.add(&vec![n; 4 << 20])).collect();
        for (n, &id) in (0..).zip(&large) {
            assert_eq!(events.bytes(id), vec![n; 4 << 20]);
        }
        assert_eq!(events.bytes(small), b"small");
        for id in large {
            events.release(id);
        }
        let again = events.add(b"again");
        assert_eq!(events.bytes(again), b"again");
        assert!(events.allocated < 6 << 20, "{}", events.allocated);
    }

    #[test]
    fn pours_of_one_event_share_its_bytes() {
        let mut events = Events::default();
        let order = |offset, seq| Order {
            offset,
            seq,
            ..Order::default()
        };
        let first = events.share(order(1, 0), b"event");
        assert_eq!(events.share(order(1, 3), b"event"), first);
        assert_ne!(events.share(order(1, 4), b"other"), first);
        let next = events.share(order(2, 0), b"event");
        assert_ne!(next, first);
        events.release(first);
        assert_eq!(events.bytes(first), b"event");
        events.release(first);
        assert_eq!(events.len(), 2, "the other and the last");
    }
}
