//! `completion` and `man`: made from the flags, so they are never out of date.

use anyhow::Result;
use clap::CommandFactory;

use super::args::Cli;
use super::{Exit, print};

pub(super) fn completion(shell: clap_complete::Shell) -> Result<Exit> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "overspill", &mut out);
    print(&String::from_utf8_lossy(&out))?;
    Ok(Exit::Done)
}

pub(super) fn man() -> Result<Exit> {
    let mut out = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut out)?;
    print(&String::from_utf8_lossy(&out))?;
    Ok(Exit::Done)
}
