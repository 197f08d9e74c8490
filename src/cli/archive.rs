//! `overspill archive`: logs in, Parquet out.
//!
//! ```text
//!  input --lines--> parse, for the time --> the day's (hour's) file of this input --> renamed at the end
//! ```
//!
//! Each input has files of its own, so that a replay of the archive has the partitions that a replay
//! of the inputs has. A line without a time goes where the line before it went.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use overspill_connectors::archive::{ArchiveError, ArchiveFile, Draft, Shape};
use overspill_connectors::window::civil_from_days;
use overspill_connectors::{Ledger, Source, Step};
use overspill_dataflow::Plan;
use overspill_event::{Event, ExpectMode, LineBatch, LineRef, Origin, Position, TextField};
use overspill_golike::time::{Time, parse_rfc3339};
use overspill_parser::{ParserState, parse};

use super::args::{ArchiveArgs, PartitionBy};
use super::replay::inputs::Inputs;
use super::replay::{labels, moment};
use super::{Exit, print, tell};
use crate::content;
use crate::report::human::grouped;
use crate::report::input;
use crate::wire::chain;

/// Most files that are written side by side; beyond, the one that waited longest is finished.
const OPEN_MAX: usize = 16;
/// Most bytes of lines that wait for their row groups, of all files.
const WAITING_BYTES_MAX: usize = 256 << 20;
/// Folder of lines before the first one that has a time, by Hive's name for what is absent.
const NO_DATE: &str = "__HIVE_DEFAULT_PARTITION__";

const MICROS_PER_HOUR: i64 = 3_600_000_000;

/// Names of columns that labels cannot have.
const COLUMNS: [&str; 4] = ["time", "message", "source", "offset"];

pub(super) fn run(args: &ArchiveArgs) -> Result<Exit> {
    let now = moment(args.now.as_deref())?;
    if args.input.log_type.is_none() && !args.message_only {
        bail!(
            "--type is missing: which log is it, so that its times can be read? For example \
             --type nginx; or --message-only, without times"
        );
    }
    let inputs = Inputs::find(&args.paths, &args.input, &args.rows, now)?;
    let target = Target::new(args, inputs.names().count())?;
    let labels = labels(&args.input);
    if let Some((name, _)) = labels
        .iter()
        .find(|(name, _)| COLUMNS.contains(&name.as_str()))
    {
        bail!("--label {name}: an archive has a column of that name; choose another");
    }
    let mut clock = if args.message_only {
        None
    } else {
        let engine = content::load(&args.content)?;
        engine
            .refused
            .iter()
            .for_each(|text| tell(&format!("{text}\n")));
        Some(Clock::new(engine.plan, now))
    };
    let shape = Shape {
        labels: labels.clone(),
        message_only: args.message_only,
        is_binary: args.binary,
        level: args.level,
        row_group_rows: usize::try_from(args.row_group_rows).unwrap_or(usize::MAX),
    };
    let ledger = Arc::new(Ledger::default());
    ledger.count(&inputs.pruned());
    let mut archive = Archive::new(target, shape);
    for partition in inputs.partitions(&labels, &ledger, |_| true) {
        // What cannot be opened, or read to its end, stands in the ledger.
        let Ok(source) = (partition.open)() else {
            continue;
        };
        if let Err(error) = archive.read(partition.id, source, clock.as_mut()) {
            archive.abandon();
            return Err(error);
        }
    }
    let written = archive.publish(args.force)?;
    let account = ledger.account();
    tell(&input::dead_letters(&account, &[]));
    if let Some(path) = &args.rows.dead_letters {
        input::write_dead_letters(&account, path)?;
    }
    print(&format!("{written}{}", input::summary(&account, &style())))?;
    Ok(if account.counts.dead_letters > 0 {
        Exit::Failed
    } else {
        Exit::Done
    })
}

fn style() -> crate::report::term::Style {
    crate::report::term::Style::plain(100)
}

/// Where files go.
#[derive(Debug)]
enum Target {
    File(PathBuf),
    Dir(PathBuf, PartitionBy),
}

impl Target {
    fn new(args: &ArchiveArgs, n_inputs: usize) -> Result<Self> {
        let partition_by = if args.message_only {
            PartitionBy::None
        } else {
            args.partition_by
        };
        let is_file = args.to.extension().is_some_and(|ext| ext == "parquet") && !args.to.is_dir();
        if !is_file {
            if args.to.exists() && !args.to.is_dir() {
                bail!(
                    "--to {}: neither a directory nor a name that ends in .parquet",
                    args.to.display()
                );
            }
            return Ok(Self::Dir(args.to.clone(), partition_by));
        }
        if n_inputs > 1 {
            bail!("--to names one file, and there are {n_inputs} inputs: name a directory");
        }
        if partition_by != PartitionBy::None {
            bail!("--to names one file: add --partition-by none, or name a directory");
        }
        if args.to.exists() && !args.force {
            bail!("{} exists; --force replaces it", args.to.display());
        }
        Ok(Self::File(args.to.clone()))
    }

    /// The folder of a time, in parts of a path.
    fn folder(&self, time_us: Option<i64>) -> String {
        let Self::Dir(_, partition_by) = self else {
            return String::new();
        };
        let hours = time_us.map(|us| us.div_euclid(MICROS_PER_HOUR));
        match (partition_by, hours) {
            (PartitionBy::None, _) => String::new(),
            (_, None) => format!("date={NO_DATE}"),
            (partition_by, Some(hours)) => {
                let (year, month, day) = civil_from_days(hours.div_euclid(24));
                let date = format!("date={year:04}-{month:02}-{day:02}");
                match partition_by {
                    PartitionBy::Hour => format!("{date}/hour={:02}", hours.rem_euclid(24)),
                    _ => date,
                }
            }
        }
    }

    fn path(&self, folder: &str, input: u32, source: &str, part: usize) -> PathBuf {
        let dir = match self {
            Self::File(path) => return path.clone(),
            Self::Dir(dir, _) => dir.join(folder),
        };
        let stem = Path::new(source).file_name().unwrap_or_default();
        let stem: String = stem
            .to_string_lossy()
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "._-".contains(c) {
                    c
                } else {
                    '_'
                }
            })
            .take(100)
            .collect();
        let part = if part > 0 {
            format!(".{part}")
        } else {
            String::new()
        };
        dir.join(format!("{input:05}-{stem}{part}.parquet"))
    }
}

/// Reads the times of lines.
struct Clock {
    plan: Plan,
    now: Time,
    state: ParserState,
    event: Event,
}

impl Clock {
    fn new(plan: Plan, now: Time) -> Self {
        Self {
            state: ParserState::new(&plan.parsers, now),
            event: Event::new(Arc::clone(&plan.schema)),
            plan,
            now,
        }
    }

    /// The time of a line as the parsers find it, in microseconds.
    fn time_us(&mut self, origin: &Origin, line: &[u8], position: Position) -> Option<i64> {
        let Self { plan, event, .. } = self;
        event.begin_line(origin, line, position);
        event.mode = ExpectMode::TimeMachine;
        event.arrival_time = self.now;
        let _outcome = parse(
            &plan.parsers,
            event,
            &mut self.state,
            &plan.services,
            &mut (),
        );
        let time = parse_rfc3339(event.text(TextField::MarshaledTime))?;
        // A date that cannot be read is the present: no time of the line.
        (!time.same_instant(&self.now)).then(|| time.unix_ns().div_euclid(1_000))
    }
}

/// Files that are being written, and that are whole.
struct Archive {
    target: Target,
    shape: Shape,
    /// By folder; when it was written to last, its part, and the file.
    open: BTreeMap<String, (u64, ArchiveFile)>,
    /// Parts that a folder has of the present input.
    parts: BTreeMap<String, usize>,
    drafts: Vec<Draft>,
    n_lines: u64,
    n_without_time: u64,
}

impl Archive {
    fn new(target: Target, shape: Shape) -> Self {
        Self {
            target,
            shape,
            open: BTreeMap::new(),
            parts: BTreeMap::new(),
            drafts: Vec::new(),
            n_lines: 0,
            n_without_time: 0,
        }
    }

    /// All lines of an input.
    fn read(
        &mut self,
        id: u32,
        mut source: Box<dyn Source>,
        mut clock: Option<&mut Clock>,
    ) -> Result<()> {
        let origin = source.origin().clone();
        let mut before_us = None;
        if let Some(clock) = &mut clock {
            clock.state = ParserState::new(&clock.plan.parsers, clock.now);
        }
        loop {
            let mut batch = LineBatch::default();
            let step = source.read(&mut batch);
            for line in &batch.lines {
                let position = Position {
                    partition: id,
                    offset: line.offset,
                };
                let bytes = batch.bytes(line);
                let time_us = clock
                    .as_mut()
                    .and_then(|clock| clock.time_us(&origin, bytes, position));
                before_us = time_us.or(before_us);
                let folder = self.target.folder(before_us);
                self.push(folder, id, &origin.src, time_us, (bytes, line))
                    .map_err(|error| anyhow::anyhow!(chain(&error)))?;
            }
            // An error stands in the ledger; what came before it is kept.
            if !matches!(step, Ok(Step::More)) {
                break;
            }
        }
        while let Some((_, (_, file))) = self.open.pop_first() {
            let draft = file
                .finish()
                .map_err(|error| anyhow::anyhow!(chain(&error)))?;
            self.drafts.push(draft);
        }
        self.parts.clear();
        Ok(())
    }

    fn push(
        &mut self,
        folder: String,
        id: u32,
        source: &str,
        time_us: Option<i64>,
        (bytes, line): (&[u8], &LineRef),
    ) -> Result<(), ArchiveError> {
        self.n_lines += 1;
        self.n_without_time += u64::from(time_us.is_none() && !self.shape.message_only);
        if !self.open.contains_key(&folder) {
            if self.open.len() >= OPEN_MAX {
                self.finish_oldest()?;
            }
            let part = self.parts.entry(folder.clone()).or_default();
            let path = self.target.path(&folder, id, source, *part);
            *part += 1;
            let file = ArchiveFile::create(path, source, self.shape.clone())?;
            self.open.insert(folder.clone(), (0, file));
        }
        if let Some((used, file)) = self.open.get_mut(&folder) {
            *used = self.n_lines;
            file.push(time_us, bytes, line.offset)?;
        }
        let is_due = self.n_lines.is_multiple_of(4_096);
        if is_due && self.open.len() > 1 {
            self.limit()?;
        }
        Ok(())
    }

    /// Writes row groups early where too much waits.
    fn limit(&mut self) -> Result<(), ArchiveError> {
        let waiting = |(_, file): &(u64, ArchiveFile)| file.waiting_bytes();
        while self.open.values().map(waiting).sum::<usize>() > WAITING_BYTES_MAX {
            match self.open.values_mut().max_by_key(|open| waiting(open)) {
                Some((_, file)) => file.flush()?,
                None => break,
            }
        }
        Ok(())
    }

    fn finish_oldest(&mut self) -> Result<(), ArchiveError> {
        let oldest = self.open.iter().min_by_key(|(_, (used, _))| *used);
        let folder = oldest.map(|(folder, _)| folder.clone());
        if let Some((_, file)) = folder.and_then(|folder| self.open.remove(&folder)) {
            self.drafts.push(file.finish()?);
        }
        Ok(())
    }

    /// Removes everything that has no name yet.
    fn abandon(self) {
        self.open.into_values().for_each(|(_, file)| file.abandon());
        self.drafts.into_iter().for_each(Draft::abandon);
    }

    /// Gives all files their names, or none, and says what was written.
    fn publish(self, force: bool) -> Result<String> {
        if !force && let Some(draft) = self.drafts.iter().find(|draft| draft.path().exists()) {
            let path = draft.path().display().to_string();
            self.abandon();
            bail!("{path} exists; --force replaces it. Nothing was written");
        }
        let (mut n_files, mut n_bytes, mut n_not_utf8) = (0u64, 0, 0);
        let mut drafts = self.drafts.into_iter();
        while let Some(draft) = drafts.next() {
            n_files += 1;
            n_bytes += draft.n_bytes;
            n_not_utf8 += draft.n_not_utf8;
            if let Err(error) = draft.publish(force) {
                drafts.for_each(Draft::abandon);
                return Err(error).context("some files of the archive were written, not all");
            }
        }
        let mut out = format!(
            "{} lines in {} files of {} bytes\n",
            grouped(self.n_lines),
            grouped(n_files),
            grouped(n_bytes)
        );
        if self.n_without_time > 0 {
            out.push_str(&format!(
                "  {} lines have no time that the parsers found: --since and --until leave them out\n",
                grouped(self.n_without_time)
            ));
        }
        if n_not_utf8 > 0 {
            out.push_str(&format!(
                "  {} lines are not UTF-8 and lost bytes to U+FFFD; --binary keeps them\n",
                grouped(n_not_utf8)
            ));
        }
        Ok(out)
    }
}
