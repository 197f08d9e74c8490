//! The expressions that look into a bucket, as questions to somebody else.
//!
//! `condition` and the bayesian conditions see the event just poured and the bucket with it;
//! `overflow_filter` sees the finished overflow. An answer must be a function of what is passed
//! in: with speculation a question is asked again when a pour is redone, and once more when it
//! becomes final.

use crate::events::{EventId, Events};
use crate::key::Key;
use crate::overflow::Overflow;
use crate::pour::Stamp;
use crate::spec::ScenarioId;
use crate::state::{Bucket, First};

/// Evaluates a scenario's expressions.
pub trait Judge {
    /// The scenario's `condition`. An evaluation error and a result that is no boolean are false.
    fn condition(&mut self, event: &[u8], bucket: &BucketView<'_>) -> bool;

    /// The `index`-th bayesian condition; `None` when it could not be evaluated to a boolean.
    fn bayesian(&mut self, index: usize, event: &[u8], bucket: &BucketView<'_>) -> Option<bool>;

    /// The scenario's `overflow_filter`. An error and a result that is no boolean are true: the
    /// overflow passes.
    fn overflow_filter(&mut self, overflow: &Overflow) -> bool;
}

/// A bucket as expressions see it (`leaky` and `queue`).
#[derive(Debug, Clone, Copy)]
pub struct BucketView<'a> {
    /// The bucket.
    pub key: Key,
    /// The scenario whose expression is asked: the one that created the bucket.
    pub scenario: ScenarioId,
    bucket: &'a Bucket,
    events: &'a Events,
}

impl<'a> BucketView<'a> {
    pub(crate) fn new(key: Key, bucket: &'a Bucket, events: &'a Events) -> Self {
        Self {
            key,
            scenario: bucket.scenario,
            bucket,
            events,
        }
    }

    /// Time of the first counted event, if any was.
    #[must_use]
    pub fn first(&self) -> Option<Stamp> {
        self.bucket.first.as_ref().map(|first: &First| first.stamp)
    }

    /// Time of the last counted event, if any was.
    #[must_use]
    pub fn last(&self) -> Option<Stamp> {
        self.bucket.first.as_ref().map(|_| self.bucket.last)
    }

    /// Counted events.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.bucket.total
    }

    /// Retained events, oldest first, with the one just poured.
    pub fn queue(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + DoubleEndedIterator + use<'a> {
        let events = self.events;
        let ids = self.bucket.queue.ids().iter();
        ids.map(move |&id: &EventId| events.bytes(id))
    }
}

/// Judges scenarios that have no such expressions: nothing holds, every overflow passes.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoExpressions;

impl Judge for NoExpressions {
    fn condition(&mut self, _event: &[u8], _bucket: &BucketView<'_>) -> bool {
        false
    }

    fn bayesian(&mut self, _: usize, _event: &[u8], _bucket: &BucketView<'_>) -> Option<bool> {
        None
    }

    fn overflow_filter(&mut self, _overflow: &Overflow) -> bool {
        true
    }
}
