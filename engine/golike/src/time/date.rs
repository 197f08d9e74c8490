//! `ParseDate`: a date in the layout that the item names, in one of sixteen listed layouts, or as
//! a Unix timestamp (CrowdSec's `pkg/parser/enrich_date.go`).

use std::cell::RefCell;
use std::sync::LazyLock;

use super::{Layout, Time, recognise};
use crate::strconv;

/// In the order in which they are tried.
const LISTED: [&str; 16] = [
    "2006-01-02T15:04:05Z07:00",
    "02/Jan/2006:15:04:05 -0700",
    "Mon Jan 2 15:04:05 2006",
    "02-Jan-2006 15:04:05 europe/paris",
    "01/02/2006 15:04:05",
    "2006-01-02 15:04:05.999999999 -0700 MST",
    "Jan  2 15:04:05",
    "Mon Jan 02 15:04:05.000000 2006",
    "2006-01-02T15:04:05Z07:00",
    "2006/01/02",
    "2006/01/02 15:04",
    "2006-01-02",
    "2006-01-02 15:04",
    "2006/01/02 15:04:05",
    "2006-01-02 15:04:05",
    "2006-01-02T15:04:05",
];

/// Compiled layouts that a thread keeps. Items name a handful; a layout taken from a log line
/// pushes the oldest out.
const EXPLICIT_KEPT: usize = 8;

/// Longest layout that is kept. Real ones have some thirty bytes.
const EXPLICIT_KEPT_BYTES: usize = 128;

static LISTED_LAYOUTS: LazyLock<Vec<Layout>> = LazyLock::new(|| {
    LISTED
        .iter()
        .map(|layout| Layout::compile(layout))
        .collect()
});

thread_local! {
    static EXPLICIT: RefCell<Vec<(String, Layout)>> = const { RefCell::new(Vec::new()) };
}

/// How a date was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateForm {
    /// In the layout that was asked for.
    Explicit,
    /// In one of the listed layouts.
    Listed,
    /// As a Unix timestamp, of which only whole seconds count.
    Unix,
}

/// A recognised date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParsedDate {
    /// The date. Its marshalled text is [`super::append_rfc3339_nano`]'s.
    pub time: Time,
    /// How it was recognised.
    pub form: DateForm,
}

/// Steps 1 to 3 of `ParseDate`; `None` means that CrowdSec would take the present moment.
///
/// A date without a year gets `current_year`, by calendar arithmetic: 29 February of a year that
/// has none is 1 March. An empty `explicit` is no layout.
#[must_use]
pub fn parse_date(text: &[u8], explicit: Option<&str>, current_year: i32) -> Option<ParsedDate> {
    let year = i64::from(current_year);
    if let Some(layout) = explicit.filter(|layout| !layout.is_empty())
        && !text.is_empty()
        && let Some(time) = parse_explicit(layout, text).and_then(|time| accept(time, year))
    {
        return Some(ParsedDate {
            time,
            form: DateForm::Explicit,
        });
    }
    if let Some(time) = recognise::listed(text, year).or_else(|| parse_listed(text, year)) {
        return Some(ParsedDate {
            time,
            form: DateForm::Listed,
        });
    }
    parse_unix(text).map(|time| ParsedDate {
        time,
        form: DateForm::Unix,
    })
}

/// A Unix timestamp: a positive decimal number of seconds before the first `.`; what follows is
/// not looked at. Milliseconds are not recognised: they are seconds of a far year.
#[must_use]
pub fn parse_unix(text: &[u8]) -> Option<Time> {
    let whole = text.split(|byte| *byte == b'.').next()?;
    let secs = strconv::parse_int(whole, 10, 64).ok()?;
    (secs > 0).then(|| Time::from_unix(secs))
}

fn parse_listed(text: &[u8], current_year: i64) -> Option<Time> {
    // Layouts begin with a name or a number, and numbers end at a dash or a slash. What does not
    // begin like that fits none; timestamps are the texts this is for.
    let by_name = match text {
        [b'A'..=b'Z' | b'a'..=b'z', ..] => true,
        [_, _, b'-' | b'/', ..] | [_, _, _, _, b'-' | b'/', ..] => false,
        _ => return None,
    };
    LISTED
        .iter()
        .zip(LISTED_LAYOUTS.iter())
        .filter(|(layout, _)| layout.starts_with(['J', 'M']) == by_name)
        .filter_map(|(_, layout)| layout.parse(text).ok())
        .find_map(|time| accept(time, current_year))
}

/// Puts the year in. CrowdSec takes the zero time for a failure; Go refuses to marshal an offset
/// of a day, and years of more than four digits.
fn accept(time: Time, current_year: i64) -> Option<Time> {
    if time.is_zero() {
        return None;
    }
    let time = if time.year() == 0 {
        time.add_years(current_year)
    } else {
        time
    };
    let is_marshalled =
        time.offset_secs.unsigned_abs() < 86_400 && (0..10_000).contains(&time.year());
    is_marshalled.then_some(time)
}

fn parse_explicit(layout: &str, text: &[u8]) -> Option<Time> {
    EXPLICIT.with_borrow_mut(|kept| {
        if let Some((_, compiled)) = kept.iter().find(|(name, _)| name == layout) {
            return compiled.parse(text).ok();
        }
        let compiled = Layout::compile(layout);
        let time = compiled.parse(text).ok();
        if layout.len() <= EXPLICIT_KEPT_BYTES {
            if kept.len() >= EXPLICIT_KEPT {
                kept.remove(0);
            }
            kept.push((layout.to_owned(), compiled));
        }
        time
    })
}

#[cfg(test)]
mod tests;
