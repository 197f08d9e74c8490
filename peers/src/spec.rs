//! Where the processes of a job are: a file, or names of DNS.
//!
//! | written | number of processes | process `i` is at |
//! | --- | --- | --- |
//! | `FILE` | its lines | line `i` |
//! | `dns:NAME-0.SERVICE[:PORT]` | given | `NAME-i.SERVICE` (a Kubernetes StatefulSet) |
//! | `dns:NAME[:PORT]` | given | the `i`-th of its addresses, sorted (a docker compose service) |
//!
//! Names are resolved again at each attempt, so a process may move while it is waited for.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};
use std::path::{Path, PathBuf};

/// The port of a process whose port is not given.
pub const DEFAULT_PORT: u16 = 7422;
/// Most processes of a job.
pub const PROCESSES_MAX: usize = 64;
/// Most bytes of a file of peers.
const FILE_BYTES_MAX: u64 = 1 << 16;

/// Where the processes of a job are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeersSpec {
    /// At these hosts and ports, by index.
    List(Vec<(String, u16)>),
    /// At names that differ by index.
    Names {
        /// What is before the index, with its dash.
        before: String,
        /// What is after it, with its dot, or nothing.
        after: String,
        /// Of all.
        port: u16,
        /// How many.
        n: usize,
    },
    /// At the addresses of one name, in their order.
    Addresses {
        /// The name.
        name: String,
        /// Of all.
        port: u16,
        /// How many.
        n: usize,
    },
}

/// Why it is not known where the processes are.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The file cannot be read.
    #[error("read the peers in {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line of the file is not `host:port`.
    #[error("{path}:{line}: {text:?} is not host:port")]
    Line {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// What it says.
        text: String,
    },
    /// A name has a port that is none.
    #[error("{0:?} is not dns:NAME or dns:NAME:PORT")]
    Name(String),
    /// How many processes there are is not said.
    #[error("dns: does not say how many processes there are; give their number")]
    Uncounted,
    /// There are none, or too many.
    #[error("{n} processes; there must be 1 to {PROCESSES_MAX}")]
    Number {
        /// How many.
        n: usize,
    },
    /// Which of the processes this is cannot be found.
    #[error("which of the {n} processes this is: {reason}; give its index")]
    Own {
        /// How many there are.
        n: usize,
        /// Why it cannot be found.
        reason: String,
    },
    /// The port cannot be listened on.
    #[error("listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// `host:port`, `[v6]:port`.
fn host_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = match bare {
        Some(v6) => v6.parse::<Ipv6Addr>().ok().map(|_| v6)?,
        None if host.contains([':', '[', ']']) => return None,
        None => host,
    };
    let is_name = !host.is_empty() && host.chars().all(|c| c.is_ascii_graphic());
    let port = port.parse().ok().filter(|port| *port != 0)?;
    is_name.then(|| (host.to_owned(), port))
}

/// The number at the end of a host's name, as Kubernetes gives it to the pods of a StatefulSet.
#[must_use]
pub fn ordinal_of(hostname: &str) -> Option<usize> {
    let first = hostname.split('.').next()?;
    let (name, ordinal) = first.rsplit_once('-')?;
    let is_number = !ordinal.is_empty() && ordinal.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !name.is_empty()).then(|| ordinal.parse().ok())?
}

impl PeersSpec {
    /// Reads what was written: `FILE`, `dns:NAME[:PORT]` or `list:HOST:PORT,HOST:PORT`. `n` is the number of processes; a file
    /// and a list say it by themselves.
    ///
    /// # Errors
    /// [`SpecError`]: what is wrong with it.
    pub fn parse(text: &str, n: Option<usize>) -> Result<Self, SpecError> {
        let spec = match (text.strip_prefix("dns:"), text.strip_prefix("list:")) {
            (Some(name), _) => Self::of_name(name, n.ok_or(SpecError::Uncounted)?)?,
            (None, Some(list)) => {
                let pairs = list.split(',').map(host_port).collect::<Option<_>>();
                Self::List(pairs.ok_or_else(|| SpecError::Name(list.to_owned()))?)
            }
            (None, None) => Self::of_file(Path::new(text))?,
        };
        let counted = n.unwrap_or_else(|| spec.n());
        if spec.n() == 0 || spec.n() > PROCESSES_MAX || counted != spec.n() {
            let n = if counted == spec.n() {
                spec.n()
            } else {
                counted
            };
            return Err(SpecError::Number { n });
        }
        Ok(spec)
    }

    /// Processes of this machine, at ports that follow each other.
    #[must_use]
    pub fn loopback(first_port: u16, n: usize) -> Self {
        let ports = (first_port..=u16::MAX).take(n);
        Self::List(ports.map(|port| ("127.0.0.1".to_owned(), port)).collect())
    }

    /// Processes at these addresses.
    #[must_use]
    pub fn fixed(addresses: &[SocketAddr]) -> Self {
        let pair = |address: &SocketAddr| (address.ip().to_string(), address.port());
        Self::List(addresses.iter().map(pair).collect())
    }

    fn of_name(text: &str, n: usize) -> Result<Self, SpecError> {
        let wrong = || SpecError::Name(text.to_owned());
        let (name, port) = match text.rsplit_once(':') {
            Some(_) => host_port(text).ok_or_else(wrong)?,
            None => (text.to_owned(), DEFAULT_PORT),
        };
        if name.is_empty() || name.contains(|c: char| !c.is_ascii_graphic()) {
            return Err(wrong());
        }
        let first = name.split('.').next().unwrap_or_default();
        Ok(match first.strip_suffix("-0") {
            Some(base) if !base.is_empty() => Self::Names {
                before: format!("{base}-"),
                after: name[first.len()..].to_owned(),
                port,
                n,
            },
            _ => Self::Addresses { name, port, n },
        })
    }

    fn of_file(path: &Path) -> Result<Self, SpecError> {
        let read = |source| SpecError::Read {
            path: path.to_owned(),
            source,
        };
        if std::fs::metadata(path).map_err(read)?.len() > FILE_BYTES_MAX {
            return Err(read(io::Error::other(
                "it is too long to be a list of peers",
            )));
        }
        let text = std::fs::read_to_string(path).map_err(read)?;
        let mut peers = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            peers.push(host_port(line).ok_or_else(|| SpecError::Line {
                path: path.to_owned(),
                line: at + 1,
                text: line.to_owned(),
            })?);
        }
        Ok(Self::List(peers))
    }

    /// How many processes there are.
    #[must_use]
    pub fn n(&self) -> usize {
        match self {
            Self::List(peers) => peers.len(),
            Self::Names { n, .. } | Self::Addresses { n, .. } => *n,
        }
    }

    /// The host of a process, as it is dialed and as its certificate must name it.
    #[must_use]
    pub fn host(&self, index: usize) -> String {
        match self {
            Self::List(peers) => peers
                .get(index)
                .map(|(host, _)| host.clone())
                .unwrap_or_default(),
            Self::Names { before, after, .. } => format!("{before}{index}{after}"),
            Self::Addresses { name, .. } => name.clone(),
        }
    }

    fn port(&self, index: usize) -> u16 {
        match self {
            Self::List(peers) => peers.get(index).map_or(DEFAULT_PORT, |(_, port)| *port),
            Self::Names { port, .. } | Self::Addresses { port, .. } => *port,
        }
    }

    /// Addresses of a process, as they are known now.
    ///
    /// # Errors
    /// When its name is not known, or the name of all has another number of addresses.
    pub fn resolve(&self, index: usize) -> io::Result<Vec<SocketAddr>> {
        let all = (self.host(index).as_str(), self.port(index)).to_socket_addrs()?;
        let Self::Addresses { n, .. } = self else {
            return Ok(all.collect());
        };
        let sorted = of_one_family(all);
        match sorted.get(index) {
            Some(address) if sorted.len() == *n => Ok(vec![*address]),
            _ => Err(io::Error::other(format!(
                "{} has {} addresses, and there are {n} processes",
                self.host(index),
                sorted.len()
            ))),
        }
    }

    /// Which of the processes this is: by the number at the end of the host's name, or by the
    /// addresses of this machine.
    ///
    /// # Errors
    /// [`SpecError::Own`] when neither says it.
    pub fn own_index(&self) -> Result<usize, SpecError> {
        let n = self.n();
        let own = |reason: String| SpecError::Own { n, reason };
        match self {
            Self::Addresses { name, port, .. } => {
                let all = (name.as_str(), *port).to_socket_addrs();
                let sorted = of_one_family(all.map_err(|error| own(format!("{name}: {error}")))?);
                if sorted.len() != n {
                    return Err(own(format!("{name} has {} addresses", sorted.len())));
                }
                let ours = sorted.iter().position(|address| is_ours(address.ip()));
                ours.ok_or_else(|| own(format!("no address of {name} is one of this machine")))
            }
            Self::List(_) | Self::Names { .. } => {
                let uname = rustix::system::uname();
                let hostname = uname.nodename().to_string_lossy();
                let ordinal = ordinal_of(&hostname).filter(|ordinal| *ordinal < n);
                ordinal.ok_or_else(|| own(format!("the host is called {hostname:?}")))
            }
        }
    }

    /// Listens where the others will look for process `index`: on loopback if they find it there,
    /// otherwise on all addresses of the machine.
    ///
    /// # Errors
    /// [`SpecError::Listen`] when the port is taken.
    pub fn listen(&self, index: usize) -> Result<TcpListener, SpecError> {
        let port = self.port(index);
        let local = match self {
            Self::List(_) => self.resolve(index).unwrap_or_default(),
            Self::Names { .. } | Self::Addresses { .. } => Vec::new(),
        };
        let wanted = match local.first() {
            Some(address) if address.ip().is_loopback() => vec![*address],
            _ => vec![
                SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
                SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
            ],
        };
        TcpListener::bind(wanted.as_slice()).map_err(|source| SpecError::Listen {
            address: wanted[0],
            source,
        })
    }
}

impl fmt::Display for PeersSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} processes", self.n())
    }
}

/// Addresses in their order. With both families the older one: an address of each would count a
/// process twice.
fn of_one_family(all: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut sorted: Vec<SocketAddr> = all.collect();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.iter().any(SocketAddr::is_ipv4) {
        sorted.retain(SocketAddr::is_ipv4);
    }
    sorted
}

/// Only an address of this machine can be bound to.
fn is_ours(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        let some = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(host_port("a.example:7422"), some("a.example", 7422));
        assert_eq!(host_port("192.0.2.1:1"), some("192.0.2.1", 1));
        assert_eq!(host_port("[2001:db8::1]:80"), some("2001:db8::1", 80));
        for wrong in [
            "", "a", "a:", ":1", "a:0", "a:65536", "::1:80", "[::1:80", "[a]:80", "a b:1",
        ] {
            assert_eq!(host_port(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ordinals_of_hosts() {
        assert_eq!(ordinal_of("overspill-0"), Some(0));
        assert_eq!(ordinal_of("over-spill-12.peers.default.svc"), Some(12));
        for none in [
            "",
            "overspill",
            "-1",
            "overspill-",
            "overspill-1a",
            "7f3a0c1d2e4b",
        ] {
            assert_eq!(ordinal_of(none), None, "{none}");
        }
    }

    #[test]
    fn a_file_has_a_process_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("peers");
        let path_text = path.to_str().unwrap();
        std::fs::write(
            &path,
            "# ours\n\n127.0.0.1:7422\nb.example:7423  # the other\n",
        )
        .unwrap();
        let spec = PeersSpec::parse(path_text, None).unwrap();
        assert_eq!((spec.n(), spec.host(1)), (2, "b.example".to_owned()));
        assert_eq!(
            spec.resolve(0).unwrap(),
            ["127.0.0.1:7422".parse().unwrap()]
        );
        assert!(PeersSpec::parse(path_text, Some(2)).is_ok());
        let other = PeersSpec::parse(path_text, Some(3));
        assert!(matches!(other, Err(SpecError::Number { n: 3 })));
        std::fs::write(&path, "127.0.0.1:7422\nb.example\n").unwrap();
        let error = PeersSpec::parse(path_text, None).unwrap_err().to_string();
        assert!(
            error.ends_with(":2: \"b.example\" is not host:port"),
            "{error}"
        );
        std::fs::write(&path, "# nobody\n").unwrap();
        let none = PeersSpec::parse(path_text, None);
        assert!(matches!(none, Err(SpecError::Number { n: 0 })));
    }

    #[test]
    fn names_of_pods_differ_by_their_number() {
        let spec = PeersSpec::parse("dns:overspill-0.peers.default.svc:7000", Some(3)).unwrap();
        assert_eq!(spec.host(2), "overspill-2.peers.default.svc");
        assert_eq!(spec.port(2), 7000);
        let short = PeersSpec::parse("dns:overspill-0", Some(2)).unwrap();
        assert_eq!(
            (short.host(1), short.port(1)),
            ("overspill-1".into(), DEFAULT_PORT)
        );
    }

    #[test]
    fn a_name_of_all_stands_for_as_many_addresses_as_there_are_processes() {
        let list = PeersSpec::parse("list:a:1,[::1]:2", None).unwrap();
        assert_eq!(list.n(), 2);
        for (wrong, n) in [("list:", None), ("list:a", None), ("list:a:1", Some(2))] {
            assert!(PeersSpec::parse(wrong, n).is_err(), "{wrong}");
        }
        let one = PeersSpec::parse("dns:localhost:7000", Some(1)).unwrap();
        assert_eq!(one.resolve(0).unwrap()[0].port(), 7000);
        assert_eq!(one.own_index().unwrap(), 0);
        let two = PeersSpec::parse("dns:localhost:7000", Some(2)).unwrap();
        let error = two.resolve(0).unwrap_err().to_string();
        assert_eq!(
            error,
            "localhost has 1 addresses, and there are 2 processes"
        );
        assert!(two.own_index().is_err());
        assert!(matches!(
            PeersSpec::parse("dns:localhost", None),
            Err(SpecError::Uncounted)
        ));
        assert!(PeersSpec::parse("dns:a:b", Some(1)).is_err());
        assert!(PeersSpec::parse("dns:", Some(1)).is_err());
    }

    #[test]
    fn addresses_are_of_one_family_in_numeric_order() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let all = [
            "[2001:db8::1]:1",
            "10.0.0.10:1",
            "10.0.0.9:1",
            "10.0.0.10:1",
        ]
        .map(address);
        let sorted = of_one_family(all.into_iter());
        assert_eq!(sorted, ["10.0.0.9:1", "10.0.0.10:1"].map(address));
    }

    #[test]
    fn who_is_found_on_loopback_listens_only_there() {
        let spec = PeersSpec::loopback(0, 1);
        let listener = PeersSpec::fixed(&["127.0.0.1:0".parse().unwrap()])
            .listen(0)
            .unwrap();
        assert!(listener.local_addr().unwrap().ip().is_loopback());
        assert_eq!(spec.n(), 1);
    }
}
