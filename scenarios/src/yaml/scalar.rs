//! What an untagged scalar means: the resolution rules of YAML 1.1 as yaml.v2 has them.

use super::{Scalar, Style};

/// The meaning of a scalar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Resolved {
    /// `null`, `~` or nothing at all.
    Null,
    /// `yes`, `on`, `true`, ... without quotes.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Anything else; dates are texts to every type that content uses.
    Text,
}

impl Resolved {
    /// Resolves a scalar. Only a plain one can be anything but a text, unless a tag says so.
    pub(crate) fn of(scalar: &Scalar) -> Self {
        match scalar.tag.as_deref() {
            Some("str" | "binary" | "timestamp") => Self::Text,
            Some("null") => Self::Null,
            Some(_) => plain(&scalar.text),
            None if scalar.style == Style::Plain => plain(&scalar.text),
            None => Self::Text,
        }
    }
}

fn plain(text: &str) -> Resolved {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Resolved::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Resolved::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Resolved::Bool(false)
        }
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Resolved::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Resolved::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => Resolved::Float(f64::NAN),
        _ => number(text).unwrap_or(Resolved::Text),
    }
}

/// A number: underscores are dropped, `0x`, `0o`, `0b` and a leading `0` choose the base.
fn number(text: &str) -> Option<Resolved> {
    let first = text.bytes().next()?;
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) || text.len() > 512 {
        return None;
    }
    let digits = text.replace('_', "");
    if let Some(whole) = whole(&digits) {
        return Some(whole);
    }
    is_float(&digits)
        .then(|| digits.parse().ok().map(Resolved::Float))
        .flatten()
}

fn whole(text: &str) -> Option<Resolved> {
    let (negative, body) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let lower = body.get(..2).map(str::to_ascii_lowercase);
    let (base, body) = match lower.as_deref() {
        Some("0x") => (16, body.get(2..)?),
        Some("0o") => (8, body.get(2..)?),
        Some("0b") => (2, body.get(2..)?),
        Some(two) if two.starts_with('0') => (8, body.get(1..)?),
        _ => (10, body),
    };
    // A second sign is not a number, but the parser below would take it.
    if !body.bytes().next()?.is_ascii_hexdigit() {
        return None;
    }
    let value = i128::from_str_radix(body, base).ok()?;
    let value = if negative { -value } else { value };
    match i64::try_from(value) {
        Ok(value) => Some(Resolved::Int(value)),
        // Go tries an unsigned 64-bit number next; the fields of content hold none that large.
        Err(_) => u64::try_from(value)
            .ok()
            .and_then(|_| text.parse().ok())
            .map(Resolved::Float),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (body, None),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((before, after)) => {
            digits(before) && digits(after) && !(before.is_empty() && after.is_empty())
        }
        None => digits(mantissa) && !mantissa.is_empty(),
    };
    mantissa_fits
        && exponent.is_none_or(|exponent| {
            let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            digits(exponent) && !exponent.is_empty()
        })
}
