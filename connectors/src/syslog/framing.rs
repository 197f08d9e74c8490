//! Messages in a stream of bytes: counted octets (RFC 6587) or lines, told anew for each message.
//!
//! A message that begins with digits and a space is counted; any other ends at a line feed. What is longer than
//! a message may be is cut, and its end passed over.

/// Most digits of a count; more are no count.
const COUNT_DIGITS_MAX: usize = 9;

/// Takes messages out of a stream.
#[derive(Debug)]
pub(super) struct Framer {
    held: Vec<u8>,
    bytes_max: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a message.
    Start,
    /// In a counted one; so many bytes follow.
    Counted(usize),
    /// In one that ends with its line.
    Line,
    /// Past what is kept of a counted one.
    SkipCounted(usize),
    /// Past what is kept of a line.
    SkipLine,
}

impl Framer {
    /// Messages of at most so many bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            held: Vec::new(),
            bytes_max: bytes_max.max(1),
            state: State::Start,
        }
    }

    /// Adds what came, and calls `each` with every message that is whole, and whether it was cut.
    pub(super) fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8], bool)) {
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let mut rest = held.as_slice();
        while let Some(left) = self.step(rest, &mut each) {
            rest = left;
        }
        let n_used = held.len() - rest.len();
        self.held = held;
        self.held.drain(..n_used);
    }

    /// The stream is at its end: what is left of a line is a message, of a counted one it is not.
    pub(super) fn finish(&mut self, mut each: impl FnMut(&[u8], bool)) {
        let is_line = matches!(self.state, State::Line | State::Start);
        if is_line && !self.held.is_empty() {
            each(&self.held, false);
        }
        self.held.clear();
    }

    /// One step; answers what is left, or `None` when more has to come.
    fn step<'a>(&mut self, rest: &'a [u8], each: &mut impl FnMut(&[u8], bool)) -> Option<&'a [u8]> {
        match self.state {
            State::Start => self.start(rest),
            State::Counted(n) => {
                let kept = n.min(self.bytes_max);
                let (message, left) = rest.split_at_checked(kept)?;
                each(message, kept < n);
                self.state = State::SkipCounted(n - kept);
                Some(left)
            }
            State::SkipCounted(0) => {
                self.state = State::Start;
                Some(rest)
            }
            State::SkipCounted(n) => {
                if rest.is_empty() {
                    return None;
                }
                let skipped = n.min(rest.len());
                self.state = State::SkipCounted(n - skipped);
                rest.get(skipped..)
            }
            State::Line => match memchr::memchr(b'\n', rest) {
                Some(end) if end <= self.bytes_max => {
                    let (message, left) = rest.split_at(end);
                    each(message, false);
                    self.state = State::Start;
                    left.get(1..)
                }
                None if rest.len() <= self.bytes_max => None,
                _ => {
                    let (message, left) = rest.split_at(self.bytes_max);
                    each(message, true);
                    self.state = State::SkipLine;
                    Some(left)
                }
            },
            State::SkipLine => {
                let end = memchr::memchr(b'\n', rest);
                if end.is_some() {
                    self.state = State::Start;
                } else if rest.is_empty() {
                    return None;
                }
                rest.get(end.map_or(rest.len(), |end| end + 1)..)
            }
        }
    }

    /// Tells how the next message is framed. Line ends, spaces and zeros between messages are passed over.
    fn start<'a>(&mut self, rest: &'a [u8]) -> Option<&'a [u8]> {
        let n_between = rest
            .iter()
            .take_while(|byte| matches!(byte, b'\n' | b'\r' | b' ' | 0))
            .count();
        let rest = rest.get(n_between..).unwrap_or_default();
        if n_between > 0 {
            return Some(rest);
        }
        let n_digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, behind) = rest.split_at(n_digits);
        if n_digits > 0 && n_digits <= COUNT_DIGITS_MAX {
            match behind.first() {
                None => return None,
                Some(b' ') => {
                    let digits = std::str::from_utf8(digits).unwrap_or_default();
                    self.state = State::Counted(digits.parse().unwrap_or(0));
                    return behind.get(1..);
                }
                Some(_) => {}
            }
        } else if rest.is_empty() {
            return None;
        }
        self.state = State::Line;
        Some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8], bytes_max: usize, expected: &[(&str, bool)]) {
        for step in [1, 2, 3, 5, 1_000] {
            let mut framer = Framer::new(bytes_max);
            let mut messages = Vec::new();
            let mut keep = |message: &[u8], is_cut| {
                messages.push((String::from_utf8(message.to_vec()).unwrap(), is_cut));
            };
            for piece in input.chunks(step) {
                framer.push(piece, &mut keep);
                assert!(framer.held.len() <= bytes_max + step + COUNT_DIGITS_MAX);
            }
            framer.finish(&mut keep);
            let messages: Vec<(&str, bool)> = messages
                .iter()
                .map(|(text, is_cut)| (text.as_str(), *is_cut))
                .collect();
            assert_eq!(messages, expected, "in steps of {step}");
        }
    }

    #[test]
    fn counted_messages_and_lines_may_follow_each_other() {
        check(
            b"6 <1>a\nb<2>line\n5 <3>cd\n<4>e\n\r\n\x006 <5>fgh<6>end",
            100,
            &[
                ("<1>a\nb", false),
                ("<2>line", false),
                ("<3>cd", false),
                ("<4>e", false),
                ("<5>fgh", false),
                ("<6>end", false),
            ],
        );
        check(b"", 100, &[]);
        check(b"10 <1>short", 100, &[]);
        check(
            b"12345678901 x\n12x\n",
            100,
            &[("12345678901 x", false), ("12x", false)],
        );
    }

    #[test]
    fn long_messages_are_cut_and_their_ends_passed_over() {
        check(
            b"12 <1>123456789<2>123456789\n<3>1\n4 <4>1",
            6,
            &[
                ("<1>123", true),
                ("<2>123", true),
                ("<3>1", false),
                ("<4>1", false),
            ],
        );
        check(b"999999999 <1>12345", 6, &[("<1>123", true)]);
    }
}
