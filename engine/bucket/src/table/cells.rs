//! Where states live: an index by the key's own bits, a slab, and a list of cells a key group.

use hashbrown::HashTable;

use super::ahead::Ahead;
use crate::key::{KEY_GROUPS, Key, key_group};
use crate::state::{Bucket, Size, State};

/// Place of a cell in the slab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CellId(u32);

/// One key of the table.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    pub(crate) key: Key,
    /// The state after every pour at or below the watermark.
    pub(crate) state: State,
    /// Pours above the watermark that were applied already.
    pub(crate) ahead: Option<Box<Ahead>>,
    /// Whether the wheel holds an entry of this generation.
    pub(crate) is_armed: bool,
    /// Deadline of the settled bucket, as registered with the table's timers.
    pub(crate) timer_ns: Option<i64>,
    /// Goes up when an entry in the wheel becomes void.
    pub(crate) generation: u32,
    /// Place in the list of the key's group.
    place: u32,
}

/// Totals of one key group. What is above the watermark counts apart.
#[derive(Debug, Default)]
pub(crate) struct Group {
    members: Vec<CellId>,
    /// Cells whose settled state exists.
    pub(crate) n_settled: usize,
    /// Bytes retained by settled states.
    pub(crate) settled_bytes: u64,
    /// Bytes of pours above the watermark.
    pub(crate) ahead_bytes: u64,
}

impl Group {
    pub(crate) fn members(&self) -> &[CellId] {
        &self.members
    }
}

/// All cells.
#[derive(Debug)]
pub(crate) struct Cells {
    index: HashTable<CellId>,
    slab: Vec<Cell>,
    free: Vec<CellId>,
    groups: Vec<Group>,
}

impl Cells {
    pub(crate) fn new() -> Self {
        Self {
            index: HashTable::new(),
            slab: Vec::new(),
            free: Vec::new(),
            groups: (0..KEY_GROUPS).map(|_| Group::default()).collect(),
        }
    }

    pub(crate) fn get(&self, id: CellId) -> &Cell {
        &self.slab[id.0 as usize]
    }

    pub(crate) fn get_mut(&mut self, id: CellId) -> &mut Cell {
        &mut self.slab[id.0 as usize]
    }

    pub(crate) fn group(&self, group: u16) -> &Group {
        &self.groups[usize::from(group)]
    }

    pub(crate) fn group_mut(&mut self, group: u16) -> &mut Group {
        &mut self.groups[usize::from(group)]
    }

    pub(crate) fn find(&self, key: Key) -> Option<CellId> {
        self.index
            .find(key.hash(), |&id| self.get(id).key == key)
            .copied()
    }

    /// Reads the cells of keys that are about to be poured into. The processor overlaps these
    /// independent reads, whereas pours, one depending on the other, would wait for each in turn.
    pub(crate) fn warm_up(&self, keys: impl Iterator<Item = Key>) {
        let warmth = keys.filter_map(|key| self.find(key)).fold(0, |warmth, id| {
            let state = &self.get(id).state;
            let bucket = state.bucket.as_ref().map_or(0, Bucket::warm_up);
            warmth ^ state.last.offset ^ bucket
        });
        std::hint::black_box(warmth);
    }

    /// The cell of a key. `None` when there is no room for another: four thousand million cells.
    pub(crate) fn find_or_create(&mut self, key: Key) -> Option<CellId> {
        if let Some(id) = self.find(key) {
            return Some(id);
        }
        let id = match self.free.pop() {
            Some(id) => id,
            None => {
                let id = CellId(u32::try_from(self.slab.len()).ok()?);
                self.slab.push(Cell::default());
                id
            }
        };
        let members = &mut self.groups[usize::from(key_group(key))].members;
        let place = u32::try_from(members.len()).ok()?;
        members.push(id);
        let cell = &mut self.slab[id.0 as usize];
        cell.key = key;
        cell.place = place;
        let slab = &self.slab;
        self.index
            .insert_unique(key.hash(), id, |other| slab[other.0 as usize].key.hash());
        Some(id)
    }

    /// Frees a cell. Its state must have been taken out of the totals before.
    pub(crate) fn remove(&mut self, id: CellId) {
        let cell = &mut self.slab[id.0 as usize];
        let Cell { key, place, .. } = *cell;
        let generation = cell.generation.wrapping_add(1);
        *cell = Cell {
            generation,
            ..Cell::default()
        };
        if let Ok(entry) = self.index.find_entry(key.hash(), |&other| other == id) {
            entry.remove();
        }
        let members = &mut self.groups[usize::from(key_group(key))].members;
        members.swap_remove(place as usize);
        if let Some(&moved) = members.get(place as usize) {
            self.slab[moved.0 as usize].place = place;
        }
        self.free.push(id);
    }

    /// Replaces a settled state's contribution to its group's totals.
    pub(crate) fn resize(&mut self, group: u16, before: Size, after: Size) {
        let group = &mut self.groups[usize::from(group)];
        group.n_settled += usize::from(after.exists);
        group.n_settled -= usize::from(before.exists);
        group.settled_bytes += after.bytes;
        group.settled_bytes -= before.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_found_until_removed_and_slots_are_used_again() {
        let mut cells = Cells::new();
        let key = |n: u64| Key([n % 3, n.wrapping_mul(0x9e37_79b9_7f4a_7c15)]);
        let ids: Vec<CellId> = (0..100)
            .filter_map(|n| cells.find_or_create(key(n)))
            .collect();
        assert_eq!(ids.len(), 100);
        for n in (0..100).step_by(2) {
            cells.remove(ids[n]);
        }
        for (n, &id) in ids.iter().enumerate() {
            let found = cells.find(key(n as u64));
            assert_eq!(found, (n % 2 == 1).then_some(id), "{n}");
        }
        assert_eq!(cells.group(0).members().len(), 50);
        for n in 0..100 {
            assert!(cells.find_or_create(key(n)).is_some());
        }
        assert_eq!(cells.slab.len(), 100);
        for (place, &id) in cells.group(0).members().iter().enumerate() {
            assert_eq!(cells.get(id).place as usize, place);
        }
    }
}
