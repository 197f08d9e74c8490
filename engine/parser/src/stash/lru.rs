//! One cache: a map whose entries are chained by last use.

use std::collections::HashMap;
use std::sync::Arc;

use overspill_expr::Bytes;

use super::{STASH_CACHE_BYTES_MAX, STASH_ENTRIES_MAX};

/// No entry.
const NONE: usize = usize::MAX;

#[derive(Debug)]
struct Entry {
    key: Bytes,
    value: Bytes,
    expires_ns: i64,
    older: usize,
    newer: usize,
}

/// A cache that forgets the least recently used entry, and entries past their time when they are
/// asked for.
#[derive(Debug)]
pub(crate) struct Lru {
    size: usize,
    entries: Vec<Entry>,
    /// Places in `entries` that hold nothing.
    free: Vec<usize>,
    /// Keys come from log lines, so the hash is a keyed one.
    places: HashMap<Bytes, usize>,
    oldest: usize,
    newest: usize,
    n_bytes: usize,
}

impl Lru {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            size: size.clamp(1, STASH_ENTRIES_MAX),
            entries: Vec::new(),
            free: Vec::new(),
            places: HashMap::new(),
            oldest: NONE,
            newest: NONE,
            n_bytes: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The value of a key that has not expired; it becomes the most recently used.
    pub(crate) fn get(&mut self, key: &[u8], time_ns: i64) -> Option<Bytes> {
        let place = *self.places.get(key)?;
        if self.entries[place].expires_ns < time_ns {
            self.remove(place);
            return None;
        }
        self.unchain(place);
        self.chain(place);
        Some(Arc::clone(&self.entries[place].value))
    }

    /// Sets a key; answers how many entries had to make room.
    pub(crate) fn set(&mut self, key: &[u8], value: &[u8], expires_ns: i64) -> u64 {
        if let Some(&place) = self.places.get(key) {
            let entry = &mut self.entries[place];
            self.n_bytes = self.n_bytes - entry.value.len() + value.len();
            entry.value = Arc::from(value);
            entry.expires_ns = expires_ns;
            self.unchain(place);
            self.chain(place);
        } else {
            self.insert(Arc::from(key), Arc::from(value), expires_ns);
        }
        self.shrink()
    }

    /// Entries from the least to the most recently used: key, value, end.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Bytes, &Bytes, i64)> {
        let mut place = self.oldest;
        std::iter::from_fn(move || {
            let entry = self.entries.get(place)?;
            place = entry.newer;
            Some((&entry.key, &entry.value, entry.expires_ns))
        })
    }

    /// Sets the end of an entry that is still there.
    pub(crate) fn retime(&mut self, key: &[u8], expires_ns: i64) {
        if let Some(&place) = self.places.get(key) {
            self.entries[place].expires_ns = expires_ns;
        }
    }

    /// Moves the end of every entry.
    pub(crate) fn shift(&mut self, shift_ns: i64) {
        for entry in &mut self.entries {
            entry.expires_ns = entry.expires_ns.saturating_add(shift_ns);
        }
    }

    /// Copies the entries of another cache; answers how many did not fit.
    pub(crate) fn take_over(&mut self, other: &Self) -> u64 {
        other
            .entries()
            .map(|(key, value, expires_ns)| self.set(key, value, expires_ns))
            .sum()
    }

    fn insert(&mut self, key: Bytes, value: Bytes, expires_ns: i64) {
        self.n_bytes += key.len() + value.len();
        let entry = Entry {
            key: Arc::clone(&key),
            value,
            expires_ns,
            older: NONE,
            newer: NONE,
        };
        let place = match self.free.pop() {
            Some(place) => {
                self.entries[place] = entry;
                place
            }
            None => {
                self.entries.push(entry);
                self.entries.len() - 1
            }
        };
        self.places.insert(key, place);
        self.chain(place);
    }

    fn shrink(&mut self) -> u64 {
        let mut n = 0;
        while self.len() > self.size || (self.n_bytes > STASH_CACHE_BYTES_MAX && self.len() > 1) {
            self.remove(self.oldest);
            n += 1;
        }
        n
    }

    fn remove(&mut self, place: usize) {
        self.unchain(place);
        let entry = &mut self.entries[place];
        let key = std::mem::take(&mut entry.key);
        let value = std::mem::take(&mut entry.value);
        self.n_bytes -= key.len() + value.len();
        self.places.remove(&key);
        self.free.push(place);
    }

    fn chain(&mut self, place: usize) {
        self.entries[place].older = self.newest;
        self.entries[place].newer = NONE;
        match self.entries.get_mut(self.newest) {
            Some(newest) => newest.newer = place,
            None => self.oldest = place,
        }
        self.newest = place;
    }

    fn unchain(&mut self, place: usize) {
        let Entry { older, newer, .. } = self.entries[place];
        match self.entries.get_mut(older) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
        match self.entries.get_mut(newer) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
    }
}
