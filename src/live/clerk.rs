//! What the processes beside the first do for checkpoints: write their parts, and tell their sources what is kept.
//! In a job without checkpoints all processes have one, which listens only.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, anyhow};
use crossbeam_channel::{Receiver, select};
use overspill_dataflow::checkpoint::Piece;
use overspill_dataflow::post::Letter;

use super::LOOK;
use super::message::{self, Message, Peers};
use super::part::PartMaker;
use super::reload::Reload;
use super::sources::{Committed, Told};
use crate::wire::chain;

/// A clerk at work.
pub(crate) struct Clerk {
    /// Writes parts; none in a job without checkpoints.
    pub(crate) maker: Option<PartMaker>,
    pub(crate) pieces: Receiver<Piece>,
    pub(crate) peers: Peers,
    pub(crate) letters: Receiver<Letter>,
    pub(crate) committed: Committed,
    /// Set when the job is to end in order.
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) reload: Arc<Reload>,
    /// Ends the job.
    pub(crate) halt: Arc<AtomicBool>,
    /// What sources will be told, by number of the checkpoint.
    pub(crate) untold: BTreeMap<u64, Told>,
}

impl Clerk {
    /// Works until the job ends.
    pub(crate) fn run(mut self) -> Result<()> {
        while !self.halt.load(Ordering::SeqCst) {
            select! {
                recv(self.pieces) -> piece => match piece {
                    Ok(piece) => self.take(piece)?,
                    // The job has ended.
                    Err(_) => return Ok(()),
                },
                recv(self.letters) -> letter => {
                    if let Ok(letter) = letter {
                        self.hear(&letter);
                    }
                }
                default(LOOK) => {}
            }
        }
        Ok(())
    }

    fn take(&mut self, piece: Piece) -> Result<()> {
        let number = piece.number();
        let Some(maker) = &mut self.maker else {
            return Ok(());
        };
        if maker.take(piece)?.is_none() {
            return Ok(());
        }
        let no_part = |why: String| Message::NoPart { number, why };
        let message = match maker.write() {
            Ok(Some(part)) => Message::Part(Box::new(part)),
            Ok(None) => no_part("no time has passed".to_owned()),
            Err(error) if error.may_pass() => no_part(chain(&error)),
            Err(error) => return Err(anyhow!(chain(&error)).context("write a checkpoint")),
        };
        self.untold.insert(number, maker.register.told());
        self.peers.tell(0, &message);
        Ok(())
    }

    fn hear(&mut self, letter: &Letter) {
        match message::read(letter) {
            Some(Message::Kept { number, damaged }) => {
                if let Some(maker) = &mut self.maker {
                    maker.repair(&damaged);
                }
                if let Some(told) = self.untold.remove(&number) {
                    self.committed.tell(&told);
                }
                // The others came to nothing.
                self.untold.retain(|other, _| *other > number);
            }
            Some(Message::End { again }) => {
                if again {
                    self.reload.agree();
                }
                self.halt.store(true, Ordering::SeqCst);
            }
            // Process 0 of a job without checkpoints.
            Some(Message::Ready { digest }) => {
                if self.reload.hear(letter.from, digest, self.peers.n) {
                    self.peers.tell_others(&Message::End { again: true });
                    self.halt.store(true, Ordering::SeqCst);
                }
            }
            Some(Message::Stop) => self.stop.store(true, Ordering::SeqCst),
            // Those are for a keeper.
            Some(Message::Part(_) | Message::NoPart { .. }) | None => {}
        }
    }
}
