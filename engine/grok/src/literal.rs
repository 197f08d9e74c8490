//! Literal text that every match of a regex must contain.
//!
//! Three questions are asked: a single literal, exact, to look for before a matcher runs; all
//! literals in order, before a search of the whole subject; and a set of literals in lower case of
//! which at least one occurs, for indexes over many regexes. All are necessary conditions only.

use memchr::memmem::Finder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Alternatives that a set may hold before it is no longer worth having.
const SET_LIMIT: usize = 64;

/// Literals looked for in a row; more cost more than they save.
const SEQUENCE_LIMIT: usize = 32;

/// The longest literal that every match contains; empty if none is known.
pub(crate) fn required(hir: &Hir) -> Vec<u8> {
    let mut best = Vec::new();
    longest(hir, &mut best);
    best
}

fn longest(hir: &Hir, best: &mut Vec<u8>) {
    match hir.kind() {
        HirKind::Literal(literal) if literal.0.len() > best.len() => *best = literal.0.to_vec(),
        HirKind::Concat(parts) => parts.iter().for_each(|part| longest(part, best)),
        HirKind::Capture(group) => longest(&group.sub, best),
        HirKind::Repetition(repetition) if repetition.min > 0 => longest(&repetition.sub, best),
        _ => {}
    }
}

/// Literals that occur in every match, in this order and without overlap.
#[derive(Debug, Default)]
pub(crate) struct Sequence(Vec<Finder<'static>>);

impl Sequence {
    /// Collects the literals of a tree.
    pub(crate) fn new(hir: &Hir) -> Self {
        let mut sequence = Sequence::default();
        sequence.collect(hir);
        sequence
    }

    fn collect(&mut self, hir: &Hir) {
        match hir.kind() {
            HirKind::Literal(literal) if self.0.len() < SEQUENCE_LIMIT => {
                self.0.push(Finder::new(&literal.0).into_owned());
            }
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.collect(part)),
            HirKind::Capture(group) => self.collect(&group.sub),
            HirKind::Repetition(repetition) if repetition.min > 0 => self.collect(&repetition.sub),
            _ => {}
        }
    }

    /// Whether the text has them all; if not, nothing in it matches.
    pub(crate) fn is_in(&self, text: &[u8]) -> bool {
        let mut rest = text;
        self.0.iter().all(|literal| match literal.find(rest) {
            Some(at) => {
                rest = rest.get(at + literal.needle().len()..).unwrap_or_default();
                true
            }
            None => false,
        })
    }
}

/// Literals in ASCII lower case of which every match contains one, compared without regard to
/// ASCII case. Empty if nothing is known.
pub(crate) fn any_of(hir: &Hir) -> Vec<Box<[u8]>> {
    let mut set: Vec<Box<[u8]>> = alternatives(hir)
        .unwrap_or_default()
        .into_iter()
        .map(Vec::into_boxed_slice)
        .collect();
    set.sort();
    set.dedup();
    set
}

fn alternatives(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Literal(literal) => folded(&literal.0).map(|text| vec![text]),
        HirKind::Capture(group) => alternatives(&group.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => alternatives(&repetition.sub),
        HirKind::Alternation(branches) => {
            let mut all = Vec::new();
            for branch in branches {
                all.extend(alternatives(branch)?);
                if all.len() > SET_LIMIT {
                    return None;
                }
            }
            Some(all)
        }
        HirKind::Concat(parts) => {
            let mut sets: Vec<Vec<Vec<u8>>> = Vec::new();
            let mut run = Vec::new();
            for part in parts {
                match one_text(part) {
                    Some(text) => run.extend(text),
                    None => {
                        sets.push(vec![std::mem::take(&mut run)]);
                        sets.extend(alternatives(part));
                    }
                }
            }
            sets.push(vec![run]);
            // The set whose shortest member is longest says the most; fewer members break ties.
            let shortest = |set: &Vec<Vec<u8>>| set.iter().map(Vec::len).min().unwrap_or(0);
            sets.into_iter()
                .filter(|set| shortest(set) > 0)
                .max_by_key(|set| (shortest(set), std::cmp::Reverse(set.len())))
        }
        _ => None,
    }
}

/// The text of a part that is the same in every match but for ASCII case.
fn one_text(hir: &Hir) -> Option<Vec<u8>> {
    match hir.kind() {
        HirKind::Literal(literal) => folded(&literal.0),
        HirKind::Capture(group) => one_text(&group.sub),
        HirKind::Class(class) => one_letter(class).map(|letter| vec![letter]),
        _ => None,
    }
}

/// Case folding of other than ASCII letters is not attempted.
fn folded(text: &[u8]) -> Option<Vec<u8>> {
    (text.is_ascii() && !text.is_empty()).then(|| text.to_ascii_lowercase())
}

/// The letter of a class that is both cases of one ASCII letter.
///
/// `(?i)k` also takes U+212A, and then is no such class.
fn one_letter(class: &Class) -> Option<u8> {
    let Class::Unicode(class) = class else {
        return None;
    };
    let [upper, lower] = class.ranges() else {
        return None;
    };
    let single = upper.start() == upper.end() && lower.start() == lower.end();
    let pair =
        upper.start().is_ascii_uppercase() && upper.start().to_ascii_lowercase() == lower.start();
    (single && pair)
        .then(|| u8::try_from(lower.start()).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_necessary_conditions() {
        let check = |regex: &str, one: &str, any: &[&str]| {
            let hir = crate::hir::parse(regex).unwrap();
            assert_eq!(String::from_utf8_lossy(&required(&hir)), one, "{regex}");
            let set: Vec<_> = any_of(&hir)
                .iter()
                .map(|t| String::from_utf8_lossy(t).into_owned())
                .collect();
            assert_eq!(set, any, "{regex}");
        };
        check("abc", "abc", &["abc"]);
        check("a(bc+)?de", "de", &["de"]);
        check("(?:GET|POST) /x", " /x", &[" /x"]);
        check("(?:GET|POST)", "", &["get", "post"]);
        check("(?:get|p)", "", &["get", "p"]);
        check("(?i)union.*from", "", &["union"]);
        check("(?i)task", "", &["ta"]);
        check("[a-z]+", "", &[]);
        check("(?:abc|[0-9])", "", &[]);
        check("(?:abc){2}", "abc", &["abc"]);
        check("(?:abc)*", "", &[]);
    }

    #[test]
    fn literals_in_a_row_are_a_necessary_condition() {
        let check = |regex: &str, text: &str, expected: bool| {
            let sequence = Sequence::new(&crate::hir::parse(regex).unwrap());
            assert_eq!(
                sequence.is_in(text.as_bytes()),
                expected,
                "{regex} on {text}"
            );
        };
        check("a[0-9]b(?:x|y)c?(d)", "..a..b..d", true);
        check("a[0-9]b(?:x|y)c?(d)", "..b..a..d", false);
        check("aa.aa", "aaa", false);
        check("(?:ab)+.*c", "abc", true);
        check("[a-z]*", "", true);
    }
}
