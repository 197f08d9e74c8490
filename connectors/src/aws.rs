//! What the sources of Amazon's cloud share: who one is, what goes wrong, and a thread that waits for answers.
//!
//! The client library is asynchronous, so each source has one thread with one runtime on it. What comes is put
//! into an [`Inbox`] for each partition; whoever polls the source takes it out, makes lines of it and says with
//! that that there is room for more.

mod access;
mod inbox;
mod pace;
#[cfg(test)]
pub(crate) mod testing;
mod thread;
mod trouble;

pub use access::Access;
pub(crate) use inbox::Inbox;
pub(crate) use pace::jittered;
pub(crate) use thread::{Stop, start};
pub(crate) use trouble::{Fault, Trouble};
