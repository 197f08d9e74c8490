//! Small-domain fields: what an event is, as a short vector of numbers.
//!
//! A dimension is a subject (a field, perhaps in upper or lower case) that filters compare with
//! literals. A value that no filter names is like any other such value, so it gets one number,
//! [`OTHER`]: however many values attackers invent, the number of kinds stays that of the content.

use std::sync::Arc;

use overspill_event::Event;
use overspill_expr::{Bool, StrTest, Subject, Test};
use rustc_hash::FxHashMap;

/// Number of every value that no literal names.
pub(crate) const OTHER: u16 = 0;

/// One dimension.
#[derive(Debug)]
pub(crate) struct Dim {
    pub(crate) subject: Subject,
    ids: FxHashMap<Arc<[u8]>, u16>,
    /// Length of its longest literal.
    longest: usize,
}

/// Longest value whose number is remembered.
const MEMO_BYTES: usize = 22;

/// The last value of each dimension and its number: most lines are like the one before.
#[derive(Debug, Default)]
pub(crate) struct Memos(Vec<Memo>);

#[derive(Debug, Default, Clone, Copy)]
struct Memo {
    value: [u8; MEMO_BYTES],
    /// One more than the length of the value; 0 before the first one.
    len: u8,
    id: u16,
}

impl Memos {
    /// Puts the numbers of an event's values in these dimensions into `ids`.
    pub(crate) fn ids(&mut self, dims: &Dims, which: &[usize], event: &Event, ids: &mut Vec<u16>) {
        if self.0.len() != dims.dims.len() {
            self.0 = vec![Memo::default(); dims.dims.len()];
        }
        ids.clear();
        for at in which {
            let (Some(dim), Some(memo)) = (dims.dims.get(*at), self.0.get_mut(*at)) else {
                continue;
            };
            ids.push(memo.id(dim, dim.subject.field.bytes(event)));
        }
    }
}

/// Whether two short texts are equal: most are of a few bytes, not worth a call of `memcmp`.
#[inline(always)]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match (a.first_chunk::<8>(), b.first_chunk::<8>()) {
        // The two ends overlap, or meet, up to 16 bytes.
        (Some(start), Some(other)) if a.len() <= 16 => {
            start == other && a.last_chunk::<8>() == b.last_chunk::<8>()
        }
        (Some(_), _) => a == b,
        _ => match (a.first_chunk::<4>(), b.first_chunk::<4>()) {
            (Some(start), Some(other)) => {
                start == other && a.last_chunk::<4>() == b.last_chunk::<4>()
            }
            _ => a.iter().zip(b).all(|(a, b)| a == b),
        },
    }
}

impl Memo {
    fn id(&mut self, dim: &Dim, value: &[u8]) -> u16 {
        let known = usize::from(self.len)
            .checked_sub(1)
            .and_then(|len| self.value.get(..len));
        if known.is_some_and(|known| is_same(known, value)) {
            return self.id;
        }
        let id = dim.id(value);
        if let Some(place) = self.value.get_mut(..value.len()) {
            place.copy_from_slice(value);
            self.len = u8::try_from(value.len() + 1).unwrap_or(0);
            self.id = id;
        }
        id
    }
}

impl Dim {
    /// The number of a value, as it stands in the event.
    fn id(&self, value: &[u8]) -> u16 {
        // A change of case keeps the length of ASCII text, and literals are found by what it gives.
        if value.len() > self.longest && (self.subject.transform.is_none() || value.is_ascii()) {
            return OTHER;
        }
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
        let subject = test.subject;
        let at = *self.by_subject.entry(subject).or_insert_with(|| {
            self.dims.push(Dim {
                subject,
                ids: FxHashMap::default(),
                longest: 0,
            });
            self.dims.len() - 1
        });
        let dim = &mut self.dims[at];
        if dim.ids.len() + literals.len() > Self::LITERALS_MAX {
            return;
        }
        for literal in literals {
            dim.longest = dim.longest.max(literal.len());
            let next = u16::try_from(dim.ids.len() + 1).unwrap_or(u16::MAX);
            dim.ids.entry(literal).or_insert(next);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_are_the_same_exactly_when_every_byte_is() {
        let text: Vec<u8> = (0..MEMO_BYTES).map(|n| b'a' + n as u8).collect();
        for len in 0..=MEMO_BYTES {
            let a = &text[..len];
            let copy = a.to_vec();
            assert!(is_same(a, &copy));
            for at in 0..len {
                let mut b = a.to_vec();
                b[at] = b'!';
                assert!(!is_same(a, &b), "byte {at} of {len}");
            }
            assert!(!is_same(a, &text[..(len + 1) % (MEMO_BYTES + 1)]));
        }
    }
}
