//! What the processes of a live job tell each other, beside the data.
//!
//! ```text
//!  process 0 (keeper)                 process i (clerk)
//!                     <- Part ------   its part of a checkpoint is in the store
//!                     <- NoPart ----   or could not be written
//!    commits          -- Kept ----->   tells its sources
//!                     <- Stop ------   somebody wants this process to end
//!                     <- Ready -----   it has compiled other content
//!    last checkpoint  -- End ------>   leaves the job where it stands
//! ```

use std::sync::Arc;

use overspill_checkpoint::PieceKey;
use overspill_dataflow::post::{Letter, Post};
use serde::{Deserialize, Serialize};

use super::part::Part;
use super::reload::Digest;

/// A word between processes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Message {
    /// What a process has done for a checkpoint.
    Part(Box<Part>),
    /// It could not do that.
    NoPart {
        /// Which checkpoint.
        number: u64,
        /// Why not.
        why: String,
    },
    /// A checkpoint is durable.
    Kept {
        /// Which.
        number: u64,
        /// What of it turned out to be damaged: to be written again.
        damaged: Vec<PieceKey>,
    },
    /// A process was asked to end.
    Stop,
    /// A process has compiled other content.
    Ready {
        /// Which.
        digest: Digest,
    },
    /// All processes end now.
    End {
        /// To begin again.
        again: bool,
    },
}

/// How a process tells the others.
#[derive(Debug, Clone)]
pub(crate) struct Peers {
    pub(crate) post: Arc<Post>,
    /// This process.
    pub(crate) index: usize,
    /// How many there are.
    pub(crate) n: usize,
}

impl Peers {
    pub(crate) fn tell(&self, to: usize, message: &Message) {
        match serde_json::to_vec(message) {
            Ok(bytes) => self.post.send(to, bytes),
            Err(error) => unreachable!("a message is made of what JSON has: {error}"),
        }
    }

    /// Tells all but this one.
    pub(crate) fn tell_others(&self, message: &Message) {
        for to in (0..self.n).filter(|to| *to != self.index) {
            self.tell(to, message);
        }
    }
}

/// What a letter says. None for one that is none of ours, which processes of the same program do not send.
pub(crate) fn read(letter: &Letter) -> Option<Message> {
    serde_json::from_slice(&letter.bytes).ok()
}
