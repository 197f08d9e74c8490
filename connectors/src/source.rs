//! The contract of a source.

use std::io;

use overspill_event::{LineBatch, Origin};

/// What a call of [`Source::read`] gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Lines were appended, or none just now; call again.
    More,
    /// The partition is read to its end and will give nothing more.
    End,
}

/// Whether an error passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same call may succeed later.
    Later,
    /// It will not.
    Never,
}

/// Why a source could not go on. What it gave before stays valid.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The input could not be opened.
    #[error("open {path}")]
    Open {
        /// What was opened.
        path: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The input failed while it was read.
    #[error("read {path} after {lines} lines")]
    Read {
        /// What was read.
        path: String,
        /// Lines that were given before.
        lines: u64,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl SourceError {
    /// Whether to try again.
    #[must_use]
    pub fn retry(&self) -> Retry {
        let (Self::Open { source, .. } | Self::Read { source, .. }) = self;
        match source.kind() {
            io::ErrorKind::Interrupted | io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                Retry::Later
            }
            _ => Retry::Never,
        }
    }
}

/// Lines of one partition, in order.
///
/// 1. Offsets ascend strictly within the partition, and name the same line on every reading.
/// 2. A line is given once, whole, without its line end; empty lines are not given.
/// 3. A line longer than the limit is cut at the limit, marked, and counted; it never ends the
///    source.
/// 4. After an error the lines already given stay valid. A source whose error says
///    [`Retry::Never`] is at its end.
/// 5. `read` may block on IO: it is called from a thread of its own, never from a worker.
pub trait Source: Send {
    /// What all lines of the partition share.
    fn origin(&self) -> &Origin;

    /// Appends some lines to `batch`.
    ///
    /// # Errors
    /// [`SourceError`]: see rule 4.
    fn read(&mut self, batch: &mut LineBatch) -> Result<Step, SourceError>;

    /// Bytes read so far and bytes in all, of the input as it is stored, where known.
    fn progress(&self) -> (u64, Option<u64>);
}
