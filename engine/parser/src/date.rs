//! `ParseDate`: a date's text to the text every bucket counts with.
//!
//! Lines of one input come in order of time and many share a second, so the last few answers are
//! kept. An answer depends on the text, the explicit layout and the current year, and all three
//! are compared.

use overspill_golike::time::{Time, append_rfc3339_nano, parse_date};

/// Answers that are kept.
const KEPT: usize = 4;
/// Longest text, and longest layout, that is kept. Real ones have some thirty bytes.
const KEPT_BYTES: usize = 64;

/// A recognised date.
#[derive(Debug, Clone, Default)]
struct Known {
    text: Vec<u8>,
    layout: Vec<u8>,
    year: i32,
    /// `None` in a place that was never used.
    time: Option<Time>,
    marshaled: Vec<u8>,
}

impl Known {
    fn answers(&self, text: &[u8], layout: &[u8], year: i32) -> bool {
        self.time.is_some() && self.year == year && self.text == text && self.layout == layout
    }
}

/// The last few dates of a partition.
#[derive(Debug, Default)]
pub(crate) struct Dates {
    known: [Known; KEPT],
    /// Where the last answer was found.
    last: usize,
    /// Where the next answer goes.
    next: usize,
}

impl Dates {
    /// Recognises a date (steps 1 to 3 of `pkg/parser/enrich_date.go`): the time, and its RFC 3339
    /// text. `None` means that CrowdSec would take the present moment.
    pub(crate) fn parse(&mut self, text: &[u8], layout: &[u8], year: i32) -> Option<(Time, &[u8])> {
        let places = [self.last, 0, 1, 2, 3];
        if let Some(at) = places.into_iter().find(|at| {
            self.known
                .get(*at)
                .is_some_and(|known| known.answers(text, layout, year))
        }) {
            self.last = at;
            let known = self.known.get(at)?;
            return Some((known.time?, &known.marshaled));
        }
        // A layout that is not UTF-8 could match only a text that is not, and no date is.
        let explicit = std::str::from_utf8(layout).ok();
        let time = parse_date(text, explicit, year)?.time;
        let at = self.next;
        self.next = (at + 1) % KEPT;
        let known = self.known.get_mut(at)?;
        known.marshaled.clear();
        append_rfc3339_nano(&time, &mut known.marshaled);
        if text.len() <= KEPT_BYTES && layout.len() <= KEPT_BYTES {
            known.text.clear();
            known.text.extend_from_slice(text);
            known.layout.clear();
            known.layout.extend_from_slice(layout);
            known.year = year;
            known.time = Some(time);
            self.last = at;
        } else {
            known.time = None;
        }
        Some((time, &known.marshaled))
    }
}

#[cfg(test)]
mod tests;
