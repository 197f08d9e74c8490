//! Where lines come from.
//!
//! A source is one module behind the contract of [`Source`], or of [`LiveSource`] if it is followed.
//! Sources know nothing of the dataflow that reads them; whoever joins both pumps batches from one into
//! the other. Live ones: [`mod@tail`] (files), [`mod@syslog`], [`mod@command`], [`mod@pipe`] (standard
//! input), with the feature `kafka` topics, with `aws` streams of Kinesis and log groups of CloudWatch, and
//! [`mod@once`] for what is read once; [`acquis`] makes them of `acquis.yaml`. For replays:
//! [`mod@file`] (text: plain, gzip, zstd, standard input), [`mod@parquet`], [`mod@arrow`] (IPC, file and
//! stream) and [`json_lines`]; [`memory`] for tests. Bytes come from files and, with the feature
//! `object-store`, from objects. [`mod@open`] tells which one an input needs, by its
//! first bytes. Rows of columns become lines in `rows`; what cannot be read is written into the
//! [`ledger`].

pub mod acquis;
pub mod archive;
pub mod arrow;
#[cfg(feature = "aws")]
mod aws;
#[cfg(any(feature = "aws", feature = "kafka"))]
mod bell;
pub mod blob;
#[cfg(feature = "aws")]
pub mod cloudwatch;
pub mod command;
pub mod file;
mod guard;
pub mod input;
pub mod json_lines;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "aws")]
pub mod kinesis;
pub mod ledger;
pub mod limit;
pub mod lines;
pub mod memory;
pub mod once;
pub mod open;
pub mod parquet;
pub mod pipe;
pub mod policy;
mod rows;
pub mod sink;
pub mod source;
#[cfg(feature = "object-store")]
pub mod store;
pub mod syslog;
pub mod tail;
pub mod transform;
pub mod wal;
pub mod window;

pub use input::{Input, InputError};
pub use ledger::{Account, DeadLetter, Ledger};
pub use open::{Options, open_blob, open_path};
pub use rows::choose::{LINE_KEY, Wanted};
pub use source::{LiveSource, Outlet, Resume, Retry, Source, SourceError, Step};
pub use window::{TimeUnit, Window, path_span};
