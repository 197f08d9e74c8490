//! Calendar time as Go's `time.Time` shows it: an instant, and the zone it is written in.
//!
//! A [`Time`] remembers the offset it was parsed with and nothing else of its zone: an
//! abbreviation such as `CEST` is accepted by layouts and forgotten, and offset 0 prints as
//! `UTC`, which is what Go prints when the process runs in UTC. No function reads a clock.
//!
//! Arithmetic saturates where Go would wrap; every year that `i64` seconds can reach is printed.

mod civil;
mod date;
mod layout;
mod recognise;
mod text;

pub use civil::{days_in_month, is_leap, month_name, weekday_name};
pub use date::{DateForm, ParsedDate, parse_date, parse_unix};
pub use layout::{Layout, TimeError};
pub use text::{append_rfc3339, append_rfc3339_nano, parse_rfc3339};

use civil::{Civil, SECS_PER_DAY};

const NANOS_PER_SEC: i128 = 1_000_000_000;

/// An instant with the zone it was written in.
///
/// Equality and order compare the fields, not the instant; use [`Time::same_instant`] or
/// [`Time::unix_ns`] where the instant is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Time {
    /// Seconds since 1970-01-01T00:00:00Z. May be far outside what `unix_ns` can hold.
    pub secs: i64,
    /// Nanoseconds within the second, 0 to 999,999,999.
    pub nanos: u32,
    /// Offset of the zone from UTC, in seconds.
    pub offset_secs: i32,
}

/// A date and a time of day as a calendar and a clock on the wall show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WallClock {
    /// Year; 0 is the year before 1.
    pub year: i64,
    /// Month, 1 to 12.
    pub month: u32,
    /// Day of the month, from 1.
    pub day: u32,
    /// Hour, 0 to 23.
    pub hour: u32,
    /// Minute, 0 to 59.
    pub minute: u32,
    /// Second, 0 to 59.
    pub second: u32,
}

impl Time {
    /// Go's zero time, 0001-01-01T00:00:00Z.
    pub const ZERO: Self = Self {
        secs: -62_135_596_800,
        nanos: 0,
        offset_secs: 0,
    };

    /// The instant `ns` nanoseconds after the Unix epoch, in UTC.
    #[must_use]
    pub fn from_unix_ns(ns: i64) -> Self {
        Self {
            secs: ns.div_euclid(1_000_000_000),
            nanos: u32::try_from(ns.rem_euclid(1_000_000_000)).unwrap_or(0),
            offset_secs: 0,
        }
    }

    /// The instant `secs` seconds after the Unix epoch, in UTC.
    #[must_use]
    pub const fn from_unix(secs: i64) -> Self {
        Self {
            secs,
            nanos: 0,
            offset_secs: 0,
        }
    }

    /// The instant at which a wall clock in a zone shows this date and time.
    ///
    /// Fields past their range carry over, as in Go: 30 February is 1 or 2 March.
    #[must_use]
    pub fn from_wall_clock(wall: &WallClock, nanos: u32, offset_secs: i32) -> Self {
        let months = wall
            .year
            .saturating_mul(12)
            .saturating_add(i64::from(wall.month) - 1);
        let month = u32::try_from(months.rem_euclid(12)).unwrap_or(0) + 1;
        let days = civil::days_from_civil(months.div_euclid(12), month, 1)
            .saturating_add(i64::from(wall.day) - 1);
        let clock =
            i64::from(wall.hour) * 3600 + i64::from(wall.minute) * 60 + i64::from(wall.second);
        let secs = days
            .saturating_mul(SECS_PER_DAY)
            .saturating_add(clock)
            .saturating_sub(i64::from(offset_secs));
        Self {
            secs,
            nanos: 0,
            offset_secs,
        }
        .add(i64::from(nanos))
    }

    /// Nanoseconds since the Unix epoch, saturating at the ends of `i64` (years 1677 and 2262).
    #[must_use]
    pub fn unix_ns(&self) -> i64 {
        saturate(i128::from(self.secs) * NANOS_PER_SEC + i128::from(self.nanos))
    }

    /// Seconds since the Unix epoch.
    #[must_use]
    pub const fn unix(&self) -> i64 {
        self.secs
    }

    /// Milliseconds since the Unix epoch, saturating.
    #[must_use]
    pub fn unix_milli(&self) -> i64 {
        self.secs
            .saturating_mul(1000)
            .saturating_add(i64::from(self.nanos / 1_000_000))
    }

    /// Microseconds since the Unix epoch, saturating.
    #[must_use]
    pub fn unix_micro(&self) -> i64 {
        self.secs
            .saturating_mul(1_000_000)
            .saturating_add(i64::from(self.nanos / 1000))
    }

    /// Whether both are the same instant, whatever the zone.
    #[must_use]
    pub fn same_instant(&self, other: &Self) -> bool {
        self.secs == other.secs && self.nanos == other.nanos
    }

    /// Whether this instant comes before the other.
    #[must_use]
    pub fn before(&self, other: &Self) -> bool {
        self.compare_instant(other).is_lt()
    }

    /// Whether this instant comes after the other.
    #[must_use]
    pub fn after(&self, other: &Self) -> bool {
        self.compare_instant(other).is_gt()
    }

    /// The order of the two instants, whatever the zones.
    #[must_use]
    pub fn compare_instant(&self, other: &Self) -> std::cmp::Ordering {
        (self.secs, self.nanos).cmp(&(other.secs, other.nanos))
    }

    /// Whether this is Go's zero time.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.same_instant(&Self::ZERO)
    }

    /// What a calendar and a clock in the time's own zone show.
    #[must_use]
    pub fn wall_clock(&self) -> WallClock {
        let local = self.local_secs();
        let Civil { year, month, day } = civil::civil_from_days(local.div_euclid(SECS_PER_DAY));
        let clock = u32::try_from(local.rem_euclid(SECS_PER_DAY)).unwrap_or(0);
        WallClock {
            year,
            month,
            day,
            hour: clock / 3600,
            minute: clock / 60 % 60,
            second: clock % 60,
        }
    }

    /// Year in the time's own zone.
    #[must_use]
    pub fn year(&self) -> i64 {
        self.wall_clock().year
    }

    /// Month in the time's own zone, 1 to 12.
    #[must_use]
    pub fn month(&self) -> u32 {
        self.wall_clock().month
    }

    /// Day of the month in the time's own zone.
    #[must_use]
    pub fn day(&self) -> u32 {
        self.wall_clock().day
    }

    /// Hour in the time's own zone.
    #[must_use]
    pub fn hour(&self) -> u32 {
        self.wall_clock().hour
    }

    /// Minute in the time's own zone.
    #[must_use]
    pub fn minute(&self) -> u32 {
        self.wall_clock().minute
    }

    /// Second in the time's own zone.
    #[must_use]
    pub fn second(&self) -> u32 {
        self.wall_clock().second
    }

    /// Day of the week in the time's own zone; Sunday is 0.
    #[must_use]
    pub fn weekday(&self) -> u32 {
        civil::weekday_from_days(self.local_secs().div_euclid(SECS_PER_DAY))
    }

    /// Day of the year in the time's own zone, 1 to 366.
    #[must_use]
    pub fn year_day(&self) -> u32 {
        let wall = self.wall_clock();
        civil::days_before_month(wall.year, wall.month) + wall.day
    }

    /// The same instant, in UTC.
    #[must_use]
    pub const fn in_utc(&self) -> Self {
        Self {
            secs: self.secs,
            nanos: self.nanos,
            offset_secs: 0,
        }
    }

    /// The time `ns` nanoseconds later (earlier if negative).
    #[must_use]
    pub fn add(&self, ns: i64) -> Self {
        let total = i64::from(self.nanos) + ns.rem_euclid(1_000_000_000);
        Self {
            secs: self
                .secs
                .saturating_add(ns.div_euclid(1_000_000_000))
                .saturating_add(total / 1_000_000_000),
            nanos: u32::try_from(total % 1_000_000_000).unwrap_or(0),
            offset_secs: self.offset_secs,
        }
    }

    /// Nanoseconds from `other` to this time, saturating at the ends of `i64` as Go does.
    #[must_use]
    pub fn sub(&self, other: &Self) -> i64 {
        let secs = i128::from(self.secs) - i128::from(other.secs);
        saturate(secs * NANOS_PER_SEC + i128::from(self.nanos) - i128::from(other.nanos))
    }

    /// The time rounded down to a multiple of `ns` nanoseconds since Go's zero time; unchanged
    /// when `ns` is not positive.
    #[must_use]
    pub fn truncate(&self, ns: i64) -> Self {
        self.add(-self.remainder(ns))
    }

    /// The time rounded to the nearest multiple of `ns` nanoseconds since Go's zero time, halves
    /// up; unchanged when `ns` is not positive.
    #[must_use]
    pub fn round(&self, ns: i64) -> Self {
        let rest = self.remainder(ns);
        if rest < ns - rest {
            self.add(-rest)
        } else {
            self.add((ns - rest).max(0))
        }
    }

    /// The time with years, months and days added on the calendar; what does not exist carries
    /// over (29 February plus a year is 1 March).
    #[must_use]
    pub fn add_date(&self, years: i64, months: i64, days: i64) -> Self {
        let wall = self.wall_clock();
        let months = wall
            .year
            .saturating_add(years)
            .saturating_mul(12)
            .saturating_add(i64::from(wall.month) - 1)
            .saturating_add(months);
        let month = u32::try_from(months.rem_euclid(12)).unwrap_or(0) + 1;
        let shifted = WallClock {
            year: months.div_euclid(12),
            month,
            ..wall
        };
        let mut time = Self::from_wall_clock(&shifted, self.nanos, self.offset_secs);
        time.secs = time.secs.saturating_add(days.saturating_mul(SECS_PER_DAY));
        time
    }

    /// The time with years added on the calendar, as [`Time::add_date`].
    #[must_use]
    pub fn add_years(&self, years: i64) -> Self {
        self.add_date(years, 0, 0)
    }

    /// Go's `Time.String`: `2006-01-02 15:04:05.999 -0700 UTC`, with the offset repeated as the
    /// zone's name unless it is 0.
    #[must_use]
    pub fn default_text(&self) -> String {
        text::default_text(self)
    }

    fn local_secs(&self) -> i64 {
        self.secs.saturating_add(i64::from(self.offset_secs))
    }

    fn remainder(&self, ns: i64) -> i64 {
        if ns <= 0 {
            return 0;
        }
        let secs = i128::from(self.secs) - i128::from(Self::ZERO.secs);
        saturate((secs * NANOS_PER_SEC + i128::from(self.nanos)).rem_euclid(i128::from(ns)))
    }
}

fn saturate(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests;
