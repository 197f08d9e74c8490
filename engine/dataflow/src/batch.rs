//! The container that crosses the exchange: fixed headers and one heap of bytes.
//!
//! A record is a [`PourHead`] of 88 bytes whose payload (the encoded event) lies in the batch's
//! heap; pours of one event into several buckets share one payload when they go to the same
//! worker. So a batch is two allocations however many records it holds, and serialising it is two
//! copies. A vector of structs with strings costs 7 to 36 times as much per record, a map per
//! event 57 to 150 times (`docs/adr/0006-own-record-container.md`).
//!
//! ```text
//! wire form, little endian, length a multiple of 8:
//! | n_heads: u64 | heap_len: u64 | n_heads x 88 bytes | heap | zeros |
//! ```

use timely::Accountable;
use timely::communication::Push;
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::channels::{ContainerBytes, Message};
use timely::progress::Stamp;
use timely_bytes::arc::Bytes;

use crate::outgoing::Outgoing;

/// Flag: the pour cancels its bucket.
pub const CANCELS: u32 = 1;
/// Flag: `distinct` holds a value.
pub const HAS_DISTINCT: u32 = 2;
/// Flag: `time_ns` holds the event's own time.
pub const HAS_TIME: u32 = 4;

const HEAD_BYTES: usize = 88;
/// Records in a batch before it is sent.
pub const BATCH_RECORDS: usize = 512;

/// One pour on its way to its bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PourHead {
    /// Keyed hash of (filter, group, scenario name); also routes.
    pub key: [u64; 2],
    /// Keyed hash of the `distinct` value, when [`HAS_DISTINCT`].
    pub distinct: [u64; 2],
    /// Effective time, which orders the pour.
    pub eff_ns: i64,
    /// The event's own time, when [`HAS_TIME`].
    pub time_ns: i64,
    /// Offset of the line in its partition.
    pub offset: u64,
    /// Partition of the line.
    pub partition: u32,
    /// Rank of the pour within its event.
    pub seq: u32,
    /// The pouring scenario.
    pub scenario: u32,
    /// Zone of the event's own time, seconds east of UTC.
    pub zone_secs: i32,
    /// First payload byte in the heap.
    pub start: u32,
    /// Payload length.
    pub len: u32,
    /// [`CANCELS`], [`HAS_DISTINCT`], [`HAS_TIME`].
    pub flags: u32,
    /// Fills the record to a multiple of 8 bytes.
    pub reserved: u32,
}

impl PourHead {
    fn write(&self, out: &mut Vec<u8>) {
        for word in self.key.iter().chain(&self.distinct) {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&self.eff_ns.to_le_bytes());
        out.extend_from_slice(&self.time_ns.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.partition.to_le_bytes());
        out.extend_from_slice(&self.seq.to_le_bytes());
        out.extend_from_slice(&self.scenario.to_le_bytes());
        out.extend_from_slice(&self.zone_secs.to_le_bytes());
        for word in [self.start, self.len, self.flags, self.reserved] {
            out.extend_from_slice(&word.to_le_bytes());
        }
    }

    fn read(bytes: &[u8]) -> Self {
        let long = |at: usize| read_u64(bytes, at);
        let word = |at: usize| read_u32(bytes, at);
        Self {
            key: [long(0), long(8)],
            distinct: [long(16), long(24)],
            eff_ns: long(32).cast_signed(),
            time_ns: long(40).cast_signed(),
            offset: long(48),
            partition: word(56),
            seq: word(60),
            scenario: word(64),
            zone_secs: word(68).cast_signed(),
            start: word(72),
            len: word(76),
            flags: word(80),
            reserved: word(84),
        }
    }
}

fn read_u64(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 8)
        .and_then(|piece| piece.try_into().ok())
        .map_or(0, u64::from_le_bytes)
}

fn read_u32(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|piece| piece.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}

/// A batch of pours.
#[derive(Debug, Clone, Default)]
pub struct PourBatch {
    pub(crate) heads: Vec<PourHead>,
    heap: Heap,
    /// The worker that owns all of its keys, where that is known. It does not cross the wire: who
    /// receives a batch is that worker.
    pub(crate) owner: Option<usize>,
}

/// Payload bytes: our own, or a piece of a received message.
enum Heap {
    Own(Vec<u8>),
    Wire {
        bytes: Bytes,
        start: usize,
        len: usize,
    },
}

impl Default for Heap {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

impl Clone for Heap {
    fn clone(&self) -> Self {
        Self::Own(self.bytes().to_vec())
    }
}

impl std::fmt::Debug for Heap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Heap({} bytes)", self.bytes().len())
    }
}

impl Heap {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Wire { bytes, start, len } => bytes
                .get(*start..start.saturating_add(*len))
                .unwrap_or_default(),
        }
    }
}

impl PourBatch {
    /// The records.
    #[must_use]
    pub fn heads(&self) -> &[PourHead] {
        &self.heads
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The payload of a record of this batch.
    #[must_use]
    pub fn payload(&self, head: &PourHead) -> &[u8] {
        let start = usize::try_from(head.start).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(head.len).unwrap_or(0));
        self.heap.bytes().get(start..end).unwrap_or_default()
    }

    /// An empty batch with room for what this one holds: one like it may follow.
    pub(crate) fn with_same_room(&self) -> Self {
        Self {
            heads: Vec::with_capacity(self.heads.len()),
            heap: Heap::Own(Vec::with_capacity(self.heap.bytes().len())),
            owner: None,
        }
    }

    /// Bytes of records and payloads.
    pub(crate) fn n_bytes(&self) -> usize {
        self.heads.len() * HEAD_BYTES + self.heap.bytes().len()
    }

    /// Appends a payload and answers where it stands, for [`PourBatch::push`].
    pub fn add_payload(&mut self, payload: &[u8]) -> (u32, u32) {
        let heap = self.own_heap();
        let start = u32::try_from(heap.len()).unwrap_or(u32::MAX);
        heap.extend_from_slice(payload);
        (start, u32::try_from(payload.len()).unwrap_or(u32::MAX))
    }

    /// Appends a record whose payload was added before.
    pub fn push(&mut self, head: PourHead) {
        self.heads.push(head);
    }

    /// Whether the batch should be sent.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.heads.len() >= BATCH_RECORDS || self.heap.bytes().len() >= (1 << 20)
    }

    /// Empties the batch; its memory is kept where it is ours.
    pub fn clear(&mut self) {
        self.owner = None;
        self.heads.clear();
        match &mut self.heap {
            Heap::Own(bytes) => bytes.clear(),
            wire @ Heap::Wire { .. } => *wire = Heap::default(),
        }
    }

    fn own_heap(&mut self) -> &mut Vec<u8> {
        if let Heap::Wire { .. } = self.heap {
            self.heap = Heap::Own(self.heap.bytes().to_vec());
        }
        match &mut self.heap {
            Heap::Own(bytes) => bytes,
            Heap::Wire { .. } => unreachable!("the heap was made our own just above"),
        }
    }
}

impl Accountable for PourBatch {
    fn record_count(&self) -> i64 {
        i64::try_from(self.heads.len()).unwrap_or(i64::MAX)
    }
}

impl ContainerBytes for PourBatch {
    fn from_bytes(bytes: Bytes) -> Self {
        let n_heads = usize::try_from(read_u64(&bytes, 0)).unwrap_or(0);
        let heap_len = usize::try_from(read_u64(&bytes, 8)).unwrap_or(0);
        let heads_end = n_heads.saturating_mul(HEAD_BYTES).saturating_add(16);
        let heads = bytes
            .get(16..heads_end)
            .unwrap_or_default()
            .chunks_exact(HEAD_BYTES)
            .map(PourHead::read)
            .collect();
        Self {
            heads,
            heap: Heap::Wire {
                bytes,
                start: heads_end,
                len: heap_len,
            },
            owner: None,
        }
    }

    fn length_in_bytes(&self) -> usize {
        16 + self.heads.len() * HEAD_BYTES + self.heap.bytes().len().next_multiple_of(8)
    }

    fn into_bytes<W: std::io::Write>(&self, writer: &mut W) {
        let heap = self.heap.bytes();
        let mut bytes = Vec::with_capacity(self.length_in_bytes());
        bytes.extend_from_slice(&u64::try_from(self.heads.len()).unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(&u64::try_from(heap.len()).unwrap_or(0).to_le_bytes());
        for head in &self.heads {
            head.write(&mut bytes);
        }
        bytes.extend_from_slice(heap);
        bytes.resize(self.length_in_bytes(), 0);
        if let Err(error) = writer.write_all(&bytes) {
            // The writer is timely's own buffer of exactly `length_in_bytes`.
            unreachable!("write to the exchange buffer: {error}");
        }
    }
}

/// Sends each pour to the worker that owns its key group.
///
/// Batches that were sorted when they were made ([`Outgoing`]) go on whole.
#[derive(Debug)]
pub struct PourDistributor {
    outgoing: Outgoing,
}

impl PourDistributor {
    /// A distributor for `peers` workers.
    #[must_use]
    pub fn new(peers: usize) -> Self {
        Self {
            outgoing: Outgoing::new(peers),
        }
    }
}

impl Distributor<PourBatch> for PourDistributor {
    fn partition<T: Clone, P: Push<Message<T, PourBatch>>>(
        &mut self,
        container: &mut PourBatch,
        stamp: &Stamp<T>,
        pushers: &mut [P],
    ) {
        if let Some(pusher) = container.owner.and_then(|owner| pushers.get_mut(owner)) {
            Message::push_at(container, stamp.clone(), pusher);
            return;
        }
        let mut last = None;
        for head in container.heads() {
            if last.replace((head.start, head.len)) != Some((head.start, head.len)) {
                self.outgoing.begin_event();
            }
            let worker = self.outgoing.push(head, container.payload(head));
            let batch = self.outgoing.batch(worker);
            if batch.is_full()
                && let Some(pusher) = pushers.get_mut(worker)
            {
                Message::push_at(batch, stamp.clone(), pusher);
                batch.clear();
                self.outgoing.begin_event();
            }
        }
    }

    fn flush<T: Clone, P: Push<Message<T, PourBatch>>>(
        &mut self,
        stamp: &Stamp<T>,
        pushers: &mut [P],
    ) {
        for (worker, pusher) in pushers.iter_mut().enumerate() {
            let batch = self.outgoing.batch(worker);
            if !batch.is_empty() {
                Message::push_at(batch, stamp.clone(), pusher);
                batch.clear();
            }
        }
    }
}
