//! Literals without which a filter cannot hold, found in one pass over a field.
//!
//! An atom is a literal that must occur in a field. A gate is a set of atoms of which at least one
//! must have fired, or the filter is false. One case-insensitive automaton a field finds the
//! atoms of all filters. A value with bytes beyond ASCII fires everything, because Go's case
//! mapping may turn such a character into an ASCII letter; firing is only a necessary condition.

use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use overspill_event::Event;
use overspill_expr::{Bool, FieldRef, StrTest, Test, TextStep};
use rustc_hash::FxHashMap;

use crate::dims::{Dims, walk};

/// Atoms a gate may have; more would fire nearly always.
const GATE_ATOMS_MAX: usize = 4_000;

/// Number of an atom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Atom {
    field: u16,
    bit: u32,
}

/// The atoms of which one must have fired.
pub(crate) type Gate = Arc<[Atom]>;

/// Collects atoms while filters are compiled.
#[derive(Debug, Default)]
pub(crate) struct GatesBuilder {
    fields: Vec<(FieldRef, Vec<Vec<u8>>, FxHashMap<Vec<u8>, u32>)>,
    by_field: FxHashMap<FieldRef, u16>,
}

impl GatesBuilder {
    /// Takes in every literal of a filter that a gate of it, or of what folding leaves of it,
    /// could use.
    pub(crate) fn add(&mut self, filter: &Bool, dims: &Dims) {
        walk(filter, &mut |test| {
            if dims.find(test).is_none() {
                for (field, literal) in literals(test).unwrap_or_default() {
                    self.atom(field, literal);
                }
            }
        });
    }

    fn atom(&mut self, field: FieldRef, literal: Vec<u8>) {
        let next = u16::try_from(self.fields.len()).unwrap_or(u16::MAX);
        let number = *self.by_field.entry(field).or_insert(next);
        if number == next {
            self.fields.push((field, Vec::new(), FxHashMap::default()));
        }
        if let Some((_, literals, bits)) = self.fields.get_mut(usize::from(number))
            && !bits.contains_key(&literal)
        {
            bits.insert(
                literal.clone(),
                u32::try_from(literals.len()).unwrap_or(u32::MAX),
            );
            literals.push(literal);
        }
    }

    pub(crate) fn build(self) -> Gates {
        let fields = self
            .fields
            .into_iter()
            .map(|(field, literals, bits)| {
                let automaton = AhoCorasick::builder()
                    .ascii_case_insensitive(true)
                    .match_kind(MatchKind::Standard)
                    .build(literals)
                    .ok();
                GatedField {
                    field,
                    automaton,
                    bits,
                }
            })
            .collect();
        Gates {
            fields,
            by_field: self.by_field,
        }
    }
}

/// Literal and field, in lower case.
type Literal = (FieldRef, Vec<u8>);

/// The smallest set of literals of which one must occur for the filter to hold.
///
/// Tests on small-domain fields give none: folding answers those, and a gate of them would be open
/// for every event that comes so far.
fn best(filter: &Bool, dims: &Dims) -> Option<Vec<Literal>> {
    match filter {
        Bool::Str(test) if dims.find(test).is_some() => None,
        Bool::Str(test) => literals(test),
        Bool::Or(parts) => {
            let mut all = Vec::new();
            for part in parts.iter() {
                all.extend(best(part, dims)?);
                if all.len() > GATE_ATOMS_MAX {
                    return None;
                }
            }
            Some(all)
        }
        Bool::And(parts) => {
            let mut found: Option<Vec<Literal>> = None;
            for part in parts.iter() {
                if let Some(set) = best(part, dims)
                    && found.as_ref().is_none_or(|found| rank(&set) < rank(found))
                {
                    found = Some(set);
                }
                // A gate further on would skip what this part raises or does.
                if part.can_fail() || part.has_effects() {
                    break;
                }
            }
            found
        }
        _ => None,
    }
}

/// Fewer and longer literals are better gates.
fn rank(set: &[Literal]) -> (usize, usize) {
    let shortest = set
        .iter()
        .map(|(_, literal)| literal.len())
        .min()
        .unwrap_or(0);
    (
        set.len() / 8 + usize::from(shortest < 3) * 100,
        usize::MAX - shortest,
    )
}

/// The literals of one test, of which one must occur in the field's raw or unescaped text.
fn literals(test: &StrTest) -> Option<Vec<Literal>> {
    if !test.subject.keeps_literals() {
        return None;
    }
    let field = test.subject.field;
    let texts: Vec<&[u8]> = match &test.test {
        Test::Contains(text) | Test::StartsWith(text) | Test::EndsWith(text) | Test::Eq(text) => {
            vec![text]
        }
        Test::In(set) => set.iter().collect(),
        Test::AnyContains(file) | Test::AnyEq(file) => file.lines()?,
        _ => return None,
    };
    let usable = |text: &&[u8]| !text.is_empty() && text.is_ascii();
    (texts.len() <= GATE_ATOMS_MAX && texts.iter().all(usable)).then(|| {
        texts
            .into_iter()
            .map(|text| (field, text.to_ascii_lowercase()))
            .collect()
    })
}

#[derive(Debug)]
struct GatedField {
    field: FieldRef,
    /// `None` if the automaton could not be built: then every gate is open.
    automaton: Option<AhoCorasick>,
    bits: FxHashMap<Vec<u8>, u32>,
}

/// One automaton a field.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    fields: Vec<GatedField>,
    by_field: FxHashMap<FieldRef, u16>,
}

impl Gates {
    /// The best gate of a filter (or of what is left of one), if it has one.
    pub(crate) fn gate(&self, filter: &Bool, dims: &Dims) -> Option<Gate> {
        let mut literals = best(filter, dims)?;
        literals.sort_unstable();
        literals.dedup();
        literals
            .into_iter()
            .map(|(field, literal)| {
                let number = *self.by_field.get(&field)?;
                let bit = *self.fields.get(usize::from(number))?.bits.get(&literal)?;
                Some(Atom { field: number, bit })
            })
            .collect()
    }
}

/// What fired for the present event.
#[derive(Debug, Default)]
pub(crate) struct Fired {
    fields: Vec<FiredField>,
}

#[derive(Debug, Default, Clone)]
struct FiredField {
    state: Scan,
    bits: Vec<u64>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Scan {
    #[default]
    Not,
    Done,
    /// The automaton cannot tell: everything counts as fired.
    Open,
}

impl Fired {
    /// Forgets the event before.
    pub(crate) fn reset(&mut self, gates: &Gates) {
        self.fields
            .resize(gates.fields.len(), FiredField::default());
        for field in &mut self.fields {
            field.state = Scan::Not;
        }
    }

    /// Whether a filter behind this gate could hold.
    pub(crate) fn is_open(&mut self, gates: &Gates, gate: &[Atom], event: &Event) -> bool {
        gate.iter().any(|atom| {
            let number = usize::from(atom.field);
            let (Some(gated), Some(_)) = (gates.fields.get(number), self.fields.get(number)) else {
                return true;
            };
            if self.fields[number].state == Scan::Not {
                self.scan(gated, number, event);
            }
            let field = &self.fields[number];
            let word = field
                .bits
                .get((atom.bit / 64) as usize)
                .copied()
                .unwrap_or(0);
            field.state == Scan::Open || word >> (atom.bit % 64) & 1 == 1
        })
    }

    fn scan(&mut self, gated: &GatedField, number: usize, event: &Event) {
        let field = &mut self.fields[number];
        let value = gated.field.bytes(event);
        let Some(automaton) = gated.automaton.as_ref().filter(|_| value.is_ascii()) else {
            field.state = Scan::Open;
            return;
        };
        field.state = Scan::Done;
        field.bits.clear();
        field.bits.resize(gated.bits.len().div_ceil(64), 0);
        fire(automaton, value, &mut field.bits);
        if memchr::memchr2(b'%', b'+', value).is_some() {
            for step in [TextStep::PathUnescape, TextStep::QueryUnescape] {
                let unescaped = step.apply(value);
                if !unescaped.is_ascii() {
                    field.state = Scan::Open;
                    return;
                }
                fire(automaton, &unescaped, &mut field.bits);
            }
        }
    }
}

fn fire(automaton: &AhoCorasick, value: &[u8], bits: &mut [u64]) {
    for found in automaton.find_overlapping_iter(value) {
        let atom = found.pattern().as_usize();
        if let Some(word) = bits.get_mut(atom / 64) {
            *word |= 1 << (atom % 64);
        }
    }
}
