//! Addresses as the signed integers that CrowdSec's database compares.
//!
//! SQL has no unsigned 64-bit column, so CrowdSec moves every half of an address down to the signed
//! range (`pkg/types/ip.go`). Two values collide (2^64-2 and 2^64-1); that is part of the format.

use crate::block::{Block, Family};

/// A value of scope `Ip` or `Range` as the columns of CrowdSec's `decisions` table hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IpInts {
    /// 4, 16, or 0 for a value that is no address.
    pub ip_size: u8,
    /// First address: all of IPv4, the high half of IPv6.
    pub start_ip: i64,
    /// First address: the low half of IPv6.
    pub start_suffix: i64,
    /// Last address, as `start_ip`.
    pub end_ip: i64,
    /// Last address, as `start_suffix`.
    pub end_suffix: i64,
}

impl IpInts {
    /// The columns of a block.
    #[must_use]
    pub fn of(block: Block) -> Self {
        let (first, last) = (block.first(), block.last());
        match block.family() {
            Family::V4 => Self {
                ip_size: 4,
                start_ip: signed(low_half(first)),
                start_suffix: signed(0),
                end_ip: signed(low_half(last)),
                end_suffix: signed(0),
            },
            Family::V6 => Self {
                ip_size: 16,
                start_ip: signed(high_half(first)),
                start_suffix: signed(low_half(first)),
                end_ip: signed(high_half(last)),
                end_suffix: signed(low_half(last)),
            },
        }
    }

    /// Whether the interval of `other` lies within this one, by the columns alone.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.ip_size == other.ip_size
            && self.ip_size != 0
            && (self.start_ip, self.start_suffix) <= (other.start_ip, other.start_suffix)
            && (self.end_ip, self.end_suffix) >= (other.end_ip, other.end_suffix)
    }
}

/// The columns of a decision: all zero for scopes other than `Ip` and `Range` (in any case of
/// letters), `None` for a value of those scopes that is no address.
#[must_use]
pub fn ip_range_ints(scope: &str, value: &str) -> Option<IpInts> {
    if is_address_scope(scope) {
        Block::parse(value).map(IpInts::of)
    } else {
        Some(IpInts::default())
    }
}

/// Whether values of the scope are addresses or ranges.
#[must_use]
pub fn is_address_scope(scope: &str) -> bool {
    scope.eq_ignore_ascii_case("ip") || scope.eq_ignore_ascii_case("range")
}

/// Moves an unsigned number to the signed range, keeping the order but for the last two.
fn signed(number: u64) -> i64 {
    const HALF: u64 = i64::MAX.unsigned_abs();
    match number {
        u64::MAX => i64::MAX,
        _ if number >= HALF => i64::try_from(number - HALF).unwrap_or(i64::MAX),
        // Below the half the difference is negative: at most 2^63 - 1 in size.
        _ => -i64::try_from(HALF - number).unwrap_or(i64::MAX),
    }
}

fn high_half(address: u128) -> u64 {
    u64::try_from(address >> 64).unwrap_or(u64::MAX)
}

fn low_half(address: u128) -> u64 {
    u64::try_from(address & u128::from(u64::MAX)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_move_to_the_signed_range() {
        for (number, expected) in [
            (0, -i64::MAX),
            (1, -i64::MAX + 1),
            (u64::MAX / 2 - 1, -1),
            (u64::MAX / 2, 0),
            (u64::MAX / 2 + 1, 1),
            (u64::MAX - 1, i64::MAX),
            (u64::MAX, i64::MAX),
        ] {
            assert_eq!(signed(number), expected, "{number}");
        }
    }

    #[test]
    fn values_become_the_columns_of_the_reference() {
        let v4 = -9_223_372_036_837_866_747;
        let zero = -i64::MAX;
        for (scope, value, expected) in [
            ("Ip", "1.2.3.4", Some((4, v4, zero, v4, zero))),
            ("ip", "::ffff:1.2.3.4", Some((4, v4, zero, v4, zero))),
            ("Range", "1.2.3.4/30", Some((4, v4, zero, v4 + 3, zero))),
            ("Ip", "::1", Some((16, zero, zero + 1, zero, zero + 1))),
            ("RANGE", "::/0", Some((16, zero, zero, i64::MAX, i64::MAX))),
            ("AS", "1234", Some((0, 0, 0, 0, 0))),
            ("Range", "", None),
            ("Ip", "nobody", None),
        ] {
            let ints = ip_range_ints(scope, value).map(|i| {
                (
                    i.ip_size,
                    i.start_ip,
                    i.start_suffix,
                    i.end_ip,
                    i.end_suffix,
                )
            });
            assert_eq!(ints, expected, "{scope} {value}");
        }
    }

    #[test]
    fn the_columns_tell_containment_within_a_family() {
        let ints = |value| ip_range_ints("Range", value).unwrap();
        for (outer, inner, contains) in [
            ("1.2.3.0/24", "1.2.3.9", true),
            ("1.2.3.0/24", "1.2.4.0", false),
            ("2001:db8::/32", "2001:db8:ffff::/48", true),
            ("2001:db8::/64", "2001:db8:0:1::1", false),
            ("::/0", "1.2.3.4", false),
        ] {
            assert_eq!(
                ints(outer).contains(&ints(inner)),
                contains,
                "{outer} {inner}"
            );
        }
        assert!(
            !IpInts::default().contains(&IpInts::default()),
            "no address contains no address"
        );
    }
}
