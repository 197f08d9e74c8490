//! Addresses and ranges as Go's `net` and `net/netip` read, write and compare them.
//!
//! The two packages differ and CrowdSec uses both. `net` ([`parse_ip`], [`parse_cidr`]) takes an
//! IPv4-mapped IPv6 address for the IPv4 address; `netip` ([`parse_addr`], [`parse_prefix`]) keeps
//! them apart and knows zones. Neither accepts blanks, nor octets with leading zeros.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::strings;

/// An address with its zone (`netip.Addr`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Addr {
    /// The address; an IPv4-mapped one stays IPv6.
    pub ip: IpAddr,
    /// The zone, without its `%`; empty if there is none. Only IPv6 addresses have one.
    pub zone: Box<[u8]>,
}

/// An address and the length of its network part (`netip.Prefix`). Need not be masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    ip: IpAddr,
    bits: u8,
}

/// A range that an IPv4-mapped address can be in (`net.IPNet`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cidr {
    network: IpAddr,
    bits: u8,
}

/// Reads an address as `net.ParseIP` does: no zone, and an IPv4-mapped address is the IPv4 one.
#[must_use]
pub fn parse_ip(text: &[u8]) -> Option<IpAddr> {
    parse_bare(text).map(unmapped)
}

/// Reads an address as `netip.ParseAddr` does.
#[must_use]
pub fn parse_addr(text: &[u8]) -> Option<Addr> {
    let Some(at) = text.iter().position(|byte| *byte == b'%') else {
        return parse_bare(text).map(|ip| Addr {
            ip,
            zone: Box::default(),
        });
    };
    let zone = &text[at + 1..];
    match parse_bare(&text[..at])? {
        ip @ IpAddr::V6(_) if !zone.is_empty() => Some(Addr {
            ip,
            zone: zone.into(),
        }),
        _ => None,
    }
}

/// Reads a range as `netip.ParsePrefix` does: no zone, no leading zeros in the length.
#[must_use]
pub fn parse_prefix(text: &[u8]) -> Option<Prefix> {
    let at = text.iter().rposition(|byte| *byte == b'/')?;
    let (ip, length) = (parse_bare(&text[..at])?, &text[at + 1..]);
    if length.len() > 1 && length[0] == b'0' {
        return None;
    }
    Prefix::new(ip, decimal(length)?)
}

/// Reads a range as `net.ParseCIDR` does: no zone, leading zeros in the length are fine.
#[must_use]
pub fn parse_cidr(text: &[u8]) -> Option<Cidr> {
    let at = text.iter().position(|byte| *byte == b'/')?;
    let prefix = Prefix::new(parse_bare(&text[..at])?, decimal(&text[at + 1..])?)?.masked();
    Some(match (unmapped(prefix.ip), prefix.ip) {
        (network @ IpAddr::V4(_), IpAddr::V6(_)) => Cidr {
            network,
            bits: prefix.bits.saturating_sub(96),
        },
        (network, _) => Cidr {
            network,
            bits: prefix.bits,
        },
    })
}

/// An IPv4-mapped IPv6 address as the IPv4 address; any other unchanged.
#[must_use]
pub fn unmapped(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

impl Addr {
    /// Whether this is an IPv4 address; an IPv4-mapped one is not.
    #[must_use]
    pub fn is_ipv4(&self) -> bool {
        self.ip.is_ipv4()
    }

    /// The address without its zone.
    #[must_use]
    pub fn without_zone(self) -> Self {
        Self {
            ip: self.ip,
            zone: Box::default(),
        }
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ip)?;
        if self.zone.is_empty() {
            return Ok(());
        }
        write!(f, "%{}", strings::to_valid_string(&self.zone))
    }
}

impl Prefix {
    /// A prefix; `None` if the length is more than the address has bits.
    #[must_use]
    pub fn new(ip: IpAddr, bits: u8) -> Option<Self> {
        (bits <= bit_len(ip)).then_some(Self { ip, bits })
    }

    /// The address, with what the length leaves out of it.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// The length of the network part in bits.
    #[must_use]
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// The same range with an address whose other bits are zero.
    #[must_use]
    pub fn masked(&self) -> Self {
        Self {
            ip: mask(self.ip, self.bits),
            bits: self.bits,
        }
    }

    /// Whether an address is in the range. One with a zone is in none, and an IPv4-mapped one is
    /// in no IPv4 range.
    #[must_use]
    pub fn contains(&self, addr: &Addr) -> bool {
        addr.zone.is_empty() && self.contains_ip(addr.ip)
    }

    /// As [`Prefix::contains`], for an address that has no zone.
    #[must_use]
    pub fn contains_ip(&self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.ip.is_ipv4() && mask(ip, self.bits) == mask(self.ip, self.bits)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.bits)
    }
}

impl Cidr {
    /// The first address; an IPv4-mapped one is written as IPv4.
    #[must_use]
    pub fn network(&self) -> IpAddr {
        self.network
    }

    /// The length of the network part in bits of [`Cidr::network`].
    #[must_use]
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// The last address.
    #[must_use]
    pub fn last(&self) -> IpAddr {
        match self.network {
            IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() | !mask4(self.bits))),
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() | !mask6(self.bits))),
        }
    }

    /// Whether an address is in the range; an IPv4-mapped one counts as the IPv4 one.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = unmapped(ip);
        ip.is_ipv4() == self.network.is_ipv4() && mask(ip, self.bits) == self.network
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.bits)
    }
}

fn parse_bare(text: &[u8]) -> Option<IpAddr> {
    // Longer than any address; spares the checks below a hostile text.
    if text.len() > 45 {
        return None;
    }
    if let Some(ip) = dotted(text) {
        return Some(IpAddr::V4(ip));
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// An IPv4 address as it is nearly always written; `None` leaves the text to the full parser.
fn dotted(text: &[u8]) -> Option<Ipv4Addr> {
    let mut parts = [0_u32; 4];
    let (mut at, mut n_digits) = (0, 0);
    for byte in text {
        match byte {
            b'0'..=b'9' => {
                let part = parts.get_mut(at)?;
                if n_digits == 3 || (n_digits > 0 && *part == 0) {
                    return None;
                }
                *part = *part * 10 + u32::from(byte - b'0');
                n_digits += 1;
            }
            b'.' if n_digits > 0 => (at, n_digits) = (at + 1, 0),
            _ => return None,
        }
    }
    if at != 3 || n_digits == 0 || parts.iter().any(|part| *part > 255) {
        return None;
    }
    let [a, b, c, d] = parts;
    Some(Ipv4Addr::from_bits(a << 24 | b << 16 | c << 8 | d))
}

fn decimal(text: &[u8]) -> Option<u8> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    text.iter().try_fold(0_u8, |number, digit| {
        number.checked_mul(10)?.checked_add(digit - b'0')
    })
}

fn bit_len(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

fn mask4(bits: u8) -> u32 {
    u32::MAX
        .checked_shl(32_u32.saturating_sub(bits.into()))
        .unwrap_or(0)
}

fn mask6(bits: u8) -> u128 {
    u128::MAX
        .checked_shl(128_u32.saturating_sub(bits.into()))
        .unwrap_or(0)
}

fn mask(ip: IpAddr, bits: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & mask4(bits))),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & mask6(bits))),
    }
}

#[cfg(test)]
mod tests;
