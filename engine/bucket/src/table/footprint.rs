//! What a table's memory is spent on.

use super::Table;

/// Bytes of memory, by what they are for. They are what is allocated, in use or not; only what the
/// rare wide states have allocated in addition is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Keys: their cells, index, wheel and groups.
    pub keys: u64,
    /// Lists of events and of `distinct` values.
    pub lists: u64,
    /// States that do not fit a cell.
    pub wide: u64,
    /// Retained events, and those of pours that wait.
    pub events: u64,
    /// Pours that wait for the watermark of a replay.
    pub waiting: u64,
}

impl Footprint {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.keys + self.lists + self.wide + self.events + self.waiting
    }
}

impl Table {
    /// What the table's memory is spent on at present.
    #[must_use]
    pub fn footprint(&self) -> Footprint {
        let [keys, lists, wide] = self.cells.footprint();
        Footprint {
            keys,
            lists,
            wide,
            events: self.events.footprint(),
            waiting: self.held.footprint(),
        }
    }
}
