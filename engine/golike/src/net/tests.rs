use proptest::prelude::*;

use super::*;

#[test]
fn the_two_packages_take_different_addresses() {
    for (text, ip, addr) in [
        ("1.2.3.4", Some("1.2.3.4"), Some("1.2.3.4")),
        ("::ffff:1.2.3.4", Some("1.2.3.4"), Some("::ffff:1.2.3.4")),
        (
            "2001:DB8:0:0:1::",
            Some("2001:db8:0:0:1::"),
            Some("2001:db8:0:0:1::"),
        ),
        ("fe80::1%eth0", None, Some("fe80::1%eth0")),
        ("1.2.3.4%eth0", None, None),
        ("fe80::1%", None, None),
        ("01.2.3.4", None, None),
        ("1.2.3", None, None),
        (" 1.2.3.4", None, None),
        (
            "1:2:3:4:5:6:7::",
            Some("1:2:3:4:5:6:7:0"),
            Some("1:2:3:4:5:6:7:0"),
        ),
        ("1:2:3:4:5:6:7:8::", None, None),
        ("[::1]", None, None),
        ("", None, None),
    ] {
        let text = text.as_bytes();
        assert_eq!(parse_ip(text).map(|ip| ip.to_string()).as_deref(), ip);
        assert_eq!(
            parse_addr(text).map(|addr| addr.to_string()).as_deref(),
            addr
        );
    }
}

#[test]
fn a_prefix_keeps_address_families_apart() {
    for (prefix, address, expected) in [
        ("10.1.2.3/8", "10.9.9.9", true),
        ("10.1.2.3/8", "::ffff:10.9.9.9", false),
        ("::ffff:10.0.0.0/104", "::ffff:10.9.9.9", true),
        ("::ffff:10.0.0.0/104", "10.9.9.9", false),
        ("fe80::/10", "fe80::1", true),
        ("fe80::/10", "fe80::1%eth0", false),
        ("0.0.0.0/0", "255.255.255.255", true),
        ("::/0", "1.2.3.4", false),
        ("1.2.3.4/32", "1.2.3.5", false),
    ] {
        let prefix = parse_prefix(prefix.as_bytes()).unwrap();
        let address = parse_addr(address.as_bytes()).unwrap();
        assert_eq!(prefix.contains(&address), expected, "{prefix} {address}");
    }
}

#[test]
fn prefixes_are_read_and_masked() {
    for (text, expected) in [
        ("10.1.2.3/8", Some("10.0.0.0/8")),
        ("2001:db8::1/32", Some("2001:db8::/32")),
        ("::ffff:1.2.3.4/24", Some("::/24")),
        ("10.0.0.0/08", None),
        ("10.0.0.0/33", None),
        ("10.0.0.0/", None),
        ("10.0.0.0/+8", None),
        ("fe80::1%eth0/64", None),
        ("10.0.0.0", None),
    ] {
        let masked = parse_prefix(text.as_bytes()).map(|prefix| prefix.masked().to_string());
        assert_eq!(masked.as_deref(), expected, "{text}");
    }
}

#[test]
fn a_cidr_takes_mapped_addresses_for_ipv4() {
    for (cidr, address, expected) in [
        ("10.1.2.3/08", "10.9.9.9", true),
        ("10.1.2.3/8", "::ffff:10.9.9.9", true),
        ("::ffff:10.0.0.0/104", "10.9.9.9", true),
        ("::ffff:10.0.0.0/95", "10.9.9.9", false),
        ("::/0", "10.9.9.9", false),
        ("::/0", "::1", true),
    ] {
        let parsed = parse_cidr(cidr.as_bytes()).unwrap();
        let address = parse_ip(address.as_bytes()).unwrap();
        assert_eq!(parsed.contains(address), expected, "{cidr} {address}");
    }
    assert_eq!(parse_cidr(b"10.0.0.0/33"), None);
    assert_eq!(parse_cidr(b"fe80::%1/8"), None);
}

#[test]
fn a_cidr_has_a_last_address() {
    let last = |text: &[u8]| parse_cidr(text).map(|cidr| cidr.last().to_string());
    assert_eq!(last(b"10.1.2.3/8").as_deref(), Some("10.255.255.255"));
    assert_eq!(last(b"1.2.3.4/32").as_deref(), Some("1.2.3.4"));
    assert_eq!(last(b"2001:db8::/126").as_deref(), Some("2001:db8::3"));
    assert_eq!(last(b"0.0.0.0/0").as_deref(), Some("255.255.255.255"));
}

proptest! {
    #[test]
    fn containment_is_comparison_of_leading_bits(left in any::<u32>(), right in any::<u32>(), bits in 0..=32_u8) {
        let prefix = Prefix::new(Ipv4Addr::from_bits(left).into(), bits).unwrap();
        let same = (0..bits).all(|bit| (left ^ right) >> (31 - bit) & 1 == 0);
        prop_assert_eq!(prefix.contains_ip(Ipv4Addr::from_bits(right).into()), same);
    }

    #[test]
    fn texts_of_addresses_and_ranges_are_read_again(text in "[0-9a-f:./%]{0,24}") {
        let text = text.as_bytes();
        if let Some(addr) = parse_addr(text) {
            prop_assert_eq!(parse_addr(addr.to_string().as_bytes()), Some(addr));
        }
        if let Some(prefix) = parse_prefix(text) {
            prop_assert_eq!(parse_prefix(prefix.to_string().as_bytes()), Some(prefix));
            prop_assert!(prefix.contains_ip(prefix.ip()));
        }
        if let Some(cidr) = parse_cidr(text) {
            prop_assert_eq!(parse_cidr(cidr.to_string().as_bytes()), Some(cidr));
            prop_assert!(cidr.contains(cidr.network()) && cidr.contains(cidr.last()));
        }
    }
}
