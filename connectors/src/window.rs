//! The span of time that is asked for, and what a number in a time column means.

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

/// A half-open span of time: `since <= t < until`, in nanoseconds since 1970. An absent end is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// First moment within.
    pub since_ns: Option<i64>,
    /// First moment after.
    pub until_ns: Option<i64>,
}

/// Where a closed span of time lies, seen from a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// All of it is within.
    Inside,
    /// None of it is.
    Outside,
    /// Some of it may be.
    Across,
}

impl Window {
    /// It leaves nothing out.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.since_ns.is_none() && self.until_ns.is_none()
    }

    /// `ns` is within.
    #[must_use]
    pub fn holds(&self, ns: i64) -> bool {
        self.since_ns.is_none_or(|since| ns >= since)
            && self.until_ns.is_none_or(|until| ns < until)
    }

    /// Where `first_ns ..= last_ns` lies.
    #[must_use]
    pub fn place(&self, first_ns: i64, last_ns: i64) -> Place {
        let is_before = self.since_ns.is_some_and(|since| last_ns < since);
        let is_after = self.until_ns.is_some_and(|until| first_ns >= until);
        if is_before || is_after {
            Place::Outside
        } else if self.holds(first_ns) && self.holds(last_ns) {
            Place::Inside
        } else {
            Place::Across
        }
    }
}

/// What a number without a type counts, since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TimeUnit {
    /// Told by its size: below 10^11 seconds, below 10^14 milliseconds, below 10^17 microseconds, else
    /// nanoseconds. So each unit is right from 1973 (for seconds: 1970) to the year 5138.
    #[default]
    Auto,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
}

impl TimeUnit {
    /// The unit that a number is in.
    #[must_use]
    pub fn of(self, number: i64) -> Self {
        match (self, number.unsigned_abs()) {
            (Self::Auto, ..100_000_000_000) => Self::Seconds,
            (Self::Auto, ..100_000_000_000_000) => Self::Millis,
            (Self::Auto, ..100_000_000_000_000_000) => Self::Micros,
            (Self::Auto, _) => Self::Nanos,
            (unit, _) => unit,
        }
    }

    /// The moment in nanoseconds; what an `i64` cannot hold stands at its end.
    #[must_use]
    pub fn to_ns(self, number: i64) -> i64 {
        let scale = match self.of(number) {
            Self::Seconds => SECOND,
            Self::Millis => 1_000_000,
            Self::Micros => 1_000,
            Self::Nanos | Self::Auto => 1,
        };
        number.saturating_mul(scale)
    }
}

/// Nanoseconds of a day.
const DAY: i64 = 86_400 * SECOND;

/// The span `[first, last]` that the parts of a path in Hive's style stand for, if there are any.
///
/// Understood, in any place of the path: `year=`, `month=`, `day=`, `hour=`; `date=`, `dt=`, `day=` with
/// `2026-11-25` or `20261125`; `eventDay=20261125`. All UTC. Names are compared without case. A path that
/// contradicts itself or holds an impossible date stands for nothing.
#[must_use]
pub fn path_span(path: &str) -> Option<(i64, i64)> {
    let (mut year, mut month, mut day, mut hour) = (None, None, None, None);
    for part in path.split('/') {
        let Some((name, value)) = part.split_once('=') else {
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "year" => year = Some(number(value)?),
            "month" => month = Some(number(value)?),
            "hour" => hour = Some(number(value)?),
            "day" if value.len() <= 2 => day = Some(number(value)?),
            "date" | "dt" | "day" | "eventday" | "event_day" | "event_date" => {
                let digits: String = value.chars().filter(|c| *c != '-').collect();
                if digits.len() != 8 {
                    return None;
                }
                year = Some(number(digits.get(..4)?)?);
                month = Some(number(digits.get(4..6)?)?);
                day = Some(number(digits.get(6..)?)?);
            }
            _ => {}
        }
    }
    let year = year.filter(|year| (1700..=2200).contains(year))?;
    let start = |year, month, day| days_from_civil(year, month, day) * DAY;
    let (first, after) = match (month, day, hour) {
        (None, None, None) => (start(year, 1, 1), start(year + 1, 1, 1)),
        (Some(month @ 1..=12), None, None) => {
            let next = if month == 12 {
                start(year + 1, 1, 1)
            } else {
                start(year, month + 1, 1)
            };
            (start(year, month, 1), next)
        }
        (Some(month @ 1..=12), Some(day @ 1..=31), hour) => {
            let first = start(year, month, day);
            if civil_from_days(first / DAY - i64::from(first % DAY != 0)) != (year, month, day) {
                return None;
            }
            match hour {
                None => (first, first + DAY),
                Some(hour @ 0..=23) => {
                    let first = first + hour * 3_600 * SECOND;
                    (first, first + 3_600 * SECOND)
                }
                Some(_) => return None,
            }
        }
        _ => return None,
    };
    Some((first, after - 1))
}

fn number(text: &str) -> Option<i64> {
    (!text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// Days since 1970 of a date of the Gregorian calendar.
#[must_use]
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day since 1970: year, month, day.
#[must_use]
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_half_open() {
        let window = Window {
            since_ns: Some(10),
            until_ns: Some(20),
        };
        assert_eq!(
            [9, 10, 19, 20].map(|ns| window.holds(ns)),
            [false, true, true, false]
        );
        assert_eq!(window.place(10, 19), Place::Inside);
        assert_eq!(window.place(20, 30), Place::Outside);
        assert_eq!(window.place(0, 9), Place::Outside);
        assert_eq!(window.place(0, 10), Place::Across);
        assert_eq!(Window::default().place(i64::MIN, i64::MAX), Place::Inside);
    }

    #[test]
    fn the_unit_of_an_epoch_is_told_by_its_size() {
        let moment = 1_764_072_000;
        for (number, scale) in [
            (moment, SECOND),
            (moment * 1_000, 1_000_000),
            (moment * 1_000_000, 1_000),
            (moment * SECOND, 1),
        ] {
            assert_eq!(TimeUnit::Auto.to_ns(number), number * scale);
        }
        assert_eq!(TimeUnit::Seconds.to_ns(i64::MAX), i64::MAX);
    }

    #[test]
    fn dates_go_to_days_and_back() {
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(days_from_civil(2026, 11, 25), 20_782);
        for days in [-719_468, -1, 0, 59, 11_016, 20_782, 2_932_896] {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
    }

    #[test]
    fn parts_of_a_path_are_a_span() {
        let check = |path: &str, first: i64, seconds: i64| {
            let start = first * SECOND;
            assert_eq!(
                path_span(path),
                Some((start, start + seconds * SECOND - 1)),
                "{path}"
            );
        };
        let day = 20_782 * 86_400;
        check("a/year=2026/month=11/day=25/x", day, 86_400);
        check("a/year=2026/month=11/day=25/hour=06/x", day + 21_600, 3_600);
        check("eventDay=20261125/x", day, 86_400);
        check("dt=2026-11-25/x", day, 86_400);
        check("date=2026-11-25/hour=0/x", day, 3_600);
        check("year=2026/month=11/x", day - 24 * 86_400, 30 * 86_400);
        for none in [
            "a/b.parquet",
            "year=2026/month=2/day=30/x",
            "year=2026/day=4/x",
            "dt=yesterday/x",
            "year=x/month=1/y",
            "date=2026-11-25/hour=24/x",
        ] {
            assert_eq!(path_span(none), None, "{none}");
        }
    }
}
