//! Answers remembered by value.
//!
//! User agents, paths of a site and names of programs come again and again, and looking one up
//! costs a fraction of working the answer out. [`Memo`] is a table of fixed size. A value has one
//! place, by its hash, and the value that comes last stays there: nothing is searched, nothing is
//! evicted by age. Values are compared whole, so an answer is never another value's.
//!
//! Where values do not come again (somebody invents a new one for every line), looking them up is
//! lost work. So a memo counts what it finds, and one that finds too little is emptied and passed
//! by for a while. Whoever writes log lines can make it useless, but neither wrong nor slow nor
//! large.

#![forbid(unsafe_code)]

use std::hash::Hasher;

use rustc_hash::FxHasher;

/// Look-ups between two decisions whether remembering pays.
const WINDOW: u32 = 4_096;
/// Of a window, the look-ups that must have found something: one in eight.
const FOUND_MIN: u32 = WINDOW / 8;
/// Values that pass by after a window that found too little.
const PASSED_BY: u32 = 16 * WINDOW;

/// A table of answers by value.
#[derive(Debug, Clone)]
pub struct Memo<A> {
    /// Empty until the first value comes, and while values pass by.
    places: Vec<Place<A>>,
    n_places: usize,
    bytes_max: usize,
    n_asked: u32,
    n_found: u32,
    pass_by: u32,
}

#[derive(Debug, Clone)]
struct Place<A> {
    hash: u64,
    /// Empty in a place that was never used: the empty value is not remembered.
    value: Vec<u8>,
    answer: A,
}

/// What a memo knows of a value.
#[derive(Debug)]
pub enum Asked<'m, A> {
    /// The answer.
    Known(&'m A),
    /// There is none yet, and room for it.
    New(Room<'m, A>),
    /// It is not to be remembered: too long, empty, or of a kind that does not come again.
    PassedBy,
}

/// Room for an answer. Without [`Room::keep`] nothing is remembered.
#[derive(Debug)]
pub struct Room<'m, A> {
    place: &'m mut Place<A>,
    hash: u64,
}

impl<A: Default + Clone> Memo<A> {
    /// A memo of so many places (at least one) for values of at most `bytes_max` bytes.
    #[must_use]
    pub const fn new(places: usize, bytes_max: usize) -> Self {
        Self {
            places: Vec::new(),
            n_places: if places == 0 { 1 } else { places },
            bytes_max,
            n_asked: 0,
            n_found: 0,
            pass_by: 0,
        }
    }

    /// Whether values pass by at present, to be asked before a value that costs something to put
    /// together; such a value then counts as one that passed.
    #[inline]
    pub fn passes_by(&mut self) -> bool {
        let passes = self.pass_by > 0;
        self.pass_by -= u32::from(passes);
        passes
    }

    /// Looks a value up.
    #[inline]
    pub fn ask(&mut self, value: &[u8]) -> Asked<'_, A> {
        if self.pass_by > 0 {
            self.pass_by -= 1;
            return Asked::PassedBy;
        }
        if !self.takes(value) {
            return Asked::PassedBy;
        }
        if self.n_asked == WINDOW && self.ends_window() {
            return Asked::PassedBy;
        }
        if self.places.is_empty() {
            self.places = vec![Place::default(); self.n_places];
        }
        self.n_asked += 1;
        let n_found = &mut self.n_found;
        match room(&mut self.places, value) {
            Some(Room { place, hash }) if place.hash == hash && place.value == value => {
                *n_found += 1;
                Asked::Known(&place.answer)
            }
            Some(room) => Asked::New(room),
            None => Asked::PassedBy,
        }
    }

    /// Room for the answer to a value that [`Memo::ask`] did not know, if it is to be remembered.
    /// It is for answers that cannot be worked out while the memo is lent.
    pub fn room(&mut self, value: &[u8]) -> Option<Room<'_, A>> {
        if self.pass_by > 0 || !self.takes(value) {
            return None;
        }
        room(&mut self.places, value)
    }

    /// Whether a value is of a length that is remembered.
    fn takes(&self, value: &[u8]) -> bool {
        !value.is_empty() && value.len() <= self.bytes_max
    }

    /// Whether values pass by from now on.
    fn ends_window(&mut self) -> bool {
        let helps = self.n_found >= FOUND_MIN;
        (self.n_asked, self.n_found) = (0, 0);
        if !helps {
            self.places = Vec::new();
            self.pass_by = PASSED_BY;
        }
        !helps
    }
}

impl<A: Default> Default for Place<A> {
    fn default() -> Self {
        Self {
            hash: 0,
            value: Vec::new(),
            answer: A::default(),
        }
    }
}

impl<'m, A> Room<'m, A> {
    /// Where the answer goes. What stands there is another value's, or the default: its memory may
    /// be used again.
    pub fn answer(&mut self) -> &mut A {
        // An answer that is being written belongs to no value.
        self.place.value.clear();
        &mut self.place.answer
    }

    /// Remembers the answer as that of `value`, which must be what was asked for.
    pub fn keep(self, value: &[u8]) -> &'m A {
        let Self { place, hash } = self;
        place.hash = hash;
        place.value.clear();
        place.value.extend_from_slice(value);
        &place.answer
    }
}

/// The place of a value; `None` when there are no places.
fn room<'m, A>(places: &'m mut [Place<A>], value: &[u8]) -> Option<Room<'m, A>> {
    let mut hasher = FxHasher::default();
    hasher.write(value);
    let hash = hasher.finish();
    let at = usize::try_from(hash >> 32).unwrap_or(0);
    let at = at.checked_rem(places.len())?;
    let place = places.get_mut(at)?;
    Some(Room { place, hash })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remember(memo: &mut Memo<u64>, value: &[u8], answer: u64) -> Option<u64> {
        match memo.ask(value) {
            Asked::Known(answer) => Some(*answer),
            Asked::New(mut room) => {
                *room.answer() = answer;
                room.keep(value);
                None
            }
            Asked::PassedBy => None,
        }
    }

    #[test]
    fn a_value_that_comes_again_is_known_and_others_never_are() {
        let mut memo = Memo::new(8, 32);
        for round in 0..50u64 {
            for n in 0..40u64 {
                let value = format!("value {n}");
                if let Some(known) = remember(&mut memo, value.as_bytes(), n) {
                    assert_eq!(known, n, "round {round}");
                }
            }
        }
        assert_eq!(remember(&mut memo, b"twice", 7), None);
        assert_eq!(remember(&mut memo, b"twice", 8), Some(7));
    }

    #[test]
    fn what_is_not_kept_or_too_long_or_empty_is_not_known() {
        let mut memo = Memo::new(1, 4);
        assert_eq!(remember(&mut memo, b"long one", 1), None);
        assert_eq!(remember(&mut memo, b"long one", 1), None);
        assert_eq!(remember(&mut memo, b"", 1), None);
        assert_eq!(remember(&mut memo, b"", 1), None);
        assert_eq!(remember(&mut memo, b"a", 1), None);
        if let Asked::New(mut room) = memo.ask(b"b") {
            *room.answer() = 2;
        }
        // The half-written answer of `b` pushed out that of `a`.
        assert_eq!(remember(&mut memo, b"b", 3), None);
        assert_eq!(remember(&mut memo, b"b", 4), Some(3));
    }

    #[test]
    fn a_memo_that_does_not_help_is_emptied_and_tried_again_later() {
        let mut memo = Memo::new(1_024, 32);
        for n in 0..=u64::from(WINDOW) {
            remember(&mut memo, format!("new {n}").as_bytes(), n);
        }
        assert!(memo.places.is_empty());
        assert!(matches!(memo.ask(b"same"), Asked::PassedBy));
        for _ in 1..PASSED_BY {
            assert!(memo.passes_by());
        }
        assert!(!memo.passes_by());
        assert_eq!(remember(&mut memo, b"same", 1), None);
        assert_eq!(remember(&mut memo, b"same", 1), Some(1));
    }
}
