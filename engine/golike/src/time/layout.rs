//! Layouts: how a date is written, told by writing the reference date
//! `Mon Jan 2 15:04:05 2006 -0700 MST`.
//!
//! [`Layout::compile`] splits a layout once; every text is a layout, so it cannot fail. What is
//! not an element of the reference date stands for itself.

mod format;
mod parse;

/// Why a text does not fit a layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// The text differs from the layout where the layout has fixed text.
    #[error("cannot parse time: the text does not match the layout's fixed parts")]
    Literal,
    /// The text has no such element at the place where the layout has one.
    #[error("cannot parse time: bad value for {0}")]
    Field(&'static str),
    /// A number is too large for its element, or the day is not in its month.
    #[error("cannot parse time: {0} out of range")]
    Range(&'static str),
    /// The text goes on after the layout's end.
    #[error("cannot parse time: extra text")]
    ExtraText,
}

/// One element of the reference date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    /// `2006`.
    LongYear,
    /// `06`.
    Year,
    /// `January`.
    LongMonth,
    /// `Jan`.
    Month,
    /// `1` and `01`.
    NumMonth { fixed: bool },
    /// `Monday`.
    LongWeekday,
    /// `Mon`.
    Weekday,
    /// `2`, `_2` and `02`.
    Day { pad: Pad },
    /// `__2` and `002`.
    YearDay { pad: Pad },
    /// `15`.
    Hour,
    /// `3` and `03`.
    Hour12 { fixed: bool },
    /// `4` and `04`.
    Minute { fixed: bool },
    /// `5` and `05`.
    Second { fixed: bool },
    /// `PM` and `pm`.
    HalfDay { upper: bool },
    /// `MST`.
    ZoneName,
    /// `-0700`, `Z07:00` and kin.
    Offset { zulu: bool, form: OffsetForm },
    /// `.000` and `,000`.
    FractionFixed { separator: u8, digits: u8 },
    /// `.999` and `,999`.
    FractionTrimmed { separator: u8, digits: u8 },
}

/// How a number is filled up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pad {
    None,
    Blank,
    Zero,
}

/// Which parts of an offset are written, and how they are parted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OffsetForm {
    /// `07`.
    Hours,
    /// `0700`.
    Minutes,
    /// `07:00`.
    ColonMinutes,
    /// `070000`.
    Seconds,
    /// `07:00:00`.
    ColonSeconds,
}

/// The forms in the order in which they must be tried: a longer text before its own prefix.
const OFFSET_FORMS: [(&[u8], OffsetForm); 5] = [
    (b"070000", OffsetForm::Seconds),
    (b"07:00:00", OffsetForm::ColonSeconds),
    (b"0700", OffsetForm::Minutes),
    (b"07:00", OffsetForm::ColonMinutes),
    (b"07", OffsetForm::Hours),
];

/// Fixed text and the element after it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    prefix: Box<[u8]>,
    element: Element,
}

/// A compiled layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    steps: Vec<Step>,
    tail: Box<[u8]>,
}

impl Layout {
    /// Splits a layout into fixed text and elements.
    #[must_use]
    pub fn compile(layout: &str) -> Self {
        let bytes = layout.as_bytes();
        let mut steps = Vec::new();
        let mut fixed_from = 0;
        let mut at = 0;
        while at < bytes.len() {
            match element_at(&bytes[at..]) {
                Some((skip, element, len)) => {
                    steps.push(Step {
                        prefix: bytes[fixed_from..at + skip].into(),
                        element,
                    });
                    at += len;
                    fixed_from = at;
                }
                None => at += 1,
            }
        }
        Self {
            steps,
            tail: bytes[fixed_from..].into(),
        }
    }
}

/// The element that a text begins with: how many of its bytes are fixed text all the same, the
/// element, and the length of both.
fn element_at(text: &[u8]) -> Option<(usize, Element, usize)> {
    let found = |element, len| Some((0, element, len));
    match text {
        [b'J', ..] | [b'M', ..] => name_at(text).map(|(element, len)| (0, element, len)),
        [b'0', b'1', ..] => found(Element::NumMonth { fixed: true }, 2),
        [b'0', b'2', ..] => found(Element::Day { pad: Pad::Zero }, 2),
        [b'0', b'3', ..] => found(Element::Hour12 { fixed: true }, 2),
        [b'0', b'4', ..] => found(Element::Minute { fixed: true }, 2),
        [b'0', b'5', ..] => found(Element::Second { fixed: true }, 2),
        [b'0', b'6', ..] => found(Element::Year, 2),
        [b'0', b'0', b'2', ..] => found(Element::YearDay { pad: Pad::Zero }, 3),
        [b'1', b'5', ..] => found(Element::Hour, 2),
        [b'1', ..] => found(Element::NumMonth { fixed: false }, 1),
        [b'2', b'0', b'0', b'6', ..] => found(Element::LongYear, 4),
        [b'2', ..] => found(Element::Day { pad: Pad::None }, 1),
        [b'_', b'2', b'0', b'0', b'6', ..] => Some((1, Element::LongYear, 5)),
        [b'_', b'2', ..] => found(Element::Day { pad: Pad::Blank }, 2),
        [b'_', b'_', b'2', ..] => found(Element::YearDay { pad: Pad::Blank }, 3),
        [b'3', ..] => found(Element::Hour12 { fixed: false }, 1),
        [b'4', ..] => found(Element::Minute { fixed: false }, 1),
        [b'5', ..] => found(Element::Second { fixed: false }, 1),
        [b'P', b'M', ..] => found(Element::HalfDay { upper: true }, 2),
        [b'p', b'm', ..] => found(Element::HalfDay { upper: false }, 2),
        [sign @ (b'-' | b'Z'), rest @ ..] => OFFSET_FORMS
            .iter()
            .find(|(form_text, _)| rest.starts_with(form_text))
            .and_then(|(form_text, form)| {
                let zulu = *sign == b'Z';
                found(Element::Offset { zulu, form: *form }, form_text.len() + 1)
            }),
        [separator @ (b'.' | b','), digit @ (b'0' | b'9'), ..] => {
            fraction_at(text, *separator, *digit)
        }
        _ => None,
    }
}

fn name_at(text: &[u8]) -> Option<(Element, usize)> {
    let short = |element| {
        // "Month" is a word, not the element "Mon" and "th".
        let goes_on = text.get(3).is_some_and(u8::is_ascii_lowercase);
        (!goes_on).then_some((element, 3))
    };
    match text {
        text if text.starts_with(b"January") => Some((Element::LongMonth, 7)),
        text if text.starts_with(b"Jan") => short(Element::Month),
        text if text.starts_with(b"Monday") => Some((Element::LongWeekday, 6)),
        text if text.starts_with(b"Mon") => short(Element::Weekday),
        text if text.starts_with(b"MST") => Some((Element::ZoneName, 3)),
        _ => None,
    }
}

fn fraction_at(text: &[u8], separator: u8, digit: u8) -> Option<(usize, Element, usize)> {
    let digits = text[1..].iter().take_while(|&&byte| byte == digit).count();
    if text.get(1 + digits).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    // No number has more than nine places; a longer run only has to stay recognisable.
    let counted = u8::try_from(digits).unwrap_or(u8::MAX);
    let element = match digit {
        b'0' => Element::FractionFixed {
            separator,
            digits: counted,
        },
        _ => Element::FractionTrimmed {
            separator,
            digits: counted,
        },
    };
    Some((0, element, 1 + digits))
}
