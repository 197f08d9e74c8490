//! One address or one range, as an interval of numbers.
//!
//! An alert's or an allowlist's value is text that somebody else wrote. [`Block::parse`] is the
//! only way from such text to something that is compared or put into a set; what it refuses never
//! becomes a decision on an address. An IPv4 address written as an IPv6 one (`::ffff:192.0.2.1`)
//! is the IPv4 address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use overspill_golike::net;

/// An address, or a network whose host bits are clear.
///
/// The order is by family and first address, then from the widest to the narrowest: a network
/// comes before everything within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    family: Family,
    first: u128,
    prefix_bits: u8,
}

/// Version of the Internet protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// 32-bit addresses.
    V4,
    /// 128-bit addresses.
    V6,
}

impl Family {
    /// Length of an address.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl Block {
    /// An address (`192.0.2.1`) or a range (`192.0.2.0/24`; host bits are cleared), as Go's `net`
    /// package reads them: no zone, no leading zeros in IPv4.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if !text.contains(&b'/') {
            return Some(Self::of(net::parse_ip(text)?));
        }
        let cidr = net::parse_cidr(text)?;
        let network = Self::of(cidr.network());
        Some(Self::masked(network.family, network.first, cidr.bits()))
    }

    /// The block of one address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::masked(Family::V4, u128::from(v4.to_bits()), 32),
            IpAddr::V6(v6) => Self::masked(Family::V6, v6.to_bits(), 128),
        }
    }

    fn masked(family: Family, address: u128, prefix_bits: u8) -> Self {
        let prefix_bits = prefix_bits.min(family.bits());
        let block = Self {
            family,
            first: address,
            prefix_bits,
        };
        Self {
            first: address & !block.host_mask(),
            ..block
        }
    }

    /// The network of `prefix_bits` that this block lies in; itself if it is no wider than that.
    #[must_use]
    pub fn widened(self, prefix_bits: u8) -> Self {
        Self::masked(self.family, self.first, prefix_bits.min(self.prefix_bits))
    }

    fn host_mask(self) -> u128 {
        let host_bits = u32::from(self.family.bits() - self.prefix_bits);
        1u128
            .checked_shl(host_bits)
            .map_or(u128::MAX, |size| size - 1)
    }

    /// Version of the protocol.
    #[must_use]
    pub fn family(self) -> Family {
        self.family
    }

    /// First address as a number.
    #[must_use]
    pub fn first(self) -> u128 {
        self.first
    }

    /// Last address as a number.
    #[must_use]
    pub fn last(self) -> u128 {
        self.first | self.host_mask()
    }

    /// Length of the network prefix; that of the address for a single address.
    #[must_use]
    pub fn prefix_bits(self) -> u8 {
        self.prefix_bits
    }

    /// Whether every address of `other` is in this block.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.family == other.family && self.first <= other.first && other.last() <= self.last()
    }

    /// Whether some address is in both; then one contains the other.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other) || other.contains(self)
    }
}

/// The network in CIDR form, with its length even for a single address.
impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.family {
            Family::V4 => {
                let bits = u32::try_from(self.first).unwrap_or(0);
                write!(f, "{}/{}", Ipv4Addr::from_bits(bits), self.prefix_bits)
            }
            Family::V6 => write!(
                f,
                "{}/{}",
                Ipv6Addr::from_bits(self.first),
                self.prefix_bits
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_go_reads_them() {
        for (text, expected) in [
            ("1.2.3.4", Some("1.2.3.4/32")),
            ("1.2.3.4/24", Some("1.2.3.0/24")),
            ("0.0.0.0/0", Some("0.0.0.0/0")),
            ("2001:DB8::1", Some("2001:db8::1/128")),
            ("2001:db8::1/64", Some("2001:db8::/64")),
            ("::/0", Some("::/0")),
            ("::ffff:1.2.3.4", Some("1.2.3.4/32")),
            ("::ffff:1.2.3.4/120", Some("1.2.3.0/24")),
            ("::ffff:1.2.3.4/64", Some("::/64")),
            ("1.2.3.4/024", Some("1.2.3.0/24")),
            ("1.2.3.4/33", None),
            ("::1/129", None),
            ("1.2.3.4/+24", None),
            ("1.2.3.4/", None),
            ("1.2.3.4/99999999999999999999", None),
            ("01.2.3.4", None),
            ("1.2.3", None),
            ("fe80::1%eth0", None),
            (" 1.2.3.4", None),
            ("", None),
            ("/", None),
            ("example.org", None),
        ] {
            let read = Block::parse(text).map(|block| block.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn containment_is_by_family_and_interval() {
        let block = |text| Block::parse(text).unwrap();
        for (outer, inner, contains) in [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "10.0.0.0/8", true),
            ("10.0.0.0/9", "10.0.0.0/8", false),
            ("0.0.0.0/0", "10.1.2.3", true),
            ("::/0", "10.1.2.3", false),
            ("::/0", "::1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
        ] {
            assert_eq!(
                block(outer).contains(block(inner)),
                contains,
                "{outer} {inner}"
            );
            assert_eq!(
                block(outer).overlaps(block(inner)),
                contains || outer.ends_with("/9")
            );
        }
        assert_eq!(block("0.0.0.0/0").last(), u128::from(u32::MAX));
        assert_eq!(block("::/0").last(), u128::MAX);
    }
}
