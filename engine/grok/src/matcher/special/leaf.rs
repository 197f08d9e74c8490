//! Capture-free pieces of a pattern as automata.
//!
//! A leaf (an address, a date, a number) is one dense automaton that reports *all* offsets at
//! which the piece can end, as a bit set: nearly always exactly one of them lets the rest of the
//! pattern continue, and then no question of priority arises. If more do, a second automaton tells
//! the end that leftmost-first matching would try first; it is built when first needed.
//!
//! Leaves are shared across the process by the text of their regex; patterns use few different
//! ones.

use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};
use regex_syntax::hir::Hir;
use rustc_hash::FxHashMap;

use super::byteset::ByteSet;
use super::node::First;
use super::tail::Tail;

/// Largest automaton of one leaf in bytes, and largest working memory to build it.
const SIZE_LIMIT: usize = 512 << 10;
const BUILD_LIMIT: usize = 2 << 20;

/// Leaves remembered at a time.
const LEAF_LIMIT: usize = 2048;

/// Leaves at least this long keep their last answer: timestamps repeat from line to line.
const REPEATING_LENGTH: usize = 10;

/// Tails remembered of one leaf.
const TAIL_LIMIT: usize = 64;

/// Flag in a table entry: the piece can end before the byte just read.
pub(super) const ENDS: u32 = 1 << 31;

/// How many offsets past the start a bit set covers.
pub(super) const WINDOW: usize = 63;

static LEAVES: LazyLock<Mutex<FxHashMap<Box<str>, Arc<Leaf>>>> = LazyLock::new(Mutex::default);

/// A capture-free piece of a pattern.
#[derive(Debug)]
pub(super) struct Leaf {
    hir: Hir,
    all: Table,
    preferred: OnceLock<Option<Table>>,
    /// Bytes with which a match that is not empty may start.
    pub(super) first: ByteSet,
    /// May match the empty text with something behind it.
    pub(super) nullable: bool,
    /// May match the empty text at the end of the subject.
    pub(super) end_ok: bool,
    /// Worth remembering from one subject to the next.
    pub(super) repeats: bool,
    /// With what follows built in, by what follows.
    tails: Mutex<Vec<(First, Option<Arc<Tail>>)>>,
}

/// The offsets at which a leaf can end, relative to its start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ends {
    /// Bit i: it can end i bytes behind the start.
    pub(super) bits: u64,
    /// The automaton was still alive at the end of the window, so there may be more ends.
    pub(super) open: bool,
}

impl Leaf {
    /// The automaton of a capture-free tree; `None` if it would be too large.
    pub(super) fn new(hir: &Hir) -> Option<Arc<Leaf>> {
        let key = hir.to_string().into_boxed_str();
        {
            let leaves = LEAVES.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(leaf) = leaves.get(&key) {
                return Some(Arc::clone(leaf));
            }
        }
        let all = Table::build(hir, MatchKind::All)?;
        let (mut first, mut nullable, mut end_ok) = (ByteSet::default(), false, false);
        for start in all.starts {
            end_ok |= all.ends_at_end(start);
            for byte in 0..=255 {
                let entry = all.step(start, byte);
                nullable |= entry & ENDS != 0;
                if entry & !ENDS != 0 {
                    first.insert(byte);
                }
            }
        }
        let leaf = Arc::new(Leaf {
            all,
            preferred: OnceLock::new(),
            first,
            nullable,
            end_ok,
            tails: Mutex::default(),
            repeats: hir.properties().minimum_len().unwrap_or(0) >= REPEATING_LENGTH,
            hir: hir.clone(),
        });
        let mut leaves = LEAVES.lock().unwrap_or_else(PoisonError::into_inner);
        if leaves.len() >= LEAF_LIMIT {
            leaves.clear();
        }
        Some(Arc::clone(leaves.entry(key).or_insert(leaf)))
    }

    /// The leaf before something that begins with `follow`; `None` if that does not help.
    pub(super) fn tail(&self, follow: &First) -> Option<Arc<Tail>> {
        let mut tails = self.tails.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = tails.iter().find(|(other, _)| other == follow) {
            return known.as_ref().map(Arc::clone);
        }
        let tail = Tail::new(self, follow).map(Arc::new);
        if tails.len() < TAIL_LIMIT {
            tails.push((*follow, tail.as_ref().map(Arc::clone)));
        }
        tail
    }

    /// The automaton that reports all ends.
    pub(super) fn table(&self) -> &Table {
        &self.all
    }

    /// All ends within the window behind `at`.
    #[inline]
    pub(super) fn ends(&self, text: &[u8], at: usize, before: Before) -> Ends {
        let rest = text.get(at..).unwrap_or_default();
        let window = rest.get(..WINDOW).unwrap_or(rest);
        let mut state = self.all.start(before);
        let mut bits = 0u64;
        let mut offset = 0u32;
        for byte in window {
            let entry = self.all.step(state, *byte);
            bits |= u64::from(entry >> 31) << offset;
            offset += 1;
            state = entry & !ENDS;
            if state == 0 {
                return Ends { bits, open: false };
            }
        }
        if rest.len() > WINDOW {
            return Ends { bits, open: true };
        }
        bits |= u64::from(self.all.ends_at_end(state)) << offset;
        Ends { bits, open: false }
    }

    /// Calls `found` with every end behind `at`, however far, in ascending order.
    pub(super) fn all_ends(
        &self,
        text: &[u8],
        at: usize,
        before: Before,
        mut found: impl FnMut(usize),
    ) {
        let mut state = self.all.start(before);
        for (offset, byte) in text.get(at..).unwrap_or_default().iter().enumerate() {
            let entry = self.all.step(state, *byte);
            if entry & ENDS != 0 {
                found(at + offset);
            }
            state = entry & !ENDS;
            if state == 0 {
                return;
            }
        }
        if self.all.ends_at_end(state) {
            found(text.len());
        }
    }

    /// The end that leftmost-first matching tries first, and how many bytes were looked at; `None`
    /// if it cannot be told.
    pub(super) fn preferred_end(
        &self,
        text: &[u8],
        at: usize,
        before: Before,
    ) -> Option<(Option<usize>, usize)> {
        let table = self
            .preferred
            .get_or_init(|| Table::build(&self.hir, MatchKind::LeftmostFirst))
            .as_ref()?;
        let rest = text.get(at..).unwrap_or_default();
        let mut state = table.start(before);
        let mut end = None;
        for (offset, byte) in rest.iter().enumerate() {
            let entry = table.step(state, *byte);
            if entry & ENDS != 0 {
                end = Some(at + offset);
            }
            state = entry & !ENDS;
            if state == 0 {
                return Some((end, offset + 1));
            }
        }
        if table.ends_at_end(state) {
            end = Some(text.len());
        }
        Some((end, rest.len()))
    }
}

/// What stands before the start of a leaf, as far as boundaries and line starts care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Before {
    #[default]
    Nothing,
    Other,
    Word,
    LineFeed,
}

impl Before {
    #[inline(always)]
    pub(super) fn of(text: &[u8], at: usize) -> Before {
        static BEHIND: [Before; 256] = Before::all();
        match at.checked_sub(1).and_then(|before| text.get(before)) {
            None => Before::Nothing,
            Some(byte) => BEHIND[usize::from(*byte)],
        }
    }

    const fn all() -> [Before; 256] {
        let mut all = [Before::Other; 256];
        let mut byte = 0;
        while byte < 128 {
            if (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'_' {
                all[byte] = Before::Word;
            }
            byte += 1;
        }
        all[b'\n' as usize] = Before::LineFeed;
        all
    }
}

/// A dense automaton. An entry is the offset of the next row, with [`ENDS`] if the piece can end
/// before the byte read; row 0 is dead.
#[derive(Debug)]
pub(super) struct Table {
    entries: Box<[u32]>,
    classes: Box<[u8; 256]>,
    /// Start rows by [`Before`].
    starts: [u32; 4],
    /// For each row, whether the piece can end where the subject ends.
    at_end: Box<[bool]>,
    width: u32,
}

impl Table {
    fn build(hir: &Hir, kind: MatchKind) -> Option<Table> {
        let nfa = thompson::Compiler::new()
            .configure(
                thompson::Config::new()
                    .utf8(false)
                    .nfa_size_limit(Some(BUILD_LIMIT))
                    .which_captures(thompson::WhichCaptures::None),
            )
            .build_from_hir(hir)
            .ok()?;
        let config = dense::Config::new()
            .match_kind(kind)
            .start_kind(StartKind::Anchored)
            .minimize(false)
            .dfa_size_limit(Some(SIZE_LIMIT))
            .determinize_size_limit(Some(BUILD_LIMIT));
        let dfa = dense::Builder::new()
            .configure(config)
            .build_from_nfa(&nfa)
            .ok()?;
        Table::flatten(&dfa)
    }

    fn flatten(dfa: &dense::DFA<Vec<u32>>) -> Option<Table> {
        let classes: Box<[u8; 256]> = Box::new(std::array::from_fn(|byte| {
            dfa.byte_classes().get(byte as u8)
        }));
        let width = usize::from(*classes.iter().max()?) + 1;
        let mut samples = vec![0u8; width];
        for byte in 0..=255u8 {
            samples[usize::from(classes[usize::from(byte)])] = byte;
        }
        let mut rows = Rows::default();
        let mut starts = [0u32; 4];
        let befores = [None, Some(b' '), Some(b'a'), Some(b'\n')];
        for (start, before) in starts.iter_mut().zip(befores) {
            let config = start::Config::new()
                .anchored(Anchored::Yes)
                .look_behind(before);
            *start = rows.number(dfa, dfa.start_state(&config).ok()?);
        }
        let mut entries = vec![0u32; width];
        let mut at_end = vec![false];
        let mut next = 0;
        while let Some(state) = rows.found.get(next).copied() {
            next += 1;
            for byte in &samples {
                let to = dfa.next_state(state, *byte);
                let flag = if dfa.is_match_state(to) { ENDS } else { 0 };
                entries.push(rows.number(dfa, to) | flag);
            }
            at_end.push(dfa.is_match_state(dfa.next_eoi_state(state)));
        }
        // A state that can neither go on nor end is as good as dead.
        let useless: Vec<bool> = entries
            .chunks(width)
            .zip(&at_end)
            .map(|(row, at_end)| !at_end && row.iter().all(|entry| *entry == 0))
            .collect();
        let width = u32::try_from(width).ok()?;
        let place = |row: u32| {
            if useless[row as usize] {
                0
            } else {
                row * width
            }
        };
        for entry in &mut entries {
            *entry = place(*entry & !ENDS) | (*entry & ENDS);
        }
        Some(Table {
            entries: entries.into(),
            classes,
            starts: starts.map(place),
            at_end: at_end.into(),
            width,
        })
    }

    #[inline(always)]
    fn start(&self, before: Before) -> u32 {
        self.starts[before as usize & 3]
    }

    #[inline(always)]
    fn step(&self, state: u32, byte: u8) -> u32 {
        // Rows hold only offsets of rows, so the entry is always there.
        self.entry(state, self.class(byte))
    }

    pub(super) fn starts(&self) -> [u32; 4] {
        self.starts
    }

    /// The column of a byte.
    #[inline(always)]
    pub(super) fn class(&self, byte: u8) -> u8 {
        self.classes[usize::from(byte)]
    }

    /// The entry of a column.
    #[inline(always)]
    pub(super) fn entry(&self, state: u32, class: u8) -> u32 {
        let at = (state + u32::from(class)) as usize;
        self.entries.get(at).copied().unwrap_or(0)
    }

    pub(super) fn ends_at_end(&self, state: u32) -> bool {
        self.at_end
            .get((state / self.width) as usize)
            .copied()
            .unwrap_or(false)
    }
}

/// Numbers states in the order in which they are found; dead ones are 0.
#[derive(Default)]
struct Rows {
    numbers: FxHashMap<StateID, u32>,
    found: Vec<StateID>,
}

impl Rows {
    fn number(&mut self, dfa: &dense::DFA<Vec<u32>>, state: StateID) -> u32 {
        if dfa.is_dead_state(state) {
            return 0;
        }
        let next = self.found.len() as u32 + 1;
        let number = *self.numbers.entry(state).or_insert(next);
        if number == next {
            self.found.push(state);
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_reports_all_its_ends_and_the_preferred_one() {
        let check =
            |regex: &str, text: &str, at: usize, all: &[usize], preferred: Option<usize>| {
                let leaf = Leaf::new(&crate::hir::parse(regex).unwrap()).unwrap();
                let text = text.as_bytes();
                let before = Before::of(text, at);
                let ends = leaf.ends(text, at, before);
                let found: Vec<usize> = (0..64)
                    .filter(|i| ends.bits >> i & 1 == 1)
                    .map(|i| at + i)
                    .collect();
                assert_eq!(found, all, "{regex} on {text:?}");
                let mut listed = Vec::new();
                leaf.all_ends(text, at, before, |end| listed.push(end));
                assert_eq!(listed, all, "{regex} on {text:?}");
                let (end, _) = leaf.preferred_end(text, at, before).unwrap();
                assert_eq!(end, preferred, "{regex}");
            };
        check("(?:ab|a)c?", "abc", 0, &[1, 2, 3], Some(3));
        check("(?:a|ab)c?", "abc", 0, &[1, 2, 3], Some(1));
        check("(?:0?[1-9]|1[0-2])", "12 ", 0, &[1, 2], Some(1));
        check(r"(?-u:\b)[0-9]+(?-u:\b)", "x12", 1, &[], None);
        check(r"(?-u:\b)[0-9]+(?-u:\b)", " 12 ", 1, &[3], Some(3));
        check(r"(?-u:\b)[0-9]+(?-u:\b)", "12", 0, &[2], Some(2));
        check("(?:a|b)*", "", 0, &[0], Some(0));
        check("(?:é|e)+", "éeé", 0, &[2, 3, 5], Some(5));
    }

    #[test]
    fn what_a_leaf_starts_with_is_known() {
        let leaf = |regex: &str| Leaf::new(&crate::hir::parse(regex).unwrap()).unwrap();
        let number = leaf("[+-]?[0-9]+");
        assert!(number.first.contains(b'+') && number.first.contains(b'7'));
        assert!(!number.first.contains(b'a') && !number.nullable && !number.end_ok);
        let maybe = leaf("(?:ab)?");
        assert!(maybe.first.contains(b'a') && !maybe.first.contains(b'b'));
        assert!(maybe.nullable && maybe.end_ok);
    }

    #[test]
    fn leaves_are_shared() {
        let a = Leaf::new(&crate::hir::parse("(?:shared|leaf)").unwrap()).unwrap();
        let b = Leaf::new(&crate::hir::parse("(?:shared|leaf)").unwrap()).unwrap();
        assert!(Arc::ptr_eq(&a, &b));
    }
}
