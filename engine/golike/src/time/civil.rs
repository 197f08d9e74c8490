//! Days since the Unix epoch to and from dates of the proleptic Gregorian calendar.

pub(super) const SECS_PER_DAY: i64 = 86_400;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// A date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    pub(super) month: u32,
    pub(super) day: u32,
}

/// Whether a year has 366 days.
#[must_use]
pub const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days in a month (1 to 12) of a year; 31 for a number that is no month.
#[must_use]
pub const fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days of the year that come before a month (1 to 12).
pub(super) fn days_before_month(year: i64, month: u32) -> u32 {
    (1..month.min(13))
        .map(|earlier| days_in_month(year, earlier))
        .sum()
}

/// The English name of a month, 1 to 12; empty otherwise.
#[must_use]
pub fn month_name(month: u32) -> &'static str {
    let index = usize::try_from(month).unwrap_or(0).wrapping_sub(1);
    MONTHS.get(index).copied().unwrap_or_default()
}

/// The English name of a weekday, Sunday is 0; empty otherwise.
#[must_use]
pub fn weekday_name(weekday: u32) -> &'static str {
    WEEKDAYS
        .get(usize::try_from(weekday).unwrap_or(7))
        .copied()
        .unwrap_or_default()
}

/// The day of the week of a day counted from the epoch, which was a Thursday.
pub(super) fn weekday_from_days(days: i64) -> u32 {
    u32::try_from((days.rem_euclid(7) + 4) % 7).unwrap_or(0)
}

/// Days from 1970-01-01 to a date. The calendar is turned so that a year begins in March: leap
/// days then come last, and months have a closed form.
pub(super) const fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let shifted = year.saturating_sub((month <= 2) as i64);
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let month_from_march = (month as i64 + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day as i64 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era.saturating_mul(146_097)
        .saturating_add(day_of_era - 719_468)
}

/// The date that is `days` days after 1970-01-01.
pub(super) fn civil_from_days(days: i64) -> Civil {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    Civil {
        year: era * 400 + year_of_era + i64::from(month <= 2),
        month: u32::try_from(month).unwrap_or(1),
        day: u32::try_from(day).unwrap_or(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_eight_centuries_follows_the_one_before() {
        let mut expected = Civil {
            year: 1600,
            month: 1,
            day: 1,
        };
        let mut days = days_from_civil(1600, 1, 1);
        while expected.year < 2401 {
            assert_eq!(civil_from_days(days), expected);
            assert_eq!(
                days_from_civil(expected.year, expected.month, expected.day),
                days
            );
            days += 1;
            expected.day += 1;
            if expected.day > days_in_month(expected.year, expected.month) {
                expected = Civil {
                    year: expected.year,
                    month: expected.month + 1,
                    day: 1,
                };
            }
            if expected.month > 12 {
                expected = Civil {
                    year: expected.year + 1,
                    month: 1,
                    day: 1,
                };
            }
        }
    }

    #[test]
    fn the_epoch_was_a_thursday_and_the_ends_do_not_panic() {
        assert_eq!(weekday_name(weekday_from_days(0)), "Thursday");
        assert_eq!(weekday_name(weekday_from_days(-1)), "Wednesday");
        for secs in [i64::MIN, i64::MAX] {
            let date = civil_from_days(secs / SECS_PER_DAY);
            assert!(!month_name(date.month).is_empty());
            civil_from_days(secs);
            days_from_civil(secs, 1, 31);
        }
    }
}
