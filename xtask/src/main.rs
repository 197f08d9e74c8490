//! Checks and generation that need more than a line of shell: `cargo xtask COMMAND`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool"
)]

use std::process::ExitCode;

use anyhow::{Result, bail};

mod bench;
mod chaos;
mod command;
mod crowdsec;
mod debian;
mod diff;
mod fuzz;
mod gate;
mod hub;
mod reference;
mod suite;

const HELP: &str = "\
cargo xtask COMMAND

  suite [--quick]           everything CI runs: format, lints, tests, docs, gate, reference matcher,
                            hub conformance, chaos, fuzzing
                            (--quick: format, lints, tests)
  hub [--hub DIR]           conformance: the hub's own tests, and their logs replayed with the whole
                            hub at 1, 2 and 4 workers, 2 processes, and with the reference
                            matcher
  diff-crowdsec [--lines N] the same generated logs through Debian's crowdsec and through overspill:
                            compares the alerts
  bench [--peers] [--hub DIR] [--lines N] [--peer-lines N] [--rounds N] [--no-instructions] [--print]
                            CPU a line beside CrowdSec, fail2ban, GoAccess, sshguard and a scanner by
                            hand, on the same logs; writes benches/results and the picture of README
                            (--print: writes nothing)
  bench --hostile [--hub DIR] [--size BYTES] [--only NAME] [--flood N]
                            lines that are made to hurt: what a byte costs, and what twice the size does;
                            floods of N distinct things
  bench --live [PART,PART] [--hours N] [--lines N] [--write]
                            live jobs on a broker of their own: idle, throughput, latency, checkpoint, restart;
                            day (a day of log time in half an hour; --hours: less) only if it is named
                            (--write: to benches/results)
  gate [--print]            instructions a line, and ratios, against benches/gate.toml
  reference [--hub DIR]     whole generated logs with and without --reference-matcher: the same alerts
  fuzz [--seconds N] [--target NAME]
                            every fuzz target, or one, for N seconds
  chaos [--seed S] [--minutes N | --runs N] [--source files|kafka|both|kinesis|machines|all]
        [--side-by-side N] [--keep] [--write] [--program PATH] [--wide-patterns] [--plan]
                            live jobs under kills, freezes, full disks, damaged checkpoints, rotations,
                            bad networks and clocks: the alerts of an undisturbed replay
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    let (name, rest) = args
        .split_first()
        .map_or(("help", args), |(name, rest)| (name, rest));
    if rest.iter().any(|word| word == "--help" || word == "-h") {
        print!("{HELP}");
        return Ok(());
    }
    match name {
        "suite" => suite::run(rest),
        "hub" => hub::run(rest),
        "diff-crowdsec" => diff::run(rest),
        "bench" => bench::run(rest),
        "gate" => gate::run(rest),
        "reference" => reference::run(rest),
        "fuzz" => fuzz::run(rest),
        "chaos" => chaos::run(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("unknown command {other:?}\n{HELP}"),
    }
}
