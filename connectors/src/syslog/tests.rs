//! Real sockets.

use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::*;
use crate::limit::{Limits, Quotas};
use crate::source::check::Checked;
use crate::source::{Count, LiveSource, Resume, SourceError, system_clock};
use crate::wal::Fsync;

fn config() -> SyslogConfig {
    let origin = Origin {
        module: "syslog".into(),
        ..Origin::default()
    };
    SyslogConfig::new("syslog", "127.0.0.1:0".parse().unwrap(), origin)
}

fn stream(dir: &Path) -> StreamConfig {
    let mut stream = StreamConfig::new(dir.join("wal"));
    stream.wal.segment_bytes = 4_000;
    stream
}

fn tcp(dir: &Path, resume: Resume) -> StreamSource {
    StreamSource::new(config(), stream(dir), resume, system_clock()).unwrap()
}

fn message(n: usize) -> String {
    format!("<13>Mar 10 06:00:00 web sshd[{n}]: message {n}")
}

fn line(n: usize) -> String {
    format!("Mar 10 06:00:00 web sshd[{n}]: message {n}")
}

fn lines(from: usize, to: usize) -> Vec<String> {
    (from..to).map(line).collect()
}

#[test]
fn datagrams_are_lines_and_bad_and_long_ones_are_counted() {
    let mut source = DatagramSource::new(config(), &Resume::First, system_clock());
    let mut outlet = Checked::default();
    outlet.poll(&mut source).unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.connect(source.local_address().unwrap()).unwrap();
    sender.send(message(1).as_bytes()).unwrap();
    sender.send(b"no syslog at all").unwrap();
    sender.send(b"").unwrap();
    let long = format!("<13>1 - web app - - - {}", "x".repeat(3_000));
    sender.send(long.as_bytes()).unwrap();
    outlet.until_lines(&mut source, 2);
    assert_eq!(outlet.lines[0].text, line(1));
    assert_eq!(outlet.lines[0].src, "127.0.0.1");
    assert!(outlet.lines[1].is_cut);
    let arrival_ns = outlet.lines[0].time_ns.unwrap();
    assert!(((system_clock())() - arrival_ns).abs() < 60_000_000_000);
    let counters = source.counters();
    assert_eq!(counters.get(Count::Refused), 2);
    assert_eq!(counters.get(Count::LinesCut), 1);
    assert!(
        counters.take_samples()[0]
            .text
            .ends_with("no syslog at all")
    );
    outlet.until(&mut source, |outlet| !outlet.caught_up.is_empty());
    let mut again = DatagramSource::new(config(), &Resume::From(outlet.positions), system_clock());
    let mut second = Checked::default();
    second.poll(&mut again).unwrap();
    sender.connect(again.local_address().unwrap()).unwrap();
    sender.send(message(2).as_bytes()).unwrap();
    second.until_lines(&mut again, 1);
    assert_eq!(second.lines[0].offset, 4);
}

#[test]
fn datagrams_over_a_limit_are_dropped_and_counted() {
    let now = Arc::new(AtomicI64::new(1));
    let read = Arc::clone(&now);
    let limits = Limits {
        lines: NonZeroU64::new(5),
        bytes: None,
    };
    let mut source = DatagramSource::new(
        config(),
        &Resume::First,
        Arc::new(move || read.load(Ordering::SeqCst)),
    )
    .with_quotas(Quotas::of(limits, None));
    let mut outlet = Checked::default();
    outlet.poll(&mut source).unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.connect(source.local_address().unwrap()).unwrap();
    let counters = Arc::clone(source.counters());
    let n_dropped = || counters.get(Count::Dropped);
    for n in 0..20 {
        sender.send(message(n).as_bytes()).unwrap();
    }
    outlet.until(&mut source, |_| n_dropped() == 15);
    assert_eq!(outlet.texts(), lines(0, 5));
    assert_eq!(counters.get(Count::Lines), 5);
    // A second later there is room for as many.
    now.fetch_add(1_000_000_000, Ordering::SeqCst);
    for n in 20..30 {
        sender.send(message(n).as_bytes()).unwrap();
    }
    outlet.until(&mut source, |_| n_dropped() == 20);
    assert_eq!(outlet.texts()[5..], lines(20, 25));
    assert_eq!(outlet.lines[9].offset, 9);
}

#[test]
fn datagrams_without_room_are_dropped_and_all_are_accounted_for() {
    let mut source = DatagramSource::new(config(), &Resume::First, system_clock());
    let mut outlet = Checked::default();
    outlet.poll(&mut source).unwrap();
    outlet.full = outlet
        .begun
        .values()
        .map(|begun| begun.name.clone())
        .collect();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.connect(source.local_address().unwrap()).unwrap();
    let text = format!("{} {}", message(1), "x".repeat(1_900));
    // The kernel drops too where the receiver gets no time, and then nobody fills the queue; so
    // there is no number of datagrams that fills it always.
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut n_sent = 0;
    while source.counters().get(Count::Dropped) == 0 {
        assert!(Instant::now() < deadline, "{n_sent} datagrams fit");
        for _ in 0..1_000 {
            sender.send(text.as_bytes()).unwrap();
        }
        n_sent += 1_000;
        outlet.poll(&mut source).unwrap();
    }
    outlet.full.clear();
    let accounted = |counters: &crate::source::Counters| {
        [Count::Lines, Count::Dropped, Count::KernelDropped]
            .iter()
            .map(|count| counters.get(*count))
            .sum::<u64>()
    };
    let counters = Arc::clone(source.counters());
    outlet.until(&mut source, |_| accounted(&counters) >= n_sent);
    assert_eq!(accounted(&counters), n_sent);
}

#[test]
fn an_address_that_is_taken_is_an_error_that_passes() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let config = SyslogConfig {
        address: taken.local_addr().unwrap(),
        ..config()
    };
    let mut source = DatagramSource::new(config, &Resume::First, system_clock());
    let mut outlet = Checked::default();
    let error = outlet.poll(&mut source).unwrap_err();
    assert!(matches!(error, SourceError::Listen { .. }));
    assert_eq!(error.retry(), crate::source::Retry::Later);
    drop(taken);
    outlet.poll(&mut source).unwrap();
    assert!(source.local_address().is_some());
}

#[test]
fn streams_of_several_senders_go_through_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = tcp(dir.path(), Resume::First);
    let mut outlet = Checked::default();
    outlet.poll(&mut source).unwrap();
    let address = source.local_address().unwrap();
    let mut senders: Vec<TcpStream> = (0..4)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    for n in 0..100 {
        let text = message(n);
        let framed = if n % 3 == 0 {
            format!("{} {text}", text.len())
        } else {
            format!("{text}\n")
        };
        for piece in framed.as_bytes().chunks(20) {
            senders[n % 4].write_all(piece).unwrap();
        }
    }
    senders[0].write_all(b"nonsense\n<13>1 - h").unwrap();
    drop(senders);
    outlet.until(&mut source, |outlet| outlet.lines.len() >= 100);
    let mut texts = outlet.texts();
    texts.sort_unstable();
    let mut expected = lines(0, 100);
    expected.sort_unstable();
    assert_eq!(texts, expected);
    let counters = Arc::clone(source.counters());
    outlet.until(&mut source, |_| counters.get(Count::Refused) == 2);
    assert_eq!(counters.get(Count::Connections), 4);
}

#[test]
fn what_is_in_the_log_comes_back_from_any_line_until_it_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = tcp(dir.path(), Resume::First);
    let mut first = Checked::default();
    first.poll(&mut source).unwrap();
    let mut sender = TcpStream::connect(source.local_address().unwrap()).unwrap();
    // What is read at once is one append; several make several segments.
    for n in 0..200 {
        writeln!(sender, "{}", message(n)).unwrap();
        if n % 20 == 19 {
            first.until_lines(&mut source, n + 1);
        }
    }
    drop(source);
    for at in [0, 1, 77, 199] {
        let line = &first.lines[at];
        let positions =
            crate::source::Positions::from([(line.partition.clone(), line.position.clone())]);
        let mut again = tcp(dir.path(), Resume::From(positions.clone()));
        let mut outlet = Checked::default();
        outlet.until_lines(&mut again, 200 - at);
        assert_eq!(outlet.texts(), lines(at, 200));
        assert_eq!(outlet.lines[0].offset, line.offset);
        assert_eq!(outlet.lines[0].time_ns, line.time_ns);
        again.committed(&positions);
    }
    // The last one let go of all before it; a position from before is a loss that is told.
    let line = &first.lines[0];
    let positions =
        crate::source::Positions::from([(line.partition.clone(), line.position.clone())]);
    let mut again = tcp(dir.path(), Resume::From(positions));
    let mut outlet = Checked::default();
    outlet.until(&mut again, |outlet| !outlet.caught_up.is_empty());
    assert_eq!(again.counters().get(Count::PositionsLost), 1);
    assert!(outlet.lines.len() < 100);
}

#[test]
fn a_full_log_holds_the_senders_until_a_checkpoint_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let mut stream = stream(dir.path());
    stream.wal.bytes_max = 20_000;
    stream.wal.fsync = Fsync::Never;
    let mut source = StreamSource::new(config(), stream, Resume::First, system_clock()).unwrap();
    let mut outlet = Checked::default();
    outlet.poll(&mut source).unwrap();
    let mut sender = TcpStream::connect(source.local_address().unwrap()).unwrap();
    let n_sent = 30_000;
    let sends = std::thread::Builder::new()
        .spawn(move || {
            for n in 0..n_sent {
                writeln!(sender, "{}", message(n)).unwrap();
            }
        })
        .unwrap();
    let counters = Arc::clone(source.counters());
    outlet.until(&mut source, |_| counters.get(Count::LogWaits) > 0);
    outlet.during(&mut source, Duration::from_millis(200));
    let n_before = outlet.lines.len();
    assert!(n_before < 1_000, "{n_before} lines in a log of 20 kB");
    let since = Instant::now();
    while outlet.lines.len() < n_sent {
        assert!(since.elapsed() < Duration::from_secs(60));
        outlet.poll(&mut source).unwrap();
        source.committed(&outlet.positions.clone());
    }
    sends.join().unwrap();
    assert_eq!(outlet.texts(), lines(0, n_sent));
}

#[test]
fn connections_have_a_limit_and_idle_ones_are_closed() {
    let dir = tempfile::tempdir().unwrap();
    let stream = StreamConfig {
        connections_max: 2,
        idle_timeout: Duration::from_millis(300),
        ..stream(dir.path())
    };
    let mut source = StreamSource::new(config(), stream, Resume::First, system_clock()).unwrap();
    let mut outlet = Checked::default();
    outlet.poll(&mut source).unwrap();
    let address = source.local_address().unwrap();
    let _held: Vec<TcpStream> = (0..3)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let counters = Arc::clone(source.counters());
    outlet.until(&mut source, |_| {
        counters.get(Count::ConnectionsRefused) == 3
    });
    let mut late = TcpStream::connect(address).unwrap();
    writeln!(late, "{}", message(1)).unwrap();
    outlet.until_lines(&mut source, 1);
}

/// Certificates of one authority, made once for a hundred years; its key was thrown away.
fn certificates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/syslog/certs")
}

fn client(address: SocketAddr, has_certificate: bool) -> StreamOwned<ClientConnection, TcpStream> {
    let pem = |name: &str| std::fs::read(certificates().join(name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(&pem("ca.pem")).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = if has_certificate {
        let certificate = CertificateDer::from_pem_slice(&pem("client.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_slice(&pem("client.key")).unwrap();
        builder
            .with_client_auth_cert(vec![certificate], key)
            .unwrap()
    } else {
        builder.with_no_client_auth()
    };
    let name = ServerName::try_from("server.test").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(connection, TcpStream::connect(address).unwrap())
}

#[test]
fn tls_carries_messages_and_refuses_clients_that_have_no_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let tls = TlsConfig {
        server_cert: certificates().join("server.pem"),
        server_key: certificates().join("server.key"),
        ca_cert: None,
    };
    for needs_certificate in [false, true] {
        let stream = StreamConfig {
            tls: Some(TlsConfig {
                ca_cert: needs_certificate.then(|| certificates().join("ca.pem")),
                ..tls.clone()
            }),
            ..stream(&dir.path().join(needs_certificate.to_string()))
        };
        let mut source =
            StreamSource::new(config(), stream, Resume::First, system_clock()).unwrap();
        let mut outlet = Checked::default();
        outlet.poll(&mut source).unwrap();
        let address = source.local_address().unwrap();
        let mut sender = client(address, needs_certificate);
        let text = message(1);
        write!(sender, "{} {text}{} {text}", text.len(), text.len()).unwrap();
        outlet.until_lines(&mut source, 2);
        sender.conn.send_close_notify();
        sender.flush().unwrap();
        drop(sender);
        // One without TLS, and one without a certificate.
        let mut plain = TcpStream::connect(address).unwrap();
        plain.write_all(b"<13>1 - - - - - - plain\n").unwrap();
        let counters = Arc::clone(source.counters());
        outlet.until(&mut source, |_| {
            counters.get(Count::ConnectionsRefused) == 1
        });
        if needs_certificate {
            let mut stranger = client(address, false);
            // The handshake may seem done to the client before it is refused.
            let _refused = stranger.write_all(b"<13>1 - - - - - - stranger\n");
            let _refused = stranger.flush();
            outlet.until(&mut source, |_| {
                counters.get(Count::ConnectionsRefused) == 2
            });
        }
        assert_eq!(outlet.lines.len(), 2);
    }
    let broken = TlsConfig {
        server_key: certificates().join("server.pem"),
        ..tls
    };
    assert!(
        broken
            .load()
            .unwrap_err()
            .to_string()
            .contains("server.pem")
    );
}
