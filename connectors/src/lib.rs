//! Where lines come from.
//!
//! A source is one module behind the contract of [`Source`]. Sources know nothing of the dataflow
//! that reads them; whoever joins both pumps batches from one into the other. Present: [`mod@file`]
//! (plain, gzip, zstd, globs, directories, standard input) for replays, and [`memory`] for tests.

pub mod file;
pub mod input;
pub mod lines;
pub mod memory;
pub mod source;

pub use input::{Input, InputError};
pub use source::{Retry, Source, SourceError, Step};
