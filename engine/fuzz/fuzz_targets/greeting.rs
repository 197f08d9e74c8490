//! The greeting of processes, as a stranger may send it.
//!
//! ```text
//! the bytes of a message
//! ```

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use overspill_peers::Secret;
use overspill_peers::greeting::{BYTES_MAX, Card, Kind, Message, Session};

static SECRET: LazyLock<Secret> = LazyLock::new(|| match Secret::new(b"nobody guesses this") {
    Ok(secret) => secret,
    Err(error) => panic!("a secret: {error}"),
});

fuzz_target!(|data: &[u8]| {
    let kinds = [
        Kind::Hello,
        Kind::Challenge,
        Kind::Proof,
        Kind::Verdict,
        Kind::Confirm,
    ];
    // However many bytes have come, they begin one kind of message at most once its head is there.
    for n in 0..=data.len().min(BYTES_MAX + 1) {
        let n_kinds = kinds.iter().filter(|kind| kind.begins(&data[..n])).count();
        assert!(n_kinds <= 1 || n < 10);
    }
    let Ok(message) = Message::decode(data) else {
        return;
    };
    assert!(message.kind().begins(data) && message.kind().bytes() == data.len());
    assert_eq!(message.encode(), data);
    let session = Session::new(&SECRET, [1; 32], [2; 32]);
    match message {
        Message::Hello(_) | Message::Challenge(_) => {}
        Message::Proof(card, mac) => {
            assert!(!session.is_proof(&card, &mac));
            let own = session.proof(card).encode();
            assert_eq!(own[..own.len() - 32], data[..data.len() - 32]);
        }
        Message::Verdict(verdict, card, mac) => {
            assert!(!session.is_verdict(&card, verdict, &card, &mac));
            let _ = (verdict.reason(), verdict.seen_by_the_dialer());
        }
        Message::Confirm(verdict, mac) => {
            let card = card();
            assert!(!session.is_confirm([&card, &card], verdict, &mac));
        }
    }
});

fn card() -> Card {
    Card {
        from: 1,
        to: 0,
        n: 2,
        is_encrypted: false,
        is_learning: true,
        generation: 0,
        build: [0; 32],
        content: [0; 32],
    }
}
