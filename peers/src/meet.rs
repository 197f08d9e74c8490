//! All processes of a job meet.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::accept::Acceptor;
use crate::dial;
use crate::identity::Identity;
use crate::link::Link;
use crate::mesh::Mesh;
use crate::notice::{Counts, Missing, Notice};
use crate::secret::{Secret, SecretError};
use crate::spec::PeersSpec;
use crate::tls::Tls;

/// Longest time that something which no socket tells goes unnoticed.
const TURN: Duration = Duration::from_millis(20);

/// Which run of the job this is.
///
/// Process 0 begins a generation in the checkpoint store, which gives each number once; the others
/// learn it from process 0. So there is one who decides, and a process of a former run is known by
/// its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// This one: process 0 has begun it.
    Given(u64),
    /// The one that process 0 tells, if it is not below what is known already.
    Learnt {
        /// The newest generation known, for instance from the checkpoint store.
        at_least: u64,
    },
}

/// How long and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long to wait for all peers; `None` is for ever.
    pub patience: Option<Duration>,
    /// How long a connection may take to greet.
    pub handshake: Duration,
    /// Most connections that greet at the same time; of more, the oldest are dropped.
    pub pending_max: usize,
    /// How often to tell who is missing, and at most one refusal of a kind.
    pub notice_every: Duration,
    /// How long a peer may differ in build, content, number of processes or encryption until this
    /// process gives up: in a rolling update that passes by itself.
    pub differs_grace: Duration,
    /// How long a peer may be silent, against all rules of TCP, until it is lost.
    pub lost_after: Duration,
}

impl Limits {
    /// Those of a cluster.
    pub const DEFAULT: Self = Self {
        patience: None,
        handshake: Duration::from_secs(5),
        pending_max: 256,
        notice_every: Duration::from_secs(5),
        differs_grace: Duration::from_secs(30),
        lost_after: Duration::from_secs(10),
    };
}

/// Who belongs to the job, and how they know each other.
#[derive(Debug, Clone)]
pub struct Peers {
    /// This process.
    pub index: usize,
    /// Where all processes are.
    pub spec: PeersSpec,
    /// What they share.
    pub secret: Secret,
    /// Of which run they are.
    pub generation: Generation,
    /// What must be equal in all of them.
    pub identity: Identity,
    /// Certificates, if connections are encrypted.
    pub tls: Option<Arc<Tls>>,
    /// How long and how much.
    pub limits: Limits,
}

/// All peers have come.
#[derive(Debug)]
pub struct Meeting {
    /// One for each process; `None` in our own place.
    pub links: Vec<Option<Link>>,
    /// Of all of them.
    pub generation: u64,
    /// What happened on the way.
    pub counts: Counts,
}

/// Why the processes did not come together.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A socket or a thread failed.
    #[error("{what}")]
    Io {
        /// What was done.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Time ran out.
    #[error("processes did not come within {waited:?}: {}", listed(missing))]
    Missing {
        /// Which.
        missing: Vec<Missing>,
        /// How long was waited.
        waited: Duration,
    },
    /// A peer that knows the secret cannot work with this process.
    #[error("process {index} {what}")]
    Differs {
        /// Which.
        index: u32,
        /// In what.
        what: &'static str,
    },
    /// This process is of the past.
    #[error("generation {ours} is over: a peer knows generation {theirs}")]
    Superseded {
        /// The generation of this process.
        ours: u64,
        /// What a peer knows.
        theirs: u64,
    },
    /// There is no such process.
    #[error("process {index} of {n}")]
    Index {
        /// The index given.
        index: usize,
        /// How many there are.
        n: usize,
    },
    /// Process 0 has nobody to learn the generation from.
    #[error("process 0 was not given a generation")]
    Ungiven,
    /// There are no random bytes.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

fn listed(missing: &[Missing]) -> String {
    let words: Vec<String> = missing.iter().map(ToString::to_string).collect();
    words.join(", ")
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> ClusterError {
    move |source| ClusterError::Io { what, source }
}

/// Meets all peers: dials those below, accepts those above. The port is closed at the end.
///
/// Until all have come, one that goes away is waited for again; afterwards a lost peer ends the
/// job. `tell` hears what happens, on the threads that make it happen, so it should be quick.
///
/// # Errors
/// [`ClusterError`] when patience ends, when a peer differs and goes on to, when this process is of
/// the past, or when the port fails.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the port belongs to the meeting and is closed with it"
)]
pub fn connect(
    listener: TcpListener,
    peers: &Peers,
    tell: &(dyn Fn(&Notice) + Sync),
    now: fn() -> Instant,
) -> Result<Meeting, ClusterError> {
    let n = peers.spec.n();
    if peers.index >= n {
        let index = peers.index;
        return Err(ClusterError::Index { index, n });
    }
    if peers.index == 0 && matches!(peers.generation, Generation::Learnt { .. }) {
        return Err(ClusterError::Ungiven);
    }
    let mesh = Mesh::new(peers, now, tell);
    let mut acceptor = Acceptor::new(&listener).map_err(failed("make the port non-blocking"))?;
    std::thread::scope(|scope| {
        let dialer = std::thread::Builder::new()
            .name("peers-dial".into())
            .spawn_scoped(scope, || dial::run(&mesh))
            .map_err(failed("start a thread that dials"))?;
        let met = wait(&mesh, &mut acceptor);
        mesh.end();
        dialer.thread().unpark();
        met
    })
}

fn wait(mesh: &Mesh<'_>, acceptor: &mut Acceptor<'_>) -> Result<Meeting, ClusterError> {
    let limits = &mesh.peers.limits;
    let started = (mesh.now)();
    let mut told = started;
    loop {
        acceptor.turn(mesh);
        mesh.watch();
        if let Some(error) = mesh.take_error() {
            return Err(error);
        }
        if let Some((links, generation, counts)) = mesh.take() {
            return Ok(Meeting {
                links,
                generation,
                counts,
            });
        }
        let now = (mesh.now)();
        let waited = now.saturating_duration_since(started);
        if limits.patience.is_some_and(|patience| waited >= patience) {
            let missing = mesh.missing();
            return Err(ClusterError::Missing { missing, waited });
        }
        if now.saturating_duration_since(told) >= limits.notice_every {
            told = now;
            let missing = mesh.missing();
            mesh.tell(&Notice::Waiting { missing, waited });
        }
        acceptor.wait(TURN);
    }
}
