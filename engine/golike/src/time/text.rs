//! The texts of a time that are written and read often: RFC 3339, and Go's default text.

use std::sync::LazyLock;

use super::{Layout, Time, recognise};
use crate::strconv::append_int;

static RFC3339: LazyLock<Layout> = LazyLock::new(|| Layout::compile("2006-01-02T15:04:05Z07:00"));

/// Appends RFC 3339 with nanoseconds, trailing zeros trimmed, no fraction if there is none.
///
/// Years past 9999 are written with as many digits as they have, which RFC 3339 does not allow.
pub fn append_rfc3339_nano(time: &Time, out: &mut Vec<u8>) {
    append_date_clock(time, b'T', out);
    append_nanos_trimmed(time.nanos, out);
    append_zulu_offset(time.offset_secs, out);
}

/// Appends RFC 3339 with whole seconds; a fraction is dropped.
pub fn append_rfc3339(time: &Time, out: &mut Vec<u8>) {
    append_date_clock(time, b'T', out);
    append_zulu_offset(time.offset_secs, out);
}

/// Reads RFC 3339 as Go's `time.Parse` with that layout does, which is a little more lenient than
/// the RFC: an hour may have one digit, a fraction may follow a comma.
#[must_use]
pub fn parse_rfc3339(text: &[u8]) -> Option<Time> {
    recognise::rfc3339(text).or_else(|| RFC3339.parse(text).ok())
}

pub(super) fn default_text(time: &Time) -> String {
    let mut out = Vec::with_capacity(40);
    append_date_clock(time, b' ', &mut out);
    append_nanos_trimmed(time.nanos, &mut out);
    out.push(b' ');
    append_offset(time.offset_secs, true, false, &mut out);
    out.push(b' ');
    append_zone_name(time.offset_secs, &mut out);
    out.into_iter().map(char::from).collect()
}

/// The name of the zone: `UTC`, or else the offset again.
pub(super) fn append_zone_name(offset_secs: i32, out: &mut Vec<u8>) {
    if offset_secs == 0 {
        out.extend_from_slice(b"UTC");
    } else {
        append_offset(offset_secs, true, false, out);
    }
}

/// Sign, hours, and minutes if asked for. Seconds of the offset are dropped, with its sign if
/// nothing else is left.
pub(super) fn append_offset(offset_secs: i32, minutes: bool, colon: bool, out: &mut Vec<u8>) {
    let total = offset_secs / 60;
    out.push(if total < 0 { b'-' } else { b'+' });
    let total = i64::from(total.unsigned_abs());
    append_int(total / 60, 2, out);
    if minutes {
        if colon {
            out.push(b':');
        }
        append_int(total % 60, 2, out);
    }
}

fn append_date_clock(time: &Time, between: u8, out: &mut Vec<u8>) {
    let wall = time.wall_clock();
    let pair = |number: u32| {
        let number = u8::try_from(number).unwrap_or(0);
        [b'0' + number / 10, b'0' + number % 10]
    };
    append_int(wall.year, 4, out);
    let ([m1, m2], [d1, d2]) = (pair(wall.month), pair(wall.day));
    let ([h1, h2], [n1, n2], [s1, s2]) = (pair(wall.hour), pair(wall.minute), pair(wall.second));
    out.extend_from_slice(&[
        b'-', m1, m2, b'-', d1, d2, between, h1, h2, b':', n1, n2, b':', s1, s2,
    ]);
}

fn append_nanos_trimmed(nanos: u32, out: &mut Vec<u8>) {
    if nanos == 0 {
        return;
    }
    out.push(b'.');
    append_int(i64::from(nanos), 9, out);
    while out.last() == Some(&b'0') {
        out.pop();
    }
}

fn append_zulu_offset(offset_secs: i32, out: &mut Vec<u8>) {
    if offset_secs == 0 {
        out.push(b'Z');
    } else {
        append_offset(offset_secs, true, true, out);
    }
}
