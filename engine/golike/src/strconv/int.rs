//! Integers.

/// Why a text is no integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IntError {
    /// Not the text of an integer.
    #[error("invalid syntax")]
    Syntax,
    /// Out of range; the nearest value that is in range, as Go returns it with its error.
    #[error("value out of range")]
    Range(i64),
}

/// Appends a number in decimal (Go's `strconv.Itoa`).
pub fn append_decimal(number: i64, out: &mut Vec<u8>) {
    append_int(number, 1, out);
}

/// Appends a number with at least `width` digits, sign not counted.
pub(crate) fn append_int(number: i64, width: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut rest = number.unsigned_abs();
    let mut at = digits.len();
    while rest > 0 || at == digits.len() {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    if number < 0 {
        out.push(b'-');
    }
    at = at.min(digits.len() - width.min(digits.len()));
    out.extend_from_slice(&digits[at..]);
}

/// Reads a decimal `int` (Go's `strconv.Atoi`): an optional sign and digits, nothing else.
///
/// # Errors
///
/// When the text is not that, or does not fit 64 bits.
pub fn atoi(text: &[u8]) -> Result<i64, IntError> {
    parse_int(text, 10, 64)
}

/// Reads a signed integer of a base from 2 to 36 and of 1 to 64 bits (Go's `strconv.ParseInt`).
/// Base 0 lets the prefix decide (`0x`, `0o`, `0`, `0b`) and allows underscores between digits.
///
/// # Errors
///
/// When the text is no such integer, or does not fit; also for a base or size out of range.
pub fn parse_int(text: &[u8], base: u32, bits: u32) -> Result<i64, IntError> {
    if !(1..=64).contains(&bits) {
        return Err(IntError::Syntax);
    }
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let limit = 1_u64 << (bits - 1);
    let largest = if negative { limit } else { limit - 1 };
    let signed = |magnitude: u64| {
        if negative {
            (magnitude as i64).wrapping_neg()
        } else {
            magnitude as i64
        }
    };
    let widest = u64::MAX >> (64 - bits);
    match magnitude(digits, base, widest)? {
        Some(number) if number <= largest => Ok(signed(number)),
        _ => Err(IntError::Range(signed(largest))),
    }
}

/// Reads an unsigned integer (Go's `strconv.ParseUint` with 64 bits); no sign is allowed.
///
/// # Errors
///
/// When the text is no such integer, or does not fit 64 bits.
pub fn parse_uint(text: &[u8], base: u32) -> Result<u64, IntError> {
    magnitude(text, base, u64::MAX)?.ok_or(IntError::Range(i64::MAX))
}

/// The number, or `None` if it is more than `largest`: what follows the digit that made it so is
/// then not looked at.
fn magnitude(text: &[u8], base: u32, largest: u64) -> Result<Option<u64>, IntError> {
    let (digits, radix) = match (base, text) {
        (2..=36, _) => (text, base),
        (0, [b'0', b'x' | b'X', digits @ ..]) => (digits, 16),
        (0, [b'0', b'o' | b'O', digits @ ..]) => (digits, 8),
        (0, [b'0', b'b' | b'B', digits @ ..]) => (digits, 2),
        (0, [b'0', digits @ ..]) if !digits.is_empty() => (digits, 8),
        (0, _) => (text, 10),
        _ => return Err(IntError::Syntax),
    };
    if digits.is_empty() {
        return Err(IntError::Syntax);
    }
    let mut number = 0_u64;
    for byte in digits.iter().filter(|byte| base != 0 || **byte != b'_') {
        let digit = char::from(*byte).to_digit(radix).ok_or(IntError::Syntax)?;
        let next = number
            .checked_mul(radix.into())
            .and_then(|number| number.checked_add(digit.into()))
            .filter(|number| *number <= largest);
        match next {
            Some(next) => number = next,
            None => return Ok(None),
        }
    }
    if base == 0 && !underscores_ok(text) {
        Err(IntError::Syntax)
    } else {
        Ok(Some(number))
    }
}

/// Whether each underscore stands between digits; a base prefix counts as a digit.
pub(super) fn underscores_ok(text: &[u8]) -> bool {
    let text = match text {
        [b'-' | b'+', rest @ ..] => rest,
        rest => rest,
    };
    let (hex, has_prefix, text) = match text {
        [b'0', b'x' | b'X', rest @ ..] => (true, true, rest),
        [b'0', b'b' | b'B' | b'o' | b'O', rest @ ..] => (false, true, rest),
        rest => (false, false, rest),
    };
    let mut after_digit = has_prefix;
    let mut after_underscore = false;
    for byte in text {
        let is_digit = byte.is_ascii_digit() || hex && byte.is_ascii_hexdigit();
        if *byte == b'_' {
            if !after_digit {
                return false;
            }
        } else if after_underscore && !is_digit {
            return false;
        }
        after_digit = is_digit;
        after_underscore = *byte == b'_';
    }
    !after_underscore
}
