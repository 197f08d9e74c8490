//! Which literals occur in the fields of an event: one scan a field, remembered by value.
//!
//! User agents, paths of a site and names of hosts come again and again, and looking a value up is
//! some ten times cheaper than scanning it. What is remembered is a table of fixed size a field
//! that a new value takes a place in; where values do not come again, the table is passed by.

use std::hash::Hasher;

use overspill_event::Event;
use rustc_hash::FxHasher;

use crate::gates::Gates;

/// Values that are remembered a field: a power of two.
const PLACES: usize = 1_024;
/// Longest value that is remembered, in bytes.
const VALUE_BYTES_MAX: usize = 512;
/// Most fired literals of a value that is remembered.
const FIRED_MAX: usize = 64;
/// Look-ups between two decisions whether remembering pays.
const WINDOW: u32 = 4_096;
/// Of a window, the look-ups that must have found something.
const FOUND_MIN: u32 = WINDOW / 8;
/// Scans without a look-up after a window that found too little.
const PASSED_BY: u32 = 16 * WINDOW;

/// What a scan of one field found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scan<'a> {
    /// These literals occur; each is named once.
    Fired(&'a [u32]),
    /// The automaton cannot tell: everything counts as fired.
    Open,
}

/// What a worker remembers of the values it scanned.
#[derive(Debug, Default)]
pub(crate) struct Scans {
    fields: Vec<FieldScans>,
}

#[derive(Debug, Default)]
struct FieldScans {
    /// Empty until the first value comes.
    places: Vec<Place>,
    n_asked: u32,
    n_found: u32,
    pass_by: u32,
    /// Of the present value, when it is not remembered.
    fired: Vec<u32>,
}

#[derive(Debug, Default, Clone)]
struct Place {
    hash: u64,
    value: Vec<u8>,
    is_open: bool,
    fired: Vec<u32>,
}

impl Place {
    fn answer(&self) -> Scan<'_> {
        match self.is_open {
            true => Scan::Open,
            false => Scan::Fired(&self.fired),
        }
    }
}

impl Scans {
    /// Scans a field of an event, or remembers what that gave.
    pub(crate) fn scan(&mut self, gates: &Gates, field: usize, event: &Event) -> Scan<'_> {
        if self.fields.len() <= field {
            self.fields.resize_with(field + 1, FieldScans::default);
        }
        let value = gates.value(field, event);
        match self.fields.get_mut(field) {
            Some(_) if value.is_empty() => Scan::Fired(&[]),
            Some(scans) => scans.scan(gates, field, value),
            None => Scan::Open,
        }
    }
}

impl FieldScans {
    fn scan(&mut self, gates: &Gates, field: usize, value: &[u8]) -> Scan<'_> {
        if self.pass_by > 0 || value.len() > VALUE_BYTES_MAX {
            self.pass_by = self.pass_by.saturating_sub(1);
            return match gates.scan(field, value, &mut self.fired) {
                true => Scan::Fired(&self.fired),
                false => Scan::Open,
            };
        }
        if self.places.is_empty() {
            self.places.resize(PLACES, Place::default());
        }
        let hash = hash(value);
        let at = usize::try_from(hash >> 32).unwrap_or(0) % PLACES;
        self.n_asked += 1;
        if self.n_asked == WINDOW {
            if self.n_found < FOUND_MIN {
                self.pass_by = PASSED_BY;
            }
            (self.n_asked, self.n_found) = (0, 0);
        }
        let place = &mut self.places[at];
        if place.hash == hash && place.value == value {
            self.n_found += 1;
            return place.answer();
        }
        place.is_open = !gates.scan(field, value, &mut place.fired);
        if place.fired.len() > FIRED_MAX {
            // It is not kept; the place is as good as empty.
            place.value.clear();
            self.fired = std::mem::take(&mut place.fired);
            return Scan::Fired(&self.fired);
        }
        place.hash = hash;
        place.value.clear();
        place.value.extend_from_slice(value);
        place.answer()
    }
}

fn hash(value: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(value);
    hasher.finish()
}
