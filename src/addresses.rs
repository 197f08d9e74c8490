//! Addresses of this machine, which nothing is decided against.

use std::net::{IpAddr, Ipv6Addr};

use overspill_decision::Block;

/// Those that the system has now; none where it does not say.
pub(crate) fn own() -> Vec<Block> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let mut own = v4(&read("/proc/net/fib_trie"));
    own.extend(v6(&read("/proc/net/if_inet6")));
    own.sort_unstable();
    own.dedup();
    own
}

/// From the table of routes: an address stands before what it is.
fn v4(table: &str) -> Vec<Block> {
    let mut last = None;
    let mut own = Vec::new();
    for line in table.lines() {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            last = Block::parse(address);
        } else if line.starts_with("/32 host LOCAL") {
            own.extend(last);
        }
    }
    own
}

/// From the list of interfaces: an address is 32 hexadecimal digits.
fn v6(list: &str) -> Vec<Block> {
    let of_line = |line: &str| {
        let digits = line.split_whitespace().next()?;
        let bits = u128::from_str_radix(digits, 16).ok()?;
        Some(Block::of(IpAddr::V6(Ipv6Addr::from_bits(bits))))
    };
    list.lines().filter_map(of_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(own: &[Block]) -> Vec<String> {
        own.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn addresses_are_told_from_networks_and_broadcasts() {
        let table = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     +-- 127.0.0.0/8 2 0 2\n           |-- 127.0.0.0\n              \
            /8 host LOCAL\n           |-- 127.0.0.1\n              /32 host LOCAL\n           |-- 192.0.2.0\n              \
            /24 link UNICAST\n           |-- 192.0.2.2\n              /32 host LOCAL\n        |-- 192.0.2.255\n           \
            /32 link BROADCAST\n";
        assert_eq!(shown(&v4(table)), ["127.0.0.1/32", "192.0.2.2/32"]);
        let list = "00000000000000000000000000000001 01 80 10 80       lo\n\
            fd000000000000000000000000000002 04 40 00 82     eth0\n";
        assert_eq!(shown(&v6(list)), ["::1/128", "fd00::2/128"]);
        assert!(v4("nonsense").is_empty() && v6("nonsense\n\n").is_empty());
    }

    #[test]
    fn this_machine_has_one() {
        let loopback = Block::parse("127.0.0.1").unwrap();
        assert!(own().contains(&loopback));
    }
}
