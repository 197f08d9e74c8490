//! Fuzzing on the stable toolchain: libFuzzer with the compiler's own coverage pass.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command};

use anyhow::{Context, Result, bail};

use crate::command::{root, value};

/// What the coverage-guided fuzzer needs of the compiler; stable code generation options.
const RUSTFLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";

/// The build is for a named target, so that the flags do not reach build scripts and macros.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Seconds an input may take, and MB a fuzzer may. A pattern at the limit of compiled sizes takes
/// seconds by itself, some targets compile it several times, and machines are shared: what takes a
/// minute hangs.
const LIMITS: [&str; 2] = ["-timeout=60", "-rss_limit_mb=2048"];

pub(crate) fn run(args: &[String]) -> Result<()> {
    let seconds = value(args, "--seconds")
        .unwrap_or("60")
        .parse()
        .context("--seconds")?;
    let targets = match value(args, "--target") {
        Some(target) => vec![target.to_owned()],
        None => targets()?,
    };
    fuzz(&targets, seconds)
}

/// Builds and runs every target of `engine/fuzz` for some seconds each.
pub(crate) fn all(seconds: u32) -> Result<()> {
    fuzz(&targets()?, seconds)
}

fn dir() -> PathBuf {
    root().join("engine/fuzz")
}

fn targets() -> Result<Vec<String>> {
    let mut targets: Vec<String> = fs::read_dir(dir().join("fuzz_targets"))?
        .flatten()
        .filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    targets.sort();
    Ok(targets)
}

/// As many targets run at a time as there are processors.
fn fuzz(targets: &[String], seconds: u32) -> Result<()> {
    build()?;
    let at_a_time = std::thread::available_parallelism().map_or(1, usize::from);
    for group in targets.chunks(at_a_time) {
        println!("\n== fuzz {}, {seconds} s", group.join(", "));
        let started: Vec<Result<Run>> = group.iter().map(|name| start(name, seconds)).collect();
        // All are waited for before the first failure is reported.
        let ended: Vec<Result<()>> = started.into_iter().map(|run| finish(run?)).collect();
        ended.into_iter().collect::<Result<()>>()?;
    }
    println!(
        "\n{} fuzz targets ran {seconds} s each without a finding",
        targets.len()
    );
    Ok(())
}

fn build() -> Result<()> {
    let status = Command::new("cargo")
        .args(["build", "--release", "--quiet", "--target", TARGET])
        .env("RUSTFLAGS", RUSTFLAGS)
        .env("CARGO_TARGET_DIR", dir().join("target"))
        .current_dir(dir())
        .status()
        .context("build the fuzz targets")?;
    if !status.success() {
        bail!("the fuzz targets do not build");
    }
    Ok(())
}

/// A fuzzer under way, and where it writes.
struct Run {
    name: String,
    child: Child,
    log: PathBuf,
    artifacts: PathBuf,
}

fn start(name: &str, seconds: u32) -> Result<Run> {
    let dir = dir();
    let seeds = dir.join("corpus").join(name);
    let found = dir.join("target/corpus").join(name);
    let artifacts = dir.join("artifacts").join(name);
    for folder in [&seeds, &found, &artifacts] {
        fs::create_dir_all(folder)?;
    }
    let log = artifacts.join("log");
    let mut command = Command::new(dir.join("target").join(TARGET).join("release").join(name));
    command
        .args([&found, &seeds])
        .arg(format!("-max_total_time={seconds}"))
        .args(LIMITS)
        .arg("-print_final_stats=1")
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .stdout(File::create(&log)?)
        .stderr(File::options().append(true).open(&log)?);
    let dictionary = dir.join("dict").join(format!("{name}.dict"));
    if dictionary.is_file() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    Ok(Run {
        name: name.to_owned(),
        child: command
            .spawn()
            .with_context(|| format!("run fuzz target {name}"))?,
        log,
        artifacts,
    })
}

fn finish(mut run: Run) -> Result<()> {
    let status = run.child.wait()?;
    let log = String::from_utf8_lossy(&fs::read(&run.log)?).into_owned();
    if status.success() {
        println!("{}: {}", run.name, summary(&log));
        return Ok(());
    }
    // What went wrong stands before the backtrace, the input after it.
    let lines: Vec<&str> = log.lines().collect();
    let panic = lines
        .iter()
        .skip_while(|line| !line.contains("panicked at"))
        .take(6);
    let end = lines.iter().skip(lines.len().saturating_sub(14));
    for line in panic.chain(end) {
        println!("{line}");
    }
    bail!(
        "fuzz target {} found something: see {}",
        run.name,
        run.artifacts.display()
    );
}

/// How many inputs ran, how many of them were new, and what they reached: edges of the control
/// flow, before and after.
fn summary(log: &str) -> String {
    let stat = |name: &str| {
        let line = log.lines().find(|line| line.contains(name));
        line.and_then(|line| line.split_whitespace().last())
            .unwrap_or("?")
    };
    let edges = |line: &str| {
        let mut words = line.split_whitespace().skip_while(|word| *word != "cov:");
        words.nth(1).and_then(|word| word.parse::<u64>().ok())
    };
    let seeded = log
        .lines()
        .find(|line| line.contains("INITED"))
        .and_then(edges);
    let reached = log.lines().filter_map(edges).max();
    let shown = |edges: Option<u64>| edges.map_or("?".to_owned(), |edges| edges.to_string());
    format!(
        "{} inputs, {} new, edges {} -> {}, {} MB",
        stat("stat::number_of_executed_units"),
        stat("stat::new_units_added"),
        shown(seeded),
        shown(reached),
        stat("stat::peak_rss_mb"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_says_what_ran_and_what_was_reached() {
        let log = "\
#12\tINITED cov: 100 ft: 200 corp: 3/9b exec/s: 0 rss: 40Mb
#20\tNEW    cov: 140 ft: 300 corp: 4/9b lim: 4 exec/s: 0 rss: 41Mb L: 1/1 MS: 1 EraseBytes-
#90\tDONE   cov: 150 ft: 310 corp: 5/9b lim: 4 exec/s: 90 rss: 41Mb
stat::number_of_executed_units: 90
stat::new_units_added:          2
stat::peak_rss_mb:              41
";
        assert_eq!(summary(log), "90 inputs, 2 new, edges 100 -> 150, 41 MB");
    }
}
