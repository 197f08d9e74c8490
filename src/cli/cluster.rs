//! Flags of a cluster, made into what this process is in it.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use overspill_peers::{PeersSpec, Secret, TlsFiles};

use super::args::ClusterArgs;
use crate::fleet::SECRET_ENV;
use crate::live::cluster::Cluster;
use crate::wire::chain;

/// The processes of which this is one, if there are several; `content` is the fingerprint of what runs.
pub(super) fn member(args: &ClusterArgs, content: [u8; 32]) -> Result<Option<Cluster>> {
    let Some(peers) = &args.peers else {
        return Ok(None);
    };
    let spec = PeersSpec::parse(peers, args.processes)
        .map_err(|error| anyhow!("--peers {peers}: {}", chain(&error)))?;
    let index = match args.process {
        Some(index) => index,
        None => spec
            .own_index()
            .map_err(|error| anyhow!("{}; --process says it", chain(&error)))?,
    };
    if index >= spec.n() {
        bail!("--process {index}: there are {} processes", spec.n());
    }
    if spec.n() == 1 {
        return Ok(None);
    }
    Ok(Some(Cluster {
        index,
        secret: secret(args)?,
        tls: tls(args)?,
        spec,
        content,
    }))
}

/// Whether the flags make this process the one that starts others.
pub(super) fn is_supervisor(args: &ClusterArgs) -> bool {
    args.peers.is_none() && args.processes.is_some()
}

/// Whether another process speaks for all.
pub(super) fn is_follower(args: &ClusterArgs) -> bool {
    args.peers.is_some() && args.process.is_some_and(|index| index > 0)
}

fn secret(args: &ClusterArgs) -> Result<Secret> {
    match &args.secret_file {
        Some(path) => Secret::from_file(path)
            .map_err(|error| anyhow!("--secret-file {}: {}", path.display(), chain(&error))),
        None => {
            let text = std::env::var(SECRET_ENV).with_context(|| {
                format!("processes need a secret: --secret-file FILE, or {SECRET_ENV}")
            })?;
            Secret::new(text.trim().as_bytes())
                .map_err(|error| anyhow!("{SECRET_ENV}: {}", chain(&error)))
        }
    }
}

fn tls(args: &ClusterArgs) -> Result<Option<Arc<overspill_peers::Tls>>> {
    let (Some(cert), Some(key), Some(ca)) = (&args.peer_cert, &args.peer_key, &args.peer_ca) else {
        return Ok(None);
    };
    let files = TlsFiles {
        cert: cert.clone(),
        key: key.clone(),
        ca: ca.clone(),
        name: None,
    };
    let tls = files.load().map_err(|error| anyhow!(chain(&error)))?;
    Ok(Some(Arc::new(tls)))
}
