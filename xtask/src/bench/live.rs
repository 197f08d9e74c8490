//! `cargo xtask bench --live`: live jobs on a broker of their own, from Kafka to the file of alerts.
//!
//! All of it runs on this machine: the broker, who writes to it, and the job share its cores.

mod alerts;
mod checkpoint;
mod day;
mod feed;
mod figure;
mod ground;
mod idle;
mod latency;
mod lines;
mod restart;
mod throughput;

use anyhow::{Context, Result, bail};

use super::report::Circumstances;
use crate::command::{has_flag, step, value};
use figure::{table, write};
use ground::Ground;

/// Parts that can be chosen. All but the day are what is measured without a choice.
const PARTS: [&str; 6] = [
    "idle",
    "throughput",
    "latency",
    "checkpoint",
    "restart",
    "day",
];

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    parts: Vec<&'static str>,
    /// Of log time, for the day.
    hours: u32,
    /// For the throughput.
    lines: u64,
    writes: bool,
}

impl Asked {
    fn read(args: &[String]) -> Result<Self> {
        let chosen = value(args, "--live").filter(|text| !text.starts_with("--"));
        let named = |name: &str| PARTS.iter().copied().find(|part| *part == name);
        let parts = match chosen {
            None => PARTS[..PARTS.len() - 1].to_vec(),
            Some(text) => {
                let parts = text.split(',').map(|name| {
                    named(name).with_context(|| format!("{name}: parts are {}", PARTS.join(", ")))
                });
                parts.collect::<Result<_>>()?
            }
        };
        let number = |flag: &str, default: u64| match value(args, flag) {
            None => Ok(default),
            Some(text) => text.parse().with_context(|| format!("{flag} {text}")),
        };
        let asked = Self {
            parts,
            hours: u32::try_from(number("--hours", 24)?)?,
            lines: number("--lines", 400_000)?,
            writes: has_flag(args, "--write"),
        };
        if asked.hours < 2 || asked.lines < 1_000 {
            bail!("--hours is at least 2, --lines at least 1000");
        }
        Ok(asked)
    }

    fn has(&self, part: &str) -> bool {
        self.parts.contains(&part)
    }
}

pub(super) fn run(args: &[String]) -> Result<()> {
    let asked = Asked::read(args)?;
    build()?;
    let circumstances = Circumstances::now()?;
    let mut ground = Ground::new()?;
    let mut figures = Vec::new();
    if asked.has("idle") {
        figures.extend(idle::measure(&mut ground)?);
    }
    if asked.has("throughput") || asked.has("latency") {
        let (throughput, found) = throughput::measure(&mut ground, asked.lines)?;
        figures.extend(found);
        if asked.has("latency") {
            figures.extend(latency::measure(&mut ground, throughput)?);
        }
    }
    if asked.has("checkpoint") {
        figures.extend(checkpoint::measure(&mut ground)?);
    }
    if asked.has("restart") {
        figures.extend(restart::measure(&mut ground)?);
    }
    if asked.has("day") {
        figures.extend(day::measure(&mut ground, asked.hours)?);
    }
    println!("\n{}", table(&figures));
    if asked.writes {
        write(&circumstances, args, &figures)?;
    }
    Ok(())
}

/// The program with Kafka, and the generator: each by itself, so that neither is built otherwise than alone.
fn build() -> Result<()> {
    let program = ["build", "--release", "--quiet", "-p", "overspill"];
    let program = [&program[..], &["--features", "kafka"]].concat();
    step("release build", "cargo", &program, &[])?;
    let generator = ["build", "--release", "--quiet", "-p", "overspill-datasets"];
    step("build of the generator", "cargo", &generator, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Result<Asked> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        Asked::read(&words)
    }

    #[test]
    fn parts_can_be_chosen_and_the_day_has_to_be() {
        let all = read("--live --write").unwrap();
        assert!(all.writes && !all.has("day") && all.has("idle"));
        assert_eq!(read("--live").unwrap().parts.len(), PARTS.len() - 1);
        let some = read("--live latency,day --hours 6").unwrap();
        assert_eq!((some.parts, some.hours), (vec!["latency", "day"], 6));
        for wrong in ["--live speed", "--live --hours 1", "--live --lines many"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
