//! Alerts as lines of JSON, each exactly once over all restarts.
//!
//! An alert is written when it is given, and if it is taken back, a line `{"withdrawn": ID}` follows: whoever
//! adds up the lines has what stands. A checkpoint holds how long the file was, and which alerts in it were later
//! than the checkpoint. After a restart those, and what was written since, are *unconfirmed*: an alert that is
//! derived again is not written again, and one that is not, when its time has passed, is withdrawn. A line that was
//! torn by a crash is cut off.
//!
//! To each alert's JSON a member `overspill` is added, with `at_ns`: the event time, in nanoseconds, at which the alert
//! becomes final.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::{Context, Result};
use crossbeam_channel::{Receiver, Sender};
use overspill_dataflow::Output;
use overspill_decision::wire;
use overspill_event::Alert;
use serde::{Deserialize, Serialize};

use super::Word;

/// Most alerts that are written with one call.
const TOGETHER: usize = 1_024;

/// Where the journal stood at a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// Bytes of the file.
    pub(crate) bytes: u64,
    /// Alerts in it that are later than the checkpoint: id to event time and how often it stands.
    pub(crate) unconfirmed: BTreeMap<String, (i64, i64)>,
}

/// All alerts up to an event time are in the file, which is on the disk.
#[derive(Debug)]
pub(crate) struct Ack {
    pub(crate) upto_ns: i64,
    pub(crate) cursor: Cursor,
}

/// The file, and what of it may change.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    file: Option<(PathBuf, File)>,
    bytes: u64,
    /// Written and in no checkpoint: id to event time and how often it stands.
    written: BTreeMap<String, (i64, i64)>,
    /// Written before the restart and not derived again yet.
    claimed: BTreeMap<String, (i64, i64)>,
    out: Vec<u8>,
}

/// A line of the file, as far as it matters here.
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

impl Journal {
    /// Opens the file, and finds out what is unconfirmed in it.
    pub(crate) fn open(path: Option<&Path>, cursor: Option<&Cursor>) -> Result<Self> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let what = || format!("--alerts {}", path.display());
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(path)
            .with_context(what)?;
        let metadata = file.metadata().with_context(what)?;
        if !metadata.is_file() {
            // A pipe or a device remembers nothing.
            return Ok(Self {
                file: Some((path.to_owned(), file)),
                ..Self::default()
            });
        }
        let length = metadata.len();
        let mut claimed = cursor
            .map(|cursor| cursor.unconfirmed.clone())
            .unwrap_or_default();
        let from = match cursor {
            // Somebody has put it away: what it held is no longer ours to change.
            Some(cursor) if cursor.bytes > length => length,
            Some(cursor) => cursor.bytes,
            // There is no checkpoint, so whatever is in the file may be derived again.
            None => 0,
        };
        file.seek(SeekFrom::Start(from)).with_context(what)?;
        let mut rest = Vec::new();
        file.read_to_end(&mut rest).with_context(what)?;
        let whole = rest
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        for line in rest[..whole].split(|byte| *byte == b'\n') {
            if let Ok(line) = serde_json::from_slice::<Line>(line) {
                claim(&mut claimed, line);
            }
        }
        let bytes = from + whole as u64;
        if bytes < length {
            file.set_len(bytes).with_context(what)?;
        }
        claimed.retain(|_, (_, n)| *n > 0);
        Ok(Self {
            file: Some((path.to_owned(), file)),
            bytes,
            written: BTreeMap::new(),
            claimed,
            out: Vec::new(),
        })
    }

    /// An alert is given, or taken back.
    fn take(&mut self, alert: &Alert, eff_ns: i64, diff: i64) {
        let written = self
            .written
            .entry(alert.uuid.clone())
            .or_insert((eff_ns, 0));
        written.1 += diff;
        if diff > 0 {
            if let Some((_, n)) = self.claimed.get_mut(&alert.uuid) {
                *n -= 1;
                if *n == 0 {
                    self.claimed.remove(&alert.uuid);
                }
                return;
            }
            append(alert, eff_ns, &mut self.out);
        } else {
            withdraw(&alert.uuid, &mut self.out);
        }
    }

    /// Everything up to here was given.
    fn settle(&mut self, final_ns: i64) {
        let out = &mut self.out;
        self.claimed.retain(|uuid, (eff_ns, n)| {
            let is_open = *eff_ns > final_ns;
            for _ in 0..if is_open { 0 } else { *n } {
                withdraw(uuid, out);
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
        if let Some((path, file)) = &mut self.file {
            file.write_all(&self.out)
                .with_context(|| format!("write {}", path.display()))?;
            self.bytes += self.out.len() as u64;
        }
        self.out.clear();
        Ok(())
    }

    /// Where it stands for a checkpoint as of `upto_ns`, once that is on the disk.
    fn cursor(&mut self, upto_ns: i64) -> Result<Cursor> {
        self.flush()?;
        // What is later may be final, and is derived again all the same if this is where a restart begins.
        self.forget(upto_ns);
        if let Some((path, file)) = &self.file {
            // What is no file cannot be asked for that.
            if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
                file.sync_data()
                    .with_context(|| format!("write {}", path.display()))?;
            }
        }
        let mut unconfirmed = self.written.clone();
        // They are in the file too, and may still be derived again.
        for (uuid, (eff_ns, n)) in &self.claimed {
            unconfirmed.entry(uuid.clone()).or_insert((*eff_ns, 0)).1 += n;
        }
        Ok(Cursor {
            bytes: self.bytes,
            unconfirmed,
        })
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
        }
    }
}

/// Counts what a line of an earlier run says.
fn claim(claimed: &mut BTreeMap<String, (i64, i64)>, line: Line) {
    if let (Some(uuid), Some(Ours { at_ns })) = (line.uuid, line.overspill) {
        claimed.entry(uuid).or_insert((at_ns, 0)).1 += 1;
    } else if let Some(uuid) = line.withdrawn
        && let Some((_, n)) = claimed.get_mut(&uuid)
    {
        *n -= 1;
    }
}

/// An alert as a line.
fn append(alert: &Alert, eff_ns: i64, out: &mut Vec<u8>) {
    wire::append_alert(alert, out);
    // An object with members ends so.
    out.pop();
    out.extend_from_slice(format!(",\"overspill\":{{\"at_ns\":{eff_ns}}}}}\n").as_bytes());
}

fn withdraw(uuid: &str, out: &mut Vec<u8>) {
    let line = serde_json::json!({ "withdrawn": uuid });
    out.extend_from_slice(format!("{line}\n").as_bytes());
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
            for word in self.untold.drain(..) {
                let _nobody_listens = self.words.send(word);
            }
        }
        self.journal.cursor(i64::MAX)?;
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
                if !self.has_checkpoints {
                    self.journal.forget(final_ns);
                }
                let upto_ns = self.asked_ns.load(Ordering::SeqCst);
                if upto_ns <= final_ns {
                    self.asked_ns.store(i64::MAX, Ordering::SeqCst);
                    let cursor = self.journal.cursor(upto_ns)?;
                    let _keeper_is_gone = self.acks.send(Ack { upto_ns, cursor });
                }
            }
            Output::Overflow(_) | Output::Allowlisted(_) | Output::Entry(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
