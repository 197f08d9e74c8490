//! Stashes: what nodes remember of one line for a later one (`pkg/parser/stash.go`).
//!
//! A partition has its own set, so that the answer does not depend on who parses what. Three
//! differences to CrowdSec: entries live by event time (the date of the line that set them, or the
//! last date before it when it has none, or the present moment before there was one), so that a
//! replay forgets what a live run would have forgotten; a full cache always forgets the least recently used entry, whatever the
//! item's `strategy`; and caches are bounded in bytes, too. Of several caches under one name only
//! the first is ever read, so only that one is kept.

mod encode;
mod lru;

use std::sync::Arc;

use overspill_expr::{Bytes, Stash};
use overspill_golike::time::Time;

pub use encode::StashDecodeError;
use lru::Lru;

use crate::plan::ParserPlan;

/// Most entries of one cache, whatever the item asks for.
pub const STASH_ENTRIES_MAX: usize = 100_000;
/// Largest key and value together; what is larger is not remembered.
pub const STASH_ENTRY_BYTES_MAX: usize = 64 << 10;
/// Most bytes of keys and values in one cache; older entries make room.
pub const STASH_CACHE_BYTES_MAX: usize = 16 << 20;

/// Entries of one line that its date still times; more than one is rare.
const FRESH_MAX: usize = 64;

/// A cache as the plan describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CacheSpec {
    pub(crate) name: Arc<str>,
    pub(crate) size: usize,
}

/// The caches of one partition.
#[derive(Debug)]
pub struct StashSet {
    caches: Vec<(Arc<str>, Lru)>,
    /// The last date of the partition's lines.
    dated_ns: Option<i64>,
    /// Stands in for it before there was one.
    default_ns: i64,
    /// What the present line remembered: a date it gives later times these entries, too.
    fresh: Vec<Fresh>,
    n_evicted: u64,
    n_refused: u64,
}

/// An entry of a line that may still give a date.
#[derive(Debug)]
struct Fresh {
    cache: usize,
    key: Bytes,
    ttl_ns: i64,
}

impl StashSet {
    /// The empty caches of a plan.
    #[must_use]
    pub fn new(plan: &ParserPlan) -> Self {
        let caches = plan
            .caches()
            .iter()
            .map(|spec| (Arc::clone(&spec.name), Lru::new(spec.size)))
            .collect();
        Self {
            caches,
            dated_ns: None,
            default_ns: 0,
            fresh: Vec::new(),
            n_evicted: 0,
            n_refused: 0,
        }
    }

    /// Entries that left a full cache.
    #[must_use]
    pub fn n_evicted(&self) -> u64 {
        self.n_evicted
    }

    /// Entries that were too large to be remembered.
    #[must_use]
    pub fn n_refused(&self) -> u64 {
        self.n_refused
    }

    /// How many entries there are in all caches.
    #[must_use]
    pub fn len(&self) -> usize {
        self.caches.iter().map(|(_, cache)| cache.len()).sum()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Remembers a value in the cache with that number in the plan.
    pub(crate) fn set(&mut self, cache: usize, key: &[u8], value: &[u8], ttl_ns: i64) {
        if key.len().saturating_add(value.len()) > STASH_ENTRY_BYTES_MAX {
            self.n_refused += 1;
            return;
        }
        let expires_ns = self.time_ns().saturating_add(ttl_ns);
        if let Some((_, lru)) = self.caches.get_mut(cache) {
            self.n_evicted += lru.set(key, value, expires_ns);
            if self.fresh.len() < FRESH_MAX {
                self.fresh.push(Fresh {
                    cache,
                    key: Arc::from(key),
                    ttl_ns,
                });
            }
        }
    }

    /// Another line begins.
    pub(crate) fn begin(&mut self) {
        self.fresh.clear();
    }

    /// A line gave a date: entries live by it.
    pub(crate) fn set_time(&mut self, ns: i64) {
        if self.dated_ns.is_none() {
            // What was remembered before was timed by the present moment.
            let shift_ns = ns.saturating_sub(self.default_ns);
            for (_, cache) in &mut self.caches {
                cache.shift(shift_ns);
            }
        }
        self.dated_ns = Some(ns);
        for fresh in &self.fresh {
            if let Some((_, cache)) = self.caches.get_mut(fresh.cache) {
                cache.retime(&fresh.key, ns.saturating_add(fresh.ttl_ns));
            }
        }
    }

    /// What entries live by while no line gave a date.
    pub(crate) fn set_default_time(&mut self, ns: i64) {
        self.default_ns = ns;
    }

    /// Takes over the caches of another plan; those of unknown names are dropped.
    pub(crate) fn adopt(&mut self, plan: &ParserPlan) {
        let mut fresh = Self::new(plan);
        std::mem::swap(&mut self.caches, &mut fresh.caches);
        for (name, old) in fresh.caches {
            if let Some((_, cache)) = self.caches.iter_mut().find(|(known, _)| *known == name) {
                self.n_evicted += cache.take_over(&old);
            }
        }
    }

    fn time_ns(&self) -> i64 {
        self.dated_ns.unwrap_or(self.default_ns)
    }
}

impl Stash for StashSet {
    /// The set has a clock of its own, so `now` is not looked at.
    fn get(&mut self, cache: &[u8], key: &[u8], _now: Time) -> Option<Bytes> {
        let time_ns = self.time_ns();
        let (_, cache) = self
            .caches
            .iter_mut()
            .find(|(name, _)| name.as_bytes() == cache)?;
        cache.get(key, time_ns)
    }
}

#[cfg(test)]
mod tests;
