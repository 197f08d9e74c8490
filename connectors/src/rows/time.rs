//! The times of rows, from whatever a column holds them in.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit as ArrowUnit};

use super::column::Column;
use crate::window::{TimeUnit, days_from_civil};

/// Times can be had from a column of this type.
pub(crate) fn is_time(kind: &DataType) -> bool {
    match kind {
        DataType::Timestamp(..)
        | DataType::Date32
        | DataType::Date64
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_time(value),
        _ => false,
    }
}

/// The unit of whole numbers of this type: a timestamp's own, else `unit`. `None` where the order of
/// stored numbers is not that of times.
pub(crate) fn unit_of(kind: &DataType, unit: TimeUnit) -> Option<TimeUnit> {
    match kind {
        DataType::Timestamp(unit, _) => Some(from_arrow(*unit)),
        DataType::Date64 => Some(TimeUnit::Millis),
        DataType::Int32 | DataType::Int64 => Some(unit),
        _ => None,
    }
}

fn from_arrow(unit: ArrowUnit) -> TimeUnit {
    match unit {
        ArrowUnit::Second => TimeUnit::Seconds,
        ArrowUnit::Millisecond => TimeUnit::Millis,
        ArrowUnit::Microsecond => TimeUnit::Micros,
        ArrowUnit::Nanosecond => TimeUnit::Nanos,
    }
}

/// The time column of a batch.
pub(crate) struct Times<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Wide(&'a [i64], TimeUnit),
    Narrow(&'a [i32], TimeUnit),
    Unsigned(&'a [u64], TimeUnit),
    UnsignedNarrow(&'a [u32], TimeUnit),
    Days(&'a [i32]),
    Text(Column<'a>),
}

impl<'a> Times<'a> {
    /// # Errors
    /// A text that names the type, if it holds no times.
    pub(crate) fn new(array: &'a ArrayRef, unit: TimeUnit) -> Result<Self, String> {
        macro_rules! values {
            ($kind:ty) => {
                array.as_primitive::<$kind>().values()
            };
        }
        let values = match array.data_type() {
            DataType::Timestamp(of, _) => Values::Wide(
                match of {
                    ArrowUnit::Second => values!(TimestampSecondType),
                    ArrowUnit::Millisecond => values!(TimestampMillisecondType),
                    ArrowUnit::Microsecond => values!(TimestampMicrosecondType),
                    ArrowUnit::Nanosecond => values!(TimestampNanosecondType),
                },
                from_arrow(*of),
            ),
            DataType::Date64 => Values::Wide(values!(Date64Type), TimeUnit::Millis),
            DataType::Date32 => Values::Days(values!(Date32Type)),
            DataType::Int64 => Values::Wide(values!(Int64Type), unit),
            DataType::Int32 => Values::Narrow(values!(Int32Type), unit),
            DataType::UInt64 => Values::Unsigned(values!(UInt64Type), unit),
            DataType::UInt32 => Values::UnsignedNarrow(values!(UInt32Type), unit),
            kind if is_time(kind) => Values::Text(Column::new(array)?),
            kind => return Err(format!("a column of type {kind} holds no times")),
        };
        Ok(Self {
            nulls: array.nulls(),
            values,
        })
    }

    /// The time of a row in nanoseconds; `None` where there is none, or a text that is none.
    pub(crate) fn get(&self, at: usize) -> Option<i64> {
        if self.nulls.is_some_and(|nulls| nulls.is_null(at)) {
            return None;
        }
        Some(match &self.values {
            Values::Wide(values, unit) => unit.to_ns(values[at]),
            Values::Narrow(values, unit) => unit.to_ns(i64::from(values[at])),
            Values::Unsigned(values, unit) => unit.to_ns(i64::try_from(values[at]).ok()?),
            Values::UnsignedNarrow(values, unit) => unit.to_ns(i64::from(values[at])),
            Values::Days(values) => i64::from(values[at]).saturating_mul(86_400_000_000_000),
            Values::Text(column) => return rfc3339(column.text(at)?),
        })
    }
}

/// An RFC 3339 time in nanoseconds: `2026-11-25T10:00:00[.5](Z|+01:00)`, also with a blank for the `T`.
pub(crate) fn rfc3339(text: &[u8]) -> Option<i64> {
    let digits = |at: usize, len: usize| -> Option<i64> {
        text.get(at..at + len)?.iter().try_fold(0, |value, byte| {
            byte.is_ascii_digit()
                .then(|| value * 10 + i64::from(byte - b'0'))
        })
    };
    let is = |at: usize, wanted: &[u8]| text.get(at).is_some_and(|byte| wanted.contains(byte));
    let form = is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":");
    let (year, month, day) = (digits(0, 4)?, digits(5, 2)?, digits(8, 2)?);
    let (hour, minute, second) = (digits(11, 2)?, digits(14, 2)?, digits(17, 2)?);
    let possible = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour <= 23
        && minute <= 59
        && second <= 60;
    if !form || !possible {
        return None;
    }
    let mut at = 19;
    let mut ns = 0;
    if is(at, b".,") {
        at += 1;
        let mut scale = 100_000_000;
        let first = at;
        while let Some(digit) = digits(at, 1) {
            ns += digit * scale;
            scale /= 10;
            at += 1;
        }
        if at == first {
            return None;
        }
    }
    let offset = match text.get(at)? {
        b'Z' | b'z' if text.len() == at + 1 => 0,
        sign @ (b'+' | b'-') if text.len() == at + 6 && is(at + 3, b":") => {
            let (hours, minutes) = (digits(at + 1, 2)?, digits(at + 4, 2)?);
            let offset = hours * 3_600 + minutes * 60;
            if *sign == b'+' { offset } else { -offset }
        }
        _ => return None,
    };
    let days = days_from_civil(year, month, day);
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    seconds.checked_mul(1_000_000_000)?.checked_add(ns)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        Date32Array, Int64Array, StringArray, TimestampMillisecondArray, UInt32Array,
    };

    use super::*;

    #[test]
    fn every_form_of_one_moment_is_that_moment() {
        let ns = 1_764_072_000_000_000_000;
        let arrays: [ArrayRef; 6] = [
            Arc::new(TimestampMillisecondArray::from(vec![
                Some(1_764_072_000_000),
                None,
            ])),
            Arc::new(Int64Array::from(vec![Some(1_764_072_000), None])),
            Arc::new(Int64Array::from(vec![Some(1_764_072_000_000_000), None])),
            Arc::new(UInt32Array::from(vec![Some(1_764_072_000), None])),
            Arc::new(StringArray::from(vec![
                Some("2025-11-25T12:00:00Z"),
                Some("soon"),
            ])),
            Arc::new(StringArray::from(vec![
                Some("2025-11-25 13:00:00.000+01:00"),
                None,
            ])),
        ];
        for array in arrays {
            let times = Times::new(&array, TimeUnit::Auto).unwrap();
            assert_eq!(times.get(0), Some(ns), "{:?}", array.data_type());
            assert_eq!(times.get(1), None, "{:?}", array.data_type());
        }
        let days: ArrayRef = Arc::new(Date32Array::from(vec![1]));
        assert_eq!(
            Times::new(&days, TimeUnit::Auto).unwrap().get(0),
            Some(86_400_000_000_000)
        );
    }

    #[test]
    fn texts_that_are_no_times_are_none() {
        for text in [
            "",
            "2025-11-25",
            "2025-11-25T12:00:00",
            "2025-13-25T12:00:00Z",
            "2025-11-25T12:00:00.Z",
            "2025-11-25T12:00:00Zx",
            "2025-11-25T12:00:00+1:00",
        ] {
            assert_eq!(rfc3339(text.as_bytes()), None, "{text}");
        }
        assert_eq!(rfc3339(b"1970-01-01T00:00:00.25Z"), Some(250_000_000));
    }
}
