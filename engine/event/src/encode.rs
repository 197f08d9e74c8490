//! An event as bytes: what a bucket keeps, what crosses the exchange, what a snapshot holds.
//!
//! Only what later stages can read is written: all of `Meta` (it reaches the alert), plus the
//! fields that a scenario's own expressions read ([`Keep`]). An overflow's event carries its
//! overflow whole. Slots are written by number; a schema
//! only ever grows ([`crate::SchemaBuilder::continuing`]), so older bytes stay readable.
//!
//! Layout, little endian: header, then pieces of (tag, name, length, bytes) up to the end. Decoding hostile bytes
//! gives an error, never a panic.

use std::sync::Arc;

use overspill_golike::json::DEPTH_MAX;
use overspill_golike::time::Time;

use crate::bytes::{ByteReader, Malformed, encode_bytes, encode_len};
use crate::event::{Event, EventKind, ExpectMode, Position, Span, TextField};
use crate::schema::{FieldMap, Schema, Slot};
use crate::tree::{Tree, TreeMap};

/// Which parts of an event are written besides `Meta` and the times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keep {
    /// Slots outside `Meta`, sorted.
    pub slots: Vec<Slot>,
    /// `evt.Unmarshaled`.
    pub tree: bool,
    /// Raw line, source, module and labels.
    pub line: bool,
    /// Everything: an expression reads fields by computed names.
    pub all: bool,
}

impl Keep {
    /// Adds what `other` keeps.
    pub fn merge(&mut self, other: &Self) {
        self.slots.extend_from_slice(&other.slots);
        self.slots.sort_unstable();
        self.slots.dedup();
        self.tree |= other.tree;
        self.line |= other.line;
        self.all |= other.all;
    }

    fn has(&self, schema: &Schema, slot: Slot) -> bool {
        let map = schema.map(slot);
        self.has_extra(map) || self.slots.binary_search(&slot).is_ok()
    }

    /// Whether all fields of a map are written, those without a slot included.
    fn has_extra(&self, map: FieldMap) -> bool {
        self.all || map == FieldMap::Meta || (self.line && map == FieldMap::Labels)
    }
}

/// A [`Keep`] made ready for a schema: what it says of each slot is looked up.
#[derive(Debug, Clone)]
pub struct KeepPlan {
    keep: Keep,
    /// By slot.
    slots: Vec<bool>,
}

impl KeepPlan {
    /// Makes a keep ready for the events of a schema.
    #[must_use]
    pub fn new(keep: Keep, schema: &Schema) -> Self {
        let slots = (0..schema.len())
            .map_while(|number| u16::try_from(number).ok())
            .map(|number| keep.has(schema, Slot(number)))
            .collect();
        Self { keep, slots }
    }
}

/// Bytes that are no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at} of an encoded event")]
pub struct DecodeError {
    /// What is wrong.
    pub what: &'static str,
    /// Where.
    pub at: usize,
}

impl From<Malformed> for DecodeError {
    fn from(Malformed { what, at }: Malformed) -> Self {
        Self { what, at }
    }
}

const TAG_SLOT: u8 = 0;
const TAG_EXTRA: u8 = 1;
const TAG_TEXT: u8 = 2;
const TAG_TREE: u8 = 3;
const TAG_OVERFLOW: u8 = 4;
/// A slot whose value has less than 256 bytes, as most have: its length is one byte.
const TAG_SHORT_SLOT: u8 = 5;
/// Kind, mode, time and place.
const HEAD_BYTES: usize = 30;
/// Longer bytes are not copied whole: they could push an event past its limit that was within it.
const WHOLE_MAX: usize = 1 << 16;
/// A document of the deepest JSON is a member of the event's map, and its innermost value is one
/// level below its innermost array.
const TREE_DEPTH_MAX: usize = DEPTH_MAX + 1;
const TEXTS: [TextField; 8] = [
    TextField::LineRaw,
    TextField::LineSrc,
    TextField::LineModule,
    TextField::Stage,
    TextField::WhitelistReason,
    TextField::StrTime,
    TextField::StrTimeFormat,
    TextField::MarshaledTime,
];

impl Event {
    /// Appends the event's bytes to `out`.
    pub fn encode(&self, keep: &Keep, out: &mut Vec<u8>) {
        let is_kept = |slot| keep.has(self.schema(), slot);
        self.encode_if(is_kept, keep, out);
    }

    /// As [`Event::encode`], with a [`Keep`] that was made ready for the event's schema.
    pub fn encode_kept(&self, keep: &KeepPlan, out: &mut Vec<u8>) {
        let is_kept = |slot: Slot| keep.slots.get(slot.index()).is_some_and(|kept| *kept);
        self.encode_if(is_kept, &keep.keep, out);
    }

    fn encode_if(&self, is_kept: impl Fn(Slot) -> bool, keep: &Keep, out: &mut Vec<u8>) {
        self.encode_head(out);
        for &slot in self.present() {
            if is_kept(slot) {
                encode_slot(slot, self.text_of(slot), out);
            }
        }
        for (map, name, value) in self.extras() {
            if keep.has_extra(map) {
                out.push(TAG_EXTRA);
                out.push(map as u8);
                encode_bytes(name, out);
                encode_bytes(value, out);
            }
        }
        for (number, &field) in (0u8..).zip(&TEXTS) {
            let line = matches!(
                field,
                TextField::LineRaw | TextField::LineSrc | TextField::LineModule | TextField::Stage
            );
            if !self.text(field).is_empty() && (!line || keep.line || keep.all) {
                out.push(TAG_TEXT);
                out.push(number);
                encode_bytes(self.text(field), out);
            }
        }
        if let (true, Some(tree)) = (keep.tree || keep.all, self.tree()) {
            out.push(TAG_TREE);
            encode_map(tree, out);
        }
        if let Some(overflow) = &self.overflow
            && let Ok(json) = serde_json::to_vec(overflow)
        {
            out.push(TAG_OVERFLOW);
            encode_bytes(&json, out);
        }
    }

    fn encode_head(&self, out: &mut Vec<u8>) {
        let mut head = [0; HEAD_BYTES];
        head[0] = match self.kind {
            EventKind::Log => 0,
            EventKind::Overflow => 1,
            EventKind::Appsec => 2,
        };
        head[1] = u8::from(self.mode == ExpectMode::TimeMachine);
        head[2..10].copy_from_slice(&self.time.secs.to_le_bytes());
        head[10..14].copy_from_slice(&self.time.nanos.to_le_bytes());
        head[14..18].copy_from_slice(&self.time.offset_secs.to_le_bytes());
        head[18..22].copy_from_slice(&self.position.partition.to_le_bytes());
        head[22..].copy_from_slice(&self.position.offset.to_le_bytes());
        out.extend_from_slice(&head);
    }

    /// Reads an event back from the bytes of [`Event::encode`].
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are cut short or are something else.
    pub fn decode(schema: &Arc<Schema>, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut event = Self::new(Arc::clone(schema));
        event.decode_again(bytes)?;
        Ok(event)
    }

    /// As [`Event::decode`], in the memory of an event of the same schema. After an error nothing is
    /// said about what the event holds.
    ///
    /// # Errors
    /// As [`Event::decode`].
    pub fn decode_again(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        self.reset();
        // One copy of all of it, of which the fields are spans.
        let whole = (bytes.len() <= WHOLE_MAX).then(|| self.append(bytes).start);
        let mut reader = ByteReader::new(bytes);
        self.kind = match reader.byte()? {
            0 => EventKind::Log,
            1 => EventKind::Overflow,
            2 => EventKind::Appsec,
            _ => return Err(reader.error("unknown kind").into()),
        };
        self.mode = if reader.byte()? == 1 {
            ExpectMode::TimeMachine
        } else {
            ExpectMode::Live
        };
        self.time = reader.time()?;
        self.position = Position {
            partition: u32::from_le_bytes(reader.array()?),
            offset: reader.number()?,
        };
        while !reader.is_at_end() {
            match reader.byte()? {
                TAG_SHORT_SLOT => {
                    let [low, high, len] = reader.array()?;
                    let value = reader.span(usize::from(len))?;
                    let value = self.piece(whole, value);
                    self.set_span(Slot(u16::from_le_bytes([low, high])), value);
                }
                TAG_SLOT => {
                    let slot = Slot(u16::from_le_bytes(reader.array()?));
                    let len = reader.length()?;
                    let value = reader.span(len)?;
                    let value = self.piece(whole, value);
                    self.set_span(slot, value);
                }
                TAG_EXTRA => {
                    let map = reader.map_tag()?;
                    let name = reader.slice()?;
                    self.set_named(map, name, reader.slice()?);
                }
                TAG_TEXT => {
                    let number = usize::from(reader.byte()?);
                    let Some(&field) = TEXTS.get(number) else {
                        return Err(reader.error("unknown text").into());
                    };
                    let len = reader.length()?;
                    let value = reader.span(len)?;
                    let value = self.piece(whole, value);
                    self.set_text_span(field, value);
                }
                TAG_TREE => *self.tree_mut() = reader.tree_map(0)?,
                TAG_OVERFLOW => {
                    let json = reader.slice()?;
                    let overflow = serde_json::from_slice(json)
                        .map_err(|_| reader.error("unreadable overflow"))?;
                    self.overflow = Some(Arc::new(overflow));
                }
                _ => return Err(reader.error("unknown tag").into()),
            }
        }
        Ok(())
    }

    /// The span of a piece of the encoded bytes: within their copy, if there is one.
    fn piece(&mut self, whole: Option<u32>, (at, piece): (usize, &[u8])) -> Span {
        match (whole, u32::try_from(at), u32::try_from(piece.len())) {
            (Some(whole), Ok(at), Ok(len)) => Span {
                start: whole + at,
                len,
            },
            _ => self.append(piece),
        }
    }
}

#[inline]
fn encode_slot(slot: Slot, value: &[u8], out: &mut Vec<u8>) {
    let [low, high] = slot.0.to_le_bytes();
    match u8::try_from(value.len()) {
        Ok(len) => {
            out.extend_from_slice(&[TAG_SHORT_SLOT, low, high, len]);
            out.extend_from_slice(value);
        }
        Err(_) => {
            out.extend_from_slice(&[TAG_SLOT, low, high]);
            encode_bytes(value, out);
        }
    }
}

fn encode_map(map: &TreeMap, out: &mut Vec<u8>) {
    encode_len(map.len(), out);
    for (key, value) in map {
        encode_bytes(key, out);
        encode_tree(value, out);
    }
}

fn encode_tree(tree: &Tree, out: &mut Vec<u8>) {
    match tree {
        Tree::Null => out.push(0),
        Tree::Bool(value) => out.extend_from_slice(&[1, u8::from(*value)]),
        Tree::Int(value) => {
            out.push(2);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Tree::Float(value) => {
            out.push(3);
            out.extend_from_slice(&value.to_bits().to_le_bytes());
        }
        Tree::Str(value) => {
            out.push(4);
            encode_bytes(value, out);
        }
        Tree::List(items) => {
            out.push(5);
            encode_len(items.len(), out);
            for item in items.iter() {
                encode_tree(item, out);
            }
        }
        Tree::Map(map) => {
            out.push(6);
            encode_map(map, out);
        }
        Tree::Strings(map) => {
            out.push(7);
            encode_len(map.len(), out);
            for (key, value) in map.iter() {
                encode_bytes(key, out);
                encode_bytes(value, out);
            }
        }
    }
}

/// Pieces that only events have.
impl ByteReader<'_> {
    fn number(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn time(&mut self) -> Result<Time, Malformed> {
        Ok(Time {
            secs: i64::from_le_bytes(self.array()?),
            nanos: u32::from_le_bytes(self.array()?),
            offset_secs: i32::from_le_bytes(self.array()?),
        })
    }

    fn map_tag(&mut self) -> Result<FieldMap, Malformed> {
        Ok(match self.byte()? {
            0 => FieldMap::Parsed,
            1 => FieldMap::Meta,
            2 => FieldMap::Enriched,
            3 => FieldMap::Labels,
            _ => return Err(self.error("unknown map")),
        })
    }

    fn tree_map(&mut self, depth: usize) -> Result<TreeMap, Malformed> {
        let len = self.length()?;
        let mut map = TreeMap::new();
        for _ in 0..len {
            let key = self.slice()?.into();
            map.insert(key, self.tree(depth + 1)?);
        }
        Ok(map)
    }

    fn tree(&mut self, depth: usize) -> Result<Tree, Malformed> {
        if depth > TREE_DEPTH_MAX {
            return Err(self.error("too deep a tree"));
        }
        Ok(match self.byte()? {
            0 => Tree::Null,
            1 => Tree::Bool(self.byte()? == 1),
            2 => Tree::Int(i64::from_le_bytes(self.array()?)),
            3 => Tree::Float(f64::from_bits(self.number()?)),
            4 => Tree::Str(self.slice()?.into()),
            5 => {
                let len = self.length()?;
                let mut items = Vec::new();
                for _ in 0..len {
                    items.push(self.tree(depth + 1)?);
                }
                Tree::List(Arc::new(items))
            }
            6 => Tree::Map(Arc::new(self.tree_map(depth)?)),
            7 => {
                let len = self.length()?;
                let mut map = std::collections::BTreeMap::new();
                for _ in 0..len {
                    let key = self.slice()?.into();
                    map.insert(key, self.slice()?.into());
                }
                Tree::Strings(Arc::new(map))
            }
            _ => return Err(self.error("unknown tree tag")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::SchemaBuilder;

    fn sample() -> Event {
        let mut builder = SchemaBuilder::new();
        let user = builder.intern(FieldMap::Meta, "user").unwrap();
        let port = builder.intern(FieldMap::Parsed, "port").unwrap();
        let mut event = Event::new(builder.freeze());
        event.set(user, b"root");
        event.set(port, b"22");
        event.set_named(FieldMap::Meta, b"zz", b"1");
        event.set_text(TextField::MarshaledTime, b"2026-01-01T00:00:00Z");
        event.set_text(TextField::LineRaw, b"raw");
        event.tree_mut().insert(
            (*b"k").into(),
            Tree::List(Arc::new(vec![
                Tree::Float(1.5),
                Tree::Null,
                Tree::Str((*b"s").into()),
            ])),
        );
        event
    }

    #[test]
    fn meta_and_times_always_survive_the_rest_only_when_kept() {
        let event = sample();
        let mut bytes = Vec::new();
        event.encode(&Keep::default(), &mut bytes);
        let back = Event::decode(event.schema(), &bytes).unwrap();
        assert_eq!(back.fields(FieldMap::Meta), event.fields(FieldMap::Meta));
        assert_eq!(back.text(TextField::MarshaledTime), b"2026-01-01T00:00:00Z");
        assert_eq!(back.fields(FieldMap::Parsed), vec![]);
        assert_eq!(back.raw(), b"");
        assert_eq!(back.tree(), None);

        bytes.clear();
        event.encode(
            &Keep {
                all: true,
                ..Keep::default()
            },
            &mut bytes,
        );
        let back = Event::decode(event.schema(), &bytes).unwrap();
        assert_eq!(
            back.fields(FieldMap::Parsed),
            event.fields(FieldMap::Parsed)
        );
        assert_eq!(back.raw(), b"raw");
        assert_eq!(back.tree(), event.tree());
    }

    #[test]
    fn cut_bytes_are_an_error_at_every_length() {
        let event = sample();
        let mut bytes = Vec::new();
        event.encode(
            &Keep {
                all: true,
                ..Keep::default()
            },
            &mut bytes,
        );
        for len in 0..bytes.len() {
            let short = Event::decode(event.schema(), &bytes[..len]);
            // A cut between two pieces is a shorter event; anywhere else it is an error.
            assert!(short.is_err() || len >= 30, "length {len}");
        }
    }

    /// JSON is as deep as its reader allows when it comes in.
    #[test]
    fn the_deepest_json_is_read_back() {
        let text = format!("{}1{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
        let schema = SchemaBuilder::new().freeze();
        let mut event = Event::new(Arc::clone(&schema));
        let tree = Tree::from_json(text.as_bytes()).unwrap();
        event.tree_mut().insert(Box::from(&b"json"[..]), tree);
        let keep = Keep {
            tree: true,
            ..Keep::default()
        };
        let mut bytes = Vec::new();
        event.encode(&keep, &mut bytes);
        let read = Event::decode(&schema, &bytes).unwrap();
        assert_eq!(read.tree(), event.tree());
    }

    #[test]
    fn a_keep_that_was_made_ready_writes_the_same() {
        let event = sample();
        let schema = event.schema();
        let port = schema.slot(FieldMap::Parsed, b"port").unwrap();
        for bits in 0..16 {
            let keep = Keep {
                slots: if bits & 1 == 0 { vec![] } else { vec![port] },
                tree: bits & 2 != 0,
                line: bits & 4 != 0,
                all: bits & 8 != 0,
            };
            let (mut plain, mut ready) = (Vec::new(), Vec::new());
            event.encode(&keep, &mut plain);
            event.encode_kept(&KeepPlan::new(keep, schema), &mut ready);
            assert_eq!(plain, ready, "{bits}");
        }
    }

    #[test]
    fn bytes_of_any_length_are_read_into_an_event_that_held_another() {
        let everything = Keep {
            all: true,
            ..Keep::default()
        };
        let mut reused = sample();
        for len in [0, 1, 255, 256, 70_000] {
            let mut event = sample();
            let user = event.schema().slot(FieldMap::Meta, b"user").unwrap();
            event.set(user, &vec![b'u'; len]);
            event.set_text(TextField::LineRaw, &vec![b'l'; len]);
            event.set_named(FieldMap::Meta, b"other", &vec![b'o'; len]);
            let (mut bytes, mut again) = (Vec::new(), Vec::new());
            event.encode(&everything, &mut bytes);
            reused.decode_again(&bytes).unwrap();
            assert_eq!(reused.fields(FieldMap::Meta), event.fields(FieldMap::Meta));
            assert_eq!(reused.raw(), event.raw());
            reused.encode(&everything, &mut again);
            assert_eq!(again, bytes, "{len}");
        }
    }
}
