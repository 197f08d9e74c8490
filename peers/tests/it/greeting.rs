//! Messages of the greeting: any bytes are read or refused, and MACs cover all that was said.

use overspill_peers::Secret;
use overspill_peers::greeting::{BYTES_MAX, Card, Kind, Message, Session, Verdict};
use proptest::prelude::*;

fn card() -> impl Strategy<Value = Card> {
    (
        any::<[u32; 3]>(),
        any::<[bool; 2]>(),
        any::<u64>(),
        any::<[u8; 32]>(),
        any::<[u8; 32]>(),
    )
        .prop_map(|(numbers, flags, generation, build, content)| Card {
            from: numbers[0],
            to: numbers[1],
            n: numbers[2],
            is_encrypted: flags[0],
            is_learning: flags[1],
            generation,
            build,
            content,
        })
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        Just(Verdict::Welcome),
        Just(Verdict::Build),
        Just(Verdict::Older),
        Just(Verdict::Early),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let bytes = any::<[u8; 32]>;
    prop_oneof![
        bytes().prop_map(Message::Hello),
        bytes().prop_map(Message::Challenge),
        (card(), bytes()).prop_map(|(card, mac)| Message::Proof(card, mac)),
        (verdict(), card(), bytes())
            .prop_map(|(verdict, card, mac)| Message::Verdict(verdict, card, mac)),
        (verdict(), bytes()).prop_map(|(verdict, mac)| Message::Confirm(verdict, mac)),
    ]
}

proptest! {
    #[test]
    fn a_message_is_read_as_it_was_written(message in message()) {
        let bytes = message.encode();
        prop_assert!(bytes.len() <= BYTES_MAX);
        prop_assert_eq!(bytes.len(), message.kind().bytes());
        prop_assert_eq!(Message::decode(&bytes), Ok(message));
        for n in 0..bytes.len() {
            prop_assert!(Message::decode(&bytes[..n]).is_err());
            prop_assert!(message.kind().begins(&bytes[..n]));
        }
        let mut more = bytes.clone();
        more.push(0);
        prop_assert!(Message::decode(&more).is_err());
        prop_assert!(!message.kind().begins(&more));
    }

    #[test]
    fn any_bytes_are_refused_or_read_and_written_the_same(
        message in message(),
        changes in prop::collection::vec((0..BYTES_MAX, any::<u8>()), 0..4),
    ) {
        let mut bytes = message.encode();
        for (place, byte) in changes {
            if let Some(old) = bytes.get_mut(place) {
                *old = byte;
            }
        }
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }

    #[test]
    fn a_mac_is_worth_nothing_for_anything_else(
        first in card(),
        second in card(),
        nonces in any::<[[u8; 32]; 3]>(),
    ) {
        prop_assume!(first != second && nonces[0] != nonces[1] && nonces[0] != nonces[2]);
        let secret = Secret::new(b"0123456789abcdef").unwrap();
        let other = Secret::new(b"0123456789abcdeF").unwrap();
        let session = Session::new(&secret, nonces[0], nonces[1]);
        let Message::Proof(_, mac) = session.proof(first) else { unreachable!() };
        prop_assert!(session.is_proof(&first, &mac));
        prop_assert!(!session.is_proof(&second, &mac));
        // Recorded, and played again to somebody with another nonce; or back to who said it.
        prop_assert!(!Session::new(&secret, nonces[0], nonces[2]).is_proof(&first, &mac));
        prop_assert!(!Session::new(&secret, nonces[1], nonces[0]).is_proof(&first, &mac));
        prop_assert!(!Session::new(&other, nonces[0], nonces[1]).is_proof(&first, &mac));
        prop_assert!(!session.is_confirm([&first, &first], Verdict::Welcome, &mac));

        let answer = session.verdict(&first, Verdict::Build, second);
        let Message::Verdict(_, _, mac) = answer else { unreachable!() };
        prop_assert!(session.is_verdict(&first, Verdict::Build, &second, &mac));
        prop_assert!(!session.is_verdict(&first, Verdict::Welcome, &second, &mac));
        prop_assert!(!session.is_verdict(&second, Verdict::Build, &second, &mac));

        let binding = session.binding(true, &nonces[2]);
        prop_assert!(session.is_binding(true, &nonces[2], &binding));
        prop_assert!(!session.is_binding(false, &nonces[2], &binding));
        prop_assert!(!session.is_binding(true, &nonces[1], &binding));
    }
}

#[test]
fn a_stranger_is_known_by_its_first_bytes() {
    for first in [
        &b"G"[..],
        b"SSH-2.0",
        b"\x16\x03\x01",
        b"OVERSPIL\x02",
        b"OVERSPIL\x01\x02",
    ] {
        assert!(!Kind::Hello.begins(first), "{first:?}");
    }
    assert!(Kind::Hello.begins(b""));
    assert!(Kind::Hello.begins(b"OVERSPIL\x01\x01 any nonce"));
}
