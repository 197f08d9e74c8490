//! Addresses and ranges: `IpInRange`, `IsIP`, `IsIPV4`, `IsIPV6`, `IpToRange`.

use overspill_golike::{net, strconv};

/// Whether an address is in a range. Anything that is not an address or not a range is not; an
/// IPv4-mapped IPv6 address counts as the IPv4 one, on either side.
#[must_use]
pub fn ip_in_range(ip: &[u8], range: &[u8]) -> bool {
    match (net::parse_ip(ip), net::parse_cidr(range)) {
        (Some(ip), Some(range)) => range.contains(ip),
        _ => false,
    }
}

/// Whether a text is an address.
#[must_use]
pub fn is_ip(text: &[u8]) -> bool {
    net::parse_ip(text).is_some()
}

/// Whether a text is an IPv4 address, or an IPv4-mapped IPv6 one.
#[must_use]
pub fn is_ipv4(text: &[u8]) -> bool {
    net::parse_ip(text).is_some_and(|ip| ip.is_ipv4())
}

/// Whether a text is an IPv6 address and not an IPv4-mapped one.
#[must_use]
pub fn is_ipv6(text: &[u8]) -> bool {
    net::parse_ip(text).is_some_and(|ip| ip.is_ipv6())
}

/// The masked range of a length around an address, as text; the length may have a slash before
/// it. The zone is dropped, an IPv4-mapped address stays IPv6. `None` for bad input, where the
/// helper yields the empty string.
#[must_use]
pub fn ip_to_range(ip: &[u8], length: &[u8]) -> Option<String> {
    let length = strconv::atoi(length.strip_prefix(b"/").unwrap_or(length)).ok()?;
    let addr = net::parse_addr(ip)?;
    let prefix = net::Prefix::new(addr.ip, u8::try_from(length).ok()?)?;
    Some(prefix.masked().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_in_the_ranges_around_it() {
        for (ip, range, expected) in [
            ("192.168.1.7", "192.168.0.0/16", true),
            ("192.168.1.7", "192.168.9.9/16", true),
            ("192.169.1.7", "192.168.0.0/16", false),
            ("::ffff:192.168.1.7", "192.168.0.0/16", true),
            ("192.168.1.7", "::ffff:192.168.0.0/112", true),
            ("192.168.1.7", "::/0", false),
            ("2001:db8::1", "2001:db8::/32", true),
            ("10.0.0.1", "10.0.0.0/08", true),
            ("10.0.0.1", "10.0.0.1", false),
            ("10.0.0.01", "10.0.0.0/8", false),
            ("10.0.0.1 ", "10.0.0.0/8", false),
            ("fe80::1%eth0", "fe80::/10", false),
            ("10.0.0.1", "10.0.0.0/33", false),
            ("", "", false),
        ] {
            assert_eq!(
                ip_in_range(ip.as_bytes(), range.as_bytes()),
                expected,
                "{ip} {range}"
            );
        }
    }

    #[test]
    fn a_mapped_address_is_an_ipv4_address() {
        for (text, v4, v6) in [
            ("1.2.3.4", true, false),
            ("::ffff:1.2.3.4", true, false),
            ("::1", false, true),
            ("::1%lo", false, false),
            ("1.2.3", false, false),
        ] {
            let text = text.as_bytes();
            assert_eq!(
                (is_ipv4(text), is_ipv6(text), is_ip(text)),
                (v4, v6, v4 || v6)
            );
        }
    }

    #[test]
    fn a_range_around_an_address_is_masked() {
        for (ip, length, expected) in [
            ("192.168.1.7", "/24", Some("192.168.1.0/24")),
            ("192.168.1.7", "24", Some("192.168.1.0/24")),
            ("::ffff:1.2.3.4", "/24", Some("::/24")),
            ("fe80::1%eth0", "/64", Some("fe80::/64")),
            ("192.168.1.7", "/33", None),
            ("192.168.1.7", "-1", None),
            ("192.168.1.7", "//8", None),
            ("nope", "8", None),
        ] {
            let range = ip_to_range(ip.as_bytes(), length.as_bytes());
            assert_eq!(range.as_deref(), expected, "{ip} {length}");
        }
    }
}
