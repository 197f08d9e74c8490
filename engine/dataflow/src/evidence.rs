//! Events read back from what buckets kept of them, in memory that is used again.

use std::sync::Arc;

use overspill_bucket::Kept;
use overspill_event::{Event, Schema};

/// Read events that are remembered; conditions ask about the same queue again.
const CACHED_MAX: usize = 1_024;
/// Events of one queue whose memory is kept for the next one, and the most bytes they may have.
const SPARE_MAX: usize = 64;
const SPARE_BYTES_MAX: usize = 1 << 20;
/// Where the place of an event stands in its bytes, which tells events apart.
const PLACE_AT: std::ops::Range<usize> = 22..30;

/// Reads the events of one overflow after the other.
#[derive(Debug)]
pub(crate) struct Reader {
    schema: Arc<Schema>,
    events: Vec<Event>,
    n_bytes: usize,
}

impl Reader {
    pub(crate) fn new(schema: &Arc<Schema>) -> Self {
        Self {
            schema: Arc::clone(schema),
            events: Vec::new(),
            n_bytes: 0,
        }
    }

    /// The events of a queue, oldest first. The bytes are our own: one that cannot be read is a
    /// defect of ours, and is left out.
    pub(crate) fn read(&mut self, queue: &Kept) -> &mut [Event] {
        if self.n_bytes > SPARE_BYTES_MAX {
            self.events.clear();
        }
        self.events.truncate(SPARE_MAX);
        self.n_bytes = 0;
        let mut n = 0;
        for kept in queue.iter() {
            self.n_bytes += kept.len();
            if n == self.events.len() {
                self.events.push(Event::new(Arc::clone(&self.schema)));
            }
            n += usize::from(self.events[n].decode_again(kept).is_ok());
        }
        &mut self.events[..n]
    }
}

/// Remembers the events that were asked for last.
#[derive(Debug)]
pub(crate) struct Cache {
    schema: Arc<Schema>,
    /// By a hash of the event's place.
    entries: Vec<Option<Entry>>,
}

#[derive(Debug)]
struct Entry {
    kept: Vec<u8>,
    event: Arc<Event>,
}

impl Cache {
    pub(crate) fn new(schema: &Arc<Schema>) -> Self {
        Self {
            schema: Arc::clone(schema),
            entries: Vec::new(),
        }
    }

    /// The event of these bytes; `None` when they are none.
    pub(crate) fn event(&mut self, kept: &[u8]) -> Option<&Arc<Event>> {
        if self.entries.is_empty() {
            self.entries.resize_with(CACHED_MAX, || None);
        }
        let entry = self.entries.get_mut(slot_of(kept))?;
        let is_known = entry.as_ref().is_some_and(|entry| entry.kept == kept);
        if !is_known {
            *entry = read_again(entry.take(), &self.schema, kept);
        }
        entry.as_ref().map(|entry| &entry.event)
    }
}

/// An entry of these bytes in the memory of another one.
fn read_again(old: Option<Entry>, schema: &Arc<Schema>, kept: &[u8]) -> Option<Entry> {
    let is_small = |entry: &Entry| entry.kept.capacity() <= SPARE_BYTES_MAX / CACHED_MAX;
    let mut entry = old.filter(is_small).unwrap_or_else(|| Entry {
        kept: Vec::new(),
        event: Arc::new(Event::new(Arc::clone(schema))),
    });
    match Arc::get_mut(&mut entry.event) {
        Some(event) => event.decode_again(kept).ok()?,
        None => entry.event = Arc::new(Event::decode(schema, kept).ok()?),
    }
    entry.kept.clear();
    entry.kept.extend_from_slice(kept);
    Some(entry)
}

fn slot_of(kept: &[u8]) -> usize {
    let place = kept.get(PLACE_AT).and_then(|place| place.try_into().ok());
    let place = place.map_or(0, u64::from_le_bytes);
    // Its upper bits depend on all bits of the place.
    let hash = place.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(hash >> (u64::BITS - CACHED_MAX.ilog2())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use overspill_event::{FieldMap, Keep, Position, SchemaBuilder};

    use super::*;

    #[test]
    fn what_is_remembered_is_what_the_bytes_say() {
        let mut builder = SchemaBuilder::new();
        let user = builder.intern(FieldMap::Meta, "user").unwrap();
        let schema = builder.freeze();
        let mut cache = Cache::new(&schema);
        let mut held = Vec::new();
        for n in 0..20_000_u64 {
            // Places and values repeat, each in its own rhythm.
            let mut event = Event::new(Arc::clone(&schema));
            event.position = Position {
                partition: 0,
                offset: n * n % 3_001,
            };
            let value = vec![b'u'; usize::try_from(n % 7 * 400).unwrap()];
            event.set(user, &value);
            let mut kept = Vec::new();
            event.encode(&Keep::default(), &mut kept);
            let read = cache.event(&kept).unwrap();
            assert_eq!(read.text_of(user), value);
            assert_eq!(read.position, event.position);
            if n % 100 == 0 {
                held.push((Arc::clone(read), value));
            }
            assert!(cache.event(&kept[..kept.len() - 1]).is_none());
        }
        for (read, value) in held {
            assert_eq!(read.text_of(user), value);
        }
    }
}
