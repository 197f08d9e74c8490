//! Pours sorted by the worker that owns them, while they are made.

use overspill_bucket::{Key, owner};

use crate::batch::{PourBatch, PourHead};

/// One batch for each worker of the job.
#[derive(Debug)]
pub struct Outgoing {
    slots: Vec<Slot>,
    /// Number of the event at hand.
    event: u64,
}

/// What goes to one worker.
#[derive(Debug, Default)]
struct Slot {
    batch: PourBatch,
    /// The event whose payload it took last, and where that stands.
    event: u64,
    place: (u32, u32),
}

impl Outgoing {
    /// Batches for so many workers, at least one.
    #[must_use]
    pub fn new(peers: usize) -> Self {
        Self {
            slots: (0..peers.max(1)).map(|_| Slot::default()).collect(),
            event: 0,
        }
    }

    /// The records that follow have another payload than those before. To be called first, and
    /// again when batches were taken away.
    pub fn begin_event(&mut self) {
        self.event += 1;
    }

    /// Appends a record to the batch of its owner, with the payload of the event unless that is
    /// there already; answers who the owner is.
    pub fn push(&mut self, head: &PourHead, payload: &[u8]) -> usize {
        let worker = owner(Key(head.key), self.slots.len());
        let Some(slot) = self.slots.get_mut(worker) else {
            unreachable!("an owner is below the number of workers")
        };
        if slot.event != self.event {
            slot.event = self.event;
            slot.place = slot.batch.add_payload(payload);
        }
        let (start, len) = slot.place;
        slot.batch.push(PourHead {
            start,
            len,
            ..*head
        });
        worker
    }

    /// The batch of a worker.
    pub fn batch(&mut self, worker: usize) -> &mut PourBatch {
        match self.slots.get_mut(worker) {
            Some(slot) => &mut slot.batch,
            None => unreachable!("there is a batch for every worker"),
        }
    }

    /// Takes the batches that are not empty; each knows its owner.
    pub fn take(&mut self) -> Vec<PourBatch> {
        self.event += 1;
        let mut batches = Vec::with_capacity(self.slots.len());
        for (worker, slot) in self.slots.iter_mut().enumerate() {
            if !slot.batch.is_empty() {
                let next = slot.batch.with_same_room();
                let mut batch = std::mem::replace(&mut slot.batch, next);
                batch.owner = Some(worker);
                batches.push(batch);
            }
        }
        batches
    }
}
