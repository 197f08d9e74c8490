//! Flags of a job of several processes.

use std::path::PathBuf;

use clap::Args;

/// Where the processes of a job are, and how they know each other.
#[derive(Debug, Clone, Args)]
pub struct ClusterArgs {
    /// Processes of the job. Without --peers they are started on this machine, and started again
    /// together when one of them ends.
    #[arg(long, value_name = "N", help_heading = "Cluster")]
    pub processes: Option<usize>,
    /// Where the processes are: a file with a HOST:PORT a line, list:HOST:PORT,HOST:PORT, or dns:NAME (dns:NAME:PORT) with
    /// --processes.
    #[arg(long, value_name = "WHERE", help_heading = "Cluster")]
    pub peers: Option<String>,
    /// Which of them this is, from 0 on. Default: the number at the end of the host's name, or its
    /// place among the addresses of the name.
    #[arg(long, value_name = "I", help_heading = "Cluster")]
    pub process: Option<usize>,
    /// File with the secret that processes prove to each other, of at least 16 bytes. Default: the
    /// environment variable OVERSPILL_SECRET.
    #[arg(long, value_name = "FILE", help_heading = "Cluster")]
    pub secret_file: Option<PathBuf>,
    /// Certificate of this process: connections are encrypted, and peers show theirs.
    #[arg(long, value_name = "FILE", requires_all = ["peer_key", "peer_ca"], help_heading = "Cluster")]
    pub peer_cert: Option<PathBuf>,
    /// Its key.
    #[arg(
        long,
        value_name = "FILE",
        requires = "peer_cert",
        help_heading = "Cluster"
    )]
    pub peer_key: Option<PathBuf>,
    /// Who signs the certificates of peers.
    #[arg(
        long,
        value_name = "FILE",
        requires = "peer_cert",
        help_heading = "Cluster"
    )]
    pub peer_ca: Option<PathBuf>,
}
