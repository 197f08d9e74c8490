//! Runs one after the other, in one lane or in several side by side.
//!
//! Lanes share the program, the machine and nothing else: each has its own broker, since that is killed, and each run its
//! own directory, topics, stream and network. What a run says is told when it is over, in one piece.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::machines::Machines;
use super::plan::{Inputs, Plan};
use super::record::Record;
use super::run::{self, Surroundings};
use super::summary::{Summary, counted};
use super::world;

/// What the client of Kinesis has in its requests: a build without it lacks that.
const KINESIS_MARK: &[u8] = b"Kinesis_20131202";

/// The plan of a run by its number, while there is time: this much has passed.
pub(crate) type Next<'a> = Box<dyn Fn(u64, Duration) -> Option<Plan> + Sync + 'a>;

/// Lanes, and what they begin with.
#[derive(Debug)]
pub(crate) struct Lanes {
    pub(crate) around: Surroundings,
    pub(crate) n: usize,
}

/// The library of clocks that are wrong; that there is none is said.
pub(crate) fn clock_library() -> Option<std::path::PathBuf> {
    match world::clock_library() {
        Ok(library) => Some(library),
        Err(error) => {
            println!("*** NO CLOCK JUMPS: no libfaketime: {error:#} ***");
            None
        }
    }
}

impl Lanes {
    /// Carries out plans until there are no more.
    pub(crate) fn run(&self, next: &Next<'_>) -> Result<Summary> {
        let (n_begun, since) = (AtomicU64::new(0), Instant::now());
        let summary = Mutex::new(Summary::default());
        std::thread::scope(|scope| {
            let mut lanes = Vec::new();
            for at in 0..self.n {
                let mut around = self.around.beside(at);
                let (n_begun, summary) = (&n_begun, &summary);
                let work = move || -> Result<()> {
                    while let Some(plan) = {
                        let n = n_begun.fetch_add(1, Ordering::SeqCst);
                        next(n, since.elapsed())
                    } {
                        one(&plan, &mut around, summary)?;
                    }
                    Ok(())
                };
                let lane = std::thread::Builder::new()
                    .name(format!("lane {at}"))
                    .spawn_scoped(scope, work);
                lanes.push(lane.context("start a thread")?);
            }
            for lane in lanes {
                lane.join().map_err(|_| anyhow!("a lane panicked"))??;
            }
            Ok::<(), anyhow::Error>(())
        })?;
        Ok(summary.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Surroundings {
    /// Those of another lane, without servers.
    fn beside(&self, lane: usize) -> Self {
        Self {
            root: self.root.clone(),
            program: self.program.clone(),
            clock_library: self.clock_library.clone(),
            has_processes: self.has_processes,
            keeps: self.keeps,
            lane,
            ..Self::default()
        }
    }

    /// Has what a plan needs, or says why it cannot be had.
    fn prepare(&mut self, plan: &Plan) -> Result<()> {
        let dir = self.root.join(format!("servers-{}", self.lane));
        fs::create_dir_all(&dir)?;
        self.servers.prepare(plan, &dir)?;
        if plan.inputs == Inputs::Kinesis && !contains(&self.program, KINESIS_MARK)? {
            return Err(anyhow!("this build has no Kinesis"));
        }
        if plan.inputs == Inputs::Machines {
            let machines = Machines::new(1).context("no network namespaces")?;
            drop(machines);
        }
        Ok(())
    }
}

fn contains(path: &Path, mark: &[u8]) -> Result<bool> {
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    Ok(bytes.windows(mark.len()).any(|window| window == mark))
}

/// One run, told from its seed to its result.
fn one(plan: &Plan, around: &mut Surroundings, summary: &Mutex<Summary>) -> Result<()> {
    let (seed, inputs) = (plan.seed, plan.inputs.name());
    let wide = if plan.is_pattern_wide {
        " --wide-patterns"
    } else {
        ""
    };
    let head =
        format!("\n== chaos: cargo xtask chaos --seed {seed} --source {inputs} --runs 1{wide}");
    if let Err(error) = around.prepare(plan) {
        let is_required = ["CI", "OVERSPILL_REQUIRE_BACKENDS"]
            .into_iter()
            .any(|name| std::env::var_os(name).is_some());
        if is_required {
            return Err(error);
        }
        println!("{head}\n*** NOT RUN: {error:#} ***");
        return Ok(());
    }
    let dir = around.root.join(format!("{inputs}-{seed}"));
    let record = run::run(plan, &dir, around).with_context(|| head.trim().to_owned())?;
    let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
    println!("{head}\n{}", told(plan, &record, &dir).trim_end());
    summary.add(plan, &record);
    Ok(())
}

fn told(plan: &Plan, record: &Record, dir: &Path) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let mut line = |words: String| {
        let _written = writeln!(text, "   {words}");
    };
    line(format!(
        "{} lines, {} starts, {} alerts, {} withdrawn, first alert after a start {:?} ms",
        record.n_lines,
        record.n_starts,
        record.n_alerts,
        record.n_withdrawn,
        record.first_alerts_ms,
    ));
    line(format!(
        "{:.1} s: {:.1} s of faults, {:.1} s until all was final; {} contents taken, {} refused, {} ordered by a record",
        record.took.as_secs_f64(),
        record.drive.as_secs_f64(),
        record.settle.as_secs_f64(),
        record.n_reloads,
        record.n_refusals,
        record.n_orders,
    ));
    line(counted(&record.faults));
    if !record.impossible.is_empty() {
        let what = counted(&record.impossible);
        line(format!("*** COULD NOT BE DONE HERE: {what} ***"));
    }
    if record.is_void() {
        line(format!(
            "this machine was too slow: {} lines came later than their dates allow",
            record.n_late
        ));
    }
    if record.is_good() {
        line("good: none lost, none doubled".to_owned());
        return text;
    }
    line(format!("NOT GOOD\n{plan}"));
    for (what, alerts) in [
        ("lost", &record.difference.lost),
        ("doubled", &record.difference.doubled),
    ] {
        for alert in alerts {
            line(format!("{what}: {alert}"));
        }
    }
    if let Some(failure) = &record.failure {
        line(failure.clone());
    }
    line(format!("kept: {}", dir.display()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_share_runs_and_each_is_carried_out_once() {
        let lanes = Lanes {
            around: Surroundings::default(),
            n: 3,
        };
        let asked = Mutex::new(Vec::new());
        // Plans that are asked for and not given: nothing is run.
        let next: Next<'_> = Box::new(|n, _| {
            asked.lock().unwrap().push(n);
            None
        });
        let summary = lanes.run(&next).unwrap();
        drop(next);
        let mut asked = asked.into_inner().unwrap();
        asked.sort_unstable();
        assert_eq!(asked, [0, 1, 2]);
        assert_eq!(summary.n_compared(), 0);
    }
}
