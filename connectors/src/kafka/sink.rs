//! A topic that records are written to, each once, in transactions.
//!
//! Each call of [`RecordSink::write`] is a transaction. A writer that begins ends those of the writer before it of the
//! same name, which can write no more; then what is committed is read from the place of the checkpoint on. Readers
//! have to read committed records only (`isolation.level=read_committed`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer,
};
use rdkafka::{Offset, TopicPartitionList};

use super::client::set_access;
use super::config::Access;
use crate::sink::{From, Pending, Place, Record, RecordSink, SinkError};
use crate::source::Backoff;

/// How long one call of the client library may take.
const CALL: Duration = Duration::from_secs(10);
/// How long the brokers may be away when a writer begins.
const BEGIN_WAIT: Duration = Duration::from_secs(60);
/// How long what is there may take to be read.
const READ_WAIT: Duration = Duration::from_secs(300);
/// Records that the client library holds.
const QUEUE_RECORDS: &str = "100000";

/// A topic to write to.
#[derive(Debug, Clone)]
pub struct TopicSinkConfig {
    /// Brokers to begin with, as `host:port`; they name the others.
    pub brokers: Vec<String>,
    /// The topic, which exists.
    pub topic: String,
    /// Name of the writer: one at a time writes under it.
    pub writer: String,
    /// How brokers let us in.
    pub access: Access,
}

/// Hears why brokers cannot be spoken to, which calls that wait do not say.
#[derive(Debug, Default)]
struct Trouble(Mutex<Option<(KafkaError, String)>>);

impl Trouble {
    /// The latest reason; and whether it is that brokers do not let us in, or we do not trust them.
    fn last(&self) -> Option<(bool, String)> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (error, reason) = last.as_ref()?;
        let is_refusal = matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::Authentication
                    | RDKafkaErrorCode::SaslAuthenticationFailed
                    | RDKafkaErrorCode::SSL
            )
        );
        // A certificate of ours that is not accepted is told as a broken connection, with OpenSSL's word for it.
        Some((is_refusal || reason.contains(" alert "), reason.clone()))
    }

    fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl ClientContext for Trouble {
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _text: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // That all brokers are away is said after why they are.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *last = Some((error, reason.to_owned()));
        }
    }
}

impl ProducerContext for Trouble {
    type DeliveryOpaque = ();

    fn delivery(&self, _result: &DeliveryResult<'_>, (): ()) {}
}

/// Writes to a topic.
pub struct TopicSink {
    config: TopicSinkConfig,
    name: String,
    /// A thread of it hears what became of records, which its calls wait for.
    producer: ThreadedProducer<Trouble>,
    /// Tells the ends of partitions. One that writes would tell where what is committed ends, which may be short of
    /// what it has just committed.
    watcher: Option<BaseConsumer>,
    n_partitions: usize,
    /// Set when the job ends.
    halt: Arc<AtomicBool>,
}

impl std::fmt::Debug for TopicSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TopicSink").field(&self.name).finish()
    }
}

impl TopicSink {
    /// A writer, which takes over the name from another one at [`RecordSink::recover`]. `halt` ends waiting for brokers.
    ///
    /// # Errors
    /// [`SinkError::Topic`] when the configuration is wrong.
    pub fn new(config: TopicSinkConfig, halt: Arc<AtomicBool>) -> Result<Self, SinkError> {
        let mut settings = client(&config);
        settings
            .set("transactional.id", &config.writer)
            .set("queue.buffering.max.messages", QUEUE_RECORDS)
            .set("linger.ms", "1")
            .set("compression.type", "zstd");
        let producer = settings
            .create_with_context(Trouble::default())
            .map_err(|error: KafkaError| failed(&config, "set up the client library", &error))?;
        Ok(Self {
            name: format!("topic:{}", config.topic),
            config,
            producer,
            watcher: None,
            n_partitions: 0,
            halt,
        })
    }

    fn failed(&self, what: &'static str, error: &KafkaError) -> SinkError {
        if is_superseded(error) {
            return SinkError::Superseded {
                topic: self.config.topic.clone(),
                writer: self.config.writer.clone(),
            };
        }
        let mut failed = failed(&self.config, what, error);
        if let SinkError::Topic { reason, .. } = &mut failed
            && let Some((_, why)) = self.producer.context().last()
        {
            *reason = format!("{reason}: {why}");
        }
        failed
    }

    /// Does something again and again until it succeeds, cannot succeed any more, or takes too long.
    fn insist<T>(
        &self,
        what: &'static str,
        wait: Option<Duration>,
        mut act: impl FnMut() -> Result<T, KafkaError>,
    ) -> Result<T, SinkError> {
        let until = wait.map(|wait| Instant::now() + wait);
        let mut backoff = Backoff::default();
        loop {
            let error = match act() {
                Ok(done) => {
                    self.producer.context().forget();
                    return Ok(done);
                }
                Err(error) => error,
            };
            let is_late = until.is_some_and(|until| Instant::now() >= until);
            // A job that runs waits until it is let in again; one that begins says so at once.
            let is_refused = until.is_some()
                && self
                    .producer
                    .context()
                    .last()
                    .is_some_and(|(is_refused, _)| is_refused);
            if is_hopeless(&error) || is_late || is_refused {
                return Err(self.failed(what, &error));
            }
            if self.halt.load(Ordering::SeqCst) {
                return Err(SinkError::Ended {
                    topic: self.config.topic.clone(),
                });
            }
            std::thread::sleep(backoff.pause().min(Duration::from_secs(1)));
        }
    }

    /// One transaction, tried once.
    fn transact(&self, records: &[Record]) -> Result<(), KafkaError> {
        self.producer.begin_transaction()?;
        for record in records {
            let mut next = BaseRecord::to(&self.config.topic)
                .key(&record.key)
                .payload(&record.line);
            loop {
                match self.producer.send(next) {
                    Ok(()) => break,
                    Err((error, back)) if is_full(&error) => {
                        std::thread::sleep(Duration::from_millis(5));
                        next = back;
                    }
                    Err((error, _)) => return Err(error),
                }
            }
        }
        self.commit()
    }

    /// Ends a transaction. One whose end is not known is asked for again, which is what the library wants.
    fn commit(&self) -> Result<(), KafkaError> {
        loop {
            match self.producer.commit_transaction(CALL) {
                Err(KafkaError::Transaction(error))
                    if error.is_retriable()
                        && !error.txn_requires_abort()
                        && !self.halt.load(Ordering::SeqCst) => {}
                ended => return ended,
            }
        }
    }

    /// The ends of all partitions.
    fn ends(&self) -> Result<Place, SinkError> {
        let Some(watcher) = &self.watcher else {
            return Ok(Place::new());
        };
        let topic = &self.config.topic;
        (0..self.n_partitions)
            .map(|partition| {
                let partition = i32::try_from(partition).unwrap_or(i32::MAX);
                let (_, end) = self.insist("look for its end", Some(BEGIN_WAIT), || {
                    watcher.fetch_watermarks(topic, partition, CALL)
                })?;
                Ok(u64::try_from(end).unwrap_or(0))
            })
            .collect()
    }

    /// Gives what is committed after these offsets.
    fn read(&self, from: &Place, each: &mut dyn FnMut(&[u8])) -> Result<(), KafkaError> {
        let consumer: BaseConsumer = client(&self.config)
            .set("group.id", &self.config.writer)
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", "read_committed")
            // What a broker has deleted meanwhile is not ours to change any more.
            .set("auto.offset.reset", "smallest")
            .create()?;
        let mut list = TopicPartitionList::new();
        for partition in 0..self.n_partitions {
            let offset = from.get(partition).copied().unwrap_or(0);
            let offset = Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
            let partition = i32::try_from(partition).unwrap_or(i32::MAX);
            list.add_partition_offset(&self.config.topic, partition, offset)?;
        }
        consumer.assign(&list)?;
        let mut open: Vec<bool> = vec![true; self.n_partitions];
        let until = Instant::now() + READ_WAIT;
        while open.contains(&true) {
            if Instant::now() >= until || self.halt.load(Ordering::SeqCst) {
                return Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::OperationTimedOut,
                ));
            }
            match consumer.poll(Duration::from_millis(100)) {
                None => {}
                Some(Ok(message)) => each(message.payload().unwrap_or_default()),
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    let at = usize::try_from(partition).unwrap_or(usize::MAX);
                    if let Some(is_open) = open.get_mut(at) {
                        *is_open = false;
                    }
                }
                Some(Err(error)) if is_hopeless(&error) => return Err(error),
                // It connects again by itself.
                Some(Err(_)) => {}
            }
        }
        Ok(())
    }
}

impl RecordSink for TopicSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn recover(&mut self, from: &From, each: &mut dyn FnMut(&[u8])) -> Result<(), SinkError> {
        self.insist("begin to write", Some(BEGIN_WAIT), || {
            self.producer.init_transactions(CALL)
        })?;
        let topic = &self.config.topic;
        self.n_partitions = self.insist("look for it", Some(BEGIN_WAIT), || {
            let metadata = self.producer.client().fetch_metadata(Some(topic), CALL)?;
            let found = metadata.topics().iter().find(|found| found.name() == topic);
            match found.map(|found| found.partitions().len()) {
                None | Some(0) => Err(KafkaError::MetadataFetch(
                    RDKafkaErrorCode::UnknownTopicOrPartition,
                )),
                Some(n) => Ok(n),
            }
        })?;
        let watcher = client(&self.config)
            .set("group.id", &self.config.writer)
            .set("isolation.level", "read_uncommitted")
            .create();
        self.watcher = Some(watcher.map_err(|error| self.failed("set up a reader", &error))?);
        let begin = match from {
            From::Beginning => Place::new(),
            From::Place(place) => place.clone(),
            From::End => return Ok(()),
        };
        self.read(&begin, each)
            .map_err(|error| self.failed("read what is there", &error))
    }

    fn write(&mut self, records: &[Record]) -> Result<(), SinkError> {
        if records.is_empty() {
            return Ok(());
        }
        self.insist("write", None, || {
            let error = match self.transact(records) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if !is_hopeless(&error) {
                // None of it is there then.
                self.producer.abort_transaction(CALL)?;
            }
            Err(error)
        })
    }

    fn place_soon(&mut self) -> Result<(Place, Option<Pending>), SinkError> {
        // What a transaction has committed cannot be lost.
        Ok((self.ends()?, None))
    }
}

fn client(config: &TopicSinkConfig) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", config.brokers.join(","))
        .set("client.id", "overspill")
        .set("log.connection.close", "false")
        .set("allow.auto.create.topics", "false")
        .set("reconnect.backoff.ms", "100")
        .set("reconnect.backoff.max.ms", "2000");
    set_access(&config.access, &mut settings);
    settings
}

fn failed(config: &TopicSinkConfig, what: &'static str, error: &KafkaError) -> SinkError {
    SinkError::Topic {
        topic: config.topic.clone(),
        what,
        reason: error.to_string(),
    }
}

fn is_full(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull)
}

fn is_superseded(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::Fenced
                | RDKafkaErrorCode::ProducerFenced
                | RDKafkaErrorCode::InvalidProducerEpoch
        )
    )
}

/// Whether trying again would be in vain.
fn is_hopeless(error: &KafkaError) -> bool {
    let is_fatal = match error {
        KafkaError::Transaction(error) => error.is_fatal(),
        _ => false,
    };
    let refuses = matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::TransactionalIdAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::MessageSizeTooLarge
        )
    );
    is_fatal || refuses || is_superseded(error)
}
