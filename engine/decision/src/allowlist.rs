//! Whom nothing may be decided against: allowlists, and the addresses that are never banned.
//!
//! A value is allowlisted when an entry contains it, equals it or lies within it
//! (`pkg/apiserver/controllers/v1/alerts.go`): a ban on a range would hit the address that the
//! entry protects. Time comes as a value; an entry counts until its end and not at it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::block::{Block, Family};

/// One entry of one list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowEntry {
    /// Name of the list.
    pub list: Arc<str>,
    /// Comment that was given with the value.
    pub comment: Arc<str>,
    /// End in nanoseconds since the Unix epoch; `None` never ends.
    pub expires_ns: Option<i64>,
}

impl AllowEntry {
    fn is_live(&self, now_ns: i64) -> bool {
        self.expires_ns.is_none_or(|end| now_ns < end)
    }
}

/// Text that is neither an address nor a range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is neither an address nor a range")]
pub struct NotAnAddress {
    /// The text.
    pub value: String,
}

/// Why a value is allowlisted. Prints as the Local API prints it:
/// `192.0.2.0/24 from office (the printer)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The block of the entry that was found.
    pub block: Block,
    /// The entry.
    pub entry: AllowEntry,
}

impl std::fmt::Display for Allowed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.block.to_string();
        let single = self.block.prefix_bits() == self.block.family().bits();
        let address = text
            .split_once('/')
            .filter(|_| single)
            .map_or(&*text, |parts| parts.0);
        write!(f, "{address} from {}", self.entry.list)?;
        if !self.entry.comment.is_empty() {
            write!(f, " ({})", self.entry.comment)?;
        }
        Ok(())
    }
}

/// All entries of all lists.
///
/// A lookup costs one search for each prefix length in use (at most 33 or 129) and one more; it
/// does not grow with what the lists hold.
#[derive(Debug, Clone, Default)]
pub struct Allowlist {
    blocks: BTreeMap<Block, Vec<AllowEntry>>,
    /// How many blocks there are of each family and prefix length.
    lengths: BTreeMap<(Family, u8), usize>,
}

impl Allowlist {
    /// No entry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many different addresses and ranges there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Adds an entry; one of the same list and value is replaced.
    ///
    /// # Errors
    /// [`NotAnAddress`] when the value is neither an address nor a range.
    pub fn insert(&mut self, value: &str, entry: AllowEntry) -> Result<Block, NotAnAddress> {
        let block = Block::parse(value).ok_or_else(|| NotAnAddress {
            value: value.to_owned(),
        })?;
        let entries = self.blocks.entry(block).or_insert_with(|| {
            *self
                .lengths
                .entry((block.family(), block.prefix_bits()))
                .or_default() += 1;
            Vec::new()
        });
        match entries.iter_mut().find(|known| known.list == entry.list) {
            Some(known) => *known = entry,
            None => entries.push(entry),
        }
        Ok(block)
    }

    /// Removes a list's entry for a value; answers whether there was one.
    pub fn remove(&mut self, list: &str, value: &str) -> bool {
        let Some(block) = Block::parse(value) else {
            return false;
        };
        let Some(entries) = self.blocks.get_mut(&block) else {
            return false;
        };
        let before = entries.len();
        entries.retain(|entry| *entry.list != *list);
        let removed = entries.len() < before;
        self.drop_empty(block);
        removed
    }

    /// Removes all entries of a list; answers how many there were.
    pub fn remove_list(&mut self, list: &str) -> usize {
        self.retain(|entry| *entry.list != *list)
    }

    /// Forgets what has ended, so that lookups need not pass over it.
    pub fn prune(&mut self, now_ns: i64) -> usize {
        self.retain(|entry| entry.is_live(now_ns))
    }

    /// Why a value is allowlisted; `None` when it is not, and when it is no address.
    #[must_use]
    pub fn check(&self, value: &str, now_ns: i64) -> Option<Allowed> {
        self.check_block(Block::parse(value)?, now_ns)
    }

    /// Why a block is allowlisted. Of several entries the widest that contains it is named, then
    /// the first within it.
    #[must_use]
    pub fn check_block(&self, block: Block, now_ns: i64) -> Option<Allowed> {
        let live = |entry: &&AllowEntry| entry.is_live(now_ns);
        let family = block.family();
        for (_, length) in self
            .lengths
            .range((family, 0)..=(family, block.prefix_bits()))
            .map(|(key, _)| *key)
        {
            let outer = block.widened(length);
            if let Some(entry) = self
                .blocks
                .get(&outer)
                .and_then(|all| all.iter().find(live))
            {
                return Some(Allowed {
                    block: outer,
                    entry: entry.clone(),
                });
            }
        }
        // Blocks are ordered by first address, so those within come in one run after this one.
        self.blocks
            .range(block..)
            .take_while(|(inner, _)| block.contains(**inner))
            .find_map(|(inner, all)| Some((*inner, all.iter().find(live)?.clone())))
            .map(|(block, entry)| Allowed { block, entry })
    }

    /// All entries, by address.
    pub fn iter(&self) -> impl Iterator<Item = (Block, &AllowEntry)> {
        self.blocks
            .iter()
            .flat_map(|(block, all)| all.iter().map(|entry| (*block, entry)))
    }

    fn retain(&mut self, keep: impl Fn(&AllowEntry) -> bool) -> usize {
        let mut removed = 0;
        let mut emptied = Vec::new();
        for (block, entries) in &mut self.blocks {
            let before = entries.len();
            entries.retain(&keep);
            removed += before - entries.len();
            if entries.is_empty() {
                emptied.push(*block);
            }
        }
        for block in emptied {
            self.drop_empty(block);
        }
        removed
    }

    fn drop_empty(&mut self, block: Block) {
        if self.blocks.get(&block).is_some_and(Vec::is_empty) {
            self.blocks.remove(&block);
            let key = (block.family(), block.prefix_bits());
            if let Some(count) = self.lengths.get_mut(&key) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.lengths.remove(&key);
                }
            }
        }
    }
}

/// Addresses that no decision may touch, whatever a log, a list or a person says: loopback, the
/// unspecified address, and our own.
///
/// A range that merely overlaps one of them is refused as a whole: half of a ban cannot be
/// expressed, and locking ourselves out is worse than one attacker more.
#[derive(Debug, Clone)]
pub struct SafeList {
    blocks: Vec<Block>,
}

/// Never banned on any machine.
const ALWAYS_SAFE: [&str; 4] = ["127.0.0.0/8", "::1", "0.0.0.0", "::"];

impl SafeList {
    /// The addresses that are safe everywhere, and `own`: addresses of this machine, its peers and
    /// whatever it needs to stay in control.
    #[must_use]
    pub fn new(own: &[Block]) -> Self {
        let mut blocks: Vec<Block> = ALWAYS_SAFE
            .iter()
            .filter_map(|text| Block::parse(text))
            .collect();
        blocks.extend_from_slice(own);
        blocks.sort_unstable();
        blocks.dedup();
        Self { blocks }
    }

    /// The safe block that a value touches, if any; `None` also when it is no address.
    #[must_use]
    pub fn touched_by(&self, value: &str) -> Option<Block> {
        let block = Block::parse(value)?;
        self.blocks
            .iter()
            .copied()
            .find(|safe| safe.overlaps(block))
    }
}

impl Default for SafeList {
    fn default() -> Self {
        Self::new(&[])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(list: &str, expires_ns: Option<i64>) -> AllowEntry {
        AllowEntry {
            list: list.into(),
            comment: "".into(),
            expires_ns,
        }
    }

    #[test]
    fn contained_equal_and_containing_values_are_allowed_until_the_end() {
        let mut list = Allowlist::new();
        list.insert("192.0.2.0/24", entry("office", None)).unwrap();
        list.insert("198.51.100.7", entry("guest", Some(100)))
            .unwrap();
        list.insert("2001:db8::/32", entry("office", None)).unwrap();
        for (value, now_ns, expected) in [
            ("192.0.2.9", 0, Some("192.0.2.0/24 from office")),
            ("192.0.2.0/24", 0, Some("192.0.2.0/24 from office")),
            ("192.0.2.64/26", 0, Some("192.0.2.0/24 from office")),
            ("192.0.0.0/16", 0, Some("192.0.2.0/24 from office")),
            ("0.0.0.0/0", 0, Some("192.0.2.0/24 from office")),
            ("192.0.3.1", 0, None),
            ("198.51.100.7", 99, Some("198.51.100.7 from guest")),
            ("198.51.100.7", 100, None),
            ("198.51.100.0/24", 99, Some("198.51.100.7 from guest")),
            ("198.51.100.0/24", 100, None),
            ("::ffff:192.0.2.1", 0, Some("192.0.2.0/24 from office")),
            ("2001:db8:1::1", 0, Some("2001:db8::/32 from office")),
            ("::/0", 0, Some("2001:db8::/32 from office")),
            ("::1", 0, None),
            ("not an address", 0, None),
        ] {
            let found = list.check(value, now_ns).map(|allowed| allowed.to_string());
            assert_eq!(found.as_deref(), expected, "{value} at {now_ns}");
        }
    }

    #[test]
    fn the_same_value_may_be_on_two_lists() {
        let mut list = Allowlist::new();
        list.insert("192.0.2.1", entry("a", Some(10))).unwrap();
        list.insert("192.0.2.1", entry("b", None)).unwrap();
        assert_eq!(list.check("192.0.2.1", 10).unwrap().entry.list, "b".into());
        assert!(list.remove("b", "192.0.2.1"));
        assert!(!list.remove("b", "192.0.2.1"));
        assert_eq!(list.check("192.0.2.1", 10), None);
        assert_eq!(list.prune(10), 1);
        assert!(list.is_empty() && list.lengths.is_empty());
    }

    #[test]
    fn the_reason_names_the_comment() {
        let mut list = Allowlist::new();
        let printer = AllowEntry {
            comment: "the printer".into(),
            ..entry("office", None)
        };
        list.insert("192.0.2.0/24", printer).unwrap();
        let reason = list.check("192.0.2.1", 0).unwrap().to_string();
        assert_eq!(reason, "192.0.2.0/24 from office (the printer)");
        assert!(list.insert("office", entry("x", None)).is_err());
    }

    #[test]
    fn safe_addresses_are_touched_by_any_overlap() {
        let safe = SafeList::new(&[Block::parse("203.0.113.5").unwrap()]);
        for (value, touched) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("0.0.0.0", true),
            ("::1", true),
            ("::", true),
            ("::ffff:127.0.0.1", true),
            ("203.0.113.5", true),
            ("203.0.113.0/24", true),
            ("0.0.0.0/0", true),
            ("203.0.113.6", false),
            ("::2", false),
            ("AS1234", false),
        ] {
            assert_eq!(safe.touched_by(value).is_some(), touched, "{value}");
        }
    }

    fn any_block() -> impl Strategy<Value = Block> {
        // Few addresses, so that blocks meet often.
        (0u32..16, 26u8..=32)
            .prop_map(|(host, bits)| Block::parse(&format!("10.0.0.{}/{bits}", host * 16)).unwrap())
    }

    proptest! {
        #[test]
        fn a_lookup_finds_what_a_scan_finds(
            entries in prop::collection::vec((any_block(), prop::option::of(0i64..4)), 0..12),
            query in any_block(),
            now_ns in 0i64..4,
        ) {
            let mut list = Allowlist::new();
            for (number, (block, expires_ns)) in entries.iter().enumerate() {
                let entry = entry(&number.to_string(), *expires_ns);
                list.insert(&block.to_string(), entry).unwrap();
            }
            let scan = entries.iter().any(|(block, expires_ns)| {
                block.overlaps(query) && expires_ns.is_none_or(|end| now_ns < end)
            });
            prop_assert_eq!(list.check_block(query, now_ns).is_some(), scan);
            list.prune(now_ns);
            prop_assert_eq!(list.check_block(query, now_ns).is_some(), scan);
        }
    }
}
