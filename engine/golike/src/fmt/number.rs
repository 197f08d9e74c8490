//! Printing numbers.

use super::Arg;
use super::printf::Printer;
use crate::strconv::{self, Charset, FloatForm, append_rune};

/// An integer without its sign.
#[derive(Debug, Clone, Copy)]
pub(super) struct Digits {
    magnitude: u64,
    negative: bool,
    signed: bool,
}

impl Digits {
    pub(super) fn signed(value: i64) -> Self {
        Self {
            magnitude: value.unsigned_abs(),
            negative: value < 0,
            signed: true,
        }
    }

    pub(super) fn unsigned(value: u64) -> Self {
        Self {
            magnitude: value,
            negative: false,
            signed: false,
        }
    }

    /// As Go converts it to a character; what is none is U+FFFD.
    fn rune(self) -> char {
        let code = if self.negative {
            None
        } else {
            u32::try_from(self.magnitude).ok()
        };
        code.and_then(char::from_u32)
            .unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

impl Printer {
    pub(super) fn int(&mut self, arg: &Arg, digits: Digits, verb: char) {
        match verb {
            'v' if self.spec.go_syntax && !digits.signed => {
                self.spec.sharp = true;
                self.based(digits, 'x');
                self.spec.sharp = false;
            }
            'v' | 'd' | 'b' | 'o' | 'O' | 'x' | 'X' => self.based(digits, verb),
            'c' => self.padded(digits.rune().encode_utf8(&mut [0; 4]).as_bytes()),
            'q' => {
                let charset = if self.spec.plus {
                    Charset::Ascii
                } else {
                    Charset::Unicode
                };
                let mut text = vec![b'\''];
                append_rune(digits.rune(), b'\'', charset, &mut text);
                text.push(b'\'');
                self.padded(&text);
            }
            'U' => self.code_point(digits),
            _ => self.bad_verb(arg, verb),
        }
    }

    fn based(&mut self, digits: Digits, verb: char) {
        let spec = self.spec;
        let number = digits.magnitude;
        if spec.precision == Some(0) && number == 0 {
            return self.pad_with(b' ', spec.width.unwrap_or(0));
        }
        let signed = digits.negative || spec.plus || spec.space;
        let digits_min = match (spec.precision, spec.width) {
            (Some(precision), _) => precision,
            (None, Some(width)) if spec.zero && !spec.minus => {
                width.saturating_sub(usize::from(signed))
            }
            _ => 0,
        };
        let text = match verb {
            'b' => format!("{number:b}"),
            'o' | 'O' => format!("{number:o}"),
            'x' => format!("{number:x}"),
            'X' => format!("{number:X}"),
            _ => number.to_string(),
        };
        let zeros = digits_min.saturating_sub(text.len());
        let leads_with_zero = zeros > 0 || number == 0;
        let mut out = Vec::with_capacity(text.len() + zeros + 3);
        if digits.negative {
            out.push(b'-');
        } else if spec.plus {
            out.push(b'+');
        } else if spec.space {
            out.push(b' ');
        }
        let prefix: &[u8] = match verb {
            'O' if spec.sharp && !leads_with_zero => b"0o0",
            'O' => b"0o",
            'b' if spec.sharp => b"0b",
            'o' if spec.sharp && !leads_with_zero => b"0",
            'x' if spec.sharp => b"0x",
            'X' if spec.sharp => b"0X",
            _ => b"",
        };
        out.extend_from_slice(prefix);
        out.extend(std::iter::repeat_n(b'0', zeros));
        out.extend_from_slice(text.as_bytes());
        self.padded_with_blanks(&out);
    }

    fn code_point(&mut self, digits: Digits) {
        let bits = if digits.negative {
            digits.magnitude.wrapping_neg()
        } else {
            digits.magnitude
        };
        let width = self.spec.precision.unwrap_or(0).max(4);
        let text = format!("{bits:X}");
        let mut out = b"U+".to_vec();
        out.extend(std::iter::repeat_n(b'0', width.saturating_sub(text.len())));
        out.extend_from_slice(text.as_bytes());
        let rune = u32::try_from(bits).ok().and_then(char::from_u32);
        if let Some(rune) = rune.filter(|rune| self.spec.sharp && strconv::is_print(*rune)) {
            out.extend_from_slice(format!(" '{rune}'").as_bytes());
        }
        self.padded_with_blanks(&out);
    }

    fn padded_with_blanks(&mut self, text: &[u8]) {
        let zero = std::mem::take(&mut self.spec.zero);
        self.padded(text);
        self.spec.zero = zero;
    }

    pub(super) fn float(&mut self, arg: &Arg, value: f64, single: bool, verb: char) {
        let (form, default) = match verb {
            'v' | 'g' | 'G' => (FloatForm::General, None),
            'e' | 'E' => (FloatForm::Exponent, Some(6)),
            'f' | 'F' => (FloatForm::Fixed, Some(6)),
            _ => return self.bad_verb(arg, verb),
        };
        let spec = self.spec;
        let precision = spec.precision.or(default);
        let mut text = Vec::with_capacity(24);
        if single {
            // The value came from an `f32`; nothing is lost.
            strconv::append_float32(value as f32, form, precision, &mut text);
        } else {
            strconv::append_float(value, form, precision, &mut text);
        }
        if !matches!(text.first(), Some(b'-' | b'+')) {
            text.insert(0, b'+');
        }
        if spec.space && text[0] == b'+' && !spec.plus {
            text[0] = b' ';
        }
        if !value.is_finite() {
            let bare = value.is_nan() && !spec.space && !spec.plus;
            return self.padded_with_blanks(&text[usize::from(bare)..]);
        }
        if matches!(verb, 'E' | 'G') {
            text.make_ascii_uppercase();
        }
        if spec.sharp {
            add_point(
                &mut text,
                (form == FloatForm::General).then(|| precision.unwrap_or(6)),
            );
        }
        if !spec.plus && text[0] == b'+' {
            return self.padded(&text[1..]);
        }
        match spec.width {
            Some(width) if spec.zero && !spec.minus && width > text.len() => {
                self.write(&text[..1]);
                self.pad_with(b'0', width - text.len());
                self.write(&text[1..]);
            }
            _ => self.padded(&text),
        }
    }
}

/// The `#` flag: a point always, and zeros up to a number of significant digits.
fn add_point(text: &mut Vec<u8>, significant: Option<usize>) {
    let tail = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => text.split_off(at),
        None => Vec::new(),
    };
    let counted = text[1..]
        .iter()
        .filter(|byte| **byte != b'.')
        .skip_while(|digit| **digit == b'0')
        .count();
    let mut missing = significant.unwrap_or(0).saturating_sub(counted);
    if !text.contains(&b'.') {
        if &text[1..] == b"0" {
            missing = missing.saturating_sub(1);
        }
        text.push(b'.');
    }
    text.extend(std::iter::repeat_n(b'0', missing));
    text.extend(tail);
}
