//! Messages of several senders, gathered into a batch.

use std::collections::HashMap;
use std::sync::Arc;

use overspill_event::{LineBatch, Origin};

use super::message;
use crate::lines::BATCH_BYTES;
use crate::once::count_lines;
use crate::source::{Batch, Count, Counters, PartitionId, Run};

/// Senders whose origins are kept; beyond that all are made anew.
const ORIGINS_MAX: usize = 4_096;

/// Makes lines of messages.
#[derive(Debug)]
pub(super) struct Gather {
    origin: Origin,
    is_parsed: bool,
    origins: HashMap<Box<[u8]>, Arc<Origin>>,
    lines: LineBatch,
    times_ns: Vec<i64>,
    runs: Vec<Run>,
    sender: Vec<u8>,
    scratch: Vec<u8>,
}

impl Gather {
    pub(super) fn new(origin: Origin, is_parsed: bool) -> Self {
        Self {
            origin,
            is_parsed,
            origins: HashMap::new(),
            lines: LineBatch::default(),
            times_ns: Vec::new(),
            runs: Vec::new(),
            sender: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Adds a message; one that is none is counted.
    pub(super) fn add(
        &mut self,
        offset: u64,
        (sender, message, is_cut): (&[u8], &[u8], bool),
        time_ns: i64,
        counters: &Counters,
    ) {
        self.scratch.clear();
        if let Err(error) = message::line(message, self.is_parsed, time_ns, &mut self.scratch) {
            let text = format!("{error}: {}", String::from_utf8_lossy(message));
            counters.sample(Count::Refused, text);
            return;
        }
        if self.scratch.is_empty() {
            return;
        }
        if self.runs.is_empty() || self.sender != sender {
            self.sender.clear();
            self.sender.extend_from_slice(sender);
            let origin = self.origin_of(sender);
            self.runs.push(Run {
                first: self.lines.lines.len(),
                origin,
            });
        }
        self.lines.push(&self.scratch, offset, is_cut);
        self.times_ns.push(time_ns);
    }

    fn origin_of(&mut self, sender: &[u8]) -> Arc<Origin> {
        if let Some(origin) = self.origins.get(sender) {
            return Arc::clone(origin);
        }
        if self.origins.len() >= ORIGINS_MAX {
            self.origins.clear();
        }
        let origin = Arc::new(Origin {
            src: String::from_utf8_lossy(sender).into_owned(),
            ..self.origin.clone()
        });
        self.origins.insert(sender.into(), Arc::clone(&origin));
        origin
    }

    /// Whether a batch is full.
    pub(super) fn is_full(&self) -> bool {
        self.lines.data.len() >= BATCH_BYTES
    }

    /// What was gathered, if anything was.
    pub(super) fn batch(
        &mut self,
        context: &Arc<[u8]>,
        next_offset: u64,
        arrival_ns: i64,
        counters: &Counters,
    ) -> Option<Batch> {
        if self.lines.lines.is_empty() {
            return None;
        }
        count_lines(counters, &self.lines);
        Some(Batch {
            partition: PartitionId(0),
            lines: std::mem::take(&mut self.lines),
            context: Arc::clone(context),
            next_offset,
            arrival_ns,
            times_ns: std::mem::take(&mut self.times_ns),
            runs: std::mem::take(&mut self.runs),
        })
    }
}
