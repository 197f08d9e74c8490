//! The side that accepts: all connections that are still greeting, in one thread and within limits.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::greeting::{BYTES_MAX, Card, Kind, Message, Session, Verdict};
use crate::link::Link;
use crate::mesh::{Mesh, index_u32};
use crate::notice::Refusal;
use crate::secret::random;
use crate::socket::{Timed, set_options, wait_for_ever};

/// Pause when the port cannot be accepted from: trying again at once would only burn time.
const AFTER_AN_ERROR: Duration = Duration::from_millis(5);

pub(crate) struct Acceptor<'a> {
    listener: &'a TcpListener,
    pending: VecDeque<Pending>,
}

/// A connection that is greeting.
struct Pending {
    socket: TcpStream,
    from: SocketAddr,
    since: Instant,
    nonce: [u8; 32],
    heard: Vec<u8>,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    Hello,
    Proof { theirs: [u8; 32] },
    Confirm { theirs: [u8; 32], cards: [Card; 2] },
}

/// Who has greeted well, by the nonce and the cards.
struct Greeted {
    theirs: [u8; 32],
    card: Card,
    generation: u64,
}

impl<'a> Acceptor<'a> {
    pub(crate) fn new(listener: &'a TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            pending: VecDeque::new(),
        })
    }

    /// Takes new connections and hears those that are greeting.
    pub(crate) fn turn(&mut self, mesh: &Mesh<'_>) {
        // No more than can be heard before they are crowded out.
        for _ in 0..(mesh.peers.limits.pending_max / 4).max(1) {
            match self.listener.accept() {
                Ok((socket, from)) => self.take(mesh, socket, from),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    // It was reset before it was taken, or descriptors have run out: then the
                    // oldest makes way.
                    mesh.count(|counts| counts.accept_errors += 1);
                    self.crowd_out(mesh, self.pending.len().saturating_sub(1));
                    std::thread::sleep(AFTER_AN_ERROR);
                    break;
                }
            }
        }
        let now = (mesh.now)();
        for _ in 0..self.pending.len() {
            let Some(mut pending) = self.pending.pop_front() else {
                break;
            };
            match pending.hear(mesh) {
                Ok(Some(greeted)) => pending.finish(mesh, &greeted),
                Ok(None) => {
                    let waited = now.saturating_duration_since(pending.since);
                    if waited >= mesh.peers.limits.handshake {
                        mesh.refuse(pending.from, Refusal::Slow);
                    } else {
                        self.pending.push_back(pending);
                    }
                }
                Err(refusal) => mesh.refuse(pending.from, refusal),
            }
        }
    }

    fn take(&mut self, mesh: &Mesh<'_>, socket: TcpStream, from: SocketAddr) {
        mesh.count(|counts| counts.accepted += 1);
        self.crowd_out(mesh, mesh.peers.limits.pending_max.saturating_sub(1));
        let (Ok(()), Ok(()), Ok(nonce)) = (
            socket.set_nonblocking(true),
            socket.set_nodelay(true),
            random(),
        ) else {
            mesh.count(|counts| counts.accept_errors += 1);
            return;
        };
        self.pending.push_back(Pending {
            socket,
            from,
            since: (mesh.now)(),
            nonce,
            heard: Vec::with_capacity(BYTES_MAX),
            stage: Stage::Hello,
        });
    }

    /// Drops the oldest beyond `n`. A peer needs some round trips to greet, so it is never among
    /// them, unless that many strangers come within these.
    fn crowd_out(&mut self, mesh: &Mesh<'_>, n: usize) {
        while self.pending.len() > n {
            if let Some(oldest) = self.pending.pop_front() {
                mesh.refuse(oldest.from, Refusal::Crowded);
            }
        }
    }

    /// Waits until there is something to do, or for some time.
    pub(crate) fn wait(&self, at_most: Duration) {
        let mut fds = vec![PollFd::new(self.listener, PollFlags::IN)];
        let greeting = self.pending.iter();
        fds.extend(greeting.map(|pending| PollFd::new(&pending.socket, PollFlags::IN)));
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: at_most.subsec_nanos().into(),
        };
        if poll(&mut fds, Some(&timeout)).is_err() {
            std::thread::sleep(at_most);
        }
    }
}

impl Pending {
    fn kind(&self) -> Kind {
        match self.stage {
            Stage::Hello => Kind::Hello,
            Stage::Proof { .. } => Kind::Proof,
            Stage::Confirm { .. } => Kind::Confirm,
        }
    }

    /// Hears what has come. It never reads beyond the greeting: what follows is the dataflow's.
    fn hear(&mut self, mesh: &Mesh<'_>) -> Result<Option<Greeted>, Refusal> {
        loop {
            let kind = self.kind();
            let mut buffer = [0; BYTES_MAX];
            let wanted = kind.bytes() - self.heard.len();
            match self.socket.read(&mut buffer[..wanted]) {
                Ok(0) => return Err(Refusal::Closed),
                Ok(n) => self.heard.extend_from_slice(&buffer[..n]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Err(Refusal::Closed),
            }
            if !kind.begins(&self.heard) {
                return Err(Refusal::Stranger);
            }
            if self.heard.len() < kind.bytes() {
                continue;
            }
            let message = Message::decode(&self.heard).map_err(|_| Refusal::Stranger)?;
            self.heard.clear();
            if let Some(greeted) = self.answer(mesh, message)? {
                return Ok(Some(greeted));
            }
        }
    }

    fn answer(&mut self, mesh: &Mesh<'_>, message: Message) -> Result<Option<Greeted>, Refusal> {
        match (self.stage, message) {
            (Stage::Hello, Message::Hello(theirs)) => {
                self.say(&Message::Challenge(self.nonce))?;
                self.stage = Stage::Proof { theirs };
            }
            (Stage::Proof { theirs }, Message::Proof(card, mac)) => {
                let session = Session::new(&mesh.peers.secret, theirs, self.nonce);
                if !session.is_proof(&card, &mac) {
                    return Err(Refusal::Secret);
                }
                let verdict = mesh.judge(&card);
                let own = mesh.card(card.from);
                self.say(&session.verdict(&card, verdict, own))?;
                if verdict != Verdict::Welcome {
                    mesh.judged(&card, verdict);
                    return Err(Refusal::Verdict(verdict));
                }
                let cards = [card, own];
                self.stage = Stage::Confirm { theirs, cards };
            }
            (Stage::Confirm { theirs, cards }, Message::Confirm(verdict, mac)) => {
                let session = Session::new(&mesh.peers.secret, theirs, self.nonce);
                if !session.is_confirm([&cards[0], &cards[1]], verdict, &mac) {
                    return Err(Refusal::Secret);
                }
                if verdict != Verdict::Welcome {
                    return Err(Refusal::Verdict(verdict));
                }
                return Ok(Some(Greeted {
                    theirs,
                    card: cards[0],
                    generation: cards[1].generation,
                }));
            }
            _ => return Err(Refusal::Stranger),
        }
        Ok(None)
    }

    /// A greeting fits into the buffers of a socket that was just made.
    fn say(&mut self, message: &Message) -> Result<(), Refusal> {
        self.socket
            .write_all(&message.encode())
            .map_err(|_| Refusal::Closed)
    }

    /// Makes a link of a connection that has greeted well.
    fn finish(self, mesh: &Mesh<'_>, greeted: &Greeted) {
        let from = self.from;
        let Ok(link) = self.link(mesh, greeted) else {
            mesh.refuse(from, Refusal::Tls);
            return;
        };
        let index = usize::try_from(greeted.card.from).unwrap_or(usize::MAX);
        debug_assert_eq!(index_u32(index), greeted.card.from);
        if !mesh.met(index, link, greeted.generation) {
            mesh.refuse(from, Refusal::Verdict(Verdict::Duplicate));
        }
    }

    fn link(self, mesh: &Mesh<'_>, greeted: &Greeted) -> io::Result<Link> {
        let peers = mesh.peers;
        self.socket.set_nonblocking(false)?;
        set_options(&self.socket, peers.limits.lost_after)?;
        let link = match &peers.tls {
            None => Link::plain(self.socket),
            Some(tls) => {
                let socket = self.socket.try_clone()?;
                let timed = Timed {
                    socket: &self.socket,
                    deadline: (mesh.now)() + peers.limits.handshake,
                    now: mesh.now,
                };
                let session = Session::new(&peers.secret, greeted.theirs, self.nonce);
                tls.accept(socket, timed, &session)?
            }
        };
        wait_for_ever(link.socket())?;
        Ok(link)
    }
}
