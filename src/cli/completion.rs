//! `completion` and `man`: made from the flags, so they are never out of date.

use anyhow::{Context, Result};
use clap::CommandFactory;

use super::args::Cli;
use super::{Exit, print};

pub(super) fn completion(shell: clap_complete::Shell) -> Result<Exit> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "overspill", &mut out);
    print(&String::from_utf8_lossy(&out))?;
    Ok(Exit::Done)
}

/// The page of the program, or of one of its commands.
pub(super) fn man(command: Option<&str>) -> Result<Exit> {
    let mut whole = Cli::command();
    whole.build();
    let page = match command {
        None => whole,
        Some(name) => {
            let known = whole.find_subcommand(name).cloned();
            known.with_context(|| format!("there is no command {name:?}"))?
        }
    };
    let mut out = Vec::new();
    clap_mangen::Man::new(page).render(&mut out)?;
    print(&String::from_utf8_lossy(&out))?;
    Ok(Exit::Done)
}
