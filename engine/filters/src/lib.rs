//! Which of many boolean filters could hold for an event.
//!
//! ```text
//! event -> primary fields (log_type, service) -> group: the filters that are not false for these
//!       -> its other small-domain fields      -> kind: what is left of each filter
//!       -> values: filters of one field, and
//!          gates: literals that must occur    -> the filters that could hold, in order
//! ```
//!
//! A filter of which what is left reads one field only is answered by that field's value: whoever
//! evaluates it tells what it gave ([`State::learn`]), and while the value is remembered it is not
//! evaluated again.
//!
//! Groups and kinds are made on first sight by folding the filters with what is known, and kept
//! while there is room ([`State`]). A filter that is left out is certainly false, raises nothing and
//! changes nothing; whoever evaluates what is left, in order, gets what evaluating every filter in
//! order gives. The scenarios of some content are looked up by this, and the whitelists of its
//! parsers.

#![forbid(unsafe_code)]

mod classes;
mod dims;
mod facts;
mod gates;
mod kind;
mod kinds;
mod scans;

use overspill_event::{Event, Slot};
use overspill_expr::Bool;

pub use kinds::{Entry, Index};

use crate::dims::Dims;
use crate::facts::{At, Facts, Masks};
use crate::gates::GatesBuilder;
use crate::kinds::Kinds;
use crate::scans::Scans;

impl Index {
    /// Indexes filters, whose numbers are their places. `primary` are the fields that divide events
    /// most, at best two or three.
    #[must_use]
    pub fn new(filters: Vec<Bool>, primary: &[Slot]) -> Self {
        let dims = Dims::of(filters.iter());
        let mut gates = GatesBuilder::default();
        for filter in &filters {
            gates.add(filter, &dims);
        }
        Self::of_parts(filters, dims, gates.build(), primary)
    }
}

/// What a worker remembers of the kinds of events it saw, and where it stands with the present one.
/// One for each index and worker, always used with the same data files.
///
/// When it is full, events of kinds that it does not remember are looked up by their group only
/// ([`State::n_unremembered`]): more filters are left, with the same result.
#[derive(Debug, Default)]
pub struct State {
    kinds: Kinds,
    kind: usize,
    scans: Scans,
    facts: Facts,
    /// Filters of the present kind that could hold or do.
    open: Masks,
    /// Where it is written what is known of the present values.
    places: Vec<At>,
    /// Events whose kind was not remembered because there was no room.
    pub n_unremembered: u64,
}

impl State {
    /// A state that remembers what is left of so many filters, over all kinds.
    #[must_use]
    pub fn bounded(entries_max: usize) -> Self {
        Self {
            kinds: Kinds::bounded(entries_max),
            ..Self::default()
        }
    }

    /// Finds the filters that could hold for an event as it is now.
    pub fn look(&mut self, index: &Index, event: &Event) {
        if self.kinds.forget_if_due() {
            self.facts.forget();
        }
        self.kind = self.kinds.find(index, event, &mut self.n_unremembered);
        if let Some(kind) = self.kinds.get(self.kind) {
            kind.open(
                index,
                event,
                self.kind,
                (&mut self.facts, &mut self.scans),
                &mut self.open,
                &mut self.places,
            );
        }
    }

    /// The place of the first filter found whose number is at least `number`.
    #[must_use]
    pub fn place_of(&self, number: usize) -> usize {
        self.kinds
            .get(self.kind)
            .map_or(0, |kind| kind.place_of(number))
    }

    /// The next filter from a place on, which moves behind it.
    pub fn next(&self, place: &mut usize) -> Option<&Entry> {
        self.next_known(place).map(|(entry, _)| entry)
    }

    /// The next filter from a place on, which moves behind it, and whether it certainly holds: what
    /// is left of it need not be evaluated then.
    pub fn next_known(&self, place: &mut usize) -> Option<(&Entry, bool)> {
        let (at, is_sure) = self.open.next(place)?;
        let entry = self.kinds.get(self.kind)?.entries().get(at)?;
        Some((entry, is_sure || entry.rest.is_none()))
    }

    /// Tells what evaluating the filter before a place gave for the event that was looked up last,
    /// which did not change since. It is not to be told when evaluating it raised an error or a
    /// warning, since these would not be raised again.
    pub fn learn(&mut self, place: usize, holds: bool) {
        if let (Some(at), Some(kind)) = (place.checked_sub(1), self.kinds.get_mut(self.kind)) {
            kind.learn(at, holds, &self.places, &mut self.facts);
        }
    }
}
