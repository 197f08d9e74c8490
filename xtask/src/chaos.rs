//! `cargo xtask chaos`: live jobs to which everything bad happens at once, and their alerts beside those of a replay.
//!
//! ```text
//!  seed --> plan --> faults ----> job, broker, shards, networks, disks, clock, files, content
//!      \--> lines --> files and topics --> job --> alerts --\
//!                \--> what was written --> replay --> truth --> the same multiset?
//! ```
//!
//! A run is good when the alerts that stand in the end are those of an undisturbed replay of the same lines: none lost,
//! none doubled. Nothing is asserted about times. The lines' dates follow the clock, so a seed repeats the plan and not
//! the bytes.

mod alerts;
pub(crate) mod broker;
mod content;
mod fault;
mod faults;
pub(crate) mod feed;
mod files;
mod inputs;
pub(crate) mod job;
mod kinesis;
#[path = "../../connectors/tests/support/kinesis_local.rs"]
mod kinesis_local;
mod lanes;
mod machines;
mod plan;
mod proxy;
mod record;
mod rng;
mod run;
#[path = "../../connectors/tests/support/server.rs"]
mod server;
mod servers;
mod store;
mod summary;
pub(crate) mod traffic;
pub(crate) mod wire;
mod world;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::bench::report::Circumstances;
use crate::command::{has_flag, root, step, target_dir, value};
use lanes::{Lanes, Next};
use plan::{Inputs, Plan};
use run::Surroundings;
use summary::Summary;

/// What is run when nothing else is asked for.
const SEED: &str = "1";
/// Runs of the suite: seeds whose plans have most kinds of faults in them.
const OF_SUITE: [(u64, Inputs); 3] = [(2, Inputs::Files), (29, Inputs::Files), (29, Inputs::Both)];

/// Most runs that go side by side: each has a broker and up to three processes.
const LANES_MAX: usize = 8;

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
    n_lanes: usize,
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
    let around = surroundings(value(args, "--program"), asked.keeps)?;
    let circumstances = Circumstances::now()?;
    let lanes = Lanes {
        around,
        n: asked.n_lanes,
    };
    let summary = lanes.run(&next(&asked))?;
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

/// What is run: the suite, or what was asked for.
fn next(asked: &Asked) -> Next<'_> {
    if asked.is_of_suite {
        return Box::new(|n, _| {
            let (seed, inputs) = *OF_SUITE.get(usize::try_from(n).ok()?)?;
            Some(Plan::new(seed, inputs))
        });
    }
    Box::new(|n, passed| {
        let is_over = match asked.until {
            Until::Runs(n_runs) => n >= n_runs,
            Until::Passed(limit) => passed >= limit,
        };
        let inputs = asked.inputs[n as usize % asked.inputs.len()];
        let mut plan = Plan::new(asked.seed + n, inputs);
        plan.is_pattern_wide = asked.is_pattern_wide;
        (!is_over).then_some(plan)
    })
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
        "kinesis" => vec![Inputs::Kinesis],
        "machines" => vec![Inputs::Machines],
        "all" => Inputs::ALL.to_vec(),
        other => bail!("--source {other}: files, kafka, both, kinesis, machines or all"),
    };
    let n_lanes = number("--side-by-side")?.unwrap_or(1);
    let n_lanes = usize::try_from(n_lanes)?;
    if !(1..=LANES_MAX).contains(&n_lanes) {
        bail!("--side-by-side {n_lanes}: 1 to {LANES_MAX}");
    }
    Ok(Asked {
        seed: value(args, "--seed")
            .unwrap_or(SEED)
            .parse()
            .context("--seed")?,
        until,
        inputs,
        n_lanes,
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
            let build = [
                "build",
                "-p",
                "overspill",
                "--features",
                "kafka,aws",
                "--quiet",
            ];
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
        clock_library: lanes::clock_library(),
        root,
        program,
        keeps,
        ..Surroundings::default()
    })
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
    fn seeds_and_sources_follow_each_other_until_it_is_over() {
        let asked = of("--seed 7 --runs 6").unwrap();
        let next = next(&asked);
        let plans: Vec<Plan> = (0..9).map_while(|n| next(n, Duration::ZERO)).collect();
        assert_eq!(plans.len(), 6);
        for (n, plan) in plans.iter().enumerate() {
            assert_eq!(plan.seed, 7 + n as u64);
            assert_eq!(plan.inputs, Inputs::ALL[n % Inputs::ALL.len()]);
        }
        let asked = of("--minutes 1 --wide-patterns").unwrap();
        assert!(next_of(&asked, 59).is_some_and(|plan| plan.is_pattern_wide));
        assert!(next_of(&asked, 60).is_none());
    }

    fn next_of(asked: &Asked, passed_s: u64) -> Option<Plan> {
        next(asked)(3, Duration::from_secs(passed_s))
    }

    #[test]
    fn what_is_asked_for_is_understood_or_refused() {
        let asked = of("--seed 7 --minutes 2 --source kafka --keep").unwrap();
        assert_eq!(asked.seed, 7);
        assert_eq!(asked.until, Until::Passed(Duration::from_secs(120)));
        assert_eq!(asked.inputs, [Inputs::Kafka]);
        assert!(asked.keeps && !asked.writes);
        assert_eq!(of("").unwrap().until, Until::Runs(3));
        assert_eq!(of("").unwrap().n_lanes, 1);
        assert_eq!(of("--side-by-side 2").unwrap().n_lanes, 2);
        for line in [
            "--runs 1 --minutes 1",
            "--seed x",
            "--source pipes",
            "--runs -1",
            "--side-by-side 0",
            "--side-by-side 99",
        ] {
            assert!(of(line).is_err(), "{line}");
        }
    }
}
