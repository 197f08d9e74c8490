//! From a key's hash to its cell: open addressing over words of a tag and a cell.
//!
//! A word is 8 bytes, so a look-up that finds its key at once, as most do, reads one line of memory here and
//! then the cell. Places follow the tags in order, and a word that leaves lets those behind it move
//! up, so that there are no graves. Growing reads nothing but the index itself.

use super::cells::CellId;

const EMPTY: u64 = u64::MAX;
const LEN_MIN: usize = 1 << 10;

/// All words; at most three quarters are in use.
#[derive(Debug)]
pub(crate) struct Index {
    words: Vec<u64>,
    n_used: usize,
}

impl Index {
    pub(crate) fn new() -> Self {
        Self {
            words: vec![EMPTY; LEN_MIN],
            n_used: 0,
        }
    }

    /// The first cell of this hash's tag for which `is_it` holds.
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(CellId) -> bool) -> Option<CellId> {
        self.place_of(hash, is_it).map(|at| cell(self.words[at]))
    }

    /// The first cell of this hash's tag: mostly the one that [`Index::find`] finds.
    pub(crate) fn guess(&self, hash: u64) -> Option<CellId> {
        self.place_of(hash, |_| true).map(|at| cell(self.words[at]))
    }

    /// Adds a cell that is not there.
    pub(crate) fn insert(&mut self, hash: u64, id: CellId) {
        if (self.n_used + 1) * 4 > self.words.len() * 3 {
            self.grow();
        }
        self.n_used += 1;
        self.put(u64::from(tag(hash)) << 32 | u64::from(id.0));
    }

    /// Removes a cell.
    pub(crate) fn remove(&mut self, hash: u64, id: CellId) {
        let Some(mut hole) = self.place_of(hash, |other| other == id) else {
            return;
        };
        self.n_used -= 1;
        let len = self.words.len();
        let mut at = hole;
        loop {
            at = next(at, len);
            let word = self.words[at];
            if word == EMPTY {
                break;
            }
            // It may move into the hole unless its own place is behind it.
            let home = self.home((word >> 32) as u32);
            let from_home = |place: usize| (place + len - home) % len;
            if from_home(hole) < from_home(at) {
                self.words[hole] = word;
                hole = at;
            }
        }
        self.words[hole] = EMPTY;
    }

    /// Bytes of memory.
    pub(crate) fn footprint(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }

    fn place_of(&self, hash: u64, is_it: impl Fn(CellId) -> bool) -> Option<usize> {
        let tag = tag(hash);
        let mut at = self.home(tag);
        loop {
            let word = self.words[at];
            if word == EMPTY {
                return None;
            }
            if (word >> 32) as u32 == tag && is_it(cell(word)) {
                return Some(at);
            }
            at = next(at, self.words.len());
        }
    }

    fn put(&mut self, word: u64) {
        let mut at = self.home((word >> 32) as u32);
        while self.words[at] != EMPTY {
            at = next(at, self.words.len());
        }
        self.words[at] = word;
    }

    fn grow(&mut self) {
        let len = self.words.len() + self.words.len() / 2;
        let words = std::mem::replace(&mut self.words, vec![EMPTY; len]);
        for word in words {
            if word != EMPTY {
                self.put(word);
            }
        }
    }

    /// Where a tag belongs. Below the length, for a tag is below 2^32.
    fn home(&self, tag: u32) -> usize {
        ((u128::from(tag) * self.words.len() as u128) >> 32) as usize
    }
}

fn next(at: usize, len: usize) -> usize {
    if at + 1 < len { at + 1 } else { 0 }
}

fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

fn cell(word: u64) -> CellId {
    CellId(word as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes that crowd in few places, and at the end, where the search goes round.
    fn hash(n: u32) -> u64 {
        let spread = u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        match n % 4 {
            0 => spread,
            1 => u64::from(n % 16) << 60,
            2 => u64::MAX - u64::from(n % 8),
            _ => spread | 0xffff << 48,
        }
    }

    #[test]
    fn cells_are_found_until_they_are_removed_whatever_their_hashes() {
        let mut index = Index::new();
        let find = |index: &Index, n: u32| index.find(hash(n), |id| id.0 == n);
        for n in 0..3_000 {
            index.insert(hash(n), CellId(n));
        }
        for n in (0..3_000).filter(|n| n % 3 != 0) {
            index.remove(hash(n), CellId(n));
        }
        for n in 0..3_000 {
            let expected = (n % 3 == 0).then_some(CellId(n));
            assert_eq!(find(&index, n), expected, "{n}");
        }
        for n in 3_000..6_000 {
            index.insert(hash(n), CellId(n));
        }
        for n in (0..6_000).filter(|n| n % 3 == 0 || *n >= 3_000) {
            assert_eq!(find(&index, n), Some(CellId(n)), "{n}");
            index.remove(hash(n), CellId(n));
            assert_eq!(find(&index, n), None, "{n}");
        }
        assert_eq!(index.n_used, 0);
        assert!(index.words.iter().all(|&word| word == EMPTY));
    }
}
