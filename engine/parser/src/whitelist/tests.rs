//! Membership against the obvious loop.

use overspill_golike::net::{Addr, Prefix, parse_addr, parse_prefix};
use proptest::prelude::*;

use super::Whitelist;

fn addr(text: &str) -> Addr {
    parse_addr(text.as_bytes()).unwrap()
}

#[test]
fn ranges_that_touch_overlap_or_hold_everything_are_merged_right() {
    let prefixes = |texts: &[&str]| -> Vec<Prefix> {
        texts
            .iter()
            .map(|text| parse_prefix(text.as_bytes()).unwrap())
            .collect()
    };
    let list = Whitelist::new(
        "r",
        &[],
        &prefixes(&[
            "10.0.0.0/24",
            "10.0.1.0/24",
            "10.0.0.128/25",
            "10.0.3.7/32",
            "::/0",
        ]),
        Vec::new(),
    );
    for ip in [
        "10.0.0.0",
        "10.0.0.255",
        "10.0.1.0",
        "10.0.1.255",
        "10.0.3.7",
        "::",
        "ffff::1",
    ] {
        assert!(list.contains(&addr(ip)), "{ip}");
    }
    for ip in [
        "9.255.255.255",
        "10.0.2.0",
        "10.0.3.6",
        "10.0.3.8",
        "0.0.0.0",
    ] {
        assert!(!list.contains(&addr(ip)), "{ip}");
    }
    let everything = Whitelist::new("r", &[], &prefixes(&["0.0.0.0/0"]), Vec::new());
    assert!(everything.contains(&addr("255.255.255.255")));
    assert!(!everything.contains(&addr("::ffff:1.1.1.1")));
}

fn any_prefix() -> impl Strategy<Value = Prefix> {
    // Few high bits, so that ranges meet.
    let v4 = (0u32..8, 24u8..=32)
        .prop_map(|(low, bits)| Prefix::new(std::net::Ipv4Addr::from_bits(low << 6).into(), bits));
    let v6 = (0u128..8, 118u8..=128)
        .prop_map(|(low, bits)| Prefix::new(std::net::Ipv6Addr::from_bits(low << 6).into(), bits));
    prop_oneof![v4, v6].prop_map(Option::unwrap)
}

proptest! {
    #[test]
    fn merged_ranges_hold_what_the_single_ones_hold(
        prefixes in prop::collection::vec(any_prefix(), 0..12),
        low in 0u32..640,
        is_v6: bool,
    ) {
        let ip = match is_v6 {
            true => std::net::Ipv6Addr::from_bits(low.into()).into(),
            false => std::net::Ipv4Addr::from_bits(low).into(),
        };
        let addr = Addr { ip, zone: Box::default() };
        let list = Whitelist::new("r", &[], &prefixes, Vec::new());
        let expected = prefixes.iter().any(|prefix| prefix.contains(&addr));
        prop_assert_eq!(list.contains(&addr), expected);
    }
}
