//! What comes to a topic from now on, for who keeps no position.

use std::sync::Arc;
use std::time::Duration;

use overspill_event::Origin;

use super::{Access, KafkaConfig, KafkaSource, Start};
use crate::source::{
    Batch, Begun, Counters, Left, LiveSource as _, Outlet, PartitionId, Position, Resume,
    SourceError, system_clock,
};

/// Reads the records that come to a topic after it was begun with. What was there before is not given, nor is anything given
/// again; a record is cut at 64 KiB. Brokers that are away are waited for.
#[derive(Debug)]
pub struct Newest {
    source: KafkaSource,
    records: Records,
}

/// Takes records as they come; `poll` gives them on before it takes more.
#[derive(Debug, Default)]
struct Records(Vec<Vec<u8>>);

impl Outlet for Records {
    fn begin(&mut self, _begun: Begun) {}

    fn has_room(&mut self, _partition: PartitionId) -> bool {
        true
    }

    fn give(&mut self, batch: Batch) {
        let lines = batch.lines.lines.iter();
        self.0
            .extend(lines.map(|line| batch.lines.bytes(line).to_vec()));
    }

    fn caught_up(&mut self, _partition: PartitionId, _as_of_ns: i64, _position: Position) {}

    fn end(&mut self, _partition: PartitionId, _left: Left) {}
}

impl Newest {
    /// Begins to read under a name for messages.
    ///
    /// # Errors
    /// As [`KafkaSource::new`].
    pub fn new(
        id: &str,
        brokers: Vec<String>,
        topic: &str,
        access: Access,
    ) -> Result<Self, SourceError> {
        let topics = vec![Arc::from(topic)];
        let mut config = KafkaConfig::new(id, brokers, topics, Origin::default());
        config.access = access;
        config.start = Start::Newest;
        Ok(Self {
            source: KafkaSource::new(config, Resume::First, system_clock())?,
            records: Records::default(),
        })
    }

    /// Gives what has come, and waits for it for a while if there is nothing.
    ///
    /// # Errors
    /// As [`crate::LiveSource::poll`].
    pub fn poll(&mut self, wait: Duration, each: &mut dyn FnMut(&[u8])) -> Result<(), SourceError> {
        self.source.poll(&mut self.records, wait)?;
        self.records.0.drain(..).for_each(|record| each(&record));
        Ok(())
    }

    /// Whether it has begun: what comes to the topic after that is given.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.source.has_begun()
    }

    /// What it counts.
    #[must_use]
    pub fn counters(&self) -> &Arc<Counters> {
        self.source.counters()
    }
}
