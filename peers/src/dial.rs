//! The side that dials: the peers below, again and again until each has answered.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::greeting::{Card, Kind, Message, Session, Verdict};
use crate::link::Link;
use crate::mesh::{Mesh, index_u32, stranger_than};
use crate::notice::Refusal;
use crate::secret::random;
use crate::socket::{Timed, set_options, wait_for_ever};

/// Between two rounds at first, when all processes start at the same time; doubled each time.
const PAUSE_FIRST: Duration = Duration::from_millis(5);
/// Between two rounds later on.
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// How long an address is believed, and a name that is not known is left alone.
const RESOLVED_FOR: Duration = Duration::from_secs(1);
/// How long a host may take to answer at all.
const CONNECT: Duration = Duration::from_secs(2);

/// Addresses of the peers as they were last found.
struct Addresses {
    found: Vec<Option<(Instant, Found)>>,
}

/// Addresses of a process, or why there are none.
type Found = Result<Vec<SocketAddr>, String>;

/// Dials until the mesh is complete or given up.
pub(crate) fn run(mesh: &Mesh<'_>) {
    let mut addresses = Addresses {
        found: (0..mesh.peers.spec.n()).map(|_| None).collect(),
    };
    let mut pause = PAUSE_FIRST;
    while !mesh.is_over() {
        let wanted = mesh.to_dial();
        for &index in &wanted {
            match addresses.of(mesh, index) {
                Ok(addresses) => dial(mesh, index, &addresses),
                Err(reason) => mesh.reason(index, reason),
            }
            if mesh.is_over() {
                return;
            }
        }
        if mesh.to_dial() == wanted {
            // Woken at the end.
            std::thread::park_timeout(pause);
            pause = (pause * 2).min(PAUSE_MAX);
        } else {
            pause = PAUSE_FIRST;
        }
    }
}

impl Addresses {
    fn of(&mut self, mesh: &Mesh<'_>, index: usize) -> Found {
        let now = (mesh.now)();
        let Some(place) = self.found.get_mut(index) else {
            return Ok(Vec::new());
        };
        if let Some((at, found)) = place
            && now.saturating_duration_since(*at) < RESOLVED_FOR
        {
            return found.clone();
        }
        let spec = &mesh.peers.spec;
        let found = spec
            .resolve(index)
            .map_err(|error| format!("{}: {error}", spec.host(index)));
        *place = Some((now, found.clone()));
        found
    }
}

fn dial(mesh: &Mesh<'_>, index: usize, addresses: &[SocketAddr]) {
    for address in addresses {
        let socket = match TcpStream::connect_timeout(address, CONNECT) {
            Ok(socket) => socket,
            Err(error) => {
                mesh.reason(index, format!("{address}: {error}"));
                continue;
            }
        };
        match greet(mesh, index, socket) {
            Ok((link, generation)) => {
                if mesh.met(index, link, generation) {
                    return;
                }
            }
            Err(refusal) => {
                mesh.reason(index, format!("{address} {refusal}"));
                mesh.refuse(*address, refusal);
            }
        }
    }
}

/// Greets process `index` at the other end of a socket; answers with the generation it told.
fn greet(mesh: &Mesh<'_>, index: usize, socket: TcpStream) -> Result<(Link, u64), Refusal> {
    let peers = mesh.peers;
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Refusal::Slow,
        io::ErrorKind::InvalidData => Refusal::Stranger,
        _ => Refusal::Closed,
    };
    set_options(&socket, peers.limits.lost_after).map_err(failed)?;
    let timed = || Timed {
        socket: &socket,
        deadline: (mesh.now)() + peers.limits.handshake,
        now: mesh.now,
    };
    let mut stream = timed();
    let ours: [u8; 32] = random().map_err(|_| Refusal::Closed)?;
    stream
        .write_all(&Message::Hello(ours).encode())
        .map_err(failed)?;
    let Message::Challenge(theirs) = hear(&mut stream, Kind::Challenge).map_err(failed)? else {
        return Err(Refusal::Stranger);
    };
    let session = Session::new(&peers.secret, ours, theirs);
    let card = mesh.card(index_u32(index));
    stream
        .write_all(&session.proof(card).encode())
        .map_err(failed)?;
    let answer = hear(&mut stream, Kind::Verdict).map_err(|error| match failed(error) {
        // Whoever has another secret hangs up without a word.
        Refusal::Closed => Refusal::HungUp,
        other => other,
    })?;
    let Message::Verdict(verdict, theirs, mac) = answer else {
        return Err(Refusal::Stranger);
    };
    if !session.is_verdict(&card, verdict, &theirs, &mac) {
        return Err(Refusal::Secret);
    }
    let verdict = match verdict {
        Verdict::Welcome => ours_of(&card, &theirs),
        refused => refused.seen_by_the_dialer(),
    };
    if verdict != Verdict::Welcome {
        mesh.judged(&theirs, verdict);
        return Err(Refusal::Verdict(verdict));
    }
    stream
        .write_all(&session.confirm([&card, &theirs], verdict).encode())
        .map_err(failed)?;
    let link = match &peers.tls {
        None => Link::plain(socket),
        Some(tls) => {
            let clone = socket.try_clone().map_err(failed)?;
            let host = peers.spec.host(index);
            tls.dial(clone, &host, timed(), &session)
                .map_err(|_| Refusal::Tls)?
        }
    };
    wait_for_ever(link.socket()).map_err(failed)?;
    Ok((link, theirs.generation))
}

/// What the dialer of `own` thinks of the acceptor's card.
fn ours_of(own: &Card, theirs: &Card) -> Verdict {
    if let Some(verdict) = stranger_than(theirs, own) {
        return verdict;
    }
    if theirs.from != own.to {
        return Verdict::WrongIndex;
    }
    let is_known = theirs.generation == own.generation;
    let is_learnt = own.is_learning && theirs.generation > own.generation;
    if is_known || is_learnt {
        Verdict::Welcome
    } else if theirs.generation < own.generation {
        Verdict::Older
    } else {
        Verdict::Newer
    }
}

/// Reads one message and nothing beyond it; gives up at the first byte that is wrong.
fn hear(stream: &mut Timed<'_>, kind: Kind) -> io::Result<Message> {
    let wrong = || io::Error::from(io::ErrorKind::InvalidData);
    let mut heard = vec![0; kind.bytes()];
    let mut n_heard = 0;
    while n_heard < heard.len() {
        match stream.read(&mut heard[n_heard..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => n_heard += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if !kind.begins(&heard[..n_heard]) {
            return Err(wrong());
        }
    }
    Message::decode(&heard).map_err(|_| wrong())
}
