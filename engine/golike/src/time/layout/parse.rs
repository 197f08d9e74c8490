//! Reading a time that is written in a layout.

use super::{Element, Layout, OffsetForm, Pad, TimeError};
use crate::time::{Time, WallClock, civil, days_in_month, is_leap};

const MONTHS: [&[u8]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];
const LONG_MONTHS: [&[u8]; 12] = [
    b"january",
    b"february",
    b"march",
    b"april",
    b"may",
    b"june",
    b"july",
    b"august",
    b"september",
    b"october",
    b"november",
    b"december",
];
const WEEKDAYS: [&[u8]; 7] = [b"sun", b"mon", b"tue", b"wed", b"thu", b"fri", b"sat"];
const LONG_WEEKDAYS: [&[u8]; 7] = [
    b"sunday",
    b"monday",
    b"tuesday",
    b"wednesday",
    b"thursday",
    b"friday",
    b"saturday",
];

impl Layout {
    /// Reads a time (Go's `time.Parse`). A layout without a year gives year 0, without a zone
    /// gives UTC.
    ///
    /// # Errors
    ///
    /// When the text does not fit the layout, or has a field out of range.
    pub fn parse(&self, text: &[u8]) -> Result<Time, TimeError> {
        let mut reader = Reader {
            rest: text,
            fields: Fields::default(),
        };
        for (index, step) in self.steps.iter().enumerate() {
            reader.skip_fixed(&step.prefix)?;
            let fraction_follows = self.steps.get(index + 1).is_some_and(|next| {
                matches!(
                    next.element,
                    Element::FractionFixed { .. } | Element::FractionTrimmed { .. }
                )
            });
            reader.element(step.element, fraction_follows)?;
        }
        reader.skip_fixed(&self.tail)?;
        if !reader.rest.is_empty() {
            return Err(TimeError::ExtraText);
        }
        reader.fields.time()
    }
}

/// What the elements read so far say.
#[derive(Debug, Default)]
struct Fields {
    year: i64,
    month: Option<u32>,
    day: Option<u32>,
    year_day: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
    afternoon: Option<bool>,
    zone: Zone,
}

#[derive(Debug, Default, Clone, Copy)]
struct Zone {
    /// `Z` or `UTC` was read: wins over the others.
    is_utc: bool,
    /// A numeric offset was read.
    offset_secs: Option<i32>,
    /// A `GMT+3` was read. Go shows such a time with that offset, but takes the wall clock for
    /// UTC; without a number, or with another abbreviation, the offset is 0.
    label_secs: i32,
}

#[derive(Debug)]
struct Reader<'t> {
    rest: &'t [u8],
    fields: Fields,
}

impl Reader<'_> {
    /// Fixed text of the layout. A run of blanks stands for any run of blanks, or for the end.
    fn skip_fixed(&mut self, mut fixed: &[u8]) -> Result<(), TimeError> {
        while let [byte, tail @ ..] = fixed {
            if *byte == b' ' {
                if self.rest.first().is_some_and(|first| *first != b' ') {
                    return Err(TimeError::Literal);
                }
                fixed = after_blanks(fixed);
                self.rest = after_blanks(self.rest);
            } else {
                self.rest = match self.rest {
                    [first, rest @ ..] if first == byte => rest,
                    _ => return Err(TimeError::Literal),
                };
                fixed = tail;
            }
        }
        Ok(())
    }

    fn element(&mut self, element: Element, fraction_follows: bool) -> Result<(), TimeError> {
        match element {
            Element::LongYear => self.long_year()?,
            Element::Year => self.short_year()?,
            Element::LongMonth => self.fields.month = Some(1 + self.name(&LONG_MONTHS, "month")?),
            Element::Month => self.fields.month = Some(1 + self.name(&MONTHS, "month")?),
            Element::NumMonth { fixed } => {
                let month = self.number(fixed, "month", 12)?;
                if month == 0 {
                    return Err(TimeError::Range("month"));
                }
                self.fields.month = Some(month);
            }
            Element::LongWeekday => {
                self.name(&LONG_WEEKDAYS, "weekday")?;
            }
            Element::Weekday => {
                self.name(&WEEKDAYS, "weekday")?;
            }
            Element::Day { pad } => {
                if pad == Pad::Blank {
                    self.skip_blank();
                }
                self.fields.day = Some(self.number(pad == Pad::Zero, "day", 99)?);
            }
            Element::YearDay { pad } => self.year_day(pad)?,
            Element::Hour => self.fields.hour = self.number(false, "hour", 23)?,
            Element::Hour12 { fixed } => self.fields.hour = self.number(fixed, "hour", 12)?,
            Element::Minute { fixed } => self.fields.minute = self.number(fixed, "minute", 59)?,
            Element::Second { fixed } => {
                self.fields.second = self.number(fixed, "second", 59)?;
                if !fraction_follows {
                    self.optional_fraction()?;
                }
            }
            Element::HalfDay { upper } => self.half_day(upper)?,
            Element::ZoneName => self.zone_name()?,
            Element::Offset { zulu: true, .. } if self.rest.first() == Some(&b'Z') => {
                self.rest = &self.rest[1..];
                self.fields.zone.is_utc = true;
            }
            Element::Offset { form, .. } => self.offset(form)?,
            Element::FractionFixed { digits, .. } => {
                let text = self.take(1 + usize::from(digits), "fractional second")?;
                self.fields.nanos = fraction(text)?;
            }
            Element::FractionTrimmed { .. } => self.optional_fraction()?,
        }
        Ok(())
    }

    fn take(&mut self, len: usize, what: &'static str) -> Result<&[u8], TimeError> {
        let (head, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(TimeError::Field(what))?;
        self.rest = rest;
        Ok(head)
    }

    fn skip_blank(&mut self) {
        if let [b' ', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// One or two digits, exactly two if `fixed`, at most `max`.
    fn number(&mut self, fixed: bool, what: &'static str, max: u32) -> Result<u32, TimeError> {
        let (number, rest) = match self.rest {
            [tens @ b'0'..=b'9', ones @ b'0'..=b'9', rest @ ..] => {
                (u32::from(tens - b'0') * 10 + u32::from(ones - b'0'), rest)
            }
            [ones @ b'0'..=b'9', rest @ ..] if !fixed => (u32::from(ones - b'0'), rest),
            _ => return Err(TimeError::Field(what)),
        };
        self.rest = rest;
        if number > max {
            Err(TimeError::Range(what))
        } else {
            Ok(number)
        }
    }

    fn name(&mut self, names: &[&[u8]], what: &'static str) -> Result<u32, TimeError> {
        let found = names.iter().position(|name| {
            self.rest
                .get(..name.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(name))
        });
        let index = found.ok_or(TimeError::Field(what))?;
        self.rest = &self.rest[names[index].len()..];
        Ok(u32::try_from(index).unwrap_or(0))
    }

    fn long_year(&mut self) -> Result<(), TimeError> {
        let text = self.take(4, "year")?;
        if !text.iter().all(u8::is_ascii_digit) {
            return Err(TimeError::Field("year"));
        }
        self.fields.year = text
            .iter()
            .fold(0, |year, digit| year * 10 + i64::from(digit - b'0'));
        Ok(())
    }

    /// Two bytes; Go reads a sign and a digit too.
    fn short_year(&mut self) -> Result<(), TimeError> {
        let year = signed(self.take(2, "year")?).ok_or(TimeError::Field("year"))?;
        self.fields.year = if year >= 69 { year + 1900 } else { year + 2000 };
        Ok(())
    }

    fn year_day(&mut self, pad: Pad) -> Result<(), TimeError> {
        if pad == Pad::Blank {
            self.skip_blank();
            self.skip_blank();
        }
        let len = self
            .rest
            .iter()
            .take(3)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if len == 0 || pad == Pad::Zero && len < 3 {
            return Err(TimeError::Field("day of year"));
        }
        let digits = self.take(len, "day of year")?;
        let number = digits
            .iter()
            .fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
        self.fields.year_day = Some(number);
        Ok(())
    }

    fn half_day(&mut self, upper: bool) -> Result<(), TimeError> {
        self.fields.afternoon = match (self.take(2, "AM or PM")?, upper) {
            (b"PM", true) | (b"pm", false) => Some(true),
            // Go lets a PM win over a later AM.
            (b"AM", true) | (b"am", false) => Some(self.fields.afternoon == Some(true)),
            _ => return Err(TimeError::Field("AM or PM")),
        };
        Ok(())
    }

    /// A fraction of a second of any length, if there is one.
    fn optional_fraction(&mut self) -> Result<(), TimeError> {
        if let [b'.' | b',', b'0'..=b'9', ..] = self.rest {
            let digits = self.rest[1..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            let text = self.take(1 + digits, "fractional second")?;
            self.fields.nanos = fraction(text)?;
        }
        Ok(())
    }

    fn offset(&mut self, form: OffsetForm) -> Result<(), TimeError> {
        const WHAT: &str = "time zone offset";
        let (len, places): (usize, [Option<usize>; 3]) = match form {
            OffsetForm::Hours => (3, [Some(1), None, None]),
            OffsetForm::Minutes => (5, [Some(1), Some(3), None]),
            OffsetForm::ColonMinutes => (6, [Some(1), Some(4), None]),
            OffsetForm::Seconds => (7, [Some(1), Some(3), Some(5)]),
            OffsetForm::ColonSeconds => (9, [Some(1), Some(4), Some(7)]),
        };
        let text = self.take(len, WHAT)?;
        let colons: &[usize] = match form {
            OffsetForm::ColonMinutes => &[3],
            OffsetForm::ColonSeconds => &[3, 6],
            _ => &[],
        };
        if colons.iter().any(|&at| text[at] != b':') {
            return Err(TimeError::Field(WHAT));
        }
        let mut parts = [0; 3];
        for (part, place) in parts.iter_mut().zip(places) {
            *part = match place.map(|at| &text[at..at + 2]) {
                Some([tens @ b'0'..=b'9', ones @ b'0'..=b'9']) => {
                    i32::from(tens - b'0') * 10 + i32::from(ones - b'0')
                }
                Some(_) => return Err(TimeError::Field(WHAT)),
                None => 0,
            };
        }
        let [hours, minutes, seconds] = parts;
        if hours > 24 || minutes > 60 || seconds > 60 {
            return Err(TimeError::Range(WHAT));
        }
        let secs = (hours * 60 + minutes) * 60 + seconds;
        self.fields.zone.offset_secs = match text[0] {
            b'+' => Some(secs),
            b'-' => Some(-secs),
            _ => return Err(TimeError::Field(WHAT)),
        };
        Ok(())
    }

    fn zone_name(&mut self) -> Result<(), TimeError> {
        if let [b'U', b'T', b'C', rest @ ..] = self.rest {
            self.rest = rest;
            self.fields.zone.is_utc = true;
            return Ok(());
        }
        let len = zone_name_len(self.rest).ok_or(TimeError::Field("time zone name"))?;
        let name = self.take(len, "time zone name")?;
        let hours = name
            .strip_prefix(b"GMT")
            .filter(|tail| !tail.is_empty())
            .and_then(signed);
        self.fields.zone.label_secs = i32::try_from(hours.unwrap_or(0) * 3600).unwrap_or(0);
        Ok(())
    }
}

/// The length of a time zone's name at the head of a text: an abbreviation, or an offset in hours.
fn zone_name_len(text: &[u8]) -> Option<usize> {
    match text {
        [] | [_] | [_, _] => None,
        [b'C', b'h', b'S', b'T', ..] | [b'M', b'e', b'S', b'T', ..] => Some(4),
        [b'G', b'M', b'T', tail @ ..] => Some(3 + signed_hours_len(tail)),
        [b'+' | b'-', ..] => Some(signed_hours_len(text)).filter(|len| *len > 0),
        _ => {
            let upper = text
                .iter()
                .take(6)
                .take_while(|byte| byte.is_ascii_uppercase())
                .count();
            match upper {
                3 => Some(3),
                4 if text[3] == b'T' || text.starts_with(b"WITA") => Some(4),
                5 if text[4] == b'T' => Some(5),
                _ => None,
            }
        }
    }
}

/// The length of a sign and a number up to 23 at the head of a text, else 0.
fn signed_hours_len(text: &[u8]) -> usize {
    let [b'+' | b'-', digits @ ..] = text else {
        return 0;
    };
    let len = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let number = digits[..len].iter().fold(0_u32, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(u32::from(digit - b'0'))
    });
    if len == 0 || number > 23 { 0 } else { 1 + len }
}

/// A decimal number with an optional sign.
fn signed(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let number = digits.iter().try_fold(0_i64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })?;
    Some(if negative { -number } else { number })
}

/// Nanoseconds of a separator and digits; places past the ninth are dropped, as Go does.
fn fraction(text: &[u8]) -> Result<u32, TimeError> {
    const WHAT: &str = "fractional second";
    let text = &text[..text.len().min(10)];
    let [b'.' | b',', digits @ ..] = text else {
        return Err(TimeError::Field(WHAT));
    };
    let number = signed(digits).ok_or(TimeError::Field(WHAT))?;
    let places = u32::try_from(digits.len()).unwrap_or(0);
    u32::try_from(number * 10_i64.pow(9 - places)).map_err(|_| TimeError::Range(WHAT))
}

impl Fields {
    fn time(mut self) -> Result<Time, TimeError> {
        match self.afternoon {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        let (month, day) = match self.year_day {
            Some(year_day) => self.check_year_day(year_day)?,
            None => (self.month.unwrap_or(1), self.day.unwrap_or(1)),
        };
        if day < 1 || day > days_in_month(self.year, month) {
            return Err(TimeError::Range("day"));
        }
        let wall = WallClock {
            year: self.year,
            month,
            day,
            hour: self.hour,
            minute: self.minute,
            second: self.second,
        };
        let offset_secs = match self.zone {
            Zone { is_utc: true, .. } => 0,
            Zone {
                offset_secs: Some(offset_secs),
                ..
            } => offset_secs,
            Zone { label_secs, .. } => {
                let time = Time::from_wall_clock(&wall, self.nanos, 0);
                return Ok(Time {
                    offset_secs: label_secs,
                    ..time
                });
            }
        };
        Ok(Time::from_wall_clock(&wall, self.nanos, offset_secs))
    }

    /// Month and day of a day of the year; they must be those that were read, if any were.
    fn check_year_day(&self, year_day: u32) -> Result<(u32, u32), TimeError> {
        let len = 365 + u32::from(is_leap(self.year));
        if year_day < 1 || year_day > len {
            return Err(TimeError::Range("day of year"));
        }
        let first = civil::days_from_civil(self.year, 1, 1);
        let date = civil::civil_from_days(first + i64::from(year_day) - 1);
        let differs = |read: Option<u32>, computed| read.is_some_and(|read| read != computed);
        if differs(self.month, date.month) || differs(self.day, date.day) {
            return Err(TimeError::Range("day of year"));
        }
        Ok((date.month, date.day))
    }
}

fn after_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| **byte == b' ').count();
    &text[blanks..]
}
