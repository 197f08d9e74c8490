//! The tests that come with hub content: a log, the items it needs, and assertions.
//!
//! Shapes and rules follow CrowdSec's `pkg/hubtest`, in process: a test is one run of the same
//! dataflow that replays and live jobs use, with a recorder that looks on. Tests run side by side;
//! one that errs never stops the others.

pub mod asserts;
pub mod autogen;
pub mod case;
pub mod coverage;
pub mod record;
pub mod results;
pub mod run;

pub use case::Case;
pub use run::{Report, Verdict};
