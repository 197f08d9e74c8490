//! `cargo xtask chaos`: live jobs to which everything bad happens at once, and their alerts beside those of a replay.
//!
//! ```text
//!  seed --> plan --> faults ----> job, broker, network, disks, clock, files
//!      \--> lines --> files and topics --> job --> alerts --\
//!                \--> what was written --> replay --> truth --> the same multiset?
//! ```
//!
//! A run is good when the alerts that stand in the end are those of an undisturbed replay of the same lines: none lost,
//! none doubled. Nothing is asserted about times. The lines' dates follow the clock, so a seed repeats the plan and not
//! the bytes.

mod alerts;
pub(crate) mod broker;
pub(crate) mod feed;
mod files;
mod inputs;
pub(crate) mod job;
mod plan;
mod proxy;
mod record;
mod rng;
mod run;
mod store;
mod summary;
pub(crate) mod traffic;
pub(crate) mod wire;
mod world;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::bench::report::Circumstances;
use crate::command::{has_flag, root, step, target_dir, value};
use broker::Broker;
use plan::{Fault, Inputs, Plan};
use record::Record;
use run::Surroundings;
use summary::{Summary, counted};

/// What is run when nothing else is asked for.
const SEED: &str = "1";
/// Runs of the suite: seeds whose plans have most kinds of faults in them.
const OF_SUITE: [(u64, Inputs); 3] = [(2, Inputs::Files), (29, Inputs::Files), (29, Inputs::Both)];

/// How long to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    Runs(u64),
    Passed(Duration),
}

#[derive(Debug)]
struct Asked {
    seed: u64,
    until: Until,
    inputs: Vec<Inputs>,
    keeps: bool,
    writes: bool,
    is_of_suite: bool,
    is_pattern_wide: bool,
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let asked = asked(args)?;
    if has_flag(args, "--plan") {
        for inputs in &asked.inputs {
            println!("{}", Plan::new(asked.seed, *inputs));
        }
        return Ok(());
    }
    if let Some(is_good) = world::again_with_own_mounts()? {
        if is_good {
            return Ok(());
        }
        bail!("the chaos suite failed; what it said is above");
    }
    let mut around = surroundings(value(args, "--program"), asked.keeps)?;
    let circumstances = Circumstances::now()?;
    let mut summary = Summary::default();
    if asked.is_of_suite {
        for (seed, inputs) in OF_SUITE {
            one(Plan::new(seed, inputs), &mut around, &mut summary)?;
        }
    } else {
        many(&asked, &mut around, &mut summary)?;
    }
    println!("\n{}", summary.text());
    if asked.writes {
        write(&summary, &circumstances, args)?;
    }
    if summary.n_bad() > 0 {
        bail!("{} runs were not good", summary.n_bad());
    }
    if summary.n_compared() == 0 {
        bail!("nothing was compared");
    }
    Ok(())
}

/// The runs of the suite, which are always the same.
pub(crate) fn of_suite() -> Result<()> {
    // A program of its own, for it begins again where mounts are its own.
    let program = std::env::current_exe()?.display().to_string();
    step("chaos", &program, &["chaos", "--suite"], &[])
}

fn many(asked: &Asked, around: &mut Surroundings, summary: &mut Summary) -> Result<()> {
    let since = Instant::now();
    for n in 0.. {
        let is_over = match asked.until {
            Until::Runs(n_runs) => n >= n_runs,
            Until::Passed(limit) => since.elapsed() >= limit,
        };
        if is_over {
            break;
        }
        let inputs = asked.inputs[n as usize % asked.inputs.len()];
        let mut plan = Plan::new(asked.seed + n, inputs);
        plan.is_pattern_wide = asked.is_pattern_wide;
        one(plan, around, summary)?;
    }
    Ok(())
}

fn asked(args: &[String]) -> Result<Asked> {
    let number = |name: &str| -> Result<Option<u64>> {
        value(args, name)
            .map(|text| text.parse().with_context(|| format!("{name} {text}")))
            .transpose()
    };
    let until = match (number("--runs")?, number("--minutes")?) {
        (Some(_), Some(_)) => bail!("--runs or --minutes, not both"),
        (Some(n), None) => Until::Runs(n),
        (None, Some(n)) => Until::Passed(Duration::from_secs(60 * n)),
        (None, None) => Until::Runs(3),
    };
    let inputs = match value(args, "--source").unwrap_or("all") {
        "files" => vec![Inputs::Files],
        "kafka" => vec![Inputs::Kafka],
        "both" => vec![Inputs::Both],
        "all" => vec![Inputs::Files, Inputs::Kafka, Inputs::Both],
        other => bail!("--source {other}: files, kafka, both or all"),
    };
    Ok(Asked {
        seed: value(args, "--seed")
            .unwrap_or(SEED)
            .parse()
            .context("--seed")?,
        until,
        inputs,
        keeps: has_flag(args, "--keep"),
        writes: has_flag(args, "--write"),
        is_of_suite: has_flag(args, "--suite"),
        is_pattern_wide: has_flag(args, "--wide-patterns"),
    })
}

/// Builds the program, if none is given, and finds out what this machine can do.
fn surroundings(program: Option<&str>, keeps: bool) -> Result<Surroundings> {
    let program = match program {
        Some(path) => PathBuf::from(path),
        None => {
            let build = ["build", "-p", "overspill", "--features", "kafka", "--quiet"];
            step("build of overspill", "cargo", &build, &[])?;
            target_dir().join("debug/overspill")
        }
    };
    let root = target_dir().join("chaos");
    fs::create_dir_all(&root)?;
    // Paths go into files that the job reads from where it likes.
    let root = root.canonicalize()?;
    let program = program
        .canonicalize()
        .with_context(|| format!("find {}", program.display()))?;
    Ok(Surroundings {
        has_processes: job::knows_processes(&program),
        clock_library: None,
        broker: None,
        root,
        program,
        keeps,
    })
}

/// One run, told from its seed to its result.
fn one(plan: Plan, around: &mut Surroundings, summary: &mut Summary) -> Result<()> {
    let (seed, inputs) = (plan.seed, plan.inputs.name());
    println!("\n== chaos: cargo xtask chaos --seed {seed} --source {inputs} --runs 1");
    if !prepare(&plan, around)? {
        return Ok(());
    }
    let dir = around.root.join(format!("{inputs}-{seed}"));
    let record = run::run(&plan, &dir, around)?;
    tell(&plan, &record, &dir);
    summary.add(&plan, &record);
    Ok(())
}

/// Fetches what a plan needs. Answers whether it can be carried out.
fn prepare(plan: &Plan, around: &mut Surroundings) -> Result<bool> {
    let has_jump = |(_, fault): &(u64, Fault)| matches!(fault, Fault::Jump { .. });
    if around.clock_library.is_none() && plan.faults.iter().any(has_jump) {
        match world::clock_library() {
            Ok(library) => around.clock_library = Some(library),
            Err(error) => println!("*** NO CLOCK JUMPS: no libfaketime: {error:#} ***"),
        }
    }
    if !plan.inputs.has_kafka() || around.broker.is_some() {
        return Ok(true);
    }
    match Broker::start(&around.root.join("broker")) {
        Ok(broker) => {
            around.broker = Some(broker);
            Ok(true)
        }
        Err(error) => {
            let is_required = ["CI", "OVERSPILL_REQUIRE_BACKENDS"]
                .into_iter()
                .any(|name| std::env::var_os(name).is_some());
            if is_required {
                return Err(error.context("no Kafka broker"));
            }
            println!("*** NOT RUN: no Kafka broker: {error:#} ***");
            Ok(false)
        }
    }
}

fn tell(plan: &Plan, record: &Record, dir: &Path) {
    println!(
        "   {} lines, {} starts, {} alerts, {} withdrawn, first alert after a start {:?} ms, {:.1} s",
        record.n_lines,
        record.n_starts,
        record.n_alerts,
        record.n_withdrawn,
        record.first_alerts_ms,
        record.took.as_secs_f64(),
    );
    println!("   {}", counted(&record.faults));
    if !record.impossible.is_empty() {
        println!(
            "   *** COULD NOT BE DONE HERE: {} ***",
            counted(&record.impossible)
        );
    }
    if record.is_void() {
        println!(
            "   this machine was too slow: {} lines came later than their dates allow",
            record.n_late
        );
    }
    if record.is_good() {
        println!("   good: none lost, none doubled");
        return;
    }
    println!("   NOT GOOD\n{plan}");
    for (what, alerts) in [
        ("lost", &record.difference.lost),
        ("doubled", &record.difference.doubled),
    ] {
        for alert in alerts {
            println!("   {what}: {alert}");
        }
    }
    if let Some(failure) = &record.failure {
        println!("   {failure}");
    }
    println!("   kept: {}", dir.display());
}

fn write(summary: &Summary, circumstances: &Circumstances, args: &[String]) -> Result<()> {
    let base = root().join("benches/results");
    let name = circumstances.name();
    let mut json = summary.json();
    let about = serde_json::json!({
        "date": circumstances.date,
        "commit": circumstances.commit,
        "command": format!("cargo xtask chaos {}", args.join(" ")),
        "machine": circumstances.json(),
    });
    if let (Some(json), Some(about)) = (json.as_object_mut(), about.as_object()) {
        json.extend(about.clone());
    }
    let path: PathBuf = base.join(format!("{name}-chaos.json"));
    let text = serde_json::to_string_pretty(&json)? + "\n";
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    println!(
        "written: {}",
        path.strip_prefix(root()).unwrap_or(&path).display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Asked> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        asked(&words)
    }

    #[test]
    fn what_is_asked_for_is_understood_or_refused() {
        let asked = of("--seed 7 --minutes 2 --source kafka --keep").unwrap();
        assert_eq!(asked.seed, 7);
        assert_eq!(asked.until, Until::Passed(Duration::from_secs(120)));
        assert_eq!(asked.inputs, [Inputs::Kafka]);
        assert!(asked.keeps && !asked.writes);
        assert_eq!(of("").unwrap().until, Until::Runs(3));
        for line in [
            "--runs 1 --minutes 1",
            "--seed x",
            "--source pipes",
            "--runs -1",
        ] {
            assert!(of(line).is_err(), "{line}");
        }
    }
}
