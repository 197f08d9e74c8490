//! Kinds of events, and what is left of the filters for each.
//!
//! The two primary dimensions give a group, the other dimensions that the group's filters ask for
//! a kind. Both are made on first sight, by folding, and kept while there is room.

use overspill_event::{Event, Slot};
use overspill_expr::Bool;
use rustc_hash::FxHashMap;

use crate::dims::{Dims, Memos, fold, walk};
use crate::gates::{Gate, Gates};
use crate::scans::{Scan, Scans};

/// Events that find no room for their kind before everything is forgotten, so that what is
/// remembered follows the events, and nobody who fills it up slows it down for good.
const FORGET_AFTER: u64 = 1 << 16;
/// Dimensions that make up a kind.
const KIND_DIMS_MAX: usize = 24;
/// Numbers of a gate table that take as much memory as an entry.
const NUMBERS_AN_ENTRY: usize = 16;

/// The filters, and what an event is looked up by.
#[derive(Debug)]
pub struct Index {
    filters: Vec<Bool>,
    gates: Gates,
    dims: Dims,
    primary: Vec<usize>,
}

/// What is left of one filter.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its number.
    pub number: usize,
    /// `None`: it holds.
    pub rest: Option<Bool>,
}

/// What is left of all filters for one kind of events.
#[derive(Debug)]
pub(crate) struct Kind {
    /// In the order of evaluation.
    entries: Box<[Entry]>,
    /// Entries that no gate spares, a bit each.
    ungated: Box<[u64]>,
    fields: Box<[FieldGates]>,
}

/// The gates of a kind in one field.
#[derive(Debug)]
struct FieldGates {
    field: usize,
    /// Entries with a gate in this field, a bit each.
    all: Box<[u64]>,
    /// Entries of literal `n`: `entries[starts[n]..starts[n + 1]]`.
    starts: Box<[u32]>,
    entries: Box<[u32]>,
}

#[derive(Debug)]
struct Group {
    dims: Vec<usize>,
    /// What the primary dimensions leave, for kinds that there is no room for.
    kind: usize,
    kinds: FxHashMap<Box<[u16]>, usize>,
}

/// The groups and kinds that a worker remembers.
#[derive(Debug, Default)]
pub(crate) struct Kinds {
    groups: FxHashMap<Box<[u16]>, Group>,
    kinds: Vec<Kind>,
    n_entries: usize,
    entries_max: usize,
    /// Everything is to be forgotten before the next event.
    is_due: bool,
    memos: Memos,
    ids: Vec<u16>,
}

impl Index {
    pub(crate) fn of_parts(filters: Vec<Bool>, dims: Dims, gates: Gates, primary: &[Slot]) -> Self {
        let is_primary = |slot: Slot| primary.contains(&slot);
        let primary = (0..dims.dims.len())
            .filter(|at| dims.dims[*at].subject.as_slot().is_some_and(is_primary))
            .collect();
        Self {
            filters,
            gates,
            dims,
            primary,
        }
    }

    /// The filters, by number.
    #[must_use]
    pub fn filters(&self) -> &[Bool] {
        &self.filters
    }

    fn group(&self, ids: &[u16]) -> (Vec<usize>, Kind) {
        let known = |at: usize| known(&self.primary, ids, at);
        let kind = Kind::new(
            self,
            self.filters
                .iter()
                .map(|filter| fold(filter, &self.dims, &known))
                .enumerate(),
        );
        let mut uses: Vec<(usize, usize)> = Vec::new();
        for rest in kind.entries.iter().filter_map(|entry| entry.rest.as_ref()) {
            walk(rest, &mut |test| {
                if let Some(at) = self.dims.find(test) {
                    match uses.iter_mut().find(|(dim, _)| *dim == at) {
                        Some((_, n)) => *n += 1,
                        None => uses.push((at, 1)),
                    }
                }
            });
        }
        uses.sort_by_key(|(dim, n)| (std::cmp::Reverse(*n), *dim));
        let dims = uses
            .iter()
            .take(KIND_DIMS_MAX)
            .map(|(dim, _)| *dim)
            .collect();
        (dims, kind)
    }

    /// A group's kind, with some dimensions more.
    fn narrowed(&self, kind: &Kind, dims: &[usize], ids: &[u16]) -> Kind {
        let known = |at: usize| known(dims, ids, at);
        Kind::new(
            self,
            kind.entries.iter().map(|entry| {
                let rest = match &entry.rest {
                    Some(rest) => fold(rest, &self.dims, &known),
                    None => Bool::Const(true),
                };
                (entry.number, rest)
            }),
        )
    }
}

impl Kinds {
    pub(crate) fn bounded(entries_max: usize) -> Self {
        Self {
            entries_max,
            ..Self::default()
        }
    }

    fn is_full(&self) -> bool {
        self.n_entries >= self.entries_max
    }

    fn forget(&mut self) {
        self.groups.clear();
        self.kinds.clear();
        self.n_entries = 0;
    }

    fn keep(&mut self, kind: Kind) -> usize {
        self.n_entries += kind.size();
        self.kinds.push(kind);
        self.kinds.len() - 1
    }

    /// The number of what is left of the filters for an event. It holds until the next call.
    pub(crate) fn find(&mut self, index: &Index, event: &Event, n_unremembered: &mut u64) -> usize {
        let mut ids = std::mem::take(&mut self.ids);
        let at = self.place(index, event, &mut ids, n_unremembered);
        self.ids = ids;
        at
    }

    pub(crate) fn get(&self, kind: usize) -> Option<&Kind> {
        self.kinds.get(kind)
    }

    fn place(
        &mut self,
        index: &Index,
        event: &Event,
        ids: &mut Vec<u16>,
        n_unremembered: &mut u64,
    ) -> usize {
        if std::mem::take(&mut self.is_due) {
            self.forget();
        }
        self.memos.ids(&index.dims, &index.primary, event, ids);
        if !self.groups.contains_key(ids.as_slice()) {
            if self.is_full() {
                self.forget();
            }
            let (dims, kind) = index.group(ids);
            let group = Group {
                dims,
                kind: self.keep(kind),
                kinds: FxHashMap::default(),
            };
            self.groups.insert(ids.clone().into(), group);
        }
        let is_full = self.is_full();
        let Some(group) = self.groups.get_mut(ids.as_slice()) else {
            unreachable!("the group was inserted just above")
        };
        self.memos.ids(&index.dims, &group.dims, event, ids);
        if let Some(at) = group.kinds.get(ids.as_slice()) {
            return *at;
        }
        if is_full {
            *n_unremembered += 1;
            self.is_due = n_unremembered.is_multiple_of(FORGET_AFTER);
            return group.kind;
        }
        let kind = index.narrowed(&self.kinds[group.kind], &group.dims, ids);
        group.kinds.insert(ids.clone().into(), self.kinds.len());
        self.keep(kind)
    }
}

impl Kind {
    /// Of what is left of filters, which are in order of their numbers.
    fn new(index: &Index, filters: impl Iterator<Item = (usize, Bool)>) -> Self {
        let mut entries = Vec::new();
        let mut gates: Vec<Option<Gate>> = Vec::new();
        for (number, rest) in filters {
            match rest {
                Bool::Const(false) => continue,
                Bool::Const(true) => {
                    entries.push(Entry { number, rest: None });
                    gates.push(None);
                }
                rest => {
                    gates.push(index.gates.gate(&rest, &index.dims));
                    entries.push(Entry {
                        number,
                        rest: Some(rest),
                    });
                }
            }
        }
        let mut ungated = mask(entries.len());
        let mut pairs: Vec<(usize, u32, u32)> = Vec::new();
        for (entry, gate) in gates.iter().enumerate() {
            match gate {
                None => set(&mut ungated, entry),
                Some(gate) => {
                    let number = u32::try_from(entry).unwrap_or(u32::MAX);
                    pairs.extend(gate.iter().map(|(field, atom)| (*field, *atom, number)));
                }
            }
        }
        pairs.sort_unstable();
        let fields = pairs
            .chunk_by(|a, b| a.0 == b.0)
            .filter_map(|pairs| FieldGates::new(index, entries.len(), pairs))
            .collect();
        Self {
            entries: entries.into(),
            ungated,
            fields,
        }
    }

    /// What it takes of the room.
    fn size(&self) -> usize {
        let numbers = |field: &FieldGates| field.starts.len() + field.entries.len();
        let n_numbers: usize = self.fields.iter().map(numbers).sum();
        1 + self.entries.len() + n_numbers / NUMBERS_AN_ENTRY
    }

    /// The entries that could hold for an event, a bit each.
    pub(crate) fn open(
        &self,
        index: &Index,
        event: &Event,
        scans: &mut Scans,
        open: &mut Vec<u64>,
    ) {
        open.clear();
        open.extend_from_slice(&self.ungated);
        for gated in &self.fields {
            match scans.scan(&index.gates, gated.field, event) {
                Scan::Fired(atoms) => {
                    for atom in atoms {
                        for entry in gated.entries_of(*atom) {
                            set(open, usize::try_from(*entry).unwrap_or(usize::MAX));
                        }
                    }
                }
                Scan::Open => {
                    for (word, all) in open.iter_mut().zip(&gated.all) {
                        *word |= all;
                    }
                }
            }
        }
    }

    /// The place of the first entry whose number is at least `number`.
    pub(crate) fn place_of(&self, number: usize) -> usize {
        self.entries.partition_point(|entry| entry.number < number)
    }

    /// The first entry from `place` on of which the bit is set; the place moves behind it.
    pub(crate) fn next(&self, open: &[u64], place: &mut usize) -> Option<&Entry> {
        let mut at = *place / 64;
        let mut left = open.get(at)? & (u64::MAX << (*place % 64));
        while left == 0 {
            at += 1;
            left = *open.get(at)?;
        }
        let entry = at * 64 + usize::try_from(left.trailing_zeros()).unwrap_or(0);
        *place = entry + 1;
        self.entries.get(entry)
    }
}

impl FieldGates {
    /// Of (field, literal, entry), sorted and of one field.
    fn new(index: &Index, n_entries: usize, pairs: &[(usize, u32, u32)]) -> Option<Self> {
        let field = pairs.first()?.0;
        let mut all = mask(n_entries);
        let mut starts = vec![0; index.gates.n_atoms(field) + 1];
        for (_, atom, entry) in pairs {
            set(&mut all, usize::try_from(*entry).unwrap_or(usize::MAX));
            let after = usize::try_from(*atom).map_or(usize::MAX, |atom| atom.saturating_add(1));
            *starts.get_mut(after)? += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        Some(Self {
            field,
            all,
            starts: starts.into(),
            entries: pairs.iter().map(|(_, _, entry)| *entry).collect(),
        })
    }

    fn entries_of(&self, atom: u32) -> &[u32] {
        let at = usize::try_from(atom).unwrap_or(usize::MAX);
        let bound = |at: usize| Some(usize::try_from(*self.starts.get(at)?).unwrap_or(usize::MAX));
        bound(at)
            .zip(bound(at.saturating_add(1)))
            .and_then(|(start, end)| self.entries.get(start..end))
            .unwrap_or_default()
    }
}

fn mask(n_bits: usize) -> Box<[u64]> {
    vec![0; n_bits.div_ceil(64)].into()
}

fn set(mask: &mut [u64], bit: usize) {
    if let Some(word) = mask.get_mut(bit / 64) {
        *word |= 1 << (bit % 64);
    }
}

/// The number of a dimension, when it is one of `dims`, whose numbers are `ids`.
fn known(dims: &[usize], ids: &[u16], at: usize) -> Option<u16> {
    let place = dims.iter().position(|dim| *dim == at)?;
    ids.get(place).copied()
}
