//! The regex engine: the meaning that the specialised matcher must reproduce, and its fallback.
//!
//! The regex holds only the groups that are read and runs over bytes in Unicode mode, which gives
//! RE2's results once the subject is seen through RE2's eyes ([`as_re2_reads`]).

use regex_automata::{Input, meta};
use regex_syntax::hir::Hir;

use super::GrokError;
use super::scratch::{Scratch, UNSET};
use crate::utf8::as_re2_reads;

/// Largest automaton of one pattern. RE2 allows more, which no pattern in use needs and a hostile
/// one turns into seconds of compiling.
const SIZE_LIMIT: usize = 16 << 20;

/// Most memory of a pattern's lazily built automaton, per worker.
const LAZY_LIMIT: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Reference {
    regex: meta::Regex,
    /// Slots of the kept groups, two each; the whole match is not among them.
    slots: usize,
}

impl Reference {
    /// Compiles a tree whose groups are numbered from 1.
    pub(super) fn new(hir: &Hir, groups: usize) -> Result<Self, GrokError> {
        let config = meta::Config::new()
            .utf8_empty(false)
            .nfa_size_limit(Some(SIZE_LIMIT))
            .hybrid_cache_capacity(LAZY_LIMIT);
        let regex = meta::Builder::new()
            .configure(config)
            .build_from_hir(hir)
            .map_err(|_| GrokError::TooLarge)?;
        Ok(Reference {
            regex,
            slots: 2 * groups,
        })
    }

    /// Searches the subject and writes the slots; `id` names the program in the scratch.
    pub(super) fn run(&self, id: u64, scratch: &mut Scratch, subject: &[u8]) -> bool {
        let text = as_re2_reads(subject);
        let input = Input::new(&*text);
        let (cache, slots) = scratch.regex(id, &self.regex);
        slots.clear();
        slots.resize(self.slots + 2, None);
        if self.slots == 0 {
            let found = self
                .regex
                .search_half_with(cache, &input.earliest(true))
                .is_some();
            scratch.slots.clear();
            return found;
        }
        if self.regex.search_slots_with(cache, &input, slots).is_none() {
            return false;
        }
        let offset = |slot: &Option<_>| {
            slot.map_or(
                UNSET,
                |at: regex_automata::util::primitives::NonMaxUsize| {
                    u32::try_from(at.get()).unwrap_or(UNSET)
                },
            )
        };
        scratch.slots.clear();
        scratch
            .slots
            .extend(scratch.regex_slots.iter().skip(2).map(offset));
        true
    }

    /// Where the leftmost match starts, in a subject that is valid UTF-8.
    pub(super) fn start(&self, id: u64, scratch: &mut Scratch, subject: &[u8]) -> Option<usize> {
        let (cache, _) = scratch.regex(id, &self.regex);
        self.regex
            .search_with(cache, &Input::new(subject))
            .map(|found| found.start())
    }
}
