//! Whoever does not belong to the job is harmless, whatever it sends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use overspill_peers::greeting::{Card, Kind, Message, Session, Verdict};
use overspill_peers::{Counts, Notice, Refusal, Secret};

use crate::util::{SECRET, Seeker, listeners, peers};

/// Process 0 waits while strangers come; then process 1 comes and both meet.
fn meets_in_spite_of(strangers: impl FnOnce(SocketAddr, &Seeker)) -> (Counts, Vec<Notice>) {
    let (listeners, addresses) = listeners(2);
    let mut listeners = listeners.into_iter();
    let mut first = peers(0, &addresses);
    first.limits.handshake = Duration::from_millis(700);
    first.limits.pending_max = 32;
    let first = Seeker::start(listeners.next().unwrap(), first);
    strangers(addresses[0], &first);
    let second = Seeker::start(listeners.next().unwrap(), peers(1, &addresses));
    let told = {
        first.until(|notice| *notice == Notice::Met(1));
        first.told()
    };
    assert!(second.join().is_ok());
    (first.join().unwrap().counts, told)
}

/// Everything that is answered until the other side hangs up.
fn answered(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    match socket.read_to_end(&mut bytes) {
        Ok(_) => bytes,
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            bytes
        }
    }
}

fn hello(address: SocketAddr, nonce: [u8; 32]) -> (TcpStream, [u8; 32]) {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(&Message::Hello(nonce).encode()).unwrap();
    let mut bytes = vec![0; Kind::Challenge.bytes()];
    socket.read_exact(&mut bytes).unwrap();
    let Ok(Message::Challenge(theirs)) = Message::decode(&bytes) else {
        panic!("no challenge");
    };
    (socket, theirs)
}

fn card(from: u32) -> Card {
    Card {
        from,
        to: 0,
        n: 2,
        is_encrypted: false,
        is_learning: true,
        generation: 0,
        build: [1; 32],
        content: [2; 32],
    }
}

#[test]
fn garbage_is_dropped_at_its_first_wrong_byte_without_an_answer() {
    let (counts, told) = meets_in_spite_of(|address, _| {
        for garbage in [
            &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            &[0xff; 200],
            &[0; 100_000],
            b"OVERSPIL\x01\x05 the last word first, and a nonce as well",
        ] {
            let mut socket = TcpStream::connect(address).unwrap();
            // What is too long meets a closed connection.
            let _cut = socket.write_all(garbage);
            assert_eq!(answered(&mut socket), b"");
        }
    });
    assert_eq!(counts.refused(Refusal::Stranger), 6);
    let n_told = told
        .iter()
        .filter(|notice| matches!(notice, Notice::Refused { .. }))
        .count();
    assert_eq!(n_told, 1, "{told:?}");
}

#[test]
fn an_oversized_greeting_is_cut_at_the_end_of_its_first_message() {
    let (counts, _) = meets_in_spite_of(|address, _| {
        let mut socket = TcpStream::connect(address).unwrap();
        let mut bytes = Message::Hello([1; 32]).encode();
        bytes.extend_from_slice(&[b'A'; 50_000]);
        let _cut = socket.write_all(&bytes);
        assert!(answered(&mut socket).len() <= Kind::Challenge.bytes());
    });
    assert_eq!(counts.refused(Refusal::Stranger), 1);
}

#[test]
fn a_port_scan_and_a_slow_greeting_end_by_themselves() {
    let (counts, _) = meets_in_spite_of(|address, seeker| {
        for _ in 0..50 {
            drop(TcpStream::connect(address).unwrap());
        }
        let mut silent = TcpStream::connect(address).unwrap();
        let mut slow = TcpStream::connect(address).unwrap();
        for byte in Message::Hello([1; 32]).encode() {
            if slow.write_all(&[byte]).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(answered(&mut slow), b"");
        assert_eq!(answered(&mut silent), b"");
        seeker.until(|notice| {
            matches!(
                notice,
                Notice::Refused {
                    refusal: Refusal::Slow,
                    ..
                }
            )
        });
    });
    assert_eq!(counts.refused(Refusal::Closed), 50);
    assert_eq!(counts.refused(Refusal::Slow), 2);
}

#[test]
fn hundreds_of_half_open_connections_do_not_keep_a_peer_out() {
    let mut held = Vec::new();
    let (counts, told) = meets_in_spite_of(|address, _| {
        for n in 0..800 {
            let mut socket = TcpStream::connect(address).unwrap();
            if n % 2 == 0 {
                socket.write_all(&Message::Hello([3; 32]).encode()).unwrap();
            }
            held.push(socket);
        }
    });
    // On a busy machine some of them have had their time before the others came.
    let dropped = counts.refused(Refusal::Crowded) + counts.refused(Refusal::Slow);
    assert!(dropped >= 800 - 32 - 1, "{counts:?}");
    assert!(counts.refused(Refusal::Crowded) > 100, "{counts:?}");
    let n_told = told
        .iter()
        .filter(|notice| matches!(notice, Notice::Refused { .. }))
        .count();
    assert!(n_told < 10, "{told:?}");
}

#[test]
fn a_wrong_secret_is_answered_by_the_challenge_alone() {
    let (counts, _) = meets_in_spite_of(|address, _| {
        let (mut socket, theirs) = hello(address, [1; 32]);
        let guess = Secret::new(b"perhaps it is this one").unwrap();
        let session = Session::new(&guess, [1; 32], theirs);
        socket.write_all(&session.proof(card(1)).encode()).unwrap();
        assert_eq!(answered(&mut socket), b"");
    });
    assert_eq!(counts.refused(Refusal::Secret), 1);
}

#[test]
fn a_greeting_that_was_recorded_is_worth_nothing_again() {
    let secret = Secret::new(SECRET).unwrap();
    let (counts, _) = meets_in_spite_of(|address, _| {
        // A true greeting that is given up at its end, as an eavesdropper has it.
        let (mut socket, theirs) = hello(address, [1; 32]);
        let proof = Session::new(&secret, [1; 32], theirs)
            .proof(card(1))
            .encode();
        socket.write_all(&proof).unwrap();
        let mut verdict = vec![0; Kind::Verdict.bytes()];
        socket.read_exact(&mut verdict).unwrap();
        let Ok(Message::Verdict(Verdict::Welcome, own, _)) = Message::decode(&verdict) else {
            panic!("not welcome");
        };
        assert_eq!((own.from, own.to, own.generation), (0, 1, 5));
        drop(socket);
        let (mut socket, _) = hello(address, [1; 32]);
        socket.write_all(&proof).unwrap();
        assert_eq!(answered(&mut socket), b"");
    });
    assert_eq!(counts.refused(Refusal::Secret), 1);
    assert_eq!(counts.refused(Refusal::Closed), 1);
}

#[test]
fn who_knows_the_secret_and_has_no_place_is_told_so() {
    let secret = Secret::new(SECRET).unwrap();
    let (counts, _) = meets_in_spite_of(|address, _| {
        for (from, to, wanted) in [
            (0, 0, Verdict::WrongIndex),
            (2, 0, Verdict::WrongIndex),
            (u32::MAX, 0, Verdict::WrongIndex),
            (1, 1, Verdict::WrongTarget),
        ] {
            let (mut socket, theirs) = hello(address, [1; 32]);
            let session = Session::new(&secret, [1; 32], theirs);
            let card = Card { to, ..card(from) };
            socket.write_all(&session.proof(card).encode()).unwrap();
            let answer = answered(&mut socket);
            let Ok(Message::Verdict(verdict, own, mac)) = Message::decode(&answer) else {
                panic!("{answer:?}");
            };
            assert_eq!(verdict, wanted);
            assert!(session.is_verdict(&card, verdict, &own, &mac));
        }
    });
    assert_eq!(counts.refused(Refusal::Verdict(Verdict::WrongIndex)), 3);
    assert_eq!(counts.refused(Refusal::Verdict(Verdict::WrongTarget)), 1);
}

#[test]
fn a_dialer_is_not_taken_in_by_strangers_that_answer() {
    for answer in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"",
        &[0xff; 10_000],
        &Message::Challenge([9; 32]).encode(),
        // An echo of its own greeting.
        &Message::Hello([9; 32]).encode(),
    ] {
        let (mut listeners, addresses) = listeners(2);
        let impostor = listeners.remove(0);
        let mut second = peers(1, &addresses);
        second.limits.patience = Some(Duration::from_millis(300));
        let seeker = Seeker::start(listeners.remove(0), second);
        impostor.set_nonblocking(true).unwrap();
        while !seeker.has_ended() {
            if let Ok((mut socket, _)) = impostor.accept() {
                let _cut = socket.write_all(answer);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let end = seeker.join().unwrap_err().to_string();
        assert!(end.contains("processes did not come"), "{end}");
    }
}
