//! The cache against a list that is searched from the end.

use proptest::prelude::*;

use super::lru::Lru;
use super::{STASH_CACHE_BYTES_MAX, STASH_ENTRY_BYTES_MAX};

/// Most recently used last.
#[derive(Default)]
struct Model {
    entries: Vec<(u8, u8, i64)>,
}

impl Model {
    fn set(&mut self, size: usize, key: u8, value: u8, expires: i64) {
        self.entries.retain(|entry| entry.0 != key);
        self.entries.push((key, value, expires));
        if self.entries.len() > size {
            self.entries.remove(0);
        }
    }

    fn get(&mut self, key: u8, now: i64) -> Option<u8> {
        let at = self.entries.iter().position(|entry| entry.0 == key)?;
        let entry = self.entries.remove(at);
        if entry.2 < now {
            return None;
        }
        self.entries.push(entry);
        Some(entry.1)
    }
}

proptest! {
    #[test]
    fn the_cache_does_what_the_list_does(
        size in 1usize..5,
        steps in prop::collection::vec((any::<bool>(), 0u8..6, any::<u8>(), 0i64..20), 0..60),
    ) {
        let (mut lru, mut model) = (Lru::new(size), Model::default());
        for (is_set, key, value, time) in steps {
            if is_set {
                lru.set(&[key], &[value], time);
                model.set(size, key, value, time);
            } else {
                let found = lru.get(&[key], time).map(|value| value[0]);
                prop_assert_eq!(found, model.get(key, time));
            }
            let entries: Vec<(u8, u8, i64)> =
                lru.entries().map(|(key, value, expires)| (key[0], value[0], expires)).collect();
            prop_assert_eq!(&entries, &model.entries);
            prop_assert_eq!(lru.len(), model.entries.len());
        }
    }
}

#[test]
fn a_cache_is_bounded_in_bytes_too() {
    let mut lru = Lru::new(100_000);
    let value = vec![b'x'; STASH_ENTRY_BYTES_MAX - 4];
    let mut n_evicted = 0;
    for key in 0u32..600 {
        n_evicted += lru.set(&key.to_le_bytes(), &value, 0);
    }
    assert_eq!(lru.len(), STASH_CACHE_BYTES_MAX / STASH_ENTRY_BYTES_MAX);
    assert_eq!(n_evicted, 600 - lru.len() as u64);
}
