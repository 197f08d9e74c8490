//! How the processes of a live job come together.
//!
//! Process 0 begins a generation in the store of checkpoints, then all meet (crate `peers`), and over each new
//! connection one line goes in each direction before the dataflow has it:
//!
//! ```text
//!  process i                            process 0
//!    Hello {node, workers, ...}  ----->   looks for the newest checkpoint
//!                                <-----   Brief {checkpoint, nodes}
//! ```

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use overspill_peers::{
    Generation, Identity, Limits, Link, Meeting, Notice, Peers, PeersSpec, Secret, Tls, connect,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{LOOK, Word};
use crate::wire::chain;

/// Longest line that is read of a peer before the dataflow begins.
const LINE_BYTES_MAX: usize = 1 << 20;

/// The processes of a job, as one of them knows them.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// This process.
    pub index: usize,
    /// Where all are.
    pub spec: PeersSpec,
    /// What they share.
    pub secret: Secret,
    /// Certificates, if connections are encrypted.
    pub tls: Option<Arc<Tls>>,
    /// Fingerprint of the content that runs.
    pub content: [u8; 32],
}

/// What a process says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) node: String,
    pub(super) workers: usize,
    pub(super) has_checkpoints: bool,
    pub(super) lateness_ns: i64,
    pub(super) idle_ns: i64,
    pub(super) buckets_max: usize,
}

/// What process 0 says to all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Brief {
    /// Number of the checkpoint that the job goes on from.
    pub(super) checkpoint: Option<u64>,
    /// Nodes by process.
    pub(super) nodes: Vec<String>,
    /// A node that has another name now: before and after.
    pub(super) renamed: Option<(String, String)>,
}

/// Waits for all processes. None when the job is to end before they have come.
pub(super) fn meet(
    cluster: &Cluster,
    generation: Generation,
    stop: &Arc<AtomicBool>,
    words: &Sender<Word>,
    hear: &mut dyn FnMut(),
) -> Result<Option<Meeting>> {
    let listener = cluster
        .spec
        .listen(cluster.index)
        .map_err(|error| anyhow!(chain(&error)))?;
    let identity = Identity::of_program(cluster.content).context("read our own program")?;
    let peers = Peers {
        index: cluster.index,
        spec: cluster.spec.clone(),
        secret: cluster.secret.clone(),
        generation,
        identity,
        tls: cluster.tls.clone(),
        limits: Limits::DEFAULT,
    };
    let (sender, met) = bounded(1);
    let words = words.clone();
    // It cannot be told to stop; when the process ends, it does.
    let _left = std::thread::Builder::new()
        .name("meeting".to_owned())
        .spawn(move || {
            let tell = |notice: &Notice| {
                if matches!(notice, Notice::Waiting { .. } | Notice::Refused { .. }) {
                    let _no_room = words.try_send(Word::Trouble(notice.to_string()));
                }
            };
            let _nobody_waits = sender.send(connect(listener, &peers, &tell, Instant::now));
        })
        .context("wait for the peers")?;
    loop {
        hear();
        match met.recv_timeout(LOOK) {
            Ok(meeting) => {
                let meeting = meeting.map_err(|error| anyhow!(chain(&error)))?;
                return Ok(Some(meeting));
            }
            Err(RecvTimeoutError::Timeout) if stop.load(Ordering::SeqCst) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("the thread that meets peers panicked"),
        }
    }
}

/// Process 0 hears all others, and says what it has decided.
pub(super) fn lead(
    meeting: &mut Meeting,
    ours: &Hello,
    decide: impl FnOnce(&[Hello]) -> Result<Brief>,
) -> Result<Brief> {
    let mut hellos = vec![ours.clone()];
    for (index, link) in meeting.links.iter_mut().enumerate() {
        let Some(link) = link else { continue };
        let hello: Hello = read(link).with_context(|| format!("hear from process {index}"))?;
        check(index, ours, &hello)?;
        hellos.push(hello);
    }
    let brief = decide(&hellos)?;
    for (index, link) in meeting.links.iter_mut().enumerate() {
        let Some(link) = link else { continue };
        write(link, &brief).with_context(|| format!("tell process {index}"))?;
    }
    Ok(brief)
}

/// Another process says who it is, and hears what process 0 has decided.
pub(super) fn follow(meeting: &mut Meeting, ours: &Hello) -> Result<Brief> {
    let link = meeting.links.first_mut().and_then(Option::as_mut);
    let link = link.context("no connection to process 0")?;
    write(link, ours).context("tell process 0")?;
    read(link).context("hear from process 0")
}

/// Processes that would route or count differently do not run together.
fn check(index: usize, ours: &Hello, theirs: &Hello) -> Result<()> {
    let differs = [
        ("--workers", ours.workers == theirs.workers),
        (
            "--no-checkpoints",
            ours.has_checkpoints == theirs.has_checkpoints,
        ),
        ("--lateness", ours.lateness_ns == theirs.lateness_ns),
        ("--idle", ours.idle_ns == theirs.idle_ns),
        ("--buckets-max", ours.buckets_max == theirs.buckets_max),
    ];
    match differs.iter().find(|(_, is_equal)| !is_equal) {
        Some((flag, _)) => {
            bail!("process {index} has another {flag} than process 0; all have to have the same")
        }
        None => Ok(()),
    }
}

fn write(link: &mut Link, what: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    link.write_all(&line)?;
    link.flush()?;
    Ok(())
}

/// Reads a line, and not a byte more: what follows belongs to the dataflow.
fn read<T: DeserializeOwned>(link: &mut Link) -> Result<T> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < LINE_BYTES_MAX {
        link.read_exact(&mut byte)?;
        if byte == *b"\n" {
            return Ok(serde_json::from_slice(&line)?);
        }
        line.extend(byte);
    }
    bail!("a line of more than {LINE_BYTES_MAX} bytes")
}
