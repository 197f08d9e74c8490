//! Reading a format, and printing values that are no numbers.

use super::number::Digits;
use super::{Arg, TEXT_BYTES_MAX};
use crate::strconv::{Charset, append_quoted_as, can_backquote};
use crate::{duration, strings};

/// Go takes no width, precision or index past this.
const NUMBER_MAX: i64 = 1_000_000;

/// The arguments in a format (Go's `fmt.Sprintf`).
#[must_use]
pub fn sprintf(format: &[u8], args: &[Arg]) -> Vec<u8> {
    let mut reader = Reader {
        format,
        at: 0,
        args,
        next: 0,
        reordered: false,
        printer: Printer {
            out: Vec::with_capacity(format.len() + 16),
            spec: Spec::default(),
        },
    };
    while reader.at < format.len() && reader.printer.out.len() < TEXT_BYTES_MAX {
        reader.literal();
        reader.directive();
    }
    reader.report_extra();
    let mut out = reader.printer.out;
    out.truncate(TEXT_BYTES_MAX);
    out
}

/// Flags, width and precision of one directive.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spec {
    pub(super) sharp: bool,
    pub(super) zero: bool,
    pub(super) plus: bool,
    pub(super) minus: bool,
    pub(super) space: bool,
    /// `%#v`.
    pub(super) go_syntax: bool,
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
}

struct Reader<'f> {
    format: &'f [u8],
    at: usize,
    args: &'f [Arg],
    next: usize,
    /// Some directive chose its argument; what is left over is then not reported.
    reordered: bool,
    printer: Printer,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    fn literal(&mut self) {
        let rest = &self.format[self.at..];
        let len = memchr::memchr(b'%', rest).unwrap_or(rest.len());
        self.printer.write(&rest[..len]);
        self.at += len;
    }

    /// From a percent sign to the verb.
    fn directive(&mut self) {
        if self.peek().is_none() {
            return;
        }
        self.at += 1;
        self.printer.spec = Spec::default();
        self.flags();
        let mut index = self.index();
        let mut index_ok = index != Index::Bad;
        if self.peek() == Some(b'*') {
            self.at += 1;
            self.width_from_arg();
            index = Index::None;
        } else {
            self.printer.spec.width = self.number();
            index_ok &= index == Index::None || self.printer.spec.width.is_none();
        }
        // A point that ends the format is taken for the verb.
        if self.peek() == Some(b'.') && self.at + 1 < self.format.len() {
            self.at += 1;
            index_ok &= index == Index::None;
            index = self.index();
            index_ok &= index != Index::Bad;
            if self.peek() == Some(b'*') {
                self.at += 1;
                self.precision_from_arg();
                index = Index::None;
            } else {
                self.printer.spec.precision = Some(self.number().unwrap_or(0));
            }
        }
        if index == Index::None {
            index_ok &= self.index() != Index::Bad;
        }
        let Some((verb, len)) =
            strings::decode_rune(self.format.get(self.at..).unwrap_or_default())
        else {
            self.printer.write(b"%!(NOVERB)");
            return;
        };
        self.at += len;
        match (verb, self.args.get(self.next)) {
            ('%', _) => self.printer.write(b"%"),
            (_, _) if !index_ok => self.marker(verb, b"(BADINDEX)"),
            (_, None) => self.marker(verb, b"(MISSING)"),
            (_, Some(arg)) => {
                self.next += 1;
                if verb == 'v' {
                    let spec = &mut self.printer.spec;
                    spec.go_syntax = std::mem::take(&mut spec.sharp);
                    // `%+v` names the fields of structs; there are none.
                    spec.plus = false;
                }
                self.printer.arg(arg, verb);
            }
        }
    }

    fn marker(&mut self, verb: char, text: &[u8]) {
        self.printer.write(b"%!");
        self.printer.write_rune(verb);
        self.printer.write(text);
    }

    fn flags(&mut self) {
        let spec = &mut self.printer.spec;
        while let Some(flag) = self.format.get(self.at) {
            match flag {
                b'#' => spec.sharp = true,
                b'0' => spec.zero = true,
                b'+' => spec.plus = true,
                b'-' => spec.minus = true,
                b' ' => spec.space = true,
                _ => return,
            }
            self.at += 1;
        }
    }

    /// An argument's number in brackets.
    fn index(&mut self) -> Index {
        if self.peek() != Some(b'[') {
            return Index::None;
        }
        self.reordered = true;
        let rest = &self.format[self.at..];
        let Some(close) = rest
            .iter()
            .position(|byte| *byte == b']')
            .filter(|_| rest.len() >= 3)
        else {
            self.at += 1;
            return Index::Bad;
        };
        self.at += close + 1;
        let digits = &rest[1..close];
        let number = digits.iter().try_fold(0_usize, |number, byte| {
            let digit = byte.is_ascii_digit().then(|| usize::from(byte - b'0'))?;
            (number <= NUMBER_MAX as usize).then_some(number * 10 + digit)
        });
        match number {
            Some(number) if (1..=self.args.len()).contains(&number) && !digits.is_empty() => {
                self.next = number - 1;
                Index::Good
            }
            _ => Index::Bad,
        }
    }

    fn number(&mut self) -> Option<usize> {
        let mut number = None;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            let so_far = number.unwrap_or(0);
            if so_far > NUMBER_MAX as usize {
                // Go gives up on the format here.
                self.at = self.format.len();
                return None;
            }
            number = Some(so_far * 10 + usize::from(digit - b'0'));
            self.at += 1;
        }
        number
    }

    fn int_from_arg(&mut self) -> Option<i64> {
        let value = match self.args.get(self.next) {
            Some(Arg::Int { value, .. } | Arg::Duration(value)) => Some(*value),
            Some(Arg::Uint { value, .. }) => i64::try_from(*value).ok(),
            _ => None,
        };
        if self.next < self.args.len() {
            self.next += 1;
        }
        value.filter(|value| (-NUMBER_MAX..=NUMBER_MAX).contains(value))
    }

    fn width_from_arg(&mut self) {
        let width = self.int_from_arg();
        let spec = &mut self.printer.spec;
        spec.width = width.and_then(|width| usize::try_from(width.unsigned_abs()).ok());
        match width {
            None => self.printer.write(b"%!(BADWIDTH)"),
            Some(width) if width < 0 => {
                spec.minus = true;
                spec.zero = false;
            }
            Some(_) => {}
        }
    }

    fn precision_from_arg(&mut self) {
        let precision = self
            .int_from_arg()
            .and_then(|value| usize::try_from(value).ok());
        self.printer.spec.precision = precision;
        if precision.is_none() {
            self.printer.write(b"%!(BADPREC)");
        }
    }

    fn report_extra(&mut self) {
        let left = self.args.get(self.next..).unwrap_or_default();
        if self.reordered || left.is_empty() {
            return;
        }
        self.printer.spec = Spec::default();
        self.printer.write(b"%!(EXTRA ");
        for (index, arg) in left.iter().enumerate() {
            if index > 0 {
                self.printer.write(b", ");
            }
            self.printer.typed(arg);
        }
        self.printer.write(b")");
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Index {
    None,
    Good,
    Bad,
}

pub(super) struct Printer {
    out: Vec<u8>,
    pub(super) spec: Spec,
}

impl Printer {
    pub(super) fn write(&mut self, text: &[u8]) {
        let room = TEXT_BYTES_MAX.saturating_sub(self.out.len());
        self.out.extend_from_slice(&text[..text.len().min(room)]);
    }

    pub(super) fn write_rune(&mut self, rune: char) {
        self.write(rune.encode_utf8(&mut [0; 4]).as_bytes());
    }

    pub(super) fn pad_with(&mut self, fill: u8, len: usize) {
        let room = TEXT_BYTES_MAX.saturating_sub(self.out.len());
        self.out.extend(std::iter::repeat_n(fill, len.min(room)));
    }

    /// Blanks, or zeros if the flags say so.
    pub(super) fn pad_left(&mut self, len: usize) {
        let fill = if self.spec.zero && !self.spec.minus {
            b'0'
        } else {
            b' '
        };
        self.pad_with(fill, len);
    }

    /// Writes a text filled up to the width.
    pub(super) fn padded(&mut self, text: &[u8]) {
        let Some(width) = self.spec.width else {
            return self.write(text);
        };
        let missing = width.saturating_sub(strings::rune_count(text));
        if self.spec.minus {
            self.write(text);
            self.pad_with(b' ', missing);
        } else {
            self.pad_left(missing);
            self.write(text);
        }
    }

    fn arg(&mut self, arg: &Arg, verb: char) {
        match (arg, verb) {
            (Arg::Nil, 'T' | 'v') => self.padded(b"<nil>"),
            // For errors, in another function of Go's.
            (_, 'w') => self.bad_verb(arg, verb),
            (_, 'T') => self.text(arg.go_type().as_bytes(), 's', arg),
            // An address is of no use to anyone and differs from run to run: always the same one.
            (Arg::List { .. } | Arg::Map { .. } | Arg::Bytes(_), 'p') => {
                self.padded(if self.spec.sharp {
                    b"c000000000"
                } else {
                    b"0xc000000000"
                });
            }
            (_, 'p') => self.bad_verb(arg, verb),
            _ => self.value(arg, verb),
        }
    }

    fn value(&mut self, arg: &Arg, verb: char) {
        match arg {
            Arg::Nil => self.bad_verb(arg, verb),
            Arg::Bool(value) => match verb {
                't' | 'v' => self.padded(if *value { b"true" } else { b"false" }),
                _ => self.bad_verb(arg, verb),
            },
            Arg::Int { value, .. } => self.int(arg, Digits::signed(*value), verb),
            Arg::Uint { value, .. } => self.int(arg, Digits::unsigned(*value), verb),
            Arg::Float64(value) => self.float(arg, *value, false, verb),
            Arg::Float32(value) => self.float(arg, f64::from(*value), true, verb),
            Arg::Str(text) => self.text(text, verb, arg),
            Arg::Bytes(bytes) => self.bytes(bytes, verb, arg),
            Arg::List { items, go_type } => self.list(items, go_type, verb),
            Arg::Map { members, go_type } => self.map(members, go_type, verb),
            Arg::Time(time) => self.stringer(arg, time.default_text().as_bytes(), verb),
            Arg::Duration(ns) => match verb {
                'v' if self.spec.go_syntax => self.int(arg, Digits::signed(*ns), verb),
                'v' | 's' | 'x' | 'X' | 'q' => {
                    self.text(duration::format(*ns).as_bytes(), verb, arg);
                }
                _ => self.int(arg, Digits::signed(*ns), verb),
            },
            Arg::Other { text, .. } => self.stringer(arg, text, verb),
        }
    }

    fn stringer(&mut self, arg: &Arg, text: &[u8], verb: char) {
        match verb {
            'v' => {
                let text = self.truncated(text);
                self.padded(text);
            }
            's' | 'x' | 'X' | 'q' => self.text(text, verb, arg),
            _ => self.bad_verb(arg, verb),
        }
    }

    fn truncated<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        let end = self
            .spec
            .precision
            .and_then(|runes| strings::runes(text).nth(runes));
        end.map_or(text, |(end, _)| &text[..end])
    }

    fn text(&mut self, text: &[u8], verb: char, arg: &Arg) {
        match verb {
            'v' if self.spec.go_syntax => self.quoted(text),
            'v' | 's' => {
                let text = self.truncated(text);
                self.padded(text);
            }
            'q' => self.quoted(text),
            'x' => self.hex(text, b"0123456789abcdefx"),
            'X' => self.hex(text, b"0123456789ABCDEFX"),
            _ => self.bad_verb(arg, verb),
        }
    }

    fn quoted(&mut self, text: &[u8]) {
        let text = self.truncated(text);
        if self.spec.sharp && can_backquote(text) {
            return self.padded(&[b"`", text, b"`"].concat());
        }
        let charset = if self.spec.plus {
            Charset::Ascii
        } else {
            Charset::Unicode
        };
        let mut quoted = Vec::with_capacity(text.len() + 2);
        append_quoted_as(text, charset, &mut quoted);
        self.padded(&quoted);
    }

    fn hex(&mut self, text: &[u8], digits: &[u8; 17]) {
        let spec = self.spec;
        let len = text.len().min(spec.precision.unwrap_or(usize::MAX));
        if len == 0 {
            return self.pad_left(spec.width.unwrap_or(0));
        }
        let mut out = Vec::with_capacity(2 * len + 2);
        for (index, byte) in text[..len].iter().enumerate() {
            if spec.space && index > 0 {
                out.push(b' ');
            }
            if spec.sharp && (index == 0 || spec.space) {
                out.extend([b'0', digits[16]]);
            }
            out.extend([
                digits[usize::from(byte >> 4)],
                digits[usize::from(byte & 15)],
            ]);
        }
        self.padded(&out);
    }

    fn bytes(&mut self, bytes: &[u8], verb: char, arg: &Arg) {
        if !matches!(verb, 'v' | 'd') {
            return match verb {
                's' | 'q' | 'x' | 'X' => self.text(bytes, verb, arg),
                _ => self.list(&octets(bytes), "[]uint8", verb),
            };
        }
        let go_type = if self.spec.go_syntax {
            "[]byte"
        } else {
            "[]uint8"
        };
        self.list(&octets(bytes), go_type, verb);
    }

    fn list(&mut self, items: &[Arg], go_type: &str, verb: char) {
        self.open(go_type, b"[");
        for (index, item) in items.iter().enumerate() {
            self.between(index);
            self.element(item, verb);
        }
        self.close();
    }

    fn map(&mut self, members: &[(Vec<u8>, Arg)], go_type: &str, verb: char) {
        self.open(go_type, b"map[");
        for (index, (key, member)) in members.iter().enumerate() {
            self.between(index);
            let key = Arg::Str(key.clone());
            self.element(&key, verb);
            self.write(b":");
            self.element(member, verb);
        }
        self.close();
    }

    fn open(&mut self, go_type: &str, bracket: &[u8]) {
        if self.spec.go_syntax {
            self.write(go_type.as_bytes());
            self.write(b"{");
        } else {
            self.write(bracket);
        }
    }

    fn between(&mut self, index: usize) {
        if index > 0 {
            self.write(if self.spec.go_syntax { b", " } else { b" " });
        }
    }

    fn close(&mut self) {
        self.write(if self.spec.go_syntax { b"}" } else { b"]" });
    }

    /// A value inside another one: a nil there is written whatever the verb.
    fn element(&mut self, arg: &Arg, verb: char) {
        match arg {
            Arg::Nil if self.spec.go_syntax => self.write(b"interface {}(nil)"),
            Arg::Nil => self.write(b"<nil>"),
            _ => self.value(arg, verb),
        }
    }

    /// The marker for a verb that the value cannot be printed with.
    pub(super) fn bad_verb(&mut self, arg: &Arg, verb: char) {
        self.write(b"%!");
        self.write_rune(verb);
        self.write(b"(");
        match arg {
            // Inside a marker Go does not ask a value for its text.
            Arg::Duration(ns) => {
                self.write(b"time.Duration=");
                self.int(arg, Digits::signed(*ns), 'v');
            }
            _ => self.typed(arg),
        }
        self.write(b")");
    }

    fn typed(&mut self, arg: &Arg) {
        if let Arg::Nil = arg {
            return self.write(b"<nil>");
        }
        self.write(arg.go_type().as_bytes());
        self.write(b"=");
        self.value(arg, 'v');
    }
}

fn octets(bytes: &[u8]) -> Vec<Arg> {
    bytes
        .iter()
        .map(|byte| Arg::Uint {
            value: (*byte).into(),
            go_type: "uint8",
        })
        .collect()
}
