//! One event: spans of one buffer, found by slot.

use std::sync::Arc;

use overspill_golike::time::Time;

use crate::alert::Overflow;
use crate::schema::{FieldMap, Schema, Slot};
use crate::tree::{Tree, TreeMap};

/// A piece of an event's buffer, or of the constants of its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First byte. Constants are counted from [`Span::CONSTANTS`].
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

impl Span {
    /// No value: the field is not in its map.
    pub const ABSENT: Self = Self {
        start: u32::MAX,
        len: 0,
    };
    /// The empty string.
    pub const EMPTY: Self = Self { start: 0, len: 0 };
    /// Where constants begin: far above what an event may hold ([`Event::BYTES_MAX`]).
    pub const CONSTANTS: u32 = 1 << 31;

    /// A piece of the constants.
    pub(crate) fn constant(start: usize, len: usize) -> Option<Self> {
        Some(Self {
            start: u32::try_from(start).ok()?.checked_add(Self::CONSTANTS)?,
            len: u32::try_from(len).ok()?,
        })
    }

    /// Whether it is the same text in every event of its schema.
    #[inline]
    #[must_use]
    pub fn is_constant(self) -> bool {
        self.start >= Self::CONSTANTS && self.is_present()
    }

    /// Whether the field has a value, be it empty.
    #[inline]
    #[must_use]
    pub fn is_present(self) -> bool {
        self.start != u32::MAX
    }
}

impl Default for Span {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// What an event is (`pkg/pipeline/constants.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventKind {
    /// A log line.
    #[default]
    Log,
    /// A bucket's overflow.
    Overflow,
    /// A match of the WAF.
    Appsec,
}

/// Which clock CrowdSec would use. Ours is event time in both; content can read the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExpectMode {
    /// Followed as it is written.
    #[default]
    Live,
    /// Replayed.
    TimeMachine,
}

/// Where a line stands in its input: unique, and ordered within a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Number of the partition.
    pub partition: u32,
    /// Offset within the partition: a line number or a byte offset, strictly ascending.
    pub offset: u64,
}

/// What all lines of one partition share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// `evt.Line.Src`: a path, a topic, a peer.
    pub src: String,
    /// `evt.Line.Module`: `file`, `kafka`, ...
    pub module: String,
    /// Labels of the acquisition block, sorted by name.
    pub labels: Vec<(String, String)>,
}

/// The texts of an event that are not in a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum TextField {
    /// `evt.Line.Raw`.
    LineRaw,
    /// `evt.Line.Src`.
    LineSrc,
    /// `evt.Line.Module`.
    LineModule,
    /// `evt.Stage`.
    Stage,
    /// `evt.WhitelistReason`.
    WhitelistReason,
    /// `evt.StrTime`.
    StrTime,
    /// `evt.StrTimeFormat`.
    StrTimeFormat,
    /// `evt.MarshaledTime`.
    MarshaledTime,
}

const TEXT_FIELDS: usize = 8;

/// One value that has no slot because nothing compiled names its field.
#[derive(Debug, Clone)]
struct Extra {
    map: FieldMap,
    name: Box<[u8]>,
    value: Span,
}

/// The origin of the last line, which stays at the beginning of the buffer: the next line is
/// nearly always of the same one.
#[derive(Debug, Clone, Default)]
struct Head {
    origin: Option<Origin>,
    /// Bytes of the buffer that are the origin's.
    len: usize,
    src: Span,
    module: Span,
    labels: Vec<(Label, Span)>,
}

/// Where a label goes.
#[derive(Debug, Clone)]
enum Label {
    Slot(Slot),
    /// Its place among the origin's labels.
    Named(usize),
}

/// One event. Made once per worker and reused: [`Event::reset`] keeps the memory.
#[derive(Debug, Clone)]
pub struct Event {
    schema: Arc<Schema>,
    /// Every text of the event, appended and never moved.
    buf: Vec<u8>,
    /// By slot.
    spans: Vec<Span>,
    /// Slots that were set since the last reset, each once.
    touched: Vec<Slot>,
    extras: Vec<Extra>,
    texts: [Span; TEXT_FIELDS],
    tree: Option<Box<TreeMap>>,
    truncated: bool,
    n_writes: u32,
    head: Head,
    /// What the event is.
    pub kind: EventKind,
    /// Which clock CrowdSec would use.
    pub mode: ExpectMode,
    /// Set by the first whitelist that matches.
    pub whitelisted: bool,
    /// `evt.Process`.
    pub process: bool,
    /// `evt.Time`.
    pub time: Time,
    /// `evt.Line.Time`: when the line was read. Not used by detection.
    pub arrival_time: Time,
    /// Where the line stands in its input.
    pub position: Position,
    /// Filled for [`EventKind::Overflow`] only.
    pub overflow: Option<Arc<Overflow>>,
}

impl Event {
    /// Most bytes that one event may hold, raw line included. What would go past is cut, and
    /// [`Event::is_truncated`] says so.
    pub const BYTES_MAX: usize = 4 << 20;
    /// Most fields without a slot. Further ones are dropped, and [`Event::is_truncated`] says so.
    pub const EXTRAS_MAX: usize = 1024;

    /// An empty event of a schema.
    #[must_use]
    pub fn new(schema: Arc<Schema>) -> Self {
        let spans = vec![Span::ABSENT; schema.len()];
        Self {
            schema,
            buf: Vec::new(),
            spans,
            touched: Vec::new(),
            extras: Vec::new(),
            texts: [Span::EMPTY; TEXT_FIELDS],
            tree: None,
            truncated: false,
            n_writes: 0,
            head: Head::default(),
            kind: EventKind::Log,
            mode: ExpectMode::Live,
            whitelisted: false,
            process: false,
            time: Time::ZERO,
            arrival_time: Time::ZERO,
            position: Position::default(),
            overflow: None,
        }
    }

    /// Empties the event; its memory is kept.
    pub fn reset(&mut self) {
        for slot in self.touched.drain(..) {
            if let Some(span) = self.spans.get_mut(slot.index()) {
                *span = Span::ABSENT;
            }
        }
        self.buf.truncate(self.head.len);
        self.extras.clear();
        self.texts = [Span::EMPTY; TEXT_FIELDS];
        self.tree = None;
        self.truncated = false;
        self.kind = EventKind::Log;
        self.mode = ExpectMode::Live;
        self.whitelisted = false;
        self.process = false;
        self.time = Time::ZERO;
        self.arrival_time = Time::ZERO;
        self.position = Position::default();
        self.overflow = None;
    }

    /// Empties the event and begins a log line of `origin`.
    pub fn begin_line(&mut self, origin: &Origin, raw: &[u8], position: Position) {
        self.reset();
        self.position = position;
        self.process = true;
        if self.head.origin.as_ref() != Some(origin) {
            self.set_head(origin);
        }
        self.set_text(TextField::LineRaw, raw);
        self.set_text_span(TextField::LineSrc, self.head.src);
        self.set_text_span(TextField::LineModule, self.head.module);
        for at in 0..self.head.labels.len() {
            match self.head.labels.get(at) {
                Some((Label::Slot(slot), value)) => self.set_span(*slot, *value),
                Some((Label::Named(at), _)) => {
                    if let Some((name, value)) = origin.labels.get(*at) {
                        self.set_named(FieldMap::Labels, name.as_bytes(), value.as_bytes());
                    }
                }
                None => {}
            }
        }
    }

    /// Puts an origin at the beginning of the buffer, which must be empty but for another one.
    fn set_head(&mut self, origin: &Origin) {
        self.buf.clear();
        let src = self.append(origin.src.as_bytes());
        let module = self.append(origin.module.as_bytes());
        let mut labels = Vec::with_capacity(origin.labels.len());
        for (at, (name, value)) in origin.labels.iter().enumerate() {
            let slot = self.schema.slot(FieldMap::Labels, name.as_bytes());
            labels.push(match slot {
                Some(slot) => (Label::Slot(slot), self.append(value.as_bytes())),
                None => (Label::Named(at), Span::EMPTY),
            });
        }
        self.head = Head {
            len: self.buf.len(),
            origin: Some(origin.clone()),
            src,
            module,
            labels,
        };
    }

    /// The schema its slots belong to.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Whether something was cut because the event grew past its limits.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Copies bytes into the event's buffer.
    #[inline]
    pub fn append(&mut self, bytes: &[u8]) -> Span {
        let room = Self::BYTES_MAX.saturating_sub(self.buf.len());
        let bytes = match bytes.get(..room) {
            Some(head) if bytes.len() > room => {
                self.truncated = true;
                head
            }
            _ => bytes,
        };
        let span = Span {
            start: as_u32(self.buf.len()),
            len: as_u32(bytes.len()),
        };
        self.buf.extend_from_slice(bytes);
        span
    }

    /// The bytes of a span; empty for [`Span::ABSENT`] and for a span of another event.
    #[inline]
    #[must_use]
    pub fn bytes(&self, span: Span) -> &[u8] {
        let (texts, start) = match span.start.checked_sub(Span::CONSTANTS) {
            None => (self.buf.as_slice(), span.start),
            Some(start) => (self.schema.constants(), start),
        };
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let len = usize::try_from(span.len).unwrap_or(0);
        start
            .checked_add(len)
            .and_then(|end| texts.get(start..end))
            .unwrap_or_default()
    }

    /// Bytes that its buffer holds.
    #[inline]
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        self.buf.len()
    }

    /// A field's value; `None` when its map has no such key.
    #[inline]
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&[u8]> {
        let span = self.span(slot);
        span.is_present().then(|| self.bytes(span))
    }

    /// A field's value; a missing key reads as the empty string.
    #[inline]
    #[must_use]
    pub fn text_of(&self, slot: Slot) -> &[u8] {
        self.bytes(self.span(slot))
    }

    /// A field's span.
    #[inline]
    #[must_use]
    pub fn span(&self, slot: Slot) -> Span {
        self.spans
            .get(slot.index())
            .copied()
            .unwrap_or(Span::ABSENT)
    }

    /// Sets a field to bytes that are copied into the buffer.
    #[inline]
    pub fn set(&mut self, slot: Slot, value: &[u8]) {
        let span = self.append(value);
        self.set_span(slot, span);
    }

    /// Sets a field to a piece of the buffer, usually another field's span.
    #[inline]
    pub fn set_span(&mut self, slot: Slot, span: Span) {
        self.n_writes = self.n_writes.wrapping_add(1);
        if let Some(place) = self.spans.get_mut(slot.index()) {
            if !place.is_present() {
                self.touched.push(slot);
            }
            *place = if span.is_present() { span } else { Span::EMPTY };
        }
    }

    /// A field by name, for names known only at run time.
    #[must_use]
    pub fn get_named(&self, map: FieldMap, name: &[u8]) -> Option<&[u8]> {
        if let Some(slot) = self.schema.slot(map, name) {
            return self.get(slot);
        }
        let extra = self
            .extras
            .iter()
            .find(|extra| extra.map == map && *extra.name == *name)?;
        Some(self.bytes(extra.value))
    }

    /// Sets a field by name, for names known only at run time.
    pub fn set_named(&mut self, map: FieldMap, name: &[u8], value: &[u8]) {
        let span = self.append(value);
        self.n_writes = self.n_writes.wrapping_add(1);
        if let Some(slot) = self.schema.slot(map, name) {
            self.set_span(slot, span);
        } else if let Some(extra) = self
            .extras
            .iter_mut()
            .find(|extra| extra.map == map && *extra.name == *name)
        {
            extra.value = span;
        } else if self.extras.len() < Self::EXTRAS_MAX {
            self.extras.push(Extra {
                map,
                name: name.into(),
                value: span,
            });
        } else {
            self.truncated = true;
        }
    }

    /// All fields of a map that are present, in byte order of their names.
    #[must_use]
    pub fn fields(&self, map: FieldMap) -> Vec<(&[u8], &[u8])> {
        let mut slots: Vec<Slot> = self
            .touched
            .iter()
            .copied()
            .filter(|slot| self.schema.map(*slot) == map)
            .collect();
        slots.sort_unstable_by_key(|slot| self.schema.rank(*slot));
        let mut fields: Vec<(&[u8], &[u8])> = slots
            .into_iter()
            .map(|slot| (self.schema.name(slot).as_bytes(), self.text_of(slot)))
            .collect();
        let n_slots = fields.len();
        fields.extend(
            self.extras
                .iter()
                .filter(|extra| extra.map == map)
                .map(|extra| (&*extra.name, self.bytes(extra.value))),
        );
        if fields.len() > n_slots {
            fields.sort_unstable();
        }
        fields
    }

    /// Slots that have a value, in the order in which they were first set.
    #[must_use]
    pub fn present(&self) -> &[Slot] {
        &self.touched
    }

    /// Fields without a slot: map, name, value, in the order in which they were first set.
    pub fn extras(&self) -> impl Iterator<Item = (FieldMap, &[u8], &[u8])> {
        self.extras
            .iter()
            .map(|extra| (extra.map, &*extra.name, self.bytes(extra.value)))
    }

    /// One of the texts outside the maps.
    #[inline]
    #[must_use]
    pub fn text(&self, field: TextField) -> &[u8] {
        self.bytes(self.text_span(field))
    }

    /// The span of one of the texts outside the maps.
    #[inline]
    #[must_use]
    pub fn text_span(&self, field: TextField) -> Span {
        self.texts[field as usize]
    }

    /// Sets one of the texts outside the maps.
    #[inline]
    pub fn set_text(&mut self, field: TextField, value: &[u8]) {
        let span = self.append(value);
        self.set_text_span(field, span);
    }

    /// Sets one of the texts outside the maps to a piece of the buffer.
    #[inline]
    pub fn set_text_span(&mut self, field: TextField, span: Span) {
        self.n_writes = self.n_writes.wrapping_add(1);
        self.texts[field as usize] = if span.is_present() { span } else { Span::EMPTY };
    }

    /// Changes with every write to a field, a text or the tree: whoever remembers something about
    /// the event sees by it whether that still holds. Wraps; only good for comparing.
    #[inline]
    #[must_use]
    pub fn n_writes(&self) -> u32 {
        self.n_writes
    }

    /// The raw line.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        self.text(TextField::LineRaw)
    }

    /// `evt.Unmarshaled[key]`; `None` when absent (nil to expressions).
    #[must_use]
    pub fn unmarshaled(&self, key: &[u8]) -> Option<&Tree> {
        self.tree.as_ref()?.get(key)
    }

    /// All of `evt.Unmarshaled`, or `None` when nothing was put there.
    #[must_use]
    pub fn tree(&self) -> Option<&TreeMap> {
        self.tree.as_deref()
    }

    /// `evt.Unmarshaled` for writing.
    pub fn tree_mut(&mut self) -> &mut TreeMap {
        self.n_writes = self.n_writes.wrapping_add(1);
        self.tree.get_or_insert_with(Box::default)
    }

    /// `evt.GetMeta(key)` (`pkg/pipeline/event.go`): a log's own meta, an overflow's first
    /// non-empty value over the events of all its alerts, `""` otherwise.
    #[must_use]
    pub fn get_meta(&self, key: &[u8]) -> &[u8] {
        match self.kind {
            EventKind::Log => self.get_named(FieldMap::Meta, key).unwrap_or_default(),
            EventKind::Overflow => self
                .overflow
                .iter()
                .flat_map(|overflow| &overflow.alerts)
                .flat_map(|alert| alert.events.iter())
                .flat_map(|event| &event.meta)
                .find(|item| item.key.as_bytes() == key && !item.value.is_empty())
                .map_or(&[], |item| item.value.as_bytes()),
            EventKind::Appsec => &[],
        }
    }
}

/// Buffers are far below 4 GiB ([`Event::BYTES_MAX`]).
fn as_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX - 1)
}

#[cfg(test)]
mod tests;
