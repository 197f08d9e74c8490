//! What of a key group is to be written into the next checkpoint: its changes, or all of it.
//!
//! A group's checkpoint is a state of all its keys and then changes to it, piece after piece. Changes are cheap
//! to write where few keys of many change; a state is written anew when the changes have become too much. How
//! much is too much differs from group to group, so that not all of them come to it in the same checkpoint.
//!
//! States that are forgotten need no record. Whoever restores forgets them by their own time; they only make the
//! pieces longer than they have to be, and are counted for that.

use super::cells::CellId;
use crate::key::Key;

/// Most pieces that a group consists of: each costs an entry in the manifest, and a restart reads them all.
pub(super) const PIECES_MAX: usize = 16;

/// Of one group. As long as nobody writes, nothing is remembered but that all is to be written.
#[derive(Debug)]
pub(super) struct Unwritten {
    /// Cells that are marked as changed. A cell that was freed since is not marked, or somebody else's.
    ids: Vec<CellId>,
    /// Keys that were evicted; they may have come again.
    evicted: Vec<Key>,
    /// Whether all is to be written: what changed is not listed then.
    is_whole: bool,
    /// Whether anything changed at all.
    is_changed: bool,
    /// Keys in the pieces that were written, however often.
    n_stored: usize,
    n_pieces: usize,
}

impl Default for Unwritten {
    fn default() -> Self {
        Self {
            ids: Vec::new(),
            evicted: Vec::new(),
            is_whole: true,
            is_changed: false,
            n_stored: 0,
            n_pieces: 0,
        }
    }
}

impl Unwritten {
    /// What was read: pieces with so many keys.
    pub(super) fn restored(n_pieces: usize, n_stored: usize) -> Self {
        Self {
            is_whole: false,
            n_stored,
            n_pieces,
            ..Self::default()
        }
    }

    pub(super) fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Whether there are pieces of it.
    pub(super) fn is_written(&self) -> bool {
        self.n_pieces > 0
    }

    /// Whether changes are listed, one by one.
    pub(super) fn is_listing(&self) -> bool {
        !self.is_whole
    }

    /// The state of a cell has changed that was not marked; the group has so many states.
    pub(super) fn changed(&mut self, id: CellId, n_settled: usize) {
        self.is_changed = true;
        if self.has_room(n_settled) {
            self.ids.push(id);
        }
    }

    /// A state that is kept no longer was not over.
    pub(super) fn evicted(&mut self, key: Key, n_settled: usize) {
        self.is_changed = true;
        if self.has_room(n_settled) {
            self.evicted.push(key);
        }
    }

    /// A change that needs no record.
    pub(super) fn touch(&mut self) {
        self.is_changed = true;
    }

    /// Lists are shorter than half of the states: above, all of them might as well be written.
    fn has_room(&mut self, n_settled: usize) -> bool {
        if self.is_whole {
            return false;
        }
        if (self.n_listed() + 1) * 2 > n_settled {
            self.write_whole();
            return false;
        }
        true
    }

    fn n_listed(&self) -> usize {
        self.ids.len() + self.evicted.len()
    }

    /// All is to be written the next time that anything is.
    pub(super) fn write_whole(&mut self) {
        self.is_whole = true;
        self.ids = Vec::new();
        self.evicted = Vec::new();
    }

    /// Whether `group`, which has so many states, is to be written whole now.
    pub(super) fn is_due_whole(&self, group: u16, n_settled: usize) -> bool {
        // Two to four times what there is.
        let n_max = n_settled * 2 + n_settled * usize::from(group % 32) / 16;
        self.is_whole || self.n_pieces >= PIECES_MAX || self.n_stored + self.n_listed() > n_max
    }

    /// All was written.
    pub(super) fn wrote_whole(&mut self, n_keys: usize) {
        *self = Self::restored(1, n_keys);
    }

    /// Takes what is listed.
    pub(super) fn take(&mut self) -> (Vec<CellId>, Vec<Key>) {
        self.is_changed = false;
        (
            std::mem::take(&mut self.ids),
            std::mem::take(&mut self.evicted),
        )
    }

    /// What was listed was written: so many keys.
    pub(super) fn wrote_changes(&mut self, n_keys: usize) {
        self.n_pieces += 1;
        self.n_stored += n_keys;
    }

    /// Bytes of memory of the lists.
    pub(super) fn footprint(&self) -> usize {
        self.ids.capacity() * size_of::<CellId>() + self.evicted.capacity() * size_of::<Key>()
    }
}
