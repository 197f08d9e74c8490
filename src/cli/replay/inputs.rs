//! The inputs that the flags name, as partitions: shared by `replay` and `archive`.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use overspill_connectors::file::STDIN;
use overspill_connectors::ledger::Counts;
use overspill_connectors::open::AHEAD_BYTES_MAX;
use overspill_connectors::window::Place;
use overspill_connectors::{
    DeadLetter, Input, Ledger, Options, Source, SourceError, Step, TimeUnit, Wanted, Window,
    path_span,
};
use overspill_event::{LineBatch, Origin};
use overspill_golike::duration;
use overspill_golike::time::{Time, parse_rfc3339};

use crate::cli::args::{EpochUnit, InputArgs, RowArgs};
use crate::wire::{self, chain};

/// Most files that are read side by side; beyond, use fewer files or a directory at a time.
const PARTITIONS_MAX: usize = 512;
/// Most threads that decode.
const READERS_MAX: usize = 256;

/// Files to read, and how.
#[derive(Debug)]
pub(crate) struct Inputs {
    files: Vec<Input>,
    n_pruned: u64,
    wanted: Wanted,
    window: Window,
    unit: TimeUnit,
    readers: usize,
}

impl Inputs {
    /// Finds what the arguments name.
    pub(crate) fn find(
        paths: &[String],
        input: &InputArgs,
        rows: &RowArgs,
        now: Time,
    ) -> Result<Self> {
        let window = window(rows, now)?;
        if window.is_open() && (rows.time_column.is_some() || rows.time_unit != EpochUnit::Auto) {
            bail!("--time-column and --time-unit are for --since and --until: add one of them");
        }
        let mut files = Vec::new();
        let dsn = input.dsn.as_ref().map(|dsn| {
            if dsn.contains("://") {
                dsn.clone()
            } else {
                format!("file://{dsn}")
            }
        });
        for name in paths.iter().chain(&dsn) {
            files.extend(Input::expand(name).map_err(|error| anyhow!(chain(&error)))?);
        }
        if files.is_empty() {
            bail!("nothing to replay: name a file, or `-` for standard input");
        }
        let n_all = files.len();
        if !window.is_open() {
            files.retain(|file| {
                path_span(&file.path)
                    .is_none_or(|(first, last)| window.place(first, last) != Place::Outside)
            });
        }
        if let Some(line_max) = input.line_max {
            files
                .iter_mut()
                .for_each(|file| file.line_bytes_max = line_max);
        }
        let readers = match rows.readers {
            Some(n) if (1..=READERS_MAX).contains(&n) => n,
            Some(n) => bail!("--readers {n}: name 1 to {READERS_MAX} threads"),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        Ok(Self {
            n_pruned: (n_all - files.len()) as u64,
            files,
            wanted: Wanted {
                message: rows.message_column.clone(),
                columns: rows.columns.clone(),
                time: rows.time_column.clone(),
            },
            window,
            unit: match rows.time_unit {
                EpochUnit::Auto => TimeUnit::Auto,
                EpochUnit::S => TimeUnit::Seconds,
                EpochUnit::Ms => TimeUnit::Millis,
                EpochUnit::Us => TimeUnit::Micros,
                EpochUnit::Ns => TimeUnit::Nanos,
            },
            readers,
        })
    }

    /// They can be read side by side by so many processes.
    pub(crate) fn check(&self, n_processes: usize) -> Result<()> {
        let n_files = self.files.len();
        if n_files > PARTITIONS_MAX {
            bail!("{n_files} files at once; at most {PARTITIONS_MAX} are read side by side");
        }
        let n_stdin = self.files.iter().filter(|file| file.path == STDIN).count();
        if n_stdin > 1 || (n_stdin == 1 && n_processes > 1) {
            bail!("standard input can be read once, by one process");
        }
        Ok(())
    }

    /// Names of the files.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.path.as_str())
    }

    /// Files that were left out by their paths.
    pub(crate) fn pruned(&self) -> Counts {
        Counts {
            files_pruned: self.n_pruned,
            ..Counts::default()
        }
    }

    /// Stored bytes, where known.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.files.iter().filter_map(Input::stored_bytes).sum()
    }

    /// Partitions of the files that `is_ours` says, not open yet.
    pub(crate) fn partitions(
        &self,
        labels: &[(String, String)],
        ledger: &Arc<Ledger>,
        is_ours: impl Fn(u32) -> bool,
    ) -> Vec<wire::Input> {
        let n_files = self.files.len().max(1);
        let all = (0u32..).zip(&self.files).filter(|(id, _)| is_ours(*id));
        all.map(|(id, file)| {
            let origin = Origin {
                src: file.path.clone(),
                module: file.module().to_owned(),
                labels: labels.to_vec(),
            };
            let options = Options {
                wanted: self.wanted.clone(),
                window: self.window,
                unit: self.unit,
                line_bytes_max: file.line_bytes_max,
                threads: self.readers.div_ceil(n_files),
                ahead_bytes_max: AHEAD_BYTES_MAX / n_files,
                ledger: Arc::clone(ledger),
            };
            let (file, opened) = (file.clone(), origin.clone());
            let open = Box::new(move || open(&file, opened, options));
            wire::Input { id, origin, open }
        })
        .collect()
    }
}

fn open(file: &Input, origin: Origin, options: Options) -> Result<Box<dyn Source>, SourceError> {
    let ledger = Arc::clone(&options.ledger);
    match file.open(origin, options) {
        Ok(source) => Ok(Box::new(Recorded { source, ledger })),
        Err(error) => {
            ledger.dead(dead(&file.path, &error));
            Err(error)
        }
    }
}

fn dead(path: &str, error: &SourceError) -> DeadLetter {
    let row = match error {
        SourceError::Read { lines, .. } => Some(*lines),
        _ => None,
    };
    DeadLetter {
        path: path.to_owned(),
        row_group: None,
        row,
        reason: chain(error),
    }
}

/// A source whose errors become dead letters too.
struct Recorded {
    source: Box<dyn Source>,
    ledger: Arc<Ledger>,
}

impl Source for Recorded {
    fn origin(&self) -> &Origin {
        self.source.origin()
    }

    fn read(&mut self, batch: &mut LineBatch) -> Result<Step, SourceError> {
        let result = self.source.read(batch);
        if let Err(error) = &result {
            self.ledger.dead(dead(&self.source.origin().src, error));
        }
        result
    }

    fn progress(&self) -> (u64, Option<u64>) {
        self.source.progress()
    }
}

/// The span of time that the flags ask for.
fn window(rows: &RowArgs, now: Time) -> Result<Window> {
    let window = Window {
        since_ns: bound("--since", rows.since.as_deref(), now)?,
        until_ns: bound("--until", rows.until.as_deref(), now)?,
    };
    if let (Some(since), Some(until)) = (window.since_ns, window.until_ns)
        && since >= until
    {
        bail!("--since is not before --until: no row can be between them");
    }
    Ok(window)
}

/// A time: RFC 3339, a date, or how long before `now`.
fn bound(flag: &str, text: Option<&str>, now: Time) -> Result<Option<i64>> {
    let Some(text) = text else {
        return Ok(None);
    };
    let time = parse_rfc3339(text.as_bytes())
        .or_else(|| parse_rfc3339(format!("{text}T00:00:00Z").as_bytes()))
        .map(|time| time.unix_ns());
    let back = || {
        let ns = duration::parse_with_days(text).ok().filter(|ns| *ns >= 0)?;
        now.unix_ns().checked_sub(ns)
    };
    time.or_else(back).map(Some).with_context(|| {
        format!(
            "{flag}: {text:?} is neither a time nor a duration; try 2026-03-10T06:00:00Z, \
             2026-03-10 or 4h"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_a_time_or_a_duration_before_now() {
        let now = Time::from_unix_ns(1_000_000_000_000_000_000);
        let ns = |text| bound("--since", Some(text), now).unwrap().unwrap();
        assert_eq!(ns("1970-01-02T00:00:00Z"), 86_400_000_000_000);
        assert_eq!(ns("1970-01-02"), 86_400_000_000_000);
        assert_eq!(ns("4h"), 1_000_000_000_000_000_000 - 14_400_000_000_000);
        assert_eq!(ns("2d"), 1_000_000_000_000_000_000 - 172_800_000_000_000);
        for text in ["yesterday", "-4h", "1970-13-01", ""] {
            let error = bound("--since", Some(text), now).unwrap_err().to_string();
            assert!(error.contains("try 2026"), "{error}");
        }
    }
}
