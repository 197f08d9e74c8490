//! Times as Go's `time.Parse` reads the layouts that CrowdSec's syslog parsers try, and as it prints them.
//!
//! Only what is printed again is kept: month, day and time of day. The zone is checked and dropped, as
//! CrowdSec prints the time in the zone it came in.

/// A time without its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) year: u32,
    /// From 1.
    pub(super) month: u32,
    pub(super) day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    /// It is the first moment of the year 1 in UTC, which Go takes for no time.
    is_zero: bool,
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn literal(&mut self, byte: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    /// A space of a layout: one or more, or the end.
    fn spaces(&mut self) -> Option<()> {
        if !self.0.is_empty() && self.0.first() != Some(&b' ') {
            return None;
        }
        while let Some(rest) = self.0.strip_prefix(b" ") {
            self.0 = rest;
        }
        Some(())
    }

    fn digit(&mut self) -> Option<u32> {
        let (digit, rest) = self.0.split_first()?;
        let value = digit.is_ascii_digit().then(|| u32::from(digit - b'0'))?;
        self.0 = rest;
        Some(value)
    }

    /// Two digits.
    fn two(&mut self) -> Option<u32> {
        Some(self.digit()? * 10 + self.digit()?)
    }

    /// One or two digits.
    fn one_or_two(&mut self) -> Option<u32> {
        let first = self.digit()?;
        Some(self.digit().map_or(first, |second| first * 10 + second))
    }

    fn year(&mut self) -> Option<u32> {
        Some(self.two()? * 100 + self.two()?)
    }

    fn month_name(&mut self) -> Option<u32> {
        let (name, rest) = self.0.split_at_checked(3)?;
        let at = MONTHS
            .iter()
            .position(|month| name.eq_ignore_ascii_case(month.as_bytes()))?;
        self.0 = rest;
        u32::try_from(at + 1).ok()
    }

    /// `15:04:05`, where a fraction of a second is taken too.
    fn clock(&mut self) -> Option<(u32, u32, u32)> {
        let hour = self.one_or_two().filter(|hour| *hour < 24)?;
        self.literal(b':')?;
        let minute = self.two().filter(|minute| *minute < 60)?;
        self.literal(b':')?;
        let second = self.two().filter(|second| *second < 60)?;
        if let [b'.' | b',', digit, ..] = self.0
            && digit.is_ascii_digit()
        {
            self.0 = self.0.get(1..)?;
            while self.digit().is_some() {}
        }
        Some((hour, minute, second))
    }

    /// `Z` or `+07:00`: whether it is UTC.
    fn zone(&mut self) -> Option<bool> {
        if self.literal(b'Z').is_some() {
            return Some(true);
        }
        let is_signed = self.literal(b'+').or_else(|| self.literal(b'-'));
        is_signed?;
        // Go lets 24 and 60 pass here.
        let hours = self.two().filter(|hours| *hours <= 24)?;
        self.literal(b':')?;
        let minutes = self.two().filter(|minutes| *minutes <= 60)?;
        Some(hours == 0 && minutes == 0)
    }
}

/// `2006-01-02T15:04:05Z07:00`, with or without a fraction.
pub(super) fn rfc3339(text: &[u8]) -> Option<Stamp> {
    let mut cursor = Cursor(text);
    let year = cursor.year()?;
    cursor.literal(b'-')?;
    let month = cursor.two().filter(|month| (1..=12).contains(month))?;
    cursor.literal(b'-')?;
    let day = cursor.two()?;
    cursor.literal(b'T')?;
    let clock = cursor.clock()?;
    let is_utc = cursor.zone()?;
    let stamp = stamp(year, month, day, clock)?;
    let is_first = (year, month, day, clock) == (1, 1, 1, (0, 0, 0)) && is_utc;
    cursor.0.is_empty().then_some(Stamp {
        is_zero: is_first,
        ..stamp
    })
}

/// `Jan 02 15:04:05`, with the year behind it or without; without, it is the year 0. `is_padded`: the
/// layout has `02` for the day, not `_2`.
pub(super) fn named_month(text: &[u8], is_padded: bool, has_year: bool) -> Option<Stamp> {
    let mut cursor = Cursor(text);
    let month = cursor.month_name()?;
    cursor.spaces()?;
    let day = if is_padded {
        cursor.two()?
    } else {
        cursor.one_or_two()?
    };
    cursor.spaces()?;
    let clock = cursor.clock()?;
    let mut year = 0;
    if has_year {
        cursor.spaces()?;
        year = cursor.year()?;
    }
    let stamp = stamp(year, month, day, clock)?;
    cursor.0.is_empty().then_some(stamp)
}

fn stamp(year: u32, month: u32, day: u32, clock: (u32, u32, u32)) -> Option<Stamp> {
    let (hour, minute, second) = clock;
    (1..=days_in(year, month)).contains(&day).then_some(Stamp {
        year,
        month,
        day,
        hour,
        minute,
        second,
        is_zero: false,
    })
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

impl Stamp {
    /// The time of a clock, in UTC.
    pub(super) fn of_ns(ns: i64) -> Self {
        let seconds = ns.div_euclid(1_000_000_000);
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Days since the first of March of the year 0, in eras of 400 years.
        let days = days + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 {
            from_march + 3
        } else {
            from_march - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let number = |value: i64| u32::try_from(value).unwrap_or(0);
        Self {
            year: number(year),
            month: number(month),
            day: number(day),
            hour: number(second / 3_600),
            minute: number(second / 60 % 60),
            second: number(second % 60),
            is_zero: false,
        }
    }

    /// A time without a year is put into this one; its 29th of February may be the first of March there.
    pub(super) fn in_year(self, year: u32) -> Self {
        if self.year != 0 {
            return self;
        }
        let is_day_over = self.day > days_in(year, self.month);
        Self {
            year,
            month: if is_day_over { 3 } else { self.month },
            day: if is_day_over { 1 } else { self.day },
            ..self
        }
    }

    /// Whether Go takes it for no time at all.
    pub(super) fn is_zero(self) -> bool {
        self.is_zero
    }

    /// Appends it as `Jan 2 15:04:05`.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let at = usize::try_from(self.month).unwrap_or(1).saturating_sub(1);
        out.extend_from_slice(MONTHS.get(at).copied().unwrap_or("Jan").as_bytes());
        out.push(b' ');
        if self.day >= 10 {
            push_digit(out, self.day / 10);
        }
        push_digit(out, self.day);
        for (before, number) in [(b' ', self.hour), (b':', self.minute), (b':', self.second)] {
            out.push(before);
            push_digit(out, number / 10);
            push_digit(out, number);
        }
    }
}

fn push_digit(out: &mut Vec<u8>, number: u32) {
    out.push(b'0' + u8::try_from(number % 10).unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(stamp: Option<Stamp>) -> String {
        let mut out = Vec::new();
        if let Some(stamp) = stamp {
            stamp.write(&mut out);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_read_as_go_reads_them() {
        for (input, expected) in [
            ("2021-05-18T11:58:40Z", "May 18 11:58:40"),
            ("2021-05-18T11:58:40.828081+02:00", "May 18 11:58:40"),
            ("2021-05-18T11:58:40,8-23:59", "May 18 11:58:40"),
            ("2021-05-18T1:58:40Z", "May 18 01:58:40"),
            ("2021-05-18T11:58:40+24:60", "May 18 11:58:40"),
            ("2021-05-18T11:58:40+25:00", ""),
            ("2021-05-18T24:58:40Z", ""),
            ("2021-02-29T11:58:40Z", ""),
            ("2020-02-29T11:58:40Z", "Feb 29 11:58:40"),
            ("2021-05-18T11:58:40", ""),
            ("2021-05-18T11:58:40Zx", ""),
            ("2021-5-18T11:58:40Z", ""),
            ("0000-01-01T00:00:00Z", "Jan 1 00:00:00"),
        ] {
            assert_eq!(text(rfc3339(input.as_bytes())), expected, "{input}");
        }
        for (input, is_padded, has_year, expected) in [
            ("May 20 09:33:54", true, false, "May 20 09:33:54"),
            ("mAY 20 09:33:54", true, false, "May 20 09:33:54"),
            ("May  2 09:33:54", true, false, ""),
            ("May  2 09:33:54", false, false, "May 2 09:33:54"),
            ("May 02 09:33:54", false, false, "May 2 09:33:54"),
            ("May 2 9:33:54.1", false, false, "May 2 09:33:54"),
            ("May 20 09:33:54 2022", true, true, "May 20 09:33:54"),
            ("May 20 09:33:54 202", true, true, ""),
            ("May 20 09:33:54 2022", true, false, ""),
            ("Feb 29 09:33:54", true, false, "Feb 29 09:33:54"),
            ("Feb 30 09:33:54", true, false, ""),
            ("Mai 20 09:33:54", true, false, ""),
            ("May 20 09:3:54", true, false, ""),
        ] {
            let stamp = named_month(input.as_bytes(), is_padded, has_year);
            assert_eq!(text(stamp), expected, "{input}");
        }
        assert!(rfc3339(b"0001-01-01T00:00:00Z").unwrap().is_zero());
        assert!(!rfc3339(b"0001-01-01T00:00:00+01:00").unwrap().is_zero());
    }

    #[test]
    fn a_day_that_the_year_does_not_have_is_the_next_one() {
        let stamp = named_month(b"Feb 29 09:33:54", true, false).unwrap();
        assert_eq!(text(Some(stamp.in_year(2024))), "Feb 29 09:33:54");
        assert_eq!(text(Some(stamp.in_year(2026))), "Mar 1 09:33:54");
    }

    #[test]
    fn a_clock_gives_the_day_it_is() {
        for (seconds, expected, year) in [
            (0, "Jan 1 00:00:00", 1970),
            (951_782_399, "Feb 28 23:59:59", 2000),
            (951_782_400, "Feb 29 00:00:00", 2000),
            (1_772_323_199, "Feb 28 23:59:59", 2026),
            (1_772_323_200, "Mar 1 00:00:00", 2026),
            (-1, "Dec 31 23:59:59", 1969),
        ] {
            let stamp = Stamp::of_ns(seconds * 1_000_000_000);
            assert_eq!((text(Some(stamp)).as_str(), stamp.year), (expected, year));
        }
    }
}
