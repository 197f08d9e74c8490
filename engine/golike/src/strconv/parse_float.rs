//! Text to floating point numbers.

use super::int::underscores_ok;

/// Why a text is no number.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum FloatError {
    /// Not the text of a number.
    #[error("invalid syntax")]
    Syntax,
    /// Too large; the infinity that Go returns with its error.
    #[error("value out of range")]
    Range(f64),
}

/// Reads a float (Go's `strconv.ParseFloat` with 64 bits): decimal, hexadecimal with a `p`
/// exponent, `inf`, `infinity`, `nan`, underscores between digits. Blanks are errors.
///
/// # Errors
///
/// When the text is no number, or is too large for an `f64`.
pub fn parse_float(text: &[u8]) -> Result<f64, FloatError> {
    if let Some(special) = special(text) {
        return Ok(special);
    }
    let (negative, number) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if number.contains(&b'_') && !underscores_ok(text) {
        return Err(FloatError::Syntax);
    }
    let magnitude = match number {
        // A lone "0x" is no hexadecimal number, and no decimal one either.
        [b'0', b'x' | b'X', digits @ ..] if !digits.is_empty() => parse_hex(digits)?,
        digits => parse_decimal(digits)?,
    };
    let value = if negative { -magnitude } else { magnitude };
    if value.is_infinite() {
        Err(FloatError::Range(value))
    } else {
        Ok(value)
    }
}

fn special(text: &[u8]) -> Option<f64> {
    let (sign, name) = match text {
        [b'-', rest @ ..] => (-1.0, rest),
        [b'+', rest @ ..] => (1.0, rest),
        rest => {
            if rest.eq_ignore_ascii_case(b"nan") {
                return Some(f64::NAN);
            }
            (1.0, rest)
        }
    };
    let infinite = name.eq_ignore_ascii_case(b"inf") || name.eq_ignore_ascii_case(b"infinity");
    infinite.then_some(sign * f64::INFINITY)
}

fn parse_decimal(text: &[u8]) -> Result<f64, FloatError> {
    let mut clean = String::with_capacity(text.len());
    // The standard library also reads "inf", and a sign, which were dealt with above.
    for byte in text {
        match byte {
            b'_' => {}
            b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-' => clean.push(char::from(*byte)),
            _ => return Err(FloatError::Syntax),
        }
    }
    if clean.starts_with(['+', '-']) {
        return Err(FloatError::Syntax);
    }
    clean.parse().map_err(|_| FloatError::Syntax)
}

/// The digits of a hexadecimal number: its value is `mantissa * 2^exponent`, and a little more if
/// digits were dropped.
struct Hex {
    mantissa: u64,
    exponent: i64,
    dropped: bool,
}

fn parse_hex(text: &[u8]) -> Result<f64, FloatError> {
    let at = text
        .iter()
        .position(|byte| matches!(byte, b'p' | b'P'))
        .ok_or(FloatError::Syntax)?;
    let mut hex = hex_digits(&text[..at])?;
    let (negative, digits) = match &text[at + 1..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if !digits.first().is_some_and(u8::is_ascii_digit) {
        return Err(FloatError::Syntax);
    }
    let mut exponent = 0_i64;
    for byte in digits.iter().filter(|byte| **byte != b'_') {
        if !byte.is_ascii_digit() {
            return Err(FloatError::Syntax);
        }
        // Past this the value is zero or infinite whatever the digits are.
        if exponent < 10_000 {
            exponent = exponent * 10 + i64::from(byte - b'0');
        }
    }
    hex.exponent += if negative { -exponent } else { exponent };
    Ok(hex.value())
}

fn hex_digits(text: &[u8]) -> Result<Hex, FloatError> {
    let mut hex = Hex {
        mantissa: 0,
        exponent: 0,
        dropped: false,
    };
    let (mut has_digits, mut after_point) = (false, false);
    for byte in text {
        let digit = match byte {
            b'_' => continue,
            b'.' if after_point => return Err(FloatError::Syntax),
            b'.' => {
                after_point = true;
                continue;
            }
            byte => char::from(*byte).to_digit(16).ok_or(FloatError::Syntax)?,
        };
        has_digits = true;
        if hex.mantissa >> 60 == 0 {
            hex.mantissa = hex.mantissa << 4 | u64::from(digit);
            hex.exponent -= if after_point { 4 } else { 0 };
        } else {
            hex.dropped |= digit != 0;
            hex.exponent += if after_point { 0 } else { 4 };
        }
    }
    if has_digits {
        Ok(hex)
    } else {
        Err(FloatError::Syntax)
    }
}

impl Hex {
    /// Rounds to the nearest `f64`, ties to even.
    fn value(&self) -> f64 {
        const FRACTION_BITS: i64 = 52;
        const EXPONENT_MIN: i64 = -1022;
        if self.mantissa == 0 {
            return 0.0;
        }
        let leading = self.mantissa.leading_zeros();
        let mantissa = u128::from(self.mantissa << leading);
        // The value is 1.xxx * 2^exponent.
        let exponent = self.exponent - i64::from(leading) + 63;
        if exponent > 1023 {
            return f64::INFINITY;
        }
        let missing = (EXPONENT_MIN - exponent).max(0);
        let shift = 63 - FRACTION_BITS + missing;
        let Some(shift) = u32::try_from(shift).ok().filter(|shift| *shift <= 64) else {
            return 0.0;
        };
        let kept = (mantissa >> shift) as u64;
        let rest = mantissa & ((1 << shift) - 1);
        let half = 1_u128 << (shift - 1);
        let up = rest > half || rest == half && (self.dropped || kept & 1 == 1);
        let rounded = kept + u64::from(up);
        // A carry out of the fraction moves on to the exponent, up to infinity: the layout of the
        // bits is made for that.
        if missing > 0 {
            return f64::from_bits(rounded);
        }
        let biased = (exponent - EXPONENT_MIN) as u64;
        f64::from_bits((biased << FRACTION_BITS) + rounded)
    }
}
