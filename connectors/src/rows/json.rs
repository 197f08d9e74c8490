//! A row as one JSON object, written straight into the bytes of a batch.
//!
//! Members stand in the order of the schema; those that are null are left out, also within structures.
//! Timestamps are RFC 3339 in UTC with as many digits as their unit has, dates `2026-11-25`, times of
//! day `15:04:05.000`, decimals numbers with all their digits, durations whole numbers of their unit.
//! Bytes are text where they are UTF-8, else base64. Maps are objects. Numbers that JSON lacks (NaN,
//! infinities) are null. Nothing is allocated for a row.

use std::io::Write;
use std::sync::Arc;

use arrow_array::RecordBatch;

use super::column::{Column, Values};
use crate::window::civil_from_days;

/// The columns of a batch that make the object of a row.
pub(super) struct Members<'a> {
    columns: Vec<(Vec<u8>, Column<'a>)>,
}

impl<'a> Members<'a> {
    /// # Errors
    /// A text that names a column whose type is not read.
    pub(super) fn new(batch: &'a RecordBatch, names: Arc<[String]>) -> Result<Self, String> {
        let schema = batch.schema_ref();
        let mut columns = Vec::new();
        for (field, array) in schema.fields().iter().zip(batch.columns()) {
            if !names.contains(field.name()) {
                continue;
            }
            let mut name = Vec::new();
            push_quoted(field.name().as_bytes(), &mut name);
            name.push(b':');
            let column = Column::new(array)
                .map_err(|reason| format!("column {:?}: {reason}", field.name()))?;
            columns.push((name, column));
        }
        Ok(Self { columns })
    }

    /// Appends the object of a row, at most `max` bytes of it, and says whether it was cut.
    pub(super) fn append(&self, at: usize, max: usize, out: &mut Vec<u8>) -> bool {
        let end = out.len() + max;
        object(&self.columns, at, end, out);
        let is_cut = out.len() > end;
        out.truncate(end);
        is_cut
    }
}

/// Stops soon after `end`: whoever asked cuts there.
fn object(columns: &[(Vec<u8>, Column<'_>)], at: usize, end: usize, out: &mut Vec<u8>) {
    let mut before = b'{';
    for (name, column) in columns {
        if column.is_null(at) {
            continue;
        }
        out.push(before);
        before = b',';
        out.extend_from_slice(name);
        value(column, at, end, out);
        if out.len() > end {
            return;
        }
    }
    if before == b'{' {
        out.push(b'{');
    }
    out.push(b'}');
}

fn value(column: &Column<'_>, at: usize, end: usize, out: &mut Vec<u8>) {
    if column.is_null(at) {
        out.extend_from_slice(b"null");
        return;
    }
    match &column.values {
        Values::TextView(array) => push_text(array.value(at), end, out),
        Values::Text(array) => push_text(array.value(at), end, out),
        Values::LargeText(array) => push_text(array.value(at), end, out),
        Values::BytesView(array) => push_bytes(array.value(at), end, out),
        Values::Bytes(array) => push_bytes(array.value(at), end, out),
        Values::LargeBytes(array) => push_bytes(array.value(at), end, out),
        Values::FixedBytes(array) => push_bytes(array.value(at), end, out),
        Values::Bool(bits) if bits.value(at) => out.extend_from_slice(b"true"),
        Values::Bool(_) => out.extend_from_slice(b"false"),
        Values::Null => out.extend_from_slice(b"null"),
        Values::Struct(columns) => object(columns, at, end, out),
        Values::List(offsets, child) => {
            list(
                child,
                offsets[at] as usize..offsets[at + 1] as usize,
                end,
                out,
            );
        }
        Values::LargeList(offsets, child) => {
            list(
                child,
                offsets[at] as usize..offsets[at + 1] as usize,
                end,
                out,
            );
        }
        Values::FixedList(size, child) => list(child, at * size..(at + 1) * size, end, out),
        Values::Map(offsets, keys, values) => {
            let range = offsets[at] as usize..offsets[at + 1] as usize;
            map(keys, values, range, end, out);
        }
        Values::Dictionary(keys, values) => value(values, keys.get(at), end, out),
        values => number(values, at, out),
    }
}

fn number(values: &Values<'_>, at: usize, out: &mut Vec<u8>) {
    match values {
        Values::I8(values) => push_int(i64::from(values[at]), out),
        Values::I16(values) => push_int(i64::from(values[at]), out),
        Values::I32(values) => push_int(i64::from(values[at]), out),
        Values::I64(values) => push_int(values[at], out),
        Values::U8(values) => push_int(i64::from(values[at]), out),
        Values::U16(values) => push_int(i64::from(values[at]), out),
        Values::U32(values) => push_int(i64::from(values[at]), out),
        Values::U64(values) => push_digits(values[at], out),
        Values::F16(values) => push_float(f64::from(values[at]), out),
        Values::F32(values) if values[at].is_finite() => {
            // The shortest text of the narrow number, not of its wider copy.
            write_json(&values[at], out);
        }
        Values::F32(_) => out.extend_from_slice(b"null"),
        Values::F64(values) => push_float(values[at], out),
        Values::Decimal32(values, scale) => push_units(i128::from(values[at]), *scale, out),
        Values::Decimal64(values, scale) => push_units(i128::from(values[at]), *scale, out),
        Values::Decimal128(values, scale) => push_units(values[at], *scale, out),
        Values::Decimal256(array) => {
            push_decimal(&array.value(at).to_string(), array.scale(), out);
        }
        Values::Timestamp(values, per_second) => push_moment(values[at], *per_second, out),
        Values::Days(values) => {
            out.push(b'"');
            push_date(i64::from(values[at]), out);
            out.push(b'"');
        }
        Values::Clock32(values, per_second) => push_clock(i64::from(values[at]), *per_second, out),
        Values::Clock64(values, per_second) => push_clock(values[at], *per_second, out),
        _ => out.extend_from_slice(b"null"),
    }
}

fn list(child: &Column<'_>, range: std::ops::Range<usize>, end: usize, out: &mut Vec<u8>) {
    out.push(b'[');
    let first = range.start;
    for at in range {
        if at > first {
            out.push(b',');
        }
        value(child, at, end, out);
        if out.len() > end {
            return;
        }
    }
    out.push(b']');
}

fn map(
    keys: &Column<'_>,
    values: &Column<'_>,
    range: std::ops::Range<usize>,
    end: usize,
    out: &mut Vec<u8>,
) {
    let mut before = b'{';
    for at in range {
        if values.is_null(at) {
            continue;
        }
        out.push(before);
        before = b',';
        match keys.text(at) {
            Some(text) => push_quoted(text, out),
            None => {
                // Keys of other types are their JSON text, in quotes unless it has some.
                let start = out.len();
                value(keys, at, end, out);
                if out.get(start) != Some(&b'"') {
                    let key = out.split_off(start);
                    push_quoted(&key, out);
                }
            }
        }
        out.push(b':');
        value(values, at, end, out);
        if out.len() > end {
            return;
        }
    }
    if before == b'{' {
        out.push(b'{');
    }
    out.push(b'}');
}

/// A text of which no more is written than fits.
fn push_text(text: &str, end: usize, out: &mut Vec<u8>) {
    push_bounded(text.as_bytes(), end, out);
}

fn push_bounded(text: &[u8], end: usize, out: &mut Vec<u8>) {
    let room = end.saturating_sub(out.len()).saturating_add(1);
    push_quoted(&text[..text.len().min(room)], out);
}

fn push_bytes(bytes: &[u8], end: usize, out: &mut Vec<u8>) {
    if std::str::from_utf8(bytes).is_ok() {
        return push_bounded(bytes, end, out);
    }
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.push(b'"');
    for group in bytes.chunks(3) {
        if out.len() > end {
            return;
        }
        let word = group
            .iter()
            .fold(0u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * place)) as usize & 63];
            out.push(if place > group.len() { b'=' } else { digit });
        }
    }
    out.push(b'"');
}

/// For each byte: 0 when it stands for itself in a JSON text, else what follows the backslash.
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = b'u';
        byte += 1;
    }
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table[8] = b'b';
    table[12] = b'f';
    table[b'\n' as usize] = b'n';
    table[b'\r' as usize] = b'r';
    table[b'\t' as usize] = b't';
    table
};

/// A JSON string of text that is UTF-8.
pub(super) fn push_quoted(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut start = 0;
    // Blocks without anything to escape are the rule, and one look at each is quick.
    let mut at = 0;
    while at < text.len() {
        let block = &text[at..text.len().min(at + 16)];
        if !block
            .iter()
            .fold(false, |any, byte| any | (ESCAPES[*byte as usize] != 0))
        {
            at += block.len();
            continue;
        }
        for (place, byte) in block.iter().enumerate() {
            let escape = ESCAPES[*byte as usize];
            if escape == 0 {
                continue;
            }
            out.extend_from_slice(&text[start..at + place]);
            start = at + place + 1;
            out.extend_from_slice(&[b'\\', escape]);
            if escape == b'u' {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'0', b'0', high, low]);
            }
        }
        at += block.len();
    }
    out.extend_from_slice(&text[start..]);
    out.push(b'"');
}

fn push_int(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    push_digits(value.unsigned_abs(), out);
}

fn push_digits(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Exactly `width` digits.
fn push_padded(mut value: i64, width: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + width, b'0');
    for digit in out[start..].iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

fn push_float(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        write_json(&value, out);
    } else {
        out.extend_from_slice(b"null");
    }
}

fn write_json(value: &impl serde::Serialize, out: &mut Vec<u8>) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        // Writing a number to memory does not fail; if it did, half of one must not stay.
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// `value` units of 10^-scale.
fn push_units(value: i128, scale: i8, out: &mut Vec<u8>) {
    let mut digits = [0u8; 40];
    let mut at = digits.len();
    let mut left = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    // Digits are ASCII.
    push_decimal(
        std::str::from_utf8(&digits[at..]).unwrap_or("0"),
        scale,
        out,
    );
}

/// `digits` units of 10^-scale.
fn push_decimal(digits: &str, scale: i8, out: &mut Vec<u8>) {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits),
    };
    out.extend_from_slice(sign.as_bytes());
    let Ok(scale) = usize::try_from(scale) else {
        out.extend_from_slice(digits.as_bytes());
        if digits != "0" {
            out.extend(std::iter::repeat_n(b'0', usize::from(scale.unsigned_abs())));
        }
        return;
    };
    if scale == 0 {
        out.extend_from_slice(digits.as_bytes());
        return;
    }
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    out.extend_from_slice(if whole.is_empty() {
        b"0"
    } else {
        whole.as_bytes()
    });
    out.push(b'.');
    out.extend(std::iter::repeat_n(b'0', scale - fraction.len()));
    out.extend_from_slice(fraction.as_bytes());
}

fn push_date(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil_from_days(days);
    if (0..=9_999).contains(&year) {
        push_padded(year, 4, out);
    } else {
        // Beyond what RFC 3339 can say; ISO 8601 has a sign for it.
        let _in_memory = write!(out, "{year:+06}");
    }
    out.push(b'-');
    push_padded(month, 2, out);
    out.push(b'-');
    push_padded(day, 2, out);
}

fn push_time_of_day(value: i64, per_second: i64, out: &mut Vec<u8>) {
    let seconds = value / per_second;
    for (place, part) in [seconds / 3_600, seconds / 60 % 60, seconds % 60]
        .into_iter()
        .enumerate()
    {
        if place > 0 {
            out.push(b':');
        }
        push_padded(part, 2, out);
    }
    let width = match per_second {
        1 => return,
        1_000 => 3,
        1_000_000 => 6,
        _ => 9,
    };
    out.push(b'.');
    push_padded(value % per_second, width, out);
}

fn push_moment(value: i64, per_second: i64, out: &mut Vec<u8>) {
    let per_day = 86_400 * per_second;
    out.push(b'"');
    push_date(value.div_euclid(per_day), out);
    out.push(b'T');
    push_time_of_day(value.rem_euclid(per_day), per_second, out);
    out.extend_from_slice(b"Z\"");
}

fn push_clock(value: i64, per_second: i64, out: &mut Vec<u8>) {
    out.push(b'"');
    push_time_of_day(value.rem_euclid(86_400 * per_second), per_second, out);
    out.push(b'"');
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
