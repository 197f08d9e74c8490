//! The meta data of one line of an alert: many short texts in one piece of memory.

use std::fmt;

use overspill_golike::strings::to_valid_string;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::alert::MetaItem;

/// Keys and values in the order in which they were pushed.
///
/// An alert carries a few lines with a dozen items each, and every text of its own would be
/// allocated, copied and freed by itself: that was most of what an alert cost.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MetaList {
    text: String,
    /// Where each item's key and value end.
    ends: Vec<(u32, u32)>,
}

/// One key and value of a [`MetaList`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MetaRef<'a> {
    /// The key.
    pub key: &'a str,
    /// The value.
    pub value: &'a str,
}

impl MetaList {
    /// An empty list with room for so many items of so many bytes together.
    #[must_use]
    pub fn with_room(n_items: usize, n_bytes: usize) -> Self {
        Self {
            text: String::with_capacity(n_bytes),
            ends: Vec::with_capacity(n_items),
        }
    }

    /// Appends an item.
    pub fn push(&mut self, key: &str, value: &str) {
        self.text.push_str(key);
        let key_end = self.end();
        self.text.push_str(value);
        self.ends.push((key_end, self.end()));
    }

    /// Appends an item whose texts come from a log line: each byte that is not UTF-8 becomes
    /// U+FFFD.
    pub fn push_bytes(&mut self, key: &[u8], value: &[u8]) {
        self.push(&to_valid_string(key), &to_valid_string(value));
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// One of the items.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<MetaRef<'_>> {
        let &(key_end, end) = self.ends.get(at)?;
        let start = at
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .map_or(0, |before| before.1);
        Some(MetaRef {
            key: self.piece(start, key_end),
            value: self.piece(key_end, end),
        })
    }

    /// All items.
    #[must_use]
    pub fn iter(&self) -> MetaItems<'_> {
        MetaItems {
            list: self,
            start: 0,
            at: 0,
        }
    }

    fn piece(&self, from: u32, to: u32) -> &str {
        let at = |end: u32| usize::try_from(end).unwrap_or(usize::MAX);
        self.text.get(at(from)..at(to)).unwrap_or_default()
    }

    /// An event is of a few MiB at most; what an alert read back has beyond 4 GiB is lost.
    fn end(&self) -> u32 {
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }
}

impl fmt::Debug for MetaList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl FromIterator<MetaItem> for MetaList {
    fn from_iter<I: IntoIterator<Item = MetaItem>>(items: I) -> Self {
        let mut list = Self::default();
        for item in items {
            list.push(&item.key, &item.value);
        }
        list
    }
}

/// The items of a [`MetaList`], in their order.
#[derive(Debug, Clone)]
pub struct MetaItems<'a> {
    list: &'a MetaList,
    start: u32,
    at: usize,
}

impl<'a> Iterator for MetaItems<'a> {
    type Item = MetaRef<'a>;

    fn next(&mut self) -> Option<MetaRef<'a>> {
        let &(key_end, end) = self.list.ends.get(self.at)?;
        let item = MetaRef {
            key: self.list.piece(self.start, key_end),
            value: self.list.piece(key_end, end),
        };
        self.at += 1;
        self.start = end;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let n = self.list.ends.len() - self.at;
        (n, Some(n))
    }
}

impl ExactSizeIterator for MetaItems<'_> {}

impl<'a> IntoIterator for &'a MetaList {
    type Item = MetaRef<'a>;
    type IntoIter = MetaItems<'a>;

    fn into_iter(self) -> MetaItems<'a> {
        self.iter()
    }
}

/// As the list of [`MetaItem`] that it stands for.
impl Serialize for MetaList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut items = serializer.serialize_seq(Some(self.len()))?;
        for item in self {
            items.serialize_element(&item)?;
        }
        items.end()
    }
}

impl<'de> Deserialize<'de> for MetaList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let items = Vec::<MetaItem>::deserialize(deserializer)?;
        Ok(items.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_back_as_they_were_pushed_and_read_as_a_list_of_items() {
        let mut list = MetaList::with_room(3, 20);
        list.push("ä", "");
        list.push("", "2");
        list.push_bytes(b"k", b"\xff\xfe");
        let items: Vec<MetaItem> = list
            .iter()
            .map(|item| MetaItem {
                key: item.key.to_owned(),
                value: item.value.to_owned(),
            })
            .collect();
        let pairs: Vec<(&str, &str)> = list.iter().map(|item| (item.key, item.value)).collect();
        assert_eq!(pairs, [("ä", ""), ("", "2"), ("k", "\u{fffd}\u{fffd}")]);
        assert_eq!(list.get(1), list.iter().nth(1));
        assert_eq!((list.len(), list.get(3)), (3, None));
        let json = serde_json::to_string(&list).unwrap();
        assert_eq!(json, serde_json::to_string(&items).unwrap());
        assert_eq!(serde_json::from_str::<MetaList>(&json).unwrap(), list);
        assert_eq!(items.into_iter().collect::<MetaList>(), list);
    }
}
