//! Where states live: an index by the key's own bits, a slab, and a list of cells a key group.
//!
//! A cell has 88 bytes: the key and a [`Record`]. What a record refers to lies beside: its list of
//! events in [`Lists`], or the whole state when it is wide. A state is taken out of its cell, changed
//! as a plain value, and put back; whatever events it names are held by the cell from then on.

use super::ahead::Ahead;
use super::index::Index;
use super::lists::Lists;
use super::origins::Origins;
use super::record::{Form, Links, Record, count, pack, read_ids, unpack, write_list};
use super::unwritten::Unwritten;
use crate::events::{EventId, Events};
use crate::key::{KEY_GROUPS, Key, key_group};
use crate::pour::{Order, Pour};
use crate::rules::Rules;
use crate::state::{Size, State};

/// Place of a cell in the slab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CellId(pub(crate) u32);

/// Keys that [`Cells::warm_up`] takes at once: about as many reads as a processor overlaps.
pub(crate) const WARM_UP: usize = 16;
/// A written state has about so many bytes beside those of its events.
const STATE_BYTES: usize = 192;
/// Most cells: the numbers above are the wheel's.
const CELLS_MAX: u32 = u32::MAX - (1 << 16);

/// One key of the table, and its state after every pour at or below the watermark.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    key: Key,
    record: Record,
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
    /// What the next checkpoint needs of it.
    pub(super) unwritten: Unwritten,
}

impl Group {
    pub(crate) fn members(&self) -> &[CellId] {
        &self.members
    }
}

/// All cells.
#[derive(Debug)]
pub(crate) struct Cells {
    index: Index,
    slab: Vec<Cell>,
    free: Vec<CellId>,
    groups: Vec<Group>,
    lists: Lists,
    origins: Origins,
    wides: Vec<State>,
    free_wides: Vec<u32>,
    /// Pours above the watermark that were applied already, by cell. Empty without speculation.
    aheads: Vec<Option<Box<Ahead>>>,
    /// The memory of a list that is not in use.
    spare: Vec<EventId>,
    /// What the cell at hand holds.
    held: Vec<EventId>,
}

impl Cells {
    pub(crate) fn new() -> Self {
        Self {
            index: Index::new(),
            slab: Vec::new(),
            free: Vec::new(),
            groups: (0..KEY_GROUPS).map(|_| Group::default()).collect(),
            lists: Lists::new(),
            origins: Origins::default(),
            wides: Vec::new(),
            free_wides: Vec::new(),
            aheads: Vec::new(),
            spare: Vec::new(),
            held: Vec::new(),
        }
    }

    pub(crate) fn key(&self, id: CellId) -> Key {
        self.slab[id.0 as usize].key
    }

    fn record(&self, id: CellId) -> &Record {
        &self.slab[id.0 as usize].record
    }

    pub(crate) fn links(&self, id: CellId) -> Links {
        self.record(id).links
    }

    pub(crate) fn links_mut(&mut self, id: CellId) -> &mut Links {
        &mut self.slab[id.0 as usize].record.links
    }

    fn wide(&self, record: &Record) -> Option<&State> {
        match record.form {
            Form::Wide => self.wides.get(record.list as usize),
            _ => None,
        }
    }

    pub(crate) fn ahead_mut(&mut self, id: CellId) -> Option<&mut Ahead> {
        self.aheads.get_mut(id.0 as usize)?.as_deref_mut()
    }

    pub(crate) fn take_ahead(&mut self, id: CellId) -> Option<Box<Ahead>> {
        self.aheads.get_mut(id.0 as usize)?.take()
    }

    pub(crate) fn set_ahead(&mut self, id: CellId, ahead: Box<Ahead>) {
        let at = id.0 as usize;
        if self.aheads.len() <= at {
            self.aheads.resize_with(at + 1, || None);
        }
        self.aheads[at] = Some(ahead);
    }

    pub(crate) fn has_ahead(&self, id: CellId) -> bool {
        let ahead = self.aheads.get(id.0 as usize);
        ahead.is_some_and(Option::is_some)
    }

    /// Whether the settled state exists.
    pub(crate) fn exists(&self, id: CellId) -> bool {
        let record = self.record(id);
        self.wide(record).map_or(record.exists(), State::exists)
    }

    /// What an eviction looks at: [`State::rank`] and the place of the last pour.
    pub(crate) fn usefulness(&self, id: CellId) -> (u8, Order) {
        let record = self.record(id);
        match self.wide(record) {
            Some(state) => (state.rank(), state.last),
            None => {
                let origin = self.origins.get(record.origin);
                (record.rank(), record.last(&origin))
            }
        }
    }

    pub(crate) fn size(&self, id: CellId) -> Size {
        let record = self.record(id);
        match self.wide(record) {
            Some(state) => state.size(),
            None => Size {
                exists: record.exists(),
                live: (record.form == Form::Bucket)
                    .then(|| self.origins.get(record.origin).scenario),
                events: record.n_events.into(),
                bytes: record.n_bytes(),
            },
        }
    }

    /// As [`State::keep_until_ns`].
    pub(crate) fn keep_until_ns(&self, id: CellId, rules: &Rules) -> i64 {
        let record = self.record(id);
        match self.wide(record) {
            Some(state) => state.keep_until_ns,
            None => record.keep_until_ns(&self.origins.get(record.origin), rules),
        }
    }

    /// Whether an eviction of the state loses anything.
    pub(crate) fn is_of_use(&self, id: CellId) -> bool {
        let record = self.record(id);
        match self.wide(record) {
            Some(state) => state.bucket.is_some() || !state.holes.is_empty(),
            None => record.form != Form::Bare,
        }
    }

    /// A copy of the settled state.
    pub(crate) fn copy(&self, id: CellId, rules: &Rules) -> State {
        self.copy_with(id, rules, Vec::new())
    }

    /// The same in the memory of a list that is not in use.
    pub(crate) fn copy_with(&self, id: CellId, rules: &Rules, ids: Vec<EventId>) -> State {
        let record = self.record(id);
        match self.wide(record) {
            Some(state) => state.clone(),
            None => {
                let origin = self.origins.get(record.origin);
                unpack(record, &origin, &self.lists, rules, ids)
            }
        }
    }

    /// Reads what states are written of, as [`Cells::warm_up`] does.
    pub(crate) fn warm_up_to_write(&self, ids: &[CellId], events: &Events) {
        let mut warmth = 0;
        for &id in ids {
            let record = self.record(id);
            let n_events = usize::from(record.n_events);
            warmth ^= match record.n_words() {
                0 if n_events == 0 => 0,
                0 => events.warmth(EventId(record.list)),
                n => u64::from(self.lists.get(record.list, n)[0]),
            };
        }
        std::hint::black_box(warmth);
    }

    /// About how many bytes so many states of a group come to when they are written.
    pub(crate) fn written_bytes(&self, group: u16, n: usize) -> usize {
        let group = self.group(group);
        let n_bytes = group.settled_bytes / group.n_settled.max(1) as u64;
        n * (STATE_BYTES + usize::try_from(n_bytes).unwrap_or(0))
    }

    /// Counts a pour into a bucket where it lies, if that is all there is to do; answers whether it
    /// was. This is what most pours come to.
    pub(crate) fn count(
        &mut self,
        id: CellId,
        pour: &Pour,
        event: EventId,
        rules: &Rules,
        events: &mut Events,
    ) -> bool {
        let mut record = self.slab[id.0 as usize].record;
        let origin = self.origins.get(record.origin);
        let (n_events, n_old) = (usize::from(record.n_events), record.n_words());
        let n_bytes = events.len_of(event);
        if count(&mut record, &origin, pour, n_bytes, rules).is_none() {
            return false;
        }
        let n_new = record.n_words();
        if n_old == 0 || !Lists::is_same_block(n_old, n_new) {
            let Some(start) = self.lists.add(n_new) else {
                return false;
            };
            match n_old {
                0 => self.lists.get_mut(start, n_new)[0] = record.list,
                _ => self.lists.relocate(record.list, start, n_old),
            }
            record.list = start;
        }
        self.lists.get_mut(record.list, n_new)[n_events] = event.0;
        events.retain(event);
        self.slab[id.0 as usize].record = record;
        true
    }

    /// Takes the settled state out, to be put back.
    pub(crate) fn take(&mut self, id: CellId, rules: &Rules) -> State {
        self.note_held(id);
        let record = self.slab[id.0 as usize].record;
        if record.form == Form::Wide {
            return std::mem::take(&mut self.wides[record.list as usize]);
        }
        let origin = self.origins.get(record.origin);
        let ids = std::mem::take(&mut self.spare);
        unpack(&record, &origin, &self.lists, rules, ids)
    }

    /// Puts a state in place of the present one.
    pub(crate) fn replace(&mut self, id: CellId, state: State, rules: &Rules, events: &mut Events) {
        self.note_held(id);
        self.put(id, state, rules, events);
    }

    /// Notes what the settled state holds, for [`Cells::put`]; [`Cells::take`] does so itself.
    pub(crate) fn note_held(&mut self, id: CellId) {
        self.held.clear();
        let record = &self.slab[id.0 as usize].record;
        match record.form {
            Form::Wide => {
                let bucket = self.wides[record.list as usize].bucket.as_ref();
                let ids = bucket.map_or(&[][..], |bucket| bucket.queue.ids());
                self.held.extend_from_slice(ids);
            }
            _ => read_ids(record, &self.lists, &mut self.held),
        }
    }

    /// Puts back a state that was taken out.
    pub(crate) fn put(&mut self, id: CellId, state: State, rules: &Rules, events: &mut Events) {
        let bucket = state.bucket.as_ref();
        let ids = bucket.map_or(&[][..], |bucket| bucket.queue.ids());
        exchange(&self.held, ids, events);
        let old = self.slab[id.0 as usize].record;
        let packed = pack(&state, rules).and_then(|(mut record, origin)| {
            record.origin = self.origins.number(&origin)?;
            self.list(&old, &mut record, &state)?;
            Some(record)
        });
        let mut record = match packed {
            Some(record) => {
                if let Some(bucket) = state.bucket {
                    self.spare = bucket.queue.into_ids();
                }
                record
            }
            None => self.put_wide(&old, state),
        };
        record.links = old.links;
        record.set_unwritten(old.is_unwritten());
        self.slab[id.0 as usize].record = record;
    }

    /// Writes the list of a record in place of the old one's.
    fn list(&mut self, old: &Record, record: &mut Record, state: &State) -> Option<()> {
        let n_old = match old.form {
            Form::Wide => 0,
            _ => old.n_words(),
        };
        let n_new = record.n_words();
        let is_kept = n_old > 0 && n_new > 0 && Lists::is_same_block(n_old, n_new);
        let start = match (is_kept, n_new) {
            (true, _) => old.list,
            (false, 0) => 0,
            (false, _) => self.lists.add(n_new)?,
        };
        if n_old > 0 && !is_kept {
            self.lists.remove(old.list, n_old);
        }
        if old.form == Form::Wide {
            self.drop_wide(old.list);
        }
        record.list = start;
        let Some(bucket) = &state.bucket else {
            return Some(());
        };
        let ids = bucket.queue.ids();
        match n_new {
            0 => record.list = ids.first().map_or(0, |id| id.0),
            _ => {
                let words = self.lists.get_mut(start, n_new);
                write_list(words, ids, bucket.memory.as_deref());
            }
        }
        Some(())
    }

    fn put_wide(&mut self, old: &Record, state: State) -> Record {
        let list = match old.form {
            Form::Wide => old.list,
            _ => {
                if old.n_words() > 0 {
                    self.lists.remove(old.list, old.n_words());
                }
                self.free_wides.pop().unwrap_or_else(|| {
                    self.wides.push(State::default());
                    // There are no more of them than cells.
                    self.wides.len() as u32 - 1
                })
            }
        };
        self.wides[list as usize] = state;
        Record::wide(list)
    }

    fn drop_wide(&mut self, list: u32) {
        self.wides[list as usize] = State::default();
        self.free_wides.push(list);
    }

    pub(crate) fn group(&self, group: u16) -> &Group {
        &self.groups[usize::from(group)]
    }

    pub(crate) fn group_mut(&mut self, group: u16) -> &mut Group {
        &mut self.groups[usize::from(group)]
    }

    pub(crate) fn find(&self, key: Key) -> Option<CellId> {
        self.index.find(key.hash(), |id| self.key(id) == key)
    }

    /// Reads the cells of keys that are about to be poured into. The processor overlaps these
    /// independent reads, whereas pours, one depending on the other, would wait for each in turn.
    pub(crate) fn warm_up(&self, keys: impl Iterator<Item = Key>, rules: &Rules, events: &Events) {
        let mut ids = [0_u32; WARM_UP];
        let mut n = 0;
        for id in keys
            .filter_map(|key| self.index.guess(key.hash()))
            .take(WARM_UP)
        {
            ids[n] = id.0;
            n += 1;
        }
        let mut warmth = 0;
        for &id in &ids[..n] {
            warmth ^= self.key(CellId(id)).0[0] ^ self.record(CellId(id)).warmth();
        }
        for &id in &ids[..n] {
            let record = self.record(CellId(id));
            let n_words = record.n_words();
            if n_words == 0 {
                continue;
            }
            let words = self.lists.get(record.list, n_words);
            warmth ^= u64::from(words[0]);
            let scenario = self.origins.get(record.origin).scenario;
            if record.form == Form::Bucket
                && rules.retained(scenario) <= usize::from(record.n_events) + 1
            {
                // It is about to overflow, and its events will be read.
                let ids = &words[..usize::from(record.n_events)];
                warmth ^= ids
                    .iter()
                    .map(|&id| events.warmth(EventId(id)))
                    .sum::<u64>();
            }
        }
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
                let number = u32::try_from(self.slab.len()).ok();
                let id = CellId(number.filter(|&number| number < CELLS_MAX)?);
                self.slab.push(Cell::default());
                id
            }
        };
        let members = &mut self.groups[usize::from(key_group(key))].members;
        let place = u32::try_from(members.len()).ok()?;
        members.push(id);
        let cell = &mut self.slab[id.0 as usize];
        cell.key = key;
        cell.record.links.place = place;
        self.index.insert(key.hash(), id);
        Some(id)
    }

    /// Frees a cell that is empty and in no slot of the wheel.
    pub(crate) fn remove(&mut self, id: CellId) {
        let Cell { key, record } = std::mem::take(&mut self.slab[id.0 as usize]);
        let place = record.links.place;
        self.index.remove(key.hash(), id);
        let members = &mut self.groups[usize::from(key_group(key))].members;
        members.swap_remove(place as usize);
        if let Some(&moved) = members.get(place as usize) {
            self.slab[moved.0 as usize].record.links.place = place;
        }
        self.free.push(id);
    }

    /// A settled state changed.
    pub(crate) fn note_changed(&mut self, id: CellId) {
        let cell = &mut self.slab[id.0 as usize];
        let group = &mut self.groups[usize::from(key_group(cell.key))];
        if group.unwritten.is_listing() && !cell.record.is_unwritten() {
            cell.record.set_unwritten(true);
            group.unwritten.changed(id, group.n_settled);
        } else {
            group.unwritten.touch();
        }
    }

    /// A settled state is about to be evicted.
    pub(crate) fn note_evicted(&mut self, id: CellId) {
        let key = self.key(id);
        let group = &mut self.groups[usize::from(key_group(key))];
        group.unwritten.evicted(key, group.n_settled);
    }

    /// Of these cells those whose states exist, by key.
    pub(super) fn in_order(&self, mut ids: Vec<CellId>) -> Vec<CellId> {
        ids.retain(|&id| self.exists(id));
        let mut by_key: Vec<(Key, CellId)> = ids.iter().map(|&id| (self.key(id), id)).collect();
        by_key.sort_unstable();
        ids.clear();
        ids.extend(by_key.into_iter().map(|(_, id)| id));
        ids
    }

    /// All cells of a group whose states exist, by key; they count as written.
    pub(super) fn take_all(&mut self, group: u16) -> Vec<CellId> {
        let members = self.group(group).members.clone();
        for &id in &members {
            self.slab[id.0 as usize].record.set_unwritten(false);
        }
        let ids = self.in_order(members);
        self.group_mut(group).unwritten.wrote_whole(ids.len());
        ids
    }

    /// The cells of a group whose states exist and changed since it was written, and the keys that were evicted and are
    /// not there again, both by key; they count as written.
    pub(super) fn take_changed(&mut self, group: u16) -> (Vec<CellId>, Vec<Key>) {
        let (mut ids, mut evicted) = self.group_mut(group).unwritten.take();
        ids.retain(|&id| {
            let cell = &mut self.slab[id.0 as usize];
            // A cell that was freed may be another key's now.
            let is_ours = cell.record.is_unwritten() && key_group(cell.key) == group;
            if is_ours {
                cell.record.set_unwritten(false);
            }
            is_ours
        });
        let ids = self.in_order(ids);
        evicted.sort_unstable();
        evicted.dedup();
        let is_there = |key: &Key| ids.binary_search_by_key(key, |&id| self.key(id)).is_ok();
        evicted.retain(|key| !is_there(key));
        let n_keys = ids.len() + evicted.len();
        if n_keys > 0 {
            self.group_mut(group).unwritten.wrote_changes(n_keys);
        }
        (ids, evicted)
    }

    /// Replaces a settled state's contribution to its group's totals.
    pub(crate) fn resize(&mut self, group: u16, before: Size, after: Size) {
        let group = &mut self.groups[usize::from(group)];
        group.n_settled += usize::from(after.exists);
        group.n_settled -= usize::from(before.exists);
        group.settled_bytes += after.bytes;
        group.settled_bytes -= before.bytes;
    }

    /// Bytes of memory: of cells with their index and groups, of lists, and of wide states (without
    /// what these have allocated).
    pub(crate) fn footprint(&self) -> [u64; 3] {
        let members = self.groups.iter().map(|group| group.members.capacity());
        let ids = self.free.capacity() + members.sum::<usize>();
        let unwritten = self.groups.iter().map(|group| group.unwritten.footprint());
        let wides = self.wides.capacity() * size_of::<State>() + self.free_wides.capacity() * 4;
        let cells = self.slab.capacity() * size_of::<Cell>()
            + ids * size_of::<CellId>()
            + unwritten.sum::<usize>();
        [
            (cells + self.index.footprint()) as u64,
            self.lists.footprint(),
            wides as u64,
        ]
    }
}

/// Holds the events of a new list and lets go those of the old one. The new list begins with what
/// is left of the old one, if anything is.
fn exchange(old: &[EventId], new: &[EventId], events: &mut Events) {
    let n_gone = (0..old.len()).find(|&at| new.starts_with(&old[at..]));
    let n_gone = n_gone.unwrap_or(old.len());
    for &id in &new[old.len() - n_gone..] {
        events.retain(id);
    }
    for &id in &old[..n_gone] {
        events.release(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_small() {
        assert_eq!(size_of::<Cell>(), 88);
    }

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
            assert_eq!(cells.links(id).place as usize, place);
        }
    }
}
