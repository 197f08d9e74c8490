//! Where a leaf ends, given what follows it.
//!
//! A number before a blank can end in one place only: the automaton dies on the blank. That holds
//! for most leaves of most patterns, and then there is nothing to collect and nothing to choose. A
//! [`Tail`] is the automaton of a leaf with the bytes that may follow built in. It stops where the
//! leaf dies, and says whether it may end there, or where the leaf may both end and go on, which
//! is for others to decide.

use rustc_hash::FxHashMap;

use super::leaf::{Before, ENDS, Leaf};
use super::node::First;

/// What an entry below the first row says.
const FAIL: u16 = 0;
const END: u16 = 1;
const OPEN: u16 = 2;
/// So many entries are no rows; row 0 is dead and at least so wide.
const STOPS: u16 = 3;

/// The automaton of a leaf that knows what follows.
#[derive(Debug)]
pub(super) struct Tail {
    /// Offsets of rows, or how it stopped.
    entries: Box<[u16]>,
    classes: Box<[u8; 256]>,
    starts: [u16; 4],
    /// For each row, whether the leaf can end where the subject ends.
    at_end: Box<[bool]>,
    width: u16,
}

/// The end of a leaf that what follows can start at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Only {
    /// There is none.
    No,
    /// There is this one.
    At(usize),
    /// There may be several.
    Open,
}

/// What came of one look, and how far it went.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looked {
    pub(super) only: Only,
    /// Bytes looked at; the answer holds for any text that agrees in them, unless it depends on
    /// the end of the subject.
    pub(super) bytes: usize,
    pub(super) at_end: bool,
}

impl Tail {
    /// `None` if anything may follow, or the automaton is too large.
    pub(super) fn new(leaf: &Leaf, follow: &First) -> Option<Tail> {
        if follow.any {
            return None;
        }
        let all = leaf.table();
        // Bytes that the leaf and what follows both treat alike share a column.
        let mut columns: Vec<(u8, bool)> = Vec::new();
        let mut classes = Box::new([0u8; 256]);
        for (byte, class) in (0..=0xFFu8).zip(classes.iter_mut()) {
            let column = (all.class(byte), follow.bytes.contains(byte));
            let known = columns.iter().position(|other| *other == column);
            let place = known.unwrap_or_else(|| {
                columns.push(column);
                columns.len() - 1
            });
            *class = u8::try_from(place).ok()?;
        }
        let width = columns.len().max(usize::from(STOPS));
        let mut rows = Rows {
            numbers: FxHashMap::default(),
            found: Vec::new(),
            width,
        };
        let mut starts = [FAIL; 4];
        for (start, from) in starts.iter_mut().zip(all.starts()) {
            if from != 0 {
                *start = rows.offset(from)?;
            }
        }
        let mut entries = vec![FAIL; width];
        let mut at_end = vec![false];
        let mut next = 0;
        while let Some(from) = rows.found.get(next).copied() {
            next += 1;
            for (class, follows) in &columns {
                let entry = all.entry(from, *class);
                let ends = entry & ENDS != 0 && *follows;
                entries.push(match (entry & !ENDS, ends) {
                    (0, false) => FAIL,
                    (0, true) => END,
                    (_, true) => OPEN,
                    (to, false) => rows.offset(to)?,
                });
            }
            entries.resize(entries.len().next_multiple_of(width), FAIL);
            at_end.push(follow.end && all.ends_at_end(from));
        }
        Some(Tail {
            entries: entries.into(),
            classes,
            starts,
            at_end: at_end.into(),
            width: u16::try_from(width).ok()?,
        })
    }

    /// Looks at a text that stands behind `before`.
    #[inline(always)]
    pub(super) fn look(&self, text: &[u8], before: Before) -> Looked {
        let (entries, classes) = (&*self.entries, &*self.classes);
        let mut state = usize::from(self.starts[before as usize & 3]);
        let mut at = 0;
        // Rows hold only offsets of rows, so the entry is always there.
        while let Some(byte) = text.get(at)
            && let Some(entry) = entries.get(state + usize::from(classes[usize::from(*byte)]))
        {
            at += 1;
            if *entry < STOPS {
                return Looked {
                    only: match *entry {
                        END => Only::At(at - 1),
                        OPEN => Only::Open,
                        _ => Only::No,
                    },
                    bytes: at,
                    at_end: false,
                };
            }
            state = usize::from(*entry);
        }
        let row = state / usize::from(self.width.max(1));
        Looked {
            only: match self.at_end.get(row) {
                Some(true) => Only::At(text.len()),
                _ => Only::No,
            },
            bytes: text.len(),
            at_end: true,
        }
    }
}

/// Numbers the rows of the leaf's automaton in the order in which they are found.
struct Rows {
    numbers: FxHashMap<u32, u16>,
    found: Vec<u32>,
    width: usize,
}

impl Rows {
    /// Where the row will stand; `None` if that is too far.
    fn offset(&mut self, row: u32) -> Option<u16> {
        if let Some(known) = self.numbers.get(&row) {
            return Some(*known);
        }
        let end = (self.found.len() + 2) * self.width;
        u16::try_from(end).ok()?;
        let offset = u16::try_from(end - self.width).ok()?;
        self.found.push(row);
        self.numbers.insert(row, offset);
        Some(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(bytes: &[u8], end: bool) -> First {
        let mut first = First {
            end,
            ..First::default()
        };
        bytes.iter().for_each(|byte| first.bytes.insert(*byte));
        first
    }

    /// All texts of up to `length` bytes of an alphabet.
    fn texts(alphabet: &[u8], length: usize) -> Vec<Vec<u8>> {
        let mut texts = vec![Vec::new()];
        let mut from = 0;
        for _ in 0..length {
            let upto = texts.len();
            for index in from..upto {
                for byte in alphabet {
                    let mut text = texts[index].clone();
                    text.push(*byte);
                    texts.push(text);
                }
            }
            from = upto;
        }
        texts
    }

    #[test]
    fn the_only_end_is_the_one_among_all_ends_that_may_be_followed() {
        let check = |regex: &str, follow: &[u8], alphabet: &[u8], length: usize| {
            let leaf = Leaf::new(&crate::hir::parse(regex).unwrap()).unwrap();
            let mut n_open = 0;
            for end in [false, true] {
                let follow = first(follow, end);
                let tail = Tail::new(&leaf, &follow).unwrap();
                for text in texts(alphabet, length) {
                    for at in 0..=text.len().min(1) {
                        let before = Before::of(&text, at);
                        let mut ends = Vec::new();
                        leaf.all_ends(&text, at, before, |end| {
                            let fits = match text.get(end) {
                                Some(byte) => follow.bytes.contains(*byte),
                                None => follow.end,
                            };
                            if fits {
                                ends.push(end - at);
                            }
                        });
                        let looked = tail.look(&text[at..], before);
                        match looked.only {
                            Only::No => assert_eq!(ends, [], "{regex} on {text:?}"),
                            Only::At(end) => assert_eq!(ends, [end], "{regex} on {text:?}"),
                            Only::Open => n_open += 1,
                        }
                        // What was not looked at makes no difference.
                        if !looked.at_end {
                            let upto = at + looked.bytes;
                            let again = tail.look(&text[at..upto], before).only;
                            assert_eq!(again, looked.only, "{regex} on {text:?}");
                        }
                    }
                }
            }
            n_open
        };
        let number = r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)";
        assert_eq!(check(number, b" ", b"1+. a", 6), 0);
        assert!(check(number, b".", b"1+. a", 6) > 0);
        let word = r"(?-u:\b)[0-9A-Za-z_]+(?-u:\b)";
        assert_eq!(check(word, b" :", b"a_: \n", 6), 0);
        let address = r"[0-9a-f]{1,2}:[0-9a-f](?:%.+)?|(?:25[0-5]|[01]?[0-9])\.[0-9]+";
        assert!(check(address, b" ", b"2a:%. ", 6) > 0);
        assert!(check("(?:a|b)*", b"a", b"ab", 6) > 0);
        assert!(check("(?:é|e)*", b" ", "eé ".as_bytes(), 5) == 0);
    }
}
