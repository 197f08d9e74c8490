//! Encrypted links: both sides show a certificate of one authority, after both have greeted.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;

use overspill_peers::greeting::Verdict;
use overspill_peers::{Link, Notice, Peers, Refusal, Tls, TlsError, TlsFiles};

use crate::util::{Seeker, listeners, peers};

/// Certificates of two authorities, made once for a hundred years; their keys were thrown away.
fn files(name: &str) -> TlsFiles {
    let certs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certs");
    TlsFiles {
        cert: certs.join(format!("{name}.pem")),
        key: certs.join(format!("{name}.key")),
        ca: certs.join("ca.pem"),
        name: None,
    }
}

fn tls(name: &str) -> Option<Arc<Tls>> {
    Some(Arc::new(files(name).load().unwrap()))
}

/// Two processes that look for each other.
fn pair(certificates: [Option<Arc<Tls>>; 2]) -> [Seeker; 2] {
    let (listeners, addresses) = listeners(2);
    let mut seekers =
        listeners
            .into_iter()
            .zip(certificates)
            .enumerate()
            .map(|(index, (listener, tls))| {
                let mut peers: Peers = peers(index, &addresses);
                peers.tls = tls;
                Seeker::start(listener, peers)
            });
    [seekers.next().unwrap(), seekers.next().unwrap()]
}

fn links() -> [Link; 2] {
    pair([tls("peer"), tls("peer")]).map(|seeker| {
        let mut links = seeker.join().unwrap().links;
        links.iter_mut().find_map(Option::take).unwrap()
    })
}

/// Waits until both have refused the other: the one that dialed says why.
fn until_refused([first, second]: &[Seeker; 2], why: Refusal) {
    first.until(|notice| matches!(notice, Notice::Refused { .. }));
    second.until(|notice| matches!(notice, Notice::Refused { refusal, .. } if *refusal == why));
}

#[test]
fn an_encrypted_link_carries_both_directions_at_once_from_two_threads() {
    let links = links();
    assert!(links.iter().all(Link::is_encrypted));
    const BYTES: usize = 3_000_000;
    let byte = |from: usize, at: usize| (at * 31 + at / 251 + from) as u8;
    std::thread::scope(|scope| {
        for (from, link) in links.iter().enumerate() {
            let mut writer = link.try_clone().unwrap();
            let mut reader = link.try_clone().unwrap();
            scope.spawn(move || {
                let bytes: Vec<u8> = (0..BYTES).map(|at| byte(from, at)).collect();
                // Pieces of all sizes.
                let mut rest = &bytes[..];
                let mut size = 1;
                while !rest.is_empty() {
                    let (piece, more) = rest.split_at(rest.len().min(size));
                    writer.write_all(piece).unwrap();
                    rest = more;
                    size = size * 3 % 200_003 + 1;
                }
                writer.shutdown(Shutdown::Write).unwrap();
            });
            scope.spawn(move || {
                let mut bytes = Vec::new();
                // An orderly end is no error.
                reader.read_to_end(&mut bytes).unwrap();
                assert_eq!(bytes.len(), BYTES);
                let wrong = (0..BYTES).find(|at| bytes[*at] != byte(1 - from, *at));
                assert_eq!(wrong, None);
            });
        }
    });
}

#[test]
fn an_end_that_is_not_in_order_is_an_error() {
    let [first, mut second] = links();
    first.socket().shutdown(Shutdown::Both).unwrap();
    let error = second.read(&mut [0; 10]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[test]
fn bytes_that_were_changed_on_the_way_are_an_error() {
    let [first, mut second] = links();
    let mut below: &TcpStream = first.socket();
    below.write_all(&[0x17, 3, 3, 0, 20]).unwrap();
    below.write_all(&[7; 20]).unwrap();
    assert!(second.read(&mut [0; 10]).is_err());
}

#[test]
fn another_authority_and_another_name_are_refused() {
    // The acceptor does not trust the dialer's, the dialer not the acceptor's, or not its name.
    for [first, second] in [
        ["peer", "stranger"],
        ["stranger", "peer"],
        ["elsewhere", "peer"],
    ] {
        let ends = pair([tls(first), tls(second)]);
        until_refused(&ends, Refusal::Tls);
        assert!(ends.iter().all(|end| !has_met(end)));
    }
    // A name of all peers.
    let named = TlsFiles {
        name: Some("elsewhere.example".into()),
        ..files("peer")
    };
    let named = Some(Arc::new(named.load().unwrap()));
    let ends = pair([tls("elsewhere"), named]).map(Seeker::join);
    assert!(ends.iter().all(Result::is_ok), "{ends:?}");
}

fn has_met(seeker: &Seeker) -> bool {
    let is_meeting = |notice: &Notice| matches!(notice, Notice::Met(_));
    seeker.told().iter().any(is_meeting)
}

#[test]
fn one_side_without_tls_is_told_so() {
    for ends in [[tls("peer"), None], [None, tls("peer")]] {
        until_refused(&pair(ends), Refusal::Verdict(Verdict::Encryption));
    }
    assert_eq!(
        Refusal::Verdict(Verdict::Encryption).name(),
        "other_encryption"
    );
}

#[test]
fn files_that_are_wrong_are_named() {
    let load = |files: TlsFiles| files.load().unwrap_err();
    let mut missing = files("peer");
    missing.key = "no/such.key".into();
    assert!(matches!(load(missing), TlsError::Read { .. }));
    let mut swapped = files("peer");
    std::mem::swap(&mut swapped.cert, &mut swapped.key);
    let text = load(swapped).to_string();
    assert!(text.ends_with("peer.key: no certificate in it"), "{text}");
    let mut other = files("peer");
    other.key = files("stranger").key;
    assert!(matches!(load(other), TlsError::Refused(_)));
}
