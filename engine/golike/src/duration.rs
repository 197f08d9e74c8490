//! Go's `time.Duration` texts: `1h30m0s`, `1.5s`, `35.776µs`.
//!
//! A duration is a number of nanoseconds in an `i64`.

use crate::strconv;

const NS_PER_DAY: i64 = 86_400_000_000_000;

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not of the form, or more than an `i64` of nanoseconds can hold.
    #[error("invalid duration {0:?}")]
    Invalid(String),
    /// A number without a unit; a bare `10` is one, a bare `0` is a duration.
    #[error("missing unit in duration {0:?}")]
    MissingUnit(String),
    /// A unit other than `ns`, `us`, `µs`, `ms`, `s`, `m` and `h`.
    #[error("unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// The whole text.
        text: String,
    },
    /// Nothing but blanks, where days are allowed.
    #[error("empty duration")]
    Empty,
}

/// Reads a duration (Go's `time.ParseDuration`), in nanoseconds.
///
/// # Errors
///
/// When the text is not a sequence of numbers with units, or is too large.
pub fn parse(text: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let (negative, mut rest) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (whole, after) = leading_digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => leading_digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit_len = after
            .find(|ch: char| ch == '.' || ch.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        if unit.is_empty() {
            return Err(DurationError::MissingUnit(text.to_owned()));
        }
        let unit_ns = unit_ns(unit).ok_or_else(|| DurationError::UnknownUnit {
            unit: unit.to_owned(),
            text: text.to_owned(),
        })?;
        let part = part_ns(whole, fraction, unit_ns).ok_or_else(invalid)?;
        total = total
            .checked_add(part)
            .filter(|total| *total <= MAGNITUDE_MAX)
            .ok_or_else(invalid)?;
        rest = after;
    }
    match (negative, i64::try_from(total)) {
        (false, Ok(ns)) => Ok(ns),
        (true, Ok(ns)) => Ok(-ns),
        (true, Err(_)) => Ok(i64::MIN),
        (false, Err(_)) => Err(invalid()),
    }
}

/// Reads a duration that may begin with days, as profiles and decisions have it: `7d`, `-1d12h`
/// (CrowdSec's `cstime.ParseDurationWithDays`). Blanks around it are ignored, a day is 24 hours,
/// and a minus sign before it is for the whole.
///
/// # Errors
///
/// When the text is empty, its days are no whole number or not its first unit, the rest is no
/// duration, or the sum is too large (where CrowdSec's overflows).
pub fn parse_with_days(text: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(DurationError::Empty);
    }
    let (negative, unsigned) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed),
    };
    let (days, rest) = match unsigned.split_once('d') {
        Some((days, rest)) => (strconv::atoi(days.as_bytes()).map_err(|_| invalid())?, rest),
        None => (0, unsigned),
    };
    if rest.contains('-') {
        return Err(invalid());
    }
    let rest_ns = if rest.is_empty() { 0 } else { parse(rest)? };
    let ns = days
        .checked_mul(NS_PER_DAY)
        .and_then(|ns| ns.checked_add(rest_ns))
        .ok_or_else(invalid)?;
    Ok(if negative { ns.saturating_neg() } else { ns })
}

/// The text of a duration (Go's `Duration.String`).
#[must_use]
pub fn format(ns: i64) -> String {
    let mut out = String::with_capacity(16);
    append(ns, &mut out);
    out
}

/// Appends the text of a duration.
pub fn append(ns: i64, out: &mut String) {
    let magnitude = ns.unsigned_abs();
    if ns < 0 {
        out.push('-');
    }
    match magnitude {
        0 => out.push_str("0s"),
        1..1_000 => append_unit(magnitude, 0, "ns", out),
        1_000..1_000_000 => append_unit(magnitude, 3, "µs", out),
        1_000_000..1_000_000_000 => append_unit(magnitude, 6, "ms", out),
        _ => {
            let minutes = magnitude / 60_000_000_000;
            let (hours, minutes) = (minutes / 60, minutes % 60);
            if hours > 0 {
                append_unit(hours, 0, "h", out);
            }
            if hours > 0 || minutes > 0 {
                append_unit(minutes, 0, "m", out);
            }
            append_unit(magnitude % 60_000_000_000, 9, "s", out);
        }
    }
}

/// Appends `number / 10^places`, without trailing zeros, and the unit.
fn append_unit(number: u64, places: u32, unit: &str, out: &mut String) {
    let scale = 10_u64.pow(places);
    out.push_str(&(number / scale).to_string());
    let fraction = number % scale;
    if fraction > 0 {
        let digits = format!("{fraction:0width$}", width = places as usize);
        out.push('.');
        out.push_str(digits.trim_end_matches('0'));
    }
    out.push_str(unit);
}

/// Go's limit on a part and on the sum: `i64::MIN` is reachable, with a minus sign.
const MAGNITUDE_MAX: u64 = 1 << 63;

fn part_ns(whole: &str, fraction: &str, unit_ns: u64) -> Option<u64> {
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    if whole > MAGNITUDE_MAX / unit_ns {
        return None;
    }
    let part = whole.checked_mul(unit_ns)?;
    let extra = fraction_ns(fraction, unit_ns);
    part.checked_add(extra)
        .filter(|part| *part <= MAGNITUDE_MAX)
}

/// Go computes this part in floating point, which is exact to the nanosecond for hours.
fn fraction_ns(digits: &str, unit_ns: u64) -> u64 {
    let mut number: u64 = 0;
    let mut scale = 1.0_f64;
    for digit in digits.bytes() {
        if number > (u64::MAX >> 1) / 10 {
            break;
        }
        let next = number * 10 + u64::from(digit - b'0');
        if next > MAGNITUDE_MAX {
            break;
        }
        number = next;
        scale *= 10.0;
    }
    (number as f64 * (unit_ns as f64 / scale)) as u64
}

fn leading_digits(text: &str) -> (&str, &str) {
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(len)
}

fn unit_ns(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // Both the micro sign and the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
