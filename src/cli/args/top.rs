//! Flags of the view of a live job.

use clap::Args;

/// Flags of `top`.
#[derive(Debug, Clone, Args)]
pub struct TopArgs {
    /// Where the job answers: what its `--listen` says.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:6060")]
    pub url: String,
    /// Time between two looks; not less than 200ms.
    #[arg(long, value_name = "DURATION", default_value = "1s")]
    pub interval: String,
    /// Print one frame as plain text, with the rates between two looks, and end.
    #[arg(long)]
    pub once: bool,
}
