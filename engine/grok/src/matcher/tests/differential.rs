//! The specialised matcher against the regex engine, on generated lines.
//!
//! Lines are drawn from a pattern's own language, set between other text and damaged. The seed is
//! fixed and so is the number of lines, so a failure repeats.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::*;

/// A small generator of pseudo-random numbers (xorshift).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Text that a tree may match; assertions are left to luck.
    fn sample(&mut self, hir: &Hir, out: &mut Vec<u8>) {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => out.extend_from_slice(&literal.0),
            HirKind::Class(Class::Unicode(class)) => {
                let ascii = |r: &&regex_syntax::hir::ClassUnicodeRange| r.start() < '\x7F';
                let plain: Vec<_> = class.ranges().iter().filter(ascii).collect();
                let range = if !plain.is_empty() && self.below(30) != 0 {
                    *self.pick(&plain)
                } else if class.ranges().is_empty() {
                    return;
                } else {
                    self.pick(class.ranges())
                };
                let start =
                    u32::from(range.start()).max(u32::from(' ').min(u32::from(range.end())));
                let span = u32::from(range.end()).min(start.max(0x7E) + 200) - start;
                let c = char::from_u32(start + self.below(span as usize + 1) as u32);
                out.extend_from_slice(c.unwrap_or('é').encode_utf8(&mut [0; 4]).as_bytes());
            }
            HirKind::Class(Class::Bytes(class)) => {
                let range = self.pick(class.ranges());
                out.push(range.start() + self.below((range.end() - range.start()) as usize) as u8);
            }
            HirKind::Repetition(repetition) => {
                let spread = repetition
                    .max
                    .map_or(6, |max| (max - repetition.min).min(6));
                let times = repetition.min as usize + self.below(spread as usize + 1);
                (0..times).for_each(|_| {
                    if out.len() < 1_000 {
                        self.sample(&repetition.sub, out);
                    }
                });
            }
            HirKind::Capture(group) => self.sample(&group.sub, out),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.sample(part, out)),
            HirKind::Alternation(branches) => {
                let branch = self.below(branches.len());
                self.sample(&branches[branch], out);
            }
        }
    }

    /// Up to three small changes.
    pub(super) fn damage(&mut self, line: &mut Vec<u8>, others: &[Vec<u8>]) {
        let pieces: [&[u8]; 24] = [
            b" ",
            b"\"",
            b":",
            b".",
            b"[",
            b"]",
            b"-",
            b"%",
            b"0",
            b"9",
            b"a",
            b"_",
            b"::",
            b"\t",
            b"\x0b",
            b"\n",
            b"/",
            b"'",
            b"\\",
            b",",
            "é".as_bytes(),
            "\u{2028}".as_bytes(),
            b"\xFF",
            b"\xED\xA0\x80",
        ];
        for _ in 0..self.below(4) {
            let at = self.below(line.len() + 1);
            let upto = (at + self.below(20)).min(line.len());
            match self.below(8) {
                0 if at < line.len() => {
                    line.remove(at);
                }
                1 | 2 => {
                    // Bytes that are no text stay rare: they only exercise the regex engine.
                    let sane = if self.below(20) == 0 {
                        pieces.len()
                    } else {
                        pieces.len() - 2
                    };
                    let piece = pieces[self.below(sane)];
                    line.splice(at..at, piece.iter().copied());
                }
                3 if at < line.len() => line[at] = b' ' + self.below(95) as u8,
                4 => {
                    let copy = line[at..upto].to_vec();
                    let to = self.below(line.len() + 1);
                    line.splice(to..to, copy);
                }
                5 => {
                    line.drain(at..upto);
                }
                6 if !others.is_empty() => {
                    let other = self.pick(others).clone();
                    let from = self.below(other.len() + 1);
                    let to = (from + self.below(30)).min(other.len());
                    line.splice(at..at, other[from..to].iter().copied());
                }
                _ if at < line.len() && line[at].is_ascii_digit() => {
                    line[at] = b'0' + self.below(10) as u8;
                }
                _ => {}
            }
        }
    }
}

/// Both engines of one pattern.
pub(super) struct Pair {
    pub(super) name: String,
    pub(super) specialised: Matcher,
    pub(super) reference: Matcher,
    tree: Hir,
    pub(super) matches: usize,
}

impl Pair {
    pub(super) fn new(library: &Library, name: &str, pattern: Pattern<'_>) -> Pair {
        let compile = |engine| Matcher::compile_with(library, pattern, None, engine).unwrap();
        let expansion = match pattern {
            Pattern::Text(text) => library.expand(text).unwrap(),
            Pattern::Name(name) => library.expand_named(name).unwrap(),
        };
        Pair {
            name: name.into(),
            specialised: compile(Engine::Specialised),
            reference: compile(Engine::Reference),
            tree: crate::hir::parse(&expansion.rust).unwrap(),
            matches: 0,
        }
    }

    pub(super) fn is_specialised(&self) -> bool {
        self.specialised
            .program
            .verdict(&mut Scratch::new(), b"")
            .is_some()
    }

    /// Panics if the engines differ on the line; tells whether it matches.
    pub(super) fn compare(&mut self, scratch: &mut Scratch, line: &[u8]) -> bool {
        let found = self.specialised.program.run(scratch, line);
        let spans = scratch.slots.clone();
        let expected = self.reference.program.run(scratch, line);
        let text = String::from_utf8_lossy(line);
        assert_eq!(found, expected, "{} on {text:?}", self.name);
        if found {
            self.matches += 1;
            assert_eq!(spans, scratch.slots, "{} on {text:?}", self.name);
        }
        found
    }

    /// A line that the pattern has a chance to match.
    pub(super) fn line(&self, random: &mut Random, others: &[Vec<u8>]) -> Vec<u8> {
        let mut line = Vec::new();
        if random.below(3) == 0 && !others.is_empty() {
            line.extend_from_slice(&random.pick::<Vec<u8>>(others)[..]);
            let keep = random.below(line.len() + 1);
            line.truncate(keep);
        }
        random.sample(&self.tree, &mut line);
        if random.below(3) == 0 && !others.is_empty() {
            line.extend_from_slice(&random.pick::<Vec<u8>>(others)[..]);
        }
        if random.below(3) != 0 {
            random.damage(&mut line, others);
        }
        line
    }
}

#[test]
fn both_engines_agree_on_every_built_in_pattern() {
    let library = Library::builtin();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut scratch = Scratch::new();
    let mut others: Vec<Vec<u8>> = Vec::new();
    let mut matches = 0;
    for name in library.names() {
        if name == "SSHD_LOG" {
            // Its automaton takes seconds to build; its branches are patterns of their own.
            continue;
        }
        let mut pair = Pair::new(&library, name, Pattern::Name(name));
        for _ in 0..60 {
            let line = pair.line(&mut random, &others);
            pair.compare(&mut scratch, &line);
            if others.len() < 200 {
                others.push(line);
            } else {
                let at = random.below(others.len());
                others[at] = line;
            }
        }
        matches += pair.matches;
    }
    assert!(matches > 5_000, "only {matches} lines matched");
}

#[test]
fn what_is_kept_from_line_to_line_holds_only_where_the_text_is_the_same() {
    let library = Library::builtin();
    let mut scratch = Scratch::new();
    let mut check = |pattern: &str, lines: &[&str], expected: &[bool]| {
        let mut pair = Pair::new(&library, pattern, Pattern::Text(pattern));
        let found: Vec<bool> = lines
            .iter()
            .map(|line| pair.compare(&mut scratch, line.as_bytes()))
            .collect();
        assert_eq!(found, expected, "{pattern}");
    };
    let before = [
        " Jan 10 06:00:00 x",
        "aJan 10 06:00:00 x",
        ".Jan 10 06:00:00 x",
    ];
    check(
        "^[ .a]%{SYSLOGTIMESTAMP:t} x",
        &before,
        &[true, false, true],
    );
    let behind = [
        "Jan 10 06:00:00",
        "Jan 10 06:00:00.12 x",
        "Jan 10 06:00:00x",
        "Jan 10 06:00:00 ",
        "Jan 10 06:00:0",
    ];
    check(
        "^%{SYSLOGTIMESTAMP:t}( |$)",
        &behind,
        &[true, true, false, true, true],
    );
    let other = ["10/Mar/2024:06:00:00 +0000]", "10/Mar/2024:06:00:00 +00x0]"];
    check(r"%{HTTPDATE:t}\]", &other, &[true, false]);
    check(r"%{HTTPDATE:t}\]|%{HTTPDATE:u}x", &other, &[true, true]);
}

/// Shapes that the walk treats differently, among them those where it must not be sure.
const SHAPES: &[&str] = &[
    "%{DATA:a}%{DATA:b}",
    "%{GREEDYDATA:a}%{GREEDYDATA:b}",
    "(.+)%{NOTSPACE:a}(.+?)%{INT:b}?",
    "%{DATA:a} %{DATA:b} %{GREEDYDATA:c} %{GREEDYDATA:d}",
    "%{DATA:a}, %{WORD:b}, %{GREEDYDATA:c}, %{WORD:d}",
    "^%{DATA:a}$",
    "%{INT:a}%{INT:b}",
    "%{NUMBER:a}%{NOTSPACE:b} ",
    "%{USERNAME:a}%{HOSTNAME:b}",
    "(%{WORD:a} )*%{WORD:b}",
    "(%{WORD:a},?)+%{INT:b}",
    "(?:%{INT:a}|%{WORD:b}|%{IP:c})%{DATA:d}",
    "(?:%{INT:a}|%{INT:b} )x?%{INT:c}",
    "(%{IPORHOST:a} )?%{IPORHOST:b} - (%{USERNAME:c})? ",
    "(%{IPORHOST:a}(:%{INT:b})? )??%{IPORHOST:c}",
    "%{TIMESTAMP_ISO8601:a}.%{INT:b}",
    "%{SECOND:a}%{INT:b}?%{NOTSPACE:c}",
    "%{MONTHNUM:a}%{MONTHDAY:b}%{YEAR:c}",
    "%{SYSLOGHOST:a}+(?: %{SYSLOGPROG}:|)",
    "[^\"]{2,4}%{DATA:a}\"",
    "(?:.)%{NOTSPACE:a}(?:.)",
    "ä%{DATA:a}[aäö]+%{WORD:b}",
    "%{QUOTEDSTRING:a}%{DATA:b}\"",
    "(?i)user=%{USERNAME:a}(?-i:X)?",
    r"\b%{DATA:a}\b%{INT:b}\B",
    "(?m)^%{DATA:a}$",
    r"(?s)%{DATA:a}\n%{GREEDYDATA:b}",
    "(?U)%{GREEDYDATA:a} %{NOTSPACE:b}",
    "(%{INT:a}-){3}%{INT:b}",
    "(?:%{WORD:a})??%{SPACE}%{WORD:b}",
    "%{URI:a}|%{PATH:b}",
    "%{INT:a}|%{DATA:b}",
    "(|%{INT:a})x%{DATA:b}",
];

#[test]
fn both_engines_agree_on_odd_shapes() {
    let library = Library::builtin();
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let mut scratch = Scratch::new();
    let mut others: Vec<Vec<u8>> = Vec::new();
    let mut unfit = Vec::new();
    for shape in SHAPES {
        let mut pair = Pair::new(&library, shape, Pattern::Text(shape));
        if !pair.is_specialised() {
            unfit.push(*shape);
        }
        for _ in 0..1_500 {
            let line = pair.line(&mut random, &others);
            pair.compare(&mut scratch, &line);
            if others.len() < 100 {
                others.push(line);
            }
        }
        assert!(pair.matches > 100, "{shape}: only {} matches", pair.matches);
    }
    assert!(unfit.is_empty(), "not specialised: {unfit:?}");
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(2_000))]
    #[test]
    fn both_engines_agree_on_random_patterns(
        pieces in proptest::collection::vec(0usize..PIECES.len(), 1..8),
        lines in proptest::collection::vec("[ab1:. é\"-]{0,14}", 1..6),
    ) {
        let pattern: String = pieces.iter().map(|piece| PIECES[*piece]).collect();
        let library = Library::base();
        // Pieces may not fit together; most do.
        if Matcher::compile(&library, &pattern, None).is_ok() {
            let mut pair = Pair::new(&library, &pattern, Pattern::Text(&pattern));
            let mut scratch = Scratch::new();
            for line in &lines {
                pair.compare(&mut scratch, line.as_bytes());
            }
        }
    }
}

const PIECES: &[&str] = &[
    "%{INT:i}",
    "%{WORD:w}",
    "%{DATA:d}",
    "%{GREEDYDATA:g}",
    "%{NUMBER:n}",
    "%{NOTSPACE:s}",
    "(%{INT:o})?",
    "(%{WORD:p} )?",
    "(?:%{INT:x}|%{WORD:y})",
    "(%{INT:l}[.:])*",
    "a",
    " ",
    ":",
    "-",
    "1",
    "\"",
    "[^\"]*",
    "[^ ]+?",
    "a*",
    "b+?",
    ".",
    "^",
    "$",
    r"\b",
    r"(?:ab|a)",
    "(?:1|1:)",
    "é?",
    "[é1]",
    "(?:a|b){2}",
    "|",
    "(?:%{INT:z})??",
    ".*",
];
