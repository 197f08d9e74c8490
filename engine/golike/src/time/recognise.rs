//! Hand-written readers for the date forms that logs are full of.
//!
//! A reader answers only for texts of its exact form with every field in range; `None` means
//! "ask the layouts", never "no date". Property tests hold each answer against the layouts.

use super::{Time, civil, days_in_month};

/// The date of one of the common forms of `ParseDate`'s list, with the current year put in where
/// the form has none.
pub(super) fn listed(text: &[u8], current_year: i64) -> Option<Time> {
    match text {
        [b'0'..=b'9', _, _, _, b'-', ..] => match text.get(10)? {
            b'T' => rfc3339(text).or_else(|| date_clock(text, b'-', b'T')),
            b' ' => date_clock(text, b'-', b' '),
            _ => None,
        },
        [b'0'..=b'9', _, _, _, b'/', ..] => date_clock(text, b'/', b' '),
        [b'0'..=b'9', _, b'/', ..] => common_log(text),
        [b'A'..=b'Z' | b'a'..=b'z', ..] => syslog(text, current_year),
        _ => None,
    }
}

/// `2006-01-02T15:04:05`, an optional fraction, and `Z` or `+07:00`.
pub(super) fn rfc3339(text: &[u8]) -> Option<Time> {
    let (head, tail) = text.split_first_chunk::<19>()?;
    let secs = date_clock_secs(head, b'-', b'T')?;
    let (nanos, tail) = fraction(tail)?;
    let offset_secs = match tail {
        b"Z" => 0,
        [sign, h1, h2, b':', m1, m2] => offset(*sign, [*h1, *h2, *m1, *m2])?,
        _ => return None,
    };
    Some(Time {
        secs: secs - i64::from(offset_secs),
        nanos,
        offset_secs,
    })
}

/// `2006-01-02 15:04:05` and kin, an optional fraction, no zone.
fn date_clock(text: &[u8], between_date: u8, between: u8) -> Option<Time> {
    let (head, tail) = text.split_first_chunk::<19>()?;
    let secs = date_clock_secs(head, between_date, between)?;
    let (nanos, tail) = fraction(tail)?;
    tail.is_empty().then_some(Time {
        secs,
        nanos,
        offset_secs: 0,
    })
}

/// `02/Jan/2006:15:04:05 -0700`.
fn common_log(text: &[u8]) -> Option<Time> {
    let text: &[u8; 26] = text.try_into().ok()?;
    let [
        d1,
        d2,
        b'/',
        m1,
        m2,
        m3,
        b'/',
        y1,
        y2,
        y3,
        y4,
        b':',
        clock @ ..,
        b' ',
        sign,
        h1,
        h2,
        z1,
        z2,
    ] = text
    else {
        return None;
    };
    let month = month([*m1, *m2, *m3])?;
    let year = pair(*y1, *y2)? * 100 + pair(*y3, *y4)?;
    let days = days(year, month, pair(*d1, *d2)?)?;
    let offset_secs = offset(*sign, [*h1, *h2, *z1, *z2])?;
    let secs = days * civil::SECS_PER_DAY + clock_secs(clock)? - i64::from(offset_secs);
    Some(Time {
        secs,
        nanos: 0,
        offset_secs,
    })
}

/// `Jan _2 15:04:05` and an optional fraction.
fn syslog(text: &[u8], current_year: i64) -> Option<Time> {
    let (head, tail) = text.split_first_chunk::<15>()?;
    let [m1, m2, m3, b' ', d1, d2, b' ', clock @ ..] = head else {
        return None;
    };
    let month = month([*m1, *m2, *m3])?;
    let day = if *d1 == b' ' {
        pair(b'0', *d2)?
    } else {
        pair(*d1, *d2)?
    };
    // The layout's own year is 0, which is a leap year: 29 February then carries over.
    if day == 0 || day > days_in_month(0, month) {
        return None;
    }
    let days = civil::days_from_civil(current_year, month, 1) + i64::from(day) - 1;
    let secs = days * civil::SECS_PER_DAY + clock_secs(clock)?;
    let (nanos, tail) = fraction(tail)?;
    tail.is_empty().then_some(Time {
        secs,
        nanos,
        offset_secs: 0,
    })
}

fn date_clock_secs(text: &[u8; 19], between_date: u8, between: u8) -> Option<i64> {
    let [y1, y2, y3, y4, s1, m1, m2, s2, d1, d2, s3, clock @ ..] = text;
    if [*s1, *s2, *s3] != [between_date, between_date, between] {
        return None;
    }
    let year = pair(*y1, *y2)? * 100 + pair(*y3, *y4)?;
    let month = pair(*m1, *m2)?;
    if !(1..=12).contains(&month) {
        return None;
    }
    Some(days(year, month, pair(*d1, *d2)?)? * civil::SECS_PER_DAY + clock_secs(clock)?)
}

/// Years 0 and 1 have rules of their own, which the layouts' caller knows.
fn days(year: u32, month: u32, day: u32) -> Option<i64> {
    let year = i64::from(year);
    if year < 2 || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    Some(civil::days_from_civil(year, month, day))
}

fn clock_secs(text: &[u8; 8]) -> Option<i64> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = text else {
        return None;
    };
    let (hour, minute, second) = (pair(*h1, *h2)?, pair(*m1, *m2)?, pair(*s1, *s2)?);
    (hour < 24 && minute < 60 && second < 60).then(|| i64::from(hour * 3600 + minute * 60 + second))
}

fn pair(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| u32::from(tens) * 10 + u32::from(ones))
}

fn month(name: [u8; 3]) -> Option<u32> {
    let lower = name.map(|byte| byte | 0x20);
    Some(match &lower {
        b"jan" => 1,
        b"feb" => 2,
        b"mar" => 3,
        b"apr" => 4,
        b"may" => 5,
        b"jun" => 6,
        b"jul" => 7,
        b"aug" => 8,
        b"sep" => 9,
        b"oct" => 10,
        b"nov" => 11,
        b"dec" => 12,
        _ => return None,
    })
}

/// An optional separator and digits; places past the ninth are dropped.
fn fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let [b'.' | b',', digits @ ..] = text else {
        return Some((0, text));
    };
    let len = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if len == 0 {
        return None;
    }
    let (digits, tail) = digits.split_at(len);
    let mut nanos = 0;
    for place in 0..9 {
        nanos = nanos * 10 + digits.get(place).map_or(0, |digit| u32::from(digit - b'0'));
    }
    Some((nanos, tail))
}

fn offset(sign: u8, digits: [u8; 4]) -> Option<i32> {
    let [h1, h2, m1, m2] = digits;
    let (hours, minutes) = (pair(h1, h2)?, pair(m1, m2)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let secs = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    match sign {
        b'+' => Some(secs),
        b'-' => Some(-secs),
        _ => None,
    }
}
