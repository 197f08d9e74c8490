//! The timely dataflow: lines in, alerts and decisions out, on any number of workers.
//!
//! A [`Job`] runs a [`Plan`] over partitions, each fed by a thread of its own through a bounded
//! channel ([`feed`]) and parsed by any worker of the process. The graph is drawn in `graph.rs`; its time is the event-time watermark
//! ([`clock`]), pours cross the exchange in a container of our own ([`batch`]), buckets live in one
//! table a worker (crate `overspill-bucket`). Results are a function of the partitions' contents,
//! the plan and the settings: not of arrival, batching, or the number of workers.
//!
//! This is the only crate that names timely's types. Operators never block and never read a wall
//! clock for detection.

// The tests of the crate from outside share their content with those inside.
#[cfg(test)]
extern crate self as overspill_dataflow;

pub mod batch;
pub mod board;
pub mod checkpoint;
pub mod clock;
pub mod feed;
pub mod intake;
pub mod outgoing;
pub mod post;
pub mod record;
pub mod restart;

mod alerts;
mod buckets;
mod collect;
mod control;
mod detect;
mod evidence;
mod graph;
mod home;
mod job;
mod judge;
mod line;
mod plan;
mod pool;
mod reprocess;
mod socket;
mod stats;
mod steps;
mod tally;
mod wakes;
mod writer;

pub use alerts::AlertRecord;
pub use collect::Output;
pub use job::{Job, JobError, Layout, Live, Mode, Progress, Settings};
pub use plan::Plan;
pub use socket::Socket;
pub use stats::{Stats, UnparsedSample};
pub use steps::StepMeter;
pub use tally::{NodeView, Outcomes, SourceView};
