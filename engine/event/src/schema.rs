//! Field names interned to slot numbers: the table every compiled expression and node refers to.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::event::Span;

/// Which of an event's string maps a field belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum FieldMap {
    /// `evt.Parsed`: grok captures and `parsed:` statics.
    Parsed,
    /// `evt.Meta`: the only map that reaches alerts.
    Meta,
    /// `evt.Enriched`: results of enrichment methods.
    Enriched,
    /// `evt.Line.Labels`: labels of the acquisition block.
    Labels,
}

/// Names to slots, by map. Names come from content, so a plain hash will do.
type Slots = [FxHashMap<Arc<str>, Slot>; 4];

/// The number of one interned field: an index into an event's spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u16);

impl Slot {
    /// The slot as an index.
    #[inline]
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Most fields that one table has.
const FIELDS_MAX: usize = u16::MAX as usize;

/// More than 65,535 different field names were interned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the content names more than {FIELDS_MAX} different fields (at `{name}`)")]
pub struct SchemaFull {
    /// The name that did not fit.
    pub name: String,
}

/// Collects field names while content is compiled; [`SchemaBuilder::freeze`] ends that.
#[derive(Debug, Default, Clone)]
pub struct SchemaBuilder {
    slots: Slots,
    fields: Vec<(FieldMap, Arc<str>)>,
    constants: Vec<u8>,
    /// Constants by their text.
    spans: FxHashMap<Box<[u8]>, Span>,
}

/// Bytes that all constants of a table may take.
const CONSTANTS_MAX: usize = 1 << 24;

impl SchemaBuilder {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Continues an earlier table, so that its slots keep their numbers (hot reload, snapshots).
    #[must_use]
    pub fn continuing(schema: &Schema) -> Self {
        let mut builder = Self::new();
        for (map, name) in &schema.fields {
            // The earlier table was within the limit, so this one is.
            let _same_slot = builder.intern(*map, name);
        }
        builder.constants.clone_from(&schema.constants);
        builder.spans.clone_from(&schema.spans);
        builder
    }

    /// A text that content writes to many events, and that none of them copies: the span stands
    /// for it in every event of the table. `None` when there is no room for it.
    pub fn constant(&mut self, text: &[u8]) -> Option<Span> {
        if text.is_empty() {
            return Some(Span::EMPTY);
        }
        if let Some(span) = self.spans.get(text) {
            return Some(*span);
        }
        if self.constants.len() + text.len() > CONSTANTS_MAX {
            return None;
        }
        let span = Span::constant(self.constants.len(), text.len())?;
        self.constants.extend_from_slice(text);
        self.spans.insert(text.into(), span);
        Some(span)
    }

    /// The slot of a field, new or known.
    ///
    /// # Errors
    /// [`SchemaFull`] when there is no number left.
    pub fn intern(&mut self, map: FieldMap, name: &str) -> Result<Slot, SchemaFull> {
        if let Some(slot) = self.slots[map as usize].get(name) {
            return Ok(*slot);
        }
        let number = match u16::try_from(self.fields.len()) {
            Ok(number) if self.fields.len() < FIELDS_MAX => number,
            _ => {
                return Err(SchemaFull {
                    name: name.to_owned(),
                });
            }
        };
        let name: Arc<str> = Arc::from(name);
        let slot = Slot(number);
        self.fields.push((map, Arc::clone(&name)));
        self.slots[map as usize].insert(name, slot);
        Ok(slot)
    }

    /// The slot of a field if it was interned.
    #[must_use]
    pub fn get(&self, map: FieldMap, name: &str) -> Option<Slot> {
        self.slots[map as usize].get(name).copied()
    }

    /// Ends interning. The same calls in the same order give the same numbers.
    #[must_use]
    pub fn freeze(self) -> Arc<Schema> {
        let mut by_name: Vec<Slot> = (0..u16::MAX).take(self.fields.len()).map(Slot).collect();
        by_name.sort_by(|a, b| self.fields[a.index()].cmp(&self.fields[b.index()]));
        let mut ranks = vec![0u16; by_name.len()];
        for (rank, slot) in (0..u16::MAX).zip(&by_name) {
            ranks[slot.index()] = rank;
        }
        Arc::new(Schema {
            slots: self.slots,
            fields: self.fields,
            ranks,
            constants: self.constants,
            spans: self.spans,
        })
    }
}

/// The frozen table: slots to names and back.
#[derive(Debug, Default)]
pub struct Schema {
    slots: Slots,
    fields: Vec<(FieldMap, Arc<str>)>,
    /// Position of each slot in (map, name) order.
    ranks: Vec<u16>,
    constants: Vec<u8>,
    spans: FxHashMap<Box<[u8]>, Span>,
}

impl Schema {
    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// The texts that spans of constants are pieces of.
    #[inline]
    pub(crate) fn constants(&self) -> &[u8] {
        &self.constants
    }

    /// Whether no field was interned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The slot of a field named at run time, if content mentions it.
    #[must_use]
    pub fn slot(&self, map: FieldMap, name: &[u8]) -> Option<Slot> {
        let name = std::str::from_utf8(name).ok()?;
        self.slots[map as usize].get(name).copied()
    }

    /// The name of a field.
    #[must_use]
    pub fn name(&self, slot: Slot) -> &str {
        self.fields.get(slot.index()).map_or("", |field| &field.1)
    }

    /// The map a field belongs to.
    #[must_use]
    pub fn map(&self, slot: Slot) -> FieldMap {
        self.fields
            .get(slot.index())
            .map_or(FieldMap::Parsed, |field| field.0)
    }

    /// A number that orders the slots of one map by name, bytewise.
    #[must_use]
    pub fn rank(&self, slot: Slot) -> u16 {
        self.ranks.get(slot.index()).copied().unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_refuses_new_names_and_knows_the_old_ones() {
        let mut builder = SchemaBuilder::new();
        for n in 0..FIELDS_MAX {
            builder.intern(FieldMap::Meta, &format!("f{n}")).unwrap();
        }
        let full = builder.intern(FieldMap::Parsed, "f0").unwrap_err();
        assert_eq!(
            full.to_string(),
            "the content names more than 65535 different fields (at `f0`)"
        );
        let first = builder.intern(FieldMap::Meta, "f0").unwrap();
        let last = builder.intern(FieldMap::Meta, "f65534").unwrap();
        assert_eq!((first, last), (Slot(0), Slot(65_534)));
        let schema = builder.freeze();
        assert_eq!(schema.len(), FIELDS_MAX);
        assert_eq!(schema.rank(first), 0);
        assert!(schema.rank(last) > schema.rank(first));
        let same = SchemaBuilder::continuing(&schema).freeze();
        assert_eq!(same.slot(FieldMap::Meta, b"f65534"), Some(last));
    }
}
