//! Writing a time in a layout.

use super::{Element, Layout, OffsetForm, Pad};
use crate::strconv::append_int;
use crate::time::text::{append_offset, append_zone_name};
use crate::time::{Time, WallClock, month_name, weekday_name};

impl Layout {
    /// The time as this layout writes it.
    #[must_use]
    pub fn format(&self, time: &Time) -> String {
        let mut out = Vec::with_capacity(40);
        self.append(time, &mut out);
        // A layout is UTF-8 and its elements are ASCII, so this never replaces anything.
        String::from_utf8(out)
            .unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into_owned())
    }

    /// Appends the time as this layout writes it.
    pub fn append(&self, time: &Time, out: &mut Vec<u8>) {
        let wall = time.wall_clock();
        for step in &self.steps {
            out.extend_from_slice(&step.prefix);
            append_element(step.element, time, &wall, out);
        }
        out.extend_from_slice(&self.tail);
    }
}

fn append_element(element: Element, time: &Time, wall: &WallClock, out: &mut Vec<u8>) {
    let padded = |fixed: bool| if fixed { 2 } else { 0 };
    match element {
        Element::LongYear => append_int(wall.year, 4, out),
        Element::Year => append_int(wall.year.unsigned_abs() as i64 % 100, 2, out),
        Element::LongMonth => out.extend_from_slice(month_name(wall.month).as_bytes()),
        Element::Month => out.extend_from_slice(&month_name(wall.month).as_bytes()[..3]),
        Element::NumMonth { fixed } => append_int(wall.month.into(), padded(fixed), out),
        Element::LongWeekday => out.extend_from_slice(weekday_name(time.weekday()).as_bytes()),
        Element::Weekday => out.extend_from_slice(&weekday_name(time.weekday()).as_bytes()[..3]),
        Element::Day { pad } => append_padded(wall.day, pad, 2, out),
        Element::YearDay { pad } => append_padded(time.year_day(), pad, 3, out),
        Element::Hour => append_int(wall.hour.into(), 2, out),
        Element::Hour12 { fixed } => {
            let hour = if wall.hour.is_multiple_of(12) {
                12
            } else {
                wall.hour % 12
            };
            append_int(hour.into(), padded(fixed), out);
        }
        Element::Minute { fixed } => append_int(wall.minute.into(), padded(fixed), out),
        Element::Second { fixed } => append_int(wall.second.into(), padded(fixed), out),
        Element::HalfDay { upper } => out.extend_from_slice(match (wall.hour >= 12, upper) {
            (true, true) => b"PM",
            (false, true) => b"AM",
            (true, false) => b"pm",
            (false, false) => b"am",
        }),
        Element::ZoneName => append_zone_name(time.offset_secs, out),
        Element::Offset { zulu: true, .. } if time.offset_secs == 0 => out.push(b'Z'),
        Element::Offset { form, .. } => append_offset_form(time.offset_secs, form, out),
        Element::FractionFixed { separator, digits } => {
            out.push(separator);
            append_fraction(time.nanos, digits, out);
        }
        Element::FractionTrimmed { separator, digits } => {
            let start = out.len();
            out.push(separator);
            append_fraction(time.nanos, digits, out);
            while out.last() == Some(&b'0') {
                out.pop();
            }
            if out.len() == start + 1 {
                out.pop();
            }
        }
    }
}

fn append_padded(number: u32, pad: Pad, width: usize, out: &mut Vec<u8>) {
    let digits = number.checked_ilog10().map_or(1, |log| log as usize + 1);
    if pad == Pad::Blank {
        out.extend(std::iter::repeat_n(b' ', width.saturating_sub(digits)));
    }
    append_int(number.into(), if pad == Pad::Zero { width } else { 0 }, out);
}

/// The first `digits` places of a fraction of a second; places past the ninth are not written.
fn append_fraction(nanos: u32, digits: u8, out: &mut Vec<u8>) {
    let mut unit = 100_000_000;
    for _ in 0..digits.min(9) {
        out.push(b'0' + u8::try_from(nanos / unit % 10).unwrap_or(0));
        unit /= 10;
    }
}

fn append_offset_form(offset_secs: i32, form: OffsetForm, out: &mut Vec<u8>) {
    let colon = matches!(form, OffsetForm::ColonMinutes | OffsetForm::ColonSeconds);
    append_offset(offset_secs, form != OffsetForm::Hours, colon, out);
    if matches!(form, OffsetForm::Seconds | OffsetForm::ColonSeconds) {
        if colon {
            out.push(b':');
        }
        // Go drops the sign with the minutes, and loses it when there are none.
        let secs = if offset_secs / 60 < 0 {
            -offset_secs
        } else {
            offset_secs
        };
        append_int(i64::from(secs % 60), 2, out);
    }
}
