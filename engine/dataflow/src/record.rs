//! What `explain` and `hubtest` see of a run: every node of every line, every pour.

use std::any::Any;

use overspill_event::{Event, Position};
use overspill_matcher::Hit;
use overspill_parser::{Observer, Outcome};

/// Looks on while a job runs. Called on the worker that does the work, so it must be quick and
/// must not block for long; production runs have none.
pub trait Recorder: Send + Sync + std::fmt::Debug {
    /// A line begins; what comes back sees its nodes.
    fn line(&self, position: Position) -> Box<dyn LineObserver>;

    /// An overflow enters the post-overflow stages; what comes back sees its nodes.
    fn overflow(&self, position: Position, scenario: &str) -> Box<dyn LineObserver>;

    /// The buckets a line pours into.
    fn poured(&self, event: &Event, hits: &[Hit]);
}

/// Sees the nodes of one line or overflow.
pub trait LineObserver: Observer + Any {
    /// The line or overflow has gone through all stages it reached.
    fn done(&mut self, event: &Event, outcome: &Outcome);
}
