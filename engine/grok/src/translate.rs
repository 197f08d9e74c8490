//! Go and RE2 regex syntax, rewritten as `regex-syntax` text that means the same.
//!
//! CrowdSec content is written for RE2 (grok) and Go's `regexp` (`matches` and data files). Both
//! read the same dialect, which differs from the Rust one in ways that are silent (`\d` is ASCII,
//! `\<` is a plain character) or loud (a lone `{` is a literal, `\Q..\E` quotes). [`translate`]
//! parses that dialect itself, refuses what RE2 and Go refuse and writes the rest so that the Rust
//! parser, in Unicode mode, builds the same language with the same capture groups in the same
//! order. Group names are dropped: two groups may bear one name there, and positions suffice.
//!
//! It does not compile anything and it does not bound the size of the automaton; whoever compiles
//! the text does. Nesting is limited to [`NEST_LIMIT`] groups, where Go allows 1,000.

mod class;
mod error;

pub use error::{TranslateError, TranslateErrorKind};

/// How deep groups may nest; every later pass over a pattern recurses at most this deep.
pub const NEST_LIMIT: usize = 250;

/// Largest repetition count, alone or multiplied through nested repetitions.
const REPEAT_LIMIT: u64 = 1000;

/// Rewrites a Go or RE2 regex as the text of an equivalent Rust regex.
///
/// ```
/// let rust = overspill_grok::translate(r#"\d{"#).unwrap();
/// assert_eq!(rust, r"[0-9]\{");
/// ```
pub fn translate(pattern: &str) -> Result<String, TranslateError> {
    Ok(translate_groups(pattern)?.text)
}

/// A translated pattern with what is known about its groups.
#[derive(Debug, Clone)]
pub(crate) struct Translated {
    /// The Rust regex.
    pub(crate) text: String,
    /// How many capture groups it has, not counting the whole match.
    pub(crate) groups: u32,
    /// Group number and name of each named group, in order.
    pub(crate) names: Vec<(u32, Box<str>)>,
}

/// As [`translate`], with the group count and names.
pub(crate) fn translate_groups(pattern: &str) -> Result<Translated, TranslateError> {
    let mut translator = Translator {
        source: pattern,
        at: 0,
        item_start: 0,
        out: String::with_capacity(pattern.len() + pattern.len() / 4),
        frames: Vec::new(),
        weight: 1,
        last: Last::Nothing,
        groups: 0,
        names: Vec::new(),
    };
    while let Some(c) = translator.peek() {
        translator.step(c)?;
    }
    if !translator.frames.is_empty() {
        return Err(translator.error(TranslateErrorKind::MissingParenthesis));
    }
    Ok(Translated {
        text: translator.out,
        groups: translator.groups,
        names: translator.names,
    })
}

/// What stands directly before the cursor, as far as a repetition operator cares.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing that can be repeated.
    Nothing,
    /// One item; the number is the product of the repetitions nested in it.
    Item(u64),
    /// A repetition: a second operator right behind it is an error.
    Repeated,
}

struct Translator<'p> {
    source: &'p str,
    at: usize,
    /// Where the construct being read began, for errors.
    item_start: usize,
    out: String,
    /// Weights of the enclosing groups' contents so far.
    frames: Vec<u64>,
    /// Largest repetition product in the current group.
    weight: u64,
    last: Last,
    groups: u32,
    names: Vec<(u32, Box<str>)>,
}

impl<'p> Translator<'p> {
    fn rest(&self) -> &'p str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn error(&self, kind: TranslateErrorKind) -> TranslateError {
        TranslateError {
            offset: self.item_start,
            kind,
        }
    }

    fn item(&mut self) {
        self.last = Last::Item(1);
    }

    fn literal(&mut self, c: char) {
        if is_meta(c) {
            self.out.push('\\');
        }
        self.out.push(c);
        self.item();
    }

    fn step(&mut self, c: char) -> Result<(), TranslateError> {
        self.item_start = self.at;
        match c {
            '(' => self.open_group(),
            ')' => self.close_group(),
            '[' => self.class(),
            '\\' => self.escape(),
            '*' | '+' | '?' => {
                self.at += 1;
                self.out.push(c);
                self.repeat(1)
            }
            '{' => self.brace(),
            '|' => {
                self.at += 1;
                self.out.push('|');
                self.last = Last::Nothing;
                Ok(())
            }
            '^' | '$' | '.' => {
                self.at += 1;
                self.out.push(c);
                self.item();
                Ok(())
            }
            _ => {
                self.at += c.len_utf8();
                self.literal(c);
                Ok(())
            }
        }
    }

    /// Ends a repetition whose operator is already written; `times` is its largest count.
    fn repeat(&mut self, times: u64) -> Result<(), TranslateError> {
        let Last::Item(inner) = self.last else {
            let kind = match self.last {
                Last::Repeated => TranslateErrorKind::StackedRepetition,
                _ => TranslateErrorKind::NothingToRepeat,
            };
            return Err(self.error(kind));
        };
        let product = inner * times.max(1);
        if product > REPEAT_LIMIT {
            return Err(self.error(TranslateErrorKind::RepeatCount));
        }
        self.weight = self.weight.max(product);
        if self.peek() == Some('?') {
            self.at += 1;
            self.out.push('?');
        }
        self.last = Last::Repeated;
        Ok(())
    }

    /// A `{`: a repetition if it reads as one, a plain character otherwise.
    fn brace(&mut self) -> Result<(), TranslateError> {
        let Some((min, max, length)) = counted(self.rest()) else {
            self.at += 1;
            self.literal('{');
            return Ok(());
        };
        let low_limit = min > REPEAT_LIMIT || max.is_some_and(|max| max > REPEAT_LIMIT);
        if low_limit || max.is_some_and(|max| min > max) {
            return Err(self.error(TranslateErrorKind::RepeatCount));
        }
        self.out
            .push_str(self.rest().get(..length).unwrap_or_default());
        self.at += length;
        self.repeat(max.unwrap_or(min))
    }

    fn open_group(&mut self) -> Result<(), TranslateError> {
        if self.frames.len() >= NEST_LIMIT {
            return Err(self.error(TranslateErrorKind::NestedTooDeep));
        }
        self.at += 1;
        if self.peek() != Some('?') {
            self.out.push('(');
            self.groups += 1;
            self.push_frame();
            return Ok(());
        }
        if let Some(skip) = ["?P<", "?<"].iter().find(|p| self.rest().starts_with(**p)) {
            let after = self.rest().get(skip.len()..).unwrap_or_default();
            let name = after.split('>').next().unwrap_or_default();
            let closed = after.len() > name.len();
            let valid =
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if !closed || !valid {
                return Err(self.error(TranslateErrorKind::GroupName));
            }
            self.groups += 1;
            self.names.push((self.groups, name.into()));
            self.at += skip.len() + name.len() + 1;
            self.out.push('(');
            self.push_frame();
            return Ok(());
        }
        self.flags()
    }

    fn push_frame(&mut self) {
        self.frames.push(self.weight);
        self.weight = 1;
        self.last = Last::Nothing;
    }

    /// `(?flags)` or `(?flags:`; the cursor is on the question mark.
    fn flags(&mut self) -> Result<(), TranslateError> {
        self.at += 1;
        // The last word on each flag counts: Rust refuses a flag said twice.
        let mut state: [(char, Option<bool>); 4] =
            [('i', None), ('m', None), ('s', None), ('U', None)];
        let mut on = true;
        let mut seen_since_minus = true;
        loop {
            match self.next() {
                Some('-') if on => {
                    on = false;
                    seen_since_minus = false;
                }
                Some(end @ (':' | ')')) if seen_since_minus => {
                    self.write_flags(&state, end);
                    return Ok(());
                }
                Some(c) => {
                    let Some(flag) = state.iter_mut().find(|(name, _)| *name == c) else {
                        return Err(self.error(TranslateErrorKind::GroupFlags));
                    };
                    flag.1 = Some(on);
                    seen_since_minus = true;
                }
                None => return Err(self.error(TranslateErrorKind::GroupFlags)),
            }
        }
    }

    fn write_flags(&mut self, state: &[(char, Option<bool>)], end: char) {
        let any = state.iter().any(|(_, set)| set.is_some());
        if any || end == ':' {
            self.out.push_str("(?");
            self.out.extend(
                state
                    .iter()
                    .filter(|(_, set)| *set == Some(true))
                    .map(|(c, _)| *c),
            );
            if state.iter().any(|(_, set)| *set == Some(false)) {
                self.out.push('-');
                self.out.extend(
                    state
                        .iter()
                        .filter(|(_, set)| *set == Some(false))
                        .map(|(c, _)| *c),
                );
            }
            self.out.push(end);
        }
        if end == ':' {
            self.push_frame();
        } else {
            // Go would let an operator behind `(?i)` repeat what stands before it; no pattern does.
            self.last = Last::Nothing;
        }
    }

    fn close_group(&mut self) -> Result<(), TranslateError> {
        let Some(outer) = self.frames.pop() else {
            return Err(self.error(TranslateErrorKind::UnexpectedParenthesis));
        };
        self.at += 1;
        self.out.push(')');
        self.last = Last::Item(self.weight);
        self.weight = self.weight.max(outer);
        Ok(())
    }

    /// A backslash outside a class.
    fn escape(&mut self) -> Result<(), TranslateError> {
        let after = self.rest().chars().nth(1);
        match after {
            Some('A' | 'z') => self.copy_two(),
            Some('b') => self.replace_two(r"(?-u:\b)"),
            Some('B') => self.replace_two(r"(?-u:\B)"),
            Some('d') => self.replace_two("[0-9]"),
            Some('D') => self.replace_two("[^0-9]"),
            Some('s') => self.replace_two(r"[\t\n\x0C\r ]"),
            Some('S') => self.replace_two(r"[^\t\n\x0C\r ]"),
            Some('w') => self.replace_two("[0-9A-Za-z_]"),
            Some('W') => self.replace_two("[^0-9A-Za-z_]"),
            Some('Q') => self.quoted(),
            Some('p' | 'P') => {
                let class = self.unicode_class()?;
                self.out.push_str(&class);
                self.item();
            }
            _ => {
                match self.escaped_char()? {
                    Some(c) => self.literal(c),
                    // A surrogate: no text holds one, so nothing can match it.
                    None => {
                        self.out.push_str("[a&&b]");
                        self.item();
                    }
                }
            }
        }
        Ok(())
    }

    fn copy_two(&mut self) {
        self.replace_two(self.rest().get(..2).unwrap_or_default());
    }

    fn replace_two(&mut self, text: &str) {
        self.out.push_str(text);
        self.at += 2;
        self.item();
    }

    /// `\Q...\E`, or to the end of the pattern.
    fn quoted(&mut self) {
        self.at += 2;
        let rest = self.rest();
        let (text, skip) = match rest.find(r"\E") {
            Some(end) => (rest.get(..end).unwrap_or_default(), end + 2),
            None => (rest, rest.len()),
        };
        for c in text.chars() {
            self.literal(c);
        }
        self.at += skip;
    }
}

/// Reads `{n}`, `{n,}` or `{n,m}` at the start of `text`: least count, greatest count and length.
fn counted(text: &str) -> Option<(u64, Option<u64>, usize)> {
    let body = text.strip_prefix('{')?;
    let inner = body.get(..body.find('}')?)?;
    let length = inner.len() + 2;
    let (low, high) = match inner.split_once(',') {
        None => {
            let n = count(inner)?;
            return Some((n, Some(n), length));
        }
        Some(both) => both,
    };
    let min = count(low)?;
    let max = if high.is_empty() {
        None
    } else {
        Some(count(high)?)
    };
    Some((min, max, length))
}

/// A decimal count; leading zeros make the brace a literal, a huge number is merely too large.
fn count(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

/// Characters that mean something outside a class, or that later text could give a meaning to.
fn is_meta(c: char) -> bool {
    matches!(
        c,
        '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$'
    )
}

#[cfg(test)]
mod tests;
