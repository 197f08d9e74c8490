//! Flags of commands about the Local API: `lapi`, `bouncers`, `machines`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Which database.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Database")]
pub struct StoreArgs {
    /// CrowdSec's config.yaml: its section db_config says where the database is.
    #[arg(short, long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory of the database where no db_config names one. Default: that of `run`.
    #[arg(long, global = true, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

/// Flags of `lapi`.
#[derive(Debug, Args)]
pub struct LapiArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: LapiCommand,
}

/// What can be done with the API.
#[derive(Debug, Subcommand)]
pub enum LapiCommand {
    /// Serve the Local API, without reading logs: to bouncers, log processors and cscli.
    #[command(
        after_help = "Examples:\n  overspill lapi serve --config /etc/crowdsec/config.yaml\n  \
        overspill lapi serve --state /var/lib/overspill --listen 0.0.0.0:8080"
    )]
    Serve(LapiServeArgs),
}

/// Flags of `lapi serve`.
#[derive(Debug, Args)]
pub struct LapiServeArgs {
    /// Which database.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Where to listen, instead of what api.server.listen_uri says.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Profiles that turn alerts into decisions, instead of those of the configuration.
    #[arg(long, value_name = "FILE")]
    pub profiles: Option<PathBuf>,
}

/// Flags of `bouncers`.
#[derive(Debug, Args)]
pub struct BouncersArgs {
    /// Which database.
    #[command(flatten)]
    pub store: StoreArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: BouncersCommand,
}

/// What can be done with bouncers.
#[derive(Debug, Subcommand)]
pub enum BouncersCommand {
    /// List the bouncers.
    #[command(
        after_help = "Examples:\n  overspill bouncers list\n  overspill bouncers list -o json"
    )]
    List,
    /// Add a bouncer and print its key, which is not shown again.
    #[command(after_help = "Examples:\n  overspill bouncers add firewall-1\n  \
        KEY=$(overspill bouncers add firewall-1 -o raw)")]
    Add {
        /// Its name.
        name: String,
        /// Its key; without it one is drawn.
        #[arg(short, long)]
        key: Option<String>,
    },
    /// Delete bouncers, and those that came with their keys from other addresses.
    #[command(
        alias = "remove",
        after_help = "Examples:\n  overspill bouncers delete firewall-1\n  \
        overspill bouncers delete a b --ignore-missing"
    )]
    Delete {
        /// Their names.
        #[arg(required = true)]
        names: Vec<String>,
        /// One that is not there is no error.
        #[arg(long)]
        ignore_missing: bool,
    },
    /// Delete bouncers that have not asked for a while.
    #[command(after_help = "Example:\n  overspill bouncers prune -d 45m --force")]
    Prune {
        /// Since when.
        #[arg(short, long, default_value = "60m", value_name = "DURATION")]
        duration: String,
        /// Delete them without asking.
        #[arg(long)]
        force: bool,
    },
}

/// Flags of `machines`.
#[derive(Debug, Args)]
pub struct MachinesArgs {
    /// Which database.
    #[command(flatten)]
    pub store: StoreArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: MachinesCommand,
}

/// What can be done with machines.
#[derive(Debug, Subcommand)]
pub enum MachinesCommand {
    /// List the machines: log processors and whoever else logs in.
    #[command(
        after_help = "Examples:\n  overspill machines list\n  overspill machines list -o json"
    )]
    List,
    /// Add a machine that may log in, and write its credentials.
    #[command(
        after_help = "Examples:\n  overspill machines add web-1 --auto --file credentials.yaml\n  \
        overspill machines add web-1 --password 'a long one' --file - --url http://api:8080"
    )]
    Add {
        /// Its name; drawn from that of this system if it is not there.
        name: Option<String>,
        /// Its password.
        #[arg(short, long, conflicts_with = "auto")]
        password: Option<String>,
        /// Draw a password.
        #[arg(short, long)]
        auto: bool,
        /// Where its credentials are written; `-` is standard output.
        #[arg(short, long, value_name = "FILE")]
        file: Option<String>,
        /// Address of the API in the credentials.
        #[arg(short, long, value_name = "URL")]
        url: Option<String>,
        /// Replace a machine of that name, and the file.
        #[arg(long)]
        force: bool,
    },
    /// Delete machines. What they said stays.
    #[command(
        alias = "remove",
        after_help = "Example:\n  overspill machines delete web-1 --ignore-missing"
    )]
    Delete {
        /// Their names.
        #[arg(required = true)]
        names: Vec<String>,
        /// One that is not there is no error.
        #[arg(long)]
        ignore_missing: bool,
    },
    /// Let a machine in that has registered by itself.
    #[command(after_help = "Example:\n  overspill machines validate web-1")]
    Validate {
        /// Its name.
        name: String,
    },
}
