//! A file of lines, and the structures that test a text against all of them at once.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use aho_corasick::AhoCorasick;
use overspill_golike::net::{self, Cidr};
use rustc_hash::FxHashSet;

use crate::boolean::Transform;
use crate::value::Bytes;

/// How a text is compared with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineTest {
    Eq,
    Contains,
    StartsWith,
    EndsWith,
}

/// The lines of a file that are ranges of addresses, read once.
#[derive(Debug, Default)]
pub(crate) struct FileRanges {
    /// Lines of the file, those included that are no ranges.
    pub(crate) lines: usize,
    ranges: Vec<Cidr>,
}

impl FileRanges {
    /// Whether a text is an address in one of them.
    pub(crate) fn contains(&self, text: &[u8]) -> bool {
        net::parse_ip(text).is_some_and(|ip| self.ranges.iter().any(|range| range.contains(ip)))
    }
}

/// The lines of a file.
pub(crate) struct Lines {
    all: Arc<Vec<Bytes>>,
    ranges: OnceLock<Arc<FileRanges>>,
    /// By what is done to each line; at most one entry a transform that content names.
    prepared: RwLock<BTreeMap<Transform, Arc<Prepared>>>,
}

/// Changed lines, ready to be searched for.
struct Prepared {
    lines: Arc<Vec<Bytes>>,
    set: FxHashSet<Bytes>,
    /// `None` when the lines are too many or too long for an automaton.
    automaton: Option<AhoCorasick>,
}

impl Lines {
    /// The lines of a file.
    pub(crate) fn of(lines: Vec<Box<[u8]>>) -> Self {
        let all = lines.into_iter().map(Bytes::from);
        Self {
            all: Arc::new(all.collect()),
            ranges: OnceLock::new(),
            prepared: RwLock::default(),
        }
    }

    pub(crate) fn all(&self) -> Arc<Vec<Bytes>> {
        Arc::clone(&self.all)
    }

    pub(crate) fn ranges(&self) -> Arc<FileRanges> {
        let read = || {
            Arc::new(FileRanges {
                lines: self.all.len(),
                ranges: self
                    .all
                    .iter()
                    .filter_map(|line| net::parse_cidr(line))
                    .collect(),
            })
        };
        Arc::clone(self.ranges.get_or_init(read))
    }

    /// The lines after a change.
    pub(crate) fn changed(&self, transform: Transform) -> Arc<Vec<Bytes>> {
        Arc::clone(&self.prepared(transform).lines)
    }

    /// Whether a line, changed by `transform`, stands in the relation to the text.
    pub(crate) fn any(&self, transform: Transform, test: LineTest, text: &[u8]) -> bool {
        let prepared = self.prepared(transform);
        match (test, &prepared.automaton) {
            (LineTest::Eq, _) => prepared.set.contains(text),
            (LineTest::Contains, Some(automaton)) => automaton.is_match(text),
            (LineTest::Contains, None) => {
                let mut lines = prepared.lines.iter();
                lines.any(|line| overspill_golike::strings::contains(text, line))
            }
            (LineTest::StartsWith, _) => prepared.lines.iter().any(|line| text.starts_with(line)),
            (LineTest::EndsWith, _) => prepared.lines.iter().any(|line| text.ends_with(line)),
        }
    }

    fn prepared(&self, transform: Transform) -> Arc<Prepared> {
        // Only finished entries are ever inserted, so a poisoned lock guards sound data.
        let known = self.prepared.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&transform) {
            return Arc::clone(found);
        }
        drop(known);
        let lines: Vec<Bytes> = self
            .all
            .iter()
            .map(|line| Bytes::from(&*transform.apply(line)))
            .collect();
        let automaton = AhoCorasick::new(lines.iter().map(|line| &**line)).ok();
        let set = lines.iter().cloned().collect();
        let made = Arc::new(Prepared {
            lines: Arc::new(lines),
            set,
            automaton,
        });
        let mut known = self
            .prepared
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(transform).or_insert(made))
    }
}
