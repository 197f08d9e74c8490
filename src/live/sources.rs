//! Sources of a live job: `acquis.yaml` read, and each source pumped by a thread of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[cfg(feature = "kafka")]
use anyhow::anyhow;
use anyhow::{Context, Result, bail};
use crossbeam_channel::{Receiver, Sender};
use overspill_connectors::acquis::{
    Acquisition, Kind, Place, Severity, Surroundings, Value, files, read, tell_apart,
};
use overspill_connectors::limit::Shared;
use overspill_connectors::source::{Backoff, Clock, Positions, Turn};
use overspill_connectors::tail::Exclude;
use overspill_connectors::{LiveSource, Retry};
use overspill_dataflow::intake::Intake;
use overspill_expr::Services;
use overspill_grok::compile_go;
use overspill_scenarios::expand;
use overspill_scenarios::yaml::{self, Data, Node, Style};

use super::Word;
use super::metrics::SourceMeter;
use super::outlet::{Lanes, Patience, Register};
use super::transform;
use crate::wire::chain;

/// How long a source may wait for something in one call.
const POLL: Duration = Duration::from_millis(50);

/// How often silent partitions are looked at.
const LOOK_AT_LANES: Duration = Duration::from_secs(1);

/// What acquisition files say.
#[derive(Debug, Default)]
pub struct Acquisitions {
    /// What is read.
    pub acquisitions: Vec<Acquisition>,
    /// What refused a document, rendered.
    pub refused: Vec<String>,
    /// What did not, rendered.
    pub warnings: Vec<String>,
}

/// What acquisition files are read with.
#[derive(Debug)]
pub struct Reading<'a> {
    /// Where sources keep what they have to keep.
    pub state_dir: &'a Path,
    /// What transforms ask.
    pub services: &'a Services,
    /// What the sources of each tenant may read together.
    pub tenants: BTreeMap<String, Shared>,
}

/// Reads acquisition files: the one that is named, and those of a directory.
///
/// # Errors
/// When a file that is named is not there, or one cannot be read.
pub fn load(
    path: Option<&Path>,
    dir: Option<&Path>,
    reading: &Reading<'_>,
) -> Result<Acquisitions> {
    if let Some(path) = path.filter(|path| !path.exists()) {
        bail!("acquisition file {}: not there", path.display());
    }
    let found = files(path, dir).with_context(|| {
        format!(
            "acquisition directory {}",
            shown(dir.unwrap_or(Path::new("")))
        )
    })?;
    let mut all = Acquisitions::default();
    for file in found {
        load_file(&file, reading, &mut all)?;
    }
    tell_apart(&mut all.acquisitions, reading.state_dir);
    Ok(all)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn load_file(path: &PathBuf, reading: &Reading<'_>, all: &mut Acquisitions) -> Result<()> {
    let text = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let text = String::from_utf8_lossy(&text);
    let text = expand(&text, &|name| std::env::var(name).ok());
    let file = shown(path);
    let documents = match yaml::parse(&text) {
        Ok(documents) => documents,
        Err(error) => {
            let at = error.at;
            all.refused.push(format!(
                "error: {file}:{}:{}: {}",
                at.line, at.column, error.message
            ));
            return Ok(());
        }
    };
    let exclude = |expression: &str| {
        let regex = compile_go(expression).map_err(|error| chain(&error))?;
        Ok(Exclude::new(move |path| regex.is_match(path.as_bytes())))
    };
    let surroundings = Surroundings {
        file: &file,
        exclude: &exclude,
        transform: &|text| transform::compile(text, reading.services),
        state_dir: reading.state_dir,
        tenants: &reading.tenants,
    };
    for document in documents {
        for problem in &document.problems {
            all.warnings.push(format!(
                "warning: {file}:{}:{}: {}",
                problem.at.line, problem.at.column, problem.message
            ));
        }
        let (acquisition, findings) = read(&value(&document.root), &surroundings);
        for finding in findings {
            match finding.severity {
                Severity::Error => all.refused.push(format!("error: {finding}")),
                Severity::Warning => all.warnings.push(format!("warning: {finding}")),
            }
        }
        all.acquisitions.extend(acquisition);
    }
    Ok(())
}

/// The documents of a file, whose references to the environment are resolved.
///
/// # Errors
/// When it cannot be read, or is no YAML.
#[cfg(feature = "kafka")]
pub(super) fn documents(path: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let text = expand(&String::from_utf8_lossy(&text), &|name| {
        std::env::var(name).ok()
    });
    let refused = |error: &yaml::YamlError| {
        let (at, file) = (error.at, path.display());
        anyhow!("{file}:{}:{}: {}", at.line, at.column, error.message)
    };
    match yaml::parse(&text) {
        Ok(documents) => {
            let mut problems = documents.iter().flat_map(|document| &document.problems);
            match problems.next() {
                Some(problem) => Err(refused(problem)),
                None => Ok(documents
                    .iter()
                    .map(|document| value(&document.root))
                    .collect()),
            }
        }
        Err(error) => Err(refused(&error)),
    }
}

/// A tree of the reader of YAML as that of acquisitions.
pub(super) fn value(node: &Node) -> Value {
    let place = |mark: yaml::Mark| Place {
        line: mark.line,
        column: mark.column,
    };
    let kind = match &node.data {
        Data::Scalar(scalar) => Kind::Scalar(scalar.text.to_string(), scalar.style == Style::Plain),
        Data::List(items) => Kind::List(items.iter().map(value).collect()),
        Data::Map(entries) => Kind::Map(
            entries
                .iter()
                .map(|entry| (entry.key.to_string(), place(entry.at), value(&entry.value)))
                .collect(),
        ),
    };
    Value {
        at: place(node.start),
        kind,
    }
}

/// Where the partitions of sources stand, by key of the source.
pub(crate) type Told = BTreeMap<String, Positions>;

/// Where each source of this process is told what is durable.
#[derive(Debug, Default)]
pub(crate) struct Committed(pub(super) BTreeMap<String, Sender<Positions>>);

impl Committed {
    /// Tells all of them; those that have ended need to know nothing.
    pub(super) fn tell(&self, told: &Told) {
        for (key, sender) in &self.0 {
            let _ended = sender.send(told.get(key).cloned().unwrap_or_default());
        }
    }

    /// The sources.
    pub(super) fn keys(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

/// The name of a source in checkpoints: what only one machine can read bears the name of that.
pub(super) fn key(acquisition: &Acquisition, node: &str) -> String {
    let node = if acquisition.is_shared() { "" } else { node };
    format!("{node}/{}", acquisition.id)
}

/// Event time stays where the job began until a source has said what it has: its lines are counted with those of the
/// others, whenever they come. Whoever makes one has called [`Intake::hold`].
struct Hold(Arc<Intake>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// A source and what its thread needs.
pub(super) struct Pump {
    /// Name of the source in checkpoints.
    pub(super) key: String,
    pub(super) source: Box<dyn LiveSource>,
    pub(super) register: Arc<Register>,
    pub(super) intake: Arc<Intake>,
    /// Positions of checkpoints that are durable.
    pub(super) committed: Receiver<Positions>,
    /// Told once the source has said what it begins with.
    pub(super) is_ready: Sender<()>,
    pub(super) words: Sender<Word>,
    pub(super) patience: Patience,
    pub(super) clock: Clock,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) meter: SourceMeter,
}

impl Pump {
    /// Reads until the source ends or the job does.
    pub(super) fn run(mut self) {
        let id = self.source.id().to_owned();
        let mut lanes = Lanes::new(&self.key, &self.register, &self.intake, self.patience);
        let mut look_at = Instant::now() + LOOK_AT_LANES;
        let mut backoff = Backoff::default();
        let mut is_told = false;
        let mut hold = Some((Hold(Arc::clone(&self.intake)), Instant::now()));
        while !self.stop.load(Ordering::SeqCst) {
            let turn = self.source.poll(&mut lanes, POLL);
            let mut pause = None;
            let is_failing = turn.is_err();
            let has_begun = self.source.has_begun();
            match turn {
                Ok(Turn::Gave | Turn::Quiet) => backoff.reset(),
                Ok(Turn::Ended) => break,
                Err(error) => {
                    self.say(&format!("source {id}: {}", chain(&error)));
                    if error.retry() == Retry::Never {
                        break;
                    }
                    pause = Some(backoff.pause());
                }
            }
            self.meter.look(self.source.as_ref(), &lanes);
            let is_known = is_failing || has_begun;
            if is_known && !std::mem::replace(&mut is_told, true) {
                self.ready();
            }
            if let Some((_, since)) = &hold {
                let waited = since.elapsed();
                let is_over = waited >= self.patience.skew;
                if is_over {
                    let waited = waited.as_secs();
                    self.say(&format!(
                        "source {id}: it has not said what it has for {waited} s: the others go on without it"
                    ));
                }
                if is_over || (has_begun && !is_failing) {
                    hold = None;
                }
            }
            for positions in self.committed.try_iter() {
                self.source.committed(&positions);
            }
            if Instant::now() >= look_at {
                look_at = Instant::now() + LOOK_AT_LANES;
                for text in lanes.look(Instant::now(), (self.clock)()) {
                    self.say(&format!("source {id}: {text}"));
                }
            }
            for sample in self.source.counters().take_samples() {
                self.say(&format!("source {id}: {}", sample.text));
            }
            if let Some(pause) = pause {
                self.wait(pause);
            }
        }
        if !is_told {
            self.ready();
        }
        self.source.close();
    }

    fn ready(&self) {
        let _nobody_waits = self.is_ready.send(());
    }

    fn say(&self, text: &str) {
        // A reader that does not keep up misses some of these; the counters have all.
        let _no_room = self.words.try_send(Word::Trouble(text.to_owned()));
    }

    /// Waits, but not for longer than the job runs.
    fn wait(&self, pause: Duration) {
        let mut left = pause;
        while !left.is_zero() && !self.stop.load(Ordering::SeqCst) {
            let step = left.min(POLL);
            std::thread::sleep(step);
            left -= step;
        }
    }
}
