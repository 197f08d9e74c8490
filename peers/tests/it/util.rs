//! Peers on loopback, and what they tell.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use overspill_peers::{
    ClusterError, Generation, Identity, Limits, Meeting, Notice, Peers, PeersSpec, Secret, connect,
};

/// Ends a test that would hang, long after it should have passed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const SECRET: &[u8] = b"a secret of the tests";

pub(crate) fn listeners(n: usize) -> (Vec<TcpListener>, Vec<SocketAddr>) {
    let listeners: Vec<_> = (0..n)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let addresses = listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap())
        .collect();
    (listeners, addresses)
}

/// Process 0 begins generation 5; the others learn it.
pub(crate) fn peers(index: usize, addresses: &[SocketAddr]) -> Peers {
    Peers {
        index,
        spec: PeersSpec::fixed(addresses),
        secret: Secret::new(SECRET).unwrap(),
        generation: if index == 0 {
            Generation::Given(5)
        } else {
            Generation::Learnt { at_least: 0 }
        },
        identity: Identity {
            build: [1; 32],
            content: [2; 32],
        },
        tls: None,
        limits: Limits {
            patience: Some(PATIENCE),
            handshake: Duration::from_secs(2),
            ..Limits::DEFAULT
        },
    }
}

/// How long a process looks for its peers that shall end without them: long enough for a machine
/// that is busy with other tests to try more than once.
pub(crate) const SHORT: Duration = Duration::from_secs(3);

/// A process that looks for its peers in a thread. One that is dropped goes on until its patience
/// ends.
pub(crate) struct Seeker {
    thread: JoinHandle<Result<Meeting, ClusterError>>,
    told: Arc<Mutex<Vec<Notice>>>,
}

impl Seeker {
    pub(crate) fn start(listener: TcpListener, peers: Peers) -> Self {
        let told = Arc::new(Mutex::new(Vec::new()));
        let tells = Arc::clone(&told);
        let thread = std::thread::Builder::new()
            .name(format!("process-{}", peers.index))
            .spawn(move || {
                let tell = |notice: &Notice| tells.lock().unwrap().push(notice.clone());
                connect(listener, &peers, &tell, Instant::now)
            })
            .unwrap();
        Self { thread, told }
    }

    pub(crate) fn told(&self) -> Vec<Notice> {
        self.told.lock().unwrap().clone()
    }

    /// Waits until it has told something of that kind.
    pub(crate) fn until(&self, is_it: impl Fn(&Notice) -> bool) {
        let start = Instant::now();
        while !self.told().iter().any(&is_it) {
            assert!(start.elapsed() < PATIENCE, "it told {:?}", self.told());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    pub(crate) fn join(self) -> Result<Meeting, ClusterError> {
        self.thread.join().unwrap()
    }
}

/// Which places of a meeting have a link.
pub(crate) fn linked(meeting: &Meeting) -> Vec<bool> {
    meeting.links.iter().map(Option::is_some).collect()
}
