//! What a live job goes by where no flag says it: section `overspill` of the configuration, then what stands here.

use anyhow::{Result, bail};
use overspill_scenarios::JobConfig;

use super::args::RunArgs;
use super::run::paths;
use crate::wire::BUCKETS_MAX;

/// Lateness of partitions.
pub(super) const LATENESS: &str = "2s";
/// How far event time stays behind the clock without lines.
pub(super) const IDLE: &str = "5s";
/// How long a silent partition holds up the others.
pub(super) const SKEW: &str = "10m";
/// Time between checkpoints.
pub(super) const CHECKPOINT_EVERY: &str = "10s";

/// Fills in the flags that were not given.
pub(super) fn fill(args: &RunArgs) -> Result<RunArgs> {
    let mut args = args.clone();
    let job = match &args.content.config {
        Some(config) => paths(config)?.job,
        None => JobConfig::default(),
    };
    let text = |flag: &mut Option<String>, configured: Option<String>, default: &str| {
        flag.get_or_insert(configured.unwrap_or_else(|| default.to_owned()));
    };
    text(&mut args.lateness, job.lateness, LATENESS);
    text(&mut args.idle, job.idle, IDLE);
    text(&mut args.skew, job.skew, SKEW);
    text(
        &mut args.checkpoint_every,
        job.checkpoint_every,
        CHECKPOINT_EVERY,
    );
    args.state = args.state.or(job.state);
    args.node = args.node.or(job.node);
    if args.alerts.is_empty() {
        args.alerts = job.alerts;
    }
    if !args.no_checkpoints {
        args.checkpoints = args.checkpoints.or(job.checkpoints);
    }
    args.workers = args.workers.or(job.workers).or(Some(1));
    args.buckets_max = args.buckets_max.or(job.buckets_max).or(Some(BUCKETS_MAX));
    let cluster = &mut args.cluster;
    cluster.processes = cluster.processes.or(job.processes);
    cluster.peers = cluster.peers.take().or(job.peers);
    let is_alone = cluster.peers.is_none();
    for (flag, is_given) in [
        ("--process", cluster.process.is_some()),
        ("--secret-file", cluster.secret_file.is_some()),
        ("--peer-cert", cluster.peer_cert.is_some()),
    ] {
        if is_alone && is_given {
            bail!("{flag} is of use with --peers only: it says where the processes are");
        }
    }
    // Those of a supervisor prove the secret that it gives them.
    if !is_alone {
        cluster.secret_file = cluster.secret_file.take().or(job.secret_file);
    }
    if let (None, Some([cert, key, ca]), false) = (&cluster.peer_cert, job.tls, is_alone) {
        cluster.peer_cert = Some(cert);
        cluster.peer_key = Some(key);
        cluster.peer_ca = Some(ca);
    }
    Ok(args)
}
