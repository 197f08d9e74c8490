//! What names a bucket, and which worker it lives on.
//!
//! A key is a keyed 128-bit hash of (filter, group, scenario name), made by the matcher. Its top
//! ten bits are its *key group*, the unit of routing, of snapshots and of the memory cap. Both
//! functions here are part of the snapshot format: changing one moves every bucket.

/// How many key groups there are, for ever: snapshots refer to them.
pub const KEY_GROUPS: u16 = 1_024;

/// Names one bucket: a keyed hash, so that its bits are as good as random to an attacker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key(pub [u64; 2]);

impl Key {
    /// The index hashes with the second word: the first is nearly constant within a worker.
    pub(crate) fn hash(self) -> u64 {
        self.0[1]
    }
}

/// The key group of a key, below [`KEY_GROUPS`].
#[must_use]
pub fn key_group(key: Key) -> u16 {
    // Ten bits remain, so the narrowing loses nothing.
    (key.0[0] >> 54) as u16
}

/// The worker that owns a key group: each worker has one contiguous range.
#[must_use]
pub fn group_owner(group: u16, workers: usize) -> usize {
    usize::from(group).saturating_mul(workers) / usize::from(KEY_GROUPS)
}

/// The worker that owns a key, below `workers`.
#[must_use]
pub fn owner(key: Key, workers: usize) -> usize {
    group_owner(key_group(key), workers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_one_owner_and_owners_are_contiguous() {
        for workers in [1, 2, 3, 7, 64, 1_024] {
            let owners: Vec<usize> = (0..KEY_GROUPS)
                .map(|group| group_owner(group, workers))
                .collect();
            assert!(owners.is_sorted(), "{workers}");
            assert_eq!(owners.first(), Some(&0));
            assert_eq!(owners.last(), Some(&(workers - 1)));
        }
    }

    #[test]
    fn the_group_is_the_top_ten_bits() {
        assert_eq!(key_group(Key([u64::MAX, 0])), KEY_GROUPS - 1);
        assert_eq!(key_group(Key([1 << 54, 0])), 1);
        assert_eq!(key_group(Key([(1 << 54) - 1, u64::MAX])), 0);
    }
}
