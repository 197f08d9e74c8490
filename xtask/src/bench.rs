//! `cargo xtask bench`: what a line costs, beside other programs and when it is made to hurt; what live jobs reach.

mod callgrind;
mod case;
mod cpu;
mod flood;
mod hostile;
mod live;
mod peer;
mod peers;
mod plot;
pub(crate) mod report;
mod statistics;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

pub(crate) use callgrind::{count, count_in, is_there as has_valgrind};
pub(crate) use case::release;

use crate::command::{has_flag, step, value};
use report::Circumstances;

/// What was asked for.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    hub: Option<PathBuf>,
    /// Lines of our logs, and how many of them CrowdSec gets.
    lines: usize,
    peer_lines: usize,
    rounds: usize,
    counts_instructions: bool,
    only_prints: bool,
    /// The words themselves.
    words: Vec<String>,
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    if has_flag(args, "--live") {
        return live::run(args);
    }
    let asked = Asked::read(args)?;
    build()?;
    if has_flag(args, "--hostile") {
        return hostile::run(args, asked.hub.as_deref());
    }
    // By itself: what examples need of other crates must not change how the product is built.
    let exchange = [
        "build",
        "--release",
        "--quiet",
        "-p",
        "overspill-benches",
        "--example",
    ];
    let exchange = [&exchange[..], &["bench-exchange"]].concat();
    step("build of the exchange", "cargo", &exchange, &[])?;
    let circumstances = Circumstances::now()?;
    let measured = peers::measure(&asked)?;
    report::report(&asked, &circumstances, &measured)
}

impl Asked {
    fn read(args: &[String]) -> Result<Asked> {
        let number = |flag: &str, default: usize| match value(args, flag) {
            None => Ok(default),
            Some(text) => text.parse().with_context(|| format!("{flag} {text}")),
        };
        let asked = Asked {
            hub: hub(args)?,
            lines: number("--lines", 300_000)?,
            peer_lines: number("--peer-lines", 10_000)?,
            rounds: number("--rounds", 5)?,
            counts_instructions: !has_flag(args, "--no-instructions"),
            only_prints: has_flag(args, "--print"),
            words: args.to_vec(),
        };
        if asked.rounds == 0 || asked.lines < asked.peer_lines || asked.peer_lines == 0 {
            bail!("--rounds and --peer-lines are at least 1, --lines at least --peer-lines");
        }
        Ok(asked)
    }
}

/// The current hub, if there is one.
pub(crate) fn hub(args: &[String]) -> Result<Option<PathBuf>> {
    let given = value(args, "--hub").map(PathBuf::from);
    let hub = given.or_else(|| std::env::var_os("OVERSPILL_HUB").map(PathBuf::from));
    match hub {
        Some(hub) if !hub.join("parsers").is_dir() => bail!("{} is no hub", hub.display()),
        Some(hub) => Ok(Some(hub.canonicalize()?)),
        None => Ok(None),
    }
}

/// Builds our programs: the product, the generator, the measures.
pub(crate) fn build() -> Result<()> {
    let mut args = vec!["build", "--release", "--quiet", "--bins"];
    for package in ["overspill", "overspill-datasets", "overspill-benches"] {
        args.extend(["-p", package]);
    }
    step("release build", "cargo", &args, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Result<Asked> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        Asked::read(&words)
    }

    #[test]
    fn numbers_that_measure_nothing_are_refused() {
        assert!(read("--rounds 0").is_err());
        assert!(read("--lines 10 --peer-lines 20").is_err());
        assert!(read("--lines many").is_err());
        assert_eq!(read("--lines 20000").unwrap().peer_lines, 10_000);
    }

    #[test]
    fn a_folder_that_is_no_hub_is_refused() {
        assert!(read("--hub /no/such/place").is_err());
    }
}
