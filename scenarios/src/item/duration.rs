//! Durations of content: Go's texts, with hints for the usual slips.

use overspill_golike::duration::{self, DurationError};

use crate::diagnostic::shown;
use crate::yaml::table::{Findings, Text};

/// A Go duration in nanoseconds; reports a text that is none.
pub(crate) fn read(text: &Text, findings: &mut Findings<'_>) -> Option<i64> {
    report(text, duration::parse(&text.value), "h", findings)
}

/// A duration of a decision: as Go's, and it may begin with days.
pub(crate) fn read_with_days(text: &Text, findings: &mut Findings<'_>) -> Option<i64> {
    report(text, duration::parse_with_days(&text.value), "d", findings)
}

fn report(
    text: &Text,
    parsed: Result<i64, DurationError>,
    largest_unit: &str,
    findings: &mut Findings<'_>,
) -> Option<i64> {
    match parsed {
        Ok(ns) => Some(ns),
        Err(_) => {
            let message = format!("\"{}\" is not a duration", shown(&text.value));
            let hint = hint(&text.value).unwrap_or_else(|| {
                format!("numbers with units ns, us, ms, s, m or {largest_unit}, such as \"1m30s\"")
            });
            findings.refuse_with_hint(text, message, hint);
            None
        }
    }
}

fn hint(text: &str) -> Option<String> {
    let is_duration = |text: &str| duration::parse(text).is_ok();
    let joined: String = text.chars().filter(|char| !char.is_whitespace()).collect();
    if joined != text && is_duration(&joined) {
        return Some(format!("write it without the space: \"{joined}\""));
    }
    let seconds = format!("{text}s");
    if text.bytes().all(|byte| byte.is_ascii_digit()) && is_duration(&seconds) {
        return Some(format!("a number needs a unit: \"{seconds}\""));
    }
    let days = text.strip_suffix('d')?.parse::<u32>().ok()?;
    Some(format!(
        "days are no unit here: \"{}h\"",
        u64::from(days) * 24
    ))
}
