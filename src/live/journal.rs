//! Alerts as lines of JSON, each exactly once over all restarts, in one place or several.
//!
//! An alert is written when it is given, and if it is taken back, a line `{"withdrawn": ID}` follows: whoever
//! adds up the lines has what stands. A checkpoint holds how far each place was written, and which alerts in it were later
//! than the checkpoint. After a restart those, and what was written since, are *unconfirmed*: an alert that is
//! derived again is not written again, and one that is not, when its time has passed, is withdrawn. Each place has a
//! [`Book`] of its own, since a crash may come after one was written and before the next.
//!
//! To each alert's JSON a member `overspill` is added, with `at_ns`: the event time, in nanoseconds, at which the alert
//! becomes final. The decision log ([`crate::decisions`]) is such a place, too: of an alert it holds what was decided.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::{Result, anyhow};
use crossbeam_channel::{Receiver, Sender};
use overspill_connectors::sink::{From, Pending, Place, Record, RecordSink};
use overspill_dataflow::Output;
use overspill_decision::wire;
use overspill_event::Alert;
use serde::{Deserialize, Serialize};

use super::Word;
use crate::decisions;
use crate::wire::chain;

/// Most alerts that are written with one call.
const TOGETHER: usize = 1_024;

/// How often alerts stand: id to event time and number.
type Standing = BTreeMap<String, (i64, i64)>;

/// Where one place stood at a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// Up to where it was written.
    pub(crate) place: Place,
    /// Alerts in it that are later than the checkpoint.
    pub(crate) unconfirmed: Standing,
}

/// Where all places stood at a checkpoint, by their names.
pub(crate) type Cursors = BTreeMap<String, Cursor>;

/// All alerts up to an event time are written.
#[derive(Debug)]
pub(crate) struct Ack {
    pub(crate) upto_ns: i64,
    cursors: Cursors,
    pending: Vec<Pending>,
}

impl Ack {
    /// Where the places stand, once nothing of that can be lost. This takes as long as disks do, so whoever makes
    /// checkpoints does it, and not who writes alerts.
    pub(crate) fn durable(self) -> Result<Cursors> {
        for pending in self.pending {
            pending.finish().map_err(|error| anyhow!(chain(&error)))?;
        }
        Ok(self.cursors)
    }
}

/// What is written of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// All of it.
    Alert,
    /// What was decided, if anything was.
    Decisions,
}

/// A place that alerts go to.
pub(crate) struct Writes {
    pub(crate) form: Form,
    pub(crate) sink: Box<dyn RecordSink>,
}

/// A place, and what of it may change.
struct Book {
    form: Form,
    sink: Box<dyn RecordSink>,
    /// Written and in no checkpoint.
    written: Standing,
    /// Written before the restart and not derived again yet.
    claimed: Standing,
    out: Vec<Record>,
}

/// All places that alerts go to.
#[derive(Default)]
pub(crate) struct Journal {
    books: Vec<Book>,
}

/// A line of a place, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Line {
    uuid: Option<String>,
    overspill: Option<Ours>,
    withdrawn: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Ours {
    at_ns: i64,
}

impl Book {
    /// Finds out what is unconfirmed in a place. `cursors` are those of the checkpoint that the job goes on from, if
    /// there is one.
    fn open(Writes { form, mut sink }: Writes, cursors: Option<&Cursors>) -> Result<Self> {
        let cursor = cursors.map(|cursors| cursors.get(sink.name()));
        let (from, mut claimed) = match cursor {
            // Whatever is there may be derived again.
            None => (From::Beginning, Standing::new()),
            // It is new to the job: what is there is not ours.
            Some(None) => (From::End, Standing::new()),
            Some(Some(cursor)) => (
                From::Place(cursor.place.clone()),
                cursor.unconfirmed.clone(),
            ),
        };
        sink.recover(&from, &mut |line| {
            if let Ok(line) = serde_json::from_slice::<Line>(line) {
                claim(&mut claimed, line);
            }
        })
        .map_err(|error| anyhow!(chain(&error)))?;
        claimed.retain(|_, (_, n)| *n > 0);
        Ok(Self {
            form,
            sink,
            written: Standing::new(),
            claimed,
            out: Vec::new(),
        })
    }

    /// An alert is given, or taken back; `line` is what is written of that.
    fn take(&mut self, uuid: &str, line: &[u8], eff_ns: i64, diff: i64) {
        let written = self.written.entry(uuid.to_owned());
        written.or_insert((eff_ns, 0)).1 += diff;
        if diff > 0
            && let Some((_, n)) = self.claimed.get_mut(uuid)
        {
            *n -= 1;
            if *n == 0 {
                self.claimed.remove(uuid);
            }
            return;
        }
        self.out.push(Record {
            key: uuid.to_owned(),
            line: line.to_vec(),
        });
    }

    /// Everything up to here was given.
    fn settle(&mut self, final_ns: i64) {
        let out = &mut self.out;
        self.claimed.retain(|uuid, (eff_ns, n)| {
            let is_open = *eff_ns > final_ns;
            for _ in 0..if is_open { 0 } else { *n } {
                out.push(Record {
                    key: uuid.clone(),
                    line: withdrawal(uuid),
                });
            }
            is_open
        });
    }

    /// No restart begins before this time.
    fn forget(&mut self, upto_ns: i64) {
        self.written
            .retain(|_, (eff_ns, n)| *eff_ns > upto_ns && *n != 0);
    }

    fn flush(&mut self) -> Result<()> {
        if !self.out.is_empty() {
            self.sink
                .write(&self.out)
                .map_err(|error| anyhow!(chain(&error)))?;
            self.out.clear();
        }
        Ok(())
    }

    /// Where it stands for a checkpoint as of `upto_ns`, and what is to be done before that cannot be lost.
    fn cursor(&mut self, upto_ns: i64) -> Result<(Cursor, Option<Pending>)> {
        self.flush()?;
        // What is later may be final, and is derived again all the same if this is where a restart begins.
        self.forget(upto_ns);
        let place = self.sink.place_soon();
        let (place, pending) = place.map_err(|error| anyhow!(chain(&error)))?;
        let mut unconfirmed = self.written.clone();
        // They are there too, and may still be derived again.
        for (uuid, (eff_ns, n)) in &self.claimed {
            unconfirmed.entry(uuid.clone()).or_insert((*eff_ns, 0)).1 += n;
        }
        Ok((Cursor { place, unconfirmed }, pending))
    }
}

impl Journal {
    /// Makes places ready for what follows. `cursors` are those of the checkpoint that the job goes on from, if there
    /// is one.
    pub(crate) fn open(places: Vec<Writes>, cursors: Option<&Cursors>) -> Result<Self> {
        let open = |place| Book::open(place, cursors);
        let books = places.into_iter().map(open).collect::<Result<_>>()?;
        Ok(Self { books })
    }

    /// An alert is given, or taken back.
    fn take(&mut self, alert: &Alert, eff_ns: i64, diff: i64) {
        let mut whole = None;
        for book in &mut self.books {
            let decided;
            let line = match book.form {
                Form::Decisions if alert.decisions.is_empty() => continue,
                _ if diff <= 0 => whole.get_or_insert_with(|| withdrawal(&alert.uuid)),
                Form::Alert => whole.get_or_insert_with(|| line(alert, eff_ns)),
                Form::Decisions => {
                    decided = decisions::line(alert, eff_ns);
                    &decided
                }
            };
            book.take(&alert.uuid, line, eff_ns, diff);
        }
    }

    fn settle(&mut self, final_ns: i64) {
        self.books.iter_mut().for_each(|book| book.settle(final_ns));
    }

    fn forget(&mut self, upto_ns: i64) {
        self.books.iter_mut().for_each(|book| book.forget(upto_ns));
    }

    fn flush(&mut self) -> Result<()> {
        self.books.iter_mut().try_for_each(Book::flush)
    }

    /// Everything up to here was given, and is written.
    fn advance(&mut self, final_ns: i64) -> Result<()> {
        let mut sinks = self.books.iter_mut().map(|book| &mut book.sink);
        sinks
            .try_for_each(|sink| sink.advance(final_ns))
            .map_err(|error| anyhow!(chain(&error)))
    }

    fn ack(&mut self, upto_ns: i64) -> Result<Ack> {
        let mut ack = Ack {
            upto_ns,
            cursors: Cursors::new(),
            pending: Vec::new(),
        };
        for book in &mut self.books {
            let (cursor, pending) = book.cursor(upto_ns)?;
            ack.cursors.insert(book.sink.name().to_owned(), cursor);
            ack.pending.extend(pending);
        }
        Ok(ack)
    }

    /// With what it works on.
    pub(crate) fn with(
        self,
        outputs: Receiver<Output>,
        asked_ns: Arc<AtomicI64>,
        acks: Sender<Ack>,
        has_checkpoints: bool,
        words: Sender<Word>,
    ) -> Scribe {
        Scribe {
            journal: self,
            outputs,
            asked_ns,
            acks,
            has_checkpoints,
            words,
            untold: Vec::new(),
            passed_ns: None,
        }
    }
}

/// Counts what a line of an earlier run says.
fn claim(claimed: &mut Standing, line: Line) {
    if let (Some(uuid), Some(Ours { at_ns })) = (line.uuid, line.overspill) {
        claimed.entry(uuid).or_insert((at_ns, 0)).1 += 1;
    } else if let Some(uuid) = line.withdrawn
        && let Some((_, n)) = claimed.get_mut(&uuid)
    {
        *n -= 1;
    }
}

/// An alert as a line.
fn line(alert: &Alert, eff_ns: i64) -> Vec<u8> {
    let mut out = Vec::new();
    wire::append_alert(alert, &mut out);
    // An object with members ends so.
    out.pop();
    out.extend_from_slice(format!(",\"overspill\":{{\"at_ns\":{eff_ns}}}}}").as_bytes());
    out
}

fn withdrawal(uuid: &str) -> Vec<u8> {
    serde_json::json!({ "withdrawn": uuid })
        .to_string()
        .into_bytes()
}

/// The journal at work.
pub(crate) struct Scribe {
    journal: Journal,
    outputs: Receiver<Output>,
    /// Event time of the checkpoint that is being made.
    asked_ns: Arc<AtomicI64>,
    acks: Sender<Ack>,
    has_checkpoints: bool,
    words: Sender<Word>,
    /// What is not in the file yet: only then others are told.
    untold: Vec<Word>,
    /// What was said to be final and the places were not told yet.
    passed_ns: Option<i64>,
}

impl Scribe {
    /// Writes what the job gives, until it ends.
    pub(crate) fn run(mut self) -> Result<()> {
        while let Ok(output) = self.outputs.recv() {
            self.take(output)?;
            // What is there is written together.
            while self.untold.len() < TOGETHER
                && let Ok(output) = self.outputs.try_recv()
            {
                self.take(output)?;
            }
            self.journal.flush()?;
            if let Some(passed_ns) = self.passed_ns.take() {
                self.journal.advance(passed_ns)?;
            }
            for word in self.untold.drain(..) {
                let _nobody_listens = self.words.send(word);
            }
        }
        self.journal.ack(i64::MAX)?.durable()?;
        Ok(())
    }

    fn take(&mut self, output: Output) -> Result<()> {
        match output {
            Output::Alert {
                alert,
                eff_ns,
                diff,
            } => {
                self.journal.take(&alert, eff_ns, diff);
                self.untold.push(Word::Alert(alert, diff));
            }
            Output::Final(final_ns) => {
                self.journal.settle(final_ns);
                self.passed_ns = Some(final_ns);
                if !self.has_checkpoints {
                    self.journal.forget(final_ns);
                }
                let upto_ns = self.asked_ns.load(Ordering::SeqCst);
                if upto_ns <= final_ns {
                    self.asked_ns.store(i64::MAX, Ordering::SeqCst);
                    let _keeper_is_gone = self.acks.send(self.journal.ack(upto_ns)?);
                }
            }
            Output::Overflow(_) | Output::Allowlisted(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
