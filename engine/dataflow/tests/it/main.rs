//! Jobs as their callers see them: partitions in, alerts and decisions out.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod batch;
mod board;
mod cap;
mod clock;
mod cluster;
mod content;
mod counters;
mod ending;
mod handover;
mod jobs;
mod lines;
mod live;
mod post;
mod reprocess;
mod shared;
mod speculative;
mod watch;
mod workers;
