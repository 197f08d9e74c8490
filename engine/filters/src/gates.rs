//! Literals without which a filter cannot hold, found in one pass over a field.
//!
//! An atom is a literal that must occur in a field. A gate is a set of atoms of which at least one
//! must have fired, or the filter is false. One case-insensitive automaton a field finds the
//! atoms of all filters. A value with bytes beyond ASCII fires everything, because Go's case
//! mapping may turn such a character into an ASCII letter; firing is only a necessary condition.

use aho_corasick::automaton::Automaton;
use aho_corasick::dfa::DFA;
use aho_corasick::{AhoCorasick, Anchored, MatchKind, StartKind};
use overspill_expr::{Bool, FieldRef, Regex, StrTest, Test, TextStep};
use rustc_hash::FxHashMap;

use crate::dims::{Dims, walk};

/// Bytes of literals of a field up to which its automaton is a full table: at most 256 bytes of
/// table for each, and every byte of a value is one step.
const DFA_BYTES_MAX: usize = 16 << 10;
/// Shorter literals occur nearly always.
const LITERAL_MIN: usize = 2;
/// Atoms a gate may have; more would fire nearly always.
const GATE_ATOMS_MAX: usize = 4_000;

/// The atoms of which one must have fired: number of the field, number of the literal there.
pub(crate) type Gate = Vec<(usize, u32)>;

/// Collects atoms while filters are compiled.
#[derive(Debug, Default)]
pub(crate) struct GatesBuilder {
    fields: Vec<FieldAtoms>,
    by_field: FxHashMap<FieldRef, usize>,
}

/// The atoms of a field, in the order of their numbers.
#[derive(Debug)]
struct FieldAtoms {
    field: FieldRef,
    literals: Vec<Vec<u8>>,
    numbers: FxHashMap<Vec<u8>, u32>,
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
        // What is left of the filter may read any one of these alone.
        visit_fields(filter, &mut |field| {
            self.field(field);
            true
        });
    }

    fn atom(&mut self, field: FieldRef, literal: Vec<u8>) {
        let number = self.field(field);
        let FieldAtoms {
            literals, numbers, ..
        } = &mut self.fields[number];
        if !numbers.contains_key(&literal) {
            let number = u32::try_from(literals.len()).unwrap_or(u32::MAX);
            numbers.insert(literal.clone(), number);
            literals.push(literal);
        }
    }

    fn field(&mut self, field: FieldRef) -> usize {
        *self.by_field.entry(field).or_insert_with(|| {
            self.fields.push(FieldAtoms {
                field,
                literals: Vec::new(),
                numbers: FxHashMap::default(),
            });
            self.fields.len() - 1
        })
    }

    pub(crate) fn build(self) -> Gates {
        let fields = self
            .fields
            .into_iter()
            .map(|atoms| {
                let FieldAtoms {
                    field,
                    literals,
                    numbers,
                } = atoms;
                let automaton = Literals::new(&literals);
                GatedField {
                    field,
                    automaton,
                    numbers,
                }
            })
            .collect();
        Gates {
            fields,
            by_field: self.by_field,
        }
    }
}

/// Calls `visit` for every field that a filter reads, while that answers true, and answers whether
/// it always did and the filter neither reads nor changes anything but fields.
fn visit_fields(filter: &Bool, visit: &mut impl FnMut(FieldRef) -> bool) -> bool {
    match filter {
        Bool::Const(_) => true,
        Bool::Str(test) => visit(test.subject.field),
        Bool::And(parts) | Bool::Or(parts) => {
            let mut is_only = true;
            for part in parts.iter() {
                is_only &= visit_fields(part, visit);
            }
            is_only
        }
        Bool::Not(part) => visit_fields(part, visit),
        Bool::Dyn(expr) => {
            let reads = expr.reads();
            let slots = reads.slots.iter().map(|slot| FieldRef::Slot(*slot));
            let texts = reads.texts.iter().map(|text| FieldRef::Text(*text));
            let mut is_only = reads.is_of_fields();
            for field in slots.chain(texts) {
                is_only &= visit(field);
            }
            is_only
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
        Test::ContainsAny(texts) => texts.iter().map(|text| &**text).collect(),
        Test::AnyContains(file)
        | Test::AnyEq(file)
        | Test::AnyStartsWith(file)
        | Test::AnyEndsWith(file) => file.lines()?,
        Test::Matches(regex) => of_regex(regex)?,
        Test::MatchesAny(regexes) => {
            let of_each: Option<Vec<_>> = regexes.iter().map(of_regex).collect();
            of_each?.concat()
        }
        _ => return None,
    };
    let usable = |text: &&[u8]| text.len() >= LITERAL_MIN && text.is_ascii();
    (texts.len() <= GATE_ATOMS_MAX && texts.iter().all(usable)).then(|| {
        texts
            .into_iter()
            .map(|text| (field, text.to_ascii_lowercase()))
            .collect()
    })
}

/// None at all means that none is known, not that none matches.
fn of_regex(regex: &Regex) -> Option<Vec<&[u8]>> {
    let literals: Vec<&[u8]> = regex.required_literals().collect();
    (!literals.is_empty()).then_some(literals)
}

#[derive(Debug)]
struct GatedField {
    field: FieldRef,
    /// `None` if the automaton could not be built: then every gate is open.
    automaton: Option<Literals>,
    numbers: FxHashMap<Vec<u8>, u32>,
}

/// One automaton a field.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    fields: Vec<GatedField>,
    by_field: FxHashMap<FieldRef, usize>,
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
                let atom = *self.fields.get(number)?.numbers.get(&literal)?;
                Some((number, atom))
            })
            .collect()
    }

    /// How many literals of a field there are; their numbers are below.
    pub(crate) fn n_atoms(&self, field: usize) -> usize {
        self.fields
            .get(field)
            .map_or(0, |field| field.numbers.len())
    }

    /// A field by its number.
    pub(crate) fn field(&self, field: usize) -> Option<FieldRef> {
        self.fields.get(field).map(|gated| gated.field)
    }

    /// The number of the only thing that a filter reads, if that is the text of one field and the
    /// filter changes nothing: it then gives the same for the same text.
    pub(crate) fn only(&self, filter: &Bool) -> Option<usize> {
        let mut only = None;
        let mut is_only = |field: FieldRef| *only.get_or_insert(field) == field;
        visit_fields(filter, &mut is_only).then_some(())?;
        self.by_field.get(&only?).copied()
    }

    /// Puts the literals that occur in a value, raw or with its escapes undone, into `fired`, each
    /// once; answers false, with none, when the automaton cannot tell.
    pub(crate) fn scan(&self, field: usize, value: &[u8], fired: &mut Vec<u32>) -> bool {
        fired.clear();
        let automaton = self
            .fields
            .get(field)
            .and_then(|gated| gated.automaton.as_ref());
        let Some(automaton) = automaton.filter(|_| value.is_ascii()) else {
            return false;
        };
        let mut can_tell = automaton.fire(value, fired);
        if memchr::memchr2(b'%', b'+', value).is_some() {
            for step in [TextStep::PathUnescape, TextStep::QueryUnescape] {
                let unescaped = step.apply(value);
                can_tell &= unescaped.is_ascii() && automaton.fire(&unescaped, fired);
            }
        }
        if !can_tell {
            fired.clear();
            return false;
        }
        if fired.len() > 1 {
            fired.sort_unstable();
            fired.dedup();
        }
        true
    }
}

/// An automaton that finds literals, whatever their case.
#[derive(Debug)]
enum Literals {
    /// A full table, walked here: one step a byte and nothing else.
    Table(Box<DFA>),
    Any(AhoCorasick),
}

impl Literals {
    fn new(literals: &[Vec<u8>]) -> Option<Self> {
        let n_bytes: usize = literals.iter().map(Vec::len).sum();
        if n_bytes <= DFA_BYTES_MAX {
            let table = DFA::builder()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::Standard)
                .start_kind(StartKind::Unanchored)
                .prefilter(false)
                .build(literals);
            return table.ok().map(|table| Self::Table(Box::new(table)));
        }
        let any = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .start_kind(StartKind::Unanchored)
            .build(literals);
        any.ok().map(Self::Any)
    }

    /// Appends the literals that occur in a value; answers false when it cannot tell. A literal that
    /// repeats is named again, but not without end: the list is made shorter before it outgrows the
    /// literals there are.
    fn fire(&self, value: &[u8], fired: &mut Vec<u32>) -> bool {
        let n_literals = match self {
            Self::Table(table) => table.patterns_len(),
            Self::Any(any) => any.patterns_len(),
        };
        let most = n_literals.saturating_mul(2).max(64);
        let mut fire = |literal: u32| {
            if fired.len() >= most {
                fired.sort_unstable();
                fired.dedup();
            }
            fired.push(literal);
        };
        match self {
            Self::Table(table) => {
                let Ok(mut at) = table.start_state(Anchored::No) else {
                    return false;
                };
                for byte in value {
                    at = table.next_state(Anchored::No, at, *byte);
                    if table.is_special(at) && table.is_match(at) {
                        for n in 0..table.match_len(at) {
                            fire(table.match_pattern(at, n).as_u32());
                        }
                    }
                }
            }
            Self::Any(any) => {
                for found in any.find_overlapping_iter(value) {
                    fire(found.pattern().as_u32());
                }
            }
        }
        true
    }
}
