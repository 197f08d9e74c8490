//! What is known of the values of fields: for a kind of events and a value, which filters could
//! hold and which do.
//!
//! User agents, paths and programs come again and again. A table a field keeps for each value, in
//! each kind of events, two masks of the kind's filters: those that could hold as far as this field
//! tells, and those that were found to hold. A value has one place, where the last one stays, and
//! values are compared whole. A table that finds too little is emptied and passed by for a while, so
//! that whoever invents values makes it useless, but neither wrong nor slow nor large.

use std::hash::Hasher;

use rustc_hash::FxHasher;

/// Values that are remembered a field.
const PLACES: usize = 2_048;
/// Longest value that is remembered, in bytes.
const VALUE_BYTES_MAX: usize = 256;
/// Look-ups between two decisions whether remembering pays.
const WINDOW: u32 = 4_096;
/// Of a window, the look-ups that must have found something: one in eight.
const FOUND_MIN: u32 = WINDOW / 8;
/// Values that pass by after a window that found too little.
const PASSED_BY: u32 = 16 * WINDOW;

/// Filters of a kind that could hold, and of these some that certainly do: a bit each.
#[derive(Debug, Default, Clone)]
pub(crate) struct Masks {
    /// Word by word, what is open and what is sure.
    words: Vec<[u64; 2]>,
}

impl Masks {
    /// These are open, and nothing is sure.
    pub(crate) fn begin(&mut self, open: &[u64]) {
        self.words.clear();
        self.words.extend(open.iter().map(|word| [*word, 0]));
    }

    #[inline]
    pub(crate) fn add(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            word[0] |= other[0];
            word[1] |= other[1];
        }
    }

    pub(crate) fn open(&mut self, bit: usize) {
        if let Some(word) = self.words.get_mut(bit / 64) {
            word[0] |= 1 << (bit % 64);
        }
    }

    pub(crate) fn open_all(&mut self, bits: &[u64]) {
        for (word, bits) in self.words.iter_mut().zip(bits) {
            word[0] |= bits;
        }
    }

    /// Whether a filter holds is known now.
    pub(crate) fn learn(&mut self, bit: usize, holds: bool) {
        if let Some(word) = self.words.get_mut(bit / 64) {
            match holds {
                true => word[1] |= 1 << (bit % 64),
                false => word[0] &= !(1 << (bit % 64)),
            }
        }
    }

    /// The first open bit from `place` on, and whether it is sure; the place moves behind it.
    #[inline]
    pub(crate) fn next(&self, place: &mut usize) -> Option<(usize, bool)> {
        let mut at = *place / 64;
        let mut word = self.words.get(at)?;
        let mut left = word[0] & (u64::MAX << (*place % 64));
        while left == 0 {
            at += 1;
            word = self.words.get(at)?;
            left = word[0];
        }
        let bit = left.trailing_zeros();
        let entry = at * 64 + usize::try_from(bit).unwrap_or(0);
        *place = entry + 1;
        Some((entry, word[1] >> bit & 1 == 1))
    }
}

/// Where it is written what is known of a field's present value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At {
    /// With the kind, as that of an absent (false) or empty (true) value.
    Blank(bool),
    /// In the field's table.
    Place(usize),
    /// Nowhere for long.
    PassedBy,
}

/// What a worker remembers of values.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    fields: Vec<FieldFacts>,
    /// Address, length and hash of the last value: fields are often copies of each other.
    hashed: (usize, usize, u64),
}

#[derive(Debug, Default)]
struct FieldFacts {
    /// Empty until the first value comes, and while values pass by.
    places: Vec<Place>,
    /// Of a value that is not remembered.
    other: Masks,
    n_asked: u32,
    n_found: u32,
    pass_by: u32,
}

#[derive(Debug, Default, Clone)]
struct Place {
    hash: u64,
    kind: usize,
    /// Empty in a place that was never used: the empty value is not remembered here.
    value: Vec<u8>,
    masks: Masks,
}

impl Facts {
    /// Forgets everything: numbers of kinds begin anew.
    pub(crate) fn forget(&mut self) {
        for field in &mut self.fields {
            field.places = Vec::new();
        }
    }

    /// The values that come are another event's.
    pub(crate) fn begin_event(&mut self) {
        self.hashed = (0, 0, 0);
    }

    /// What is known of a value, which is not empty; `make` makes what is known of a new one.
    #[inline]
    pub(crate) fn find(
        &mut self,
        field: usize,
        kind: usize,
        value: &[u8],
        make: impl FnOnce(&mut Masks),
    ) -> (At, &Masks) {
        if self.fields.len() <= field {
            self.fields.resize_with(field + 1, FieldFacts::default);
        }
        let hash = self.hash(value);
        let Some(facts) = self.fields.get_mut(field) else {
            unreachable!("there is room for the field")
        };
        if !facts.takes(value) {
            make(&mut facts.other);
            return (At::PassedBy, &facts.other);
        }
        facts.find(hash, kind, value, make)
    }

    /// What was found before for the value that is written there.
    pub(crate) fn masks(&mut self, field: usize, at: At) -> Option<&mut Masks> {
        match at {
            At::Place(place) => Some(&mut self.fields.get_mut(field)?.places.get_mut(place)?.masks),
            At::PassedBy | At::Blank(_) => None,
        }
    }

    #[inline]
    fn hash(&mut self, value: &[u8]) -> u64 {
        let address = value.as_ptr().addr();
        if (self.hashed.0, self.hashed.1) != (address, value.len()) {
            let mut hasher = FxHasher::default();
            hasher.write(value);
            self.hashed = (address, value.len(), hasher.finish());
        }
        self.hashed.2
    }
}

impl FieldFacts {
    /// Whether a value is to be remembered.
    #[inline]
    fn takes(&mut self, value: &[u8]) -> bool {
        if self.pass_by > 0 {
            self.pass_by -= 1;
            return false;
        }
        if value.len() > VALUE_BYTES_MAX {
            return false;
        }
        if self.n_asked == WINDOW {
            let helps = self.n_found >= FOUND_MIN;
            (self.n_asked, self.n_found) = (0, 0);
            if !helps {
                self.places = Vec::new();
                self.pass_by = PASSED_BY;
                return false;
            }
        }
        self.n_asked += 1;
        true
    }

    #[inline]
    fn find(
        &mut self,
        hash: u64,
        kind: usize,
        value: &[u8],
        make: impl FnOnce(&mut Masks),
    ) -> (At, &Masks) {
        if self.places.is_empty() {
            self.places = vec![Place::default(); PLACES];
        }
        let mixed = hash ^ (kind as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let at = usize::try_from(mixed >> 32).unwrap_or(0) % PLACES;
        let Some(place) = self.places.get_mut(at) else {
            unreachable!("there are so many places")
        };
        if place.hash == hash && place.kind == kind && place.value == value {
            self.n_found += 1;
        } else {
            place.hash = hash;
            place.kind = kind;
            place.value.clear();
            place.value.extend_from_slice(value);
            make(&mut place.masks);
        }
        (At::Place(at), &place.masks)
    }
}

/// A mask of so many bits, none of them set.
pub(crate) fn mask(n_bits: usize) -> Box<[u64]> {
    vec![0; n_bits.div_ceil(64)].into()
}

pub(crate) fn set(mask: &mut [u64], bit: usize) {
    if let Some(word) = mask.get_mut(bit / 64) {
        *word |= 1 << (bit % 64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is known of a value; `learned` is what is told of entry 3 when nothing was known.
    fn known(facts: &mut Facts, kind: usize, value: &str, learned: bool) -> Option<(usize, bool)> {
        facts.begin_event();
        let mut is_new = false;
        let (at, masks) = facts.find(1, kind, value.as_bytes(), |masks| {
            is_new = true;
            masks.begin(&[0b1000]);
        });
        let found = masks.next(&mut 0);
        if is_new && let Some(masks) = facts.masks(1, at) {
            masks.learn(3, learned);
        }
        (!is_new).then_some(found.unwrap_or((0, false)))
    }

    #[test]
    fn what_was_told_is_known_of_that_value_in_that_kind() {
        let mut facts = Facts::default();
        assert_eq!(known(&mut facts, 0, "a", true), None);
        assert_eq!(known(&mut facts, 0, "a", true), Some((3, true)));
        assert_eq!(known(&mut facts, 1, "a", false), None);
        assert_eq!(known(&mut facts, 1, "a", false), Some((0, false)));
        assert_eq!(known(&mut facts, 0, "a", true), Some((3, true)));
        facts.forget();
        assert_eq!(known(&mut facts, 0, "a", false), None);
        let long = "long".repeat(VALUE_BYTES_MAX);
        assert_eq!(known(&mut facts, 0, &long, true), None);
        assert_eq!(known(&mut facts, 0, &long, true), None);
    }

    #[test]
    fn many_values_are_never_taken_for_each_other() {
        let mut facts = Facts::default();
        for round in 0..3 {
            for n in 0..2 * PLACES {
                let holds = n % 3 == 0;
                if let Some(known) = known(&mut facts, 0, &format!("v{n}"), holds) {
                    assert_eq!(known == (3, true), holds, "round {round}");
                }
            }
        }
        assert!(facts.fields[1].places.len() <= PLACES);
    }

    #[test]
    fn a_table_that_does_not_help_is_emptied_and_tried_again_later() {
        let mut facts = Facts::default();
        for n in 0..=WINDOW {
            known(&mut facts, 0, &format!("new {n}"), true);
        }
        assert!(facts.fields[1].places.is_empty());
        for _ in 0..PASSED_BY {
            assert_eq!(known(&mut facts, 0, "same", true), None);
        }
        assert_eq!(known(&mut facts, 0, "same", true), None);
        assert_eq!(known(&mut facts, 0, "same", true), Some((3, true)));
    }

    #[test]
    fn open_and_sure_bits_come_in_order() {
        let mut masks = Masks::default();
        masks.begin(&mask(200));
        for bit in [0, 63, 64, 199] {
            masks.open(bit);
        }
        masks.learn(64, true);
        masks.learn(63, false);
        let mut place = 0;
        let next = || masks.next(&mut place);
        let found: Vec<_> = std::iter::from_fn(next).collect();
        assert_eq!(found, [(0, false), (64, true), (199, false)]);
        assert_eq!(masks.next(&mut 200), None);
        assert_eq!(masks.next(&mut 1_000), None);
    }
}
