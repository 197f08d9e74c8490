//! Short lists of words: the events and the `distinct` values of the records that have several.
//!
//! Blocks of a few sizes in one arena. A free block holds the number of the next free one.

/// Sizes of blocks in words.
const SIZES: [u32; 15] = [2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512];
const NONE: u32 = u32::MAX;

/// All lists.
#[derive(Debug)]
pub(crate) struct Lists {
    words: Vec<u32>,
    free: [u32; SIZES.len()],
}

impl Lists {
    /// Words that a list has at most.
    pub(crate) const LEN_MAX: usize = 512;

    pub(crate) fn new() -> Self {
        Self {
            words: Vec::new(),
            free: [NONE; SIZES.len()],
        }
    }

    /// The words from `start` on.
    pub(crate) fn get(&self, start: u32, len: usize) -> &[u32] {
        &self.words[start as usize..start as usize + len]
    }

    pub(crate) fn get_mut(&mut self, start: u32, len: usize) -> &mut [u32] {
        &mut self.words[start as usize..start as usize + len]
    }

    /// A block for so many words. `None` when the arena is full: 16 GiB.
    pub(crate) fn add(&mut self, len: usize) -> Option<u32> {
        let class = class(len);
        let start = self.free[class];
        if start != NONE {
            self.free[class] = self.words[start as usize];
            return Some(start);
        }
        let start = u32::try_from(self.words.len()).ok()?;
        let end = start.checked_add(SIZES[class]).filter(|&end| end < NONE)?;
        self.words.resize(end as usize, 0);
        Some(start)
    }

    /// Frees the block of a list of so many words.
    pub(crate) fn remove(&mut self, start: u32, len: usize) {
        let class = class(len);
        self.words[start as usize] = self.free[class];
        self.free[class] = start;
    }

    /// Copies a list of so many words to another block and frees its own.
    pub(crate) fn relocate(&mut self, from: u32, to: u32, len: usize) {
        self.words
            .copy_within(from as usize..from as usize + len, to as usize);
        self.remove(from, len);
    }

    /// Whether lists of these lengths take blocks of one size.
    pub(crate) fn is_same_block(a: usize, b: usize) -> bool {
        class(a) == class(b)
    }

    /// Bytes of memory.
    pub(crate) fn footprint(&self) -> u64 {
        (self.words.capacity() * 4) as u64
    }
}

fn class(len: usize) -> usize {
    SIZES.partition_point(|&size| (size as usize) < len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_do_not_overlap_and_are_used_again() {
        let mut lists = Lists::new();
        let lens = [1, 2, 3, 7, 33, 512, 200, 2];
        let starts: Vec<u32> = lens.iter().map(|&len| lists.add(len).unwrap()).collect();
        for (n, (&start, &len)) in (0..).zip(starts.iter().zip(&lens)) {
            lists.get_mut(start, len).fill(n);
        }
        for (n, (&start, &len)) in (0..).zip(starts.iter().zip(&lens)) {
            assert!(lists.get(start, len).iter().all(|&word| word == n), "{n}");
        }
        let n_words = lists.words.len();
        for (&start, &len) in starts.iter().zip(&lens) {
            lists.remove(start, len);
        }
        for &len in &lens {
            assert!(lists.add(len).is_some());
        }
        assert_eq!(lists.words.len(), n_words);
        assert!(Lists::is_same_block(5, 6) && !Lists::is_same_block(6, 7));
    }
}
