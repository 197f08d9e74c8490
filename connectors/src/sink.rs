//! Where records go, each once over all restarts.
//!
//! A sink writes records in order and can tell, after any crash, which of them are there. Whoever writes keeps a
//! [`Place`] in its checkpoints, and begins by asking what was written after it:
//!
//! ```text
//!  checkpoint: place P        crash                 next start
//!  ---------------|--- w w w w x                    recover(P) -> w w w w;  the torn end is gone
//! ```
//!
//! What a sink does not do is to know records that were written twice: [`RecordSink::recover`] is what that takes.

mod file;

use std::path::PathBuf;

pub use file::FileSink;

/// Up to where a sink is written: what it says itself, and understands.
pub type Place = Vec<u64>;

/// Something to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Records of one key stay in their order.
    pub key: String,
    /// What is written: one line of JSON, without its end.
    pub line: Vec<u8>,
}

/// From where records that are there may be ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// From the first on: there is no checkpoint.
    Beginning,
    /// After this place.
    Place(Place),
    /// None of what is there: the checkpoint does not know the sink.
    End,
}

/// Why records cannot be written, or not be read again.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// A file.
    #[error("{what} {}", path.display())]
    File {
        /// What was done.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// A topic.
    #[error("topic {topic}: {what}: {reason}")]
    Topic {
        /// Its name.
        topic: String,
        /// What was done.
        what: &'static str,
        /// Why it failed.
        reason: String,
    },
    /// A database.
    #[error("the database of the API: {what}: {reason}")]
    Database {
        /// What was done.
        what: &'static str,
        /// Why it failed.
        reason: String,
    },
    /// Somebody else writes under our name now.
    #[error("topic {topic}: another job writes as {writer:?} now")]
    Superseded {
        /// The topic.
        topic: String,
        /// The name.
        writer: String,
    },
    /// The job ends, and what was to be written was not.
    #[error("topic {topic}: the job ended before its records could be written")]
    Ended {
        /// The topic.
        topic: String,
    },
}

/// What is still to be done before what was written cannot be lost. It may take long.
pub struct Pending(Box<dyn FnOnce() -> Result<(), SinkError> + Send>);

impl Pending {
    /// This is to be done.
    pub fn new(work: impl FnOnce() -> Result<(), SinkError> + Send + 'static) -> Self {
        Self(Box::new(work))
    }

    /// Does it.
    ///
    /// # Errors
    /// [`SinkError`] when that fails; what was written may be lost then.
    pub fn finish(self) -> Result<(), SinkError> {
        (self.0)()
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pending").finish_non_exhaustive()
    }
}

/// A place that records go to. All calls may block; a thread that does nothing else makes them.
pub trait RecordSink: Send {
    /// Its name in checkpoints.
    fn name(&self) -> &str;

    /// Makes the sink ready, gives what was written after a place, in order for each key, and takes away what was
    /// written by halves. To be called once, before everything else.
    ///
    /// # Errors
    /// [`SinkError`] when it cannot be read; then it must not be written to.
    fn recover(&mut self, from: &From, each: &mut dyn FnMut(&[u8])) -> Result<(), SinkError>;

    /// Writes records: all of them, in their order, or none that [`RecordSink::recover`] would give.
    ///
    /// # Errors
    /// [`SinkError`] when that fails and will go on failing.
    fn write(&mut self, records: &[Record]) -> Result<(), SinkError>;

    /// Everything up to this event time, in nanoseconds, was written. For a place whose records end by themselves.
    ///
    /// # Errors
    /// As [`RecordSink::write`].
    fn advance(&mut self, upto_ns: i64) -> Result<(), SinkError> {
        let _nothing_ends = upto_ns;
        Ok(())
    }

    /// Where it stands, and what another thread may do before that cannot be lost, if anything is left: more can be
    /// written meanwhile.
    ///
    /// # Errors
    /// [`SinkError`] when that cannot be told.
    fn place_soon(&mut self) -> Result<(Place, Option<Pending>), SinkError>;

    /// Where it stands, once everything that was written cannot be lost.
    ///
    /// # Errors
    /// As [`RecordSink::place_soon`] and [`Pending::finish`].
    fn place(&mut self) -> Result<Place, SinkError> {
        let (place, pending) = self.place_soon()?;
        pending.map_or(Ok(()), Pending::finish)?;
        Ok(place)
    }
}
