//! Flags of commands about decisions.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Flags of `decisions`.
#[derive(Debug, Args)]
pub struct DecisionsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: DecisionsCommand,
}

/// What can be done with decisions.
#[derive(Debug, Subcommand)]
pub enum DecisionsCommand {
    /// Print the decision log: what is active, or with --since each change after a place, numbered without gaps.
    #[command(after_help = "Examples:\n  overspill decisions log\n  \
        overspill decisions log --since 3:120 --follow -o json")]
    Log(DecisionLogArgs),
}

/// Flags of `decisions log`.
#[derive(Debug, Args)]
pub struct DecisionLogArgs {
    /// Directory that the job keeps its state in. Default: that of `run`.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Only changes after this place, as GENERATION:NUMBER. What is printed ends with the next place.
    #[arg(long, value_name = "PLACE")]
    pub since: Option<String>,
    /// Go on with what changes from then on, until interrupted.
    #[arg(long)]
    pub follow: bool,
}
