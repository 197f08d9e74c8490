//! An answer to `/v1/decisions/stream`, written while it is sent.
//!
//! ```text
//! {"new": [{"duration":"3h59m58s",…},{…}], "deleted": [{…}]}
//! ```
//!
//! What is to be told is decided before the first byte; the text of it is made piece by piece, as fast as the client
//! takes it, so that a hundred thousand decisions do not stand in memory twice. A client has come as far as the answer
//! once its last piece is taken, and not if it goes away before.

use std::sync::Arc;

use bytes::Bytes;

use crate::active::{Answer, Ended, Held, Mark};
use crate::wire;

/// Pieces are about that long.
const PIECE_BYTES: usize = 64 << 10;

/// What is done once all is told.
type Told = Box<dyn FnOnce(Mark) + Send + Sync>;

/// An answer on its way.
pub(crate) struct Telling {
    new: std::vec::IntoIter<Arc<Held>>,
    deleted: std::vec::IntoIter<Ended>,
    mark: Mark,
    now_ns: i64,
    place: Place,
    told: Option<Told>,
}

impl std::fmt::Debug for Telling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telling")
            .field("mark", &self.mark)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Begin,
    New { is_first: bool },
    Deleted { is_first: bool },
    End,
}

impl Telling {
    /// An answer as of a time; `told` is called with its mark when it was taken whole.
    pub(crate) fn new(
        answer: Answer,
        now_ns: i64,
        told: impl FnOnce(Mark) + Send + Sync + 'static,
    ) -> Self {
        Self {
            new: answer.new.into_iter(),
            deleted: answer.deleted.into_iter(),
            mark: answer.mark,
            now_ns,
            place: Place::Begin,
            told: Some(Box::new(told)),
        }
    }

    /// The next piece, or `None` after the last.
    pub(crate) fn next_piece(&mut self) -> Option<Bytes> {
        if self.place == Place::End {
            if let Some(told) = self.told.take() {
                told(self.mark);
            }
            return None;
        }
        let mut out =
            Vec::with_capacity(PIECE_BYTES.min(256 * (1 + self.new.len() + self.deleted.len())));
        while out.len() < PIECE_BYTES && self.place != Place::End {
            self.append(&mut out);
        }
        Some(out.into())
    }

    fn append(&mut self, out: &mut Vec<u8>) {
        match self.place {
            Place::Begin => {
                out.extend_from_slice(b"{\"new\": [");
                self.place = Place::New { is_first: true };
            }
            Place::New { is_first } => match self.new.next() {
                Some(held) => {
                    separate(is_first, out);
                    wire::append_in_force(&held, self.now_ns, out);
                    self.place = Place::New { is_first: false };
                }
                None => {
                    out.extend_from_slice(b"], \"deleted\": [");
                    self.place = Place::Deleted { is_first: true };
                }
            },
            Place::Deleted { is_first } => match self.deleted.next() {
                Some(ended) => {
                    separate(is_first, out);
                    wire::append_ended(&ended, self.now_ns, out);
                    self.place = Place::Deleted { is_first: false };
                }
                None => {
                    out.extend_from_slice(b"]}");
                    self.place = Place::End;
                }
            },
            Place::End => {}
        }
    }
}

fn separate(is_first: bool, out: &mut Vec<u8>) {
    if !is_first {
        out.push(b',');
    }
}
