//! Kinds of events, and what is left of the filters for each.
//!
//! The two primary dimensions give a group, the other dimensions that the group's filters ask for
//! a kind. Both are made on first sight, by folding, and kept while there is room.

use overspill_event::{Event, Slot};
use overspill_expr::{Bool, FieldRef};
use rustc_hash::FxHashMap;

use crate::classes::Classes;
use crate::dims::{DimField, Dims, fold, walk};
use crate::gates::Gates;
use crate::kind::Kind;

/// Events that find no room for their kind before everything is forgotten, so that what is
/// remembered follows the events, and nobody who fills it up slows it down for good.
const FORGET_AFTER: u64 = 1 << 16;
/// Dimensions that make up a kind.
const KIND_DIMS_MAX: usize = 24;

/// The filters, and what an event is looked up by.
#[derive(Debug)]
pub struct Index {
    filters: Vec<Bool>,
    pub(crate) gates: Gates,
    pub(crate) dims: Dims,
    /// Fields of dimensions.
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

#[derive(Debug)]
struct Group {
    /// The fields of dimensions that divide it, most asked for first.
    fields: Vec<usize>,
    /// What the primary fields leave, for kinds that there is no room for.
    kind: usize,
    kinds: FxHashMap<Box<[u16]>, usize>,
}

/// The groups and kinds that a worker remembers.
#[derive(Debug, Default)]
pub(crate) struct Kinds {
    classes: Classes,
    groups: Vec<Group>,
    by_primary: FxHashMap<Box<[u16]>, usize>,
    kinds: Vec<Kind>,
    n_entries: usize,
    entries_max: usize,
    /// Everything is to be forgotten before the next event.
    is_due: bool,
    /// Classes of the last event: of its primary fields and of those of its group.
    primary: Vec<u16>,
    key: Vec<u16>,
    /// Its group, and its kind if that is remembered.
    last: Option<(usize, Option<usize>)>,
}

/// What is known of an event's dimensions: the classes of some fields.
struct Known<'a> {
    dims: &'a Dims,
    classes: &'a Classes,
    fields: &'a [usize],
    key: &'a [u16],
}

impl Known<'_> {
    /// The event's number in a dimension, if it is known.
    fn id(&self, dim: usize) -> Option<u16> {
        let (field, place) = self.dims.dims.get(dim)?.place;
        let at = self.fields.iter().position(|known| *known == field)?;
        let ids = self.classes.ids(field, *self.key.get(at)?);
        ids.get(place).copied()
    }
}

impl Index {
    pub(crate) fn of_parts(filters: Vec<Bool>, dims: Dims, gates: Gates, primary: &[Slot]) -> Self {
        let is_primary = |field: &DimField| matches!(field.field, FieldRef::Slot(slot) if primary.contains(&slot));
        let primary = (0..dims.fields.len())
            .filter(|at| is_primary(&dims.fields[*at]))
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

    /// What divides the events of a group, and what is left of the filters for all of them.
    fn group(&self, known: &Known<'_>) -> (Vec<usize>, Kind) {
        let id = |dim: usize| known.id(dim);
        let folded = self
            .filters
            .iter()
            .map(|filter| fold(filter, &self.dims, &id));
        let kind = Kind::new(self, folded.enumerate());
        let mut uses: Vec<(usize, usize)> = Vec::new();
        for rest in kind.rests() {
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
        let mut fields = Vec::new();
        for (dim, _) in uses.iter().take(KIND_DIMS_MAX) {
            let (field, _) = self.dims.dims[*dim].place;
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        (fields, kind)
    }

    /// A group's kind, with some dimensions more.
    fn narrowed(&self, kind: &Kind, known: &Known<'_>) -> Kind {
        let id = |dim: usize| known.id(dim);
        let narrowed = kind.entries().iter().map(|entry| {
            let rest = match &entry.rest {
                Some(rest) => fold(rest, &self.dims, &id),
                None => Bool::Const(true),
            };
            (entry.number, rest)
        });
        Kind::new(self, narrowed)
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

    fn keep(&mut self, kind: Kind) -> usize {
        self.n_entries += kind.size();
        self.kinds.push(kind);
        self.kinds.len() - 1
    }

    pub(crate) fn get(&self, kind: usize) -> Option<&Kind> {
        self.kinds.get(kind)
    }

    pub(crate) fn get_mut(&mut self, kind: usize) -> Option<&mut Kind> {
        self.kinds.get_mut(kind)
    }

    /// Forgets all kinds if that is due, and answers whether it did. Numbers of kinds that were
    /// given before are those of other kinds then.
    pub(crate) fn forget_if_due(&mut self) -> bool {
        let is_due = std::mem::take(&mut self.is_due) || self.classes.is_full();
        if is_due {
            self.classes.forget();
            self.groups.clear();
            self.by_primary.clear();
            self.kinds.clear();
            self.n_entries = 0;
            self.last = None;
        }
        is_due
    }

    /// The number of what is left of the filters for an event. It holds until kinds are forgotten.
    pub(crate) fn find(&mut self, index: &Index, event: &Event, n_unremembered: &mut u64) -> usize {
        let group = self.group(index, event);
        let Some(Group { fields, kinds, .. }) = self.groups.get(group) else {
            unreachable!("a group's number is that of its place")
        };
        let is_same = self.classes.read(&index.dims, fields, event, &mut self.key);
        if let Some((_, Some(kind))) = self.last
            && is_same
        {
            return kind;
        }
        if let Some(kind) = kinds.get(self.key.as_slice()) {
            self.last = Some((group, Some(*kind)));
            return *kind;
        }
        self.last = Some((group, None));
        self.new_kind(index, group, n_unremembered)
    }

    /// The event's group, which is made if there is none. What is known of the last event's kind is
    /// dropped if that was of another group.
    fn group(&mut self, index: &Index, event: &Event) -> usize {
        let is_same = self
            .classes
            .read(&index.dims, &index.primary, event, &mut self.primary);
        if let Some((group, _)) = self.last
            && is_same
        {
            return group;
        }
        self.last = None;
        self.key.clear();
        if let Some(group) = self.by_primary.get(self.primary.as_slice()) {
            return *group;
        }
        // A group that finds no room is taken in nevertheless, once.
        self.is_due |= self.is_full();
        let (fields, kind) = index.group(&Known {
            dims: &index.dims,
            classes: &self.classes,
            fields: &index.primary,
            key: &self.primary,
        });
        let kind = self.keep(kind);
        self.groups.push(Group {
            fields,
            kind,
            kinds: FxHashMap::default(),
        });
        let group = self.groups.len() - 1;
        self.by_primary
            .insert(self.primary.as_slice().into(), group);
        group
    }

    /// A kind seen for the first time: made, unless there is no room.
    fn new_kind(&mut self, index: &Index, group: usize, n_unremembered: &mut u64) -> usize {
        let is_full = self.is_full();
        let number = self.kinds.len();
        let Some(of_group) = self.groups.get_mut(group) else {
            unreachable!("a group's number is that of its place")
        };
        if is_full {
            *n_unremembered += 1;
            self.is_due |= n_unremembered.is_multiple_of(FORGET_AFTER);
            return of_group.kind;
        }
        let known = Known {
            dims: &index.dims,
            classes: &self.classes,
            fields: &of_group.fields,
            key: &self.key,
        };
        let kind = index.narrowed(&self.kinds[of_group.kind], &known);
        of_group.kinds.insert(self.key.as_slice().into(), number);
        self.last = Some((group, Some(number)));
        self.keep(kind)
    }
}
