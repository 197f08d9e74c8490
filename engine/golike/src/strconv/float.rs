//! Floating point numbers to text.
//!
//! Digits come from the standard library, which rounds correctly and finds the shortest text that
//! reads back, as Go does; where the point goes and when an exponent is written is Go's.

/// The value has no text of this kind: it is infinite or not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a finite number")]
pub struct NotFinite;

/// How a number is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatForm {
    /// `1.5e+06`.
    Exponent,
    /// `1500000`.
    Fixed,
    /// With an exponent if it is below -4 or reaches the precision, which is 6 for shortest texts.
    General,
}

/// No `f64` has a digit that is not zero past this many.
const DIGITS_MAX: usize = 1100;

/// Digits without trailing zeros, of a number `0.digits * 10^point`. No digits: zero.
struct Decimal {
    digits: Vec<u8>,
    point: i32,
}

/// Appends a float with a number of digits after the point ([`FloatForm::General`]: significant
/// digits), or with the fewest digits that read back as the same number.
pub fn append_float(value: f64, form: FloatForm, precision: Option<usize>, out: &mut Vec<u8>) {
    if append_not_finite(value, out) {
        return;
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let magnitude = value.abs();
    let decimal = match precision {
        None => Decimal::shortest(magnitude),
        Some(digits) => Decimal::rounded(magnitude, form, digits),
    };
    decimal.append(form, precision, out);
}

/// As [`append_float`], with digits that suffice for an `f32`.
pub fn append_float32(value: f32, form: FloatForm, precision: Option<usize>, out: &mut Vec<u8>) {
    match precision {
        None if value.is_finite() => {
            if value.is_sign_negative() {
                out.push(b'-');
            }
            Decimal::shortest32(value.abs()).append(form, None, out);
        }
        _ => append_float(f64::from(value), form, precision, out),
    }
}

/// Appends a float as `%f` does: six places.
pub fn append_fixed6(value: f64, out: &mut Vec<u8>) {
    // Counts, sizes and codes are whole, and most numbers in logs are such.
    let whole = value as i64;
    if whole as f64 == value && whole.unsigned_abs() < 1 << 53 && whole != 0 {
        out.extend_from_slice(whole.to_string().as_bytes());
        out.extend_from_slice(b".000000");
        return;
    }
    append_float(value, FloatForm::Fixed, Some(6), out);
}

/// Appends a float as `%v` does: `200`, `123456.5`, `1e+06`, `0.0001`, `1e-05`.
pub fn append_shortest(value: f64, out: &mut Vec<u8>) {
    append_float(value, FloatForm::General, None, out);
}

/// Appends a float as JSON has it: an exponent below 1e-6 and from 1e21.
///
/// # Errors
///
/// For an infinity and for not-a-number, which JSON cannot write.
pub fn append_json_float(value: f64, out: &mut Vec<u8>) -> Result<(), NotFinite> {
    if !value.is_finite() {
        return Err(NotFinite);
    }
    let magnitude = value.abs();
    let form = json_form(magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude));
    let start = out.len();
    append_float(value, form, None, out);
    trim_exponent(start, out);
    Ok(())
}

/// As [`append_json_float`], with digits that suffice for an `f32`.
///
/// # Errors
///
/// For an infinity and for not-a-number, which JSON cannot write.
pub fn append_json_float32(value: f32, out: &mut Vec<u8>) -> Result<(), NotFinite> {
    if !value.is_finite() {
        return Err(NotFinite);
    }
    let magnitude = value.abs();
    let form = json_form(magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude));
    let start = out.len();
    append_float32(value, form, None, out);
    trim_exponent(start, out);
    Ok(())
}

/// The text of [`append_fixed6`].
#[must_use]
pub fn format_fixed6(value: f64) -> String {
    text(|out| append_fixed6(value, out))
}

/// The text of [`append_shortest`].
#[must_use]
pub fn format_shortest(value: f64) -> String {
    text(|out| append_shortest(value, out))
}

/// The text of [`append_json_float`].
///
/// # Errors
///
/// For an infinity and for not-a-number, which JSON cannot write.
pub fn format_json_float(value: f64) -> Result<String, NotFinite> {
    let mut out = Vec::with_capacity(24);
    append_json_float(value, &mut out)?;
    Ok(out.into_iter().map(char::from).collect())
}

fn text(append: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::with_capacity(24);
    append(&mut out);
    out.into_iter().map(char::from).collect()
}

fn append_not_finite(value: f64, out: &mut Vec<u8>) -> bool {
    let text: &[u8] = if value.is_nan() {
        b"NaN"
    } else if value == f64::INFINITY {
        b"+Inf"
    } else if value == f64::NEG_INFINITY {
        b"-Inf"
    } else {
        return false;
    };
    out.extend_from_slice(text);
    true
}

fn json_form(exponent: bool) -> FloatForm {
    if exponent {
        FloatForm::Exponent
    } else {
        FloatForm::Fixed
    }
}

/// JSON texts have `1e-7` where Go's other texts have `1e-07`.
fn trim_exponent(start: usize, out: &mut Vec<u8>) {
    if let [.., b'e', b'-', b'0', last] = out[start..] {
        out.truncate(out.len() - 2);
        out.push(last);
    }
}

impl Decimal {
    /// From the text of `{:e}`: `1.25e-7`.
    fn read(text: &str) -> Self {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        let point = exponent.parse::<i32>().unwrap_or(0) + 1;
        if digits.is_empty() {
            Self { digits, point: 0 }
        } else {
            Self { digits, point }
        }
    }

    /// The fewest digits that read back, and of several such texts the nearest. Where two are
    /// equally near the standard library takes the upper one and Go the even one, which is what
    /// rounding to that many digits gives.
    fn shortest(magnitude: f64) -> Self {
        let shortest = Self::read(&format!("{magnitude:e}"));
        // A double halfway between two shorter numbers has at least this many digits.
        if shortest.digits.len() < 15 {
            return shortest;
        }
        let places = shortest.digits.len() - 1;
        let even = format!("{magnitude:.places$e}");
        if even.parse() == Ok(magnitude) {
            Self::read(&even)
        } else {
            shortest
        }
    }

    /// As [`Decimal::shortest`].
    fn shortest32(magnitude: f32) -> Self {
        let shortest = Self::read(&format!("{magnitude:e}"));
        if shortest.digits.len() < 6 {
            return shortest;
        }
        let places = shortest.digits.len() - 1;
        let even = format!("{magnitude:.places$e}");
        if even.parse() == Ok(magnitude) {
            Self::read(&even)
        } else {
            shortest
        }
    }

    fn rounded(magnitude: f64, form: FloatForm, precision: usize) -> Self {
        let places = precision.min(DIGITS_MAX);
        match form {
            FloatForm::Exponent => Self::read(&format!("{magnitude:.places$e}")),
            FloatForm::General => {
                let places = places.max(1) - 1;
                Self::read(&format!("{magnitude:.places$e}"))
            }
            FloatForm::Fixed => {
                let text = format!("{magnitude:.places$}");
                let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
                let whole = whole.trim_start_matches('0');
                let mut point = whole.len();
                let mut digits = [whole.as_bytes(), fraction.as_bytes()].concat();
                let leading = digits.iter().take_while(|digit| **digit == b'0').count();
                digits.drain(..leading);
                while digits.last() == Some(&b'0') {
                    digits.pop();
                }
                if digits.is_empty() {
                    point = 0;
                    return Self {
                        digits,
                        point: point as i32,
                    };
                }
                Self {
                    digits,
                    point: point as i32 - leading as i32,
                }
            }
        }
    }

    fn append(&self, form: FloatForm, precision: Option<usize>, out: &mut Vec<u8>) {
        let n_digits = self.digits.len();
        let point = i64::from(self.point);
        match form {
            FloatForm::Exponent => {
                self.append_exponent(precision.unwrap_or(n_digits.saturating_sub(1)), out);
            }
            FloatForm::Fixed => {
                let shortest = (n_digits as i64 - point).max(0) as usize;
                self.append_fixed(precision.unwrap_or(shortest), out);
            }
            FloatForm::General => {
                let mut places = precision.map_or(6, |digits| digits.max(1));
                if precision.is_some() && places > n_digits && n_digits as i64 >= point {
                    places = n_digits;
                }
                let exponent = point - 1;
                if exponent < -4 || exponent >= places as i64 {
                    self.append_exponent(n_digits.saturating_sub(1), out);
                } else {
                    self.append_fixed((n_digits as i64 - point).max(0) as usize, out);
                }
            }
        }
    }

    /// One digit, `places` more after a point, and an exponent of at least two digits.
    fn append_exponent(&self, places: usize, out: &mut Vec<u8>) {
        let (first, rest) = self.digits.split_first().unwrap_or((&b'0', &[]));
        out.push(*first);
        if places > 0 {
            out.push(b'.');
            let shown = rest.len().min(places);
            out.extend_from_slice(&rest[..shown]);
            out.extend(std::iter::repeat_n(b'0', places - shown));
        }
        let exponent = if self.digits.is_empty() {
            0
        } else {
            self.point - 1
        };
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        out.extend_from_slice(format!("{:02}", exponent.unsigned_abs()).as_bytes());
    }

    fn append_fixed(&self, places: usize, out: &mut Vec<u8>) {
        let whole = usize::try_from(self.point).unwrap_or(0);
        if whole == 0 {
            out.push(b'0');
        } else {
            let shown = whole.min(self.digits.len());
            out.extend_from_slice(&self.digits[..shown]);
            out.extend(std::iter::repeat_n(b'0', whole - shown));
        }
        if places == 0 {
            return;
        }
        out.push(b'.');
        let zeros = usize::try_from(-i64::from(self.point))
            .unwrap_or(0)
            .min(places);
        out.extend(std::iter::repeat_n(b'0', zeros));
        let fraction = self.digits.get(whole..).unwrap_or_default();
        let shown = fraction.len().min(places - zeros);
        out.extend_from_slice(&fraction[..shown]);
        out.extend(std::iter::repeat_n(b'0', places - zeros - shown));
    }
}
