//! What a search writes: spans, and the working memory of the engines.

use regex_automata::nfa::thompson::backtrack;
use regex_automata::{meta, util::primitives::NonMaxUsize};
use rustc_hash::FxHashMap;

use super::special::Memory;

/// Offset of a group that took no part.
pub(super) const UNSET: u32 = u32::MAX;

/// Start and end of a group.
pub(super) type Slots = [u32; 2];

/// Programs whose working memory is kept; it is rebuilt if a worker uses more patterns than this.
const CACHE_LIMIT: usize = 1024;

/// The place of a program's memory is the low bits of its id: those of one load follow each other.
const PLACE_MASK: u64 = CACHE_LIMIT as u64 - 1;

/// Working memory of searches and the result of the last one. Reusable; one per worker.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Start and end of each kept group of the last match.
    pub(super) slots: Vec<Slots>,
    /// The same, as the regex engine writes them.
    pub(super) regex_slots: Vec<Option<NonMaxUsize>>,
    regex_caches: FxHashMap<u64, Box<meta::Cache>>,
    memories: Vec<Option<(u64, Box<Memory>)>>,
    /// Of the last pattern that was searched for in a long subject.
    long: Option<backtrack::Cache>,
}

impl Scratch {
    /// Empty working memory; it grows with the patterns that run on it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Span of field `i` of the matcher that ran last, if it matched and the field took part.
    #[inline]
    pub fn span(&self, i: usize) -> Option<(u32, u32)> {
        let [start, end] = *self.slots.get(i)?;
        (end != UNSET && start != UNSET).then_some((start, end))
    }

    /// The text of field `i` in the subject that was searched; empty if it took no part.
    pub fn value<'s>(&self, i: usize, subject: &'s [u8]) -> &'s [u8] {
        let Some((start, end)) = self.span(i) else {
            return &[];
        };
        let at = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX);
        subject.get(at(start)..at(end)).unwrap_or_default()
    }

    /// Rewrites group slots to field slots where fields share groups.
    pub(super) fn spread(&mut self, groups: &[usize]) {
        let spread: Vec<Slots> = groups
            .iter()
            .map(|group| self.slots.get(*group).copied().unwrap_or([UNSET; 2]))
            .collect();
        self.slots = spread;
    }

    /// The specialised matcher's memory of the program with that id, and the slots to write.
    #[inline]
    pub(super) fn memory(&mut self, id: u64) -> (&mut Memory, &mut Vec<Slots>) {
        let place = (id & PLACE_MASK) as usize;
        if place >= self.memories.len() {
            self.memories.resize_with(place + 1, || None);
        }
        let memory = &mut self.memories[place];
        if memory.as_ref().is_none_or(|(other, _)| *other != id) {
            *memory = None;
        }
        let (_, memory) = memory.get_or_insert_with(|| (id, Box::default()));
        (memory, &mut self.slots)
    }

    /// Takes over the groups that the regex engine found.
    pub(super) fn take_regex_slots(&mut self) {
        let offset = |slot: &Option<NonMaxUsize>| {
            slot.map_or(UNSET, |at| u32::try_from(at.get()).unwrap_or(UNSET))
        };
        let groups = self.regex_slots.chunks_exact(2).skip(1);
        self.slots.clear();
        self.slots.extend(groups.map(|slots| match slots {
            [start, end] => [offset(start), offset(end)],
            _ => [UNSET; 2],
        }));
    }

    /// A cache for a long subject, and the slots to write.
    pub(super) fn long(
        &mut self,
        regex: &backtrack::BoundedBacktracker,
    ) -> (&mut backtrack::Cache, &mut Vec<Option<NonMaxUsize>>) {
        let cache = self.long.get_or_insert_with(|| regex.create_cache());
        cache.reset(regex);
        (cache, &mut self.regex_slots)
    }

    /// The regex cache of the program with that id, and the slots to write.
    pub(super) fn regex(
        &mut self,
        id: u64,
        regex: &meta::Regex,
    ) -> (&mut meta::Cache, &mut Vec<Option<NonMaxUsize>>) {
        if self.regex_caches.len() >= CACHE_LIMIT && !self.regex_caches.contains_key(&id) {
            self.regex_caches.clear();
        }
        let cache = self
            .regex_caches
            .entry(id)
            .or_insert_with(|| Box::new(regex.create_cache()));
        (cache, &mut self.regex_slots)
    }
}
