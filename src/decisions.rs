//! The decision log of a live job, on disk: each decision of each alert once, over all restarts, in numbered entries
//! without gaps.
//!
//! A directory holds what happened, as lines of JSON in order, cut into files, and now and then the whole log as of a
//! place among them:
//!
//! ```text
//!  state-0000000001000000        the log as of there; lines before the state before it are gone
//!  lines-0000000000000000  lines-0000000001000000      numbers: bytes since the very first line
//!                                └─> {"uuid":..,"overspill":{"at_ns":..},"decisions":[..]}   an alert stands
//!                                    {"withdrawn":UUID}                                     it does not after all
//!                                    {"passed_ns":N}                                        event time: decisions ended
//!                                    {"generation":N}                                       the job began again
//! ```
//!
//! Entries are not written: they follow from the lines ([`DecisionLog`] has no clock and no chance), so all who
//! read them get the same ones under the same numbers. The job writes (`decisions/sink.rs`); anybody may read
//! meanwhile ([`DecisionReader`]).

mod sink;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use overspill_decision::{DecisionLog, LogLimits};
use overspill_event::{Alert, Decision};
use serde::{Deserialize, Serialize};

pub(crate) use sink::DecisionSink;

/// Begins the name of a file of lines.
const LINES: &str = "lines-";
/// Begins the name of a whole log.
const STATE: &str = "state-";
/// Bytes that are read at once.
const READ: usize = 1 << 20;
/// Longest line that is read; the job writes none that long.
const LINE_MAX: usize = 64 << 20;

/// Where the log of a job is that keeps its state there.
#[must_use]
pub fn directory(state: &Path) -> PathBuf {
    state.join("decisions")
}

/// A line of the log. What it does not have is left out.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overspill: Option<Ours>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    decisions: Vec<Saved>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    passed_ns: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Ours {
    at_ns: i64,
}

/// A decision, under the names of the Local API, and when it ends to the nanosecond.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub(crate) uuid: String,
    pub(crate) origin: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) scope: String,
    pub(crate) value: String,
    pub(crate) duration: String,
    pub(crate) scenario: String,
    pub(crate) simulated: bool,
    pub(crate) until_ns: i64,
}

impl Saved {
    pub(crate) fn of(decision: &Decision) -> Self {
        Self {
            uuid: decision.uuid.clone(),
            origin: decision.origin.clone(),
            kind: decision.kind.clone(),
            scope: decision.scope.clone(),
            value: decision.value.clone(),
            duration: decision.duration.clone(),
            scenario: decision.scenario.clone(),
            simulated: decision.simulated,
            until_ns: decision.until_ns,
        }
    }

    fn decision(self) -> Decision {
        Decision {
            id: 0,
            uuid: self.uuid,
            origin: self.origin,
            kind: self.kind,
            scope: self.scope,
            value: self.value,
            duration: self.duration,
            until_ns: self.until_ns,
            scenario: self.scenario,
            simulated: self.simulated,
        }
    }
}

/// What is written of an alert that stands.
pub(crate) fn line(alert: &Alert, at_ns: i64) -> Vec<u8> {
    let line = Line {
        uuid: Some(alert.uuid.clone()),
        overspill: Some(Ours { at_ns }),
        decisions: alert.decisions.iter().map(Saved::of).collect(),
        ..Line::default()
    };
    // Texts and numbers always have a form.
    serde_json::to_vec(&line).unwrap_or_default()
}

/// Does what a line says.
fn apply(log: &mut DecisionLog, line: &[u8]) -> Result<()> {
    let line: Line = serde_json::from_slice(line).context("it is no line of a decision log")?;
    if let Some(uuid) = line.uuid {
        let decisions: Vec<Decision> = line.decisions.into_iter().map(Saved::decision).collect();
        log.apply(&uuid, &decisions);
    } else if let Some(uuid) = line.withdrawn {
        log.retract(&uuid);
    } else if let Some(passed_ns) = line.passed_ns {
        log.advance(passed_ns);
    } else if let Some(generation) = line.generation {
        log.begin_generation(generation)?;
    }
    Ok(())
}

/// The files of a directory whose names begin so, by their numbers.
fn numbered(dir: &Path, prefix: &str) -> Result<BTreeMap<u64, PathBuf>> {
    let mut found = BTreeMap::new();
    let entries = std::fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("read {}", dir.display()))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(prefix));
        if let Some(number) = number.and_then(|number| u64::from_str_radix(number, 16).ok()) {
            found.insert(number, entry.path());
        }
    }
    Ok(found)
}

fn path(dir: &Path, prefix: &str, number: u64) -> PathBuf {
    dir.join(format!("{prefix}{number:016x}"))
}

/// Reads a log that somebody else may be writing.
pub struct DecisionReader {
    dir: PathBuf,
    log: DecisionLog,
    /// Up to where the lines are known.
    at: u64,
    /// How much the newest state took.
    state_bytes: u64,
}

impl DecisionReader {
    /// Reads what is there.
    ///
    /// # Errors
    /// When files are missing, or are something else.
    pub fn open(dir: &Path) -> Result<Self> {
        let mut reader = Self::newest_state(dir)?;
        reader.catch_up()?;
        Ok(reader)
    }

    /// The newest whole log. None is needed when the lines begin at the very first.
    fn newest_state(dir: &Path) -> Result<Self> {
        let states = numbered(dir, STATE)?;
        let mut damage = None;
        for (at, path) in states.into_iter().rev() {
            let bytes = match std::fs::read(&path) {
                Ok(bytes) => bytes,
                // The job has a newer one.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => {
                    return Err(error).with_context(|| format!("read {}", path.display()));
                }
            };
            match DecisionLog::decode(&bytes, LogLimits::default()) {
                Ok(log) => {
                    return Ok(Self {
                        dir: dir.to_owned(),
                        log,
                        at,
                        state_bytes: bytes.len() as u64,
                    });
                }
                Err(error) => damage = Some(anyhow!("{}: {error}", path.display())),
            }
        }
        let first = numbered(dir, LINES)?.into_keys().next().unwrap_or(0);
        if first > 0 {
            let damage = damage.unwrap_or_else(|| anyhow!("no file {STATE}..."));
            return Err(damage.context(format!("the lines in {} begin later", dir.display())));
        }
        Ok(Self {
            dir: dir.to_owned(),
            log: DecisionLog::new(LogLimits::default(), 0),
            at: 0,
            state_bytes: 0,
        })
    }

    /// The log, as far as it is known.
    #[must_use]
    pub fn log(&self) -> &DecisionLog {
        &self.log
    }

    /// Reads what was written since.
    ///
    /// # Errors
    /// When a file cannot be read or holds something else, or when the job has taken away what was not read yet:
    /// then a new reader begins anew.
    pub fn catch_up(&mut self) -> Result<()> {
        let files = numbered(&self.dir, LINES)?;
        let begun = files.range(..=self.at).next_back().map(|(begin, _)| *begin);
        let Some(begun) = begun else {
            if files.is_empty() && self.at == 0 {
                return Ok(());
            }
            bail!(
                "lines from byte {} on are not in {} any more",
                self.at,
                self.dir.display()
            );
        };
        for (begin, path) in files.range(begun..) {
            if *begin > self.at && *begin > begun {
                bail!(
                    "lines from byte {} to {begin} are missing in {}",
                    self.at,
                    self.dir.display()
                );
            }
            self.read(*begin, path)?;
        }
        Ok(())
    }

    /// Reads the whole lines of a file from where this stands.
    fn read(&mut self, begin: u64, path: &Path) -> Result<()> {
        let place = |at: u64| format!("{}, byte {}", path.display(), at - begin);
        let mut file = File::open(path).with_context(|| place(begin))?;
        file.seek(SeekFrom::Start(self.at - begin))
            .with_context(|| place(self.at))?;
        let mut rest = Vec::new();
        loop {
            let before = rest.len();
            let mut piece = (&mut file).take(READ as u64);
            piece
                .read_to_end(&mut rest)
                .with_context(|| place(self.at))?;
            if rest.len() == before {
                return Ok(());
            }
            let mut done = 0;
            while let Some(n) = rest[done..].iter().position(|byte| *byte == b'\n') {
                apply(&mut self.log, &rest[done..done + n]).with_context(|| place(self.at))?;
                done += n + 1;
                self.at += n as u64 + 1;
            }
            rest.drain(..done);
            if rest.len() > LINE_MAX {
                bail!("{}: a line without an end", place(self.at));
            }
        }
    }
}

#[cfg(test)]
mod tests;
