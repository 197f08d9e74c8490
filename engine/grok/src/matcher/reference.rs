//! The regex engine: the meaning that the specialised matcher must reproduce, and its fallback.
//!
//! The regex holds only the groups that are read and runs over bytes in Unicode mode, which gives
//! RE2's results once the subject is seen through RE2's eyes ([`as_re2_reads`]).

use std::sync::OnceLock;

use regex_automata::nfa::thompson::{self, backtrack};
use regex_automata::{Anchored, Input, meta};
use regex_syntax::hir::Hir;

use super::GrokError;
use super::scratch::Scratch;
use crate::utf8::as_re2_reads;

/// Largest automaton of one pattern. RE2 allows more, which no pattern in use needs and a hostile
/// one turns into seconds of compiling.
const SIZE_LIMIT: usize = 16 << 20;

/// Most memory of a pattern's lazily built automaton, per worker.
const LAZY_LIMIT: usize = 1 << 20;

/// Subjects from this length on are searched in two steps: where the match is, then its groups.
const LONG: usize = 1 << 10;

/// Most memory of the second step, which needs a bit for every state and byte.
const LONG_LIMIT: usize = 16 << 20;

#[derive(Debug)]
pub(super) struct Reference {
    regex: meta::Regex,
    hir: Hir,
    /// Finds the groups in long subjects, where the regex engine by itself would go over to an
    /// automaton that is several times slower for each byte. Both are linear.
    long: OnceLock<Option<backtrack::BoundedBacktracker>>,
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
            hir: hir.clone(),
            long: OnceLock::new(),
            slots: 2 * groups,
        })
    }

    fn long(&self) -> Option<&backtrack::BoundedBacktracker> {
        let build = || {
            let config = thompson::Config::new()
                .utf8(false)
                .nfa_size_limit(Some(SIZE_LIMIT));
            let nfa = thompson::Compiler::new()
                .configure(config)
                .build_from_hir(&self.hir)
                .ok()?;
            backtrack::Builder::new()
                .configure(backtrack::Config::new().visited_capacity(LONG_LIMIT))
                .build_from_nfa(nfa)
                .ok()
        };
        self.long.get_or_init(build).as_ref()
    }

    /// Whether the subject matches, and its groups, in two steps; `None` if it is too long.
    fn run_long(&self, id: u64, scratch: &mut Scratch, text: &[u8]) -> Option<bool> {
        let long = self.long()?;
        let (cache, _) = scratch.regex(id, &self.regex);
        let Some(found) = self.regex.search_with(cache, &Input::new(text)) else {
            return Some(false);
        };
        if found.len() > long.max_haystack_len() {
            return None;
        }
        let (cache, slots) = scratch.long(long);
        slots.clear();
        slots.resize(self.slots + 2, None);
        // The match is known, so that only what is in it can be part of it.
        let input = Input::new(text).span(found.range()).anchored(Anchored::Yes);
        let pattern = long.try_search_slots(cache, &input, slots).ok()??;
        debug_assert_eq!(pattern.as_usize(), 0);
        Some(true)
    }

    /// Searches the subject and writes the slots; `id` names the program in the scratch.
    pub(super) fn run(&self, id: u64, scratch: &mut Scratch, subject: &[u8]) -> bool {
        let text = as_re2_reads(subject);
        if self.slots > 0
            && text.len() >= LONG
            && let Some(matched) = self.run_long(id, scratch, &text)
        {
            if matched {
                scratch.take_regex_slots();
            }
            return matched;
        }
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
        scratch.take_regex_slots();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matcher::scratch::UNSET;

    /// The groups by the regex engine alone.
    fn alone(reference: &Reference, text: &[u8]) -> Option<Vec<Option<usize>>> {
        let mut slots = vec![None; reference.slots + 2];
        let mut cache = reference.regex.create_cache();
        reference
            .regex
            .search_slots_with(&mut cache, &Input::new(text), &mut slots)?;
        Some(
            slots
                .iter()
                .skip(2)
                .map(|slot| slot.map(|at| at.get()))
                .collect(),
        )
    }

    #[test]
    fn groups_of_long_subjects_are_those_of_the_regex_engine() {
        let patterns = [
            r"(?-u:\b)(a|ab)(c|bcd)?(d*)(?-u:\b)",
            r"(?:(x+)|(y+))(?: (x|y)+)*?( z)?$",
            r"^((?:[a-d]+\.?)+) (.*?)( [a-d]+)?( end)?",
            r"([^ ]*) (?:(\d+)|(\w+)) ?(.*)",
        ];
        let words = [
            "a", "ab", "abcd", "x", "yy", " ", "  ", ".", "é", "z", "end", "7",
        ];
        let mut seed = 7u64;
        let mut next = |limit: usize| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).unwrap() % limit
        };
        let mut scratch = Scratch::new();
        let mut n_matches = 0;
        for (id, pattern) in (0u64..).zip(patterns) {
            let hir = crate::hir::parse(pattern).unwrap();
            let groups = hir.properties().explicit_captures_len();
            let reference = Reference::new(&hir, groups).unwrap();
            for _ in 0..200 {
                let mut text = String::new();
                let spaces = next(4);
                while text.len() < LONG + next(600) {
                    let word = words[next(words.len())];
                    if spaces > 0 || word.trim() == word {
                        text.push_str(word);
                    }
                }
                let expected = alone(&reference, text.as_bytes());
                let matched = reference.run(id, &mut scratch, text.as_bytes());
                assert_eq!(matched, expected.is_some(), "{pattern} on {text}");
                let Some(expected) = expected else { continue };
                n_matches += 1;
                let found: Vec<Option<usize>> = scratch
                    .slots
                    .as_flattened()
                    .iter()
                    .map(|slot| (*slot != UNSET).then_some(*slot as usize))
                    .collect();
                assert_eq!(found, expected, "{pattern} on {text}");
            }
        }
        assert!(n_matches > 200, "{n_matches}");
    }
}
