//! What is left of all filters for one kind of events, and which fields decide it.
//!
//! Of what is left, some filters read one field only. They are *of that field*: whether they hold
//! is a matter of its value, and is remembered with the value once it was found out. Others have a
//! gate: they hold only if one of some literals occurs in a field.

use overspill_event::{Event, Span};
use overspill_expr::{Bool, FieldRef};

use crate::facts::{At, Facts, Masks, mask, set};
use crate::gates::Gate;
use crate::kinds::{Entry, Index};
use crate::scans::{Scan, Scans};

/// Numbers of a gate table that take as much memory as an entry.
const NUMBERS_AN_ENTRY: usize = 16;
/// Place of the field of an entry that is of none.
const OF_NONE: u32 = u32::MAX;

/// What is left of all filters for one kind of events.
#[derive(Debug)]
pub(crate) struct Kind {
    /// In the order of evaluation.
    entries: Box<[Entry]>,
    /// Entries that are open whatever any field holds, a bit each.
    ungated: Box<[u64]>,
    fields: Box<[KindField]>,
    /// For each entry, the place in `fields` of the one field that it reads.
    of_field: Box<[u32]>,
}

/// What one field decides.
#[derive(Debug)]
struct KindField {
    /// Its number among the gated fields.
    field: usize,
    of: FieldRef,
    /// Entries of this field without a gate: open until their value is known.
    free: Box<[u64]>,
    /// Entries with a gate in this field.
    gated: Box<[u64]>,
    /// Entries of literal `n`: `entries[starts[n]..starts[n + 1]]`. Empty when there is no gate.
    starts: Box<[u32]>,
    entries: Box<[u32]>,
    /// What is known of an absent and of an empty value.
    blank: [Masks; 2],
}

impl Kind {
    /// Of what is left of filters, which are in order of their numbers.
    pub(crate) fn new(index: &Index, filters: impl Iterator<Item = (usize, Bool)>) -> Self {
        let mut entries = Vec::new();
        for (number, rest) in filters {
            let rest = match rest {
                Bool::Const(false) => continue,
                Bool::Const(true) => None,
                rest => Some(rest),
            };
            entries.push(Entry { number, rest });
        }
        let mut ungated = mask(entries.len());
        // (field, entry), and (field, literal, entry).
        let mut own: Vec<(usize, u32)> = Vec::new();
        let mut free: Vec<(usize, u32)> = Vec::new();
        let mut gates: Vec<(usize, u32, u32)> = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            let number = u32::try_from(at).unwrap_or(u32::MAX);
            let only = entry.rest.as_ref().and_then(|rest| index.gates.only(rest));
            own.extend(only.map(|field| (field, number)));
            let gate: Option<Gate> = match &entry.rest {
                Some(rest) => index.gates.gate(rest, &index.dims),
                None => None,
            };
            match (gate, only) {
                (Some(gate), _) => {
                    gates.extend(gate.iter().map(|(field, atom)| (*field, *atom, number)));
                }
                (None, Some(field)) => free.push((field, number)),
                (None, None) => set(&mut ungated, at),
            }
        }
        gates.sort_unstable();
        let mut numbers: Vec<usize> = gates.iter().map(|(field, ..)| *field).collect();
        numbers.extend(free.iter().map(|(field, _)| *field));
        numbers.sort_unstable();
        numbers.dedup();
        let fields: Box<[KindField]> = numbers
            .iter()
            .filter_map(|field| KindField::new(index, *field, entries.len(), &gates, &free))
            .collect();
        let mut of_field: Box<[u32]> = vec![OF_NONE; entries.len()].into();
        for (field, entry) in own {
            let place = fields.iter().position(|known| known.field == field);
            let entry = usize::try_from(entry).unwrap_or(usize::MAX);
            if let (Some(place), Some(of)) = (place, of_field.get_mut(entry)) {
                *of = u32::try_from(place).unwrap_or(OF_NONE);
            }
        }
        Self {
            entries: entries.into(),
            ungated,
            fields,
            of_field,
        }
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What is left of the filters that do not hold for every event of the kind.
    pub(crate) fn rests(&self) -> impl Iterator<Item = &Bool> {
        self.entries.iter().filter_map(|entry| entry.rest.as_ref())
    }

    /// What it takes of the room.
    pub(crate) fn size(&self) -> usize {
        // Beside its table, a field has six masks and some words.
        let numbers = |field: &KindField| {
            field.starts.len() + field.entries.len() + 12 * field.free.len() + 36
        };
        let n_numbers: usize = self.fields.iter().map(numbers).sum();
        1 + self.entries.len() + n_numbers / NUMBERS_AN_ENTRY
    }

    /// Puts the entries that could hold for an event, and those that certainly do, into `open`,
    /// and into `places` where that is written for each field.
    pub(crate) fn open(
        &self,
        index: &Index,
        event: &Event,
        number: usize,
        known: (&mut Facts, &mut Scans),
        open: &mut Masks,
        places: &mut Vec<At>,
    ) {
        let (facts, scans) = known;
        open.begin(&self.ungated);
        places.clear();
        facts.begin_event();
        for of in &self.fields {
            let (value, is_present) = match of.of {
                FieldRef::Slot(slot) => match event.span(slot) {
                    span @ Span { len: 0, .. } => (&[][..], span.is_present()),
                    span => (event.bytes(span), true),
                },
                FieldRef::Text(text) => (event.text(text), true),
            };
            if value.is_empty() {
                open.add(&of.blank[usize::from(is_present)]);
                places.push(At::Blank(is_present));
                continue;
            }
            let (at, masks) = facts.find(of.field, number, value, |masks| {
                masks.begin(&of.free);
                if of.starts.is_empty() {
                    return;
                }
                match scans.scan(&index.gates, of.field, value) {
                    Scan::Fired(atoms) => {
                        for atom in atoms {
                            for entry in of.entries_of(*atom) {
                                masks.open(usize::try_from(*entry).unwrap_or(usize::MAX));
                            }
                        }
                    }
                    Scan::Open => masks.open_all(&of.gated),
                }
            });
            open.add(masks);
            places.push(at);
        }
    }

    /// Remembers whether an entry holds for an event of which [`Kind::open`] told the `places`,
    /// if that is a matter of one field's value.
    pub(crate) fn learn(&mut self, entry: usize, holds: bool, places: &[At], facts: &mut Facts) {
        let Some(place) = self.of_field.get(entry).filter(|place| **place != OF_NONE) else {
            return;
        };
        let place = usize::try_from(*place).unwrap_or(usize::MAX);
        let (Some(of), Some(at)) = (self.fields.get_mut(place), places.get(place)) else {
            return;
        };
        let masks = match at {
            At::Blank(is_present) => Some(&mut of.blank[usize::from(*is_present)]),
            at => facts.masks(of.field, *at),
        };
        if let Some(masks) = masks {
            masks.learn(entry, holds);
        }
    }

    /// The place of the first entry whose number is at least `number`.
    pub(crate) fn place_of(&self, number: usize) -> usize {
        self.entries.partition_point(|entry| entry.number < number)
    }
}

impl KindField {
    /// Of (field, literal, entry), sorted, and (field, entry), of all fields.
    fn new(
        index: &Index,
        field: usize,
        n_entries: usize,
        gates: &[(usize, u32, u32)],
        free: &[(usize, u32)],
    ) -> Option<Self> {
        let first = gates.partition_point(|(known, ..)| *known < field);
        let end = gates.partition_point(|(known, ..)| *known <= field);
        let gates = gates.get(first..end)?;
        let of = index.gates.field(field)?;
        let mut gated = mask(n_entries);
        let mut free_mask = mask(n_entries);
        for (_, entry) in free.iter().filter(|(known, _)| *known == field) {
            set(
                &mut free_mask,
                usize::try_from(*entry).unwrap_or(usize::MAX),
            );
        }
        let n_starts = match gates {
            [] => 0,
            _ => index.gates.n_atoms(field) + 1,
        };
        let mut starts = vec![0; n_starts];
        for (_, atom, entry) in gates {
            set(&mut gated, usize::try_from(*entry).unwrap_or(usize::MAX));
            let after = usize::try_from(*atom).map_or(usize::MAX, |atom| atom.saturating_add(1));
            *starts.get_mut(after)? += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut blank = Masks::default();
        blank.begin(&free_mask);
        Some(Self {
            field,
            of,
            free: free_mask,
            gated,
            starts: starts.into(),
            entries: gates.iter().map(|(.., entry)| *entry).collect(),
            blank: [blank.clone(), blank],
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
