//! Small-domain fields: what an event is, as a short vector of numbers.
//!
//! A dimension is a subject (a field, perhaps in upper or lower case) that filters compare with
//! literals. A value that no filter names is like any other such value, so it gets one number,
//! [`OTHER`]: however many values attackers invent, the number of kinds stays that of the content.

use std::sync::Arc;

use overspill_expr::{Bool, FieldRef, StrTest, Subject, Test};
use rustc_hash::FxHashMap;

/// Number of every value that no literal names.
pub(crate) const OTHER: u16 = 0;

/// One dimension.
#[derive(Debug)]
pub(crate) struct Dim {
    pub(crate) subject: Subject,
    /// Number of its field among the fields of dimensions, and its place among those of the field.
    pub(crate) place: (usize, usize),
    ids: FxHashMap<Arc<[u8]>, u16>,
}

/// All dimensions of one field. Each sees the field's text in another case.
#[derive(Debug)]
pub(crate) struct DimField {
    pub(crate) field: FieldRef,
    /// Numbers of its dimensions.
    pub(crate) dims: Vec<usize>,
    pub(crate) lengths: Lengths,
}

/// The lengths of all literals of a field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lengths {
    /// A bit each, modulo 64.
    bits: u64,
    /// None of its dimensions changes the text.
    is_plain: bool,
}

impl Lengths {
    /// Whether a value is certainly like none of the literals.
    #[inline(always)]
    pub(crate) fn is_other(&self, value: &[u8]) -> bool {
        // A change of case keeps the length of ASCII text, and literals are found by what it gives.
        self.bits & length_bit(value) == 0 && (self.is_plain || value.is_ascii())
    }
}

fn length_bit(text: &[u8]) -> u64 {
    1 << (text.len() % 64)
}

impl Dim {
    /// The number of a value, as it stands in the event.
    pub(crate) fn id(&self, value: &[u8]) -> u16 {
        let value = self.subject.transform.apply(value);
        self.ids.get(&*value).copied().unwrap_or(OTHER)
    }

    fn id_of(&self, literal: &[u8]) -> u16 {
        self.ids.get(literal).copied().unwrap_or(OTHER)
    }

    /// What a test answers for a value of this number, if the number tells.
    pub(crate) fn answer(&self, test: &Test, id: u16) -> Option<bool> {
        match test {
            Test::Eq(literal) => Some(self.id_of(literal) == id),
            Test::Ne(literal) => Some(self.id_of(literal) != id),
            Test::In(set) => Some(set.iter().any(|literal| self.id_of(literal) == id)),
            Test::NotIn(set) => Some(!set.iter().any(|literal| self.id_of(literal) == id)),
            _ => None,
        }
    }
}

/// All dimensions of the filters of some content.
#[derive(Debug, Default)]
pub(crate) struct Dims {
    pub(crate) dims: Vec<Dim>,
    pub(crate) fields: Vec<DimField>,
    by_subject: FxHashMap<Subject, usize>,
}

impl Dims {
    /// Most literals a dimension may have: beyond, comparing is left to the filter.
    const LITERALS_MAX: usize = 1_000;

    pub(crate) fn of<'a>(filters: impl Iterator<Item = &'a Bool>) -> Self {
        let mut dims = Self::default();
        for filter in filters {
            walk(filter, &mut |test| dims.add(test));
        }
        dims
    }

    fn add(&mut self, test: &StrTest) {
        let literals: Vec<Arc<[u8]>> = match &test.test {
            Test::Eq(literal) | Test::Ne(literal) => vec![Arc::clone(literal)],
            Test::In(set) | Test::NotIn(set) => set.iter().map(Arc::from).collect(),
            _ => return,
        };
        if !test.subject.is_cheap() {
            return;
        }
        let at = self.dim_of(test.subject);
        let dim = &mut self.dims[at];
        if dim.ids.len() + literals.len() > Self::LITERALS_MAX {
            return;
        }
        let lengths = &mut self.fields[dim.place.0].lengths.bits;
        for literal in literals {
            *lengths |= length_bit(&literal);
            let next = u16::try_from(dim.ids.len() + 1).unwrap_or(u16::MAX);
            dim.ids.entry(literal).or_insert(next);
        }
    }

    /// The dimension of a subject, which is made if there is none.
    fn dim_of(&mut self, subject: Subject) -> usize {
        if let Some(at) = self.by_subject.get(&subject) {
            return *at;
        }
        let known = |known: &DimField| known.field == subject.field;
        let field = self.fields.iter().position(known).unwrap_or_else(|| {
            self.fields.push(DimField {
                field: subject.field,
                dims: Vec::new(),
                lengths: Lengths {
                    bits: 0,
                    is_plain: true,
                },
            });
            self.fields.len() - 1
        });
        let at = self.dims.len();
        let of_field = &mut self.fields[field];
        self.dims.push(Dim {
            subject,
            place: (field, of_field.dims.len()),
            ids: FxHashMap::default(),
        });
        of_field.dims.push(at);
        of_field.lengths.is_plain &= subject.transform.is_none();
        self.by_subject.insert(subject, at);
        at
    }

    /// The dimension of a test, if all its literals have numbers there.
    pub(crate) fn find(&self, test: &StrTest) -> Option<usize> {
        let at = *self.by_subject.get(&test.subject)?;
        let dim = &self.dims[at];
        let known = |literal: &[u8]| dim.ids.contains_key(literal);
        let complete = match &test.test {
            Test::Eq(literal) | Test::Ne(literal) => known(literal),
            Test::In(set) | Test::NotIn(set) => set.iter().all(known),
            _ => false,
        };
        complete.then_some(at)
    }
}

/// Calls `visit` for every test on a string that stands in a filter.
pub(crate) fn walk(filter: &Bool, visit: &mut impl FnMut(&StrTest)) {
    match filter {
        Bool::Str(test) => visit(test),
        Bool::And(parts) | Bool::Or(parts) => parts.iter().for_each(|part| walk(part, visit)),
        Bool::Not(part) => walk(part, visit),
        _ => {}
    }
}

/// Folds a filter with the numbers that are known; the result holds for exactly the same events.
///
/// `known` gives the number of a dimension, if it is known. A part is only dropped where dropping
/// it loses no run-time error and no side effect. What stands behind a part with a side effect is
/// left as it is: the effect may change the event, and with it what was known.
pub(crate) fn fold(filter: &Bool, dims: &Dims, known: &impl Fn(usize) -> Option<u16>) -> Bool {
    match filter {
        Bool::Str(test) => dims
            .find(test)
            .and_then(|at| dims.dims[at].answer(&test.test, known(at)?))
            .map_or_else(|| filter.clone(), Bool::Const),
        Bool::Not(part) => match fold(part, dims, known) {
            Bool::Const(value) => Bool::Const(!value),
            part => Bool::Not(Box::new(part)),
        },
        Bool::And(parts) => fold_list(parts, dims, known, false),
        Bool::Or(parts) => fold_list(parts, dims, known, true),
        _ => filter.clone(),
    }
}

/// An `and` (`ends` false) or `or` (`ends` true): the first part that equals `ends` decides.
fn fold_list(
    parts: &[Bool],
    dims: &Dims,
    known: &impl Fn(usize) -> Option<u16>,
    ends: bool,
) -> Bool {
    let mut kept: Vec<Bool> = Vec::new();
    let mut parts = parts.iter();
    while let Some(part) = parts.next() {
        match fold(part, dims, known) {
            Bool::Const(value) if value == ends => {
                // What stands before is evaluated first: it may raise.
                if !kept.iter().any(Bool::can_fail) {
                    return Bool::Const(ends);
                }
                kept.push(Bool::Const(ends));
                break;
            }
            Bool::Const(_) => {}
            part => {
                let acts = part.has_effects();
                kept.push(part);
                if acts {
                    kept.extend(parts.cloned());
                    break;
                }
            }
        }
    }
    match kept.len() {
        0 => Bool::Const(!ends),
        1 => kept.remove(0),
        _ if ends => Bool::Or(kept.into()),
        _ => Bool::And(kept.into()),
    }
}
