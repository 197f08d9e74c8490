//! `--alerts`, `--decisions` and `--dead-letters`: files that are opened before the work and written after it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use overspill_decision::wire;

use super::Outcome;
use crate::cli::args::{Format, ReplayArgs};
use crate::cli::print;

/// Files of results, open.
#[derive(Debug)]
pub(super) struct Files {
    alerts: Option<Target>,
    decisions: Option<Target>,
    dead_letters: Option<Target>,
}

/// Where one kind of result goes.
#[derive(Debug)]
enum Target {
    Stdout,
    File(PathBuf, File),
}

impl Files {
    /// Opens and empties what the flags name, so that a bad path does not cost a whole run.
    pub(super) fn open(args: &ReplayArgs, format: Format) -> Result<Self> {
        let (alerts, decisions) = (&args.alerts, &args.decisions);
        if alerts.is_some() && alerts == decisions && !is_stdout(alerts.as_deref()) {
            bail!("--alerts and --decisions name the same file");
        }
        let dead_letters = &args.rows.dead_letters;
        if dead_letters.is_some() && (dead_letters == alerts || dead_letters == decisions) {
            bail!("--dead-letters names the same file as --alerts or --decisions");
        }
        let files = Self {
            alerts: alerts.as_deref().map(target).transpose()?,
            decisions: decisions.as_deref().map(target).transpose()?,
            dead_letters: dead_letters.as_deref().map(target).transpose()?,
        };
        if files.takes_stdout() && format != Format::Human {
            bail!("standard output can take -o json, -o raw or a file `-`, not two of them");
        }
        Ok(files)
    }

    /// One of them is standard output, so that nothing else should be.
    pub(super) fn takes_stdout(&self) -> bool {
        [&self.alerts, &self.decisions, &self.dead_letters]
            .into_iter()
            .any(|target| matches!(target, Some(Target::Stdout)))
    }

    /// Writes the results: one JSON object a line.
    pub(super) fn write(self, outcome: &Outcome) -> Result<()> {
        if let Some(target) = self.alerts {
            let mut out = Vec::new();
            for alert in &outcome.alerts {
                wire::append_alert_line(alert, &mut out);
            }
            target.write(&out)?;
        }
        if let Some(target) = self.decisions {
            let mut out = Vec::new();
            for decision in &outcome.decisions {
                wire::append_decision(decision, &mut out);
                out.push(b'\n');
            }
            target.write(&out)?;
        }
        if let Some(target) = self.dead_letters {
            let mut out = Vec::new();
            for letter in &outcome.input.dead_letters {
                serde_json::to_writer(&mut out, letter)?;
                out.push(b'\n');
            }
            target.write(&out)?;
        }
        Ok(())
    }
}

fn is_stdout(path: Option<&Path>) -> bool {
    path == Some(Path::new("-"))
}

fn target(path: &Path) -> Result<Target> {
    if is_stdout(Some(path)) {
        return Ok(Target::Stdout);
    }
    let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
    Ok(Target::File(path.to_owned(), file))
}

impl Target {
    fn write(self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Stdout => print(&String::from_utf8_lossy(bytes)),
            Self::File(path, file) => {
                let mut file = BufWriter::new(file);
                file.write_all(bytes)
                    .and_then(|()| file.flush())
                    .with_context(|| format!("write {}", path.display()))
            }
        }
    }
}
