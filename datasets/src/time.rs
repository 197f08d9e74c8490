//! Log time: microseconds since 1970, and the forms in which logs write it.
//!
//! Everything is UTC. Only the proleptic Gregorian calendar is needed, so the conversion is the
//! usual one over eras of 400 years, in integers.

use std::fmt::Write as _;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Microseconds since 1970-01-01T00:00:00Z.
pub(crate) type Micros = i64;

pub(crate) const SECOND: Micros = 1_000_000;

/// A moment taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: u32,
    pub(crate) day: u32,
    pub(crate) hour: u32,
    pub(crate) minute: u32,
    pub(crate) second: u32,
    pub(crate) micros: u32,
}

impl Civil {
    pub(crate) fn at(time: Micros) -> Civil {
        let seconds = time.div_euclid(SECOND);
        let of_day = seconds.rem_euclid(86_400) as u32;
        let shifted = seconds.div_euclid(86_400) + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        } as u32;
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Civil {
            year,
            month,
            day,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            micros: time.rem_euclid(SECOND) as u32,
        }
    }

    fn month_name(self) -> &'static str {
        MONTHS[(self.month as usize + 11) % 12]
    }
}

/// `10/Mar/2024:06:00:00 +0000`, as access logs have it.
pub(crate) fn push_clf(out: &mut String, time: Micros) {
    let t = Civil::at(time);
    let month = t.month_name();
    push(
        out,
        format_args!(
            "{:02}/{month}/{:04}:{:02}:{:02}:{:02} +0000",
            t.day, t.year, t.hour, t.minute, t.second
        ),
    );
}

/// `Mar 10 06:00:00`, as RFC 3164 has it.
pub(crate) fn push_syslog(out: &mut String, time: Micros) {
    let t = Civil::at(time);
    let month = t.month_name();
    push(
        out,
        format_args!(
            "{month} {:>2} {:02}:{:02}:{:02}",
            t.day, t.hour, t.minute, t.second
        ),
    );
}

/// `2024-03-10T06:00:00.123456Z`, as audit events and manifests have it.
pub(crate) fn push_rfc3339(out: &mut String, time: Micros) {
    let t = Civil::at(time);
    push(
        out,
        format_args!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
            t.year, t.month, t.day, t.hour, t.minute, t.second, t.micros
        ),
    );
}

pub(crate) fn rfc3339(time: Micros) -> String {
    let mut out = String::with_capacity(27);
    push_rfc3339(&mut out, time);
    out
}

/// Writing to a `String` cannot fail.
pub(crate) fn push(out: &mut String, args: std::fmt::Arguments<'_>) {
    match out.write_fmt(args) {
        Ok(()) => (),
        Err(_) => unreachable!("a String takes whatever is written to it"),
    }
}

/// Reads `YYYY-MM-DD`, optionally with `THH:MM:SS` and a final `Z`; anything else is `None`.
pub(crate) fn parse(text: &str) -> Option<Micros> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, clock) = text.split_once('T').unwrap_or((text, "00:00:00"));
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let valid =
        year >= 1970 && hour < 24 && minute < 60 && second < 60 && (1..=12).contains(&month);
    if !valid {
        return None;
    }
    let time = (days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second) * SECOND;
    // The 31st of a shorter month comes back as a day of the next one.
    let back = Civil::at(time);
    (i64::from(back.day) == day && i64::from(back.month) == month).then_some(time)
}

fn numbers(text: &str, separator: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut out = [0; 3];
    for (slot, width) in out.iter_mut().zip(widths) {
        let part = parts.next()?;
        let digits = part.len() == width && part.bytes().all(|b| b.is_ascii_digit());
        *slot = digits.then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(out)
}

fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_back_as_they_were_written() {
        for text in [
            "1970-01-01T00:00:00",
            "1999-12-31T23:59:59",
            "2000-02-29T12:00:00",
            "2024-02-29T00:00:01",
            "2024-03-01T06:07:08",
            "2100-03-01T00:00:00",
        ] {
            let time = parse(text).unwrap();
            assert_eq!(rfc3339(time), format!("{text}.000000Z"));
        }
        assert_eq!(parse("2024-03-10"), parse("2024-03-10T00:00:00Z"));
        assert_eq!(parse("1970-01-02"), Some(86_400 * SECOND));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "2024",
            "2024-13-01",
            "2023-02-29",
            "2024-04-31",
            "1969-12-31",
            "24-01-01",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        for text in [
            "2024-01-01T24:00:00",
            "2024-01-01T00:00",
            "2024-01-01T00:00:00+01:00",
            "é",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_form_shows_the_same_moment() {
        let time = parse("2024-03-05T06:07:08").unwrap() + 90;
        let mut out = String::new();
        push_clf(&mut out, time);
        out.push('|');
        push_syslog(&mut out, time);
        out.push('|');
        push_rfc3339(&mut out, time);
        assert_eq!(
            out,
            "05/Mar/2024:06:07:08 +0000|Mar  5 06:07:08|2024-03-05T06:07:08.000090Z"
        );
    }
}
